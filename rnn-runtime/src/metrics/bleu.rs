//! BLEU (Papineni, Roukos, Ward & Zhu 2002).
//!
//! ```text
//! BLEU = BP exp(sum_{n=1}^{N} (1/N) ln p_n)       N = 4
//! p_n  = sum over sentences of clipped matches of n-grams / sum of n-grams
//! BP   = min(1, e^(1 - r/c))
//! ```
//!
//! where an n-gram matches at most as often as it is in one of the references, `c` is the length of all candidates, and `r` that
//! of the references that are closest in length, the shorter of two equally close.
//!
//! **Invariant:** matches and lengths are added up over the corpus before anything is divided; the mean of the scores of sentences
//! is another number. The score is from 0 to 1 (tools often print it times 100). For the same tokens it is that of `sacrebleu`.

use std::collections::BTreeMap;

/// What stands for the precision of an order without a match, which would make BLEU zero (Chen & Cherry 2014).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Smoothing {
    /// Nothing: the score is 0.
    #[default]
    None,
    /// So many matches instead of none (their method 1).
    Floor(f64),
    /// So many more matches and n-grams, for orders above one (their method 2; Lin & Och 2004 with 1).
    Add(f64),
    /// A half match in the first order without one, a fourth in the second, and so on (their method 3, of NIST).
    Exponential,
}

/// Matches of n-grams over a corpus.
///
/// ```
/// use rnn_runtime::metrics::{Bleu, Smoothing};
///
/// let words = |text: &'static str| text.split(' ').collect::<Vec<_>>();
/// let mut bleu = Bleu::default();
/// bleu.add(&words("the cat sat on the mat"), &[words("the cat is on the mat"), words("a cat sat on the mat")]);
/// bleu.add(&words("he read a book"), &[words("he read the old book")]);
/// println!("{:.4}, brevity penalty {:.3}", bleu.value(Smoothing::None), bleu.brevity_penalty());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bleu {
    matches: Vec<u64>,
    candidates: Vec<u64>,
    length: u64,
    reference: u64,
}

impl Default for Bleu {
    /// Orders one to four.
    fn default() -> Self {
        Self::with_order(4)
    }
}

impl Bleu {
    /// Orders one to `order`, each with the same weight; at least one.
    pub fn with_order(order: usize) -> Self {
        let order = order.max(1);
        Self {
            matches: vec![0; order],
            candidates: vec![0; order],
            length: 0,
            reference: 0,
        }
    }

    /// Counts one candidate against its references.
    pub fn add<T: Ord, R: AsRef<[T]>>(&mut self, candidate: &[T], references: &[R]) {
        for (order, (matches, candidates)) in
            (1..).zip(self.matches.iter_mut().zip(&mut self.candidates))
        {
            let mut allowed: BTreeMap<&[T], u64> = BTreeMap::new();
            for reference in references {
                for (gram, count) in grams(reference.as_ref(), order) {
                    let most = allowed.entry(gram).or_default();
                    *most = count.max(*most);
                }
            }
            for (gram, count) in grams(candidate, order) {
                *candidates += count;
                *matches += count.min(allowed.get(gram).copied().unwrap_or_default());
            }
        }
        self.length += candidate.len() as u64;
        let lengths = references.iter().map(|own| own.as_ref().len());
        let closest = lengths.min_by_key(|length| (length.abs_diff(candidate.len()), *length));
        self.reference += closest.unwrap_or_default() as u64;
    }

    /// Tokens of all candidates.
    pub fn tokens(&self) -> u64 {
        self.length
    }

    /// `p_n` of each order, without smoothing; 0 where there are no n-grams.
    pub fn precisions(&self) -> Vec<f64> {
        let pairs = self.matches.iter().zip(&self.candidates);
        pairs.map(|(own, all)| super::share(*own, *all)).collect()
    }

    /// `BP`; 0 for candidates without a token.
    pub fn brevity_penalty(&self) -> f64 {
        if self.length == 0 {
            return 0.0;
        }
        (1.0 - self.reference as f64 / self.length as f64)
            .exp()
            .min(1.0)
    }

