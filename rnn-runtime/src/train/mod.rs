//! Training runs.
//!
//! [`record`] says what a run reports and to whom.

pub mod record;

pub use record::{EpochRecord, Observer, ObserverError, StepRecord};
