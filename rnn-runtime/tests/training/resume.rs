//! A run that is interrupted and resumed is the run that was not.

use rnn_runtime::optim::{AdamConfig, OptimizerConfig, RmsPropConfig, SgdConfig};
use rnn_runtime::schedule::{Cosine, Plateau, WarmUp};
use rnn_runtime::train::{Checkpoints, Clip, End, Rate, Run, Settings, Watch};
use rnn_runtime::{AdaptiveClip, Options};

use super::*;

fn optimizers() -> Vec<OptimizerConfig> {
    let momentum = |nesterov| SgdConfig {
        momentum: 0.9,
        nesterov,
        ..SgdConfig::default()
    };
    let rms = |momentum| RmsPropConfig {
        momentum,
        ..RmsPropConfig::default()
    };
    vec![
        OptimizerConfig::Sgd(SgdConfig::default()),
        OptimizerConfig::Sgd(momentum(false)),
        OptimizerConfig::Sgd(momentum(true)),
        OptimizerConfig::RmsProp(rms(0.0)),
        OptimizerConfig::RmsProp(rms(0.5)),
        OptimizerConfig::Adam(AdamConfig::default()),
        OptimizerConfig::Adam(AdamConfig::decoupled(0.01)),
    ]
}

/// All state that a run can have: a threshold and a rate that follow the run, best parameters, an epoch's mean.
fn settings() -> Settings {
    Settings::default()
        .rate(Rate::Plateau(Plateau::new(2e-3, 0.5, 1).expect("valid")))
        .clip(Clip::Adaptive(AdaptiveClip::new(1.0, 0.9).expect("valid")))
        .watch(
            Watch::lowest("validation")
                .patience(2)
                .least_improvement(0.02),
        )
        .parameter_norms(true)
        .seed(5)
}

fn check(
    optimizer: OptimizerConfig,
    threads: usize,
    settings: impl Fn() -> Settings,
    stops: &[u64],
) {
    let directory = tempfile::tempdir().expect("a directory for the test");
    let new = || {
        let options = Options::default().threads(threads);
        trainer_of(MODEL, optimizer, options, settings())
    };
    let sources = || (source(text(3300, 1), 32, 20), source(text(400, 2), 8, 20));
    let (mut training, mut held_back) = sources();
    let mut whole = new();
    let mut records = Records::default();
    let saves = Checkpoints::file(directory.path().join("whole"));
    let run = Run::epochs(3)
        .observer(&mut records)
        .checkpoints(saves.clone());
    whole
        .fit(&mut training, Some(&mut held_back), run)
        .expect("runs");
    let expected = std::fs::read(saves.last()).expect("saved");

    for stop in stops {
        let (mut training, mut held_back) = sources();
        let saves = Checkpoints::file(directory.path().join("parts"));
        let mut first = Records::stopping_after(*stop);
        let interrupt = first.interrupt.clone();
        let run = Run::epochs(3)
            .observer(&mut first)
            .checkpoints(saves.clone())
            .interrupt(interrupt);
        let outcome = new()
            .fit(&mut training, Some(&mut held_back), run)
            .expect("runs");
        assert!(matches!(outcome.end, End::Interrupted), "{outcome:?}");
        assert_eq!(outcome.steps, *stop);

        let (mut training, mut held_back) = sources();
        let mut resumed = new();
        resumed
            .resume(saves.last(), &mut training)
            .expect("saved by such a run");
        let mut rest = Records::default();
        let run = Run::epochs(3)
            .observer(&mut rest)
            .checkpoints(saves.clone());
        resumed
            .fit(&mut training, Some(&mut held_back), run)
            .expect("runs");
        assert_eq!(rest.starts, [*stop]);
        let what = format!("{optimizer:?}, {threads} threads, stopped after {stop}");
        assert_eq!([first.steps, rest.steps].concat(), records.steps, "{what}");
        assert_eq!(
            [first.epochs, rest.epochs].concat(),
            records.epochs,
            "{what}"
        );
        assert_eq!(bits(resumed.params()), bits(whole.params()), "{what}");
        let found = std::fs::read(saves.last()).expect("saved");
        assert!(found == expected, "{what}: the last checkpoints differ");
    }
}

#[test]
fn with_every_optimiser_at_the_end_of_an_epoch_and_in_its_middle() {
    for optimizer in optimizers() {
        // Six steps an epoch.
        check(optimizer, 1, settings, &[2, 6, 9]);
    }
}

