//! ROUGE (Lin 2004).
//!
//! ```text
//! ROUGE-N  recall    = matching n-grams / n-grams of the reference       (eq. 1)
//!          precision = matching n-grams / n-grams of the candidate
//! ROUGE-L  recall    = LCS / length of the reference                     (eq. 2)
//!          precision = LCS / length of the candidate                     (eq. 3)
//! ```
//!
//! LCS is the length of the longest common subsequence, whose tokens need not be neighbours.
//!
//! **Invariant:** one candidate against one reference; the mean over a corpus, or the best of several references, is the caller's
//! choice, as it is in the paper. For the same tokens the numbers are those of `rouge-score`.

use super::bleu::grams;
use super::{harmonic, share};

/// What a candidate and a reference have in common.
///
/// ```
/// use rnn_runtime::metrics::{rouge_l, rouge_n};
///
/// let words = |text: &'static str| text.split(' ').collect::<Vec<_>>();
/// let (said, expected) = (words("police killed the gunman"), words("police kill the gunman"));
/// assert_eq!(rouge_n(&said, &expected, 2).recall(), 1.0 / 3.0);
/// assert_eq!(rouge_l(&said, &expected).f(1.0), 0.75);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overlap {
    /// What they have in common.
    pub common: u64,
    /// What the candidate has.
    pub candidate: u64,
    /// What the reference has.
    pub reference: u64,
}

impl Overlap {
    /// Share of the candidate that is in the reference; 0 for an empty candidate.
    pub fn precision(&self) -> f64 {
        share(self.common, self.candidate)
    }

    /// Share of the reference that is in the candidate; 0 for an empty reference.
    pub fn recall(&self) -> f64 {
        share(self.common, self.reference)
    }

    /// `(1 + beta^2) p r / (r + beta^2 p)` (eq. 4), which weighs recall `beta` times as much; 0 where both are 0.
    pub fn f(&self, beta: f64) -> f64 {
        let (precision, recall) = (self.precision(), self.recall());
        if beta == 1.0 {
            return harmonic(precision, recall);
        }
        let below = recall + beta * beta * precision;
        if below == 0.0 {
            0.0
        } else {
            (1.0 + beta * beta) * precision * recall / below
        }
    }
}

/// N-grams in common: each as often as it is in both.
pub fn rouge_n<T: Ord>(candidate: &[T], reference: &[T], order: usize) -> Overlap {
    let (own, expected) = (grams(candidate, order), grams(reference, order));
    let common = |(gram, count): (&&[T], &u64)| {
        (*count).min(expected.get(gram).copied().unwrap_or_default())
    };
    Overlap {
        common: own.iter().map(common).sum(),
        candidate: own.values().sum(),
        reference: expected.values().sum(),
    }
}

/// The longest common subsequence, in time `candidate * reference` and memory of the shorter.
pub fn rouge_l<T: PartialEq>(candidate: &[T], reference: &[T]) -> Overlap {
    let (long, short) = if candidate.len() < reference.len() {
        (reference, candidate)
    } else {
        (candidate, reference)
    };
    // Longest common subsequences of what was read of the longer with each beginning of the shorter.
    let mut row = vec![0_u64; short.len() + 1];
    for one in long {
        let mut diagonal = 0;
        for (at, other) in short.iter().enumerate() {
            let above = row[at + 1];
            row[at + 1] = if one == other {
                diagonal + 1
            } else {
                above.max(row[at])
            };
            diagonal = above;
        }
    }
    Overlap {
        common: row[short.len()],
        candidate: candidate.len() as u64,
        reference: reference.len() as u64,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A quotient of whole numbers and one more operation.
    const TOLERANCE: f64 = 1e-15;

    fn words(text: &str) -> Vec<&str> {
        text.split(' ').collect()
    }

    /// Precision, recall and F of ROUGE-1, -2 and -L from `rouge-score` 0.1.2 without a stemmer. The second and third candidate
    /// are those of Lin 2004, sec. 3.1: the order of words tells them apart by ROUGE-L, 3/4 and 2/4, but not by ROUGE-2.
    #[test]
    fn scores_are_those_of_rouge_score() {
        let cases = [
            (
                "the cat sat on the mat",
                "the cat is on the mat",
                [[5.0 / 6.0; 3], [0.6; 3], [5.0 / 6.0; 3]],
            ),
            (
                "police kill the gunman",
                "police killed the gunman",
                [[0.75; 3], [1.0 / 3.0; 3], [0.75; 3]],
            ),
            (
                "the gunman kill police",
                "police killed the gunman",
                [[0.75; 3], [1.0 / 3.0; 3], [0.5; 3]],
            ),
            (
                "there is a big dog in the garden today",
                "a big dog is in the garden today",
                [
                    [0.888_888_888_888_888_8, 1.0, 0.941_176_470_588_235_3],
                    [0.625, 0.714_285_714_285_714_3, 0.666_666_666_666_666_6],
                    [0.777_777_777_777_777_8, 0.875, 0.823_529_411_764_706],
                ],
            ),
        ];
        for (candidate, reference, expected) in cases {
            let (own, other) = (words(candidate), words(reference));
            let found = [
                rouge_n(&own, &other, 1),
                rouge_n(&own, &other, 2),
                rouge_l(&own, &other),
            ];
            for (found, expected) in found.iter().zip(expected) {
                let found = [found.precision(), found.recall(), found.f(1.0)];
                let near = |(a, b): (&f64, &f64)| (a - b).abs() < TOLERANCE;
                assert!(
                    found.iter().zip(&expected).all(near),
                    "{candidate}: {found:?}, expected {expected:?}"
                );
            }
        }
    }

    #[test]
    fn beta_weighs_recall() {
        let overlap = Overlap {
            common: 2,
            candidate: 4,
            reference: 8,
        };
        // p = 1/2, r = 1/4, beta = 2: 5 p r / (r + 4 p).
        assert!((overlap.f(2.0) - 0.625 / 2.25).abs() < TOLERANCE);
        assert_eq!(Overlap::default().f(2.0), 0.0);
        assert_eq!(rouge_n(&[1], &[1], 2), Overlap::default());
        assert_eq!(rouge_n(&[1], &[1], 0), Overlap::default());
    }

    proptest! {
        #[test]
        fn the_longest_subsequence_is_that_of_all(a in prop::collection::vec(0..3_u8, 0..8), b in prop::collection::vec(0..3_u8, 0..8)) {
            let is_in = |chosen: &[u8]| {
                let mut rest = b.iter();
                chosen.iter().all(|one| rest.any(|other| other == one))
            };
            let longest = (0..1_u32 << a.len())
                .map(|mask| (0..a.len()).filter(|at| mask >> at & 1 == 1).map(|at| a[at]).collect::<Vec<_>>())
                .filter(|chosen| is_in(chosen))
                .map(|chosen| chosen.len() as u64)
                .max();
            prop_assert_eq!(Some(rouge_l(&a, &b).common), longest);
            prop_assert_eq!(rouge_l(&a, &b).common, rouge_l(&b, &a).common);
        }
    }
}
