//! What a step reads of the step before: the target (teacher forcing), the model's own value (free running), or now one, now
//! the other (scheduled sampling; Bengio et al. 2015).
//!
//! ```no_run
//! # use rnn_runtime::schedule::{Linear, Schedule};
//! # use rnn_runtime::train::AnyError;
//! # use rnn_runtime::{Compiled, Feedback, Inputs, Model};
//! # fn example<M: Model>(
//! #     model: &Compiled<M>, params: M::Params, mut grads: M::Params, inputs: M::Inputs<'_>, targets: M::Targets<'_>, lengths: &[usize], step: u64,
//! # ) -> Result<(), AnyError> {
//! let epsilon = Linear::new(1.0, 1e-4, 0.25)?;
//! let feedback = Feedback::sampled(epsilon.at(step), 42, step);
//! model.loss_and_grad(&params, inputs.lengths(lengths).feedback(feedback), targets, &mut grads)?;
//! # Ok(())
//! # }
//! ```
//!
//! Training reads targets and inference reads own values where nothing is said. Each is a program of its own, so under teacher
//! forcing nothing that leads to the own value is in the loop.
//!
//! **Invariant:** which steps read the target is a function of the seed, the call, the example and the step alone.

use std::sync::OnceLock;

use rand::Rng;

use crate::call::{Call, Data};
use crate::compiled::{Inner, routine_of};
use crate::error::{CallError, CompileError, GenerateError};
use crate::generate::Plan;
use crate::pipeline::{Fed, Program, carried_model, of_mode};
use crate::report::Times;
use crate::rng;
use crate::routine::Routine;
use crate::signature::{Port, Signature};

/// What the steps of a call with targets read through `feedback`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Feedback {
    /// The targets.
    #[default]
    Targets,
    /// The model's own values: the loss of what it does when it runs freely.
    Own,
    /// Each step of each example reads its target with this probability, and the model's own value else.
    Sampled {
        /// In `0..=1`.
        probability: f32,
        /// With `call` the key of the draws.
        seed: u64,
        /// The count of the call, such as the number of the training step: another one has other draws.
        call: u64,
    },
}

impl Feedback {
    /// Scheduled sampling: targets with this probability.
    pub fn sampled(probability: f32, seed: u64, call: u64) -> Self {
        Self::Sampled {
            probability,
            seed,
            call,
        }
    }

    /// Without a draw where the probability leaves none: the programs differ in the rounding of their products, so each end of
    /// scheduled sampling is the program that it ends at, bit for bit.
    fn settled(self) -> Self {
        match self {
            Self::Sampled {
                probability: 1.0, ..
            } => Self::Targets,
            Self::Sampled {
                probability: 0.0, ..
            } => Self::Own,
            other => other,
        }
    }

    /// Says which steps of a call read the target, for each feedback of the model.
    pub(crate) fn teach(self, signature: &Signature, call: &mut Call<'_>) {
        for port in &signature.teachers {
            let truths = self.drawn(port, call);
            call.teachers.push(Data::Bool(truths.into()));
        }
    }

    // `[time axes.., B]`.
    fn drawn(self, port: &Port, call: &mut Call<'_>) -> Vec<bool> {
        let steps = || port.axes.iter().map(|axis| call.shape.steps[*axis]);
        let (all, batch) = (steps().product::<usize>(), call.shape.batch);
        // The last axis runs along a row of words; a row is one example at one step of the other axes.
        let along = steps().next_back().unwrap_or(1);
        let mut out = call.room.stash.flags.take(all * batch);
        let (probability, seed, count) = match self {
            Self::Targets | Self::Own => {
                out.resize(all * batch, self == Self::Targets);
                return out;
            }
            Self::Sampled {
                probability,
                seed,
                call,
            } => (probability, seed, call),
        };
        out.resize(all * batch, false);
        // Of 2^32 words, so many read the target.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a probability times 2^32"
        )]
        let limit = (f64::from(probability) * 4_294_967_296.0) as u64;
        let mut rng = rng::stream(seed, "feedback", &port.name);
        rng.set_stream(count);
        for example in 0..batch {
            for row in 0..all.checked_div(along).unwrap_or(0) {
                rng.set_word_pos(((example as u128) << 48 | (row as u128) << 32) % (1 << 68));
                for step in 0..along {
                    out[(row * along + step) * batch + example] = u64::from(rng.next_u32()) < limit;
                }
            }
        }
        out
    }
}

