//! Where in the program each node is computed.
//!
//! **Invariant:** sites number kernels, loops and blocks in the order in which code is emitted for them.

use rnn_ir::axis::AxisId;
use rnn_ir::id::SideTable;
use rnn_ir::node::NodeId;
use rnn_ir::op::Op;
use rnn_ir::schedule::{Form, Item, Kernel, Schedule};

/// A kernel of the schedule with the loops around it, in program order.
#[derive(Clone, Debug)]
pub struct Site {
    /// Position among all kernels.
    pub order: usize,
    /// The loops around it, outermost first: the position of each among all loops, and its axis.
    pub loops: Vec<(usize, AxisId)>,
    /// Position of the item of the program's top level that it is in.
    pub top: usize,
    /// Position of the blocks of steps that it is in, among all of the program.
    pub block: Option<usize>,
    /// The axis of the segments of steps that it is in.
    pub segment: Option<AxisId>,
}

// Nodes that depend on parameters and constants alone.
pub(super) fn prepared_nodes(schedule: &Schedule) -> SideTable<NodeId, bool> {
    let graph = &schedule.graph;
    let mut out = SideTable::filled(false, graph.nodes.len());
    for (id, node) in graph.nodes.iter() {
        out[id] = match node.op {
            Op::Param { .. } | Op::Const(_) => true,
            Op::Input { .. } | Op::Step(_) | Op::Length(_) => false,
            _ => {
                node.ty.domain.is_empty()
                    && node
                        .op
                        .operands()
                        .iter()
                        .all(|operand| operand < &id && out[*operand])
            }
        };
    }
    out
}

pub(super) fn sites(schedule: &Schedule) -> SideTable<NodeId, Option<Site>> {
    struct Walk<'s> {
        schedule: &'s Schedule,
        kernels: usize,
        loops: usize,
        around: Vec<(usize, AxisId)>,
        block: Option<usize>,
        segment: Option<AxisId>,
        out: SideTable<NodeId, Option<Site>>,
    }
    impl Walk<'_> {
        fn kernel(&mut self, kernel: &Kernel, top: usize) {
            let site = Site {
                order: self.kernels,
                loops: self.around.clone(),
                top,
                block: self.block,
                segment: self.segment,
            };
            self.kernels += 1;
            for id in &kernel.nodes {
                self.out[*id] = Some(site.clone());
                for operand in self.schedule.graph.nodes[*id].op.operands() {
                    if self.schedule.forms[operand] == Form::Inlined {
                        self.out[operand] = Some(site.clone());
                    }
                }
            }
        }
        fn items(&mut self, items: &[Item], top: Option<usize>) {
            for (at, item) in items.iter().enumerate() {
                let top = top.unwrap_or(at);
                match item {
                    Item::Kernel(kernel) => self.kernel(kernel, top),
                    Item::Blocks { number, body, .. } => {
                        self.block = Some(*number);
                        self.items(body, Some(top));
                        self.block = None;
                    }
                    // What is computed again has the site where it is computed first.
                    Item::Segments { axis, body, .. } => {
                        self.segment = Some(*axis);
                        self.items(body, Some(top));
                        self.segment = None;
                    }
                    Item::Loop { axis, body, .. } => {
                        self.around.push((self.loops, *axis));
                        self.loops += 1;
                        self.items(body, Some(top));
                        self.around.pop();
                    }
                }
            }
        }
    }
    let out = SideTable::filled(None, schedule.graph.nodes.len());
    let mut walk = Walk {
        schedule,
        kernels: 0,
        loops: 0,
        around: Vec::new(),
        block: None,
        segment: None,
        out,
    };
    walk.items(&schedule.items, None);
    walk.out
}
