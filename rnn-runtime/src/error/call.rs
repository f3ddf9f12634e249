//! What can go wrong in a call of a compiled model.
//!
//! **Invariant:** every message names what was given, what was expected, and the fix where there is one.

use std::fmt;

use rnn_jit::JitError;
use thiserror::Error;

use super::{CompileError, ParamsError};

/// A call cannot be run, or its loss is not a number.
#[derive(Error)]
pub enum CallError {
    /// A training step of a model that draws random numbers, without a seed.
    #[error(
        "model `{model}` draws random numbers in training: give each step a seed of its own, `inputs.seed(step)`"
    )]
    NoSeed {
        /// The model.
        model: String,
    },
    /// Parameters or gradients are not those of the model.
    #[error("{what} do not fit the model: {source}")]
    Params {
        /// `parameters` or `gradients`.
        what: &'static str,
        /// The first tensor that differs.
        source: ParamsError,
    },
    /// An input has another shape than the model gives it.
    #[error("input `{name}`: expected shape {expected}, found {found:?}")]
    Shape {
        /// The input.
        name: String,
        /// The shape in the model's letters, such as `[T, B, 3]`.
        expected: String,
        /// The shape given.
        found: Vec<usize>,
    },
    /// A step of a stream is given several steps.
    #[error(
        "input `{name}`: expected shape {expected}, found {found:?}; a step has one step of time"
    )]
    OneStep {
        /// The input.
        name: String,
        /// The shape in the model's letters, such as `[T, B, 3]`.
        expected: String,
        /// The shape given.
        found: Vec<usize>,
    },
    /// An input is of another kind.
    #[error("input `{name}`: expected {expected}, found {found}")]
    Kind {
        /// The input.
        name: String,
        /// `tokens` or `real numbers`.
        expected: &'static str,
        /// `tokens` or `real numbers`.
        found: &'static str,
    },
    /// An input that the model has is not given.
    #[error("input `{name}` is not given; its struct does not visit it")]
    MissingInput {
        /// The input.
        name: String,
    },
    /// Two inputs on one time axis have different lengths.
    #[error(
        "inputs `{first}` and `{second}` both run over `{axis}`: expected {expected} steps as in `{first}`, found {found} in `{second}`"
    )]
    Steps {
        /// The axis.
        axis: String,
        /// The input that came first.
        first: String,
        /// Its steps.
        expected: usize,
        /// The input that differs.
        second: String,
        /// Its steps.
        found: usize,
    },
    /// Two values have different numbers of examples.
    #[error(
        "`{first}` and `{second}` have different batches: expected {expected} examples as in `{first}`, found {found} in `{second}`"
    )]
    Examples {
        /// What came first.
        first: String,
        /// Its examples.
        expected: usize,
        /// What differs.
        second: String,
        /// Its examples.
        found: usize,
    },
    /// Nothing says how many examples there are.
    #[error(
        "no input of model `{model}` has examples; say how many there are by giving their lengths"
    )]
    NoExamples {
        /// The model.
        model: String,
    },
    /// A batch without examples.
    #[error("the batch is empty, expected at least 1 example")]
    EmptyBatch,
    /// An axis whose length no input gives.
    #[error(
        "no input given runs over `{axis}`; say how many steps each example has with `lengths_of(\"{axis}\", ..)`"
    )]
    MissingLengths {
        /// The axis.
        axis: String,
    },
    /// Lengths without an axis, for a model with several axes or none.
    #[error(
        "model `{model}` has {}; name the axis of the lengths with `lengths_of`",
        axes_in_words(axes)
    )]
    WhichAxis {
        /// The model.
        model: String,
        /// Its axes.
        axes: Vec<String>,
    },
    /// Lengths for an axis that the model does not have.
    #[error(
        "lengths are given for axis `{axis}`, but model `{model}` has {}",
        axes_in_words(axes)
    )]
    UnknownAxis {
        /// The model.
        model: String,
        /// The axis given.
        axis: String,
        /// Its axes.
        axes: Vec<String>,
    },
    /// Not one length for each example.
    #[error("lengths of `{axis}`: expected one for each of {expected} examples, found {found}")]
    LengthCount {
        /// The axis.
        axis: String,
        /// Examples in the batch.
        expected: usize,
        /// Lengths given.
        found: usize,
    },
    /// A length beyond the inputs.
    #[error(
        "lengths of `{axis}`: example {example} has length {found}, expected at most {steps}, the steps of input `{input}`"
    )]
    LengthRange {
        /// The axis.
        axis: String,
        /// The example, from 0.
        example: usize,
        /// Its length.
        found: usize,
        /// Steps of the inputs.
        steps: usize,
        /// An input on this axis.
        input: String,
    },
    /// An axis of a fixed number of steps is given another number.
    #[error("axis `{axis}` has {expected} steps in the model, found {found} in `{given}`")]
    FixedAxis {
        /// The axis.
        axis: String,
        /// Steps in the model.
        expected: usize,
        /// Steps given.
        found: usize,
        /// The input, or `lengths`.
        given: String,
    },
    /// A token that is not below the size that it indexes.
    #[error("input `{name}`{place}: expected a token below {limit}, found {value}")]
    Token {
        /// The input.
        name: String,
        /// Where.
        place: Place,
        /// The token.
        value: u32,
        /// The size that it indexes.
        limit: usize,
    },
    /// A carried state of another shape.
    #[error("state `{name}`: expected shape {expected:?}, found {found:?}")]
    State {
        /// The state.
        name: String,
        /// `[B, features..]` for this batch.
        expected: Vec<usize>,
        /// The shape given.
        found: Vec<usize>,
    },
    /// A carried state that the model does not have, or lacks.
    #[error("state `{name}` is not given; its struct does not visit it")]
    MissingState {
        /// The state.
        name: String,
    },
    /// A carried token that is not one.
    #[error("state `{name}`, example {example}: expected a token below {limit}, found {value}")]
    StateToken {
        /// The state.
        name: String,
        /// The example, from 0.
        example: usize,
        /// What it holds.
        value: f32,
        /// The size that it indexes.
        limit: usize,
    },
    /// Not one flag for each example.
    #[error("fresh: expected a flag for each of {expected} examples, found {found}")]
    FreshCount {
        /// Examples in the batch.
        expected: usize,
        /// Flags given.
        found: usize,
    },
    /// An example is to continue from a state that is not given.
    #[error(
        "example {example} does not start here, but no state to continue from is given; add `state`"
    )]
    FreshWithoutState {
        /// The example, from 0.
        example: usize,
    },
    /// There is nothing to minimise.
    #[error("model `{model}` has no loss; add a `loss` to its equations")]
    NoLoss {
        /// The model.
        model: String,
    },
    /// A profile of a program that does not measure itself.
    #[error(
        "the {program} program of model `{model}` was not compiled to be profiled; compile it with `Options::default().profile(true)`"
    )]
    NotProfiled {
        /// The model.
        model: String,
        /// The program.
        program: &'static str,
    },
    /// Inference that reads what only training has.
    #[error(
        "output `{output}` of model `{model}` reads target `{target}`; use `forward_with_targets`"
    )]
    NeedsTargets {
        /// The model.
        model: String,
        /// The output.
        output: String,
        /// The target.
        target: String,
    },
    /// A choice of what is fed back, for a model that feeds nothing back.
    #[error(
        "model `{model}` has no `feedback`, so its steps read neither targets nor own values; leave `Batch::feedback` out"
    )]
    NoFeedback {
        /// The model.
        model: String,
    },
    /// Targets for some steps, and there are none.
    #[error(
        "scheduled sampling of model `{model}` reads targets, and the call has none; use `forward_with_targets`, or leave `Batch::feedback` out"
    )]
    FeedbackWithoutTargets {
        /// The model.
        model: String,
    },
    /// A probability that is none.
    #[error("the probability of reading the target is {found}, expected a number in 0..=1")]
    Probability {
        /// What was given.
        found: f32,
    },
    /// A program that is compiled when it is called first cannot be compiled.
    #[error(transparent)]
    Compile(#[from] Box<CompileError>),
    /// A row that the batch does not have.
    #[error("row {row} does not exist in a batch of {batch}")]
    Row {
        /// The row, from 0.
        row: usize,
        /// Examples.
        batch: usize,
    },
    /// The loss or a gradient is not a finite number. Gradients are left as they were.
    #[error(transparent)]
    NonFinite(#[from] Box<NonFiniteError>),
    /// A derivative is asked for by an input that the model does not have.
    #[error(
        "model `{model}` has no input `{name}`; it has derivatives by {}",
        names_in_words(inputs)
    )]
    UnknownInput {
        /// The model.
        model: String,
        /// The name given.
        name: String,
        /// Its inputs of real numbers.
        inputs: Vec<String>,
    },
    /// A derivative is asked for by an input of tokens.
    #[error(
        "input `{name}` of model `{model}` holds tokens, which do not move; it has derivatives by {}",
        names_in_words(inputs)
    )]
    NoDerivative {
        /// The model.
        model: String,
        /// The input.
        name: String,
        /// Its inputs of real numbers.
        inputs: Vec<String>,
    },
    /// A batch with feedback of its own, for a derivative of a model that is given its targets.
    #[error(
        "expected a batch without `.feedback(..)`, found one: further derivatives of model `{model}` are those of teacher forcing"
    )]
    OnlyForced {
        /// The model.
        model: String,
    },
    /// More memory than allowed or addressable, or an error of the compiler.
    #[error(transparent)]
    Jit(#[from] JitError),
}

