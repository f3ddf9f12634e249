//! Drawing tokens from logits.
//!
//! ```text
//! p_i = exp((l_i - max l) / temperature) / sum_j exp((l_j - max l) / temperature)    over the top k logits
//! ```
//!
//! Weights and their sum are `f64`; the greatest weight is exactly 1, so no logit can overflow them.
//!
//! **Invariant:** equal logits, settings and generator position give the same token; ties go to the lower index; a draw
//! takes exactly one 64-bit word from the generator, a greedy choice none; nothing is allocated after construction.

use std::cmp::Ordering;

use rand::{Rng, RngExt};

use crate::error::SampleError;

/// Draws tokens from logits over a vocabulary of fixed size.
///
/// ```
/// use rnn_runtime::{Sampler, rng};
///
/// let mut rng = rng::stream(42, "sample", "");
/// let mut sampler = Sampler::new(3, 0.8, Some(2))?;
/// let token = sampler.draw(&[0.1, 2.0, 1.0], &mut rng)?;
/// assert!(token == 1 || token == 2);
/// # Ok::<(), rnn_runtime::error::SampleError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sampler {
    temperature: f32,
    top_k: usize,
    order: Vec<u32>,
    weights: Vec<f64>,
}

impl Sampler {
    /// A sampler over `vocabulary` tokens, among the `top_k` most likely ones (`None`: all).
    ///
    /// A temperature of 0 always takes the most likely token; 1 draws from the model's own distribution. A `top_k`
    /// above the vocabulary means all.
    ///
    /// # Errors
    /// [`SampleError`] when the vocabulary is empty or has more than `u32::MAX` tokens, the temperature is negative or
    /// not finite, or `top_k` is 0.
    pub fn new(
        vocabulary: usize,
        temperature: f32,
        top_k: Option<usize>,
    ) -> Result<Self, SampleError> {
        if vocabulary == 0 || u32::try_from(vocabulary).is_err() {
            return Err(SampleError::Vocabulary { found: vocabulary });
        }
        if !(temperature.is_finite() && temperature >= 0.0) {
            return Err(SampleError::Temperature { found: temperature });
        }
        if top_k == Some(0) {
            return Err(SampleError::TopK);
        }
        let top_k = top_k.unwrap_or(vocabulary).min(vocabulary);
        let order = (0..vocabulary as u32).collect();
        Ok(Self {
            temperature,
            top_k,
            order,
            weights: Vec::with_capacity(top_k),
        })
    }

    /// Size of the vocabulary.
    pub fn vocabulary(&self) -> usize {
        self.order.len()
    }

    /// Draws one token from `logits [V]`.
    ///
    /// # Errors
    /// [`SampleError::Length`] for another number of logits, [`SampleError::NonFinite`] names the first logit that is
    /// NaN or infinite. The generator has not moved then.
    pub fn draw<R: Rng + ?Sized>(
        &mut self,
        logits: &[f32],
        rng: &mut R,
    ) -> Result<u32, SampleError> {
        if logits.len() != self.order.len() {
            return Err(SampleError::Length {
                expected: self.order.len(),
                found: logits.len(),
            });
        }
        let best = greedy(logits)?;
        if self.temperature == 0.0 {
            return Ok(best);
        }
        let max = f64::from(logits[best as usize]);
        let total_order = |&left: &u32, &right: &u32| -> Ordering {
            logits[right as usize]
                .total_cmp(&logits[left as usize])
                .then(left.cmp(&right))
        };
        if self.top_k < self.order.len() {
            self.order
                .select_nth_unstable_by(self.top_k - 1, total_order);
            self.order[..self.top_k].sort_unstable();
        }
        let candidates = &self.order[..self.top_k];
        let temperature = f64::from(self.temperature);
        self.weights.clear();
        let weight = |&token: &u32| ((f64::from(logits[token as usize]) - max) / temperature).exp();
        self.weights.extend(candidates.iter().map(weight));
        let total: f64 = self.weights.iter().sum();
        let mut left = rng.random::<f64>() * total;
        let mut token = best;
        for (&candidate, &weight) in candidates.iter().zip(&self.weights) {
            // A weight that underflowed is never drawn, not even by a remainder of rounding.
            if weight > 0.0 {
                token = candidate;
                if left < weight {
                    break;
                }
                left -= weight;
            }
        }
        Ok(token)
    }
}

/// The most likely token of `logits`, the lowest of equals.
///
/// # Errors
/// [`SampleError::Vocabulary`] when there is none, [`SampleError::NonFinite`] as [`Sampler::draw`].
pub fn greedy(logits: &[f32]) -> Result<u32, SampleError> {
    if logits.is_empty() || u32::try_from(logits.len()).is_err() {
        return Err(SampleError::Vocabulary {
            found: logits.len(),
        });
    }
    if let Some(index) = logits.iter().position(|logit| !logit.is_finite()) {
        return Err(SampleError::NonFinite {
            index,
            value: logits[index],
        });
    }
    let mut best = 0;
    for (index, logit) in logits.iter().enumerate() {
        if *logit > logits[best] {
            best = index;
        }
    }
    Ok(best as u32)
}

