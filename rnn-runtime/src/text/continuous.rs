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
mod tests {
    use super::*;

    /// First transition, transitions and advance of each chunk of a pass over one stream.
    fn windows(tokens: u32, steps: usize, reach: usize) -> Vec<(u32, usize, usize, usize)> {
        let text = ContinuousText::new((0..tokens).collect(), 1, steps).unwrap();
        let mut text = text.reaching(reach).unwrap();
        let mut out = Vec::new();
        while let Some(chunk) = text.next_chunk() {
            let rows = chunk.inputs.nrows();
            assert_eq!(chunk.lengths, [rows]);
            out.push((chunk.inputs[[0, 0]], rows, chunk.lead_in, chunk.advance));
        }
        out
    }

    #[test]
    fn a_longer_reach_overlaps_and_a_shorter_one_leads_in() {
        // Ten transitions in chunks of four: 0..4, 4..8, 8..10.
        assert_eq!(
            windows(11, 4, 4),
            [(0, 4, 0, 4), (4, 4, 0, 4), (8, 2, 0, 2)]
        );
        assert_eq!(
            windows(11, 4, 3),
            [(0, 4, 1, 4), (4, 4, 1, 4), (8, 2, 0, 2)]
        );
        assert_eq!(
            windows(11, 4, 6),
            [(0, 4, 0, 2), (2, 6, 0, 4), (6, 4, 0, 4)]
        );
        assert_eq!(
            windows(11, 4, 9),
            [(0, 4, 0, 0), (0, 8, 0, 3), (3, 7, 0, 4)]
        );
        let text = || ContinuousText::new((0..11).collect(), 1, 4).unwrap();
        assert!(text().reaching(0).is_err());
        assert!(text().reaching(usize::MAX).is_ok());
    }

    /// Transitions of one pass per stream, read back from the chunks.
    fn streams(text: &mut ContinuousText) -> Vec<Vec<(u32, u32)>> {
        let mut streams = vec![Vec::new(); text.batch()];
        let mut chunks = 0;
        while let Some(chunk) = text.next_chunk() {
            assert_eq!(chunk.starts_pass, chunks == 0);
            assert_eq!(chunk.inputs.dim(), chunk.targets.dim());
            assert_eq!(
                chunk.inputs.nrows(),
                chunk.lengths.iter().copied().max().unwrap()
            );
            for (stream, transitions) in streams.iter_mut().enumerate() {
                for t in 0..chunk.inputs.nrows() {
                    let pair = (chunk.inputs[[t, stream]], chunk.targets[[t, stream]]);
                    if t < chunk.lengths[stream] {
                        transitions.push(pair);
                    } else {
                        assert_eq!(pair, (0, 0));
                    }
                }
            }
            chunks += 1;
        }
        assert_eq!(chunks, text.chunks());
        streams
    }

    #[test]
    fn one_pass_has_every_transition_exactly_once_and_in_order() {
        for tokens in 2..40_u32 {
            for batch in 1..tokens.min(8) as usize {
                for steps in [1, 2, 3, 5, 7, 100, usize::MAX] {
                    let numbered = (1..=tokens).collect();
                    let mut text = ContinuousText::new(numbered, batch, steps).unwrap();
                    for pass in 0..2 {
                        assert_eq!(text.passes(), pass);
                        let streams = streams(&mut text);
                        let expected: Vec<(u32, u32)> =
                            (1..tokens).map(|token| (token, token + 1)).collect();
                        assert_eq!(
                            streams.concat(),
                            expected,
                            "{tokens} tokens, {batch} streams, {steps} steps"
                        );
                        let lengths: Vec<usize> = streams.iter().map(Vec::len).collect();
                        assert!(lengths.iter().max().unwrap() - lengths.iter().min().unwrap() <= 1);
                    }
                }
            }
        }
    }

