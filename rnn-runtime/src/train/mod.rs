//! Training runs.
//!
//! [`source`] says where batches come from, [`record`] what a run reports and to whom.

pub mod record;
pub mod source;
pub mod text;

pub use record::{EpochRecord, Observer, ObserverError, StepRecord};
pub use source::{Examples, Order, Ordered, Shuffled, Source, SourceError, Steps, TrainingBatch};
pub use text::TextSource;
