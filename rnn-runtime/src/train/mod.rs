//! Training runs.
//!
//! [`record`] says what a run reports and to whom. Before a long run, [`finder`] looks for a learning rate and [`overfit`] for bugs.

pub mod finder;
pub mod overfit;
pub mod record;

pub use record::{EpochRecord, Observer, ObserverError, StepRecord};
