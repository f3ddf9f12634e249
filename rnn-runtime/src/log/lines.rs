//! A text file that grows by lines and is continued from some line on.
//!
//! **Invariant:** a file whose lines are not understood is left as it is.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use crate::error::LogError;

/// Bytes that a line may have.
const LONGEST: u64 = 1 << 22;
/// Lines between two that are handed to the system.
const EVERY: usize = 64;

/// What is to be done with a line of a file that is continued.
pub(super) enum Verdict {
    /// It stays.
    Keep,
    /// It goes, and all after it.
    Drop,
}

/// Calls `read` with every whole line and its number, from 1, until it answers `false`; answers the bytes of the lines before.
///
/// A last line without its end was cut off by a crash, and is not read.
pub(super) fn read_lines(
    path: &Path,
    read: &mut dyn FnMut(usize, &str) -> Result<bool, LogError>,
) -> Result<u64, LogError> {
    let failed = |source| LogError::Io {
        action: "read",
        path: path.to_owned(),
        source,
    };
    let is_file = fs::metadata(path).map_err(failed)?.is_file();
    if !is_file {
        return Err(failed(ErrorKind::InvalidInput.into()));
    }
    let mut file = BufReader::new(File::open(path).map_err(failed)?);
    let (mut bytes, mut line) = (0, Vec::new());
    for number in 1.. {
        line.clear();
        let mut piece = file.by_ref().take(LONGEST);
        let length = piece.read_until(b'\n', &mut line).map_err(failed)?;
        let row = |reason: String| LogError::Row {
            path: path.to_owned(),
            line: number,
            reason,
        };
        let Some(whole) = line.strip_suffix(b"\n") else {
            if length as u64 == LONGEST {
                return Err(row(format!("expected at most {LONGEST} bytes")));
            }
            break;
        };
        let text = str::from_utf8(whole).map_err(|error| row(error.to_string()))?;
        if !read(number, text)? {
            break;
        }
        bytes += length as u64;
    }
    Ok(bytes)
}

/// A file that lines are appended to.
#[derive(Debug)]
pub(super) struct Lines {
    path: PathBuf,
    file: BufWriter<File>,
    waiting: usize,
}

impl Lines {
    /// Continues a file after the lines that stay, or begins it.
    pub(super) fn resume(
        path: &Path,
        verdict: &mut dyn FnMut(usize, &str) -> Result<Verdict, LogError>,
    ) -> Result<Self, LogError> {
        let failed = |action| {
            move |source| LogError::Io {
                action,
                path: path.to_owned(),
                source,
            }
        };
        let kept = match fs::metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => 0,
            Err(error) => return Err(failed("read")(error)),
            Ok(_) => read_lines(path, &mut |number, line| {
                verdict(number, line).map(|verdict| matches!(verdict, Verdict::Keep))
            })?,
        };
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .map_err(failed("open"))?;
        file.set_len(kept).map_err(failed("shorten"))?;
        Ok(Self {
            path: path.to_owned(),
            file: BufWriter::new(file),
            waiting: 0,
        })
    }

    /// Appends a line, whose end is added.
    pub(super) fn push(&mut self, line: &str) -> Result<(), LogError> {
        let written = self
            .file
            .write_all(line.as_bytes())
            .and_then(|()| self.file.write_all(b"\n"));
        written.map_err(|source| self.failed(source))?;
        self.waiting += 1;
        match self.waiting >= EVERY {
            true => self.flush(),
            false => Ok(()),
        }
    }

    /// Hands all lines to the system.
    pub(super) fn flush(&mut self) -> Result<(), LogError> {
        self.waiting = 0;
        let flushed = self.file.flush();
        flushed.map_err(|source| self.failed(source))
    }

    fn failed(&self, source: std::io::Error) -> LogError {
        LogError::Io {
            action: "write",
            path: self.path.clone(),
            source,
        }
    }
}
