//! Runs that cannot start, go on, or be taken up.

use std::fs;

use ndarray::Array3;
use rnn::curriculum::{All, Curriculum, Pace, Sampler, SelfPaced, Threshold};
use rnn::error::{ClipError, CurriculumError, OptimError, ParamsError, ResumeError, TrainError};
use rnn::optim::{OptimizerConfig, SgdConfig};
use rnn::ragged::LengthBatches;
use rnn::train::{
    Checkpoints, Clip, Gathered, Order, Ordered, Rate, Run, Settings, Source, SourceError,
    TextSource, Trainer,
};
use rnn::{CallError, ContinuousText};

use crate::*;

type LayOut =
    for<'a> fn(ArrayView2<'a, u32>, ArrayView2<'a, u32>) -> (SayInputs<'a>, SayTargets<'a>);

fn source() -> TextSource<LayOut> {
    let text = (0..400_u32).map(|at| at * at % 5).collect();
    TextSource::new::<Say>(ContinuousText::new(text, 4, 10).unwrap(), lay_out as LayOut)
}

fn trainer(settings: Settings) -> Result<Trainer<Say>, TrainError> {
    let (model, params) = say();
    Trainer::new(model, params, settings)
}

/// Examples of four steps in the batches given.
fn gathered(count: usize, order: Wild) -> Result<impl Source<Say>, SourceError> {
    let examples = Gathered::of::<Say>(
        count,
        |rows| match rows {
            [1] => Err("example 1 is torn".into()),
            rows => Ok(tokens(4, rows.len())),
        },
        |now| {
            let (inputs, targets) = lay_out(now.view(), now.view());
            (Batch::new(inputs), targets)
        },
    );
    Ordered::new::<Say>(examples, order)
}

/// Batches that someone made up, of so many examples.
struct Wild(usize, Vec<Vec<usize>>);

impl Order for Wild {
    fn pass(&mut self, _: u64) -> Vec<Vec<usize>> {
        self.1.clone()
    }
    fn examples(&self) -> usize {
        self.0
    }
}

#[test]
fn settings_that_no_run_has() {
    fails!(
        trainer(Settings::default().accumulate(0)),
        TrainError::Setting { .. },
        "batches of an update of at least 1",
        "found 0"
    );
    fails!(
        trainer(Settings::default().clip(Clip::Norm(0.0))),
        TrainError::Clip(ClipError::Threshold { .. }),
        "positive, finite threshold",
        "found 0"
    );
    let mut trainer = trainer(Settings::default().rate(Rate::constant(f32::NAN))).unwrap();
    fails!(
        trainer.fit(&mut source(), None, Run::epochs(1)),
        TrainError::Optim(OptimError::Setting { .. }),
        "learning rate",
        "NaN"
    );
    let (model, _) = follow();
    let (_, params) = say();
    fails!(
        rnn::global_norm(&params, model.param_specs()),
        ClipError::Params(ParamsError::Name { .. }),
        "`W`",
        "`E`"
    );
}

#[test]
fn steps_that_fail_are_counted() {
    let (model, mut params) = follow();
    params.V.fill(f32::INFINITY);
    let mut trainer = Trainer::new(model, params, Settings::default()).unwrap();
    let x = Array3::<f32>::ones((3, 2, 2));
    let step = |trainer: &mut Trainer<Follow>, y: &Array3<f32>| {
        trainer.step(FollowInputs { x: x.view() }, FollowTargets { y: y.view() })
    };
    fails!(
        step(&mut trainer, &x),
        TrainError::NonFinite { .. },
        "step 1: ",
        "`V`",
        "lower the learning rate or clip gradients"
    );
    let long = Array3::ones((4, 2, 2));
    fails!(
        step(&mut trainer, &long),
        TrainError::Call {
            source: CallError::Steps { .. },
            ..
        },
        "expected 3 steps as in `x`, found 4 in `y`"
    );
}

