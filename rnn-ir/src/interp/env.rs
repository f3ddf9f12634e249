//! What a system of equations is evaluated on: the number of examples, their lengths, inputs and parameters.
//!
//! A value that varies over time axes `t, j` and the batch is a tensor `[T, J, B, features..]`, time axes in the order
//! of the graph, `T` the largest length of the batch. What lies beyond an example's own length is padding and is never
//! read.
//!
//! **Invariant:** [`Extents::new`] has checked every tensor given against its declaration before one is read.

use crate::axis::{AxisId, Domain, Extent};
use crate::graph::Graph;
use crate::id::SideTable;
use crate::interp::Tensor;
use crate::node::{DType, NodeId, Type};
use crate::op::Op;
use std::collections::BTreeMap;

/// The surroundings in which a system is evaluated.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Env {
    /// The number of examples.
    pub batch: usize,
    /// The steps of each example, by the name of the length (`T`).
    pub lengths: BTreeMap<String, Vec<usize>>,
    /// Inputs by name.
    pub inputs: BTreeMap<String, Tensor>,
    /// Parameters by name.
    pub params: BTreeMap<String, Tensor>,
}

impl Env {
    /// Surroundings for so many examples, with nothing given yet.
    pub fn new(batch: usize) -> Self {
        Self {
            batch,
            ..Self::default()
        }
    }

    /// With the lengths of the examples along the axes of this length.
    #[must_use]
    pub fn with_lengths(mut self, name: impl Into<String>, lengths: impl Into<Vec<usize>>) -> Self {
        self.lengths.insert(name.into(), lengths.into());
        self
    }

    /// With an input.
    #[must_use]
    pub fn with_input(mut self, name: impl Into<String>, value: Tensor) -> Self {
        self.inputs.insert(name.into(), value);
        self
    }

    /// With a parameter.
    #[must_use]
    pub fn with_param(mut self, name: impl Into<String>, value: Tensor) -> Self {
        self.params.insert(name.into(), value);
        self
    }
}

/// Why a system cannot be evaluated.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum EvalError {
    /// A size parameter has no value.
    #[error("size of `{name}` is not bound: found shape {shape}")]
    Unbound {
        /// The equation.
        name: String,
        /// Its shape.
        shape: String,
    },
    /// A length is not given.
    #[error("length `{name}` has no value")]
    MissingLengths {
        /// The length.
        name: String,
    },
    /// There is not one length for each example.
    #[error("length `{name}`: expected {expected} examples, found {found}")]
    LengthCount {
        /// The length.
        name: String,
        /// The size of the batch.
        expected: usize,
        /// How many lengths there are.
        found: usize,
    },
    /// An input or a parameter that the result depends on is not given.
    #[error("`{name}` has no value")]
    Missing {
        /// The input or parameter.
        name: String,
    },
    /// An input or a parameter has other dims than declared.
    #[error("`{name}`: expected dims {expected:?}, found {found:?}")]
    Dims {
        /// The input or parameter.
        name: String,
        /// Dims by its declaration, the batch and the lengths.
        expected: Vec<usize>,
        /// Dims given.
        found: Vec<usize>,
    },
    /// An input or a parameter has elements of another kind than declared.
    #[error("`{name}`: expected elements of kind {expected}, found {found}")]
    Kind {
        /// The input or parameter.
        name: String,
        /// The kind declared.
        expected: DType,
        /// The kind given.
        found: DType,
    },
    /// A token that is not below the size it indexes.
    #[error("`{name}`{at}: expected a token below {limit}, found {value}")]
    TokenOutOfRange {
        /// The input, or the equation that computes the token.
        name: String,
        /// The step and the example.
        at: Place,
        /// The token.
        value: u32,
        /// The size it indexes.
        limit: usize,
    },
    /// The value depends on itself.
    #[error("`{name}`{at} depends on itself")]
    Cycle {
        /// The equation.
        name: String,
        /// The step and the example.
        at: Place,
    },
}

