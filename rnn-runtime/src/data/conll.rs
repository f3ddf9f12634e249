//! Tagged words in the format of the CoNLL shared tasks: a word a line, its columns apart by blanks or a tab, a sentence ended by an
//! empty line.
//!
//! ```text
//! -DOCSTART- -X- O O
//!
//! EU   NNP I-NP  I-ORG
//! rejects VBZ I-VP O
//! ```
//!
//! **Invariant:** every sentence has a word, and every word its tag.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use crate::error::FileError;

/// Which columns are read.
///
/// ```no_run
/// use rnn_runtime::data::Conll;
/// use rnn_runtime::text::BioTags;
///
/// let sentences = Conll::default().read("train.conll")?;
/// let tags = BioTags::from_names(sentences.iter().flatten().map(|(_, tag)| tag.as_str()))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conll {
    word: usize,
    tag: Option<usize>,
    tabs: bool,
}

impl Default for Conll {
    /// The word is the first column and the tag the last, apart by blanks or tabs.
    fn default() -> Self {
        Self {
            word: 0,
            tag: None,
            tabs: false,
        }
    }
}

impl Conll {
    /// The column of the word, counted from 0.
    #[must_use]
    pub fn word(mut self, column: usize) -> Self {
        self.word = column;
        self
    }

    /// The column of the tag, counted from 0.
    #[must_use]
    pub fn tag(mut self, column: usize) -> Self {
        self.tag = Some(column);
        self
    }

    /// Columns are apart by single tabs, so that words may contain blanks, and tags too.
    #[must_use]
    pub fn tabs(mut self) -> Self {
        self.tabs = true;
        self
    }

    /// The sentences of a file: words with their tags.
    ///
    /// Lines that begin with `-DOCSTART-` are left out.
    ///
    /// # Errors
    /// [`FileError::Malformed`] names the first line without a word or a tag; [`FileError::Io`] when the system refuses, and for bytes
    /// that are not UTF-8.
    pub fn read(&self, path: impl AsRef<Path>) -> Result<Vec<Vec<(String, String)>>, FileError> {
        let path = path.as_ref();
        let file = File::open(path).map_err(|error| FileError::io("read", path, error))?;
        let (mut sentences, mut sentence) = (Vec::new(), Vec::new());
        for (number, line) in (1..).zip(BufReader::new(file).lines()) {
            let line = line.map_err(|error| FileError::io("read", path, error))?;
            if line.trim().is_empty() || line.starts_with("-DOCSTART-") {
                if !sentence.is_empty() {
                    sentences.push(std::mem::take(&mut sentence));
                }
                continue;
            }
            let columns: Vec<&str> = if self.tabs {
                line.split('\t').map(str::trim).collect()
            } else {
                line.split_whitespace().collect()
            };
            let tag = self.tag.unwrap_or(columns.len() - 1);
            let at = |column: usize| columns.get(column).filter(|own| !own.is_empty());
            match (at(self.word), at(tag)) {
                (Some(word), Some(found)) if tag != self.word => {
                    sentence.push(((*word).to_owned(), (*found).to_owned()));
                }
                _ => {
                    let last = self.tag.map_or("the last column".to_owned(), |tag| {
                        format!("column {}", tag + 1)
                    });
                    let (word, found) = (self.word + 1, columns.len());
                    let reason = format!(
                        "expected a word in column {word} and a tag in {last}, found {found} columns"
                    );
                    return Err(FileError::line(path, number, reason));
                }
            }
        }
        if !sentence.is_empty() {
            sentences.push(sentence);
        }
        Ok(sentences)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn read(conll: Conll, text: &str) -> Result<Vec<Vec<(String, String)>>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.conll");
        fs::write(&path, text).unwrap();
        let folder = format!("{}/", folder.path().display());
        conll
            .read(&path)
            .map_err(|error| error.to_string().replace(&folder, ""))
    }

    fn pair(word: &str, tag: &str) -> (String, String) {
        (word.to_owned(), tag.to_owned())
    }

    #[test]
    fn sentences_end_at_empty_lines_and_documents() {
        let text = "-DOCSTART- -X- O O\n\nEU NNP I-NP I-ORG\r\nrejects VBZ I-VP O\n-DOCSTART- -X- O O\n. . O O\n \t\n\n";
        let expected = [
            vec![pair("EU", "I-ORG"), pair("rejects", "O")],
            vec![pair(".", "O")],
        ];
        assert_eq!(read(Conll::default(), text).unwrap(), expected);
        let parts = read(Conll::default().word(1).tag(2), text).unwrap();
        assert_eq!(parts[0][1], pair("VBZ", "I-VP"));
        assert!(read(Conll::default(), "\n\n").unwrap().is_empty());
    }

    #[test]
    fn tabs_keep_blanks() {
        let found = read(
            Conll::default().tabs(),
            "New York\tB-location,B-product\nis\tO",
        )
        .unwrap();
        assert_eq!(
            found,
            [vec![
                pair("New York", "B-location,B-product"),
                pair("is", "O")
            ]]
        );
    }

    #[test]
    fn a_line_without_a_tag_is_named() {
        for (conll, text, error) in [
            (
                Conll::default(),
                "a O\nword\n",
                "x.conll line 2: expected a word in column 1 and a tag in the last column, found 1 columns",
            ),
            (
                Conll::default().tag(3),
                "a b c\n",
                "x.conll line 1: expected a word in column 1 and a tag in column 4, found 3 columns",
            ),
            (
                Conll::default().tabs(),
                "\tO\n",
                "x.conll line 1: expected a word in column 1 and a tag in the last column, found 2 columns",
            ),
        ] {
            assert_eq!(read(conll, text), Err(error.to_owned()));
        }
    }
}
