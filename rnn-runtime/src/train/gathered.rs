//! Examples that two functions lay out: one makes the arrays of a batch, the other names them to the model.
//!
//! **Invariant:** the batch that is lent is the one gathered last.

use std::fmt;
use std::marker::PhantomData;

use super::fingerprint::Fingerprint;
use super::source::{Examples, SourceError, TrainingBatch};
use crate::batch::Batch;
use crate::error::AnyError;
use crate::model::Model;

/// Examples by their position, of which `gather` makes what a batch needs, and `view` lends it to the model.
///
/// ```no_run
/// # use ndarray::{Array1, Array2};
/// # use rnn_runtime::ragged::{LengthBatches, lengths, pad};
/// # use rnn_runtime::train::{AnyError, Gathered, Ordered, Shuffled};
/// # use rnn_runtime::{Batch, Model, Run, Trainer};
/// # type Own = (Array2<u32>, Vec<usize>, Array1<u32>);
/// # fn example<M: Model>(
/// #     trainer: &mut Trainer<M>, texts: &[Vec<u32>], labels: &[u32],
/// #     classify: impl for<'b> Fn(&'b Own) -> (Batch<'b, M::Inputs<'b>, M::State>, M::Targets<'b>),
/// # ) -> Result<(), AnyError> {
/// let examples = Gathered::of::<M>(
///     texts.len(),
///     |rows| {
///         let own: Vec<&[u32]> = rows.iter().map(|row| &texts[*row][..]).collect();
///         Ok((pad(&own), lengths(&own), rows.iter().map(|row| labels[*row]).collect()))
///     },
///     // |(word, lengths, class)| {
///     //     (ClassifyInputs { word: word.view() }.lengths(lengths), ClassifyTargets { class: class.view() })
///     // }
///     classify,
/// );
/// let order = Shuffled::new(LengthBatches::new(&lengths(texts), 32)?, 42);
/// trainer.fit(&mut Ordered::new(examples, order)?, None, Run::epochs(10))?;
/// # Ok(())
/// # }
/// ```
///
/// What `gather` makes should depend on the positions alone: a resumed run repeats batches by asking for the same positions again. That
/// the data are still those of the run is known where they are told by [`made_of`](Gathered::made_of).
/// Arrays that hold all examples need no functions: [`Arrays`](super::Arrays).
pub struct Gathered<M, T, G, V> {
    model: PhantomData<fn() -> M>,
    count: usize,
    gather: G,
    view: V,
    batch: Option<T>,
    fingerprints: Vec<(String, Fingerprint)>,
}

impl<M, T, G, V> Gathered<M, T, G, V> {
    /// Made of data that are called `name`: a run is not taken up with others.
    ///
    /// ```no_run
    /// # use rnn_runtime::train::{Fingerprint, Gathered};
    /// # fn example<M, T, G, V>(examples: Gathered<M, T, G, V>, texts: &[Vec<u32>], labels: &[u32]) {
    /// let own = texts.iter().fold(Fingerprint::default(), |all, text| all.tokens(text));
    /// let examples = examples.made_of("texts", own).made_of("labels", Fingerprint::default().tokens(labels));
    /// # }
    /// ```
    #[must_use]
    pub fn made_of(mut self, name: &str, data: Fingerprint) -> Self {
        self.fingerprints.push((name.to_owned(), data));
        self
    }
}

impl<M, T, G, V> fmt::Debug for Gathered<M, T, G, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gathered")
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

// Of no model yet: the call names it.
impl<T, G, V> Gathered<(), T, G, V> {
    /// So many examples of a model. `gather` may fail with any error.
    pub fn of<M: Model>(count: usize, gather: G, view: V) -> Gathered<M, T, G, V>
    where
        G: FnMut(&[usize]) -> Result<T, AnyError>,
        V: for<'b> Fn(&'b T) -> (Batch<'b, M::Inputs<'b>, M::State>, M::Targets<'b>),
    {
        Gathered {
            model: PhantomData,
            count,
            gather,
            view,
            batch: None,
            fingerprints: Vec::new(),
        }
    }
}

impl<M, T, G, V> Examples<M> for Gathered<M, T, G, V>
where
    M: Model,
    G: FnMut(&[usize]) -> Result<T, AnyError>,
    V: for<'b> Fn(&'b T) -> (Batch<'b, M::Inputs<'b>, M::State>, M::Targets<'b>),
{
    fn len(&self) -> usize {
        self.count
    }

    fn fingerprints(&self) -> Vec<(String, Fingerprint)> {
        self.fingerprints.clone()
    }

    fn batch(&mut self, rows: &[usize]) -> Result<TrainingBatch<'_, M>, SourceError> {
        // The memory of the batch before is free for this one.
        self.batch = None;
        let own = (self.gather)(rows).map_err(SourceError::Other)?;
        let (batch, targets) = (self.view)(self.batch.insert(own));
        Ok(TrainingBatch::new(batch, targets, rows.len() as u64))
    }
}
