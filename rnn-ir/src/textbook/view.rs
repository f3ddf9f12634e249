//! What a node stands for on paper: itself, its operand, or a function that is a composition of primitives.
//!
//! **Invariant:** a view is exact: read back as the language reads it, it is the value of the node.

use super::drawn::{Drawn, drawn};
use crate::axis::{AxisId, Domain};
use crate::graph::Graph;
use crate::node::NodeId;
use crate::op::{Binary, Op, Over, Reduction, Unary};

/// What is printed for a node without a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    /// The primitive.
    Plain,
    /// Its operand: repeating a scalar and not varying over an axis are not shown.
    Same(NodeId),
    /// `mean[t](x)`
    MeanOver(AxisId, NodeId),
    /// `softmax[t](x)`
    SoftmaxOver(AxisId, NodeId),
    /// `logsumexp[t](x)`
    LogSumExpOver(AxisId, NodeId),
    /// `mean(x)`
    Mean(NodeId),
    /// `cross_entropy(logits, target)`
    CrossEntropy(NodeId, NodeId),
    /// `dropout(x, 0.2)`, and what else is drawn.
    Drawn(Drawn),
}

/// Looks through nodes without a name that are printed as their operand.
pub(super) fn resolve(graph: &Graph, mut id: NodeId) -> NodeId {
    while graph.nodes[id].name.is_none()
        && let Some(operand) = same(graph, id)
    {
        id = operand;
    }
    id
}

/// The operand, of a node that is printed as its operand.
pub(super) fn same(graph: &Graph, id: NodeId) -> Option<NodeId> {
    match graph.nodes[id].op {
        Op::Broadcast { x, .. } => Some(x),
        Op::Expand { x, .. } => is_repeated_scalar(graph, x).then_some(x),
        _ => None,
    }
}

// Values of more axes than this are not looked through.
const MAX_RANK: usize = 8;

// A scalar, or a scalar that was repeated already.
fn is_repeated_scalar(graph: &Graph, mut id: NodeId) -> bool {
    for _ in 0..MAX_RANK {
        match graph.nodes[id].op {
            Op::Expand { x, .. } => id = x,
            _ => return graph.nodes[id].ty.shape.is_scalar(),
        }
    }
    false
}

/// What is printed for a node.
pub(super) fn view(graph: &Graph, id: NodeId) -> View {
    if let Some(operand) = same(graph, id) {
        return View::Same(operand);
    }
    if let Some(drawn) = drawn(graph, id) {
        return View::Drawn(drawn);
    }
    let seen = Seen(graph);
    match graph.nodes[id].op {
        Op::Binary(Binary::Div, a, b) => seen.quotient(a, b),
        Op::Binary(Binary::Add, a, b) => seen.log_of_sum(a, b),
        Op::Binary(Binary::Sub, a, b) => seen.difference(a, b),
        _ => None,
    }
    .unwrap_or(View::Plain)
}

// Reads operands, looking through what is not shown; a named node is a value of its own.
struct Seen<'g>(&'g Graph);

impl Seen<'_> {
    fn op(&self, id: NodeId) -> Option<&Op> {
        let node = &self.0.nodes[resolve(self.0, id)];
        node.name.is_none().then_some(&node.op)
    }

    fn is(&self, a: NodeId, b: NodeId) -> bool {
        resolve(self.0, a) == resolve(self.0, b)
    }

    fn is_one(&self, id: NodeId) -> bool {
        matches!(self.op(id), Some(Op::Const(number)) if number.0 == 1.0)
    }

    // `kind[axis](x)` over one time axis.
    fn over(&self, id: NodeId, wanted: Over) -> Option<(AxisId, NodeId)> {
        let Op::AxisReduce { kind, x, axes } = *self.op(id)? else {
            return None;
        };
        let axis = axes.axes().next()?;
        (kind == wanted && axis.is_time() && axes == Domain::of(axis)).then_some((axis, x))
    }

    // `e^(x - m)`, where `m` is the largest `x` over an axis.
    fn shifted_exp(&self, id: NodeId) -> Option<(AxisId, NodeId)> {
        let Op::Unary(Unary::Exp, difference) = *self.op(id)? else {
            return None;
        };
        let Op::Binary(Binary::Sub, x, largest) = *self.op(difference)? else {
            return None;
        };
        let (axis, of) = self.largest(largest)?;
        self.is(of, x).then_some((axis, x))
    }

    fn largest(&self, id: NodeId) -> Option<(AxisId, NodeId)> {
        let Op::StopGradient(largest) = *self.op(id)? else {
            return None;
        };
        self.over(largest, Over::Max)
    }

    fn quotient(&self, a: NodeId, b: NodeId) -> Option<View> {
        if let Some((axis, x)) = self.shifted_exp(a) {
            let (over, summed) = self.over(b, Over::Sum)?;
            return (over == axis && self.is(summed, a)).then_some(View::SoftmaxOver(axis, x));
        }
        if let Some((axis, x)) = self.over(a, Over::Sum) {
            let Op::Binary(Binary::Max, length, one) = *self.op(b)? else {
                return None;
            };
            let own = matches!(self.op(length)?, Op::Length(of) if *of == axis);
            return (own && self.is_one(one)).then_some(View::MeanOver(axis, x));
        }
        let sum = |id: NodeId| match *self.op(id)? {
            Op::Reduce {
                kind: Reduction::Sum,
                x,
                at,
            } => (at + 1 == self.0.nodes[x].ty.shape.rank()).then_some(x),
            _ => None,
        };
        let (x, ones) = (sum(a)?, sum(b)?);
        let last = |id: NodeId| self.0.nodes[id].ty.shape.0.last();
        (self.is_one(ones) && last(x) == last(ones)).then_some(View::Mean(x))
    }

    fn log_of_sum(&self, a: NodeId, b: NodeId) -> Option<View> {
        let Op::Unary(Unary::Ln, sum) = *self.op(a)? else {
            return None;
        };
        let (axis, exp) = self.over(sum, Over::Sum)?;
        let (over, x) = self.shifted_exp(exp)?;
        let (largest, of) = self.largest(b)?;
        let same = over == axis && largest == axis && self.is(of, x);
        same.then_some(View::LogSumExpOver(axis, x))
    }

    fn difference(&self, a: NodeId, b: NodeId) -> Option<View> {
        let Op::Reduce {
            kind: Reduction::LogSumExp,
            x,
            ..
        } = *self.op(a)?
        else {
            return None;
        };
        let Op::Gather { table, index } = *self.op(b)? else {
            return None;
        };
        let vector = self.0.nodes[x].ty.shape.rank() == 1;
        (vector && self.is(table, x)).then_some(View::CrossEntropy(x, index))
    }
}
