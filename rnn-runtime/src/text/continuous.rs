//! Batches over one long text, for truncated back-propagation through time.
//!
//! A text of `N` tokens has `N - 1` transitions, token `i` to token `i + 1`. They are cut into `B` streams of
//! consecutive transitions, the first `(N - 1) mod B` of them one longer; stream `b` is row `b` of every chunk, and a
//! chunk holds the next `T` transitions of every stream:
//!
//! ```text
//! inputs[t, b]  = token start_b + chunk T + t
//! targets[t, b] = token start_b + chunk T + t + 1
//! ```
//!
//! Carry the state from chunk to chunk; start from the initial state where [`Chunk::starts_pass`] is set.
//!
//! **Invariant:** in one pass every transition appears exactly once, if no longer reach is set. So every token but the last is an input once, and
//! every token but the first is a target once; the first token of stream `b + 1` is also the last target of stream `b`,
//! which is the only place where a stream meets another. Nothing is dropped: the last chunk may have fewer than `T`
//! steps, and streams that end one step early say so in [`Chunk::lengths`].

use std::fmt;
use std::str::FromStr;

use ndarray::{Array2, ArrayView2, Axis, Slice};

use crate::error::{StateTextError, TextError};
use crate::rng::{FNV_BASIS, fnv1a64_from};

/// Cuts `tokens` into training and validation parts, the last `fraction` (rounded down) for validation.
///
/// # Errors
/// [`TextError::Fraction`] unless `fraction` is in `0..1`.
pub fn split_tail<T>(tokens: &[T], fraction: f64) -> Result<(&[T], &[T]), TextError> {
    if !(0.0..1.0).contains(&fraction) {
        return Err(TextError::Fraction { found: fraction });
    }
    let validation = (tokens.len() as f64 * fraction) as usize;
    Ok(tokens.split_at(tokens.len() - validation.min(tokens.len())))
}

/// One chunk of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Chunk<'a> {
    /// Tokens read, `[T, B]`; zero past the length of a row.
    pub inputs: ArrayView2<'a, u32>,
    /// Tokens to predict, `[T, B]`: the inputs shifted by one; zero past the length of a row.
    pub targets: ArrayView2<'a, u32>,
    /// Steps of each row, `T` or, in the last chunk of a pass, one less.
    pub lengths: &'a [usize],
    /// Steps at the front that lie further back than the [reach](ContinuousText::reaching): none where it is not set.
    pub lead_in: usize,
    /// Steps after which the next chunk of the pass starts: all of them where no reach is set.
    pub advance: usize,
    /// Whether this is the first chunk of a pass, so that states start afresh.
    pub starts_pass: bool,
}

/// Batches of `B` parallel streams over one text, in chunks of `T` steps.
///
/// ```
/// use rnn_runtime::ContinuousText;
///
/// let mut text = ContinuousText::new((0..10).collect(), 2, 4)?;
/// while let Some(chunk) = text.next_chunk() {
///     println!("{} -> {}, {:?}", chunk.inputs, chunk.targets, chunk.lengths);
/// }
/// # Ok::<(), rnn_runtime::error::TextError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ContinuousText {
    tokens: Vec<u32>,
    fingerprint: u64,
    steps: usize,
    /// Steps that a gradient reaches back.
    reach: usize,
    next: usize,
    pass: u64,
    inputs: Array2<u32>,
    targets: Array2<u32>,
    lengths: Vec<usize>,
}

impl ContinuousText {
    /// Cuts `tokens` into `batch` streams, read in chunks of `steps`.
    ///
    /// # Errors
    /// [`TextError::EmptyBatch`] when `batch` or `steps` is 0, [`TextError::TooShort`] unless every stream has a
    /// transition, that is `tokens.len() > batch`.
    pub fn new(tokens: Vec<u32>, batch: usize, steps: usize) -> Result<Self, TextError> {
        if batch == 0 || steps == 0 {
            return Err(TextError::EmptyBatch { batch, steps });
        }
        if tokens.len() <= batch {
            return Err(TextError::TooShort {
                tokens: tokens.len(),
                batch,
            });
        }
        // A chunk is never longer than the longest stream, so the buffers are never larger than the text.
        let rows = steps.min((tokens.len() - 1).div_ceil(batch));
        let fingerprint = tokens.iter().fold(FNV_BASIS, |hash, token| {
            fnv1a64_from(hash, &token.to_le_bytes())
        });
        Ok(Self {
            tokens,
            fingerprint,
            steps,
            reach: steps,
            next: 0,
            pass: 0,
            inputs: Array2::zeros((rows, batch)),
            targets: Array2::zeros((rows, batch)),
            lengths: vec![0; batch],
        })
    }

    /// Chunks for gradients that reach back `reach` steps and not as many as a chunk has: truncated back-propagation with
    /// `k1 = steps` and `k2 = reach` (Williams & Peng 1990).
    ///
    /// With a shorter reach the steps before it are the [`Chunk::lead_in`]. With a longer one a chunk starts with steps of those
    /// before it, which are learnt from again, and the next starts after [`Chunk::advance`] of its steps.
    ///
    /// # Errors
    /// [`TextError::EmptyBatch`] when `reach` is 0.
    pub fn reaching(mut self, reach: usize) -> Result<Self, TextError> {
        let batch = self.batch();
        if reach == 0 {
            return Err(TextError::EmptyBatch {
                batch,
                steps: reach,
            });
        }
        let rows = self.steps.max(reach).min(self.longest_stream());
        self.reach = reach;
        self.inputs = Array2::zeros((rows, batch));
        self.targets = Array2::zeros((rows, batch));
        Ok(self)
    }

