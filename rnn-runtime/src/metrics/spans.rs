//! Labelled spans.
//!
//! **Invariant:** a span is right as a whole or not at all.

use std::collections::BTreeSet;

use super::share;
use crate::text::Span;

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

#[cfg(test)]
mod tests {
    use super::*;

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