fn names_in_words(names: &[String]) -> String {
    match names {
        [] => "its parameters alone".to_owned(),
        names => {
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            names.join(", ")
        }
    }
}

fn axes_in_words(axes: &[String]) -> String {
    match axes {
        [] => "no axis of variable length".to_owned(),
        [one] => format!("one axis of variable length, `{one}`"),
        many => {
            let many: Vec<String> = many.iter().map(|axis| format!("`{axis}`")).collect();
            format!("axes {}", many.join(" and "))
        }
    }
}

/// Where in time, and in which example.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Place {
    /// Index variable and step, from 1, of every time axis that the value varies over.
    pub steps: Vec<(String, usize)>,
    /// The example, from 0, when the value varies over the batch.
    pub example: Option<usize>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (axis, step) in &self.steps {
            write!(f, ", {axis} = {step}")?;
        }
        match self.example {
            Some(example) => write!(f, ", example {example}"),
            None => Ok(()),
        }
    }
}

/// What the first value that is not finite is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was given, as an input.
    Input,
    /// It was given, as a parameter.
    Param,
    /// It was carried from an earlier call.
    State,
    /// An equation made it from finite numbers.
    Equation,
    /// It is the derivative by a parameter.
    Gradient,
    /// No single equation was found.
    Unknown,
}

