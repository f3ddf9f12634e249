use super::*;
use crate::log::RunInfo;
use crate::train::EpochRecord;

fn run(epochs: u64) -> Run {
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
        seconds: 0.2,
    });
    Run {
        info: RunInfo::new("char & model")
            .setting("seed", "<7>")
            .table(Table {
                title: "Parameters".into(),
                head: vec!["name".into(), "count".into()],
                rows: vec![vec!["W".into(), "12".into()]],
            }),
        steps: steps.collect(),
        epochs: epochs.collect(),
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
