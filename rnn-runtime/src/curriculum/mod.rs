//! Which examples an epoch has, and in which batches: easy ones first, or all of them.
//!
//! A [`Curriculum`] says which examples belong to an epoch; a [`Sampler`] makes batches of them:
//!
//! | curriculum | examples of epoch `k` |
//! |---|---|
//! | [`All`] | all |
//! | [`ByLength`] | those of at most `T_k` steps, where `T_k` grows |
//! | [`ByDifficulty`] | the easiest share by a score |
//! | [`SelfPaced`] | those whose last loss is at most a threshold that grows (Kumar, Packer & Koller 2010) |
//!
//! ```
//! use rnn_runtime::curriculum::{ByLength, LengthLimit, Sampler};
//!
//! let lengths = [3, 9, 4, 20, 7];
//! let curriculum = ByLength::new(&lengths, LengthLimit::linear(5, 20, 3)?)?;
//! let mut sampler = Sampler::new(curriculum, 2, 42)?.by_length(&lengths)?;
//! for epoch in 0..3 {
//!     while let Some(rows) = sampler.next_batch() {
//!         println!("epoch {epoch}: examples {rows:?}");
//!     }
//! }
//! # Ok::<(), rnn_runtime::error::CurriculumError>(())
//! ```
//!
//! A sampler is also an [`Order`](crate::train::Order), so a [`Trainer`](crate::Trainer) takes its examples along a curriculum, and tells
//! a self-paced one the losses: `Ordered::new::<Model>(examples, sampler)?` is a source for [`fit`](crate::Trainer::fit).
//!
//! **Invariant:** what an epoch has depends on its number, the seed, and the losses that were reported before it began. A sampler
//! that resumes from its cursor gives the batches that were left.

mod difficulty;
mod length;
mod sampler;
mod self_paced;

pub use difficulty::{ByDifficulty, Pace};
pub use length::{ByLength, LengthLimit};
pub use sampler::{Sampler, SamplerCursor};
pub use self_paced::{SelfPaced, Threshold};

use crate::error::StateTextError;

/// Which examples an epoch has.
pub trait Curriculum {
    /// Number of examples of the data set: all positions are below it.
    fn total(&self) -> usize;

    /// The examples of an epoch, by position in the data set, in the order in which they come where they are not shuffled.
    fn examples(&self, epoch: u64) -> Vec<usize>;

    /// Whether losses change what an epoch has, so that they have to be observed.
    fn listens(&self) -> bool {
        false
    }

    /// Takes note of the losses of examples that were trained on.
    fn observe(&mut self, examples: &[usize], losses: &[f32]) {
        let _ = (examples, losses);
    }

    /// What it has noted, as text.
    fn state(&self) -> String {
        String::new()
    }

    /// Takes what [`Curriculum::state`] gave.
    ///
    /// # Errors
    /// [`StateTextError`] for the state of another curriculum, which changes nothing.
    fn restore(&mut self, state: &str) -> Result<(), StateTextError> {
        if state.is_empty() {
            Ok(())
        } else {
            Err(StateTextError::new("curriculum without a state", state))
        }
    }
}

/// All examples in every epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct All(
    /// Number of examples.
    pub usize,
);

impl Curriculum for All {
    fn total(&self) -> usize {
        self.0
    }

    fn examples(&self, _: u64) -> Vec<usize> {
        (0..self.0).collect()
    }
}
