//! Numbers of steps in a sequence that comes in pieces.
//!
//! `t` goes on counting from piece to piece; `T` is the number of steps of the piece, as `sum[t]` is a sum over them. So an
//! expression of `t`, `T` and numbers alone that has `T` in it, such as `t == T` or `T - t + 1` (the steps of a cell in
//! reverse), speaks of the piece, and `t` in it is the step of the piece too. Random numbers are keyed by it as well: a
//! piece has a seed of its own.
//!
//! **Invariant:** with nothing before it, a piece is a whole sequence, and both numbers are the same.

use crate::axis::{AxisId, Domain};
use crate::graph::Graph;
use crate::id::SideTable;
use crate::node::NodeId;
use crate::op::Op;

/// What a node has to do with numbers of steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Number {
    /// Something else.
    Other,
    /// Of numbers alone.
    Constant,
    /// Of `t` and numbers.
    Step,
    /// Of `T`, numbers, and `t` if need be.
    Length,
}

/// Which numbers of steps are of a piece, and which of the whole sequence.
#[derive(Debug)]
pub(super) struct Steps {
    numbers: SideTable<NodeId, Number>,
    counted: Vec<(AxisId, NodeId)>,
}

impl Steps {
    pub(super) fn new(graph: &Graph) -> Self {
        let mut numbers = SideTable::filled(Number::Other, graph.nodes.len());
        for (id, node) in graph.nodes.iter() {
            numbers[id] = number(&node.op, &numbers);
        }
        // Who reads a number and is none.
        let mut whole = SideTable::filled(false, graph.nodes.len());
        for result in &graph.results {
            whole[result.node] = true;
        }
        let mut nodes: Vec<_> = graph.nodes.iter().collect();
        nodes.reverse();
        for (id, node) in nodes {
            let reads = match numbers[id] {
                Number::Other => !matches!(node.op, Op::Mix(..)),
                Number::Step => whole[id],
                Number::Constant | Number::Length => false,
            };
            node.op.each_operand(|operand| whole[operand] |= reads);
        }
        let mut counted: Vec<(AxisId, NodeId)> = Vec::new();
        for (id, node) in graph.nodes.iter() {
            if let Op::Step(axis) = node.op
                && whole[id]
                && counted.iter().all(|(known, _)| *known != axis)
            {
                counted.push((axis, id));
            }
        }
        Self { numbers, counted }
    }

    /// The axes whose steps are counted over pieces, each with the first node that is its number.
    pub(super) fn counted(&self) -> &[(AxisId, NodeId)] {
        &self.counted
    }

    /// Whether a node is of `t`, `T` and numbers alone.
    pub(super) fn is_number(&self, id: NodeId) -> bool {
        self.numbers[id] != Number::Other
    }

    /// Whether a node that is of `t` and numbers alone has another value in a piece than in the whole sequence.
    pub(super) fn differs(&self, graph: &Graph, id: NodeId) -> bool {
        self.numbers[id] == Number::Step
            && (self.counted.iter()).any(|(axis, _)| {
                !graph.nodes[id]
                    .ty
                    .domain
                    .intersect(Domain::of(*axis))
                    .is_empty()
            })
    }
}

fn number(op: &Op, numbers: &SideTable<NodeId, Number>) -> Number {
    match op {
        Op::Const(_) => Number::Constant,
        Op::Step(_) => Number::Step,
        Op::Length(_) => Number::Length,
        Op::Unary(..)
        | Op::Binary(..)
        | Op::Compare(..)
        | Op::Select(..)
        | Op::StopGradient(_)
        | Op::Token(_)
        | Op::Broadcast { .. }
        | Op::Expand { .. } => {
            let operands = op.operands();
            let of = |wanted| operands.iter().any(|operand| numbers[*operand] == wanted);
            if of(Number::Other) {
                Number::Other
            } else if of(Number::Length) {
                Number::Length
            } else if of(Number::Step) {
                Number::Step
            } else {
                Number::Constant
            }
        }
        _ => Number::Other,
    }
}
