//! What can go wrong, one type per stage.
//!
//! **Invariant:** every message is lower case, names both parties (expected and found) and, where one exists, the fix.

mod call;
mod compile;
mod curriculum;
mod data;
mod generate;
mod log;
mod sequence;
mod train;

pub use call::{CallError, NonFiniteError, Origin, Place, StreamError};
pub use compile::{CompileError, ModelError};
pub use curriculum::CurriculumError;
pub use data::{DataError, FileError, FileTextError};
pub use generate::GenerateError;
pub use log::LogError;
pub use sequence::{CtcError, RewardError};
pub use train::TrainError;

use std::fmt;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::text::Span;

/// Two sets of tensors that should match do not.
#[derive(Clone, Debug, PartialEq, Error)]
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
#[derive(Clone, Debug, PartialEq, Error)]
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

/// An optimiser was misconfigured, or given tensors or a state that do not fit.
#[derive(Clone, Debug, PartialEq, Error)]
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
#[derive(Clone, Debug, PartialEq, Error)]
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
#[derive(Clone, Debug, PartialEq, Error)]
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

/// A token cannot be drawn.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum SampleError {
    /// A logit is NaN or infinite.
    #[error("logit {index} is {value}, expected a finite number")]
    NonFinite {
        /// Position in the logits.
        index: usize,
        /// The value there.
        value: f32,
    },
    /// Another number of logits than the sampler was made for.
    #[error("expected {expected} logits, found {found}")]
    Length {
        /// Size of the vocabulary.
        expected: usize,
        /// Logits given.
        found: usize,
    },
    /// There is nothing to draw from.
    #[error("expected a vocabulary of 1 to {} tokens, found {found}", u32::MAX)]
    Vocabulary {
        /// Size given.
        found: usize,
    },
    /// A temperature that is negative or not finite.
    #[error("expected a temperature of 0 (greedy) or a positive finite number, found {found}")]
    Temperature {
        /// What was given.
        found: f32,
    },
    /// `top_k` of zero.
    #[error("expected top_k of at least 1, found 0; use `None` to draw from all tokens")]
    TopK,
}

/// Text cannot be encoded, decoded or cut into batches.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum TextError {
    /// A character that the vocabulary lacks.
    #[error(
        "character {character:?} at byte {position} is not in the vocabulary of {size} characters; build the vocabulary from all texts, or give it an unknown character"
    )]
    UnknownCharacter {
        /// The character.
        character: char,
        /// Its byte offset.
        position: usize,
        /// Size of the vocabulary.
        size: usize,
    },
    /// A token that the vocabulary lacks.
    #[error(
        "token {token} at position {position} is not in the vocabulary, expected less than {size}"
    )]
    UnknownToken {
        /// The token.
        token: u32,
        /// Its position.
        position: usize,
        /// Size of the vocabulary.
        size: usize,
    },
    /// The bytes decoded are not UTF-8.
    #[error("bytes decoded are not UTF-8 from byte {position} on")]
    NotUtf8 {
        /// Offset of the first byte that is not.
        position: usize,
    },
    /// A vocabulary with a character twice.
    #[error("character {character:?} is in the vocabulary twice")]
    DuplicateCharacter {
        /// The character.
        character: char,
    },
    /// The replacement character is not part of the vocabulary.
    #[error(
        "unknown character {character:?} is not in the vocabulary, expected one of its {size} characters"
    )]
    UnknownNotInVocabulary {
        /// The character.
        character: char,
        /// Size of the vocabulary.
        size: usize,
    },
    /// The text is too short for the batch.
    #[error("{tokens} tokens cannot fill {batch} streams, expected at least {} tokens; use fewer streams or more text", .batch.saturating_add(1))]
    TooShort {
        /// Tokens in the text.
        tokens: usize,
        /// Streams asked for.
        batch: usize,
    },
    /// Zero streams or zero steps.
    #[error("expected at least one stream and one step, found {batch} streams of {steps} steps")]
    EmptyBatch {
        /// Streams asked for.
        batch: usize,
        /// Steps per chunk asked for.
        steps: usize,
    },
    /// A fraction outside `0..1`.
    #[error("expected a validation fraction in 0..1, found {found}")]
    Fraction {
        /// What was given.
        found: f64,
    },
    /// A cursor taken from another text or another batch shape.
    #[error(
        "the cursor belongs to another {what}: expected {expected}, found {found}; resume with the data it was taken from"
    )]
    Cursor {
        /// What differs.
        what: &'static str,
        /// The value here.
        expected: u64,
        /// The value in the cursor.
        found: u64,
    },
}

