//! Records as tables of comma-separated values.
//!
//! **Invariant:** every row has a cell for every column; a column that comes later is empty in the rows before.

use std::fs;
use std::path::{Path, PathBuf};

use super::lines::{Lines, Verdict, read_lines};
use crate::error::LogError;
use crate::train::{AnyError, EpochRecord, Observer, StepRecord};

const STEPS: &str = "steps.csv";
const STEP_COLUMNS: [&str; 7] = [
    "step",
    "epoch",
    "loss",
    "learning_rate",
    "gradient_norm",
    "seen",
    "seconds",
];
const EPOCHS: &str = "epochs.csv";
const EPOCH_COLUMNS: [&str; 3] = ["steps", "epoch", "seconds"];

/// Writes steps to `steps.csv` in a folder, and epochs to `epochs.csv`.
///
/// Columns of steps are `step`, `epoch`, `loss`, `learning_rate`, `gradient_norm`, `seen`, `seconds`, and `gradient_norm/W` for each
/// parameter `W` whose norm is recorded; those of epochs are `steps`, `epoch`, `seconds`, and the figures by name. What a row does
/// not have is empty.
#[derive(Debug)]
pub struct CsvLog {
    steps: Sheet,
    epochs: Sheet,
}

impl CsvLog {
    /// Logs to a folder, which is made when the run starts.
    pub fn new(folder: impl AsRef<Path>) -> Self {
        let folder = folder.as_ref();
        Self {
            steps: Sheet::new(folder.join(STEPS), &STEP_COLUMNS),
            epochs: Sheet::new(folder.join(EPOCHS), &EPOCH_COLUMNS),
        }
    }
}

impl Observer for CsvLog {
    fn start(&mut self, steps: u64) -> Result<(), AnyError> {
        self.steps.open(steps)?;
        Ok(self.epochs.open(steps)?)
    }

    fn step(&mut self, record: &StepRecord) -> Result<(), AnyError> {
        let norms = record.parameter_norms.iter();
        let norms = norms.map(|(name, norm)| (format!("gradient_norm/{name}"), *norm));
        let fixed = [
            record.step.to_string(),
            record.epoch.to_string(),
            record.loss.to_string(),
            record.learning_rate.to_string(),
            (record.gradient_norm).map_or(String::new(), |norm| norm.to_string()),
            record.seen.to_string(),
            record.seconds.to_string(),
        ];
        Ok(self.steps.push(fixed.to_vec(), norms)?)
    }

    fn epoch(&mut self, record: &EpochRecord) -> Result<(), AnyError> {
        let fixed = [
            record.steps.to_string(),
            record.epoch.to_string(),
            record.seconds.to_string(),
        ];
        let figures = record.figures.iter().cloned();
        self.epochs.push(fixed.to_vec(), figures)?;
        self.epochs.flush()?;
        Ok(self.steps.flush()?)
    }

    fn end(&mut self) -> Result<(), AnyError> {
        self.steps.flush()?;
        Ok(self.epochs.flush()?)
    }
}

/// A table in a file, the first column of which says how many steps were done.
#[derive(Debug)]
struct Sheet {
    path: PathBuf,
    columns: Vec<String>,
    fixed: usize,
    lines: Option<Lines>,
}

impl Sheet {
    fn new(path: PathBuf, fixed: &[&str]) -> Self {
        Self {
            path,
            columns: fixed.iter().map(|name| (*name).to_owned()).collect(),
            fixed: fixed.len(),
            lines: None,
        }
    }

    fn row_error(&self, line: usize, reason: impl Into<String>) -> LogError {
        LogError::Row {
            path: self.path.clone(),
            line,
            reason: reason.into(),
        }
    }

