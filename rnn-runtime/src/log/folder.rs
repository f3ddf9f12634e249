//! The folder of a run: written by an observer, read for reports.

use std::fs;
use std::path::{Path, PathBuf};

use super::info::RunInfo;
use super::json::{Record, read, write_epoch, write_flow, write_step};
use super::lines::{Lines, Verdict, read_lines};
use crate::error::LogError;
use crate::train::{AnyError, EpochRecord, FlowRecord, Observer, StepRecord};

const INFO: &str = "run.json";
const LOG: &str = "log.jsonl";
/// Bytes of a description that are read.
const MAX_INFO: u64 = 1 << 26;

/// Writes what is trained to `run.json` in a folder, and its records to `log.jsonl`.
///
/// ```
/// use rnn_runtime::log::{History, RunInfo, RunLog};
/// use rnn_runtime::train::{Observer, StepRecord};
///
/// let folder = tempfile::tempdir()?;
/// let mut log = RunLog::new(folder.path(), RunInfo::new("first").setting("seed", 7));
/// log.start(0)?;
/// log.step(&StepRecord { step: 1, loss: 2.5, ..StepRecord::default() })?;
/// log.end()?;
/// assert_eq!(History::read(folder.path())?.steps[0].loss, 2.5);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Debug)]
pub struct RunLog {
    folder: PathBuf,
    info: RunInfo,
    lines: Option<Lines>,
    line: String,
}

impl RunLog {
    /// Logs to a folder, which is made when the run starts.
    pub fn new(folder: impl Into<PathBuf>, info: RunInfo) -> Self {
        Self {
            folder: folder.into(),
            info,
            lines: None,
            line: String::new(),
        }
    }

    fn open(&mut self, steps: u64) -> Result<(), LogError> {
        let path = self.folder.join(LOG);
        let failed = |action, path: &Path| {
            let path = path.to_owned();
            move |source| LogError::Io {
                action,
                path,
                source,
            }
        };
        fs::create_dir_all(&self.folder).map_err(failed("create", &self.folder))?;
        self.lines = Some(Lines::resume(&path, &mut |line, text| {
            let record = read(text).map_err(|reason| LogError::Row {
                path: path.clone(),
                line,
                reason,
            })?;
            Ok(match record.steps() <= steps {
                true => Verdict::Keep,
                false => Verdict::Drop,
            })
        })?);
        let info = self.folder.join(INFO);
        fs::write(&info, self.info.to_json()).map_err(failed("write", &info))
    }

    fn write(&mut self, now: bool) -> Result<(), LogError> {
        let Some(lines) = &mut self.lines else {
            return Err(LogError::NotStarted {
                path: self.folder.clone(),
            });
        };
        lines.push(&self.line)?;
        match now {
            true => lines.flush(),
            false => Ok(()),
        }
    }
}

impl Observer for RunLog {
    fn start(&mut self, steps: u64) -> Result<(), AnyError> {
        Ok(self.open(steps)?)
    }

    fn step(&mut self, record: &StepRecord) -> Result<(), AnyError> {
        write_step(&mut self.line, record);
        Ok(self.write(false)?)
    }

    fn flow(&mut self, record: &FlowRecord) -> Result<(), AnyError> {
        write_flow(&mut self.line, record);
        Ok(self.write(false)?)
    }

    fn epoch(&mut self, record: &EpochRecord) -> Result<(), AnyError> {
        write_epoch(&mut self.line, record);
        Ok(self.write(true)?)
    }

    fn end(&mut self) -> Result<(), AnyError> {
        match &mut self.lines {
            Some(lines) => Ok(lines.flush()?),
            None => Ok(()),
        }
    }
}

/// What a run did, as its folder tells it or as it is seen: an observer that keeps records in memory.
///
/// ```
/// use rnn_runtime::log::History;
/// use rnn_runtime::train::{EpochRecord, Observer};
///
/// let mut seen = History::default(); // to be given to a run of training as `.observer(&mut seen)`
/// let figures = vec![("loss".to_owned(), 2.5)];
/// seen.epoch(&EpochRecord { epoch: 1, steps: 10, figures, ..EpochRecord::default() })?;
/// assert_eq!(seen.panels().len(), 1); // for `plot::curves`
/// # Ok::<(), rnn_runtime::train::AnyError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// What was trained, and how.
    pub info: RunInfo,
    /// Its steps, in order.
    pub steps: Vec<StepRecord>,
    /// Its epochs, in order.
    pub epochs: Vec<EpochRecord>,
    /// How far gradients reached after some of its steps, in order.
    pub flow: Vec<FlowRecord>,
}

impl History {
    /// Reads the folder that a [`RunLog`] writes, also while it does.
    ///
    /// # Errors
    /// [`LogError`] for a folder without a log, and for a line that is none of a log.
    pub fn read(folder: impl AsRef<Path>) -> Result<Self, LogError> {
        let folder = folder.as_ref();
        let mut run = Self::default();
        let path = folder.join(LOG);
        read_lines(&path, &mut |line, text| {
            let record = read(text).map_err(|reason| LogError::Row {
                path: path.clone(),
                line,
                reason,
            })?;
            match record {
                Record::Step(record) => run.steps.push(record),
                Record::Epoch(record) => run.epochs.push(record),
                Record::Flow(record) => run.flow.push(record),
            }
            Ok(true)
        })?;
        let path = folder.join(INFO);
        run.info = match fs::metadata(&path) {
            Ok(known) if known.is_file() && known.len() <= MAX_INFO => {
                let text = fs::read_to_string(&path).map_err(|source| LogError::Io {
                    action: "read",
                    path: path.clone(),
                    source,
                })?;
                RunInfo::from_json(&path, &text)?
            }
            // A log alone is a run, too.
            _ => {
                let name = folder.canonicalize().ok();
                let name = name.as_deref().unwrap_or(folder).file_name();
                RunInfo::new(name.map_or("run".into(), |name| name.to_string_lossy().into_owned()))
            }
        };
        Ok(run)
    }
}

impl Observer for History {
    fn start(&mut self, steps: u64) -> Result<(), AnyError> {
        self.steps.retain(|record| record.step <= steps);
        self.epochs.retain(|record| record.steps <= steps);
        self.flow.retain(|record| record.step <= steps);
        Ok(())
    }

    fn step(&mut self, record: &StepRecord) -> Result<(), AnyError> {
        self.steps.push(record.clone());
        Ok(())
    }

    fn flow(&mut self, record: &FlowRecord) -> Result<(), AnyError> {
        self.flow.push(record.clone());
        Ok(())
    }

    fn epoch(&mut self, record: &EpochRecord) -> Result<(), AnyError> {
        self.epochs.push(record.clone());
        Ok(())
    }
}