/// Examples of unequal length cannot be made a batch.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum RaggedError {
    /// Batches of no examples.
    #[error("expected batches of at least one example, found 0")]
    EmptyBatch,
    /// Vectors of different sizes.
    #[error(
        "example {example} has vectors of {found} numbers, expected {expected} as in example 0"
    )]
    Features {
        /// The example, counted from 0.
        example: usize,
        /// Numbers of a vector of the first example.
        expected: usize,
        /// Numbers of a vector of this one.
        found: usize,
    },
}

/// Spans cannot be encoded as tags, or tags decoded.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum BioError {
    /// Not the name of a tag.
    #[error("`{found}` is no tag, expected `O`, or `B-` or `I-` and a label")]
    Name {
        /// The name.
        found: String,
    },
    /// A label that the set of tags lacks.
    #[error("label `{label}` is not known, expected one of {}", quoted_list(.labels))]
    Label {
        /// The label.
        label: String,
        /// Those that there are.
        labels: Vec<String>,
    },
    /// A tag that the set of tags lacks.
    #[error("tag {tag} at step {step} is not known, expected less than {size}")]
    Tag {
        /// The tag.
        tag: u32,
        /// Its step, counted from 0.
        step: usize,
        /// Number of tags.
        size: usize,
    },
    /// A span that does not fit the sequence or the spans before it.
    #[error("the span {}..{} of label {} {problem}; expected spans apart, within {steps} steps and with labels below {labels}", .span.start, .span.end, .span.label)]
    Span {
        /// The span.
        span: Span,
        /// What is wrong with it.
        problem: &'static str,
        /// Steps of the sequence.
        steps: usize,
        /// Number of labels.
        labels: usize,
    },
}

/// A picture cannot be drawn.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum PlotError {
    /// Not as many labels as rows and columns.
    #[error("expected labels of {} rows and {} columns, found {rows} and {columns}", .expected.0, .expected.1)]
    Labels {
        /// Labels of rows.
        rows: usize,
        /// Labels of columns.
        columns: usize,
        /// Rows and columns.
        expected: (usize, usize),
    },
    /// A number without a place in the picture.
    #[error("expected finite numbers of `{what}`, found {found}")]
    NotFinite {
        /// Title of the picture.
        what: String,
        /// The number.
        found: f64,
    },
    /// The picture cannot be made.
    #[error("the picture cannot be drawn: {reason}")]
    Draw {
        /// What is wrong.
        reason: String,
    },
    /// A PNG, which needs a feature.
    #[error("{}: expected an SVG, or the feature `png` of this crate, which paints it", .path.display())]
    NoPng {
        /// The file.
        path: PathBuf,
    },
    /// The file of the picture cannot be written.
    #[error("{}: {reason}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// A small state stored as text cannot be read back.
#[derive(Clone, Debug, PartialEq, Error)]
#[error("expected a {expected}, found `{found}`")]
pub struct StateTextError {
    /// What the text should be.
    pub expected: &'static str,
    /// The text, cut to 80 characters.
    pub found: String,
}

impl StateTextError {
    pub(crate) fn new(expected: &'static str, found: &str) -> Self {
        Self {
            expected,
            found: found.chars().take(80).collect(),
        }
    }
}

/// Same name, other shape.
#[derive(Clone, Debug, PartialEq)]
pub struct ShapeMismatch {
    /// The tensor.
    pub name: String,
    /// Shape in the model.
    pub expected: Vec<usize>,
    /// Shape in the file.
    pub found: Vec<usize>,
}

/// Same name, other element type.
#[derive(Clone, Debug, PartialEq)]
pub struct DtypeMismatch {
    /// The tensor.
    pub name: String,
    /// Type in the file; the model's is always `F32`.
    pub found: String,
}

