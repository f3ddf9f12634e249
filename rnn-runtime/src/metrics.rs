//! Measures of prediction.
//!
//! For probabilities `p_1 .. p_T` given to the tokens that came, the cross-entropy is `H = -(1/T) sum ln p_t` nats, and
//! the perplexity is its exponential. The four forms in the literature are one number:
//!
//! ```text
//! exp(H)  =  2^(H / ln 2)  =  2^(-(1/T) sum log2 p_t)  =  (prod 1/p_t)^(1/T)
//! ```
//!
//! **Invariant:** averages weigh every token equally, whatever the batches they came in.

use std::collections::BTreeSet;
use std::f64::consts::LN_2;
use std::fmt;
use std::str::FromStr;

use ndarray::{ArrayView2, ArrayView3};

use crate::error::StateTextError;
use crate::text::Span;

/// Bits per symbol (per character, for a character model) of a cross-entropy in nats.
pub fn bits_per_symbol(nats: f64) -> f64 {
    nats / LN_2
}

/// Perplexity of a cross-entropy in nats: `exp(nats)`.
pub fn perplexity(nats: f64) -> f64 {
    nats.exp()
}

/// Cross-entropy in nats of the probabilities given to the tokens that came; `None` when there are none.
///
/// A token of probability 0 makes it infinite.
pub fn cross_entropy(probabilities: &[f64]) -> Option<f64> {
    let mut mean = Mean::default();
    probabilities.iter().for_each(|p| mean.add(-p.ln(), 1));
    mean.value()
}

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

/// Precision, recall and F1 over labelled spans, as `conlleval` counts them: a span is right when its first step, its last step
/// and its label are.
///
/// ```
/// use rnn_runtime::metrics::SpanScore;
/// use rnn_runtime::text::Span;
///
/// let span = |start, end, label| Span { start, end, label };
/// let mut score = SpanScore::default();
/// score.add(&[span(0, 2, 0), span(3, 4, 1)], &[span(0, 2, 0), span(3, 5, 1), span(6, 7, 0)]);
/// assert_eq!((score.precision(), score.recall(), score.f1()), (0.5, 1.0 / 3.0, 0.4));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpanScore {
    /// Spans that are right.
    pub correct: u64,
    /// Spans that were predicted.
    pub found: u64,
    /// Spans that there are.
    pub expected: u64,
}

impl SpanScore {
    /// Counts one sequence: the spans that were predicted, and those that there are.
    ///
    /// A span that is listed twice counts twice, but is right once.
    pub fn add(&mut self, found: &[Span], expected: &[Span]) {
        let known: BTreeSet<&Span> = expected.iter().collect();
        let right: BTreeSet<&Span> = found.iter().filter(|span| known.contains(span)).collect();
        self.correct += right.len() as u64;
        self.found += found.len() as u64;
        self.expected += expected.len() as u64;
    }

    /// Share of the predicted spans that are right; 0 when none was predicted.
    pub fn precision(&self) -> f64 {
        share(self.correct, self.found)
    }

    /// Share of the spans that were found; 0 when there is none.
    pub fn recall(&self) -> f64 {
        share(self.correct, self.expected)
    }

    /// The harmonic mean of precision and recall, `2 correct / (found + expected)`; 0 when there is nothing to count.
    pub fn f1(&self) -> f64 {
        share(2 * self.correct, self.found + self.expected)
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{arr2, arr3};

    use super::*;

    /// A few roundings of values near 3, each within 2^-52 relative.
    const TOLERANCE: f64 = 1e-14;

    #[test]
    fn the_four_forms_of_perplexity_are_equal() {
        let probabilities = [0.5, 0.125, 0.9, 0.3, 0.05, 0.75, 1.0];
        let count = probabilities.len() as f64;
        let nats = cross_entropy(&probabilities).unwrap();
        let log2_mean = -probabilities.iter().map(|p| p.log2()).sum::<f64>() / count;
        let forms = [
            perplexity(nats),
            bits_per_symbol(nats).exp2(),
            log2_mean.exp2(),
            probabilities
                .iter()
                .map(|p| 1.0 / p)
                .product::<f64>()
                .powf(1.0 / count),
        ];
        for form in forms {
            assert!((form / forms[0] - 1.0).abs() <= TOLERANCE, "{forms:?}");
        }
    }

    #[test]
    fn a_uniform_model_has_the_perplexity_of_its_vocabulary() {
        let nats = cross_entropy(&[1.0 / 96.0; 10]).unwrap();
        assert!((perplexity(nats) / 96.0 - 1.0).abs() <= TOLERANCE);
        assert_eq!(bits_per_symbol(LN_2), 1.0);
        assert_eq!(cross_entropy(&[]), None);
        assert_eq!(cross_entropy(&[0.0]), Some(f64::INFINITY));
    }

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

    #[test]
    fn a_mean_of_batches_weighs_tokens() {
        let mut mean = Mean::default();
        assert_eq!(mean.value(), None);
        mean.add(f64::NAN, 0);
        mean.add(1.0, 3);
        mean.add(5.0, 1);
        assert_eq!((mean.value(), mean.count()), (Some(2.0), 4));
    }

    #[test]
    fn spans_are_right_only_as_a_whole() {
        let span = |start, end, label| Span { start, end, label };
        let mut score = SpanScore::default();
        assert_eq!(
            (score.precision(), score.recall(), score.f1()),
            (0.0, 0.0, 0.0)
        );
        // Another end, another label, right, right and said twice.
        let found = [span(0, 2, 0), span(3, 4, 1), span(5, 6, 1), span(5, 6, 1)];
        score.add(&found, &[span(0, 3, 0), span(3, 4, 0), span(5, 6, 1)]);
        score.add(&[], &[span(0, 1, 0)]);
        assert_eq!(
            score,
            SpanScore {
                correct: 1,
                found: 4,
                expected: 4
            }
        );
        assert_eq!(
            (score.precision(), score.recall(), score.f1()),
            (0.25, 0.25, 0.25)
        );
    }
}
