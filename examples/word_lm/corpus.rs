//! The text: told or read, divided into words, a part of it held back.
//!
//! Words are in lower case; numbers are `N`, as in the Penn Treebank of Mikolov et al. (2010), and every sign is a word. A paragraph
//! ends with a word of its own.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use rand::seq::SliceRandom;
use rnn::WordVocab;
use rnn::rng;
use rnn::text::split_tail;

use crate::arguments::Arguments;
use crate::chronicle;
use crate::world::World;

/// Paragraphs of the chronicle to learn from.
const TRAINING: usize = 2400;
/// Paragraphs to choose the epoch by, and as many to test on.
const HELD_BACK: usize = 300;

/// Ends a paragraph.
const PARAGRAPH: &str = "</p>";
/// Stands for words that are too rare.
const UNKNOWN: &str = "<unk>";

/// A text as tokens.
pub(crate) struct Corpus {
    pub(crate) vocabulary: WordVocab,
    pub(crate) training: Vec<u32>,
    /// Chooses the epoch.
    pub(crate) development: Vec<u32>,
    pub(crate) test: Vec<u32>,
    /// Perplexities of the development and the test part for who knows the grammar and the people, where that is known.
    pub(crate) knowable: Option<[f64; 2]>,
}

impl Corpus {
    /// Tells a chronicle, or reads a text in its order, or the paragraphs of a folder in any order: documents speak of different things.
    pub(crate) fn open(arguments: &Arguments) -> Result<Self, Box<dyn Error>> {
        let Some(path) = &arguments.data else {
            return Ok(Self::told(arguments.seed));
        };
        let paragraphs = match path.is_dir() {
            true => {
                let mut paragraphs = paragraphs_of(path)?;
                paragraphs.shuffle(&mut rng::stream(arguments.seed, "paragraphs", ""));
                paragraphs
            }
            false => {
                let text = fs::read_to_string(path)
                    .map_err(|error| format!("{}: {error}", path.display()))?;
                paragraphs(&text)
            }
        };
        let words: Vec<String> = paragraphs.iter().flat_map(|own| words(own)).collect();
        let (training, held_back) = split_tail(&words, 0.2)?;
        let (development, test) = split_tail(held_back, 0.5)?;
        let vocabulary =
            WordVocab::from_words(training.iter().map(String::as_str), arguments.least);
        Ok(Self::of(vocabulary, [training, development, test]))
    }

    // All names are known words, also of people who are spoken of in the test for the first time.
    fn told(seed: u64) -> Self {
        let world = World::new(seed);
        let parts = [
            ("training", TRAINING),
            ("development", HELD_BACK),
            ("test", HELD_BACK),
        ];
        let told = parts.map(|(name, count)| chronicle::tell(&world, count, seed, name));
        let texts = told.each_ref().map(|own| {
            let paragraphs = paragraphs(&own.text);
            paragraphs.iter().flat_map(|own| words(own)).collect()
        });
        let [training, ..]: &[Vec<String>; 3] = &texts;
        let names: Vec<String> = world.names().map(str::to_lowercase).collect();
        let known = training.iter().chain(&names).map(String::as_str);
        let knowable = [1, 2].map(|at| (told[at].bits / texts[at].len() as f64).exp2());
        Self {
            knowable: Some(knowable),
            ..Self::of(
                WordVocab::from_words(known, 1),
                texts.each_ref().map(Vec::as_slice),
            )
        }
    }

    fn of(vocabulary: WordVocab, parts: [&[String]; 3]) -> Self {
        let [training, development, test] =
            parts.map(|words| words.iter().map(|own| vocabulary.token(own)).collect());
        Self {
            vocabulary,
            training,
            development,
            test,
            knowable: None,
        }
    }

    /// Words as one writes them: no space before a sign that ends something.
    pub(crate) fn sentence(&self, tokens: &[u32]) -> String {
        let mut text = String::new();
        for token in tokens {
            let word = self.vocabulary.word(*token).unwrap_or(UNKNOWN);
            if !text.is_empty() && !matches!(word, "." | "," | ";" | ":" | "!" | "?" | ")" | "]") {
                text.push(' ');
            }
            text += word;
        }
        text
    }