/// Every difference between the tensors a model has and those found, each list in a stable order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NameMismatch {
    /// In the model only, in declaration order.
    pub missing: Vec<String>,
    /// In the file only, in file order.
    pub unexpected: Vec<String>,
    /// In both, with different shapes, in declaration order.
    pub misshaped: Vec<ShapeMismatch>,
    /// In both, with another element type than `F32`, in declaration order.
    pub mistyped: Vec<DtypeMismatch>,
}

impl NameMismatch {
    /// Whether there is no difference.
    pub fn is_empty(&self) -> bool {
        let Self {
            missing,
            unexpected,
            misshaped,
            mistyped,
        } = self;
        missing.is_empty() && unexpected.is_empty() && misshaped.is_empty() && mistyped.is_empty()
    }
}

impl fmt::Display for NameMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if !self.missing.is_empty() {
            parts.push(format!("missing {}", quoted_list(&self.missing)));
        }
        if !self.unexpected.is_empty() {
            parts.push(format!("unexpected {}", quoted_list(&self.unexpected)));
        }
        for ShapeMismatch {
            name,
            expected,
            found,
        } in &self.misshaped
        {
            parts.push(format!(
                "shape of `{name}`: expected {expected:?}, found {found:?}"
            ));
        }
        for DtypeMismatch { name, found } in &self.mistyped {
            parts.push(format!("type of `{name}`: expected F32, found {found}"));
        }
        f.write_str(&parts.join("; "))
    }
}

/// A checkpoint cannot be written or read.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// The operating system refused.
    #[error("cannot {action} `{}`: {source}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The path names a directory, a device or a pipe.
    #[error("expected `{}` to be a regular file", .path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// The bytes are not a checkpoint.
    #[error("`{}` is not a valid safetensors file: {reason}", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: MalformedReason,
    },
    /// The file is sound, but its tensors are not those of the model.
    #[error("`{}` does not fit the model: {mismatch}", .path.display())]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// All differences.
        mismatch: NameMismatch,
    },
    /// The state beside the parameters cannot be used.
    #[error("`{}`: {reason}", .path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A name or key that the format reserves; nothing was written.
    #[error("name `{name}` cannot be stored: {reason}")]
    Name {
        /// The name.
        name: String,
        /// Why.
        reason: &'static str,
    },
}

/// Why bytes are not a safetensors file.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum MalformedReason {
    /// Fewer bytes than the header or the tensors need.
    #[error("expected at least {expected} bytes, found {found}; the file is truncated")]
    Truncated {
        /// Bytes needed.
        expected: u64,
        /// Bytes present.
        found: u64,
    },
    /// Bytes after the last tensor.
    #[error("expected {expected} bytes, found {found}; there is data after the last tensor")]
    TrailingData {
        /// Bytes needed.
        expected: u64,
        /// Bytes present.
        found: u64,
    },
    /// A header larger than any honest one.
    #[error("expected a header of at most {limit} bytes, found {found}")]
    HeaderTooLarge {
        /// The limit.
        limit: u64,
        /// Bytes claimed.
        found: u64,
    },
    /// The header is not the JSON object the format wants.
    #[error("header: {0}")]
    Header(String),
    /// A name used twice.
    #[error("name `{0}` appears twice")]
    DuplicateName(String),
    /// A tensor whose bytes do not start where the one before ended.
    #[error(
        "bytes of `{name}` start at {found}, expected {expected}: tensors overlap or leave a hole"
    )]
    Offsets {
        /// The tensor.
        name: String,
        /// End of the tensor before.
        expected: u64,
        /// Start of this one.
        found: u64,
    },
    /// A tensor whose bytes are not what its shape and type need.
    #[error("`{name}` has {found} bytes, expected {} for its shape and type", or_overflow(.expected))]
    Size {
        /// The tensor.
        name: String,
        /// Bytes its shape and type need; `None` when that overflows.
        expected: Option<u64>,
        /// Bytes it has.
        found: u64,
    },
}

fn quoted(name: &Option<String>) -> String {
    name.as_ref()
        .map_or_else(|| "no more tensors".to_owned(), |name| format!("`{name}`"))
}

pub(crate) fn quoted_list(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

fn or_overflow(size: &Option<u64>) -> String {
    size.map_or_else(
        || "more than can be counted".to_owned(),
        |size| size.to_string(),
    )
}