/// Replaces logits by probabilities, `exp(l_i - max) / sum_j exp(l_j - max)`, in place.
///
/// # Errors
/// As [`greedy`]; `logits` are unchanged then.
pub fn softmax(logits: &mut [f32]) -> Result<(), SampleError> {
    let max = f64::from(logits[greedy(logits)? as usize]);
    let total: f64 = logits
        .iter()
        .map(|&logit| (f64::from(logit) - max).exp())
        .sum();
    for logit in logits {
        *logit = ((f64::from(*logit) - max).exp() / total) as f32;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::rng::{RngState, stream};

    fn rng() -> ChaCha8Rng {
        stream(9, "sample", "")
    }

    #[test]
    fn zero_temperature_takes_the_first_maximum_and_no_random_word() {
        let mut sampler = Sampler::new(4, 0.0, None).unwrap();
        let mut rng = rng();
        let before = RngState::of(&rng);
        assert_eq!(sampler.draw(&[1.0, 3.0, 3.0, -1.0], &mut rng), Ok(1));
        assert_eq!(RngState::of(&rng), before);
        sampler.temperature = 1.0;
        sampler.draw(&[1.0, 3.0, 3.0, -1.0], &mut rng).unwrap();
        assert_eq!(RngState::of(&rng).word, before.word + 2);
    }

    #[test]
    fn frequencies_are_the_softmax_at_the_temperature() {
        let logits = [0.0, 1.0, -1.0, 2.0];
        let draws = 20_000_u32;
        for (temperature, top_k) in [
            (1.0, None),
            (0.5, None),
            (2.0, Some(2)),
            (1.0, Some(3)),
            (1.0, Some(99)),
        ] {
            let mut sampler = Sampler::new(4, temperature, top_k).unwrap();
            let mut rng = rng();
            let mut counts = [0_u32; 4];
            for _ in 0..draws {
                counts[sampler.draw(&logits, &mut rng).unwrap() as usize] += 1;
            }
            let mut order = [3, 1, 0, 2];
            order[top_k.unwrap_or(4).min(4)..]
                .iter()
                .for_each(|&dropped| assert_eq!(counts[dropped], 0));
            let kept = &mut order[..top_k.unwrap_or(4).min(4)];
            let weight = |token: usize| (f64::from(logits[token]) / f64::from(temperature)).exp();
            let total: f64 = kept.iter().map(|&token| weight(token)).sum();
            for &mut token in kept {
                let p = weight(token) / total;
                // Six standard errors of a binomial share.
                let error = 6.0 * (p * (1.0 - p) / f64::from(draws)).sqrt();
                let share = f64::from(counts[token]) / f64::from(draws);
                assert!(
                    (share - p).abs() <= error,
                    "token {token}: {share}, expected {p}"
                );
            }
        }
    }

    #[test]
    fn top_k_keeps_the_lower_index_of_equals() {
        let mut sampler = Sampler::new(5, 1.0, Some(2)).unwrap();
        let mut rng = rng();
        for _ in 0..200 {
            assert!(sampler.draw(&[1.0, 5.0, 5.0, 5.0, 1.0], &mut rng).unwrap() <= 2);
        }
    }

    #[test]
    fn earlier_draws_do_not_change_later_ones() {
        let logits = [[0.0, 1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0, 0.0]];
        let mut used = Sampler::new(5, 1.0, Some(3)).unwrap();
        let mut shared = rng();
        for round in 0..100 {
            let mut fresh = Sampler::new(5, 1.0, Some(3)).unwrap();
            let mut same = shared.clone();
            let logits = &logits[round % 2];
            assert_eq!(
                used.draw(logits, &mut shared),
                fresh.draw(logits, &mut same)
            );
        }
    }

    #[test]
    fn extreme_logits_neither_overflow_nor_draw_impossible_tokens() {
        let mut sampler = Sampler::new(3, 1e-3, None).unwrap();
        let mut rng = rng();
        for _ in 0..100 {
            assert_eq!(sampler.draw(&[f32::MIN, 1e4, -1e4], &mut rng), Ok(1));
        }
        let mut probabilities = [1e4, -1e4, 1e4];
        softmax(&mut probabilities).unwrap();
        assert_eq!(probabilities, [0.5, 0.0, 0.5]);
    }

    #[test]
    fn mistakes_are_typed_and_move_nothing() {
        let mut sampler = Sampler::new(2, 1.0, None).unwrap();
        let mut rng = rng();
        let before = RngState::of(&rng);
        let error = sampler
            .draw(&[0.0, f32::NEG_INFINITY], &mut rng)
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "logit 1 is -inf, expected a finite number"
        );
        assert!(matches!(
            sampler.draw(&[f32::NAN, 0.0], &mut rng),
            Err(SampleError::NonFinite { index: 0, .. })
        ));
        assert_eq!(
            sampler.draw(&[0.0], &mut rng),
            Err(SampleError::Length {
                expected: 2,
                found: 1
            })
        );
        assert_eq!(RngState::of(&rng), before);
        assert!(matches!(
            Sampler::new(0, 1.0, None),
            Err(SampleError::Vocabulary { found: 0 })
        ));
        assert!(matches!(
            Sampler::new(2, -1.0, None),
            Err(SampleError::Temperature { .. })
        ));
        assert!(matches!(
            Sampler::new(2, f32::NAN, None),
            Err(SampleError::Temperature { .. })
        ));
        assert!(matches!(
            Sampler::new(2, 1.0, Some(0)),
            Err(SampleError::TopK)
        ));
        assert!(matches!(
            softmax(&mut []),
            Err(SampleError::Vocabulary { found: 0 })
        ));
    }
}
