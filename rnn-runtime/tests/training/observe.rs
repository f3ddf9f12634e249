//! What a run says of itself, and to whom.

use std::cell::RefCell;

use rnn_runtime::Options;
use rnn_runtime::global_norm;
use rnn_runtime::optim::{OptimizerConfig, SgdConfig};
use rnn_runtime::progress::Progress;
use rnn_runtime::train::{Checkpoints, Clip, Rate, Run, Settings};

use super::*;

#[test]
fn norms_are_those_before_clipping_and_parameters_have_their_own() {
    for (clip, limit) in [
        (Clip::Norm(0.05), 0.05),
        (Clip::Value(1e-3), 0.2),
        (Clip::None, 1e9),
    ] {
        let settings = Settings::default()
            .clip(clip)
            .parameter_norms(true)
            .rate(Rate::constant(0.0));
        let sgd = OptimizerConfig::Sgd(SgdConfig::default());
        let mut trainer = trainer_of(MODEL, sgd, Options::default(), settings);
        let mut plain = trainer_of(
            MODEL,
            sgd,
            Options::default(),
            Settings::default().rate(Rate::constant(0.0)),
        );
        let (now, next) = (tokens((20, 3), 11, 1), tokens((20, 3), 11, 2));
        let inputs = || CharLmInputs { now: now.view() };
        let targets = || CharLmTargets { next: next.view() };
        trainer.step(inputs(), targets()).expect("fits");
        plain.step(inputs(), targets()).expect("fits");
        let specs = plain.model().param_specs();
        let norm = global_norm(plain.grads(), specs).expect("finite");
        let record = trainer.record();
        assert_eq!(record.gradient_norm, Some(norm));
        let squares: f64 = record
            .parameter_norms
            .iter()
            .map(|(_, norm)| norm * norm)
            .sum();
        assert!((squares.sqrt() / norm - 1.0).abs() < 1e-12);
        let names: Vec<&str> = record
            .parameter_norms
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(names, trainer.params().names());
        let (name, own) = &record.parameter_norms[1];
        let plain = plain.grads().tensor(name).expect("is there");
        assert!(
            (plain
                .iter()
                .map(|g| f64::from(*g).powi(2))
                .sum::<f64>()
                .sqrt()
                / own
                - 1.0)
                .abs()
                < 1e-12
        );
        let after = global_norm(trainer.grads(), specs).expect("finite");
        assert!(
            after <= limit * 1.0001 && (after < norm) == (clip != Clip::None),
            "{clip:?}: {norm} {after}"
        );
    }
}

#[test]
fn observers_hear_of_steps_epochs_and_the_end_and_hooks_add_figures() {
    let mut trainer = trainer_of(
        MODEL,
        OptimizerConfig::default(),
        Options::default(),
        Settings::default(),
    );
    let lines: std::sync::Arc<std::sync::Mutex<Vec<u8>>> = Default::default();
    struct Shared(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);
    impl std::io::Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("one thread").write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut records = Records::default();
    let seen = RefCell::new(Vec::new());
    let run = Run::<CharLm>::epochs(2)
        .observer(&mut records)
        .observer(Progress::lines(2, Shared(lines.clone())))
        .hook(|end| {
            seen.borrow_mut().push(end.record.epoch);
            end.record
                .figures
                .push(("weights".to_owned(), end.params.count() as f64));
            Ok(())
        });
    let mut training = source(text(3300, 1), 32, 20);
    trainer.fit(&mut training, None, run).expect("runs");
    assert_eq!(seen.into_inner(), [1, 2]);
    assert_eq!((records.starts, records.ends), (vec![0], 1));
    let steps: Vec<(u64, u64)> = records
        .steps
        .iter()
        .map(|step| (step.step, step.epoch))
        .collect();
    let expected: Vec<(u64, u64)> = (1..=12).map(|step| (step, 1 + (step - 1) / 6)).collect();
    assert_eq!(steps, expected);
    assert_eq!(
        records.steps.iter().map(|step| step.seen).sum::<u64>(),
        2 * 3299
    );
    let weights = trainer.params().count() as f64;
    for (epoch, record) in records.epochs.iter().enumerate() {
        assert_eq!(record.steps, 6 * (epoch as u64 + 1));
        assert_eq!(record.figure("weights"), Some(weights));
        // The mean over tokens: the last chunk has fewer.
        let own = records.steps[6 * epoch..6 * (epoch + 1)].iter();
        let mean = own.map(|step| step.loss * step.seen as f64).sum::<f64>() / 3299.0;
        assert!((record.figure("loss").expect("is there") / mean - 1.0).abs() < 1e-12);
    }
    let text = String::from_utf8(lines.lock().expect("one thread").clone()).expect("text");
    assert_eq!(text.lines().count(), 2);
    assert!(text.starts_with("epoch 1/2 loss 2."), "{text}");
}

