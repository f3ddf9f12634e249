//! What is chosen about a run before it starts.
//!
//! **Invariant:** what of them changes in a run, a plateau's rate and an adaptive threshold, is in the checkpoints of the
//! [`Trainer`](super::Trainer).

use std::fmt;

use super::watch::Watch;
use crate::clip::AdaptiveClip;
use crate::schedule::{Constant, Plateau, Schedule};

/// A schedule of any kind.
pub type AnySchedule = Box<dyn Schedule + Send + Sync>;

/// Where the learning rate comes from.
#[non_exhaustive]
pub enum Rate {
    /// A function of the updates done.
    PerStep(AnySchedule),
    /// A function of the epochs completed.
    PerEpoch(AnySchedule),
    /// Lowered at the end of an epoch whose watched figure is no better.
    Plateau(Plateau),
}

impl Rate {
    /// The same rate always.
    pub fn constant(rate: f32) -> Self {
        Self::PerStep(Box::new(Constant(rate)))
    }

    /// A rate for each step, by the number of updates before it.
    pub fn per_step(schedule: impl Schedule + Send + Sync + 'static) -> Self {
        Self::PerStep(Box::new(schedule))
    }

    /// A rate for each epoch, by the number of epochs before it.
    pub fn per_epoch(schedule: impl Schedule + Send + Sync + 'static) -> Self {
        Self::PerEpoch(Box::new(schedule))
    }
}

impl fmt::Debug for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PerStep(_) => f.write_str("PerStep(..)"),
            Self::PerEpoch(_) => f.write_str("PerEpoch(..)"),
            Self::Plateau(plateau) => f.debug_tuple("Plateau").field(plateau).finish(),
        }
    }
}

/// How gradients are limited before an update.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Clip {
    /// Not at all.
    #[default]
    None,
    /// All are scaled so that their global norm is at most this.
    Norm(f32),
    /// Each element is brought into `-limit..=limit`.
    Value(f32),
    /// All are scaled to a threshold that follows the norms seen.
    Adaptive(AdaptiveClip),
}

/// What to do about a loss or a gradient that is not finite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnNonFinite {
    /// End the run with an error.
    #[default]
    Error,
    /// Leave the parameters as they are and go on with the next step, which starts from no carried state.
    Skip {
        /// So many steps in a row may be skipped; one more is an error, since it is not the data then.
        in_a_row: u64,
    },
    /// End the run, as a result and not as an error, with the parameters as they were before the step.
    Stop,
}

/// What is chosen about a run.
///
/// ```
/// use rnn_runtime::schedule::{Cosine, WarmUp};
/// use rnn_runtime::train::{Clip, Rate, Settings, Watch};
///
/// let settings = Settings::default()
///     .rate(Rate::per_step(WarmUp::new(100, Cosine::new(3e-3, 1e-4, 5_000)?)))
///     .clip(Clip::Norm(1.0))
///     .accumulate(4)
///     .watch(Watch::lowest("validation").patience(3))
///     .seed(42);
/// # Ok::<(), rnn_runtime::error::ScheduleError>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Settings {
    /// The learning rate; 1e-3 unless set.
    pub rate: Rate,
    /// How gradients are limited.
    pub clip: Clip,
    /// Batches whose gradients make one update; 1 unless set.
    pub accumulate: u64,
    /// What to do about numbers that are not finite.
    pub on_nonfinite: OnNonFinite,
    /// The probability that a step reads its target through `feedback`, by the number of updates before it.
    pub sampling: Option<Sampling>,
    /// What decides which parameters are the best, and when to stop.
    pub watch: Watch,
    /// Of the random numbers that steps draw: dropout, noise, scheduled sampling.
    pub seed: u64,
    /// Whether records have the norm of each parameter's gradient.
    pub parameter_norms: bool,
}

/// Scheduled sampling: the probability of reading the target, by the number of updates before.
pub struct Sampling(pub AnySchedule);

impl fmt::Debug for Sampling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sampling(..)")
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            rate: Rate::constant(1e-3),
            clip: Clip::None,
            accumulate: 1,
            on_nonfinite: OnNonFinite::Error,
            sampling: None,
            watch: Watch::default(),
            seed: 0,
            parameter_norms: false,
        }
    }
}

impl Settings {
    /// With this learning rate.
    #[must_use]
    pub fn rate(mut self, rate: Rate) -> Self {
        self.rate = rate;
        self
    }

    /// With gradients limited so.
    #[must_use]
    pub fn clip(mut self, clip: Clip) -> Self {
        self.clip = clip;
        self
    }

    /// With an update for every `batches` batches.
    #[must_use]
    pub fn accumulate(mut self, batches: u64) -> Self {
        self.accumulate = batches;
        self
    }

    /// With this answer to numbers that are not finite.
    #[must_use]
    pub fn on_nonfinite(mut self, answer: OnNonFinite) -> Self {
        self.on_nonfinite = answer;
        self
    }

    /// With scheduled sampling: the probability of reading the target, by the number of updates before.
    #[must_use]
    pub fn sampling(mut self, probability: impl Schedule + Send + Sync + 'static) -> Self {
        self.sampling = Some(Sampling(Box::new(probability)));
        self
    }

    /// With this judgement of epochs.
    #[must_use]
    pub fn watch(mut self, watch: Watch) -> Self {
        self.watch = watch;
        self
    }

    /// With this seed.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// With or without the norm of each parameter's gradient in the records.
    #[must_use]
    pub fn parameter_norms(mut self, norms: bool) -> Self {
        self.parameter_norms = norms;
        self
    }
}
