//! Pictures as vectors, and sentences as tokens.

use std::collections::BTreeSet;
use std::fs;

use ndarray::{Array1, Array2, Axis, ShapeError, stack};
use rnn::WordVocab;
use rnn::ragged::{lengths, pad};
use rnn::rng;
use rnn::text::split_tail;
use rnn::train::AnyError;

use crate::arguments::Arguments;
use crate::scenes::Scene;

/// Ends a sentence; no word has it.
pub(crate) const END: &str = "\n";

/// A picture and its sentence, which ends with [`END`].
pub(crate) struct Example {
    pub(crate) picture: Array1<f32>,
    pub(crate) words: Vec<u32>,
}

/// Scenes to learn from, and others for the test, whose sentences the first do not have.
pub(crate) struct Corpus {
    pub(crate) vocabulary: WordVocab,
    pub(crate) training: Vec<Example>,
    pub(crate) test: Vec<Example>,
    /// Whether pictures are drawn, not read.
    pub(crate) drawn: bool,
}

/// A sentence, and what it describes.
type Pair = (String, Array1<f32>);

impl Corpus {
    pub(crate) fn open(arguments: &Arguments) -> Result<Self, AnyError> {
        let (training, test) = match &arguments.data {
            Some(path) => {
                let named = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
                let text = fs::read_to_string(path).map_err(|error| named(&error))?;
                let pairs = parse(&text).map_err(|error| named(&error))?;
                let (training, test) = split_tail(&pairs, 0.1)?;
                (training.to_vec(), test.to_vec())
            }
            None => drawn(arguments)?,
        };
        let words = training
            .iter()
            .flat_map(|(sentence, _)| sentence.split_whitespace());
        let vocabulary = WordVocab::from_words(words.chain([END]), 1);
        let known: BTreeSet<String> = (training.iter())
            .map(|(sentence, _)| sentence.clone())
            .collect();
        let example = |(sentence, picture): Pair| {
            let words = sentence.split_whitespace().chain([END]);
            Example {
                picture,
                words: words.map(|word| vocabulary.token(word)).collect(),
            }
        };
        let held_back = (test.into_iter()).filter(|(sentence, _)| !known.contains(sentence));
        let (training, test) = (
            training.into_iter().map(example).collect(),
            held_back.map(example).collect(),
        );
        Ok(Self {
            training,
            test,
            drawn: arguments.data.is_none(),
            vocabulary,
        })
    }

    /// The sentence of tokens, without its end.
    pub(crate) fn sentence(&self, tokens: &[u32]) -> String {
        let words = tokens
            .iter()
            .map(|token| self.vocabulary.word(*token).unwrap_or("?"));
        words
            .filter(|word| *word != END)
            .collect::<Vec<_>>()
            .join(" ")
    }
}

/// Pictures of nine in ten of all scenes to learn from, as often one as the other, and two of each that is left for the test.
fn drawn(arguments: &Arguments) -> Result<(Vec<Pair>, Vec<Pair>), AnyError> {
    let mut rng = rng::stream(arguments.seed, "scenes", "");
    let scenes = Scene::all(&mut rng);
    let (training, test) = split_tail(&scenes, 0.1)?;
    let mut draw = |scene: &Scene| (scene.words(), scene.draw(&mut rng));
    let often = training.iter().cycle().take(arguments.scenes);
    let training: Vec<Pair> = often.map(&mut draw).collect();
    let twice = test.iter().chain(test).take(arguments.scenes / 10);
    Ok((training, twice.map(&mut draw).collect()))
}

fn parse(text: &str) -> Result<Vec<Pair>, String> {
    let mut pairs: Vec<Pair> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let pair = line.split_once('\t').and_then(|(sentence, numbers)| {
            let numbers = numbers.split_whitespace().map(str::parse);
            let picture = numbers.collect::<Result<Vec<f32>, _>>().ok()?;
            Some((sentence.to_owned(), Array1::from(picture)))
        });
        let expected = pairs.first().map(|(_, picture)| picture.len());
        match pair {
            Some((sentence, picture))
                if !picture.is_empty() && expected.is_none_or(|len| len == picture.len()) =>
            {
                pairs.push((sentence, picture));
            }
            _ => {
                let numbers = expected.map_or_else(String::new, |len| format!("{len} "));
                return Err(format!(
                    "line {number}: expected a sentence, a tab and {numbers}numbers"
                ));
            }
        }
    }
    Ok(pairs)
}

/// Examples as a call takes them.
pub(crate) struct Batched {
    /// `[B, P]`.
    pub(crate) pictures: Array2<f32>,
    /// `[T, B]`.
    pub(crate) words: Array2<u32>,
    pub(crate) lengths: Vec<usize>,
}

impl Batched {
    pub(crate) fn of(examples: &[Example], rows: &[usize]) -> Result<Self, ShapeError> {
        let own: Vec<&Example> = rows.iter().map(|row| &examples[*row]).collect();
        let pictures: Vec<_> = own.iter().map(|example| example.picture.view()).collect();
        let words: Vec<&[u32]> = own.iter().map(|example| &example.words[..]).collect();
        Ok(Self {
            pictures: stack(Axis(0), &pictures)?,
            words: pad(&words),
            lengths: lengths(&words),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_no_scene_is_named() {
        let error = parse("a dog\t1 2.5\na cat\t3").unwrap_err();
        assert_eq!(error, "line 2: expected a sentence, a tab and 2 numbers");
        assert!(parse("a dog").is_err_and(|error| error.contains("a tab and numbers")));
        assert_eq!(
            parse("a dog\t1 2.5"),
            Ok(vec![("a dog".to_owned(), Array1::from(vec![1.0, 2.5]))])
        );
    }
}
