//! Checkpoints that cannot be written, read, or fitted into a model.

use std::fmt;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::quoted_list;

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
#[derive(Error)]
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
#[derive(Clone, PartialEq, Error)]
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

fn or_overflow(size: &Option<u64>) -> String {
    size.map_or_else(
        || "more than can be counted".to_owned(),
        |size| size.to_string(),
    )
}
