//! Texts, their vocabularies, batches and tags, and drawing from what a model says of them.

use thiserror::Error;

use super::quoted_list;
use crate::text::Span;

/// A token cannot be drawn.
#[derive(Clone, PartialEq, Error)]
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
#[derive(Clone, PartialEq, Error)]
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
#[derive(Clone, PartialEq, Error)]
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
#[derive(Clone, PartialEq, Error)]
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
