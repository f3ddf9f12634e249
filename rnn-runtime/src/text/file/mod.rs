//! Batches over a text that need not fit into memory.
//!
//! The division of a text into streams and chunks is that of [`ContinuousText`](super::ContinuousText), of which this gives the same
//! chunks for the same text. Each stream has its place in the file, and a chunk reads the next piece of each.
//!
//! **Invariant:** what is in memory is one chunk and the vocabulary, whatever the size of the file. In one pass every transition of
//! one token to the next appears exactly once.

mod cursor;
mod scan;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use ndarray::{Array2, Axis, Slice};

pub use self::cursor::FileCursor;
use self::scan::each_character;
use super::{CharVocab, Chunk};
use crate::error::{FileTextError, TextError};
use crate::rng::{FNV_BASIS, fnv1a64_from};

/// Bytes that are read at a time while a file is gone through from its beginning.
const PIECE: usize = 1 << 16;

/// What the tokens of a file are.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Tokens {
    Bytes,
    Characters(CharVocab),
}

/// Batches of `B` parallel streams over a file, in chunks of `T` steps.
///
/// Opening goes through the file once for bytes, twice for characters, to find where streams begin and to know the file again.
///
/// ```no_run
/// use rnn_runtime::CharVocab;
/// use rnn_runtime::text::FileText;
///
/// let vocabulary = CharVocab::from_file("book.txt")?;
/// let mut text = FileText::characters("book.txt", vocabulary, 32, 128)?;
/// while let Some(chunk) = text.next_chunk()? {
///     println!("{} steps of {} streams", chunk.inputs.nrows(), chunk.inputs.ncols());
/// }
/// # Ok::<(), rnn_runtime::error::FileTextError>(())
/// ```
#[derive(Debug)]
pub struct FileText {
    path: PathBuf,
    file: File,
    tokens: Tokens,
    steps: usize,
    /// Tokens of the file.
    count: u64,
    fingerprint: u64,
    /// Byte offset of the first token of each stream.
    starts: Vec<u64>,
    /// Byte offset of the first token of each stream that is not read yet.
    offsets: Vec<u64>,
    next: u64,
    pass: u64,
    piece: Vec<u8>,
    inputs: Array2<u32>,
    targets: Array2<u32>,
    lengths: Vec<usize>,
}

impl FileText {
    /// Bytes as tokens, 256 of them.
    ///
    /// # Errors
    /// [`FileTextError`] when the system refuses, when `batch` or `steps` is 0, and when there are fewer tokens than every stream
    /// needs for a transition.
    pub fn bytes(
        path: impl AsRef<Path>,
        batch: usize,
        steps: usize,
    ) -> Result<Self, FileTextError> {
        Self::open(path.as_ref(), Tokens::Bytes, batch, steps)
    }

    /// Characters as tokens.
    ///
    /// # Errors
    /// As [`FileText::bytes`], and for a file that is not UTF-8 or has a character that the vocabulary lacks.
    pub fn characters(
        path: impl AsRef<Path>,
        vocabulary: CharVocab,
        batch: usize,
        steps: usize,
    ) -> Result<Self, FileTextError> {
        Self::open(path.as_ref(), Tokens::Characters(vocabulary), batch, steps)
    }