#[test]
fn an_observer_that_fails_ends_the_run_and_all_are_told() {
    struct Full;
    impl Observer for Full {
        fn step(&mut self, record: &StepRecord) -> Result<(), AnyError> {
            match record.step {
                3 => Err(std::io::Error::from(std::io::ErrorKind::StorageFull))?,
                _ => Ok(()),
            }
        }
    }
    let mut trainer = trainer_of(
        MODEL,
        OptimizerConfig::default(),
        Options::default(),
        Settings::default(),
    );
    let mut records = Records::default();
    let run = Run::epochs(1).observer(&mut records).observer(Full);
    let error = trainer
        .fit(&mut source(text(3300, 1), 32, 20), None, run)
        .expect_err("the log is full");
    let text = error.to_string();
    assert!(
        text.starts_with("an observer failed after step 3: "),
        "{text}"
    );
    assert_eq!(
        (records.steps.len(), records.ends, trainer.steps()),
        (3, 1, 3)
    );
}

#[test]
fn how_far_gradients_reach_and_slices_are_kept_in_the_log() {
    use rnn_runtime::log::{History, RunInfo, RunLog};
    use rnn_runtime::metrics::{Buckets, Mean, Slices};

    let directory = tempfile::tempdir().expect("a directory for the test");
    let saves = Checkpoints::file(directory.path().join("last"));
    let folder = directory.path().join("run");
    let (now, next) = (tokens((9, 3), 11, 1), tokens((9, 3), 11, 2));
    let lengths = [9, 4, 6];
    let inputs = || rnn_runtime::Inputs::lengths(CharLmInputs { now: now.view() }, &lengths);
    let targets = || CharLmTargets { next: next.view() };
    // Six steps an epoch; looked at after the first, and every fourth.
    // Kept in memory, too.
    let mut seen = History::default();
    let mut fit = |trainer: &mut Trainer<CharLm>,
                   source: &mut TextSource<LayOut>,
                   stop: Option<u64>| {
        let mut records = Records {
            stop_after: stop,
            ..Records::default()
        };
        let run = Run::epochs(2)
            .interrupt(records.interrupt.clone())
            .checkpoints(saves.clone())
            .state_gradients(4, |model, params| {
                model.state_gradients(params, inputs(), targets())
            })
            .hook(|end| {
                let losses = end.model.losses(end.params, inputs(), targets());
                let mut slices = Slices::new(Mean::default(), [("length", Buckets::even(5, 2))]);
                for (length, loss) in lengths.iter().zip(losses.expect("fits")) {
                    slices.add([Some(*length)], |own| own.add(f64::from(loss), 1));
                }
                end.record.slices.push(slices.sliced("held back"));
                Ok(())
            })
            .observer(RunLog::new(&folder, RunInfo::of(trainer.model())))
            .observer(&mut seen)
            .observer(&mut records);
        trainer.fit(source, None, run).expect("runs");
    };
    let new = || {
        let options = Options::default();
        let trainer = trainer_of(
            MODEL,
            OptimizerConfig::default(),
            options,
            Settings::default(),
        );
        (trainer, source(text(3300, 1), 32, 20))
    };
    let (mut whole, mut source) = new();
    fit(&mut whole, &mut source, None);
    let log = History::read(&folder).expect("a log");
    let steps: Vec<u64> = log.flow.iter().map(|record| record.step).collect();
    assert_eq!(steps, [1, 4, 8, 12]);
    let last = whole
        .model()
        .state_gradients(whole.params(), inputs(), targets());
    let last = last.expect("fits");
    for (state, by) in log.flow[3].states.iter().zip(&last.states) {
        assert_eq!((&state.name, state.axis.as_str()), (&by.name, "t"));
        let norms: Vec<f64> = by.norms().iter().map(|norm| f64::from(*norm)).collect();
        assert_eq!(state.norms, norms);
        assert!(norms.iter().all(|norm| *norm > 0.0));
    }
    assert_eq!(last.panels().len(), 1);
    assert_eq!(last.panels()[0].all().len(), 2);
    let sliced = &log.epochs[1].slices[0];
    let rows: Vec<_> = (sliced.rows.iter())
        .map(|row| (row.slice.as_str(), row.bucket.as_str(), row.count))
        .collect();
    assert_eq!(
        rows,
        [("all", "", 3), ("length", "0..=4", 1), ("length", "5..", 2)]
    );
    let page = log.html().expect("drawn");
    assert!(page.contains("norm of dL/d lstm.c[t]") && page.contains("held back by length"));

    // An interrupted run's log is that of the run that was not.
    let (mut first, mut source) = new();
    fit(&mut first, &mut source, Some(8));
    let (mut resumed, mut source) = new();
    resumed
        .resume(saves.last(), &mut source)
        .expect("saved by such a run");
    fit(&mut resumed, &mut source, None);
    let again = History::read(&folder).expect("a log");
    assert_eq!(again.flow, log.flow);
    assert_eq!(seen.flow, log.flow);
    assert_eq!(again.epochs[1].slices, log.epochs[1].slices);
}
