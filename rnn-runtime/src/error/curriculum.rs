//! What can go wrong with curricula.
//!
//! **Invariant:** every message says what was expected.

use thiserror::Error;

use super::StateTextError;

/// A curriculum, or a sampler over one, was misconfigured or cannot resume.
#[derive(Clone, PartialEq, Error)]
pub enum CurriculumError {
    /// There is nothing to train on.
    #[error("expected at least one example, found none")]
    NoExamples,
    /// A setting out of range.
    #[error("{what} is {found}, expected {expected}")]
    Setting {
        /// The setting.
        what: &'static str,
        /// What it is.
        found: f64,
        /// What it has to be.
        expected: &'static str,
    },
    /// A score that cannot be compared.
    #[error("the score of example {example} is no number")]
    Score {
        /// The example, counted from 0.
        example: usize,
    },
    /// Not as many lengths as examples.
    #[error("expected a length for each of {expected} examples, found {found}")]
    Lengths {
        /// Number of examples.
        expected: usize,
        /// Lengths given.
        found: usize,
    },
    /// A cursor of another sampler.
    #[error(
        "the cursor belongs to another {what}: expected {expected}, found {found}; resume with the settings it was taken from"
    )]
    Cursor {
        /// What differs.
        what: &'static str,
        /// The value here.
        expected: u64,
        /// The value in the cursor.
        found: u64,
    },
    /// A state of another curriculum.
    #[error("the curriculum cannot resume: {0}")]
    State(#[from] StateTextError),
}
