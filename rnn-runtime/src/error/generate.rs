//! What can go wrong in generation.
//!
//! **Invariant:** every message names the model, what it lacks, and what would do.

use rnn_ir::decode::DecodeError;
use thiserror::Error;

use super::{CallError, CompileError, SampleError};

/// A model cannot generate, or not with these settings.
#[derive(Error)]
pub enum GenerateError {
    /// A loop of the model cannot run one token at a time.
    #[error(
        "model `{model}` cannot generate tokens: {source}; run it freely with `forward` instead"
    )]
    Decode {
        /// The model.
        model: String,
        /// Why.
        source: DecodeError,
    },
    /// Nothing is fed back, and no single input is the last token.
    #[error(
        "model `{model}` has no `feedback`, so one input must hold the last token, and one output logits over the same tokens at the same steps; found token inputs [{inputs}] and logits [{outputs}]"
    )]
    NoToken {
        /// The model.
        model: String,
        /// Token inputs along a time axis.
        inputs: String,
        /// Outputs that could be their logits.
        outputs: String,
    },
    /// An input that is not known before generation starts.
    #[error(
        "model `{model}` reads input `{input}` at every step, and generation gives it no values after the prompt"
    )]
    OpenInput {
        /// The model.
        model: String,
        /// The input.
        input: String,
    },
    /// A prompt without a token.
    #[error("the prompt of example {example} is empty; give it a start token")]
    EmptyPrompt {
        /// The example.
        example: usize,
    },
    /// A setting out of range.
    #[error("{what} is {found}, expected {expected}")]
    Setting {
        /// The setting.
        what: &'static str,
        /// What was given.
        found: String,
        /// What it has to be.
        expected: String,
    },
    /// Logits that nothing can be drawn from, or settings of the sampler.
    #[error(transparent)]
    Sample(#[from] SampleError),
    /// The inputs do not fit the model.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The step cannot be compiled.
    #[error(transparent)]
    Compile(#[from] Box<CompileError>),
}

impl From<rnn_jit::JitError> for GenerateError {
    fn from(error: rnn_jit::JitError) -> Self {
        Self::Call(error.into())
    }
}
