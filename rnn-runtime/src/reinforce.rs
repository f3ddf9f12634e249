//! Training by rewards of whole sequences: REINFORCE with a baseline (Williams 1992).
//!
//! ```text
//! dJ = E_{y ~ pi} [ d log pi(y | x) (R(y) - b) ]
//! ```
//!
//! A sequence is drawn by [`generate`](crate::Compiled::generate) and scored by whatever the caller likes, BLEU say. It then is a
//! target of the model that drew it, whose loss is weighted by its *advantage* `R - b`:
//!
//! ```text
//! target said[t]: token<V>;
//! target advantage: [];
//! ..
//! loss advantage * sum[t](cross_entropy(logits[t], said[t]));
//! ```
//!
//! Any baseline `b` that does not depend on the sequence leaves the mean of the estimate as it is, since `E[d log pi] = 0`, and a
//! good one makes it vary less: [`MovingAverage`] of the rewards, or the reward of what the model says greedily for the same input
//! ([`self_critical`]; Rennie et al. 2017).
//!
//! **Invariant:** the baseline of a sequence does not depend on what was drawn in it.

use ndarray::{Array1, Array2};

use crate::error::RewardError;
use crate::generate::Generated;
use crate::ragged::pad;

/// Sequences that were drawn, as targets of a call.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawn {
    /// Their tokens, `[T, B]`; 0 past the end of each.
    pub tokens: Array2<u32>,
    /// Steps of each.
    pub lengths: Vec<usize>,
    /// `R - b` of each.
    pub advantages: Array1<f32>,
}

impl Drawn {
    /// The best, or only, sequence of each example of what was generated.
    ///
    /// # Errors
    /// [`RewardError::Count`] unless there is an advantage for each example.
    pub fn new(generated: &Generated, advantages: Vec<f32>) -> Result<Self, RewardError> {
        let examples = generated.hypotheses.len();
        count("advantage", examples, advantages.len())?;
        let tokens: Vec<&[u32]> = (0..examples)
            .map(|example| generated.best(example).tokens.as_slice())
            .collect();
        Ok(Self {
            tokens: pad(&tokens),
            lengths: generated.lengths(),
            advantages: advantages.into(),
        })
    }
}

/// The exponential moving average of rewards: `b <- decay b + (1 - decay) mean(R)`.
///
/// ```
/// use rnn_runtime::reinforce::MovingAverage;
///
/// let mut baseline = MovingAverage::new(0.9)?;
/// assert_eq!(baseline.advantages(&[1.0, 3.0])?, [-2.0, 2.0]);
/// assert_eq!(baseline.advantages(&[2.0, 4.0])?, [0.0, 2.0]);
/// assert!((baseline.value().unwrap_or_default() - 2.1).abs() < 1e-6);
/// # Ok::<(), rnn_runtime::error::RewardError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MovingAverage {
    decay: f32,
    value: Option<f32>,
}

impl MovingAverage {
    /// No rewards yet.
    ///
    /// # Errors
    /// [`RewardError::Decay`] unless `decay` is in `0..1`.
    pub fn new(decay: f32) -> Result<Self, RewardError> {
        if (0.0..1.0).contains(&decay) {
            Ok(Self { decay, value: None })
        } else {
            Err(RewardError::Decay { found: decay })
        }
    }

    /// Continues from a value that was saved.
    #[must_use]
    pub fn resume(mut self, value: Option<f32>) -> Self {
        self.value = value;
        self
    }

    /// `b`; `None` before the first rewards.
    pub fn value(&self) -> Option<f32> {
        self.value
    }

    /// `R - b` for each of some rewards, which then count for those that follow.
    ///
    /// The first rewards are compared with the mean of the others among them, since there is nothing before them; a single one has
    /// the advantage 0.
    ///
    /// # Errors
    /// [`RewardError::NotFinite`] for a reward that is no number; nothing is changed then.
    pub fn advantages(&mut self, rewards: &[f32]) -> Result<Vec<f32>, RewardError> {
        finite(rewards)?;
        if rewards.is_empty() {
            return Ok(Vec::new());
        }
        let (sum, count) = (rewards.iter().sum::<f32>(), rewards.len() as f32);
        let advantages = match self.value {
            Some(value) => rewards.iter().map(|reward| reward - value).collect(),
            None => (rewards.iter())
                .map(|reward| match count > 1.0 {
                    true => reward - (sum - reward) / (count - 1.0),
                    false => 0.0,
                })
                .collect(),
        };
        let mean = sum / count;
        self.value = Some(match self.value {
            Some(value) => self.decay * value + (1.0 - self.decay) * mean,
            None => mean,
        });
        Ok(advantages)
    }
}

/// `R - R_greedy` of each example: what was drawn against what is said without drawing.
///
/// # Errors
/// [`RewardError`] unless there are as many of both, and all finite.
pub fn self_critical(drawn: &[f32], greedy: &[f32]) -> Result<Vec<f32>, RewardError> {
    count("greedy reward", drawn.len(), greedy.len())?;
    finite(drawn)?;
    finite(greedy)?;
    Ok(drawn
        .iter()
        .zip(greedy)
        .map(|(own, other)| own - other)
        .collect())
}

fn count(what: &'static str, expected: usize, found: usize) -> Result<(), RewardError> {
    if expected == found {
        Ok(())
    } else {
        Err(RewardError::Count {
            what,
            expected,
            found,
        })
    }
}

fn finite(rewards: &[f32]) -> Result<(), RewardError> {
    let bad = rewards.iter().position(|reward| !reward.is_finite());
    bad.map_or(Ok(()), |example| {
        let value = rewards[example];
        Err(RewardError::NotFinite { example, value })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rewards_are_compared_with_each_other() {
        let mut baseline = MovingAverage::new(0.5).unwrap();
        assert!(baseline.advantages(&[]).unwrap().is_empty());
        assert_eq!(baseline.value(), None);
        assert_eq!(
            baseline.advantages(&[0.0, 3.0, 6.0]).unwrap(),
            [-4.5, 0.0, 4.5]
        );
        assert_eq!(baseline.value(), Some(3.0));
        assert_eq!(baseline.advantages(&[5.0]).unwrap(), [2.0]);
        assert_eq!(baseline.value(), Some(4.0));
        let mut single = MovingAverage::new(0.0).unwrap();
        assert_eq!(single.advantages(&[7.0]).unwrap(), [0.0]);
        let resumed = MovingAverage::new(0.5).unwrap().resume(baseline.value());
        assert_eq!(resumed, baseline);
    }

    #[test]
    fn rewards_that_are_no_numbers_change_nothing() {
        let mut baseline = MovingAverage::new(0.5).unwrap().resume(Some(1.0));
        let error = baseline.advantages(&[0.0, f32::NAN]).unwrap_err();
        assert!(matches!(error, RewardError::NotFinite { example: 1, .. }));
        assert_eq!(baseline.value(), Some(1.0));
        assert_eq!(
            self_critical(&[1.0, 2.0], &[0.5, 3.0]).unwrap(),
            [0.5, -1.0]
        );
        assert!(self_critical(&[1.0], &[]).is_err());
        assert!(self_critical(&[1.0], &[f32::INFINITY]).is_err());
        for bad in [-0.1, 1.0, f32::NAN] {
            assert!(MovingAverage::new(bad).is_err());
        }
    }
}
