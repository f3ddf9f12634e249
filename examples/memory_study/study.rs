//! One run: a network learns a task, and what is written down of it.

use std::error::Error;
use std::time::Instant;

use rnn::checkpoint::save_params;
use rnn::optim::{OptimizerConfig, SgdConfig};
use rnn::prelude::*;
use rnn::rng;
use rnn::train::{Clip, Learnt, OnNonFinite, Rate, Settings, Trainer};
use rnn::{compile, init_params};

use crate::arguments::Arguments;
use crate::material::Material;
use crate::networks::{Figures, Student};

/// An error that may cross threads.
pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// Training steps between two looks at the test sequences.
const LOOK: u64 = 50;
/// Test sequences.
const TESTED: usize = 256;
/// A training step diverges whose loss is so many times the baseline.
const DIVERGED: f64 = 2.0;

/// How parameters follow gradients.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Way {
    /// Adam, whose steps are as long for small gradients as for large ones.
    Adam,
    /// Descent with a momentum of 0.9, whose steps are as long as gradients are.
    Descent,
}

/// What a network has to learn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Setting {
    /// Steps that something has to be remembered over, at the most.
    pub(crate) delay: usize,
    pub(crate) way: Way,
    /// Whether gradients are clipped.
    pub(crate) clipped: bool,
    /// The error of who remembers nothing.
    pub(crate) baseline: f64,
}

impl Setting {
    /// Adam and clipping, as delays are compared by.
    pub(crate) fn is_usual(&self) -> bool {
        self.clipped && self.way == Way::Adam
    }
}

/// What came of a run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Run {
    pub(crate) cell: &'static str,
    pub(crate) setting: Setting,
    /// On the test sequences, at the end.
    pub(crate) figures: Figures,
    /// The error on the test sequences after so many training steps.
    pub(crate) errors: Vec<(u64, f64)>,
    /// After how many training steps the error was a tenth of the baseline for the first time.
    pub(crate) learnt: Option<u64>,
    /// Training steps whose loss was more than twice the baseline, after a first look.
    pub(crate) diverged: u64,
    /// The training step at which a gradient was not a number any more, which ends a run.
    pub(crate) lost: Option<u64>,
    /// The largest norm of a gradient.
    pub(crate) steepest: f64,
    pub(crate) seconds: f64,
}

/// Trains a network until its error is a hundredth of the baseline, or for all steps.
pub(crate) fn study<M: Student>(
    arguments: &Arguments,
    material: &Material,
    setting: Setting,
) -> Result<Run, Failure> {
    let spec = M::sized(arguments.hidden);
    let model = compile(spec, Options::default())?;
    let params = init_params(&spec, arguments.seed)?;
    let (optimizer, rate) = match setting.way {
        Way::Adam => (OptimizerConfig::default(), arguments.rate),
        Way::Descent => {
            let momentum = SgdConfig {
                momentum: 0.9,
                ..SgdConfig::default()
            };
            (OptimizerConfig::Sgd(momentum), arguments.descent_rate)
        }
    };
    let optimizer = optimizer.build(model.param_specs(), &[])?;
    let settings = Settings::default()
        .rate(Rate::constant(rate))
        .clip(match setting.clipped {
            true => Clip::Norm(arguments.clip),
            false => Clip::None,
        })
        .on_nonfinite(OnNonFinite::Stop);
    let mut trainer = Trainer::with_optimizer(model, params, optimizer, settings)?;
    let name = format!("{} {}", M::NAME, setting.delay);
    // With and without clipping a network starts from the same numbers and sees the same sequences.
    let mut training = rng::stream(arguments.seed, "training", &name);
    let test = M::draw(
        material,
        setting.delay,
        TESTED,
        &mut rng::stream(arguments.seed, "test", &name),
    );
    let look = |trainer: &Trainer<M>| -> Result<Figures, Failure> {
        let outputs = trainer
            .model()
            .forward(trainer.params(), M::inputs(&test))?;
        Ok(M::judge(&outputs, &test))
    };
    let start = Instant::now();
    let mut run = Run {
        cell: M::CELL,
        setting,
        figures: look(&trainer)?,
        errors: Vec::new(),
        learnt: None,
        diverged: 0,
        lost: None,
        steepest: 0.0,
        seconds: 0.0,
    };
    for step in 1..=arguments.steps {
        let sequences = M::draw(material, setting.delay, arguments.batch, &mut training);
        let learnt = trainer.step(M::inputs(&sequences), M::targets(&sequences))?;
        if let Learnt::Stop(_) = learnt {
            run.lost = Some(step);
            break;
        }
        let record = trainer.record();
        run.steepest = run.steepest.max(record.gradient_norm.unwrap_or_default());
        let wrong = record.loss > DIVERGED * setting.baseline;
        run.diverged += u64::from(step > LOOK && wrong);
        if step % LOOK != 0 && step != arguments.steps {
            continue;
        }
        run.figures = look(&trainer)?;
        run.errors.push((step, run.figures.error));
        if run.figures.error < 0.1 * setting.baseline {
            run.learnt = run.learnt.or(Some(step));
        }
        if run.figures.error < 0.01 * setting.baseline {
            break;
        }
    }
    run.seconds = start.elapsed().as_secs_f64();
    if let (Some(path), true) = (&arguments.save, setting.is_usual()) {
        let (stem, ending) = (path.file_stem(), path.extension());
        let stem = stem
            .ok_or("the file to save to has no name")?
            .to_string_lossy();
        let mut own = path.with_file_name(format!("{stem}-{}-{}", M::NAME, setting.delay));
        own.set_extension(ending.unwrap_or("safetensors".as_ref()));
        save_params(own, trainer.params())?;
    }
    Ok(run)
}
