//! A run that is interrupted and resumed is the run that was not.

use rnn_runtime::error::{ResumeError, SettingDiffers, TrainError};
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
        format!(
            "cannot go on from `{}`: it is of a run with other settings: expected `seed` 6, found 5; give the settings of that run, or take it up with these by `resume_with_new_settings`",
            path.display()
        )
    );
    assert_eq!(
        refused(new(settings().clip(Clip::Norm(1.0))), same()),
        format!(
            "cannot go on from `{}`: it is of a run with other settings: expected `clip` Norm(1.0), found Adaptive(smoothing 0.9); give the settings of that run, or take it up with these by `resume_with_new_settings`",
            path.display()
        )
    );
    let adam = trainer_of(
        MODEL,
        OptimizerConfig::default(),
        Options::default(),
        settings(),
    );
    let message = refused(adam, same());
    assert!(
        message.contains("expected `optimizer.adam` AdamConfig { beta1: 0.9"),
        "{message}"
    );
    assert!(message.contains("expected `optimizer.sgd` none, found SgdConfig { momentum: 0.9"));
    let other = source(text(3300, 9), 32, 20);
    assert!(refused(new(settings()), other).contains("the cursor belongs to another text"));
    let shorter = source(text(3300, 1), 32, 10);
    assert!(refused(new(settings()), shorter).contains("number of steps"));
    let mut fits = new(settings());
    fits.resume(&path, &mut same()).expect("the same run");
    assert_eq!(bits(fits.params()), bits(saved.params()));
}

fn settings_that_differ(resumed: Result<(), TrainError>) -> Vec<SettingDiffers> {
    match resumed {
        Err(TrainError::Resume { source, .. }) => match *source {
            ResumeError::Settings(differ) => differ,
            other => panic!("expected settings that differ, found: {other}"),
        },
        other => panic!("expected settings that differ, found {other:?}"),
    }
}

#[test]
fn settings_that_differ_are_refused_or_taken_on_purpose() {
    use rnn_runtime::optim::{ParamGroup, WeightDecay};

    let directory = tempfile::tempdir().expect("a directory for the test");
    let path = directory.path().join("saved");
    let new = |config: AdamConfig, groups: &[ParamGroup], settings: Settings| {
        let trainer = trainer_of(
            MODEL,
            OptimizerConfig::default(),
            Options::default(),
            settings,
        );
        let model = trainer.model().clone();
        let optimizer = OptimizerConfig::Adam(config).build(model.param_specs(), groups);
        let settings = self::settings();
        Trainer::with_optimizer(
            model,
            trainer.into_params(),
            optimizer.expect("valid settings"),
            settings,
        )
        .expect("valid settings")
    };
    let slow = [ParamGroup::new("lstm.U_*").rate_scale(0.5)];
    let source = || source(text(3300, 1), 32, 20);
    let mut training = source();
    let mut saved = new(AdamConfig::default(), &slow, settings());
    let held_back = &mut self::source(text(400, 2), 8, 20);
    let run = Run::epochs(1).checkpoints(Checkpoints::file(&path));
    saved
        .fit(&mut training, Some(held_back), run)
        .expect("runs");

    // A rate of the optimiser, groups, a strength of decay.
    let slower = AdamConfig {
        beta2: 0.99,
        ..AdamConfig::default()
    };
    let decay = [ParamGroup::new("lstm.U_*")
        .rate_scale(0.5)
        .weight_decay(WeightDecay::Decoupled(0.1))];
    for (config, groups, name) in [
        (slower, &slow[..], "optimizer.adam"),
        (AdamConfig::default(), &[], "optimizer.group.lstm.U_f"),
        (AdamConfig::default(), &decay, "optimizer.group.lstm.U_f"),
    ] {
        let mut other = new(config, groups, settings());
        let differ = settings_that_differ(other.resume(&path, &mut source()));
        assert_eq!(differ[0].name, name);
        assert_ne!(differ[0].given, differ[0].saved);
        assert_eq!(other.steps(), 0);
        // What was meant: the state of the run, the settings given.
        other
            .resume_with_new_settings(&path, &mut source())
            .expect("the same kind of optimiser");
        assert_eq!(other.steps(), saved.steps());
        assert_eq!(bits(other.params()), bits(saved.params()));
        // A threshold whose settings are the same goes on from where it was.
        assert_eq!(other.settings().clip, saved.settings().clip);
        assert_ne!(other.settings().clip, settings().clip);
    }

    // A schedule instead of a plateau, no clipping, another seed: they start as they are given.
    let given = || {
        Settings::default()
            .rate(Rate::constant(1e-4))
            .clip(Clip::None)
            .seed(9)
    };
    let optimizer = || {
        let specs = saved.model().param_specs();
        OptimizerConfig::default()
            .build(specs, &slow)
            .expect("valid")
    };
    let (model, params) = (saved.model().clone(), saved.params().clone());
    let mut other =
        Trainer::with_optimizer(model, params, optimizer(), given()).expect("valid settings");
    let differ = settings_that_differ(other.resume(&path, &mut source()));
    let names: Vec<&str> = differ.iter().map(|setting| setting.name.as_str()).collect();
    assert_eq!(names, ["clip", "rate", "seed"]);
    assert_eq!(differ[1].given, "0.0001 after 0 updates");
    assert_eq!(differ[1].saved, "plateau of 1 by 0.5");
    let mut training = source();
    other
        .resume_with_new_settings(&path, &mut training)
        .expect("the same kind of optimiser");
    assert_eq!(
        (other.learning_rate(), other.settings().clip),
        (1e-4, Clip::None)
    );
    let run = Run::epochs(2).checkpoints(Checkpoints::file(&path));
    other.fit(&mut training, None, run).expect("runs");
    // And is resumed by its own settings from then on.
    let (model, params) = (saved.model().clone(), saved.params().clone());
    let mut again =
        Trainer::with_optimizer(model, params, optimizer(), given()).expect("valid settings");
    again
        .resume(&path, &mut source())
        .expect("the same settings");
    assert_eq!(bits(again.params()), bits(other.params()));

    // The state of another kind of optimiser is of no use.
    let mut sgd = trainer_of(
        MODEL,
        OptimizerConfig::Sgd(SgdConfig::default()),
        Options::default(),
        settings(),
    );
    let error = sgd.resume_with_new_settings(&path, &mut source());
    let error = error.expect_err("another kind").to_string();
    assert!(
        error.contains("expected the state of `sgd`, found that of `adam`"),
        "{error}"
    );
}

