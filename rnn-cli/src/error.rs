//! What can go wrong, and the exit code that says so.

use std::io;
use std::path::PathBuf;

use rnn::error::{CheckpointError, CompileError, LogError, PlotError};
use rnn::ir::bind::BindError;
use rnn::workbench::WorkbenchError;

/// Why a command did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// Arguments that mean nothing, or nothing together.
    #[error("{0}")]
    Usage(String),
    /// What was looked for was found.
    #[error("{0}")]
    Finding(String),
    /// A file that the system refuses.
    #[error("cannot {action} {}: {source}", .path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file that is not what it should be.
    #[error("{}: {reason}", .path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Sizes that do not fit the model.
    #[error("{0}")]
    Sizes(#[from] BindError),
    /// A model that cannot be compiled, or a pass that does not exist.
    #[error("{0}")]
    Compile(#[from] CompileError),
    /// A model that cannot be run.
    #[error("{0}")]
    Workbench(#[from] WorkbenchError),
    /// A checkpoint.
    #[error("{0}")]
    Checkpoint(#[from] CheckpointError),
    /// A log.
    #[error("{0}")]
    Log(#[from] LogError),
    /// A picture.
    #[error("{0}")]
    Plot(#[from] PlotError),
    /// Standard output.
    #[error("cannot print: {0}")]
    Print(#[from] io::Error),
}

impl CliError {
    /// The exit code.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Usage(_)
            | Self::Sizes(BindError::Missing { .. } | BindError::Unknown { .. })
            | Self::Sizes(BindError::Twice { .. } | BindError::Zero { .. })
            | Self::Compile(CompileError::UnknownPass { .. } | CompileError::NoLoss { .. })
            | Self::Workbench(WorkbenchError::TooLarge { .. }) => 2,
            _ => 1,
        }
    }
}

pub(crate) type Outcome<T = ()> = Result<T, CliError>;
