//! Binding: giving every size parameter of a model its value.
//!
//! **Invariant:** in a bound graph every dim is a constant, and every value of one example at one step has at most
//! [`MAX_ELEMENTS`] elements.

use crate::dim::{Dim, DimError};
use crate::graph::{Graph, Verified};
use crate::node::{NodeId, Shape};
use crate::op::Op;
use crate::verify::{Violation, verify};

/// How many elements a value may have: any offset into it, counted in units of any element kind, fits into `isize`.
pub const MAX_ELEMENTS: i64 = (isize::MAX >> 5) as i64;

/// Why sizes do not fit a model.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BindError {
    /// A size parameter has no value.
    #[error("size `{name}` of model `{model}` has no value; give it one")]
    Missing {
        /// The model.
        model: String,
        /// The parameter.
        name: String,
    },
    /// A value for something that is not a size parameter.
    #[error("model `{model}` has no size `{name}`, expected {}", list(expected))]
    Unknown {
        /// The model.
        model: String,
        /// The name given.
        name: String,
        /// The sizes it has.
        expected: Vec<String>,
    },
    /// Two values for one size parameter.
    #[error("size `{name}` is given twice, as {first} and as {second}")]
    Twice {
        /// The parameter.
        name: String,
        /// Its first value.
        first: usize,
        /// Its second value.
        second: usize,
    },
    /// A size parameter that is zero.
    #[error("size `{name}` is 0, expected at least 1")]
    Zero {
        /// The parameter.
        name: String,
    },
    /// A size that has no value, or none in range.
    #[error("{}: {error}", place(*node, equation.as_deref()))]
    Dim {
        /// The node.
        node: NodeId,
        /// The equation's name.
        equation: Option<String>,
        /// What is wrong with the size.
        error: DimError,
    },
    /// A value with too many elements.
    #[error(
        "{}: a value of shape {shape} = {sizes} has more than {MAX_ELEMENTS} elements",
        place(*node, equation.as_deref())
    )]
    TooLarge {
        /// The node.
        node: NodeId,
        /// The equation's name.
        equation: Option<String>,
        /// Its shape.
        shape: Shape,
        /// Its shape with values.
        sizes: Shape,
    },
    /// A rule that only holds for other sizes, such as a slice that ends past the end.
    #[error("with these sizes the model is not valid: {}", violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Invalid {
        /// What the verifier found.
        violations: Vec<Violation>,
    },
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        return "none".into();
    }
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    format!("one of {}", names.join(", "))
}

fn place(node: NodeId, equation: Option<&str>) -> String {
    match equation {
        Some(equation) => format!("equation `{equation}` ({node})"),
        None => format!("equation without a name ({node})"),
    }
}

/// The model with every size replaced by its value.
///
/// # Errors
/// A size without a value, a value without a size, a size below one, one that overflows, a value with too many
/// elements, or a slice out of range.
pub fn bind(graph: &Verified, sizes: &[(&str, usize)]) -> Result<Verified, BindError> {
    let model = || graph.name.clone();
    for (position, (name, size)) in sizes.iter().enumerate() {
        let name = (*name).to_owned();
        if !graph.sizes.contains(&name) {
            let (model, expected) = (model(), graph.sizes.clone());
            return Err(BindError::Unknown {
                model,
                name,
                expected,
            });
        }
        if let Some((_, first)) = sizes[..position].iter().find(|(other, _)| *other == name) {
            let (first, second) = (*first, *size);
            return Err(BindError::Twice {
                name,
                first,
                second,
            });
        }
        if *size == 0 {
            return Err(BindError::Zero { name });
        }
    }
    let size_of = |wanted: &str| {
        let found = sizes.iter().find(|(name, _)| *name == wanted);
        found.map(|(_, size)| *size)
    };
    if let Some(name) = graph.sizes.iter().find(|name| size_of(name).is_none()) {
        let (model, name) = (model(), name.clone());
        return Err(BindError::Missing { model, name });
    }

    let mut bound: Graph = (**graph).clone();
    bound.sizes.clear();
    for id in graph.nodes.ids() {
        let node = &mut bound.nodes[id];
        let equation = node.name.clone();
        let failed = |error| BindError::Dim {
            node: id,
            equation: equation.clone(),
            error,
        };
        let shape = node.ty.shape.clone();
        for dim in &mut node.ty.shape.0 {
            *dim = dim.bind(&size_of).map_err(failed)?;
        }
        let mut count = Some(1i64);
        for dim in &node.ty.shape.0 {
            count = count
                .zip(dim.as_constant())
                .and_then(|(count, size)| count.checked_mul(size));
        }
        if count.is_none_or(|count| count > MAX_ELEMENTS) {
            return Err(BindError::TooLarge {
                node: id,
                equation: node.name.clone(),
                shape,
                sizes: node.ty.shape.clone(),
            });
        }
        map_dims(&mut node.op, &mut |dim| {
            dim.evaluate(&size_of).map(Dim::constant)
        })
        .map_err(failed)?;
    }
    verify(bound).map_err(|violations| BindError::Invalid { violations })
}

/// Replaces every dim that an op mentions.
pub(crate) fn map_dims<E>(op: &mut Op, f: &mut dyn FnMut(&Dim) -> Result<Dim, E>) -> Result<(), E> {
    match op {
        Op::Expand { dim, .. } | Op::Scatter { dim, .. } => *dim = f(dim)?,
        Op::Slice { start, len, .. } => {
            *start = f(start)?;
            *len = f(len)?;
        }
        Op::Pad { before, after, .. } => {
            *before = f(before)?;
            *after = f(after)?;
        }
        Op::Input { .. }
        | Op::Param { .. }
        | Op::Const(_)
        | Op::Step(_)
        | Op::Length(_)
        | Op::Entries
        | Op::Unary(..)
        | Op::Binary(..)
        | Op::Compare(..)
        | Op::Select(..)
        | Op::StopGradient(_)
        | Op::Mix(..)
        | Op::Uniform(_)
        | Op::Token(_)
        | Op::MatMul(..)
        | Op::Outer(..)
        | Op::Transpose(_)
        | Op::Reduce { .. }
        | Op::Softmax(_)
        | Op::Concat { .. }
        | Op::Gather { .. }
        | Op::ArgMax(_)
        | Op::Broadcast { .. }
        | Op::AxisReduce { .. }
        | Op::Shift { .. }
        | Op::At { .. }
        | Op::Place { .. } => {}
    }
    Ok(())
}