    fn open(
        path: &Path,
        tokens: Tokens,
        batch: usize,
        steps: usize,
    ) -> Result<Self, FileTextError> {
        if batch == 0 || steps == 0 {
            return Err(TextError::EmptyBatch { batch, steps }.into());
        }
        let mut file = File::open(path).map_err(|error| FileTextError::io("open", path, error))?;
        let mut fingerprint = FNV_BASIS;
        let mut count = 0;
        let piecewise = |fingerprint: &mut u64, bytes: &[u8]| {
            *fingerprint = fnv1a64_from(*fingerprint, bytes);
        };
        match &tokens {
            Tokens::Bytes => {
                let mut piece = vec![0; PIECE];
                loop {
                    let read = file
                        .read(&mut piece)
                        .map_err(|error| FileTextError::io("read", path, error))?;
                    if read == 0 {
                        break;
                    }
                    piecewise(&mut fingerprint, &piece[..read]);
                    count += read as u64;
                }
            }
            Tokens::Characters(vocabulary) => {
                each_character(path, &mut file, |offset, character| {
                    let mut bytes = [0; 4];
                    piecewise(
                        &mut fingerprint,
                        character.encode_utf8(&mut bytes).as_bytes(),
                    );
                    count += 1;
                    // The offset is less than the bytes of a file, and named for a reader.
                    let position = usize::try_from(offset).unwrap_or(usize::MAX);
                    vocabulary.token_or_unknown(character, position).map(drop)
                })?;
            }
        }
        if count <= batch as u64 {
            // No more than the batch.
            let tokens = count as usize;
            return Err(TextError::TooShort { tokens, batch }.into());
        }
        let mut text = Self {
            path: path.to_owned(),
            file,
            tokens,
            steps,
            count,
            fingerprint,
            starts: Vec::with_capacity(batch),
            offsets: Vec::new(),
            next: 0,
            pass: 0,
            piece: Vec::new(),
            inputs: Array2::zeros((0, batch)),
            targets: Array2::zeros((0, batch)),
            lengths: vec![0; batch],
        };
        text.find_starts()?;
        text.offsets = text.starts.clone();
        // A chunk is never longer than the longest stream.
        let rows = text.longest_stream().min(steps as u64) as usize;
        text.inputs = Array2::zeros((rows, batch));
        text.targets = Array2::zeros((rows, batch));
        Ok(text)
    }

    fn find_starts(&mut self) -> Result<(), FileTextError> {
        let firsts: Vec<u64> = (0..self.batch())
            .map(|stream| self.stream(stream).0)
            .collect();
        if self.tokens == Tokens::Bytes {
            self.starts = firsts;
            return Ok(());
        }
        let (mut token, starts) = (0, &mut self.starts);
        each_character(&self.path, &mut self.file, |offset, _| {
            if firsts.get(starts.len()) == Some(&token) {
                starts.push(offset);
            }
            token += 1;
            Ok(())
        })?;
        if self.starts.len() < firsts.len() {
            return Err(self.changed());
        }
        Ok(())
    }

    fn changed(&self) -> FileTextError {
        FileTextError::Changed {
            path: self.path.clone(),
        }
    }

    /// Number of streams `B`.
    pub fn batch(&self) -> usize {
        self.lengths.len()
    }

    /// Chunks in one pass.
    pub fn chunks(&self) -> u64 {
        self.longest_stream().div_ceil(self.steps as u64)
    }

    /// Tokens predicted in one pass.
    pub fn predictions(&self) -> u64 {
        self.count - 1
    }

    /// Passes completed, counting those before a resume.
    pub fn passes(&self) -> u64 {
        self.pass
    }

