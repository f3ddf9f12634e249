//! Means of batches.
//!
//! **Invariant:** every token weighs the same.

/// A mean over tokens of values that come as means over batches.
///
/// ```
/// use rnn_runtime::metrics::Mean;
///
/// let mut loss = Mean::default();
/// loss.add(2.0, 30);
/// loss.add(4.0, 10);
/// assert_eq!(loss.value(), Some(2.5));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Mean {
    sum: f64,
    count: u64,
}

impl Mean {
    /// Adds a mean over `count` tokens; a count of 0 adds nothing.
    pub fn add(&mut self, mean: f64, count: u64) {
        if count > 0 {
            self.sum += mean * count as f64;
            self.count += count;
        }
    }

    /// The mean over all tokens so far; `None` when there are none.
    pub fn value(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }

    /// Tokens so far.
    pub fn count(&self) -> u64 {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_of_batches_weighs_tokens() {
        let mut mean = Mean::default();
        assert_eq!(mean.value(), None);
        mean.add(f64::NAN, 0);
        mean.add(1.0, 3);
        mean.add(5.0, 1);
        assert_eq!((mean.value(), mean.count()), (Some(2.0), 4));
    }
}
