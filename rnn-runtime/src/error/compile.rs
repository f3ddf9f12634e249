//! What can go wrong between the text of a model and a compiled model.
//!
//! **Invariant:** every message names the model; where one equation is at fault, it names that equation.

use rnn_ir::bind::BindError;
use rnn_ir::text::ParseError;
use rnn_ir::verify::Violation;
use rnn_jit::JitError;
use thiserror::Error;

use super::{AnyError, InitError};

/// The equations of a model, or its sizes, are not valid.
#[derive(Clone, PartialEq, Error)]
pub enum ModelError {
    /// The text of the model is not in the text form of the intermediate representation.
    #[error("model `{model}`: {source}")]
    Parse {
        /// The model.
        model: String,
        /// Where, and what was expected.
        source: ParseError,
    },
    /// The equations break the rules.
    #[error("model `{model}` is not valid: {}", violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Invalid {
        /// The model.
        model: String,
        /// All violations, each with its equation.
        violations: Vec<Violation>,
    },
    /// The sizes do not fit the equations.
    #[error("model `{model}`: {source}")]
    Sizes {
        /// The model.
        model: String,
        /// Which size, and in which equation.
        source: Box<BindError>,
    },
}

/// A model cannot be compiled.
#[derive(Error)]
pub enum CompileError {
    /// The equations or the sizes are not valid.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A parameter has no valid rule to draw it.
    #[error("model `{model}`: {source}")]
    Init {
        /// The model.
        model: String,
        /// The rule.
        source: Box<InitError>,
    },
    /// A pattern of [`Options::fixed`](crate::Options::fixed) that matches no trained parameter.
    #[error("model `{model}`: expected `{pattern}` to match a trained parameter, one of {known}")]
    Fixed {
        /// The model.
        model: String,
        /// The pattern.
        pattern: String,
        /// The trained parameters, comma separated.
        known: String,
    },
    /// What the compiler made of valid equations is not valid.
    #[error(
        "model `{model}`: {source}; this is an error of the compiler and no mistake of the model, please report it"
    )]
    Compiler {
        /// The model.
        model: String,
        /// The pass, the derivative or the schedule, and what is wrong with it.
        source: AnyError,
    },
    /// Code cannot be generated, or sizes are beyond the address space.
    #[error("model `{model}`: {source}")]
    Jit {
        /// The model.
        model: String,
        /// Why.
        source: JitError,
    },
    /// There is no pass of this name.
    #[error("there is no pass `{name}`, expected one of {known}")]
    UnknownPass {
        /// The name given.
        name: String,
        /// All names, comma separated.
        known: String,
    },
    /// The model has no such program.
    #[error("model `{model}` has no loss, so it has no {program} program")]
    NoLoss {
        /// The model.
        model: String,
        /// The program asked for.
        program: &'static str,
    },
}

impl CompileError {
    /// What the compiler made of the valid equations of a model is not valid.
    pub(crate) fn compiler(model: impl Into<String>, source: impl Into<AnyError>) -> Self {
        Self::Compiler {
            model: model.into(),
            source: source.into(),
        }
    }
}
