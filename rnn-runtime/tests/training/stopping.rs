//! A run ends when its figure is no better for long enough, with the parameters of its best epoch.

use rnn_runtime::Options;
use rnn_runtime::optim::OptimizerConfig;
use rnn_runtime::schedule::Plateau;
use rnn_runtime::train::{Checkpoints, End, Rate, Run, Settings, Watch};

use super::*;

/// A training text so short that it is soon known by heart.
fn fit(settings: Settings, epochs: u64) -> (Trainer<CharLm>, Records, rnn_runtime::train::Outcome) {
    let mut trainer = trainer_of(
        MODEL,
        OptimizerConfig::default(),
        Options::default(),
        settings,
    );
    let mut training = source(text(330, 1), 8, 20);
    let mut held_back = source(text(800, 2), 8, 20);
    let mut records = Records::default();
    let run = Run::epochs(epochs).observer(&mut records);
    let outcome = trainer
        .fit(&mut training, Some(&mut held_back), run)
        .expect("runs");
    (trainer, records, outcome)
}

#[test]
fn the_best_parameters_are_restored() {
    let settings = |watch| Settings::default().rate(Rate::constant(0.02)).watch(watch);
    let watch = Watch::lowest("validation").patience(4);
    let (trainer, records, outcome) = fit(settings(watch), 200);
    assert!(matches!(outcome.end, End::StoppedEarly), "{outcome:?}");
    let (best, value) = outcome.best.expect("judged");
    assert_eq!(
        (records.epochs.len() as u64, outcome.epochs),
        (best + 4, best + 4)
    );
    let figure = |record: &EpochRecord| record.figure("validation").expect("validated");
    let lowest = records
        .epochs
        .iter()
        .map(figure)
        .fold(f64::INFINITY, f64::min);
    assert_eq!(
        (lowest, figure(&records.epochs[best as usize - 1])),
        (value, value)
    );
    // What is restored is validated at the figure of the best epoch, bit for bit.
    let mut held_back = source(text(800, 2), 8, 20);
    assert_eq!(trainer.evaluate(&mut held_back).expect("fits"), Some(value));
    // A run of as many epochs as the best needs is there.
    let (until, _, _) = fit(settings(Watch::default()), best);
    assert_eq!(bits(until.params()), bits(trainer.params()));
    // One that does not restore is where it ended.
    let last = Watch::lowest("validation").patience(4).restore_best(false);
    let (last, _, _) = fit(settings(last), 200);
    assert_ne!(bits(last.params()), bits(trainer.params()));
}

#[test]
fn a_plateau_lowers_the_rate() {
    let plateau = Plateau::new(0.02, 0.5, 2).expect("valid");
    let (_, records, _) = fit(Settings::default().rate(Rate::Plateau(plateau)), 30);
    let mut expected = plateau;
    let mut rate = plateau.rate();
    for epoch in &records.epochs {
        let own = records
            .steps
            .iter()
            .filter(|step| step.epoch == epoch.epoch);
        assert!(
            own.clone().count() == 3
                && own
                    .clone()
                    .all(|step| step.learning_rate == f64::from(rate))
        );
        rate = expected.report(epoch.figure("validation").expect("validated"));
    }
    assert!(rate < plateau.rate());
}

#[test]
fn a_run_that_stopped_early_and_is_resumed_is_over() {
    let directory = tempfile::tempdir().expect("a directory for the test");
    let saves = Checkpoints::file(directory.path().join("saved"));
    let new = || {
        let settings = Settings::default()
            .rate(Rate::constant(0.05))
            .watch(Watch::lowest("validation").patience(1));
        trainer_of(
            MODEL,
            OptimizerConfig::default(),
            Options::default(),
            settings,
        )
    };
    let sources = || (source(text(330, 1), 8, 20), source(text(800, 2), 8, 20));
    let (mut training, mut held_back) = sources();
    let mut trainer = new();
    let run = || Run::epochs(200).checkpoints(saves.clone());
    let outcome = trainer
        .fit(&mut training, Some(&mut held_back), run())
        .expect("runs");
    assert!(matches!(outcome.end, End::StoppedEarly));
    let (mut training, mut held_back) = sources();
    let mut resumed = new();
    resumed
        .resume(saves.last(), &mut training)
        .expect("the same run");
    let again = resumed
        .fit(&mut training, Some(&mut held_back), run())
        .expect("runs");
    assert!(matches!(again.end, End::StoppedEarly));
    assert_eq!((again.epochs, again.best), (outcome.epochs, outcome.best));
    assert_eq!(bits(resumed.params()), bits(trainer.params()));
}

#[test]
fn a_figure_that_is_not_reported_is_named() {
    let settings = Settings::default().watch(Watch::highest("bleu"));
    let mut trainer = trainer_of(
        MODEL,
        OptimizerConfig::default(),
        Options::default(),
        settings,
    );
    let error = trainer
        .fit(&mut source(text(330, 1), 8, 20), None, Run::epochs(1))
        .expect_err("no such figure");
    assert_eq!(
        error.to_string(),
        "the run watches `bleu`, but epochs report `loss`"
    );
}
