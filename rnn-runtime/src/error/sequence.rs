//! What can go wrong in decoding labels, and with rewards.
//!
//! **Invariant:** every message names the step or the example.

use thiserror::Error;

/// Labels cannot be decoded.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum CtcError {
    /// A blank that the vocabulary lacks.
    #[error("the blank is token {blank}, expected less than {size}")]
    Blank {
        /// The blank.
        blank: u32,
        /// Logits of a step.
        size: usize,
    },
    /// Logits that are NaN, or none of which is finite.
    #[error(
        "the logits of step {step} are no distribution, expected numbers of which the largest is finite"
    )]
    NotFinite {
        /// The step, counted from 0.
        step: usize,
    },
    /// A beam of nothing.
    #[error("expected a beam of at least one sequence, found 0")]
    Width,
}

/// Rewards cannot be made advantages.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum RewardError {
    /// A reward that is no finite number.
    #[error("the reward of example {example} is {value}, expected a finite number")]
    NotFinite {
        /// The example, counted from 0.
        example: usize,
        /// The reward.
        value: f32,
    },
    /// Not as many numbers as examples.
    #[error("expected one {what} for each of {expected} examples, found {found}")]
    Count {
        /// What they are.
        what: &'static str,
        /// Number of examples.
        expected: usize,
        /// Numbers given.
        found: usize,
    },
    /// A decay outside its range.
    #[error("expected a decay in 0..1, found {found}")]
    Decay {
        /// What was given.
        found: f32,
    },
}
