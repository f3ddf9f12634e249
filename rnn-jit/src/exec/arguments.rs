//! What a caller gives to a call: values, and the shape they have.
//!
//! **Invariant:** a value is the caller's; nothing here outlives the call.

use std::ops::Range;

use rnn_ir::interp::{Data, Tensor};
use rnn_ir::node::{DType, NodeId};

/// The values of an input or a result, row-major `[time axes.., batch, features]`.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// Real numbers.
    Real(&'a [f32]),
    /// Tokens.
    Index(&'a [u32]),
    /// Truth values.
    Bool(&'a [bool]),
}

impl<'a> Value<'a> {
    /// Some of the elements.
    ///
    /// # Panics
    /// If there are not as many.
    #[must_use]
    pub fn slice(self, elements: Range<usize>) -> Value<'a> {
        match self {
            Self::Real(values) => Value::Real(&values[elements]),
            Self::Index(values) => Value::Index(&values[elements]),
            Self::Bool(values) => Value::Bool(&values[elements]),
        }
    }
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Real(values) => values.len(),
            Self::Index(values) => values.len(),
            Self::Bool(values) => values.len(),
        }
    }
    pub(super) fn kind(&self) -> DType {
        match self {
            Self::Real(_) => DType::Real,
            Self::Index(_) => DType::Index,
            Self::Bool(_) => DType::Bool,
        }
    }
}

/// A value that is its own, as compiled code takes it: what the interpreter holds in double precision, rounded.
#[derive(Clone, Debug)]
pub enum OwnedValue {
    /// Real numbers.
    Real(Vec<f32>),
    /// Tokens.
    Index(Vec<u32>),
    /// Truth values.
    Bool(Vec<bool>),
}

impl OwnedValue {
    /// The value of a tensor of the interpreter.
    pub fn new(tensor: &Tensor) -> Self {
        match tensor.data() {
            Data::Real(values) => Self::Real(values.iter().map(|value| *value as f32).collect()),
            Data::Index(values) => Self::Index(values.clone()),
            Data::Bool(values) => Self::Bool(values.clone()),
        }
    }

    /// To be given to a call.
    pub fn value(&self) -> Value<'_> {
        match self {
            Self::Real(values) => Value::Real(values),
            Self::Index(values) => Value::Index(values),
            Self::Bool(values) => Value::Bool(values),
        }
    }
}

/// A named value given to a call.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The node: an input or a parameter.
    pub node: NodeId,
    /// Its value.
    pub value: Value<'a>,
}

/// Some of the examples of a larger batch, whose inputs a call reads where they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartOf {
    /// The first of the call's examples.
    pub first: usize,
    /// Examples of the larger batch.
    pub batch: usize,
}

/// Where the values given to a call are found.
pub trait Arguments {
    /// The value of an input or a parameter, if it is given.
    fn value(&self, node: NodeId) -> Option<Value<'_>>;

    /// Where inputs that vary over the batch have the examples of a larger one; otherwise they have those of the call.
    fn part_of(&self) -> Option<PartOf> {
        None
    }
}

impl Arguments for [Input<'_>] {
    fn value(&self, node: NodeId) -> Option<Value<'_>> {
        let mut given = self.iter();
        given
            .find(|given| given.node == node)
            .map(|given| given.value)
    }
}

impl Arguments for Vec<Input<'_>> {
    fn value(&self, node: NodeId) -> Option<Value<'_>> {
        self.as_slice().value(node)
    }
}

/// How many examples a call has, and how long each is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallShape {
    /// Examples.
    pub batch: usize,
    /// Steps of each time axis, in the order of the axes: the longest example's, or more.
    pub steps: Vec<usize>,
    /// The length of each example on each time axis; empty when all are as long as the axis.
    pub lengths: Vec<Vec<u32>>,
    /// Most bytes that the call may take; a program in segments takes shorter ones to stay below.
    pub limit: Option<usize>,
}
