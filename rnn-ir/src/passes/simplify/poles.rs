//! Which values can be infinite though inputs and parameters are finite, rounding and overflow aside.
//!
//! What is computed for each step of an axis is computed nowhere when the axis has no steps. Computed for each example
//! instead, it may divide by a sum over nothing, or meet the largest of nothing: `-inf`. No result reads that value, but
//! its derivative is `0 * inf`. So only what has no pole leaves such an axis.
//!
//! **Invariant:** unknown counts as infinite.

use crate::axis::{AxisId, Extent};
use crate::graph::Graph;
use crate::id::SideTable;
use crate::node::NodeId;
use crate::op::{Binary, Op, Over, Unary};

/// The values of a graph that can be infinite.
#[derive(Clone, Debug)]
pub(super) struct Poles {
    infinite: SideTable<NodeId, bool>,
}

impl Poles {
    /// Follows infinities from where they arise to all that depends on them.
    pub(super) fn new(graph: &Graph) -> Self {
        let mut infinite = SideTable::filled(false, graph.nodes.len());
        let mut changed = true;
        while std::mem::take(&mut changed) {
            for (id, node) in graph.nodes.iter() {
                if !infinite[id] {
                    let mut now = has_pole(graph, &node.op);
                    node.op.each_operand(|operand| now |= infinite[operand]);
                    infinite[id] = now;
                    changed |= now;
                }
            }
        }
        Self { infinite }
    }

    /// Whether an operand of a node can be infinite.
    pub(super) fn reach(&self, op: &Op) -> bool {
        let mut reached = false;
        op.each_operand(|operand| reached |= self.infinite[operand]);
        reached
    }
}

/// Whether the value or the derivative can be infinite for finite operands.
pub(super) fn has_pole(graph: &Graph, op: &Op) -> bool {
    match op {
        Op::Unary(Unary::Ln | Unary::Sqrt, _) => true,
        Op::Binary(Binary::Div, _, by) => !is_away_from_zero(graph, *by),
        Op::AxisReduce {
            kind: Over::Max,
            axes,
            ..
        } => axes.axes().any(|axis| may_be_empty(graph, axis)),
        _ => false,
    }
}

/// Whether the derivative by each operand is the same for all operands: no infinity makes it infinite.
pub(super) fn is_linear(op: &Op) -> bool {
    matches!(
        op,
        Op::Unary(Unary::Neg, _)
            | Op::Binary(Binary::Add | Binary::Sub, ..)
            | Op::StopGradient(_)
            | Op::Transpose(_)
            | Op::Expand { .. }
            | Op::Concat { .. }
            | Op::Slice { .. }
            | Op::Pad { .. }
            | Op::Gather { .. }
            | Op::Scatter { .. }
    )
}

/// Whether some example may have no step of the axis.
pub(super) fn may_be_empty(graph: &Graph, axis: AxisId) -> bool {
    match graph.axes[axis].extent {
        Extent::Fixed(_) => false,
        Extent::Length(_) => true,
    }
}

// A number other than zero, or the larger of something and a number above zero.
fn is_away_from_zero(graph: &Graph, id: NodeId) -> bool {
    let number = |id| super::uniform(graph, id);
    let mut id = id;
    while let Op::Expand { x, .. } | Op::Broadcast { x, .. } = graph.nodes[id].op {
        id = x;
    }
    match graph.nodes[id].op {
        Op::Binary(Binary::Max, a, b) => {
            let above = |id| number(id).is_some_and(|number| number > 0.0);
            above(a) || above(b)
        }
        _ => number(id).is_some_and(|number| number != 0.0),
    }
}
