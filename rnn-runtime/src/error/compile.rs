//! What can go wrong between the text of a model and a compiled model.
//!
//! **Invariant:** every message names the model; where one equation is at fault, it names that equation.

use rnn_ir::autodiff::DiffError;
use rnn_ir::bind::BindError;
use rnn_ir::passes::pipeline::PassError;
use rnn_ir::schedule::ScheduleError;
use rnn_ir::text::ParseError;
use rnn_ir::verify::Violation;
use rnn_jit::JitError;
use thiserror::Error;

use super::InitError;

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
    /// What is fed back cannot be decided: an error of the compiler.
    #[error("model `{model}`: {source}")]
    Feedback {
        /// The model.
        model: String,
        /// The type rule that was broken.
        source: Box<rnn_ir::typing::TypeError>,
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
    /// A pass broke the model: an error of the compiler.
    #[error("model `{model}`: {source}")]
    Pass {
        /// The model.
        model: String,
        /// The pass.
        source: Box<PassError>,
    },
    /// The loss cannot be differentiated.
    #[error("model `{model}`: {source}")]
    Differentiate {
        /// The model.
        model: String,
        /// Why.
        source: Box<DiffError>,
    },
    /// No order of evaluation satisfies the equations.
    #[error("model `{model}`: {source}")]
    Schedule {
        /// The model.
        model: String,
        /// The cycle.
        source: ScheduleError,
    },
    /// Code cannot be generated, or sizes are beyond the address space.
    #[error("model `{model}`: {source}")]
    Jit {
        /// The model.
        model: String,
        /// Why.
        source: JitError,
    },
    /// A result is not computed by an equation.
    #[error(
        "model `{model}`: result `{result}` has no memory of its own; give it an equation that computes it"
    )]
    Result {
        /// The model.
        model: String,
        /// The output or state.
        result: String,
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
