//! What a call takes: inputs, and what is known of each example beside them.
//!
//! ```no_run
//! # use rnn_runtime::{Batch, CallError, Compiled, Inputs, Model};
//! # fn example<M: Model>(model: &Compiled<M>, params: M::Params, state: M::State, now: impl Fn() -> M::Inputs<'static>) -> Result<(), CallError> {
//! // `now()` stands for `CharLmInputs { now: tokens.view() }`.
//! model.forward(&params, now())?;
//! model.forward(&params, now().lengths(&[3, 5, 2]))?;
//! model.forward(&params, Batch::new(now()).lengths(&[3, 5, 2]).state(&state))?;
//! # Ok(())
//! # }
//! ```
//!
//! **Invariant:** nothing is checked here; every call checks all of it before anything is computed.

use ndarray::{ArrayView, Dimension};

use crate::feedback::Feedback;
use crate::model::{Inputs, Model};

/// Inputs with lengths, carried state and starts.
///
/// `'b` is how long what is beside the inputs lives; the inputs are free to live longer.
#[derive(Clone, Debug)]
pub struct Batch<'b, I, S> {
    pub(crate) inputs: I,
    pub(crate) state: Option<&'b S>,
    pub(crate) beside: Beside<'b>,
}

/// What is known of the examples beside their inputs and states, which has no types of a model.
#[derive(Clone, Debug, Default)]
pub(crate) struct Beside<'b> {
    pub(crate) lengths: Option<&'b [usize]>,
    pub(crate) lengths_of: LengthsOf<'b>,
    pub(crate) fresh: Option<&'b [bool]>,
    pub(crate) seed: Option<u64>,
    pub(crate) feedback: Feedback,
    /// The steps of axes that nothing given says.
    pub(crate) open_steps: Option<usize>,
}

/// Lengths by the name of their axis.
#[derive(Clone, Debug, Default)]
pub(crate) struct LengthsOf<'b> {
    /// As many as most models have axes, without memory of their own.
    few: [Option<(&'b str, &'b [usize])>; 4],
    more: Vec<(&'b str, &'b [usize])>,
}

impl<'b> LengthsOf<'b> {
    fn set(&mut self, axis: &'b str, lengths: &'b [usize]) {
        let mut known = self.few.iter_mut().flatten().chain(&mut self.more);
        if let Some(own) = known.find(|(known, _)| *known == axis) {
            own.1 = lengths;
            return;
        }
        match self.few.iter_mut().find(|place| place.is_none()) {
            Some(place) => *place = Some((axis, lengths)),
            None => self.more.push((axis, lengths)),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'b str, &'b [usize])> {
        self.few.iter().flatten().chain(&self.more).copied()
    }

    /// Those of an axis.
    pub(crate) fn get(&self, axis: &str) -> Option<&'b [usize]> {
        let own = self.iter().find(|(known, _)| *known == axis);
        own.map(|(_, lengths)| lengths)
    }
}

impl<'b, I, S> Batch<'b, I, S> {
    /// Every example as long as the inputs, and starting here.
    pub fn new(inputs: I) -> Self {
        Self {
            inputs,
            state: None,
            beside: Beside::default(),
        }
    }

    /// The number of steps of each example, for a model with one time axis.
    ///
    /// Examples may come in any order, and a length may be 0: such an example keeps its state and adds no loss.
    #[must_use]
    pub fn lengths(mut self, lengths: &'b [usize]) -> Self {
        self.beside.lengths = Some(lengths);
        self
    }

    /// The number of steps of each example along the axis called `axis`; for models with several time axes, and for
    /// those whose axis no input has.
    #[must_use]
    pub fn lengths_of(mut self, axis: &'b str, lengths: &'b [usize]) -> Self {
        self.beside.lengths_of.set(axis, lengths);
        self
    }

    /// The state that an earlier call ended with: examples continue from it.
    #[must_use]
    pub fn state(mut self, state: &'b S) -> Self {
        self.state = Some(state);
        self
    }

    /// Which examples start here all the same: `true` for those that do not continue from the state.
    #[must_use]
    pub fn fresh(mut self, fresh: &'b [bool]) -> Self {
        self.beside.fresh = Some(fresh);
        self
    }

    /// What the random numbers of a training step are drawn from: another number for every step, such as its number.
    ///
    /// A seed gives the same numbers again, for each example by its position in the batch: for any lengths of the others, any
    /// number of threads and any memory limit. [`loss_and_grad`](crate::Compiled::loss_and_grad) of a model that draws needs
    /// one; evaluation draws nothing.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.beside.seed = Some(seed);
        self
    }

    /// What the steps of a call with targets read through `feedback`.
    #[must_use]
    pub fn feedback(mut self, feedback: Feedback) -> Self {
        self.beside.feedback = feedback;
        self
    }
}

/// Inputs of a model, alone or as a [`Batch`].
pub trait IntoBatch<'a, 'b, M: Model> {
    /// As a batch.
    fn into_batch(self) -> Batch<'b, M::Inputs<'a>, M::State>;
}

impl<'a, 'b, M: Model<Inputs<'a> = I>, I: Inputs<'a>> IntoBatch<'a, 'b, M> for I {
    fn into_batch(self) -> Batch<'b, M::Inputs<'a>, M::State> {
        Batch::new(self)
    }
}

impl<'a, 'b, M, I, S> IntoBatch<'a, 'b, M> for Batch<'b, I, S>
where
    M: Model<Inputs<'a> = I, State = S>,
{
    fn into_batch(self) -> Batch<'b, M::Inputs<'a>, M::State> {
        self
    }
}

/// A view whose examples come first, `[B, T, features..]`, to be given where time comes first: `[T, B, features..]`.
///
/// ```
/// use ndarray::{Array3, ArrayView3};
/// use rnn_runtime::BatchFirst;
///
/// let x = Array3::<f32>::zeros((3, 7, 2));
/// let time_major: ArrayView3<f32> = BatchFirst(x.view()).into();
/// assert_eq!(time_major.shape(), [7, 3, 2]);
/// ```
#[derive(Clone, Debug)]
pub struct BatchFirst<V>(pub V);

impl<'a, A, D: Dimension> BatchFirst<ArrayView<'a, A, D>> {
    /// The same elements with time first; none is copied. A view of fewer than two axes is returned as it is.
    pub fn time_major(self) -> ArrayView<'a, A, D> {
        let mut view = self.0;
        if view.ndim() >= 2 {
            view.swap_axes(0, 1);
        }
        view
    }
}

impl<'a, A, D: Dimension> From<BatchFirst<ArrayView<'a, A, D>>> for ArrayView<'a, A, D> {
    fn from(view: BatchFirst<Self>) -> Self {
        view.time_major()
    }
}
