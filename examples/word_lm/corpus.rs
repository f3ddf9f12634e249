//! The text: read, divided into words, its last fifth held back.
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
}

impl Corpus {
    /// Reads a text in its order, or the paragraphs of this repository in any order: its documents speak of different things.
    pub(crate) fn open(arguments: &Arguments) -> Result<Self, Box<dyn Error>> {
        let paragraphs = match &arguments.data {
            Some(path) => {
                let text = fs::read_to_string(path)
                    .map_err(|error| format!("{}: {error}", path.display()))?;
                paragraphs(&text)
            }
            None => {
                let mut own = own_paragraphs(Path::new(env!("CARGO_MANIFEST_DIR")))?;
                own.shuffle(&mut rng::stream(arguments.seed, "paragraphs", ""));
                own
            }
        };
        let words: Vec<String> = paragraphs.iter().flat_map(|own| words(own)).collect();
        let (training, held_back) = split_tail(&words, 0.2)?;
        let (development, test) = split_tail(held_back, 0.5)?;
        let vocabulary =
            WordVocab::from_words(training.iter().map(String::as_str), arguments.least);
        let encode = |words: &[String]| words.iter().map(|own| vocabulary.token(own)).collect();
        Ok(Self {
            training: encode(training),
            development: encode(development),
            test: encode(test),
            vocabulary,
        })
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

// The paragraphs of documents, and of comments in sources; what is said in several places once, so that the test is new.
fn own_paragraphs(root: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let mut files = Vec::new();
    collect(root, &mut files)?;
    let mut own = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(&file)?;
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
    fn paragraphs_are_comments_without_their_code() {
        let source = "//! One.\n//! | a | table |\n//!\n//! ```\n//! let code = 1;\n//! ```\n\n/// Two,\n/// three.\nfn code() {} // no\n";
        assert_eq!(paragraphs(&comments(source)), ["One. ", "Two, three. "]);
    }
}
