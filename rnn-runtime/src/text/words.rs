//! Vocabularies of words.
//!
//! **Invariant:** token 0 is the word that the vocabulary lacks; the others depend on the words and how often they come, not on
//! their order.

use std::collections::BTreeMap;

/// Words as tokens, the rare ones as token 0.
///
/// ```
/// use rnn_runtime::text::WordVocab;
///
/// let words = WordVocab::from_words("the cat and the dog and the rest".split(' '), 2);
/// assert_eq!(words.len(), 3);
/// assert_eq!(["the", "dog", "and"].map(|word| words.token(word)), [2, 0, 1]);
/// assert_eq!(words.word(2), Some("the"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WordVocab {
    words: Vec<String>,
    tokens: BTreeMap<String, u32>,
}

impl WordVocab {
    /// The token of words that are not in the vocabulary.
    pub const UNKNOWN: u32 = 0;

    /// The words that come at least `least` times, in alphabetical order.
    pub fn from_words<'w>(words: impl IntoIterator<Item = &'w str>, least: usize) -> Self {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for word in words {
            *counts.entry(word).or_default() += 1;
        }
        let kept = counts.into_iter().filter(|(_, count)| *count >= least);
        let words: Vec<String> = kept.map(|(word, _)| word.to_owned()).collect();
        let tokens = words.iter().cloned().zip(1..).collect();
        Self { words, tokens }
    }

    /// Number of tokens, that of unknown words included.
    pub fn len(&self) -> usize {
        self.words.len() + 1
    }

    /// Whether every word is unknown.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The token of a word.
    pub fn token(&self, word: &str) -> u32 {
        self.tokens.get(word).copied().unwrap_or(Self::UNKNOWN)
    }

    /// The word of a token; `None` for that of unknown words and beyond the vocabulary.
    pub fn word(&self, token: u32) -> Option<&str> {
        let index = (token as usize).checked_sub(1)?;
        self.words.get(index).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_do_not_depend_on_the_order_of_the_text() {
        let forward = WordVocab::from_words(["b", "a", "c", "a"], 1);
        assert_eq!(forward, WordVocab::from_words(["a", "a", "c", "b"], 1));
        for word in ["a", "b", "c"] {
            assert_eq!(forward.word(forward.token(word)), Some(word));
        }
        assert_eq!(
            (forward.token("d"), forward.word(0), forward.word(4)),
            (0, None, None)
        );
    }

    #[test]
    fn rare_words_are_unknown() {
        let vocabulary = WordVocab::from_words(["a", "b", "a"], 2);
        assert_eq!(
            (vocabulary.len(), vocabulary.token("b")),
            (2, WordVocab::UNKNOWN)
        );
        assert!(WordVocab::from_words(["a"], 2).is_empty());
    }
}