    /// The next chunk, or `None` once at the end of each pass, after which the next pass begins.
    ///
    /// # Errors
    /// [`FileTextError`] when the system refuses, or the file is not any more what it was when it was opened; the place is unchanged
    /// then.
    pub fn next_chunk(&mut self) -> Result<Option<Chunk<'_>>, FileTextError> {
        let done = self.next * self.steps as u64;
        let longest = self.longest_stream();
        if done >= longest {
            self.next = 0;
            self.pass = self.pass.saturating_add(1);
            self.offsets.clone_from(&self.starts);
            return Ok(None);
        }
        // No more than the steps.
        let rows = (longest - done).min(self.steps as u64) as usize;
        let mut offsets = self.offsets.clone();
        for (stream, offset) in offsets.iter_mut().enumerate() {
            let left = self.stream(stream).1.saturating_sub(done);
            let count = left.min(rows as u64) as usize;
            self.lengths[stream] = count;
            *offset = self.fill(stream, *offset, count, rows)?;
        }
        self.offsets = offsets;
        let starts_pass = self.next == 0;
        self.next += 1;
        Ok(Some(Chunk {
            inputs: self.inputs.slice_axis(Axis(0), Slice::from(..rows)),
            targets: self.targets.slice_axis(Axis(0), Slice::from(..rows)),
            lengths: &self.lengths,
            lead_in: 0,
            advance: rows,
            starts_pass,
        }))
    }

    /// Reads `count` transitions of a stream from `offset` on, and says where its next token to be read begins.
    fn fill(
        &mut self,
        stream: usize,
        offset: u64,
        count: usize,
        rows: usize,
    ) -> Result<u64, FileTextError> {
        let (mut inputs, mut targets) = (
            self.inputs.column_mut(stream),
            self.targets.column_mut(stream),
        );
        for t in count..rows {
            (inputs[t], targets[t]) = (0, 0);
        }
        if count == 0 {
            return Ok(offset);
        }
        let widest = match self.tokens {
            Tokens::Bytes => 1,
            Tokens::Characters(_) => 4,
        };
        self.piece.clear();
        self.file
            .seek(SeekFrom::Start(offset))
            .map_err(|error| FileTextError::io("read", &self.path, error))?;
        (&mut self.file)
            .take((count as u64 + 1) * widest)
            .read_to_end(&mut self.piece)
            .map_err(|error| FileTextError::io("read", &self.path, error))?;
        let changed = || FileTextError::Changed {
            path: self.path.clone(),
        };
        match &self.tokens {
            Tokens::Bytes => {
                let bytes = self.piece.get(..=count).ok_or_else(changed)?;
                for (t, pair) in bytes.windows(2).enumerate() {
                    (inputs[t], targets[t]) = (u32::from(pair[0]), u32::from(pair[1]));
                }
                Ok(offset + count as u64)
            }
            Tokens::Characters(vocabulary) => {
                // The piece may end within a character after the last that is needed.
                let text = match std::str::from_utf8(&self.piece) {
                    Ok(text) => text,
                    Err(error) => {
                        std::str::from_utf8(&self.piece[..error.valid_up_to()]).unwrap_or_default()
                    }
                };
                let mut characters = text.char_indices();
                let mut token = || -> Result<(usize, u32), FileTextError> {
                    let (at, character) = characters.next().ok_or_else(changed)?;
                    let token = vocabulary.token_or_unknown(character, at);
                    Ok((at, token.map_err(|_| changed())?))
                };
                let mut now = token()?;
                for t in 0..count {
                    let next = token()?;
                    (inputs[t], targets[t]) = (now.1, next.1);
                    now = next;
                }
                Ok(offset + now.0 as u64)
            }
        }
    }

    /// The place of the next chunk, to be stored in a checkpoint.
    pub fn cursor(&self) -> FileCursor {
        FileCursor {
            pass: self.pass,
            chunk: self.next,
            batch: self.batch() as u64,
            steps: self.steps as u64,
            fingerprint: self.fingerprint,
            offsets: self.offsets.clone(),
        }
    }

    /// Continues from a cursor taken from the same file, vocabulary and batch shape.
    ///
    /// # Errors
    /// [`TextError::Cursor`] tells what differs; the place is unchanged then.
    pub fn resume(&mut self, cursor: &FileCursor) -> Result<(), TextError> {
        let here = self.cursor();
        for (what, expected, found) in [
            ("text", here.fingerprint, cursor.fingerprint),
            ("number of streams", here.batch, cursor.batch),
            ("number of streams", here.batch, cursor.offsets.len() as u64),
            ("number of steps", here.steps, cursor.steps),
        ] {
            if expected != found {
                return Err(TextError::Cursor {
                    what,
                    expected,
                    found,
                });
            }
        }
        if cursor.chunk > self.chunks() {
            return Err(TextError::Cursor {
                what: "number of chunks",
                expected: self.chunks(),
                found: cursor.chunk,
            });
        }
        self.next = cursor.chunk;
        self.pass = cursor.pass;
        self.offsets.clone_from(&cursor.offsets);
        Ok(())
    }

    fn longest_stream(&self) -> u64 {
        self.predictions().div_ceil(self.batch() as u64)
    }

    /// First transition and number of transitions of a stream.
    fn stream(&self, index: usize) -> (u64, u64) {
        let (index, batch) = (index as u64, self.batch() as u64);
        let (len, longer) = (self.predictions() / batch, self.predictions() % batch);
        (
            index * len + index.min(longer),
            len + u64::from(index < longer),
        )
    }
}
