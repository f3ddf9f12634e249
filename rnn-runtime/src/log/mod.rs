//! Logs of a training run, as files: what was trained and how, every step, every epoch.
//!
//! ```text
//! runs/first/run.json      model, settings, tables: RunInfo
//! runs/first/log.jsonl     a record a line: RunLog
//! runs/first/steps.csv     a step a line: CsvLog
//! runs/first/epochs.csv    an epoch a line: CsvLog
//! runs/first/events.out.tfevents.*      crate::tensorboard
//! ```
//!
//! [`RunLog`] and [`CsvLog`] are [`Observer`](crate::train::Observer)s. [`History`] reads a folder back;
//! [`History::html`](crate::log::History::html) makes a page of it, and so does the command `rnn report runs/first`.
//!
//! A resumed run continues its files: rows of steps after the one it resumes from are dropped, since these steps are about to be
//! repeated, and so is a row that a killed process left half written. A run from its start therefore empties them; files that are
//! not logs are refused, not emptied.
//!
//! **Invariant:** a file holds each step once, in order; all numbers but the seconds are those of the records, bit for bit.

mod csv;
mod folder;
mod info;
mod json;
mod lines;
mod pairs;

#[cfg(test)]
mod tests;

pub use csv::CsvLog;
pub use folder::{History, RunLog};
pub use info::{RunInfo, Table};
