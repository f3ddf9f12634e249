//! N-gram models with interpolated Kneser-Ney smoothing (Kneser & Ney 1995; Chen & Goodman 1999, sec. 3).
//!
//! ```text
//! p(w | h) = max(c(h w) - D, 0) / c(h) + D N(h .) / c(h) p(w | h'),      D = n_1 / (n_1 + 2 n_2)
//! ```
//!
//! where `h'` is the context `h` without its first word, and `N(h .)` counts the words that follow `h`. Orders below the highest
//! count after how many different words a sequence comes instead of how often; below the lowest, all words are alike. `n_1` and
//! `n_2` are the sequences of an order that come once and twice.

use std::collections::{BTreeMap, BTreeSet};

/// What follows a context.
#[derive(Default)]
struct Followers {
    counts: BTreeMap<u32, u64>,
    total: u64,
}

/// The contexts of one length, and what is discounted.
struct Level {
    contexts: BTreeMap<Vec<u32>, Followers>,
    discount: f64,
}

/// A model of the next token by the last ones.
pub(crate) struct Ngram {
    levels: Vec<Level>,
    vocabulary: usize,
}

impl Ngram {
    /// Counts sequences of up to `order` tokens; 1 is a unigram model.
    pub(crate) fn new(tokens: &[u32], order: usize, vocabulary: usize) -> Self {
        let levels = (1..=order).map(|length| {
            let mut counts: BTreeMap<&[u32], u64> = BTreeMap::new();
            if length == order {
                for sequence in tokens.windows(length) {
                    *counts.entry(sequence).or_default() += 1;
                }
            } else {
                // Each sequence with a word before it, once.
                let longer: BTreeSet<&[u32]> = tokens.windows(length + 1).collect();
                for sequence in longer {
                    *counts.entry(&sequence[1..]).or_default() += 1;
                }
            }
            Level::new(&counts)
        });
        Self {
            levels: levels.collect(),
            vocabulary,
        }
    }

    /// The probability of a token after those before it.
    pub(crate) fn probability(&self, before: &[u32], token: u32) -> f64 {
        let mut probability = 1.0 / self.vocabulary as f64;
        for (length, level) in self.levels.iter().enumerate() {
            let context = before
                .len()
                .checked_sub(length)
                .and_then(|start| level.contexts.get(&before[start..]));
            // A longer context is not known either.
            let Some(followers) = context else { break };
            let count = followers.counts.get(&token).copied().unwrap_or(0);
            let total = followers.total as f64;
            let kept = (count as f64 - level.discount).max(0.0) / total;
            let given_away = level.discount * followers.counts.len() as f64 / total;
            probability = kept + given_away * probability;
        }
        probability
    }

    /// Cross-entropy in nats of all tokens but the first.
    pub(crate) fn cross_entropy(&self, tokens: &[u32]) -> f64 {
        let nats = (1..tokens.len()).map(|at| -self.probability(&tokens[..at], tokens[at]).ln());
        nats.sum::<f64>() / tokens.len().saturating_sub(1).max(1) as f64
    }
}

impl Level {
    fn new(counts: &BTreeMap<&[u32], u64>) -> Self {
        let mut contexts: BTreeMap<Vec<u32>, Followers> = BTreeMap::new();
        for (sequence, count) in counts {
            let Some((token, context)) = sequence.split_last() else {
                continue;
            };
            let followers = contexts.entry(context.to_vec()).or_default();
            followers.counts.insert(*token, *count);
            followers.total += count;
        }
        let of = |times| counts.values().filter(|count| **count == times).count() as f64;
        let (once, twice) = (of(1), of(2));
        // Where nothing comes once there is nothing to learn about what was not seen.
        let discount = match once + twice > 0.0 {
            true => (once / (once + 2.0 * twice)).clamp(0.1, 0.9),
            false => 0.1,
        };
        Self { contexts, discount }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKENS: [u32; 12] = [0, 1, 2, 0, 1, 3, 0, 2, 2, 0, 1, 2];

    #[test]
    fn probabilities_sum_to_one_after_every_context() {
        for order in 1..=3 {
            let model = Ngram::new(&TOKENS, order, 5);
            for before in [
                &[][..],
                &[0],
                &[1],
                &[4],
                &[0, 1],
                &[2, 2],
                &[4, 1],
                &[1, 0],
            ] {
                let sum: f64 = (0..5).map(|token| model.probability(before, token)).sum();
                assert!((sum - 1.0).abs() < 1e-12, "{order} {before:?}: {sum}");
            }
        }
    }

    #[test]
    fn a_bigram_is_interpolated_with_the_number_of_words_before_a_word() {
        let model = Ngram::new(&TOKENS, 2, 5);
        // Different pairs: 01 12 20 13 30 02 22. Two of them come twice, 01 three times; 13, 30, 02 and 22 once.
        let discount = 4.0 / (4.0 + 2.0 * 2.0);
        // Before 0 are 2 and 3, before 1 is 0, before 2 are 0, 1 and 2, before 3 is 1.
        let lower_discount = 2.0 / (2.0 + 2.0 * 1.0);
        let unigram = (3.0 - lower_discount) / 7.0 + lower_discount * 4.0 / 7.0 / 5.0;
        // After 0 come 1, three times, and 2.
        let expected = (1.0 - discount) / 4.0 + discount * 2.0 / 4.0 * unigram;
        assert!((model.probability(&[3, 0], 2) - expected).abs() < 1e-12);
    }
}
