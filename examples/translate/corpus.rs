//! Pairs of texts as tokens.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;

use ndarray::Array2;
use rnn::CharVocab;
use rnn::ragged::{lengths, pad};
use rnn::text::split_tail;

use crate::arguments::Arguments;
use crate::dates;

/// Ends a translation, and stands for characters that the training pairs do not have. No line has it, and it is the first of all
/// characters that lines have but for a tab, so it is token 0.
pub(crate) const END: char = '\n';

/// A text, and its translation, which ends with [`END`].
pub(crate) struct Pair {
    pub(crate) source: Vec<u32>,
    pub(crate) target: Vec<u32>,
}

/// Pairs to learn from, and others for the test, whose texts the first do not have.
pub(crate) struct Corpus {
    pub(crate) source: CharVocab,
    pub(crate) target: CharVocab,
    pub(crate) training: Vec<Pair>,
    pub(crate) test: Vec<Pair>,
}

impl Corpus {
    pub(crate) fn open(arguments: &Arguments) -> Result<Self, Box<dyn Error>> {
        let pairs = match &arguments.data {
            Some(path) => {
                let text = fs::read_to_string(path)
                    .map_err(|error| format!("{}: {error}", path.display()))?;
                parse(&text).map_err(|error| format!("{}: {error}", path.display()))?
            }
            None => dates::pairs(arguments.pairs + arguments.pairs / 10, arguments.seed),
        };
        let (training, test) = split_tail(&pairs, 1.0 / 11.0)?;
        let all = |part: &dyn Fn(&(String, String)) -> String| -> String {
            training.iter().map(part).collect::<String>() + &END.to_string()
        };
        let source = CharVocab::from_text(&all(&|pair| pair.0.clone())).with_unknown(END)?;
        let target = CharVocab::from_text(&all(&|pair| pair.1.clone())).with_unknown(END)?;
        let known: BTreeSet<&String> = training.iter().map(|(text, _)| text).collect();
        let encode = |(text, translation): &(String, String)| -> Result<Pair, Box<dyn Error>> {
            Ok(Pair {
                source: source.encode(text)?,
                target: target.encode(&format!("{translation}{END}"))?,
            })
        };
        let held_back = test.iter().filter(|(text, _)| !known.contains(text));
        let (training, test) = (
            training.iter().map(encode).collect::<Result<_, _>>()?,
            held_back.map(encode).collect::<Result<_, _>>()?,
        );
        Ok(Self {
            source,
            target,
            training,
            test,
        })
    }
}

fn parse(text: &str) -> Result<Vec<(String, String)>, String> {
    let pair = |(number, line): (usize, &str)| {
        let parts = line
            .split_once('\t')
            .filter(|(source, _)| !source.is_empty());
        let (source, target) = parts.ok_or_else(|| {
            format!(
                "line {}: expected a text, a tab and its translation",
                number + 1
            )
        })?;
        Ok((source.to_owned(), target.to_owned()))
    };
    text.lines().enumerate().map(pair).collect()
}

/// Pairs as a call takes them.
pub(crate) struct Batched {
    /// `[J, B]`.
    pub(crate) source: Array2<u32>,
    pub(crate) source_lengths: Vec<usize>,
    /// The translation, `[T, B]`.
    pub(crate) target: Array2<u32>,
    pub(crate) target_lengths: Vec<usize>,
}

impl Batched {
    pub(crate) fn of(pairs: &[Pair], rows: &[usize]) -> Self {
        let sources: Vec<&[u32]> = rows.iter().map(|row| &pairs[*row].source[..]).collect();
        let targets: Vec<&[u32]> = rows.iter().map(|row| &pairs[*row].target[..]).collect();
        Self {
            source: pad(&sources),
            source_lengths: lengths(&sources),
            target: pad(&targets),
            target_lengths: lengths(&targets),
        }
    }
}
