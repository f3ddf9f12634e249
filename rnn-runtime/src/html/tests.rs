use super::*;
use crate::log::RunInfo;
use crate::metrics::{Accuracy, Buckets, Slices};
use crate::train::{EpochRecord, FlowRecord, StateNorms};

fn run(epochs: u64) -> History {
    let steps = (1..=10 * epochs).map(|step| StepRecord {
        step,
        epoch: (step - 1) / 10 + 1,
        loss: if step == 7 {
            f64::NAN
        } else {
            3.0 / step as f64
        },
        learning_rate: 1e-3,
        gradient_norm: (step != 8).then_some(1.0 / step as f64),
        parameter_norms: vec![("lstm.W_i".into(), 0.5), ("b".into(), 0.1)],
        seen: 64,
        seconds: 0.01,
    });
    let epochs = (1..=epochs).map(|epoch| EpochRecord {
        epoch,
        steps: 10 * epoch,
        figures: vec![
            ("loss".into(), 1.0 / epoch as f64),
            ("accuracy <b>".into(), 0.5),
        ],
        slices: vec![],
        seconds: 0.2,
    });
    History {
        info: RunInfo::new("char & model")
            .setting("seed", "<7>")
            .table(Table {
                title: "Parameters".into(),
                head: vec!["name".into(), "count".into()],
                rows: vec![vec!["W".into(), "12".into()]],
            }),
        steps: steps.collect(),
        epochs: epochs.collect(),
        flow: vec![],
    }
}

#[test]
fn a_page_stands_alone_and_has_everything_in_it() {
    let page = run(3).html().unwrap();
    for part in [
        "char &amp; model",
        "&lt;7&gt;",
        "accuracy &lt;b&gt;",
        "lstm.W_i",
        "30 steps",
        "3 epochs",
        "prefers-color-scheme: dark",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(
        page.contains("The loss is not a finite number in 1 step: 7"),
        "{page}"
    );
    assert!(page.contains("No update was made in 1 step: 8"));
    // Nothing is fetched, nothing runs.
    for foreign in ["<script", "<link", "src=", "@import", "url(", "https:"] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    let links = page.matches("http:").count();
    let names = page.matches("xmlns=\"http://www.w3.org/2000/svg\"").count();
    assert_eq!(
        (links, names),
        (5, 5),
        "names of the namespace are the only addresses"
    );
    assert_eq!(page, run(3).html().unwrap());
}

#[test]
fn every_row_and_element_is_closed() {
    for epochs in [0, 1, 200] {
        let page = run(epochs).html().unwrap();
        for tag in [
            "tr", "td", "th", "table", "div", "figure", "svg", "p", "main", "style",
        ] {
            let opened = page.matches(&format!("<{tag}>")).count()
                + page.matches(&format!("<{tag} ")).count();
            assert_eq!(
                opened,
                page.matches(&format!("</{tag}>")).count(),
                "{tag} of {epochs}"
            );
        }
    }
    assert!(run(0).html().unwrap().contains("no step and no epoch"));
}

#[test]
fn more_pictures_are_shown() {
    let more = Panel::new("norm of dL/dh", "t").curve("h", vec![1.0, 0.5]);
    assert!(run(1).html_with(&[more]).unwrap().contains("norm of dL/dh"));
}

#[test]
fn slices_and_how_far_gradients_reach_are_shown() {
    let mut run = run(2);
    let norms = |scale: f64| StateNorms {
        name: "lstm.h".into(),
        axis: "t".into(),
        norms: (0..30).map(|t| scale * 0.7_f64.powi(30 - t)).collect(),
    };
    run.flow = (0..40)
        .map(|at| FlowRecord {
            step: 1 + at,
            epoch: 1,
            states: vec![norms(1.0 + at as f64)],
        })
        .collect();
    let mut slices = Slices::new(
        Accuracy::default(),
        [
            ("length", Buckets::even(5, 4)),
            ("distance", Buckets::doubling(4)),
        ],
    );
    for count in 0..20 {
        slices.add([Some(count), (count < 6).then_some(count)], |own| {
            own.add([0.0, 1.0], u32::from(count % 3 > 0));
        });
    }
    run.epochs[1]
        .slices
        .push(slices.sliced("accuracy of validation"));
    let page = run.html().unwrap();
    for part in [
        "norm of dL/d lstm.h[t]",
        "accuracy of validation in slices, epoch 2",
        "accuracy of validation by length",
        "accuracy of validation by distance",
        "15..",
    ] {
        assert!(page.contains(part), "{part}");
    }
    let names = |run: &History| -> Vec<String> {
        let panels = run.flow_panels();
        assert_eq!(panels.len(), 1);
        let all = panels[0].all().iter();
        all.map(|curve| curve.name.clone()).collect()
    };
    // A few of forty curves, and all of four.
    let few = [1, 8, 16, 24, 32, 40].map(|step| format!("after step {step}"));
    assert_eq!(names(&run), few);
    assert!(few.iter().all(|name| page.contains(name)));
    run.flow.truncate(4);
    assert_eq!(names(&run).len(), 4);
}
