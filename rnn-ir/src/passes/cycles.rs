//! Which values are part of a recurrence: the strongly connected components of the dependence graph, shifts included.
//!
//! A value that is in no cycle can be computed for a whole axis at once; passes use this to tell what a rewrite would
//! pull into a loop or let out of it.
//!
//! **Invariant:** two nodes are of one recurrence exactly when each depends on the other, at whatever delay.

use crate::components::{components, is_cyclic};
use crate::graph::Graph;
use crate::id::SideTable;
use crate::node::NodeId;

/// The recurrences of a graph.
#[derive(Clone, Debug)]
pub struct Cycles {
    of: SideTable<NodeId, Option<usize>>,
}

impl Cycles {
    /// Finds the recurrences.
    pub fn new(graph: &Graph) -> Self {
        let mut of = SideTable::filled(None, graph.nodes.len());
        for (number, component) in components(graph, |_| true).iter().enumerate() {
            if is_cyclic(graph, component, |_| true) {
                for id in component {
                    of[*id] = Some(number);
                }
            }
        }
        Self { of }
    }

    /// The recurrence that a value is part of, if it is part of one.
    pub fn of(&self, id: NodeId) -> Option<usize> {
        self.of[id]
    }
}
