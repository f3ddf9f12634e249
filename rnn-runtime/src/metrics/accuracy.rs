//! How often the most likely class is right.
//!
//! **Invariant:** logits with a NaN are never right.

use ndarray::{ArrayView2, ArrayView3};

/// How many predictions were right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accuracy {
    /// Right predictions.
    pub correct: u64,
    /// All predictions.
    pub total: u64,
}

impl Accuracy {
    /// Counts one prediction: the first greatest of `logits [V]`. Logits with a NaN are wrong.
    pub fn add(&mut self, logits: impl IntoIterator<Item = f32>, target: u32) {
        let mut best = (f32::NEG_INFINITY, None);
        let mut has_nan = false;
        for (token, logit) in logits.into_iter().enumerate() {
            has_nan |= logit.is_nan();
            if best.1.is_none() || logit > best.0 {
                best = (logit, Some(token));
            }
        }
        self.correct += u64::from(!has_nan && best.1 == Some(target as usize));
        self.total += 1;
    }

    /// Counts a batch: `logits [T, B, V]` against `targets [T, B]`, where row `b` ends after `lengths[b]` steps.
    ///
    /// Steps, rows and lengths beyond the smallest of the three are not counted.
    pub fn add_batch(
        &mut self,
        logits: ArrayView3<'_, f32>,
        targets: ArrayView2<'_, u32>,
        lengths: &[usize],
    ) {
        for (t, (logits, targets)) in logits.outer_iter().zip(targets.outer_iter()).enumerate() {
            for ((logits, &target), &length) in logits.outer_iter().zip(&targets).zip(lengths) {
                if t < length {
                    self.add(logits.iter().copied(), target);
                }
            }
        }
    }

    /// Share of right predictions; `None` when there are none.
    pub fn value(&self) -> Option<f64> {
        (self.total > 0).then(|| self.correct as f64 / self.total as f64)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{arr2, arr3};

    use super::*;

    #[test]
    fn accuracy_counts_steps_within_their_lengths() {
        let logits = arr3(&[
            [[0.0, 1.0], [1.0, 0.0]],
            [[2.0, 2.0], [5.0, 6.0]],
            [[f32::NAN, 1.0], [0.0, 1.0]],
        ]);
        let targets = arr2(&[[1, 1], [0, 1], [1, 1]]);
        let mut accuracy = Accuracy::default();
        accuracy.add_batch(logits.view(), targets.view(), &[3, 2]);
        assert_eq!(
            accuracy,
            Accuracy {
                correct: 3,
                total: 5
            }
        );
        assert_eq!(accuracy.value(), Some(0.6));
        assert_eq!(Accuracy::default().value(), None);
    }
}