/// Where in time, and in which example.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Place {
    /// Index variable and step, from 1, of every time axis that the value varies over.
    pub steps: Vec<(String, usize)>,
    /// The example, from 0, when the value varies over the batch.
    pub example: Option<usize>,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (axis, step) in &self.steps {
            write!(f, ", {axis} = {step}")?;
        }
        match self.example {
            Some(example) => write!(f, ", example {example}"),
            None => Ok(()),
        }
    }
}

/// How far each axis runs, for each example and at most.
pub(crate) struct Extents {
    lengths: SideTable<AxisId, Vec<usize>>,
    longest: SideTable<AxisId, usize>,
}

impl Extents {
    /// Resolves lengths, and checks everything given against its declaration.
    pub(crate) fn new(graph: &Graph, env: &Env) -> Result<Self, EvalError> {
        let mut lengths = SideTable::filled(Vec::new(), graph.axes.len());
        let mut longest = SideTable::filled(env.batch, graph.axes.len());
        for (id, axis) in graph.axes.iter().filter(|(id, _)| id.is_time()) {
            lengths[id] = match &axis.extent {
                Extent::Fixed(steps) => vec![*steps as usize; env.batch],
                Extent::Length(name) => env
                    .lengths
                    .get(name)
                    .cloned()
                    .ok_or_else(|| EvalError::MissingLengths { name: name.clone() })?,
            };
            if lengths[id].len() != env.batch {
                return Err(EvalError::LengthCount {
                    name: axis.name.clone(),
                    expected: env.batch,
                    found: lengths[id].len(),
                });
            }
            longest[id] = match axis.extent {
                Extent::Fixed(steps) => steps as usize,
                Extent::Length(_) => lengths[id].iter().copied().max().unwrap_or(0),
            };
        }
        let extents = Self { lengths, longest };
        for (_, node) in graph.nodes.iter() {
            let (name, given) = match &node.op {
                Op::Input { name, .. } => (name, env.inputs.get(name)),
                Op::Param { name, .. } => (name, env.params.get(name)),
                _ => continue,
            };
            if let Some(given) = given {
                extents.check(name, &node.ty, given)?;
            }
        }
        Ok(extents)
    }

    fn check(&self, name: &str, ty: &Type, given: &Tensor) -> Result<(), EvalError> {
        let expected = self.dims(name, ty)?;
        if given.dims() != expected {
            return Err(EvalError::Dims {
                name: name.to_owned(),
                expected,
                found: given.dims().to_vec(),
            });
        }
        if given.dtype() != ty.dtype {
            return Err(EvalError::Kind {
                name: name.to_owned(),
                expected: ty.dtype,
                found: given.dtype(),
            });
        }
        Ok(())
    }

    /// The dims of a value for the whole batch: time axes, batch, features.
    pub(crate) fn dims(&self, name: &str, ty: &Type) -> Result<Vec<usize>, EvalError> {
        let mut dims: Vec<usize> = outer_axes(ty.domain)
            .map(|axis| self.longest(axis))
            .collect();
        dims.extend(features(name, ty)?);
        Ok(dims)
    }

    /// The steps of an axis for an example, or the most that any has.
    pub(crate) fn length(&self, axis: AxisId, example: Option<usize>) -> usize {
        match example {
            Some(example) => self.lengths[axis][example],
            None => self.longest(axis),
        }
    }

    /// The most steps that an example has; of the batch, its size.
    pub(crate) fn longest(&self, axis: AxisId) -> usize {
        self.longest[axis]
    }
}

/// The axes of a domain in the order of a tensor's dims: time, then the batch.
pub(crate) fn outer_axes(domain: Domain) -> impl Iterator<Item = AxisId> {
    let batch = domain
        .contains(AxisId::BATCH)
        .then_some(AxisId::BATCH)
        .into_iter();
    domain.time_axes().chain(batch)
}

/// The sizes of the feature axes.
pub(crate) fn features(name: &str, ty: &Type) -> Result<Vec<usize>, EvalError> {
    ty.shape.sizes().ok_or_else(|| EvalError::Unbound {
        name: name.to_owned(),
        shape: ty.shape.to_string(),
    })
}

/// What a node is called in messages: the equation it belongs to.
pub(crate) fn name_of(graph: &Graph, id: NodeId) -> String {
    match &graph.nodes[id].name {
        Some(name) => name.clone(),
        None => id.to_string(),
    }
}
