//! The text: read, turned into tokens, its last tenth held back.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use rnn::CharVocab;
use rnn::text::split_tail;

use crate::arguments::Arguments;

/// Stands for a character that the training text does not have.
const UNKNOWN: char = '\u{fffd}';

/// Characters of this repository's text: more of it would take longer than one waits for a first look.
const OWN_TEXT: usize = 2_000_000;

/// A text as tokens.
pub(crate) struct Corpus {
    pub(crate) vocabulary: CharVocab,
    pub(crate) training: Vec<u32>,
    pub(crate) validation: Vec<u32>,
}

impl Corpus {
    /// Reads the text.
    pub(crate) fn read(arguments: &Arguments) -> Result<Self, Box<dyn Error>> {
        let text = match &arguments.data {
            Some(path) => {
                fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?
            }
            None => own_text(Path::new(env!("CARGO_MANIFEST_DIR")))?,
        };
        let characters: Vec<char> = text.chars().collect();
        let (training, validation) = split_tail(&characters, 0.1)?;
        let training: String = training.iter().collect();
        let validation: String = validation.iter().collect();
        let known = format!("{training}{UNKNOWN}");
        let vocabulary = CharVocab::from_text(&known).with_unknown(UNKNOWN)?;
        let (training, validation) = (
            vocabulary.encode(&training)?,
            vocabulary.encode(&validation)?,
        );
        Ok(Self {
            vocabulary,
            training,
            validation,
        })
    }
}

/// The sources and documents of this repository, in the order of their paths, as far as [`OWN_TEXT`] goes.
fn own_text(root: &Path) -> Result<String, Box<dyn Error>> {
    let mut files = Vec::new();
    collect(root, &mut files)?;
    files.sort();
    let mut text = String::new();
    for file in files {
        text += &fs::read_to_string(file)?;
    }
    Ok(text.chars().take(OWN_TEXT).collect())
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
