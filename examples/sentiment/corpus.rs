//! Labelled sentences, from a file or the grammar, and as tokens.

use std::collections::BTreeSet;
use std::fs;

use ndarray::{Array1, Array2};
use rnn::WordVocab;
use rnn::ragged::{lengths, pad};
use rnn::text::split_tail;
use rnn::train::AnyError;

use crate::arguments::Arguments;
use crate::grammar;

/// Sentences of the grammar to test on.
const TESTED: usize = 2000;

/// Words, and what they say.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sentence {
    pub(crate) words: Vec<String>,
    pub(crate) label: String,
}

/// A sentence as tokens.
#[derive(Clone, Debug)]
pub(crate) struct Encoded {
    pub(crate) words: Vec<u32>,
    pub(crate) class: u32,
}

/// Sentences to learn from, to choose by, and to be tested on.
pub(crate) struct Corpus {
    pub(crate) vocabulary: WordVocab,
    pub(crate) classes: Vec<String>,
    pub(crate) training: Vec<Encoded>,
    pub(crate) development: Vec<Encoded>,
    pub(crate) test: Vec<Encoded>,
    /// The words of the test, unknown ones too.
    pub(crate) tested: Vec<Vec<String>>,
    /// The share of the test's labels that can be known, where that is.
    pub(crate) knowable: Option<f64>,
}

impl Corpus {
    pub(crate) fn open(arguments: &Arguments) -> Result<Self, AnyError> {
        let (known, test, knowable) = match &arguments.data {
            Some(path) => {
                let named = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
                let text = fs::read_to_string(path).map_err(|error| named(&error))?;
                let sentences = parse(&text).map_err(|error| named(&error))?;
                let (known, test) = split_tail(&sentences, 0.1)?;
                (known.to_vec(), test.to_vec(), None)
            }
            None => {
                let draw = |count, test| grammar::sentences(count, arguments.seed, test);
                let test = draw(TESTED, true);
                let known = draw(arguments.sentences, false).sentences;
                (known, test.sentences, Some(test.knowable))
            }
        };
        let (training, development) = split_tail(&known, 0.1)?;
        let words = training.iter().flat_map(|own| &own.words);
        let vocabulary = WordVocab::from_words(words.map(String::as_str), arguments.least);
        let classes: BTreeSet<&String> = training.iter().map(|own| &own.label).collect();
        let classes: Vec<String> = classes.into_iter().cloned().collect();
        let encode = |sentences: &[Sentence]| -> Result<Vec<Encoded>, AnyError> {
            let encode = |own: &Sentence| {
                let class = classes.iter().position(|class| *class == own.label);
                let class = class.ok_or_else(|| {
                    format!(
                        "expected one of the labels of training, {}, found `{}`",
                        classes.join(", "),
                        own.label
                    )
                })?;
                Ok(Encoded {
                    words: own
                        .words
                        .iter()
                        .map(|word| vocabulary.token(word))
                        .collect(),
                    class: class as u32,
                })
            };
            sentences.iter().map(encode).collect()
        };
        Ok(Self {
            training: encode(training)?,
            development: encode(development)?,
            tested: test.iter().map(|own| own.words.clone()).collect(),
            test: encode(&test)?,
            classes,
            vocabulary,
            knowable,
        })
    }
}

/// A label, a tab or a comma, and a text a line. Words are in lower case, and signs are words.
fn parse(text: &str) -> Result<Vec<Sentence>, String> {
    let sentence = |(number, line): (usize, &str)| {
        let parts = (line.split_once('\t').or_else(|| line.split_once(',')))
            .map(|(label, text)| (label.trim().trim_matches('"'), words(text)))
            .filter(|(label, words)| !label.is_empty() && !words.is_empty());
        let (label, words) = parts.ok_or_else(|| {
            format!("line {number}: expected a label, a tab or a comma, and a text")
        })?;
        Ok(Sentence {
            words,
            label: label.to_owned(),
        })
    };
    let lines = (1..).zip(text.lines());
    lines
        .filter(|(_, line)| !line.trim().is_empty())
        .map(sentence)
        .collect()
}

fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for part in text.to_lowercase().split_whitespace() {
        let mut rest = part;
        while let Some(first) = rest.chars().next() {
            let is_word = |own: char| own.is_alphanumeric() || own == '\'';
            let end = match is_word(first) {
                true => rest.find(|own| !is_word(own)).unwrap_or(rest.len()),
                false => first.len_utf8(),
            };
            let (word, after) = rest.split_at(end);
            if word != "\"" {
                words.push(word.to_owned());
            }
            rest = after;
        }
    }
    words
}

/// Sentences as a call takes them.
pub(crate) struct Batched {
    /// `[T, B]`.
    pub(crate) words: Array2<u32>,
    pub(crate) class: Array1<u32>,
    pub(crate) lengths: Vec<usize>,
}

impl Batched {
    pub(crate) fn of(sentences: &[Encoded], rows: &[usize]) -> Self {
        let words: Vec<&[u32]> = rows.iter().map(|row| &sentences[*row].words[..]).collect();
        Self {
            words: pad(&words),
            class: rows.iter().map(|row| sentences[*row].class).collect(),
            lengths: lengths(&words),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_a_label_and_a_text() {
        let sentences = parse("good\tIt's fun, really.\n\nbad,\"No, not\"").unwrap();
        assert_eq!(
            sentences[0].words,
            ["it's", "fun", ",", "really", "."].map(str::to_owned)
        );
        assert_eq!(sentences[1].label, "bad");
        assert_eq!(sentences[1].words.join(" "), "no , not");
        let error = parse("good\tfine\nno label").unwrap_err();
        assert_eq!(
            error,
            "line 2: expected a label, a tab or a comma, and a text"
        );
    }
}
