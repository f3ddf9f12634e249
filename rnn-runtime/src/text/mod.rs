//! Text as tokens: vocabularies, splits, and batches for truncated back-propagation through time.
//!
//! **Invariant:** decoding an encoded text gives the text back, and one pass over [`ContinuousText`] predicts every
//! token but the first exactly once.

mod continuous;
mod vocabulary;

pub use continuous::{Chunk, ContinuousText, TextCursor, split_tail};
pub use vocabulary::{ByteVocab, CharVocab};
