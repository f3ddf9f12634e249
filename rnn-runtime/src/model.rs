//! What the macro says about a model: its equations as text, and the structs that its values travel in.
//!
//! A value of a type that implements [`Model`] holds the sizes. Everything else is found by name: [`Inputs`] hands over
//! views, [`Outputs`] are built from arrays, parameters and states are [`Tensors`].
//!
//! **Invariant:** the names and ranks that a model's structs use are those of its equations.

use ndarray::{ArrayD, ArrayViewD, ArrayViewMutD, IxDyn};

use crate::batch::Batch;
use crate::feedback::Feedback;
use crate::tensors::Tensors;

/// A model written in `rnn!`, with its sizes.
pub trait Model: Copy + Send + Sync + 'static {
    /// Its name.
    const NAME: &'static str;
    /// Its equations, in the text form of the intermediate representation.
    const IR: &'static str;
    /// Its parameters, trained and fixed.
    type Params: Tensors;
    /// What it reads.
    type Inputs<'a>: Inputs<'a>;
    /// What only its loss reads.
    type Targets<'a>: Inputs<'a>;
    /// What inference returns.
    type Outputs: Outputs;
    /// What it carries from one step to the next: for each value `[B, features..]`.
    type State: Tensors;
    /// Its sizes by name, in the order of declaration.
    fn sizes(&self) -> Vec<(&'static str, usize)>;
}

/// The value of an input, of any strides: `[time axes.., B, features..]`.
#[derive(Clone, Debug)]
pub enum InputView<'a> {
    /// Real numbers.
    Real(ArrayViewD<'a, f32>),
    /// Tokens.
    Index(ArrayViewD<'a, u32>),
}

impl<'a> InputView<'a> {
    // The same view for a shorter time, which its type does not say of itself.
    pub(crate) fn reborrow<'b>(self) -> InputView<'b>
    where
        'a: 'b,
    {
        match self {
            Self::Real(view) => InputView::Real(view.reborrow()),
            Self::Index(view) => InputView::Index(view.reborrow()),
        }
    }

    /// The sizes of its axes.
    pub fn shape(&self) -> &[usize] {
        match self {
            Self::Real(view) => view.shape(),
            Self::Index(view) => view.shape(),
        }
    }
}

/// The value of an input that lies row-major: its sizes, and its elements.
#[derive(Clone, Copy, Debug)]
pub enum InputSlice<'s> {
    /// Real numbers.
    Real(&'s [usize], &'s [f32]),
    /// Tokens.
    Index(&'s [usize], &'s [u32]),
}

/// A struct of named views.
///
/// It can be given to a call as it is, when every example is as long as the arrays are, or as a [`Batch`]:
/// `inputs.lengths(&[3, 5, 2])`.
pub trait Inputs<'a>: Sized {
    /// Visits every input in declaration order.
    fn visit(&self, visitor: &mut dyn FnMut(&'static str, InputView<'a>));

    /// Builds a value by asking for every input in declaration order by its name; `None` where there is no view, or one of another
    /// rank or kind than the input.
    fn from_views(take: &mut dyn FnMut(&'static str) -> Option<InputView<'a>>) -> Option<Self>;

    /// Visits every input in declaration order as a slice, which costs less than a view of any rank; answers whether all
    /// were visited. Those before one that is not row-major may have been, so [`visit`](Self::visit) starts from the first.
    fn visit_slices(&self, visitor: &mut dyn FnMut(&'static str, InputSlice<'_>)) -> bool {
        let _ = visitor;
        false
    }

    /// With the number of steps of each example, for a model with one time axis; in any order.
    fn lengths<'b, S>(self, lengths: &'b [usize]) -> Batch<'b, Self, S> {
        Batch::new(self).lengths(lengths)
    }

    /// With the number of steps of each example along the axis called `axis`.
    fn lengths_of<'b, S>(self, axis: &'b str, lengths: &'b [usize]) -> Batch<'b, Self, S> {
        Batch::new(self).lengths_of(axis, lengths)
    }

    /// With a seed for the random numbers of a training step.
    fn seed<'b, S>(self, seed: u64) -> Batch<'b, Self, S> {
        Batch::new(self).seed(seed)
    }

    /// With what the steps of a call with targets read through `feedback`.
    fn feedback<'b, S>(self, feedback: Feedback) -> Batch<'b, Self, S> {
        Batch::new(self).feedback(feedback)
    }

    /// Continuing from a carried state.
    fn state<'b, S>(self, state: &'b S) -> Batch<'b, Self, S> {
        Batch::new(self).state(state)
    }
}

/// The value of an output: `[time axes.., B, features..]`, without the axes that it does not vary over.
#[derive(Clone, Debug, PartialEq)]
pub enum OutputValue {
    /// Real numbers.
    Real(ArrayD<f32>),
    /// Tokens.
    Index(ArrayD<u32>),
}

impl OutputValue {
    /// Its real numbers; tokens are converted.
    pub fn into_real(self) -> ArrayD<f32> {
        match self {
            Self::Real(array) => array,
            Self::Index(array) => array.mapv(|token| token as f32),
        }
    }

    /// Its tokens; an array of zeros for real numbers, which the macro does not ask for.
    pub fn into_index(self) -> ArrayD<u32> {
        match self {
            Self::Index(array) => array,
            Self::Real(array) => ArrayD::zeros(IxDyn(array.shape())),
        }
    }
}

/// An output that is written in place.
#[derive(Debug)]
pub enum OutputViewMut<'a> {
    /// Real numbers.
    Real(ArrayViewMutD<'a, f32>),
    /// Tokens.
    Index(ArrayViewMutD<'a, u32>),
}

/// An output that is written in place, row-major.
#[derive(Debug)]
pub enum OutputSliceMut<'a> {
    /// Real numbers.
    Real(&'a mut [f32]),
    /// Tokens.
    Index(&'a mut [u32]),
}

/// A struct of named arrays.
pub trait Outputs: Sized {
    /// Builds a value by asking for every output in declaration order by its name.
    ///
    /// # Panics
    /// `take` answers with an array of another rank than the field it is for.
    fn from_values(take: &mut dyn FnMut(&str) -> OutputValue) -> Self;

    /// Visits every output in declaration order, to be written in place: so a [`Stream`](crate::Stream) allocates nothing.
    fn visit_mut<'a>(&'a mut self, visitor: &mut dyn FnMut(&str, OutputViewMut<'a>));

    /// As [`visit_mut`](Self::visit_mut), each output as a slice; answers whether all were visited, as
    /// [`Inputs::visit_slices`] does.
    fn visit_slices_mut(&mut self, visitor: &mut dyn FnMut(&str, OutputSliceMut<'_>)) -> bool {
        let _ = visitor;
        false
    }
}