    // Continues the file after its rows of the first steps.
    fn open(&mut self, steps: u64) -> Result<(), LogError> {
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder).map_err(|source| LogError::Io {
                action: "create",
                path: folder.to_owned(),
                source,
            })?;
        }
        let fixed = &self.columns[..self.fixed];
        let mut columns = Vec::new();
        let lines = Lines::resume(&self.path, &mut |line, text| {
            let cells = cells(text);
            if line == 1 {
                if cells.len() < fixed.len() || cells[..fixed.len()] != *fixed {
                    let expected = format!(
                        "expected the columns {}, .., found `{text}`",
                        fixed.join(",")
                    );
                    return Err(self.row_error(line, expected));
                }
                columns = cells;
                return Ok(if steps > 0 {
                    Verdict::Keep
                } else {
                    Verdict::Drop
                });
            }
            let done = cells.first().and_then(|cell| cell.parse::<u64>().ok());
            let done =
                done.ok_or_else(|| self.row_error(line, "expected a count of steps first"))?;
            Ok(if done <= steps {
                Verdict::Keep
            } else {
                Verdict::Drop
            })
        })?;
        self.lines = Some(lines);
        let is_new = steps == 0 || columns.is_empty();
        match is_new {
            true => {
                self.columns.truncate(self.fixed);
                self.write_head()
            }
            false => {
                self.columns = columns;
                Ok(())
            }
        }
    }

    fn started(&mut self) -> Result<&mut Lines, LogError> {
        self.lines.as_mut().ok_or_else(|| LogError::NotStarted {
            path: self.path.clone(),
        })
    }

    fn write_head(&mut self) -> Result<(), LogError> {
        let head = line(&self.columns);
        self.started()?.push(&head)
    }

    fn push(
        &mut self,
        mut row: Vec<String>,
        named: impl Iterator<Item = (String, f64)>,
    ) -> Result<(), LogError> {
        let known = self.columns.len();
        row.resize(known, String::new());
        for (name, value) in named {
            match self.columns[self.fixed..]
                .iter()
                .position(|own| *own == name)
            {
                Some(at) => row[self.fixed + at] = value.to_string(),
                None => {
                    self.columns.push(name);
                    row.push(value.to_string());
                }
            }
        }
        if self.columns.len() > known {
            self.widen(known)?;
        }
        let row = line(&row);
        self.started()?.push(&row)
    }

    // Writes the file anew with the columns that it has now. It had fewer.
    fn widen(&mut self, known: usize) -> Result<(), LogError> {
        self.flush()?;
        let mut text = format!("{}\n", line(&self.columns));
        let more = ",".repeat(self.columns.len() - known);
        read_lines(&self.path, &mut |number, row| {
            if number > 1 {
                text.push_str(row);
                text.push_str(&more);
                text.push('\n');
            }
            Ok(true)
        })?;
        let beside = self.path.with_extension("csv.tmp");
        let failed = |source| LogError::Io {
            action: "replace",
            path: self.path.clone(),
            source,
        };
        fs::write(&beside, text)
            .and_then(|()| fs::rename(&beside, &self.path))
            .map_err(failed)?;
        self.lines = Some(Lines::resume(&self.path, &mut |_, _| Ok(Verdict::Keep))?);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), LogError> {
        match &mut self.lines {
            Some(lines) => lines.flush(),
            None => Ok(()),
        }
    }
}

// A row as RFC 4180 has it, save that no cell has a line break.
fn line(cells: &[String]) -> String {
    let quoted = |cell: &String| match cell.contains([',', '"', '\n', '\r']) {
        true => format!(
            "\"{}\"",
            cell.replace(['\n', '\r'], " ").replace('"', "\"\"")
        ),
        false => cell.clone(),
    };
    let cells: Vec<String> = cells.iter().map(quoted).collect();
    cells.join(",")
}

fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut cell, mut quoted) = (Vec::new(), String::new(), false);
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                cell.push('"');
                letters.next();
            }
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(std::mem::take(&mut cell)),
            letter => cell.push(letter),
        }
    }
    cells.push(cell);
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_come_back() {
        let row: Vec<String> = ["1", "", "a,b", "say \"x\"", "W[0]"]
            .map(String::from)
            .into();
        assert_eq!(cells(&line(&row)), row);
    }
}
