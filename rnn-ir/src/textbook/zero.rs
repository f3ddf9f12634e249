//! Whether an expression is zero outside an axis, so that `(W.T @ d[t])` one step on may be read `W.T @ d[t+1]`.
//!
//! **Invariant:** yes is proven from the rule that names are zero outside their axes; no may be for want of a rule.

use super::boundary::Outside;
use super::naming::Naming;
use super::view::resolve;
use crate::axis::AxisId;
use crate::node::NodeId;
use crate::op::{Binary, Op, Over, Reduction, Unary};

impl Naming<'_> {
    /// Whether an expression is zero wherever its index, moved by `by` along the axis, is outside it; `inner` is how far
    /// the shifts inside the expression have moved it on. A name is zero outside its axis, unless it has a boundary.
    pub(super) fn vanishes(&self, id: NodeId, axis: AxisId, by: i64, inner: i64) -> bool {
        let id = if self.is_named(id) {
            id
        } else {
            resolve(self.graph, id)
        };
        let node = &self.graph.nodes[id];
        if !node.ty.domain.contains(axis) {
            return false;
        }
        if self.is_named(id) {
            // At least as far outside as the index itself.
            let outside = if by < 0 { inner <= 0 } else { inner >= 0 };
            let side =
                |outside: &Outside| outside.axis == axis && outside.by.signum() == by.signum();
            return outside && !self.boundaries_of(id).any(|(outside, _)| side(&outside));
        }
        let zero = |id: &NodeId| self.vanishes(*id, axis, by, inner);
        match &node.op {
            Op::Unary(unary, x) => match unary {
                Unary::Neg
                | Unary::Abs
                | Unary::Sign
                | Unary::Floor
                | Unary::Sqrt
                | Unary::Sin
                | Unary::Tanh
                | Unary::Relu => zero(x),
                Unary::Exp | Unary::Ln | Unary::Cos | Unary::Sigmoid | Unary::Softplus => false,
            },
            Op::Binary(binary, a, b) => match binary {
                Binary::Add | Binary::Sub | Binary::Min | Binary::Max => zero(a) && zero(b),
                Binary::Mul => zero(a) || zero(b),
                // Nothing divided by nothing is not nothing.
                Binary::Div => zero(a) && !self.graph.nodes[*b].ty.domain.contains(axis),
            },
            Op::MatMul(a, b) | Op::Outer(a, b) => zero(a) || zero(b),
            Op::Select(_, then, otherwise) => zero(then) && zero(otherwise),
            Op::StopGradient(x)
            | Op::Transpose(x)
            | Op::Expand { x, .. }
            | Op::Slice { x, .. }
            | Op::Pad { x, .. }
            | Op::Scatter { x, .. }
            | Op::Gather { table: x, .. }
            | Op::Reduce {
                kind: Reduction::Sum | Reduction::Max,
                x,
                ..
            }
            | Op::AxisReduce {
                kind: Over::Sum, x, ..
            } => zero(x),
            Op::Concat { parts, .. } => parts.iter().all(zero),
            Op::Shift { axis: along, .. } => match self.chain(id) {
                Some(chain) if *along == axis => {
                    self.vanishes(chain.base, axis, by, inner + chain.by)
                }
                Some(chain) => self.vanishes(chain.base, axis, by, inner),
                None => false,
            },
            Op::Input { .. }
            | Op::Param { .. }
            | Op::Const(_)
            | Op::Step(_)
            | Op::Length(_)
            | Op::Entries
            | Op::Mix(..)
            | Op::Uniform(_)
            | Op::Token(_)
            | Op::Compare(..)
            | Op::Reduce {
                kind: Reduction::LogSumExp,
                ..
            }
            | Op::Softmax(_)
            | Op::ArgMax(_)
            | Op::Broadcast { .. }
            | Op::AxisReduce {
                kind: Over::Max, ..
            }
            | Op::At { .. }
            | Op::Place { .. } => false,
        }
    }
}
