//! What can be wrong with the logs of a run.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// A log cannot be written or read.
#[derive(Error)]
pub enum LogError {
    /// The system refuses.
    #[error("cannot {action} {}: {source}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file holds something else than a log. It is left as it is.
    #[error("{}, line {line}: {reason}; the file is no log, or was changed by hand", .path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A record before the start of a run.
    #[error("{}: expected the start of the run before its records", .path.display())]
    NotStarted {
        /// The file or folder.
        path: PathBuf,
    },
}
