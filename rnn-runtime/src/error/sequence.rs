//! What can go wrong in decoding labels, and with rewards.
//!
//! **Invariant:** every message names the step or the example.

use thiserror::Error;

/// Labels cannot be decoded.
#[derive(Clone, PartialEq, Error)]
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
    /// Labels that no alignment with the steps means.
    #[error(
        "the {labels} labels of example {example} need {needed} steps, one each and one between two that are equal, found {steps}; leave it out, or set `zero_infinity` of its loss to 1"
    )]
    TooFewSteps {
        /// The example, counted from 0.
        example: usize,
        /// Labels of it.
        labels: usize,
        /// Steps that they need.
        needed: usize,
        /// Steps that there are.
        steps: usize,
    },
    /// A blank among labels.
    #[error("label {at} of example {example} is the blank {blank}, expected another token")]
    BlankLabel {
        /// The example, counted from 0.
        example: usize,
        /// The label, counted from 0.
        at: usize,
        /// The blank.
        blank: u32,
    },
    /// Not as many lengths as examples, or a length that the labels do not have.
    #[error("expected {expected}, found {found}")]
    Count {
        /// What there should be.
        expected: String,
        /// What there is.
        found: usize,
    },
    /// A beam of nothing.
    #[error("expected a beam of at least one sequence, found 0")]
    Width,
}

/// Rewards cannot be made advantages.
#[derive(Clone, PartialEq, Error)]
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
