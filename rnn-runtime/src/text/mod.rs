//! Text as tokens: vocabularies, tags, splits, and batches for truncated back-propagation through time.
//!
//! **Invariant:** decoding an encoded text gives the text back, and one pass over [`ContinuousText`], or over
//! a file by [`FileText`], predicts every token but the first exactly once.

mod bio;
mod continuous;
mod file;
mod vocabulary;
mod words;

pub use bio::{BioTags, Span};
pub use continuous::{Chunk, ContinuousText, TextCursor, split_tail};
pub use file::{FileCursor, FileText};
pub use vocabulary::{ByteVocab, CharVocab};
pub use words::WordVocab;
