//! An order of rebuilding for passes whose new nodes need more than the old ones did.
//!
//! **Invariant:** every node comes once, after all it needs; nodes that need nothing more keep their order.

use crate::graph::Graph;
use crate::id::SideTable;
use crate::node::NodeId;

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
    for root in graph.nodes.ids() {
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
