//! Sentences with tags, from CoNLL files or the grammar, and as tokens.

use std::fs;
use std::path::{Path, PathBuf};

use ndarray::{Array2, Array3};
use rand::{Rng, RngExt};
use rnn::CharVocab;
use rnn::data::Conll;
use rnn::ragged::pad;
use rnn::text::{BioTags, WordVocab};
use rnn::train::AnyError;

use crate::arguments::Arguments;
use crate::grammar;

/// Words with the names of their tags.
pub(crate) type Sentence = Vec<(String, String)>;

/// Sentences to learn from, to choose by, and to be tested on.
pub(crate) struct Sentences {
    pub(crate) training: Vec<Sentence>,
    pub(crate) development: Vec<Sentence>,
    pub(crate) test: Vec<Sentence>,
}

impl Sentences {
    pub(crate) fn open(arguments: &Arguments) -> Result<Self, AnyError> {
        let Some(folder) = &arguments.data else {
            let draw = |count, name| grammar::sentences(count, arguments.seed, name);
            return Ok(Self {
                training: draw(arguments.sentences, "training"),
                development: draw(arguments.sentences / 4, "development"),
                test: draw(arguments.sentences / 2, "test"),
            });
        };
        let read = |part: &str| -> Result<Vec<Sentence>, AnyError> {
            let mut sentences = Conll::default().tabs().read(find(folder, part)?)?;
            sentences
                .iter_mut()
                .flatten()
                .for_each(|(_, tag)| first_of_several(tag));
            Ok(sentences)
        };
        Ok(Self {
            training: read("train")?,
            development: read("dev")?,
            test: read("test")?,
        })
    }
}

// Of several tags, apart by commas, which annotators could not agree on, the first counts.
fn first_of_several(tag: &mut String) {
    if let Some(end) = tag.find(',') {
        tag.truncate(end);
    }
}

fn find(folder: &Path, part: &str) -> Result<PathBuf, AnyError> {
    let of = |error| format!("{}: {error}", folder.display());
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(of)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.contains(part) && name.ends_with(".conll") {
            paths.push(path);
        }
    }
    paths.sort();
    paths
        .into_iter()
        .next()
        .ok_or_else(|| format!("expected a file `*{part}*.conll` in {}", folder.display()).into())
}

/// Letters of a word that are read: of a longer one the first and the last.
const LETTERS: usize = 16;
/// Of these, the last.
const LAST: usize = 6;
/// Stands for a letter that training has not shown.
const UNKNOWN: char = '\u{fffd}';

/// What is read of each word beside its letters: the word, its prefix and suffix of three characters, all in lower case, and its shape.
pub(crate) const FEATURES: usize = 4;

/// What the tokens of words and their parts are, from the training sentences.
pub(crate) struct Lexicon {
    features: [WordVocab; FEATURES],
    letters: CharVocab,
    pub(crate) tags: BioTags,
}

impl Lexicon {
    pub(crate) fn new(sentences: &Sentences) -> Result<Self, AnyError> {
        let words = || sentences.training.iter().flatten().map(|(word, _)| word);
        let vocabulary = |feature: usize, least| {
            let parts: Vec<String> = words().map(|word| parts(word)[feature].clone()).collect();
            WordVocab::from_words(parts.iter().map(String::as_str), least)
        };
        let names = sentences
            .training
            .iter()
            .flatten()
            .map(|(_, tag)| tag.as_str());
        Ok(Self {
            features: [
                vocabulary(0, 1),
                vocabulary(1, 2),
                vocabulary(2, 2),
                vocabulary(3, 1),
            ],
            letters: CharVocab::from_text(
                &words()
                    .chain([&UNKNOWN.to_string()])
                    .cloned()
                    .collect::<String>(),
            )
            .with_unknown(UNKNOWN)?,
            tags: BioTags::from_names(names)?,
        })
    }

    /// Sizes of the vocabularies.
    pub(crate) fn sizes(&self) -> [usize; FEATURES] {
        self.features.each_ref().map(WordVocab::len)
    }

    /// Size of the alphabet, with what stands where a word has no letter.
    pub(crate) fn letters(&self) -> usize {
        self.letters.len() + 1
    }

    /// How often each word comes.
    pub(crate) fn counts(&self, sentences: &[Encoded]) -> Vec<u32> {
        let mut counts = vec![0; self.features[0].len()];
        for word in sentences.iter().flat_map(|own| &own.features[0]) {
            counts[*word as usize] += 1;
        }
        counts
    }