/// A loss or a gradient that is not a finite number, and where it comes from.
#[derive(Clone, PartialEq)]
pub struct NonFiniteError {
    /// The batch loss.
    pub loss: f32,
    /// What the first value that is not finite is.
    pub origin: Origin,
    /// The equation, input, parameter or state that it belongs to.
    pub name: String,
    /// Where the equation was written: line and column, with the file in front if it is not that of the model.
    pub written: Option<String>,
    /// The step and the example.
    pub place: Place,
    /// An element of it.
    pub value: f64,
}

impl fmt::Display for NonFiniteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            loss,
            name,
            place,
            value,
            ..
        } = self;
        let written = match &self.written {
            Some(place) => format!(" (written at {place})"),
            None => String::new(),
        };
        match self.origin {
            Origin::Input => write!(
                f,
                "the loss is {loss}: input `{name}`{place} is {value}, expected finite numbers"
            ),
            Origin::Param => write!(
                f,
                "the loss is {loss}: parameter `{name}` holds {value}; an earlier update was too large: lower the learning rate or clip gradients"
            ),
            Origin::State => write!(
                f,
                "the loss is {loss}: the carried state `{name}`{place} is {value}; start the example afresh"
            ),
            Origin::Equation => write!(
                f,
                "the loss is {loss}: equation `{name}`{written}{place} is the first that is not finite, {value}; lower the learning rate or bound its operands"
            ),
            Origin::Gradient => write!(
                f,
                "the loss is {loss}, but the gradient of `{name}` has an element that is not finite; clip values inside the model or lower the learning rate"
            ),
            Origin::Unknown => write!(
                f,
                "the loss is {loss}: every equation is finite for each example; the sum over the batch overflows"
            ),
        }
    }
}

impl std::error::Error for NonFiniteError {}

/// A model cannot run step by step, or its stream cannot be made.
#[derive(Error)]
pub enum StreamError {
    /// An output depends on a later step.
    #[error(
        "model `{model}` cannot run step by step: output `{output}` depends on equation `{equation}`{written}, which {why}"
    )]
    NotCausal {
        /// The model.
        model: String,
        /// The output.
        output: String,
        /// The equation.
        equation: String,
        /// Where it was written.
        written: String,
        /// What it does.
        why: String,
    },
    /// Several time axes, or none.
    #[error(
        "model `{model}` cannot run step by step: expected one time axis, found {}",
        axes_in_words(axes)
    )]
    Axes {
        /// The model.
        model: String,
        /// Its axes.
        axes: Vec<String>,
    },
    /// The parameters do not fit, or there is not enough memory.
    #[error(transparent)]
    Call(#[from] CallError),
}