    /// Tokens that a sentence ends with.
    pub(crate) fn ends(&self) -> impl Iterator<Item = u32> {
        [".", "!", "?", PARAGRAPH]
            .map(|end| self.vocabulary.token(end))
            .into_iter()
            .filter(|token| *token != WordVocab::UNKNOWN)
    }
}

/// The words of a paragraph, with its end.
pub(crate) fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    // A space at the end ends the last word.
    for character in text.chars().chain([' ']) {
        let inner = character == '\'' && !word.is_empty();
        if character.is_alphanumeric() || character == '_' || inner {
            word.extend(character.to_lowercase());
            continue;
        }
        if !word.is_empty() {
            let number = word.starts_with(|first: char| first.is_numeric());
            words.push(match number {
                true => "N".to_owned(),
                false => word.trim_end_matches('\'').to_owned(),
            });
            word.clear();
        }
        if !character.is_whitespace() && character != '`' {
            words.push(character.to_string());
        }
    }
    words.push(PARAGRAPH.to_owned());
    words
}

// What is between empty lines, without code between lines of ```, and without tables.
fn paragraphs(text: &str) -> Vec<String> {
    let (mut paragraphs, mut paragraph) = (Vec::new(), String::new());
    let mut code = false;
    for line in text.lines().map(str::trim).chain([""]) {
        if line.starts_with("```") {
            code = !code;
        } else if !code && !line.is_empty() && !line.starts_with('|') {
            paragraph += line;
            paragraph.push(' ');
            continue;
        }
        if !paragraph.is_empty() {
            paragraphs.push(std::mem::take(&mut paragraph));
        }
    }
    paragraphs
}

// The paragraphs of a folder's documents, and of comments in its sources; what is said in several places once, so that the test is new.
fn paragraphs_of(root: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let mut files = Vec::new();
    collect(root, &mut files)?;
    let mut own = BTreeSet::new();
    for file in files {
        let text =
            fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        own.extend(match file.extension().is_some_and(|end| end == "rs") {
            true => paragraphs(&comments(&text)),
            false => paragraphs(&text),
        });
    }
    Ok(own.into_iter().collect())
}

// Lines of comments without their marks; an empty line stands for code between them.
fn comments(source: &str) -> String {
    let lines = source.lines().map(|line| {
        let comment = line.trim_start().strip_prefix("//");
        comment.map_or("", |text| text.trim_start_matches(['/', '!']))
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with('.') || name == "target" {
            continue;
        }
        if path.is_dir() {
            collect(&path, files)?;
        } else if name.ends_with(".rs") || name.ends_with(".md") {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_in_lower_case_and_signs_are_words() {
        let expected = "it's over - N steps ( of W' ) . </p>".replace("W'", "w_hh");
        assert_eq!(words("It's over-90 steps (of `W_hh`).").join(" "), expected);
    }

    #[test]
    fn the_chronicle_is_that_of_the_figures() {
        let corpus = Corpus::told(42);
        let lengths = [&corpus.training, &corpus.development, &corpus.test].map(Vec::len);
        assert_eq!(lengths, [118_327, 15_356, 14_875]);
        assert_eq!(corpus.vocabulary.len(), 1887);
        // Nobody is unknown.
        assert!(!corpus.test.contains(&WordVocab::UNKNOWN));
        let [_, test] = corpus.knowable.unwrap();
        assert!((test - 2.552).abs() < 5e-4, "{test}");
        assert_ne!(Corpus::told(43).test, corpus.test);
    }

    #[test]
    fn paragraphs_are_comments_without_their_code() {
        let source = "//! One.\n//! | a | table |\n//!\n//! ```\n//! let code = 1;\n//! ```\n\n/// Two,\n/// three.\nfn code() {} // no\n";
        assert_eq!(paragraphs(&comments(source)), ["One. ", "Two, three. "]);
    }
}
