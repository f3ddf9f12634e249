//! Examples of arrays that hold all of them.
//!
//! **Invariant:** once made, every batch of positions below the number of examples can be laid out.

use std::marker::PhantomData;

use ndarray::{ArrayView, ArrayViewD, Axis, Slice};

use super::fingerprint::Fingerprint;
use super::source::{Examples, Ordered, Shuffled, SourceError, TrainingBatch};
use crate::batch::Batch;
use crate::compiled::Compiled;
use crate::model::{InputView, Inputs, Model};
use crate::ragged::LengthBatches;
use crate::signature::Signature;

/// The examples of whole arrays, `[time axes.., examples, features..]`: those that a call would take with all examples at once.
///
/// ```no_run
/// # use rnn_runtime::train::{AnyError, Arrays};
/// # use rnn_runtime::{Model, Run, Trainer};
/// # fn example<'d, M: Model>(trainer: &mut Trainer<M>, inputs: M::Inputs<'d>, targets: M::Targets<'d>, lengths: &'d [usize]) -> Result<(), AnyError> {
/// // `ClassifyInputs { x: x.view() }` and `ClassifyTargets { class: class.view() }`, say.
/// let all = Arrays::new(trainer.model(), inputs, targets)?;
/// let mut source = all.lengths(lengths)?.shuffled(32, 42)?;
/// trainer.fit(&mut source, None, Run::epochs(10))?;
/// # Ok(())
/// # }
/// ```
///
/// A checkpoint knows what the arrays and the lengths were: a run is not taken up after one of their numbers has changed.
///
/// A batch has copies of its examples, as many steps of them as the longest has. Inputs that are the same for all examples are given
/// to every batch. Arrays whose examples come first are given as [`BatchFirst`](crate::BatchFirst).
#[derive(Clone, Debug)]
pub struct Arrays<'d, M: Model> {
    columns: Vec<Column<'d>>,
    count: usize,
    axes: Vec<TimeAxis<'d>>,
    /// Of what it is made.
    model: PhantomData<fn() -> M>,
}

/// An axis of time.
#[derive(Clone, Debug)]
struct TimeAxis<'d> {
    name: String,
    /// Whether the model says how many steps it has.
    fixed: bool,
    /// Of all examples, if they differ.
    lengths: Option<&'d [usize]>,
    /// Of those of the batch.
    own: Vec<usize>,
}

/// An input or a target.
#[derive(Clone, Debug)]
struct Column<'d> {
    name: &'static str,
    target: bool,
    all: InputView<'d>,
    /// Positions of its time axes, which come first.
    axes: Vec<usize>,
    /// Whether examples differ in it.
    batch: bool,
    /// Those of the batch.
    own: Own,
}

#[derive(Clone, Debug, Default)]
struct Own {
    shape: Vec<usize>,
    reals: Vec<f32>,
    tokens: Vec<u32>,
}

