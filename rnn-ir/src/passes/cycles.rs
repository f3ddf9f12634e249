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

/// The recurrences of a graph, numbered in an order of evaluation.
#[derive(Clone, Debug)]
pub struct Cycles {
    of: SideTable<NodeId, Option<usize>>,
    source: SideTable<NodeId, Option<usize>>,
    reader: SideTable<NodeId, Option<usize>>,
}

impl Cycles {
    /// Finds the recurrences.
    pub fn new(graph: &Graph) -> Self {
        let mut of = SideTable::filled(None, graph.nodes.len());
        let (mut source, mut reader) = (of.clone(), of.clone());
        let components = components(graph, |_| true);
        for (number, component) in components.iter().enumerate() {
            if is_cyclic(graph, component, |_| true) {
                for id in component {
                    of[*id] = Some(number);
                }
            }
            for id in component {
                source[*id] = of[*id];
                if of[*id].is_none() {
                    graph.nodes[*id].op.each_operand(|operand| {
                        source[*id] = source[*id].max(source[operand]);
                    });
                }
            }
        }
        for id in components.iter().rev().flatten() {
            let next = of[*id].or(reader[*id]);
            graph.nodes[*id].op.each_operand(|operand| {
                let others = reader[operand];
                reader[operand] = others.into_iter().chain(next).min();
            });
        }
        Self { of, source, reader }
    }

    /// The recurrence that a value is part of, if it is part of one.
    pub fn of(&self, id: NodeId) -> Option<usize> {
        self.of[id]
    }

    /// The last recurrence that a value depends on; its own, if it is part of one.
    pub fn source(&self, id: NodeId) -> Option<usize> {
        self.source[id]
    }

    /// The first recurrence that needs a value; its own, if it is part of one.
    pub fn reader(&self, id: NodeId) -> Option<usize> {
        self.of[id].or(self.reader[id])
    }
}
