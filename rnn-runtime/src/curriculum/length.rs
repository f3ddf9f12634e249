//! Short sequences first.
//!
//! ```text
//! T_k = T_min + (k/K) (T_max - T_min)          linear
//! T_k = min(T_max, T_0 + k dT)                 by steps
//! ```
//!
//! **Invariant:** limits never fall, and every epoch has an example: the shortest ones where none is short enough.

use super::Curriculum;
use crate::error::CurriculumError;

/// The greatest length of each epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LengthLimit {
    /// `T_min + (k/K) (T_max - T_min)`, rounded down, and `T_max` from epoch `K` on.
    Linear {
        /// `T_min`, of the first epoch.
        first: usize,
        /// `T_max`.
        last: usize,
        /// `K`.
        epochs: u64,
    },
    /// `min(T_max, T_0 + k dT)`
    Steps {
        /// `T_0`, of the first epoch.
        first: usize,
        /// `dT`.
        by: usize,
        /// `T_max`.
        last: usize,
    },
}

impl LengthLimit {
    /// From `first` to `last` in `epochs` epochs.
    ///
    /// # Errors
    /// [`CurriculumError::Setting`] when `first > last`, or `epochs` is 0.
    pub fn linear(first: usize, last: usize, epochs: u64) -> Result<Self, CurriculumError> {
        rising(first, last)?;
        if epochs == 0 {
            return Err(CurriculumError::Setting {
                what: "the number of epochs in which lengths grow",
                found: 0.0,
                expected: "at least 1",
            });
        }
        Ok(Self::Linear {
            first,
            last,
            epochs,
        })
    }

    /// From `first` by `by` steps more each epoch, to `last`.
    ///
    /// # Errors
    /// [`CurriculumError::Setting`] when `first > last`.
    pub fn steps(first: usize, by: usize, last: usize) -> Result<Self, CurriculumError> {
        rising(first, last)?;
        Ok(Self::Steps { first, by, last })
    }

    /// The greatest length of an epoch, counted from 0. Longer sequences are left out by [`ByLength`]; a caller may as well cut them
    /// here.
    pub fn at(&self, epoch: u64) -> usize {
        match *self {
            Self::Linear {
                first,
                last,
                epochs,
            } => {
                let part = u128::from(epoch.min(epochs)) * (last - first) as u128;
                // At most last - first.
                first + (part / u128::from(epochs)) as usize
            }
            Self::Steps { first, by, last } => {
                let epoch = usize::try_from(epoch).unwrap_or(usize::MAX);
                first.saturating_add(by.saturating_mul(epoch)).min(last)
            }
        }
    }
}

fn rising(first: usize, last: usize) -> Result<(), CurriculumError> {
    if first > last {
        return Err(CurriculumError::Setting {
            what: "the greatest length of the first epoch",
            found: first as f64,
            expected: "at most that of the last one",
        });
    }
    Ok(())
}

/// The examples that are short enough for an epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByLength {
    lengths: Vec<usize>,
    limit: LengthLimit,
}

impl ByLength {
    /// Examples with these lengths.
    ///
    /// # Errors
    /// [`CurriculumError::NoExamples`] when there are none.
    pub fn new(lengths: &[usize], limit: LengthLimit) -> Result<Self, CurriculumError> {
        if lengths.is_empty() {
            return Err(CurriculumError::NoExamples);
        }
        Ok(Self {
            lengths: lengths.to_vec(),
            limit,
        })
    }
}

impl Curriculum for ByLength {
    fn total(&self) -> usize {
        self.lengths.len()
    }

    fn examples(&self, epoch: u64) -> Vec<usize> {
        let shortest = self.lengths.iter().copied().min().unwrap_or(0);
        let limit = self.limit.at(epoch).max(shortest);
        let short = |example: &usize| self.lengths[*example] <= limit;
        (0..self.lengths.len()).filter(short).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_those_of_the_formulas() {
        let linear = LengthLimit::linear(10, 50, 4).unwrap();
        assert_eq!([0, 1, 2, 4, 9].map(|k| linear.at(k)), [10, 20, 30, 50, 50]);
        let steps = LengthLimit::steps(8, 5, 20).unwrap();
        assert_eq!(
            [0, 1, 2, 3, u64::MAX].map(|k| steps.at(k)),
            [8, 13, 18, 20, 20]
        );
        let wide = LengthLimit::linear(0, usize::MAX, u64::MAX).unwrap();
        assert_eq!((wide.at(0), wide.at(u64::MAX)), (0, usize::MAX));
        assert!(LengthLimit::linear(2, 1, 4).is_err());
        assert!(LengthLimit::linear(1, 2, 0).is_err());
        assert!(LengthLimit::steps(2, 1, 1).is_err());
    }

    #[test]
    fn an_epoch_has_the_examples_that_are_short_enough() {
        let curriculum =
            ByLength::new(&[4, 9, 2, 30], LengthLimit::steps(1, 4, 9).unwrap()).unwrap();
        assert_eq!(curriculum.examples(0), [2]);
        assert_eq!(curriculum.examples(1), [0, 2]);
        assert_eq!(curriculum.examples(7), [0, 1, 2]);
        let error = ByLength::new(&[], LengthLimit::steps(1, 4, 9).unwrap()).unwrap_err();
        assert_eq!(error, CurriculumError::NoExamples);
    }
}