#[test]
fn a_text_read_from_a_file_on_the_way_gives_the_run_of_one_in_memory() {
    use rnn_runtime::text::FileText;

    let directory = tempfile::tempdir().expect("a directory for the test");
    let path = directory.path().join("text");
    let tokens = text(3300, 1);
    let bytes: Vec<u8> = tokens.iter().map(|token| *token as u8).collect();
    std::fs::write(&path, bytes).expect("written");
    let new = || {
        trainer_of(
            MODEL,
            OptimizerConfig::default(),
            Options::default().threads(1),
            settings().watch(Watch::lowest("loss")),
        )
    };
    let file = || {
        let text = FileText::bytes(&path, 32, 20).expect("long enough");
        TextSource::new::<CharLm>(text, lay_out as LayOut)
    };
    let mut in_memory = new();
    let run = Run::epochs(2);
    let outcome = in_memory.fit(&mut source(tokens, 32, 20), None, run);
    let steps = outcome.expect("runs").steps;
    let (saves, mut first) = (
        Checkpoints::file(directory.path().join("run")),
        Records::stopping_after(7),
    );
    let interrupt = first.interrupt.clone();
    let run = Run::epochs(2)
        .observer(&mut first)
        .checkpoints(saves.clone())
        .interrupt(interrupt);
    new().fit(&mut file(), None, run).expect("runs");
    let (mut rest, mut source) = (new(), file());
    rest.resume(saves.last(), &mut source)
        .expect("saved by such a run");
    let outcome = rest.fit(&mut source, None, Run::epochs(2)).expect("runs");
    assert_eq!(outcome.steps, steps);
    assert_eq!(bits(rest.params()), bits(in_memory.params()));
    // Another file is another text.
    std::fs::write(&path, vec![1_u8; 3300]).expect("written");
    let error = new()
        .resume(saves.last(), &mut file())
        .expect_err("the file has changed");
    assert!(error.to_string().contains("text"), "{error}");
}
