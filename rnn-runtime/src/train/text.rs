//! One long text as a source: truncated back-propagation through time.
//!
//! **Invariant:** what the chunks are is decided in [`ContinuousText`] and [`FileText`]; here they become batches of a model.

use ndarray::{ArrayView2, Axis, Slice};

use super::source::{Next, Source, SourceError, Steps, TrainingBatch};
use crate::batch::Batch;
use crate::error::{StateTextError, TextError};
use crate::model::Model;
use crate::text::{Chunk, ContinuousText, FileText};

/// A text that is read chunk by chunk: [`ContinuousText`], which is in memory, or [`FileText`], which is read on the way.
pub trait Chunks {
    /// The next chunk; `None` once at the end of each pass.
    ///
    /// # Errors
    /// [`SourceError`], when it cannot be read.
    fn next_chunk(&mut self) -> Result<Option<Chunk<'_>>, SourceError>;

    /// Chunks of a pass.
    fn chunks(&self) -> u64;

    /// The place of the next chunk, as text.
    fn place(&self) -> String;

    /// Takes up a place.
    ///
    /// # Errors
    /// [`SourceError`] tells what differs from the text that it was taken from; the place is unchanged then.
    fn take_up(&mut self, place: &str) -> Result<(), SourceError>;
}

impl Chunks for ContinuousText {
    fn next_chunk(&mut self) -> Result<Option<Chunk<'_>>, SourceError> {
        Ok(ContinuousText::next_chunk(self))
    }

    fn chunks(&self) -> u64 {
        ContinuousText::chunks(self) as u64
    }

    fn place(&self) -> String {
        format!("{:x}/{}", self.reach(), self.cursor())
    }

    fn take_up(&mut self, place: &str) -> Result<(), SourceError> {
        let bad = || StateTextError::new("cursor of a text of six hexadecimal fields", place);
        let (reach, place) = place.split_once('/').ok_or_else(bad)?;
        let reach = u64::from_str_radix(reach, 16).map_err(|_| bad())?;
        let here = self.reach() as u64;
        if reach != here {
            return Err(SourceError::other(TextError::Cursor {
                what: "number of steps that a gradient reaches back",
                expected: here,
                found: reach,
            }));
        }
        self.resume(&place.parse()?).map_err(SourceError::other)
    }
}

impl Chunks for FileText {
    fn next_chunk(&mut self) -> Result<Option<Chunk<'_>>, SourceError> {
        FileText::next_chunk(self).map_err(SourceError::other)
    }

    fn chunks(&self) -> u64 {
        FileText::chunks(self)
    }

    fn place(&self) -> String {
        self.cursor().to_string()
    }

    fn take_up(&mut self, place: &str) -> Result<(), SourceError> {
        self.resume(&place.parse()?).map_err(SourceError::other)
    }
}

/// The chunks of a text, handed to the inputs and targets of a model.
///
/// ```no_run
/// # use ndarray::ArrayView2;
/// # use rnn_runtime::train::{AnyError, TextSource};
/// # use rnn_runtime::{ContinuousText, Model, Run, Trainer};
/// # fn example<M: Model>(
/// #     trainer: &mut Trainer<M>, tokens: Vec<u32>,
/// #     lay_out: impl for<'a> Fn(ArrayView2<'a, u32>, ArrayView2<'a, u32>) -> (M::Inputs<'a>, M::Targets<'a>),
/// # ) -> Result<(), AnyError> {
/// let text = ContinuousText::new(tokens, 32, 64)?;
/// // |now, next| (CharLmInputs { now }, CharLmTargets { next })
/// let mut source = TextSource::new::<M>(text, lay_out);
/// trainer.fit(&mut source, None, Run::epochs(10))?;
/// # Ok(())
/// # }
/// ```
///
/// A text larger than memory is `FileText::characters("book.txt", vocabulary, 32, 64)?` in the place of the first line.
#[derive(Clone, Debug)]
pub struct TextSource<F, C = ContinuousText> {
    text: C,
    lay_out: F,
    lengths: Lengths,
}

/// Lengths of the parts of a chunk.
#[derive(Clone, Debug, Default)]
struct Lengths {
    lead_in: Vec<usize>,
    learnt: Vec<usize>,
    advance: Vec<usize>,
}

impl<F, C: Chunks> TextSource<F, C> {
    /// The chunks of `text`, each of which `lay_out` makes inputs and targets of: tokens read and tokens to predict, `[T, B]`.
    pub fn new<M: Model>(text: C, lay_out: F) -> Self
    where
        F: for<'a> Fn(ArrayView2<'a, u32>, ArrayView2<'a, u32>) -> (M::Inputs<'a>, M::Targets<'a>),
    {
        Self {
            text,
            lay_out,
            lengths: Lengths::default(),
        }
    }

    /// The text.
    pub fn text(&self) -> &C {
        &self.text
    }
}

impl<M, F, C> Source<M> for TextSource<F, C>
where
    M: Model,
    C: Chunks,
    F: for<'a> Fn(ArrayView2<'a, u32>, ArrayView2<'a, u32>) -> (M::Inputs<'a>, M::Targets<'a>),
{
    fn next(&mut self) -> Result<Option<TrainingBatch<'_, M>>, SourceError> {
        let Some(chunk) = self.text.next_chunk()? else {
            return Ok(None);
        };
        let rows = chunk.inputs.nrows();
        let Lengths {
            lead_in,
            learnt,
            advance,
        } = &mut self.lengths;
        fill(lead_in, &chunk, |len| len.min(chunk.lead_in));
        fill(learnt, &chunk, |len| len.saturating_sub(chunk.lead_in));
        fill(advance, &chunk, |len| len.min(chunk.advance));
        let seen = learnt.iter().sum::<usize>() as u64;
        let lay_out = &self.lay_out;
        let learnt = part::<M>(lay_out, &chunk, chunk.lead_in..rows, learnt);
        let mut batch = TrainingBatch::new(learnt.batch, learnt.targets, seen);
        batch.continues = !chunk.starts_pass;
        if chunk.lead_in > 0 {
            batch.lead_in = Some(part::<M>(lay_out, &chunk, 0..chunk.lead_in, lead_in));
        }
        batch.next = match chunk.advance {
            all if all == rows => Next::AfterAll,
            0 => Next::AtItsStart,
            steps => Next::After(part::<M>(lay_out, &chunk, 0..steps, advance)),
        };
        Ok(Some(batch))
    }

    fn batches(&self) -> Option<u64> {
        Some(self.text.chunks())
    }

    fn cursor(&self) -> String {
        self.text.place()
    }

    fn resume(&mut self, cursor: &str) -> Result<(), SourceError> {
        self.text.take_up(cursor)
    }
}

fn fill(lengths: &mut Vec<usize>, chunk: &Chunk<'_>, of: impl Fn(usize) -> usize) {
    lengths.clear();
    lengths.extend(chunk.lengths.iter().map(|len| of(*len)));
}

// Some steps of a chunk.
fn part<'a, M: Model>(
    lay_out: impl Fn(ArrayView2<'a, u32>, ArrayView2<'a, u32>) -> (M::Inputs<'a>, M::Targets<'a>),
    chunk: &Chunk<'a>,
    rows: std::ops::Range<usize>,
    lengths: &'a [usize],
) -> Steps<'a, M> {
    let of = |mut view: ArrayView2<'a, u32>| {
        view.slice_axis_inplace(Axis(0), Slice::from(rows.clone()));
        view
    };
    let (inputs, targets) = lay_out(of(chunk.inputs), of(chunk.targets));
    Steps {
        batch: Batch::new(inputs).lengths(lengths),
        targets,
    }
}
