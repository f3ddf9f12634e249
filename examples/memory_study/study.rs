//! One run: a network learns a task, and what is written down of it.

use std::error::Error;
use std::time::Instant;

use rnn::error::ClipError;
use rnn::optim::SgdConfig;
use rnn::prelude::*;
use rnn::rng;
use rnn::{NonFinite, ParamSpec, compile, global_norm, init_params};

use crate::arguments::Arguments;
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

/// An optimiser of either kind.
enum Follow {
    Adam(Adam, f32),
    Descent(Sgd, f32),
}

impl Follow {
    fn new(way: Way, arguments: &Arguments, specs: &[ParamSpec]) -> Result<Self, Failure> {
        Ok(match way {
            Way::Adam => Self::Adam(Adam::new(specs, Default::default())?, arguments.rate),
            Way::Descent => {
                let config = SgdConfig {
                    momentum: 0.9,
                    ..Default::default()
                };
                Self::Descent(Sgd::new(specs, config)?, arguments.descent_rate)
            }
        })
    }

    fn step<P: Tensors>(&mut self, params: &mut P, grads: &P) -> Result<(), Failure> {
        match self {
            Self::Adam(adam, rate) => adam.step(params, grads, *rate)?,
            Self::Descent(descent, rate) => descent.step(params, grads, *rate)?,
        }
        Ok(())
    }
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
pub(crate) fn study<M: Student>(arguments: &Arguments, setting: Setting) -> Result<Run, Failure> {
    let spec = M::sized(arguments.hidden);
    let model = compile(spec, Options::default().nonfinite(NonFinite::Return))?;
    let mut params = init_params(&spec, arguments.seed)?;
    let mut grads = params.zeros_like();
    let mut follow = Follow::new(setting.way, arguments, model.param_specs())?;
    let name = format!("{} {}", M::NAME, setting.delay);
    // With and without clipping a network starts from the same numbers and sees the same sequences.
    let mut training = rng::stream(arguments.seed, "training", &name);
    let test = M::draw(
        setting.delay,
        TESTED,
        &mut rng::stream(arguments.seed, "test", &name),
    );
    let look = |params: &M::Params| -> Result<Figures, Failure> {
        Ok(M::judge(&model.forward(params, M::inputs(&test))?, &test))
    };
    let start = Instant::now();
    let mut run = Run {
        cell: M::CELL,
        setting,
        figures: look(&params)?,
        errors: Vec::new(),
        learnt: None,
        diverged: 0,
        lost: None,
        steepest: 0.0,
        seconds: 0.0,
    };
    for step in 1..=arguments.steps {
        let sequences = M::draw(setting.delay, arguments.batch, &mut training);
        let (inputs, targets) = (M::inputs(&sequences), M::targets(&sequences));
        let value = model.loss_and_grad(&params, inputs, targets, &mut grads)?;
        let norm = match setting.clipped {
            true => clip_global_norm(&mut grads, model.param_specs(), arguments.clip),
            false => global_norm(&grads, model.param_specs()),
        };
        let norm = match norm {
            Err(ClipError::NonFinite { .. }) => {
                run.lost = Some(step);
                break;
            }
            norm => norm?,
        };
        follow.step(&mut params, &grads)?;
        run.steepest = run.steepest.max(norm);
        let wrong = f64::from(value.loss) > DIVERGED * setting.baseline;
        run.diverged += u64::from(step > LOOK && wrong);
        if step % LOOK != 0 && step != arguments.steps {
            continue;
        }
        run.figures = look(&params)?;
        run.errors.push((step, run.figures.error));
        if run.figures.error < 0.1 * setting.baseline {
            run.learnt = run.learnt.or(Some(step));
        }
        if run.figures.error < 0.01 * setting.baseline {
            break;
        }
    }
    run.seconds = start.elapsed().as_secs_f64();
    Ok(run)
}
