//! Means of batches.
//!
//! **Invariant:** every token weighs the same.

use std::fmt;
use std::str::FromStr;

use crate::error::StateTextError;

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
            self.count = self.count.saturating_add(count);
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

/// Its text form, `sum/count` in hexadecimal with the bits of the sum, restores it exactly.
impl fmt::Display for Mean {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}/{:x}", self.sum.to_bits(), self.count)
    }
}

impl FromStr for Mean {
    type Err = StateTextError;

    fn from_str(text: &str) -> Result<Self, StateTextError> {
        let bad = || StateTextError::new("mean `sum/count` in hexadecimal", text);
        let (sum, count) = text.split_once('/').ok_or_else(bad)?;
        let number = |text| u64::from_str_radix(text, 16).map_err(|_| bad());
        Ok(Self {
            sum: f64::from_bits(number(sum)?),
            count: number(count)?,
        })
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
