//! Which nodes have a cotangent: those that depend on what is differentiated by, and that what is differentiated
//! depends on, both through operands that have a derivative.
//!
//! **Invariant:** an active node other than an output has an active user that contributes to its cotangent, so no
//! cotangent of an active node is absent.

use crate::autodiff::vjp::is_differentiable;
use crate::graph::Graph;
use crate::id::SideTable;
use crate::node::{DType, NodeId};

/// Which nodes are active, and why.
pub(crate) struct Activity {
    /// Depends on what is differentiated by.
    pub(crate) varied: SideTable<NodeId, bool>,
    /// Is varied, and the outputs depend on it.
    pub(crate) active: SideTable<NodeId, bool>,
}

/// The operands that a node has a derivative by, each once.
pub(crate) fn differentiable_operands(graph: &Graph, id: NodeId) -> Vec<NodeId> {
    let node = &graph.nodes[id];
    let mut operands = Vec::new();
    if is_differentiable(&node.op, node.ty.dtype) {
        node.op.each_operand(|operand| {
            if graph.nodes[operand].ty.dtype == DType::Real && !operands.contains(&operand) {
                operands.push(operand);
            }
        });
    }
    operands
}

impl Activity {
    pub(crate) fn new(graph: &Graph, outputs: &[NodeId], wrt: &[NodeId]) -> Self {
        let mut users: SideTable<NodeId, Vec<NodeId>> =
            SideTable::filled(Vec::new(), graph.nodes.len());
        for id in graph.nodes.ids() {
            for operand in differentiable_operands(graph, id) {
                users[operand].push(id);
            }
        }
        let varied = spread(graph, wrt, |id| users[id].clone());
        let useful = spread(graph, outputs, |id| differentiable_operands(graph, id));
        let mut active = SideTable::filled(false, graph.nodes.len());
        for id in graph.nodes.ids() {
            active[id] = varied[id] && useful[id];
        }
        Self { varied, active }
    }
}

// Everything that is reached from `start`; real values only.
fn spread(
    graph: &Graph,
    start: &[NodeId],
    next: impl Fn(NodeId) -> Vec<NodeId>,
) -> SideTable<NodeId, bool> {
    let mut reached = SideTable::filled(false, graph.nodes.len());
    let mut work = start.to_vec();
    while let Some(id) = work.pop() {
        if graph.nodes[id].ty.dtype == DType::Real && !std::mem::replace(&mut reached[id], true) {
            work.extend(next(id));
        }
    }
    reached
}
