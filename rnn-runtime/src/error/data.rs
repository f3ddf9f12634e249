//! What can go wrong with data: files, windows, normalisation, measures.
//!
//! **Invariant:** what is wrong in a file is named with the file, the line, and the column where there is one.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::TextError;

/// Data cannot be prepared, or a measure not taken.
#[derive(Clone, PartialEq, Error)]
pub enum DataError {
    /// A setting out of range.
    #[error("{what} is {found}, expected {expected}")]
    Setting {
        /// The setting.
        what: &'static str,
        /// What it is.
        found: usize,
        /// What it has to be.
        expected: &'static str,
    },
    /// A series too short for a single window.
    #[error(
        "series {series} has {steps} steps, expected at least {expected}: the steps of a window and of what follows"
    )]
    TooShort {
        /// The series, counted from 0.
        series: usize,
        /// Its steps.
        steps: usize,
        /// Steps of a window and its horizon.
        expected: usize,
    },
    /// Series with different numbers of channels.
    #[error("series {series} has {found} channels, expected {expected}")]
    Channels {
        /// The series, counted from 0.
        series: usize,
        /// Channels expected.
        expected: usize,
        /// Channels found.
        found: usize,
    },
    /// A range that holds nothing, or everything.
    #[error("expected a range from a number to a greater one, found {low} to {high}")]
    Range {
        /// Where it begins.
        low: f32,
        /// Where it ends.
        high: f32,
    },
    /// Predictions of another shape than what came.
    #[error("predictions have the shape {predicted:?}, expected {expected:?} as what came has")]
    Shapes {
        /// Of the predictions.
        predicted: Vec<usize>,
        /// Of what came.
        expected: Vec<usize>,
    },
    /// There is nothing to fit a normalisation to.
    #[error("expected at least one step to fit a normalisation to, found none")]
    NothingToFit,
    /// A number that is not finite.
    #[error(
        "channel {channel} has the value {value} at step {step} of series {series}, expected finite numbers; fill gaps or leave them out first"
    )]
    NotFinite {
        /// The series, counted from 0.
        series: usize,
        /// The step, counted from 0.
        step: usize,
        /// The channel, counted from 0.
        channel: usize,
        /// The value.
        value: f32,
    },
    /// No seasonal naive error to compare with.
    #[error(
        "a season of {season} steps in a series of {steps} gives the seasonal naive error {scale}, expected a positive number: a season shorter than the series, and values that differ"
    )]
    Season {
        /// Steps of a season.
        season: usize,
        /// Steps of the training series.
        steps: usize,
        /// The mean absolute seasonal difference; 0 where there is none.
        scale: f64,
    },
    /// A class that there is not.
    #[error("class {class} is not known, expected less than {classes}")]
    Class {
        /// The class.
        class: u64,
        /// Number of classes.
        classes: usize,
    },
}

/// A file of data cannot be read or written.
#[derive(Error)]
pub enum FileError {
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
    /// What is in the file is not what the format or the caller says.
    #[error("{}{}{}: {reason}", .path.display(), at(" line ", .line), at(" column ", .column))]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1, in a file of lines.
        line: Option<u64>,
        /// The column, counted from 1, in a table.
        column: Option<u64>,
        /// What is wrong.
        reason: String,
    },
    /// A file larger than the caller allows.
    #[error("`{}` has {found} bytes, expected at most {limit}", .path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Bytes allowed.
        limit: u64,
        /// Bytes of the file, or of what it would be unpacked to.
        found: u64,
    },
}

impl FileError {
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io {
            action,
            path: path.to_owned(),
            source,
        }
    }

    pub(crate) fn malformed(path: &Path, reason: impl Into<String>) -> Self {
        Self::Malformed {
            path: path.to_owned(),
            line: None,
            column: None,
            reason: reason.into(),
        }
    }

    pub(crate) fn line(path: &Path, line: u64, reason: impl Into<String>) -> Self {
        Self::Malformed {
            path: path.to_owned(),
            line: Some(line),
            column: None,
            reason: reason.into(),
        }
    }
}

/// A text in a file cannot be read as batches.
#[derive(Error)]
pub enum FileTextError {
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
    /// The file is not UTF-8.
    #[error("`{}` is not UTF-8 from byte {position} on; read it as bytes", .path.display())]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// Offset of the first byte that is not.
        position: u64,
    },
    /// The file is not what it was when it was opened, or what a cursor says.
    #[error("`{}` has changed since it was opened, or a cursor does not belong to it; open it again", .path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The text does not fit the vocabulary or the batch.
    #[error(transparent)]
    Text(#[from] TextError),
}

impl FileTextError {
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io {
            action,
            path: path.to_owned(),
            source,
        }
    }
}

fn at(what: &str, number: &Option<u64>) -> String {
    number.map_or_else(String::new, |number| format!("{what}{number}"))
}