impl<'d, M: Model> Arrays<'d, M> {
    /// All examples of these arrays, each as long as they are.
    ///
    /// # Errors
    /// [`SourceError::Array`] for arrays of different numbers of examples, and [`SourceError::Empty`] where there is none.
    pub fn new(
        model: &Compiled<M>,
        inputs: M::Inputs<'d>,
        targets: M::Targets<'d>,
    ) -> Result<Self, SourceError> {
        let signature = &model.inner.signature;
        let mut columns = Vec::new();
        inputs.visit(&mut |name, view| columns.extend(column(signature, name, view, false)));
        targets.visit(&mut |name, view| columns.extend(column(signature, name, view, true)));
        let mut count: Option<(usize, &'static str)> = None;
        for own in columns.iter().filter(|own| own.batch) {
            let shape = own.all.shape();
            let Some(found) = shape.get(own.axes.len()).copied() else {
                return Err(SourceError::Array {
                    name: own.name.to_owned(),
                    reason: format!("expected an axis of examples, found shape {shape:?}"),
                });
            };
            match count {
                Some((expected, first)) if expected != found => {
                    return Err(SourceError::Array {
                        name: own.name.to_owned(),
                        reason: format!(
                            "expected {expected} examples, as `{first}` has, found {found}"
                        ),
                    });
                }
                Some(_) => {}
                None => count = Some((found, own.name)),
            }
        }
        let count = count.map_or(0, |(count, _)| count);
        if count == 0 {
            return Err(SourceError::Empty);
        }
        let axes = signature.axes.iter().map(|axis| TimeAxis {
            name: axis.name.clone(),
            fixed: axis.fixed.is_some(),
            lengths: None,
            own: Vec::new(),
        });
        Ok(Self {
            columns,
            count,
            axes: axes.collect(),
            model: PhantomData,
        })
    }

    /// With the number of steps of each example, for a model with one time axis.
    ///
    /// # Errors
    /// As [`lengths_of`](Self::lengths_of), and for a model with none or several.
    pub fn lengths(self, lengths: &'d [usize]) -> Result<Self, SourceError> {
        match self.axes.as_slice() {
            [only] => {
                let axis = only.name.clone();
                self.lengths_of(&axis, lengths)
            }
            axes => {
                let known: Vec<String> = axes.iter().map(|own| format!("`{}`", own.name)).collect();
                Err(SourceError::Array {
                    name: "lengths".to_owned(),
                    reason: format!(
                        "expected a model with one time axis, found {} ({}); name it by `lengths_of`",
                        known.len(),
                        known.join(", ")
                    ),
                })
            }
        }
    }

    /// With the number of steps of each example along the axis called `axis`.
    ///
    /// # Errors
    /// [`SourceError::Array`] for an axis that the model has not, for another number of lengths than of examples, and for a length
    /// greater than an array has steps.
    pub fn lengths_of(mut self, axis: &str, lengths: &'d [usize]) -> Result<Self, SourceError> {
        let wrong = |reason: String| {
            Err(SourceError::Array {
                name: format!("lengths along `{axis}`"),
                reason,
            })
        };
        let Some(at) = self.axes.iter().position(|own| own.name == axis) else {
            let known: Vec<String> =
                (self.axes.iter().map(|own| format!("`{}`", own.name))).collect();
            return wrong(format!(
                "expected one of the time axes {}",
                known.join(", ")
            ));
        };
        if lengths.len() != self.count {
            return wrong(format!(
                "expected {}, one an example, found {}",
                self.count,
                lengths.len()
            ));
        }
        for column in &self.columns {
            let Some(dim) = column.axes.iter().position(|own| *own == at) else {
                continue;
            };
            let steps = column.all.shape()[dim];
            let long = lengths.iter().position(|length| *length > steps);
            if let Some(example) = long {
                return wrong(format!(
                    "expected at most {steps}, the steps of `{}`, found {} for example {example}",
                    column.name, lengths[example]
                ));
            }
        }
        self.axes[at].lengths = Some(lengths);
        Ok(self)
    }

    /// In batches of at most `batch` examples of like lengths, in another order each pass.
    ///
    /// # Errors
    /// [`SourceError`] when `batch` is 0.
    pub fn shuffled(self, batch: usize, seed: u64) -> Result<Ordered<Self, Shuffled>, SourceError> {
        let batches = self.batches(batch)?;
        Ordered::new::<M>(self, Shuffled::new(batches, seed))
    }

    /// In batches of at most `batch` examples, from the shortest to the longest: to be judged by.
    ///
    /// # Errors
    /// [`SourceError`] when `batch` is 0.
    pub fn in_order(self, batch: usize) -> Result<Ordered<Self, LengthBatches>, SourceError> {
        let batches = self.batches(batch)?;
        Ordered::new::<M>(self, batches)
    }

    // What an input or a target is in the batch.
    fn view(&self, name: &str, target: bool) -> Option<InputView<'_>> {
        let mut columns = self.columns.iter();
        let column = columns.find(|own| own.name == name && own.target == target);
        column.and_then(Column::view)
    }

    fn batches(&self, batch: usize) -> Result<LengthBatches, SourceError> {
        let lengths: Vec<usize> = (0..self.count)
            .map(|row| {
                let own = self.axes.iter().filter_map(|axis| axis.lengths);
                own.map(|lengths| lengths[row]).max().unwrap_or(0)
            })
            .collect();
        LengthBatches::new(&lengths, batch).map_err(SourceError::other)
    }
}

fn column<'d>(
    signature: &Signature,
    name: &'static str,
    all: InputView<'d>,
    target: bool,
) -> Option<Column<'d>> {
    let mut ports = signature.inputs.iter();
    let port = ports.find(|port| port.name == name && port.target == target)?;
    Some(Column {
        name,
        target,
        all,
        axes: port.axes.clone(),
        batch: port.batch,
        own: Own::default(),
    })
}

