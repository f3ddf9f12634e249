//! An order of rebuilding for passes whose new nodes need more than the old ones did.
//!
//! **Invariant:** every node comes once, after all it needs; inputs and parameters come first and keep their order, which
//! is the order of the model's signature.

use crate::graph::Graph;
use crate::id::SideTable;
use crate::node::NodeId;
use crate::op::Op;

/// All nodes in order, with inputs and parameters before the others.
pub fn declarations_first(graph: &Graph) -> impl Iterator<Item = NodeId> {
    let is_declaration =
        |id: &NodeId| matches!(graph.nodes[*id].op, Op::Input { .. } | Op::Param { .. });
    let declarations = graph.nodes.ids().filter(is_declaration);
    declarations.chain(graph.nodes.ids().filter(move |id| !is_declaration(id)))
}

/// Orders all nodes so that each comes after `needs` of it; `None` when that is a cycle.
pub fn order_by_need(graph: &Graph, needs: impl Fn(NodeId) -> Vec<NodeId>) -> Option<Vec<NodeId>> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        Open,
        Done,
    }
    let mut marks = SideTable::filled(Mark::New, graph.nodes.len());
    let mut order = Vec::with_capacity(graph.nodes.len());
    let mut work = Vec::new();
    for root in declarations_first(graph) {
        work.push(root);
        while let Some(id) = work.last().copied() {
            match marks[id] {
                Mark::Done => {
                    work.pop();
                }
                Mark::Open => {
                    marks[id] = Mark::Done;
                    order.push(id);
                    work.pop();
                }
                Mark::New => {
                    marks[id] = Mark::Open;
                    for need in needs(id).into_iter().rev() {
                        match marks[need] {
                            Mark::New => work.push(need),
                            Mark::Open => return None,
                            Mark::Done => {}
                        }
                    }
                }
            }
        }
    }
    Some(order)
}