#[test]
fn on_two_threads() {
    for optimizer in optimizers() {
        check(optimizer, 2, settings, &[8]);
    }
}

#[test]
fn with_batches_accumulated_and_a_schedule_of_steps() {
    let settings = || {
        let cosine = Cosine::new(4e-3, 1e-4, 10).expect("valid");
        Settings::default()
            .rate(Rate::per_step(WarmUp::new(3, cosine)))
            .clip(Clip::Norm(0.5))
            // Six batches an epoch: an update of four and one of two.
            .accumulate(4)
    };
    check(OptimizerConfig::default(), 1, settings, &[1, 2, 3]);
}

#[test]
fn a_run_saves_every_so_many_steps_and_keeps_the_last_ones() {
    let directory = tempfile::tempdir().expect("a directory for the test");
    let saves = Checkpoints::folder(directory.path().join("runs/1"))
        .keep(2)
        .every(4);
    let mut training = source(text(3300, 1), 32, 20);
    let mut trainer = trainer_of(
        MODEL,
        OptimizerConfig::default(),
        Options::default(),
        settings(),
    );
    let mut held_back = source(text(400, 2), 8, 20);
    let run = Run::epochs(2).checkpoints(saves.clone());
    trainer
        .fit(&mut training, Some(&mut held_back), run)
        .expect("runs");
    let names = |paths: Vec<std::path::PathBuf>| -> Vec<String> {
        let name = |path: &std::path::PathBuf| path.file_name().map(|name| name.to_owned());
        let names = paths.iter().filter_map(name);
        names
            .map(|name| name.to_string_lossy().into_owned())
            .collect()
    };
    assert_eq!(
        names(saves.kept().expect("is there")),
        ["step-0000000008.safetensors", "step-0000000012.safetensors"]
    );
    assert!(saves.best().is_some_and(|best| best.exists()));
    // Each is whole, and another than the last.
    for (path, steps) in saves.kept().expect("is there").iter().zip([8, 12]) {
        let mut other = trainer_of(
            MODEL,
            OptimizerConfig::default(),
            Options::default(),
            settings(),
        );
        other
            .resume(path, &mut training)
            .expect("saved by such a run");
        assert_eq!(other.steps(), steps);
    }
}

#[test]
fn a_checkpoint_of_another_run_changes_nothing() {
    let directory = tempfile::tempdir().expect("a directory for the test");
    let path = directory.path().join("saved");
    let new = |settings| {
        let sgd = SgdConfig {
            momentum: 0.9,
            ..SgdConfig::default()
        };
        trainer_of(
            MODEL,
            OptimizerConfig::Sgd(sgd),
            Options::default(),
            settings,
        )
    };
    let mut training = source(text(3300, 1), 32, 20);
    let mut saved = new(settings().watch(Watch::default()));
    let run = Run::epochs(1).checkpoints(Checkpoints::file(&path));
    saved.fit(&mut training, None, run).expect("runs");
    assert_eq!(saved.steps(), 6);
    let refused = |mut trainer: Trainer<CharLm>, mut source: TextSource<LayOut>| {
        let before = bits(trainer.params());
        let error = trainer
            .resume(&path, &mut source)
            .expect_err("of another run");
        assert_eq!(bits(trainer.params()), before);
        assert_eq!((trainer.steps(), source.text().passes()), (0, 0));
        error.to_string()
    };
    let same = || source(text(3300, 1), 32, 20);
    assert_eq!(
        refused(new(settings().seed(6)), same()),
        "the checkpoint is of another run: expected one with seed 6, found 5; give the seed of the run"
    );
    assert_eq!(
        refused(new(settings().clip(Clip::Norm(1.0))), same()),
        "the checkpoint is of another run: it has `train.clip`, which the settings given have no use for; give the settings of the run"
    );
    let adam = trainer_of(
        MODEL,
        OptimizerConfig::default(),
        Options::default(),
        settings(),
    );
    assert!(refused(adam, same()).contains("expected the state of `adam`, found that of `sgd`"));
    let other = source(text(3300, 9), 32, 20);
    assert!(refused(new(settings()), other).contains("the cursor belongs to another text"));
    let shorter = source(text(3300, 1), 32, 10);
    assert!(refused(new(settings()), shorter).contains("number of steps"));
    let mut fits = new(settings());
    fits.resume(&path, &mut same()).expect("the same run");
    assert_eq!(bits(fits.params()), bits(saved.params()));
}