impl<M: Model> Examples<M> for Arrays<'_, M> {
    fn len(&self) -> usize {
        self.count
    }

    // Of each array and of the lengths.
    fn fingerprints(&self) -> Vec<(String, Fingerprint)> {
        let new = Fingerprint::default;
        let columns = (self.columns.iter()).map(|own| (own.name.to_owned(), new().view(&own.all)));
        let lengths = self.axes.iter().filter_map(|axis| {
            let lengths = axis.lengths?;
            Some((format!("lengths along {}", axis.name), new().sizes(lengths)))
        });
        columns.chain(lengths).collect()
    }

    fn batch(&mut self, rows: &[usize]) -> Result<TrainingBatch<'_, M>, SourceError> {
        if let Some(row) = rows.iter().find(|row| **row >= self.count) {
            return Err(SourceError::Row {
                row: *row,
                examples: self.count,
            });
        }
        for axis in &mut self.axes {
            axis.own.clear();
            let lengths = axis.lengths.unwrap_or_default();
            axis.own
                .extend(rows.iter().filter_map(|row| lengths.get(*row)));
        }
        for column in &mut self.columns {
            column.gather(rows, &self.axes);
        }
        let own: &Self = self;
        let wrong = || SourceError::Array {
            name: M::NAME.to_owned(),
            reason: "expected inputs that can be made anew by `Inputs::from_views`".to_owned(),
        };
        let inputs = M::Inputs::from_views(&mut |name| own.view(name, false)).ok_or_else(wrong)?;
        let targets = M::Targets::from_views(&mut |name| own.view(name, true)).ok_or_else(wrong)?;
        let mut batch = Batch::new(inputs);
        for axis in own.axes.iter().filter(|axis| axis.lengths.is_some()) {
            batch = batch.lengths_of(&axis.name, &axis.own);
        }
        Ok(TrainingBatch::new(batch, targets, rows.len() as u64))
    }
}

impl Column<'_> {
    // Copies what the examples have, up to the longest of them.
    fn gather(&mut self, rows: &[usize], axes: &[TimeAxis<'_>]) {
        if !self.batch {
            return;
        }
        let Own {
            shape,
            reals,
            tokens,
        } = &mut self.own;
        shape.clear();
        shape.extend(self.all.shape());
        shape[self.axes.len()] = rows.len();
        for (dim, axis) in self.axes.iter().enumerate() {
            let axis = &axes[*axis];
            if let (false, Some(longest)) = (axis.fixed, axis.own.iter().max()) {
                shape[dim] = *longest;
            }
        }
        let steps = &shape[..self.axes.len()];
        match &self.all {
            InputView::Real(view) => copy(view.view(), steps, rows, reals),
            InputView::Index(view) => copy(view.view(), steps, rows, tokens),
        }
    }

    fn view(&self) -> Option<InputView<'_>> {
        let Own {
            shape,
            reals,
            tokens,
        } = &self.own;
        let shape = shape.as_slice();
        match &self.all {
            view if !self.batch => Some(view.clone().reborrow()),
            InputView::Real(_) => ArrayView::from_shape(shape, reals)
                .ok()
                .map(InputView::Real),
            InputView::Index(_) => ArrayView::from_shape(shape, tokens)
                .ok()
                .map(InputView::Index),
        }
    }
}

fn copy<A: Copy>(mut view: ArrayViewD<'_, A>, steps: &[usize], rows: &[usize], to: &mut Vec<A>) {
    to.clear();
    for (dim, steps) in steps.iter().enumerate() {
        view.slice_axis_inplace(Axis(dim), Slice::from(..*steps));
    }
    append(&view, steps.len(), rows, to);
}

// Appends the rows of the axis at `at`, for each place along the axes before.
fn append<A: Copy>(view: &ArrayViewD<'_, A>, at: usize, rows: &[usize], to: &mut Vec<A>) {
    if at > 0 {
        for inner in view.outer_iter() {
            append(&inner, at - 1, rows, to);
        }
        return;
    }
    for row in rows {
        let own = view.index_axis(Axis(0), *row);
        match own.as_slice() {
            Some(elements) => to.extend_from_slice(elements),
            None => to.extend(own.iter().copied()),
        }
    }
}
