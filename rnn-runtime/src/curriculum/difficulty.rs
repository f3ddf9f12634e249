//! Easy examples first (Bengio, Louradour, Collobert & Weston 2009), by a score that the caller gives.
//!
//! **Invariant:** an epoch has the examples of every epoch before it, in the order of their scores.

use super::Curriculum;
use crate::error::CurriculumError;

/// Which share of the examples an epoch has (the pacing function of Hacohen & Weinshall 2019).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    first: f64,
    epochs: u64,
}

impl Pace {
    /// `first` of the examples in the first epoch, all of them from epoch `epochs` on, and evenly more in between.
    ///
    /// # Errors
    /// [`CurriculumError::Setting`] unless `0 < first <= 1`.
    pub fn linear(first: f64, epochs: u64) -> Result<Self, CurriculumError> {
        if !(first > 0.0 && first <= 1.0) {
            return Err(CurriculumError::Setting {
                what: "the share of the first epoch",
                found: first,
                expected: "above 0, at most 1",
            });
        }
        Ok(Self { first, epochs })
    }

    /// The share of an epoch, counted from 0.
    pub fn at(&self, epoch: u64) -> f64 {
        if epoch >= self.epochs {
            return 1.0;
        }
        let part = epoch as f64 / self.epochs as f64;
        self.first + part * (1.0 - self.first)
    }

    /// How many of `examples` an epoch has; at least one of some.
    pub(super) fn count(&self, epoch: u64, examples: usize) -> usize {
        let count = (self.at(epoch) * examples as f64).ceil() as usize;
        count.min(examples)
    }
}

/// The easiest examples, from the easiest on.
#[derive(Clone, Debug, PartialEq)]
pub struct ByDifficulty {
    order: Vec<usize>,
    pace: Pace,
}

impl ByDifficulty {
    /// Examples with these scores, where a greater one is more difficult: rare words, a loss of another model, digits of a number.
    /// Those of equal score keep their order.
    ///
    /// # Errors
    /// [`CurriculumError::NoExamples`] when there are none, [`CurriculumError::Score`] for a score that is no number.
    pub fn new(scores: &[f64], pace: Pace) -> Result<Self, CurriculumError> {
        if scores.is_empty() {
            return Err(CurriculumError::NoExamples);
        }
        if let Some(example) = scores.iter().position(|score| score.is_nan()) {
            return Err(CurriculumError::Score { example });
        }
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]));
        Ok(Self { order, pace })
    }
}

impl Curriculum for ByDifficulty {
    fn total(&self) -> usize {
        self.order.len()
    }

    fn examples(&self, epoch: u64) -> Vec<usize> {
        self.order[..self.pace.count(epoch, self.order.len())].to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_easiest_come_first_and_more_of_them_later() {
        let scores = [3.0, 1.0, 2.0, 1.0, f64::INFINITY];
        let curriculum = ByDifficulty::new(&scores, Pace::linear(0.4, 3).unwrap()).unwrap();
        assert_eq!(curriculum.examples(0), [1, 3]);
        assert_eq!(curriculum.examples(1), [1, 3, 2]);
        assert_eq!(curriculum.examples(2), [1, 3, 2, 0]);
        assert_eq!(curriculum.examples(3), [1, 3, 2, 0, 4]);
        assert_eq!(curriculum.examples(u64::MAX), curriculum.examples(3));
        let tiny = Pace::linear(1e-9, 10).unwrap();
        assert_eq!(tiny.count(0, 5), 1);
        assert_eq!(Pace::linear(0.5, 0).unwrap().at(0), 1.0);
    }

    #[test]
    fn scores_that_are_no_numbers_are_named() {
        let pace = Pace::linear(1.0, 1).unwrap();
        let error = ByDifficulty::new(&[0.0, f64::NAN], pace).unwrap_err();
        assert_eq!(error.to_string(), "the score of example 1 is no number");
        assert!(ByDifficulty::new(&[], pace).is_err());
        for bad in [0.0, -1.0, 1.1, f64::NAN] {
            assert!(Pace::linear(bad, 1).is_err(), "{bad}");
        }
    }
}
