//! Training runs.
//!
//! A [`Trainer`] holds a model, its parameters and an optimiser. [`Trainer::step`] is one step of a loop of one's own;
//! [`Trainer::fit`] is the whole loop. What is chosen beforehand are [`Settings`]; what goes with one run (how long, who is
//! told, where it is saved) is a [`Run`].
//!
//! | file | holds |
//! |---|---|
//! | [`source`], [`arrays`], [`gathered`], [`text`] | where batches come from: examples in an order, one long text |
//! | [`fingerprint`] | whether data are those of a checkpoint |
//! | [`settings`], [`watch`] | what is chosen: rate, clipping, accumulation, early stopping |
//! | [`trainer`] | one step |
//! | [`fit`] | a run of steps |
//! | [`record`] | what a run reports, and to whom |
//! | [`checkpoints`] | saving, resuming, which files are kept |
//! | [`interrupt`] | Ctrl-C |
//! | [`finder`], [`overfit`] | before a long run: a learning rate, and whether a batch can be learned |
//!
//! **Invariant:** nothing is done here that `loss_and_grad`, [`optim`](crate::optim), [`clip`](crate::clip),
//! [`schedule`](crate::schedule) and [`checkpoint`](crate::checkpoint) could not be called for by hand.

pub mod arrays;
pub mod checkpoints;
mod compared;
pub mod finder;
pub mod fingerprint;
pub mod fit;
pub mod gathered;
pub mod interrupt;
pub mod overfit;
pub mod record;
pub mod settings;
pub mod source;
pub mod text;
pub mod trainer;
pub mod watch;

pub use crate::error::AnyError;
pub use arrays::Arrays;
pub use checkpoints::Checkpoints;
pub use fingerprint::Fingerprint;
pub use fit::{End, EpochEnd, Outcome, Run};
pub use gathered::Gathered;
pub use interrupt::Interrupt;
pub use record::{EpochRecord, FlowRecord, Observer, StateNorms, StepRecord};
pub use settings::{Clip, OnNonFinite, Rate, Settings};
pub use source::{
    Examples, Next, Order, Ordered, Shuffled, Source, SourceError, Steps, TrainingBatch,
};
pub use text::{Chunks, TextSource};
pub use trainer::{Learnt, Trainer};
pub use watch::Watch;
