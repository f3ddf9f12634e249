//! What a training run says of itself while it goes on, and who listens.
//!
//! A [`StepRecord`] follows every update of the parameters and an [`EpochRecord`] every epoch. Logs, plots, progress bars and
//! hooks of one's own are [`Observer`]s.
//!
//! **Invariant:** all figures but the seconds are functions of model, data and seeds; steps and epochs count from 1 through
//! the whole run, those before a resume included.

use crate::error::AnyError;
use crate::metrics::Sliced;

/// One update of the parameters, or one that was skipped.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StepRecord {
    /// Updates asked for so far, this one included.
    pub step: u64,
    /// The epoch it is in.
    pub epoch: u64,
    /// The loss before the update, the mean over the batches of the step.
    pub loss: f64,
    /// The learning rate of the update.
    pub learning_rate: f64,
    /// The global norm of the gradient before it was clipped; `None` of a step that was skipped.
    pub gradient_norm: Option<f64>,
    /// The norm of the gradient of each trained parameter before clipping, in the order of declaration; empty unless asked for.
    pub parameter_norms: Vec<(String, f64)>,
    /// Tokens or examples that the batches of this step say they have.
    pub seen: u64,
    /// What the step took.
    pub seconds: f64,
}

/// The end of an epoch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EpochRecord {
    /// Epochs completed, this one included.
    pub epoch: u64,
    /// Steps so far.
    pub steps: u64,
    /// Named figures in the order in which to show them: `loss`, `validation`, and the caller's own.
    pub figures: Vec<(String, f64)>,
    /// Measures by length, position or what else they are sliced by, of hooks.
    pub slices: Vec<Sliced>,
    /// What the epoch took, its validation included.
    pub seconds: f64,
}

/// How much of the gradient reaches each step, after an update.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FlowRecord {
    /// Updates asked for so far.
    pub step: u64,
    /// The epoch it is in.
    pub epoch: u64,
    /// For each carried state its norms, in the order of the states.
    pub states: Vec<StateNorms>,
}

/// The norms of the loss's derivative by a state.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StateNorms {
    /// The state: `lstm.h`.
    pub name: String,
    /// The time axis along which it is carried.
    pub axis: String,
    /// `|dL/dh[t]|` of each step, from the first on.
    pub norms: Vec<f64>,
}

impl EpochRecord {
    /// The figure called `name`.
    pub fn figure(&self, name: &str) -> Option<f64> {
        (self.figures.iter())
            .find(|(known, _)| known == name)
            .map(|(_, value)| *value)
    }
}

/// Is told of a run. All methods do nothing unless written.
///
/// Records are borrowed and used again, so that a step allocates nothing: an observer clones what it keeps.
pub trait Observer {
    /// The run starts, with `steps` behind it: 0, or more in a resumed run, in which a log may hold later ones that are about
    /// to be repeated.
    ///
    /// # Errors
    /// Any error ends the run before its first step.
    fn start(&mut self, steps: u64) -> Result<(), AnyError> {
        let _ = steps;
        Ok(())
    }

    /// An epoch begins, of `steps` steps if that is known.
    ///
    /// # Errors
    /// Any error ends the run.
    fn start_epoch(&mut self, epoch: u64, steps: Option<u64>) -> Result<(), AnyError> {
        let _ = (epoch, steps);
        Ok(())
    }

    /// A step was done.
    ///
    /// # Errors
    /// Any error ends the run after the step.
    fn step(&mut self, record: &StepRecord) -> Result<(), AnyError> {
        let _ = record;
        Ok(())
    }

    /// A step was done after which the run looked at how far gradients reach.
    ///
    /// # Errors
    /// Any error ends the run after the step.
    fn flow(&mut self, record: &FlowRecord) -> Result<(), AnyError> {
        let _ = record;
        Ok(())
    }

    /// An epoch was done.
    ///
    /// # Errors
    /// Any error ends the run after the epoch.
    fn epoch(&mut self, record: &EpochRecord) -> Result<(), AnyError> {
        let _ = record;
        Ok(())
    }

    /// The run is over: finished, stopped early, or interrupted.
    ///
    /// # Errors
    /// Any error, when what was recorded cannot be written.
    fn end(&mut self) -> Result<(), AnyError> {
        Ok(())
    }
}

macro_rules! told_through {
    ($(#[$doc:meta])* $pointer:ty) => {
        $(#[$doc])*
        impl<O: Observer + ?Sized> Observer for $pointer {
            fn start(&mut self, steps: u64) -> Result<(), AnyError> {
                (**self).start(steps)
            }

            fn start_epoch(&mut self, epoch: u64, steps: Option<u64>) -> Result<(), AnyError> {
                (**self).start_epoch(epoch, steps)
            }

            fn step(&mut self, record: &StepRecord) -> Result<(), AnyError> {
                (**self).step(record)
            }

            fn flow(&mut self, record: &FlowRecord) -> Result<(), AnyError> {
                (**self).flow(record)
            }

            fn epoch(&mut self, record: &EpochRecord) -> Result<(), AnyError> {
                (**self).epoch(record)
            }

            fn end(&mut self) -> Result<(), AnyError> {
                (**self).end()
            }
        }
    };
}

told_through! {
    /// Borrowed, so that the caller has it when the run is over.
    &mut O
}
told_through! {
    /// One of several kinds.
    Box<O>
}