    /// The score, from 0 to 1. An order of which no candidate is long enough to have an n-gram makes it 0, unless the smoothing
    /// adds one.
    pub fn value(&self, smoothing: Smoothing) -> f64 {
        let mut halves = 1.0;
        let mut logs = 0.0;
        for (order, (matches, candidates)) in self.matches.iter().zip(&self.candidates).enumerate()
        {
            let (matches, candidates) = (*matches as f64, *candidates as f64);
            let (matches, candidates) = match smoothing {
                Smoothing::Add(more) if order > 0 => (matches + more, candidates + more),
                Smoothing::Floor(least) if matches == 0.0 => (least, candidates),
                Smoothing::Exponential if matches == 0.0 => {
                    halves /= 2.0;
                    (halves, candidates)
                }
                _ => (matches, candidates),
            };
            if matches <= 0.0 || candidates <= 0.0 {
                return 0.0;
            }
            logs += (matches / candidates).ln();
        }
        self.brevity_penalty() * (logs / self.matches.len() as f64).exp()
    }
}

/// How often each n-gram comes.
pub(super) fn grams<T: Ord>(tokens: &[T], order: usize) -> BTreeMap<&[T], u64> {
    let mut counts = BTreeMap::new();
    if order > 0 {
        for gram in tokens.windows(order) {
            *counts.entry(gram).or_default() += 1;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both sides compute a handful of logarithms in double precision.
    const TOLERANCE: f64 = 1e-12;

    fn words(text: &str) -> Vec<&str> {
        text.split(' ').collect()
    }

    const SMOOTHINGS: [Smoothing; 4] = [
        Smoothing::None,
        Smoothing::Floor(0.1),
        Smoothing::Add(1.0),
        Smoothing::Exponential,
    ];

    fn assert_scores(bleu: &Bleu, expected: [f64; 4]) {
        for (smoothing, expected) in SMOOTHINGS.into_iter().zip(expected) {
            let found = bleu.value(smoothing);
            assert!(
                (found - expected).abs() < TOLERANCE,
                "{smoothing:?}: {found}, expected {expected}"
            );
        }
    }

    /// Expected values are those of `sacrebleu` 2.6.0, `BLEU(tokenize="none", smooth_method=..)`, for `none`, `floor` with 0.1,
    /// `add-k` with 1 and `exp`, over 100.
    #[test]
    fn scores_are_those_of_sacrebleu() {
        let mut corpus = Bleu::default();
        corpus.add(
            &words("the cat sat on the mat"),
            &[
                words("the cat is on the mat"),
                words("a cat sat on the mat"),
            ],
        );
        corpus.add(
            &words("there is a big dog in the garden today"),
            &[
                words("there is a large dog in the garden"),
                words("a big dog is in the garden today"),
            ],
        );
        let last = words("he read a book");
        corpus.add(
            &last,
            &[
                words("he was reading the book"),
                words("he read the old book"),
            ],
        );
        assert_eq!(corpus.matches, [18, 14, 8, 4]);
        assert_eq!(corpus.candidates, [19, 16, 13, 10]);
        assert_scores(
            &corpus,
            [
                0.672_099_226_829_074_7,
                0.672_099_226_829_074_7,
                0.703_012_842_489_368_7,
                0.672_099_226_829_074_7,
            ],
        );

        let mut short = Bleu::default();
        short.add(&last, &[words("he was reading the book")]);
        assert!((short.brevity_penalty() - 0.778_800_783_071_404_9).abs() < TOLERANCE);
        assert_scores(
            &short,
            [
                0.0,
                0.074_409_959_474_869_06,
                0.295_880_313_495_527_1,
                0.147_940_156_747_764_5,
            ],
        );

        // No 4-gram at all.
        let mut clipped = Bleu::default();
        clipped.add(&words("the the the"), &[words("the cat")]);
        assert_scores(&clipped, [0.0, 0.0, 0.485_491_771_707_323_55, 0.0]);
    }

    #[test]
    fn matches_are_clipped_as_in_the_paper() {
        // Papineni et al. 2002, example 2: modified precision 2/7.
        let mut bleu = Bleu::default();
        bleu.add(
            &words("the the the the the the the"),
            &[
                words("the cat is on the mat"),
                words("there is a cat on the mat"),
            ],
        );
        assert_eq!(bleu.precisions(), [2.0 / 7.0, 0.0, 0.0, 0.0]);
        // The closest reference has the length of the candidate.
        assert_eq!(bleu.brevity_penalty(), 1.0);
    }

    #[test]
    fn a_text_is_its_own_best_translation() {
        let mut bleu = Bleu::with_order(2);
        bleu.add(&[4_u32, 5, 6], &[[4, 5, 6]]);
        assert_eq!(bleu.value(Smoothing::None), 1.0);
        let none = Bleu::default();
        assert_eq!(
            (none.value(Smoothing::Add(1.0)), none.brevity_penalty()),
            (0.0, 0.0)
        );
    }
}