/// Programs of a model with feedback beside those that training and inference run.
#[derive(Debug, Default)]
pub(crate) struct Variants {
    /// Outputs under teacher forcing.
    forced: OnceLock<Routine>,
    mixed: [OnceLock<Routine>; 3],
    /// What generates, one token after the other.
    generation: OnceLock<Plan>,
}

impl Inner {
    /// What the steps of an inference read.
    pub(crate) fn fed(&self, feedback: Feedback, targets: bool) -> Result<Fed, CallError> {
        let model = || self.signature.model.to_owned();
        match (feedback.settled(), targets) {
            (Feedback::Targets, false) => Ok(Fed::Own),
            (Feedback::Sampled { .. }, false) if self.feeds_back() => {
                Err(CallError::FeedbackWithoutTargets { model: model() })
            }
            (Feedback::Own, _) if self.feeds_back() => Ok(Fed::Own),
            _ => self.fed_in_training(feedback),
        }
    }

    /// What the steps of a loss read.
    pub(crate) fn fed_in_training(&self, feedback: Feedback) -> Result<Fed, CallError> {
        match feedback.settled() {
            Feedback::Targets => Ok(Fed::Targets),
            _ if !self.feeds_back() => Err(CallError::NoFeedback {
                model: self.signature.model.to_owned(),
            }),
            Feedback::Sampled { probability, .. } if !(0.0..=1.0).contains(&probability) => {
                Err(CallError::Probability { found: probability })
            }
            Feedback::Own | Feedback::Sampled { .. } => Ok(Fed::Mixed),
        }
    }

    /// A program by what its steps read; compiled now, if no call asked for it before.
    pub(crate) fn program(&self, program: Program, fed: Fed) -> Result<&Routine, CallError> {
        let place = match (program, fed) {
            _ if !self.feeds_back() => None,
            (Program::Forward, Fed::Targets) => Some(&self.variants.forced),
            (Program::Forward, Fed::Mixed) => Some(&self.variants.mixed[0]),
            (Program::Loss, Fed::Mixed) => Some(&self.variants.mixed[1]),
            (Program::Gradient, Fed::Mixed) => Some(&self.variants.mixed[2]),
            (Program::Forward, Fed::Own)
            | (Program::Loss | Program::Gradient, Fed::Targets | Fed::Own) => None,
        };
        let Some(place) = place else {
            return Ok(match program {
                Program::Forward => &self.forward,
                Program::Loss => &self.training()?.loss,
                Program::Gradient => &self.training()?.gradient,
            });
        };
        if program != Program::Forward {
            self.training()?;
        }
        if let Some(routine) = place.get() {
            return Ok(routine);
        }
        let routine = self.variant(program, fed).map_err(Box::new)?;
        Ok(place.get_or_init(|| routine))
    }

    /// What generates; compiled now, if no call asked for it before.
    pub(crate) fn plan(&self) -> Result<&Plan, GenerateError> {
        let place = &self.variants.generation;
        if let Some(plan) = place.get() {
            return Ok(plan);
        }
        let plan = Plan::new(self)?;
        Ok(place.get_or_init(|| plan))
    }

    fn variant(&self, program: Program, fed: Fed) -> Result<Routine, CompileError> {
        let model = match fed {
            Fed::Targets => self.model.clone(),
            Fed::Own => self.free.clone(),
            Fed::Mixed => {
                let bound = of_mode(&self.bound, program.mode())?;
                carried_model(&bound, fed, &mut Times::start())?
            }
        };
        routine_of(&self.signature, &self.options, &model, program)
    }
}
