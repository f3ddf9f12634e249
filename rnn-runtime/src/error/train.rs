//! What can go wrong in a training run.
//!
//! **Invariant:** every message names the step or the setting, and the fix where there is one.

use std::path::PathBuf;

use thiserror::Error;

use super::{
    AnyError, CallError, CheckpointError, ClipError, NonFiniteError, OptimError, ParamsError,
};
use crate::train::source::SourceError;

/// A setting that is another one in a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingDiffers {
    /// The setting.
    pub name: String,
    /// Its value here, or the first that differs.
    pub given: String,
    /// Its value in the checkpoint.
    pub saved: String,
}

fn listed(all: &[SettingDiffers]) -> String {
    let one = |own: &SettingDiffers| {
        let SettingDiffers { name, given, saved } = own;
        format!("expected `{name}` {given}, found {saved}")
    };
    all.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// What a checkpoint has that another run cannot go on from. Nothing was changed.
#[derive(Error)]
pub enum ResumeError {
    /// It is of a run with other settings.
    #[error(
        "it is of a run with other settings: {}; give the settings of that run, or take it up with these by `resume_with_new_settings`",
        listed(.0)
    )]
    Settings(Vec<SettingDiffers>),
    /// It holds something else than a trainer of this model saves.
    #[error("{0}")]
    Content(String),
    /// Its optimiser is another one.
    #[error(transparent)]
    Optim(#[from] OptimError),
    /// Its data are others.
    #[error(transparent)]
    Source(#[from] SourceError),
}

/// A run cannot start or go on.
#[derive(Error)]
pub enum TrainError {
    /// A setting outside its range.
    #[error("training: expected {setting} {expected}, found {found}")]
    Setting {
        /// The setting.
        setting: &'static str,
        /// Its range.
        expected: &'static str,
        /// What was given.
        found: f64,
    },
    /// A loss or a gradient is not finite.
    #[error("step {step}: {source}")]
    NonFinite {
        /// The step, counted from 1.
        step: u64,
        /// Where it comes from.
        source: Box<NonFiniteError>,
    },
    /// Too many steps in a row were skipped.
    #[error(
        "no loss or gradient of {count} steps in a row is finite, up to step {step}, where {allowed} may be skipped: {source}"
    )]
    Skipped {
        /// The step, counted from 1.
        step: u64,
        /// Steps in a row.
        count: u64,
        /// How many may be.
        allowed: u64,
        /// Where the last comes from.
        source: Box<NonFiniteError>,
    },
    /// The figure that is watched is not reported.
    #[error("the run watches `{name}`, but epochs report {found}")]
    Figure {
        /// The figure.
        name: String,
        /// Those that there are.
        found: String,
    },
    /// Parameters are not those of the model.
    #[error("parameters do not fit the model: {0}")]
    Params(#[from] ParamsError),
    /// A batch cannot be computed.
    #[error("step {step}: {source}")]
    Call {
        /// The step, counted from 1.
        step: u64,
        /// Why.
        source: CallError,
    },
    /// Gradients cannot be clipped.
    #[error(transparent)]
    Clip(#[from] ClipError),
    /// The optimiser refuses.
    #[error(transparent)]
    Optim(#[from] OptimError),
    /// The batches cannot be had.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// An observer failed.
    #[error("an observer failed after step {step}: {source}")]
    Observer {
        /// Steps done by then.
        step: u64,
        /// Why.
        source: AnyError,
    },
    /// A hook at the end of an epoch failed.
    #[error("a hook failed at the end of epoch {epoch}: {source}")]
    Hook {
        /// The epoch, counted from 1.
        epoch: u64,
        /// Why.
        source: AnyError,
    },
    /// A checkpoint cannot be written or read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A sound checkpoint that this run cannot go on from.
    #[error("cannot go on from `{}`: {source}", .path.display())]
    Resume {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<ResumeError>,
    },
    /// Signals cannot be listened to.
    #[error(
        "cannot listen to signals: {0}; where the program has a handler of its own, make an `Interrupt::new` and call `request` from the handler"
    )]
    Signals(String),
}
