//! Going through a file of characters that need not fit into memory.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use super::PIECE;
use crate::error::{FileTextError, TextError};
use crate::text::CharVocab;

/// Goes through a file from its beginning, a character at a time with its byte offset.
pub(super) fn each_character(
    path: &Path,
    file: &mut File,
    mut each: impl FnMut(u64, char) -> Result<(), TextError>,
) -> Result<(), FileTextError> {
    let io = |error| FileTextError::io("read", path, error);
    file.seek(SeekFrom::Start(0)).map_err(io)?;
    let mut piece = vec![0; PIECE];
    // Bytes of the piece before that are not a whole character yet: at most three.
    let (mut kept, mut offset) = (0, 0_u64);
    loop {
        let read = file.read(&mut piece[kept..]).map_err(io)?;
        let bytes = &piece[..kept + read];
        let (valid, broken) = match std::str::from_utf8(bytes) {
            Ok(_) => (bytes.len(), false),
            Err(error) => (
                error.valid_up_to(),
                error.error_len().is_some() || read == 0,
            ),
        };
        let text = std::str::from_utf8(&bytes[..valid]).unwrap_or_default();
        for (at, character) in text.char_indices() {
            each(offset + at as u64, character)?;
        }
        if broken {
            return Err(FileTextError::NotUtf8 {
                path: path.to_owned(),
                position: offset + valid as u64,
            });
        }
        if read == 0 {
            return Ok(());
        }
        offset += valid as u64;
        kept = bytes.len() - valid;
        piece.copy_within(valid..valid + kept, 0);
    }
}

impl CharVocab {
    /// All characters of a file, which need not fit into memory.
    ///
    /// # Errors
    /// [`FileTextError`] when the system refuses, or the file is not UTF-8.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, FileTextError> {
        let path = path.as_ref();
        let mut file = File::open(path).map_err(|error| FileTextError::io("open", path, error))?;
        let mut characters = std::collections::BTreeSet::new();
        each_character(path, &mut file, |_, character| {
            characters.insert(character);
            Ok(())
        })?;
        Ok(Self::from_sorted(characters.into_iter().collect()))
    }
}
