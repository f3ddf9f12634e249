//! What the model itself finds easy comes first (Kumar, Packer & Koller 2010).
//!
//! ```text
//! lambda_i = 1[L_i <= gamma]
//! ```
//!
//! where `L_i` is the last loss of example `i`, and the threshold `gamma` grows until all examples are in.
//!
//! **Invariant:** an example without a loss yet is in, so all are tried once; every epoch has an example, that of the least loss
//! where none is below the threshold.

use super::{Curriculum, Pace};
use crate::error::{CurriculumError, StateTextError};

/// The threshold `gamma` of each epoch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Threshold {
    /// `gamma_0 growth^k` at epoch `k`.
    Growing {
        /// `gamma_0`, in the unit of the loss.
        first: f64,
        /// What it is multiplied by each epoch; above 1.
        growth: f64,
    },
    /// The loss below which a share of the examples lies: adaptive, whatever the unit of the loss and however it falls.
    Share(Pace),
}

/// The examples whose loss is low enough.
#[derive(Clone, Debug, PartialEq)]
pub struct SelfPaced {
    /// The last loss of each example; NaN where there is none yet.
    losses: Vec<f32>,
    threshold: Threshold,
}

impl SelfPaced {
    /// So many examples, none of which has a loss yet.
    ///
    /// # Errors
    /// [`CurriculumError::NoExamples`] when there are none, [`CurriculumError::Setting`] for a threshold that does not grow.
    pub fn new(examples: usize, threshold: Threshold) -> Result<Self, CurriculumError> {
        if examples == 0 {
            return Err(CurriculumError::NoExamples);
        }
        if let Threshold::Growing { first, growth } = threshold {
            let settings = [
                (
                    "the first threshold",
                    first,
                    first > 0.0 && first.is_finite(),
                    "positive and finite",
                ),
                (
                    "the growth of the threshold",
                    growth,
                    growth > 1.0 && growth.is_finite(),
                    "above 1 and finite",
                ),
            ];
            for (what, found, good, expected) in settings {
                if !good {
                    return Err(CurriculumError::Setting {
                        what,
                        found,
                        expected,
                    });
                }
            }
        }
        Ok(Self {
            losses: vec![f32::NAN; examples],
            threshold,
        })
    }

    /// `gamma` of an epoch, with the losses that are known now; infinite while none is.
    pub fn gamma(&self, epoch: u64) -> f64 {
        match self.threshold {
            Threshold::Growing { first, growth } => {
                let epoch = i32::try_from(epoch).unwrap_or(i32::MAX);
                first * growth.powi(epoch)
            }
            Threshold::Share(pace) => {
                let mut known: Vec<f32> = self.known().collect();
                if known.is_empty() {
                    return f64::INFINITY;
                }
                known.sort_unstable_by(f32::total_cmp);
                f64::from(known[pace.count(epoch, known.len()) - 1])
            }
        }
    }

    fn known(&self) -> impl Iterator<Item = f32> {
        self.losses.iter().copied().filter(|loss| !loss.is_nan())
    }
}

impl Curriculum for SelfPaced {
    fn total(&self) -> usize {
        self.losses.len()
    }

    fn examples(&self, epoch: u64) -> Vec<usize> {
        let least = self.known().fold(f32::INFINITY, f32::min);
        let gamma = self.gamma(epoch).max(f64::from(least));
        let easy = |example: &usize| {
            let loss = self.losses[*example];
            loss.is_nan() || f64::from(loss) <= gamma
        };
        (0..self.losses.len()).filter(easy).collect()
    }

    fn listens(&self) -> bool {
        true
    }

    /// Losses that are not finite count as the greatest number; examples that there are not are passed over.
    fn observe(&mut self, examples: &[usize], losses: &[f32]) {
        for (example, loss) in examples.iter().zip(losses) {
            if let Some(own) = self.losses.get_mut(*example) {
                *own = if loss.is_finite() { *loss } else { f32::MAX };
            }
        }
    }

    /// Each loss as eight hexadecimal digits, so that every bit is kept.
    fn state(&self) -> String {
        let bits = |loss: &f32| format!("{:08x}", loss.to_bits());
        self.losses.iter().map(bits).collect()
    }

    fn restore(&mut self, state: &str) -> Result<(), StateTextError> {
        let bad =
            || StateTextError::new("loss of eight hexadecimal digits for each example", state);
        let digits = state.bytes().all(|own| own.is_ascii_hexdigit());
        if state.len() != 8 * self.losses.len() || !digits {
            return Err(bad());
        }
        let mut losses = Vec::with_capacity(self.losses.len());
        for at in (0..state.len()).step_by(8) {
            let bits = u32::from_str_radix(&state[at..at + 8], 16).map_err(|_| bad())?;
            losses.push(f32::from_bits(bits));
        }
        self.losses = losses;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_are_in_when_their_loss_is_below_the_threshold() {
        let threshold = Threshold::Growing {
            first: 1.0,
            growth: 2.0,
        };
        let mut paced = SelfPaced::new(4, threshold).unwrap();
        assert_eq!(paced.examples(0), [0, 1, 2, 3]);
        paced.observe(&[0, 1, 2, 9], &[0.5, 1.5, f32::NAN, 0.0]);
        assert_eq!(paced.examples(0), [0, 3]);
        assert_eq!(paced.examples(1), [0, 1, 3]);
        assert_eq!(paced.examples(1000), [0, 1, 2, 3]);
        paced.observe(&[0, 3], &[9.0, 8.0]);
        // Nothing below: the least loss alone.
        assert_eq!(paced.examples(0), [1]);
    }

    #[test]
    fn the_threshold_of_a_share_follows_the_losses() {
        let mut paced = SelfPaced::new(4, Threshold::Share(Pace::linear(0.5, 2).unwrap())).unwrap();
        assert_eq!(paced.gamma(0), f64::INFINITY);
        paced.observe(&[0, 1, 2, 3], &[8.0, 2.0, 4.0, 6.0]);
        assert_eq!(
            (paced.gamma(0), paced.gamma(1), paced.gamma(2)),
            (4.0, 6.0, 8.0)
        );
        assert_eq!(paced.examples(0), [1, 2]);
        paced.observe(&[0, 1, 2, 3], &[0.08, 0.2, 0.04, 0.06]);
        assert_eq!(paced.examples(0), [2, 3]);
    }

    #[test]
    fn the_state_keeps_every_bit() {
        let threshold = Threshold::Share(Pace::linear(0.5, 2).unwrap());
        let mut paced = SelfPaced::new(3, threshold).unwrap();
        paced.observe(&[0, 2], &[0.1, 3.5e-42]);
        let mut other = SelfPaced::new(3, threshold).unwrap();
        other.restore(&paced.state()).unwrap();
        assert_eq!(other.state(), paced.state());
        let mut short = SelfPaced::new(2, threshold).unwrap();
        for bad in [&paced.state(), "", "0123456789abcdeg", "0123456789abcdé"] {
            assert!(short.restore(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn thresholds_that_do_not_grow_are_refused() {
        for (first, growth) in [
            (0.0, 2.0),
            (1.0, 1.0),
            (f64::INFINITY, 2.0),
            (1.0, f64::NAN),
        ] {
            assert!(SelfPaced::new(1, Threshold::Growing { first, growth }).is_err());
        }
        let good = Threshold::Growing {
            first: 1.0,
            growth: 2.0,
        };
        assert_eq!(SelfPaced::new(0, good), Err(CurriculumError::NoExamples));
    }
}