    // The letters of a word, of which 0 is none.
    fn spell(&self, word: &str) -> Result<[u32; LETTERS], AnyError> {
        let mut letters = [0; LETTERS];
        let mut all = self.letters.encode(word)?;
        if all.len() > LETTERS {
            all.drain(LETTERS - LAST..all.len() - LAST);
        }
        letters
            .iter_mut()
            .zip(all)
            .for_each(|(own, letter)| *own = letter + 1);
        Ok(letters)
    }

    pub(crate) fn encode(&self, sentence: &Sentence) -> Result<Encoded, AnyError> {
        let mut encoded = Encoded::default();
        for (word, tag) in sentence {
            let parts = parts(word);
            for (feature, tokens) in encoded.features.iter_mut().enumerate() {
                tokens.push(self.features[feature].token(&parts[feature]));
            }
            encoded.letters.push(self.spell(word)?);
            // A label that training has not shown cannot be found.
            encoded.tags.push(self.tags.tag(tag)?);
        }
        Ok(encoded)
    }
}

fn parts(word: &str) -> [String; FEATURES] {
    let lower = word.to_lowercase();
    let characters: Vec<char> = lower.chars().collect();
    let prefix = characters.iter().take(3).collect();
    let suffix = characters[characters.len().saturating_sub(3)..]
        .iter()
        .collect();
    [lower, prefix, suffix, shape(word)]
}

// `X` for capitals, `x` for other letters, `9` for digits, the rest as it is; at most two alike in a row.
fn shape(word: &str) -> String {
    let mut shape: Vec<char> = Vec::new();
    for character in word.chars() {
        let kind = match character {
            own if own.is_uppercase() => 'X',
            own if own.is_alphabetic() => 'x',
            own if own.is_numeric() => '9',
            own => own,
        };
        if !(shape.ends_with(&[kind, kind])) {
            shape.push(kind);
        }
    }
    shape.into_iter().take(8).collect()
}

/// A sentence as tokens.
#[derive(Default)]
pub(crate) struct Encoded {
    features: [Vec<u32>; FEATURES],
    letters: Vec<[u32; LETTERS]>,
    pub(crate) tags: Vec<u32>,
}

/// Sentences as a call takes them, `[T, B]`.
pub(crate) struct Batched {
    pub(crate) features: [Array2<u32>; FEATURES],
    /// `[T, C, B]`
    pub(crate) letters: Array3<u32>,
    pub(crate) tags: Array2<u32>,
    pub(crate) lengths: Vec<usize>,
}

impl Batched {
    pub(crate) fn of(sentences: &[Encoded], rows: &[usize]) -> Self {
        let of = |tokens: &dyn Fn(&Encoded) -> Vec<u32>| {
            let own: Vec<Vec<u32>> = rows.iter().map(|row| tokens(&sentences[*row])).collect();
            pad(&own)
        };
        let tags = of(&|own| own.tags.clone());
        let letters = Array3::from_shape_fn((tags.nrows(), LETTERS, rows.len()), |(t, c, b)| {
            sentences[rows[b]].letters.get(t).map_or(0, |word| word[c])
        });
        Self {
            letters,
            features: std::array::from_fn(|feature| of(&|own| own.features[feature].clone())),
            tags,
            lengths: rows.iter().map(|row| sentences[*row].tags.len()).collect(),
        }
    }

    /// Reads words as unknown, the rarer the more often, so that the embedding of unknown words is trained and context counts: one that
    /// comes `n` times in `strength` of `n + strength` cases (Kiperwasser & Goldberg 2016).
    pub(crate) fn forget(&mut self, strength: f64, counts: &[u32], rng: &mut impl Rng) {
        self.features[0].mapv_inplace(|token| {
            let count = f64::from(counts[token as usize]);
            let forgotten = strength > 0.0 && rng.random_bool(strength / (count + strength));
            if forgotten { WordVocab::UNKNOWN } else { token }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_several_tags_counts() {
        for (found, expected) in [("I-location,I-product", "I-location"), ("O", "O")] {
            let mut tag = found.to_owned();
            first_of_several(&mut tag);
            assert_eq!(tag, expected);
        }
    }

    #[test]
    fn a_shape_keeps_two_of_a_kind() {
        assert_eq!(shape("McDonald's"), "XxXxx'x");
        assert_eq!(shape("2017"), "99");
    }
}
