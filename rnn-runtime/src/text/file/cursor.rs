//! Where a file is read next, as text for a checkpoint.

use std::fmt;
use std::str::FromStr;

use crate::error::StateTextError;

/// A place in a [`FileText`](crate::text::FileText).
///
/// Its text form is hexadecimal fields: `pass/chunk/batch/steps/fingerprint`, then the byte offset of each stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileCursor {
    /// Passes completed.
    pub pass: u64,
    /// The next chunk of the pass.
    pub chunk: u64,
    /// Number of streams.
    pub batch: u64,
    /// Steps per chunk.
    pub steps: u64,
    /// FNV-1a of the bytes of the file.
    pub fingerprint: u64,
    /// Byte offset of each stream.
    pub offsets: Vec<u64>,
}

impl fmt::Display for FileCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            pass,
            chunk,
            batch,
            steps,
            fingerprint,
            offsets,
        } = self;
        write!(f, "{pass:x}/{chunk:x}/{batch:x}/{steps:x}/{fingerprint:x}")?;
        offsets
            .iter()
            .try_for_each(|offset| write!(f, "/{offset:x}"))
    }
}

impl FromStr for FileCursor {
    type Err = StateTextError;

    fn from_str(text: &str) -> Result<Self, StateTextError> {
        let bad =
            || StateTextError::new("file cursor of five hexadecimal fields and offsets", text);
        let fields: Vec<u64> = text
            .split('/')
            .map(|field| u64::from_str_radix(field, 16))
            .collect::<Result<_, _>>()
            .map_err(|_| bad())?;
        let &[pass, chunk, batch, steps, fingerprint, ref offsets @ ..] = fields.as_slice() else {
            return Err(bad());
        };
        Ok(Self {
            pass,
            chunk,
            batch,
            steps,
            fingerprint,
            offsets: offsets.to_vec(),
        })
    }
}
