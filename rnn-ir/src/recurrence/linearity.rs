//! Whether a step is affine in its states, over the reals or over a semiring.
//!
//! Every node of a loop is constant, affine or neither in the states; a product with a constant is affine, a product of two
//! affine values is not. Over a semiring, `+` is its product, and `logsumexp` or `max` its sum.
//!
//! **Invariant:** a value that is affine by these rules is, for all values of the states; a derivative that was stopped is
//! a value like any other.

use crate::graph::Verified;
use crate::id::SideTable;
use crate::node::{DType, NodeId};
use crate::op::{Binary, Op, Over, Reduction, Unary};
use crate::recurrence::loops::Loop;

/// What is added and multiplied in a linear recurrence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Semiring {
    /// Numbers with `+` and `*`.
    Real,
    /// Logarithms of numbers: `logsumexp` for `+`, and `+` for `*`.
    Log,
    /// `max` for `+`, and `+` for `*`: the tropical semiring.
    Max,
}

impl Semiring {
    const ALL: [Self; 3] = [Self::Real, Self::Log, Self::Max];
}

/// Whether a step is affine in its states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linearity {
    /// `s[t] = A[t] s[t-1] + b[t]`, and neither `A` nor `b` reads the states.
    Linear(Semiring),
    /// It is not, as far as can be seen.
    Nonlinear {
        /// The first operation that is not affine.
        at: NodeId,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Degree {
    Constant,
    Affine,
    Higher,
}

pub(super) fn linearity(graph: &Verified, of: &Loop) -> Linearity {
    let mut first = None;
    for semiring in Semiring::ALL {
        match first_higher(graph, of, semiring) {
            None => return Linearity::Linear(semiring),
            // The reals come first: what is not linear there is what a reader asks for.
            Some(at) => _ = first.get_or_insert(at),
        }
    }
    match first {
        Some(at) => Linearity::Nonlinear { at },
        None => Linearity::Linear(Semiring::Real),
    }
}

// The first member that is not affine in the states.
fn first_higher(graph: &Verified, of: &Loop, semiring: Semiring) -> Option<NodeId> {
    let mut degrees = SideTable::filled(Degree::Constant, graph.nodes.len());
    let mut changed = true;
    // More than once where the loop has another inside, whose shifts read later nodes.
    while std::mem::take(&mut changed) {
        for id in &of.members {
            let degree = match of.state(graph, *id) {
                Some(_) => Degree::Affine,
                None => degree(graph, *id, semiring, &|operand| degrees[operand]),
            };
            changed |= degree != degrees[*id];
            degrees[*id] = degree;
        }
    }
    // Where affine operands give what is not.
    let starts = |id: &&NodeId| {
        let most = |operand| degrees[operand].min(Degree::Affine);
        of.state(graph, **id).is_none() && degree(graph, **id, semiring, &most) == Degree::Higher
    };
    of.members.iter().find(starts).copied()
}

fn degree(
    graph: &Verified,
    id: NodeId,
    semiring: Semiring,
    of: &dyn Fn(NodeId) -> Degree,
) -> Degree {
    use Degree::{Constant, Higher};
    let node = &graph.nodes[id];
    let operands = node.op.operands();
    let highest = operands.iter().map(|operand| of(*operand)).max();
    if highest.is_none_or(|highest| highest == Constant) {
        return Constant;
    }
    if node.ty.dtype != DType::Real {
        return Higher;
    }
    // The value of operands that are all affine, and its own where that is affine too.
    let all = highest.unwrap_or(Constant);
    let real = semiring == Semiring::Real;
    let product = |a: NodeId, b: NodeId| match (of(a), of(b)) {
        (Constant, other) | (other, Constant) => other,
        _ => Higher,
    };
    let when = |holds: bool| if holds { all } else { Higher };
    match &node.op {
        Op::Input { .. }
        | Op::Param { .. }
        | Op::Const(_)
        | Op::Step(_)
        | Op::Length(_)
        | Op::Entries => Constant,
        Op::Unary(Unary::Neg, _) => when(real),
        Op::Unary(..) => Higher,
        Op::Binary(Binary::Add, a, b) => match real {
            true => all,
            false => product(*a, *b),
        },
        Op::Binary(Binary::Sub, _, b) => when(real || of(*b) == Constant),
        Op::Binary(Binary::Mul, a, b) => match real {
            true => product(*a, *b),
            false => Higher,
        },
        Op::Binary(Binary::Div, _, b) => when(real && of(*b) == Constant),
        Op::Binary(Binary::Max, ..) => when(semiring == Semiring::Max),
        Op::Binary(Binary::Min, ..) => Higher,
        Op::Compare(..)
        | Op::ArgMax(_)
        | Op::Softmax(_)
        | Op::Mix(..)
        | Op::Uniform(_)
        | Op::Token(_) => Higher,
        Op::Select(condition, ..) => when(of(*condition) == Constant),
        Op::MatMul(a, b) | Op::Outer(a, b) => match real {
            true => product(*a, *b),
            false => Higher,
        },
        Op::Reduce { kind, .. } => when(match kind {
            Reduction::Sum => real,
            Reduction::Max => semiring == Semiring::Max,
            Reduction::LogSumExp => semiring == Semiring::Log,
        }),
        Op::AxisReduce { kind, .. } => when(match kind {
            Over::Sum => real,
            Over::Max => semiring == Semiring::Max,
        }),
        Op::Gather { index, .. } | Op::Scatter { index, .. } => when(of(*index) == Constant),
        Op::StopGradient(_)
        | Op::Transpose(_)
        | Op::Expand { .. }
        | Op::Concat { .. }
        | Op::Slice { .. }
        | Op::Pad { .. }
        | Op::Broadcast { .. }
        | Op::Shift { .. }
        | Op::At { .. }
        | Op::Place { .. } => all,
    }
}