#[test]
fn hooks_observers_files_and_sources_that_fail_end_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "in the way").unwrap();
    let fit = |run: Run<'_, Say>| {
        trainer(Settings::default())
            .unwrap()
            .fit(&mut source(), None, run)
    };
    fails!(
        fit(Run::epochs(1).hook(|_| Err("no accuracy".into()))),
        TrainError::Hook { epoch: 1, .. },
        "end of epoch 1",
        "no accuracy"
    );
    fails!(
        fit(Run::epochs(1).observer(rnn::log::CsvLog::new(&file))),
        TrainError::Observer { step: 0, .. },
        "after step 0",
        "file"
    );
    fails!(
        fit(Run::epochs(1).checkpoints(Checkpoints::folder(&file))),
        TrainError::Checkpoint(_),
        "file"
    );
    let mut torn = gathered(2, Wild(2, vec![vec![0], vec![1]])).unwrap();
    fails!(
        trainer(Settings::default())
            .unwrap()
            .fit(&mut torn, None, Run::epochs(1)),
        TrainError::Source(SourceError::Other(_)),
        "example 1 is torn"
    );
    let mut beyond = gathered(3, Wild(3, vec![vec![0, 3]])).unwrap();
    fails!(
        Source::<Say>::next(&mut beyond),
        SourceError::Row { row: 3, .. },
        "example 3",
        "one of 3"
    );
    fails!(
        gathered(0, Wild(0, Vec::new())),
        SourceError::Empty,
        "at least one example"
    );
    fails!(
        gathered(3, Wild(4, Vec::new())),
        SourceError::Data { .. },
        "number of examples",
        "expected 3",
        "found 4",
        "give the data it was made for"
    );
    fails!(
        gathered(3, Wild(3, Vec::new())).unwrap().resume("3/0/x//"),
        SourceError::Text(_),
        "expected",
        "3/0/x"
    );
}

#[test]
fn checkpoints_of_something_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let (model, params) = say();
    rnn::save_params(&path, &params).unwrap();
    let resumed =
        |trainer: &mut Trainer<Say>| match trainer.resume_with_new_settings(&path, &mut source()) {
            Err(TrainError::Resume {
                path: found,
                source,
            }) => {
                assert_eq!(found, path);
                Err(*source)
            }
            other => other.map_err(|error| ResumeError::Content(format!("another error: {error}"))),
        };
    let mut adam = trainer(Settings::default()).unwrap();
    fails!(
        resumed(&mut adam),
        ResumeError::Content(_),
        "not saved by a trainer"
    );
    let run = Run::epochs(1).checkpoints(Checkpoints::file(&path));
    adam.fit(&mut source(), None, run).unwrap();
    let sgd = OptimizerConfig::Sgd(SgdConfig::default());
    let sgd = sgd.build(model.param_specs(), &[]).unwrap();
    let mut sgd = Trainer::with_optimizer(model, params, sgd, Settings::default()).unwrap();
    fails!(
        resumed(&mut sgd),
        ResumeError::Optim(OptimError::Algorithm { .. }),
        "state of `sgd`",
        "that of `adam`",
        "resume with the optimiser that was saved"
    );
}

#[test]
fn cursors_and_states_of_other_curricula() {
    let mut sampler = Sampler::new(All(9), 4, 1).unwrap();
    let other = Sampler::new(All(9), 3, 1).unwrap().cursor();
    fails!(
        sampler.resume(&other),
        CurriculumError::Cursor { .. },
        "number of examples of a batch",
        "expected 4, found 3",
        "resume with the settings it was taken from"
    );
    let threshold = Threshold::Share(Pace::linear(0.5, 4).unwrap());
    let mut paced = Sampler::new(SelfPaced::new(9, threshold).unwrap(), 4, 1).unwrap();
    let other = sampler.cursor();
    fails!(
        paced.resume(&other),
        CurriculumError::State(_),
        "the curriculum cannot resume",
        "hexadecimal digits"
    );
    assert_eq!(paced.curriculum().total(), 9);
    // A batch of nothing, of a curriculum and of lengths.
    fails!(
        Sampler::new(All(9), 0, 1),
        CurriculumError::Setting { .. },
        "is 0"
    );
    assert!(LengthBatches::new(&[1, 2], 0).is_err());
}
