//! The text: told or read, turned into tokens, a tenth of it held back.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use rnn::CharVocab;
use rnn::text::split_tail;

use crate::arguments::Arguments;
use crate::tales;

/// Stands for a character that the training text does not have.
const UNKNOWN: char = '\u{fffd}';

/// Characters of tales.
const TALES: usize = 1_000_000;
/// Characters that are read of a folder: more would take longer than one waits for a first look.
const FOLDER: usize = 2_000_000;

/// A text as tokens.
pub(crate) struct Corpus {
    pub(crate) vocabulary: CharVocab,
    pub(crate) training: Vec<u32>,
    pub(crate) validation: Vec<u32>,
    /// Bits per character of the validation that nobody could foresee, where that is known.
    pub(crate) entropy: Option<f64>,
}

impl Corpus {
    /// Reads the text, or tells tales.
    pub(crate) fn open(arguments: &Arguments) -> Result<Self, Box<dyn Error>> {
        let Some(path) = &arguments.data else {
            let held_back = TALES / 10;
            let training = tales::tell(TALES - held_back, arguments.seed, "training");
            let validation = tales::tell(held_back, arguments.seed, "validation");
            let characters = validation.text.chars().count() as f64;
            let entropy = Some(validation.bits / characters);
            return Self::of(&training.text, &validation.text, entropy);
        };
        let text = match path.is_dir() {
            true => text_of(path)?,
            false => {
                fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?
            }
        };
        let characters: Vec<char> = text.chars().collect();
        let (training, validation) = split_tail(&characters, 0.1)?;
        let [training, validation] = [training, validation].map(String::from_iter);
        Self::of(&training, &validation, None)
    }

    fn of(training: &str, validation: &str, entropy: Option<f64>) -> Result<Self, Box<dyn Error>> {
        let known = format!("{training}{UNKNOWN}");
        let vocabulary = CharVocab::from_text(&known).with_unknown(UNKNOWN)?;
        Ok(Self {
            training: vocabulary.encode(training)?,
            validation: vocabulary.encode(validation)?,
            vocabulary,
            entropy,
        })
    }
}

/// The sources and documents of a folder, in the order of their paths, as far as [`FOLDER`] goes.
fn text_of(root: &Path) -> Result<String, Box<dyn Error>> {
    let mut files = Vec::new();
    collect(root, &mut files)?;
    files.sort();
    let mut text = String::new();
    for file in files {
        text += &fs::read_to_string(file)?;
    }
    Ok(text.chars().take(FOLDER).collect())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
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