    #[test]
    fn a_chunk_is_time_major_and_shifted_by_one() {
        let mut text = ContinuousText::new((10..20).collect(), 2, 3).unwrap();
        let chunk = text.next_chunk().unwrap();
        assert_eq!(chunk.inputs, ndarray::arr2(&[[10, 15], [11, 16], [12, 17]]));
        assert_eq!(
            chunk.targets,
            ndarray::arr2(&[[11, 16], [12, 17], [13, 18]])
        );
        let chunk = text.next_chunk().unwrap();
        assert_eq!(chunk.inputs, ndarray::arr2(&[[13, 18], [14, 0]]));
        assert_eq!(chunk.targets, ndarray::arr2(&[[14, 19], [15, 0]]));
        assert_eq!(chunk.lengths, [2, 1]);
        assert!(!chunk.starts_pass);
        assert!(text.next_chunk().is_none());
        assert!(text.next_chunk().unwrap().starts_pass);
    }

    #[test]
    fn a_cursor_resumes_at_every_place() {
        let tokens: Vec<u32> = (0..50).map(|k| k * k % 17).collect();
        let mut whole = ContinuousText::new(tokens.clone(), 3, 4).unwrap();
        for _ in 0..15 {
            let cursor: TextCursor = whole.cursor().to_string().parse().unwrap();
            let mut resumed = ContinuousText::new(tokens.clone(), 3, 4).unwrap();
            resumed.resume(&cursor).unwrap();
            assert_eq!(resumed.passes(), whole.passes());
            match (whole.next_chunk(), resumed.next_chunk()) {
                (Some(left), Some(right)) => {
                    assert_eq!((left.inputs, left.targets), (right.inputs, right.targets));
                    assert_eq!(
                        (left.lengths, left.starts_pass),
                        (right.lengths, right.starts_pass)
                    );
                }
                (None, None) => {}
                (left, right) => panic!("{left:?} against {right:?}"),
            }
        }
    }

    #[test]
    fn foreign_cursors_are_refused() {
        let mut text = ContinuousText::new((0..50).collect(), 3, 4).unwrap();
        let other = |tokens: u32, batch, steps| {
            ContinuousText::new((0..tokens).collect(), batch, steps).unwrap()
        };
        for (foreign, what) in [
            (other(49, 3, 4), "text"),
            (other(50, 2, 4), "number of streams"),
            (other(50, 3, 5), "number of steps"),
        ] {
            let error = text.resume(&foreign.cursor()).unwrap_err();
            assert!(
                error
                    .to_string()
                    .starts_with(&format!("the cursor belongs to another {what}")),
                "{error}"
            );
        }
        let beyond = TextCursor {
            chunk: 99,
            ..text.cursor()
        };
        assert!(text.resume(&beyond).is_err());
        for bad in ["", "0/0/0/0", "0/0/0/0/g", "0/0/0/0/0/0", "-1/0/0/0/0"] {
            assert!(bad.parse::<TextCursor>().is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_that_cannot_work_are_refused() {
        assert_eq!(
            ContinuousText::new(vec![1, 2, 3], 3, 1)
                .unwrap_err()
                .to_string(),
            "3 tokens cannot fill 3 streams, expected at least 4 tokens; use fewer streams or more text"
        );
        assert!(ContinuousText::new(vec![], 1, 1).is_err());
        assert!(ContinuousText::new(vec![1, 2], 0, 1).is_err());
        assert!(ContinuousText::new(vec![1, 2], 1, 0).is_err());
        assert!(ContinuousText::new(vec![1, 2], usize::MAX, 1).is_err());
    }

    #[test]
    fn validation_is_the_end_of_the_text() {
        let tokens: Vec<u32> = (0..10).collect();
        assert_eq!(split_tail(&tokens, 0.25), Ok((&tokens[..8], &tokens[8..])));
        assert_eq!(split_tail(&tokens, 0.0), Ok((&tokens[..], &tokens[10..])));
        assert!(split_tail(&tokens, 1.0).is_err());
        assert!(split_tail(&tokens, f64::NAN).is_err());
    }
}
