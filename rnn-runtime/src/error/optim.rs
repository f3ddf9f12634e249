//! Settings of optimisers, clipping and schedules, and numbers that they cannot go on with.

use thiserror::Error;

use super::{NameMismatch, ParamsError};

/// An optimiser was misconfigured, or given tensors or a state that do not fit.
#[derive(Clone, PartialEq, Error)]
pub enum OptimError {
    /// Parameters or gradients are not those the optimiser was made for.
    #[error("{what} do not fit the optimiser: {source}")]
    Params {
        /// `parameters` or `gradients`.
        what: &'static str,
        /// The difference.
        source: ParamsError,
    },
    /// A setting outside its range.
    #[error("{algorithm}: expected {setting} {expected}, found {found}")]
    Setting {
        /// The optimiser.
        algorithm: &'static str,
        /// The setting.
        setting: &'static str,
        /// Its range.
        expected: &'static str,
        /// What was given.
        found: f64,
    },
    /// A group selects nothing.
    #[error("group `{pattern}` matches no trained parameter, the trained parameters are {known}")]
    EmptyGroup {
        /// The pattern.
        pattern: String,
        /// Names of the trained parameters, comma separated.
        known: String,
    },
    /// The state comes from another algorithm.
    #[error(
        "expected the state of `{expected}`, found that of `{found}`; resume with the optimiser that was saved"
    )]
    Algorithm {
        /// This optimiser.
        expected: String,
        /// The one that made the state.
        found: String,
    },
    /// The state has other tensors.
    #[error("the state does not fit the optimiser: {0}")]
    State(NameMismatch),
}

/// A gradient cannot be clipped.
#[derive(Clone, PartialEq, Error)]
pub enum ClipError {
    /// A gradient has a NaN or an infinity; nothing was changed.
    #[error("gradient of `{name}` is not finite; lower the learning rate or skip this step")]
    NonFinite {
        /// The first such tensor.
        name: String,
    },
    /// A threshold that is not positive and finite.
    #[error("expected a positive, finite threshold, found {found}")]
    Threshold {
        /// What was given.
        found: f64,
    },
    /// A smoothing factor outside `[0, 1)`.
    #[error("expected a smoothing factor in 0..1, found {found}")]
    Smoothing {
        /// What was given.
        found: f64,
    },
    /// Gradients and their description differ.
    #[error(transparent)]
    Params(#[from] ParamsError),
}

/// A learning-rate schedule was misconfigured.
#[derive(Clone, PartialEq, Error)]
#[error("{schedule} schedule: expected {setting} {expected}, found {found}")]
pub struct ScheduleError {
    /// The schedule.
    pub schedule: &'static str,
    /// The setting.
    pub setting: &'static str,
    /// Its range.
    pub expected: &'static str,
    /// What was given.
    pub found: f64,
}
