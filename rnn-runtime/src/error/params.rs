//! Parameters of another model, and parameters that cannot be drawn.

use thiserror::Error;

use super::ModelError;

/// Two sets of tensors that should match do not.
#[derive(Clone, PartialEq, Error)]
pub enum ParamsError {
    /// Same name, other shape.
    #[error("shapes of `{name}` differ: expected {expected:?}, found {found:?}")]
    Shape {
        /// The tensor.
        name: String,
        /// Shape in the model.
        expected: Vec<usize>,
        /// Shape in the value given.
        found: Vec<usize>,
    },
    /// Other name at the same position.
    #[error("tensor {index} differs: expected {}, found {}", quoted(.expected), quoted(.found))]
    Name {
        /// Position in declaration order.
        index: usize,
        /// Name in the model, if it has so many tensors.
        expected: Option<String>,
        /// Name in the value given, if it has so many tensors.
        found: Option<String>,
    },
}

/// A tensor cannot be initialised.
#[derive(Clone, PartialEq, Error)]
pub enum InitError {
    /// No initialiser has this name.
    #[error("unknown initialiser `{name}`, known are {known}")]
    Unknown {
        /// The name given.
        name: String,
        /// All names, comma separated.
        known: String,
    },
    /// Too few or too many arguments.
    #[error("initialiser `{name}` takes {expected}, found {found} arguments")]
    Arity {
        /// The initialiser.
        name: String,
        /// What it takes, in words.
        expected: String,
        /// Number of arguments given.
        found: usize,
    },
    /// An argument outside its range.
    #[error("initialiser `{init}`: expected {expected}, found {found}")]
    Argument {
        /// The initialiser as written.
        init: String,
        /// What the argument must be.
        expected: &'static str,
        /// What it is.
        found: f64,
    },
    /// The text is not `name`, `name(a, b)`, `constant c` or a number.
    #[error("expected an initialiser such as `normal(0.0, 0.1)` or `constant 1`, found `{text}`")]
    Syntax {
        /// The text given.
        text: String,
    },
    /// The initialiser needs another shape.
    #[error("initialiser `{init}` of `{name}` needs {needs}, found shape {shape:?}")]
    Shape {
        /// The tensor.
        name: String,
        /// The initialiser.
        init: String,
        /// What it needs.
        needs: &'static str,
        /// The shape it was given.
        shape: Vec<usize>,
    },
    /// The draw has no usable spectrum.
    #[error(
        "`{name}`: the spectral radius of the random draw is {radius}, expected a positive number; use another seed"
    )]
    Spectrum {
        /// The tensor.
        name: String,
        /// The radius found.
        radius: f64,
    },
    /// The size of the tensor overflows.
    #[error("shape {shape:?} of `{name}` has more than {} elements", isize::MAX)]
    TooLarge {
        /// The tensor.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// Parameters and their description differ.
    #[error(transparent)]
    Params(#[from] ParamsError),
    /// The model or its sizes are not valid.
    #[error(transparent)]
    Model(#[from] ModelError),
}

fn quoted(name: &Option<String>) -> String {
    name.as_ref()
        .map_or_else(|| "no more tensors".to_owned(), |name| format!("`{name}`"))
}
