//! Which values are part of a recurrence: the strongly connected components of the dependence graph, shifts included.
//!
//! A value that is in no cycle can be computed for a whole axis at once; passes use this to tell what a rewrite would
//! pull into a loop or let out of it.
//!
//! **Invariant:** two nodes have one component exactly when each depends on the other, at whatever delay.

use crate::graph::Graph;
use crate::id::{Id, SideTable};
use crate::node::NodeId;

/// The strongly connected components of a graph.
#[derive(Clone, Debug)]
pub struct Cycles {
    component: SideTable<NodeId, u32>,
    cyclic: Vec<bool>,
}

impl Cycles {
    /// Finds the components (Tarjan 1972), without recursion.
    pub fn new(graph: &Graph) -> Self {
        const UNSEEN: u32 = u32::MAX;
        let nodes = graph.nodes.len();
        let operands: Vec<Vec<NodeId>> = graph
            .nodes
            .iter()
            .map(|(_, node)| node.op.operands())
            .collect();
        let mut order = SideTable::filled(UNSEEN, nodes);
        let mut low = SideTable::filled(UNSEEN, nodes);
        let mut component = SideTable::filled(UNSEEN, nodes);
        let mut cyclic = Vec::new();
        let mut open: Vec<NodeId> = Vec::new();
        let mut next = 0;
        for root in graph.nodes.ids() {
            if order[root] != UNSEEN {
                continue;
            }
            let mut path = vec![(root, 0usize)];
            while let Some((id, position)) = path.last_mut() {
                let id = *id;
                if order[id] == UNSEEN {
                    (order[id], low[id]) = (next, next);
                    next += 1;
                    open.push(id);
                }
                if let Some(operand) = operands[id.index()].get(*position) {
                    *position += 1;
                    if order[*operand] == UNSEEN {
                        path.push((*operand, 0));
                    } else if component[*operand] == UNSEEN {
                        low[id] = low[id].min(order[*operand]);
                    }
                    continue;
                }
                path.pop();
                if let Some((parent, _)) = path.last() {
                    low[*parent] = low[*parent].min(low[id]);
                }
                if low[id] == order[id] {
                    let number = u32::try_from(cyclic.len()).unwrap_or(UNSEEN);
                    let mut members = 0;
                    while let Some(member) = open.pop() {
                        component[member] = number;
                        members += 1;
                        if member == id {
                            break;
                        }
                    }
                    cyclic.push(members > 1 || operands[id.index()].contains(&id));
                }
            }
        }
        Self { component, cyclic }
    }

    /// The recurrence that a value is part of, if it is part of one.
    pub fn of(&self, id: NodeId) -> Option<u32> {
        let component = self.component[id];
        self.cyclic[component as usize].then_some(component)
    }
}