    /// Steps that a gradient reaches back.
    pub fn reach(&self) -> usize {
        self.reach
    }

    /// Number of streams `B`.
    pub fn batch(&self) -> usize {
        self.lengths.len()
    }

    /// Chunks in one pass.
    pub fn chunks(&self) -> usize {
        self.longest_stream().div_ceil(self.steps)
    }

    /// Tokens predicted in one pass.
    pub fn predictions(&self) -> usize {
        self.tokens.len() - 1
    }

    /// Passes completed, counting those before a resume.
    pub fn passes(&self) -> u64 {
        self.pass
    }

    /// The next chunk, or `None` once at the end of each pass, after which the next pass begins.
    ///
    /// Allocates nothing.
    pub fn next_chunk(&mut self) -> Option<Chunk<'_>> {
        let done = self.next * self.steps;
        let longest = self.longest_stream();
        if done >= longest {
            self.next = 0;
            self.pass = self.pass.saturating_add(1);
            return None;
        }
        let (first, next) = (self.first_row(self.next), self.first_row(self.next + 1));
        let rows = longest.min(done + self.steps) - first;
        for stream in 0..self.lengths.len() {
            let (start, len) = self.stream(stream);
            let count = len.saturating_sub(first).min(rows);
            self.lengths[stream] = count;
            let from = start + first;
            for t in 0..rows {
                let inside = t < count;
                self.inputs[[t, stream]] = if inside { self.tokens[from + t] } else { 0 };
                self.targets[[t, stream]] = if inside { self.tokens[from + t + 1] } else { 0 };
            }
        }
        let starts_pass = self.next == 0;
        self.next += 1;
        Some(Chunk {
            inputs: self.inputs.slice_axis(Axis(0), Slice::from(..rows)),
            targets: self.targets.slice_axis(Axis(0), Slice::from(..rows)),
            lengths: &self.lengths,
            lead_in: rows.saturating_sub(self.reach),
            advance: rows.min(next - first),
            starts_pass,
        })
    }

    /// The step of each stream that a chunk starts with.
    fn first_row(&self, chunk: usize) -> usize {
        let done = chunk * self.steps;
        done.min((done.saturating_add(self.steps)).saturating_sub(self.reach))
    }

    /// The place of the next chunk, to be stored in a checkpoint.
    pub fn cursor(&self) -> TextCursor {
        TextCursor {
            pass: self.pass,
            chunk: self.next as u64,
            batch: self.batch() as u64,
            steps: self.steps as u64,
            fingerprint: self.fingerprint,
        }
    }

    /// Continues from a cursor taken from the same text and batch shape.
    ///
    /// # Errors
    /// [`TextError::Cursor`] tells what differs; the place is unchanged then.
    pub fn resume(&mut self, cursor: &TextCursor) -> Result<(), TextError> {
        let here = self.cursor();
        let pairs = [
            ("text", here.fingerprint, cursor.fingerprint),
            ("number of streams", here.batch, cursor.batch),
            ("number of steps", here.steps, cursor.steps),
        ];
        if let Some(&(what, expected, found)) =
            pairs.iter().find(|(_, expected, found)| expected != found)
        {
            return Err(TextError::Cursor {
                what,
                expected,
                found,
            });
        }
        let chunks = self.chunks() as u64;
        if cursor.chunk > chunks {
            return Err(TextError::Cursor {
                what: "number of chunks",
                expected: chunks,
                found: cursor.chunk,
            });
        }
        self.next = cursor.chunk as usize;
        self.pass = cursor.pass;
        Ok(())
    }

    fn longest_stream(&self) -> usize {
        self.predictions().div_ceil(self.batch())
    }

    /// First transition and number of transitions of a stream.
    fn stream(&self, index: usize) -> (usize, usize) {
        let (len, longer) = (
            self.predictions() / self.batch(),
            self.predictions() % self.batch(),
        );
        (
            index * len + index.min(longer),
            len + usize::from(index < longer),
        )
    }
}

/// A place in a [`ContinuousText`].
///
/// Its text form is five hexadecimal fields: `pass/chunk/batch/steps/fingerprint`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextCursor {
    /// Passes completed.
    pub pass: u64,
    /// The next chunk of the pass.
    pub chunk: u64,
    /// Number of streams.
    pub batch: u64,
    /// Steps per chunk.
    pub steps: u64,
    /// FNV-1a of the tokens, little endian.
    pub fingerprint: u64,
}

impl fmt::Display for TextCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            pass,
            chunk,
            batch,
            steps,
            fingerprint,
        } = self;
        write!(f, "{pass:x}/{chunk:x}/{batch:x}/{steps:x}/{fingerprint:x}")
    }
}

impl FromStr for TextCursor {
    type Err = StateTextError;

    fn from_str(text: &str) -> Result<Self, StateTextError> {
        let bad = || StateTextError::new("text cursor of five hexadecimal fields", text);
        let fields: Vec<u64> = text
            .split('/')
            .map(|field| u64::from_str_radix(field, 16))
            .collect::<Result<_, _>>()
            .map_err(|_| bad())?;
        let &[pass, chunk, batch, steps, fingerprint] = fields.as_slice() else {
            return Err(bad());
        };
        Ok(Self {
            pass,
            chunk,
            batch,
            steps,
            fingerprint,
        })
    }
}

#[cfg(test)]
mod tests;
