//! Which values are weights: parameters, seen through layouts alone.
//!
//! **Invariant:** a weight can be laid out in memory once, when the model is loaded; stacking weights costs no step of
//! a run anything.

use crate::graph::Graph;
use crate::id::SideTable;
use crate::node::NodeId;
use crate::op::Op;

/// The weights of a graph.
#[derive(Clone, Debug)]
pub struct Weights {
    weight: SideTable<NodeId, bool>,
    matrix: SideTable<NodeId, bool>,
}

impl Weights {
    /// Finds the parameters, and the slices, transposes and joins of parameters.
    pub fn new(graph: &Graph) -> Self {
        let nodes = graph.nodes.len();
        let mut weight = SideTable::filled(false, nodes);
        let mut matrix = SideTable::filled(false, nodes);
        for (id, node) in graph.nodes.iter() {
            weight[id] = match &node.op {
                Op::Param { .. } => true,
                Op::Transpose(x) | Op::Slice { x, .. } => weight[*x],
                Op::Concat { parts, .. } => parts.iter().all(|part| weight[*part]),
                _ => false,
            };
            matrix[id] = weight[id] && node.ty.shape.rank() == 2;
        }
        Self { weight, matrix }
    }

    /// Whether a value is a weight.
    pub fn contains(&self, id: NodeId) -> bool {
        self.weight[id]
    }

    /// Whether a value is a weight of two feature axes.
    pub fn is_matrix(&self, id: NodeId) -> bool {
        self.matrix[id]
    }
}
