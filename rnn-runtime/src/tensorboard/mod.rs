//! Event files that TensorBoard shows.
//!
//! ```
//! use rnn_runtime::tensorboard::TensorBoard;
//! use rnn_runtime::train::{Observer, StepRecord};
//!
//! let folder = tempfile::tempdir()?;
//! let mut board = TensorBoard::new(folder.path());
//! board.start(0)?;
//! board.step(&StepRecord { step: 1, loss: 2.5, ..StepRecord::default() })?;
//! board.histogram("W", 1, [0.1, -0.2, 0.3])?;
//! board.end()?;
//! # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
//! ```
//!
//! Tags are `loss`, `learning_rate`, `gradient_norm`, `gradient_norm/W` for each parameter whose norm is recorded, and
//! `epoch/loss` and so on for figures of epochs. A run that is resumed writes a file of its own, which tells TensorBoard to forget
//! the steps that are repeated.
//!
//! **Invariant:** a file is a sequence of whole records, up to the last one that reached it.

mod event;
mod framing;

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use self::event::{Event, Value};
use crate::error::LogError;
use crate::train::{AnyError, EpochRecord, Observer, StepRecord};

/// Files of one second that are tried.
const ATTEMPTS: u32 = 1000;

/// Writes an event file to a folder.
#[derive(Debug)]
pub struct TensorBoard {
    folder: PathBuf,
    open: Option<(PathBuf, BufWriter<File>)>,
    clock: fn() -> f64,
}

// Seconds since 1970.
fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs_f64())
}

impl TensorBoard {
    /// Writes to a folder, which is made when the run starts.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            open: None,
            clock: now,
        }
    }

    /// The file, once the run has started.
    pub fn path(&self) -> Option<&Path> {
        self.open.as_ref().map(|(path, _)| path.as_path())
    }

    /// A number of a step.
    ///
    /// # Errors
    /// [`LogError`] before the start of the run, and when the file cannot be written.
    pub fn scalar(&mut self, tag: &str, step: u64, value: f64) -> Result<(), LogError> {
        self.write(step, &[(tag, Value::Scalar(value as f32))])
    }

    /// How numbers are distributed at a step, such as the elements of a parameter. Those that are not finite are left out.
    ///
    /// # Errors
    /// As [`scalar`](Self::scalar).
    pub fn histogram(
        &mut self,
        tag: &str,
        step: u64,
        values: impl IntoIterator<Item = f32>,
    ) -> Result<(), LogError> {
        let histogram = event::Histogram::of(values);
        self.write(step, &[(tag, Value::Histogram(histogram))])
    }

    /// A text, which is shown as Markdown.
    ///
    /// # Errors
    /// As [`scalar`](Self::scalar).
    pub fn text(&mut self, tag: &str, step: u64, text: &str) -> Result<(), LogError> {
        self.write(step, &[(tag, Value::Text(text.to_owned()))])
    }

    /// Hands everything to the system.
    ///
    /// # Errors
    /// [`LogError::Io`] when the file cannot be written.
    pub fn flush(&mut self) -> Result<(), LogError> {
        match &mut self.open {
            Some((path, file)) => file.flush().map_err(|source| LogError::Io {
                action: "write",
                path: path.clone(),
                source,
            }),
            None => Ok(()),
        }
    }

    fn write(&mut self, step: u64, values: &[(&str, Value)]) -> Result<(), LogError> {
        let time = (self.clock)();
        self.record(&Event::values(time, step, values))
    }

    fn record(&mut self, event: &Event) -> Result<(), LogError> {
        let Some((path, file)) = &mut self.open else {
            return Err(LogError::NotStarted {
                path: self.folder.clone(),
            });
        };
        let written = framing::write(file, event.bytes());
        written.map_err(|source| LogError::Io {
            action: "write",
            path: path.clone(),
            source,
        })
    }

    fn create(&mut self, steps: u64) -> Result<(), LogError> {
        let failed = |action, path: &Path| {
            let path = path.to_owned();
            move |source| LogError::Io {
                action,
                path,
                source,
            }
        };
        fs::create_dir_all(&self.folder).map_err(failed("create", &self.folder))?;
        let time = (self.clock)();
        let process = std::process::id();
        for count in 0..ATTEMPTS {
            let name = format!(
                "events.out.tfevents.{:010}.rnn.{process}.{count}",
                time as u64
            );
            let path = self.folder.join(name);
            let file = OpenOptions::new().write(true).create_new(true).open(&path);
            match file {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed("create", &path)(error)),
                Ok(file) => {
                    self.open = Some((path, BufWriter::new(file)));
                    self.record(&Event::version(time))?;
                    // Of the steps that are repeated, what an earlier file says is forgotten.
                    return match steps {
                        0 => Ok(()),
                        steps => self.record(&Event::restart(time, steps + 1)),
                    };
                }
            }
        }
        Err(failed("create", &self.folder)(
            ErrorKind::AlreadyExists.into(),
        ))
    }

    fn write_step(&mut self, record: &StepRecord) -> Result<(), LogError> {
        let norms = record.parameter_norms.iter();
        let norms: Vec<(String, f64)> = norms
            .map(|(name, norm)| (format!("gradient_norm/{name}"), *norm))
            .collect();
        let mut values = vec![
            ("loss", Value::Scalar(record.loss as f32)),
            ("learning_rate", Value::Scalar(record.learning_rate as f32)),
        ];
        let norm = record.gradient_norm.iter();
        values.extend(norm.map(|norm| ("gradient_norm", Value::Scalar(*norm as f32))));
        let norms = norms.iter();
        values.extend(norms.map(|(name, norm)| (name.as_str(), Value::Scalar(*norm as f32))));
        self.write(record.step, &values)
    }

    fn write_epoch(&mut self, record: &EpochRecord) -> Result<(), LogError> {
        for (name, value) in &record.figures {
            self.scalar(&format!("epoch/{name}"), record.steps, *value)?;
        }
        self.flush()
    }
}

impl Observer for TensorBoard {
    fn start(&mut self, steps: u64) -> Result<(), AnyError> {
        Ok(self.create(steps)?)
    }

    fn step(&mut self, record: &StepRecord) -> Result<(), AnyError> {
        Ok(self.write_step(record)?)
    }

    fn epoch(&mut self, record: &EpochRecord) -> Result<(), AnyError> {
        Ok(self.write_epoch(record)?)
    }

    fn end(&mut self) -> Result<(), AnyError> {
        Ok(self.flush()?)
    }
}

#[cfg(test)]
mod tests;
