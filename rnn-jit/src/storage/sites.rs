//! Where in the program each node is computed.
//!
//! **Invariant:** sites number kernels, loops and blocks in the order in which code is emitted for them.

use rnn_ir::axis::AxisId;
use rnn_ir::id::SideTable;
use rnn_ir::node::{NodeId, Type};
use rnn_ir::op::{Op, Role};
use rnn_ir::schedule::{Form, Item, Kernel, Schedule};

/// A kernel of the schedule with the loops around it, in program order.
#[derive(Clone, Debug)]
pub struct Site {
    /// Position among all kernels.
    pub order: usize,
    /// The loops around it, outermost first: the position of each among all loops, and its axis.
    pub loops: Vec<(usize, AxisId)>,
    /// Position of the item that it is in: of the program's top level, those of branches one after the other.
    pub top: usize,
    /// The branch that it is in.
    pub branch: Option<Branch>,
    /// Position of the blocks of steps that it is in, among all of the program.
    pub block: Option<usize>,
    /// Position of the item among those of the blocks.
    pub inside: usize,
    /// The axis of the segments of steps that it is in.
    pub segment: Option<AxisId>,
}

/// A branch of a fork.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Branch {
    /// Position of the fork among all of the program.
    pub fork: usize,
    /// Position of the branch in the fork.
    pub at: usize,
}

/// Whether an input is given with the parameters: new values of it are new parameters.
pub fn is_given_with_params(role: Role, ty: &Type) -> bool {
    matches!(role, Role::Seed(_)) && ty.domain.is_empty()
}

// Nodes that depend on parameters, on what is given with them, and on constants alone.
pub(super) fn prepared_nodes(schedule: &Schedule) -> SideTable<NodeId, bool> {
    let graph = &schedule.graph;
    let mut out = SideTable::filled(false, graph.nodes.len());
    for (id, node) in graph.nodes.iter() {
        out[id] = match node.op {
            Op::Param { .. } | Op::Const(_) => true,
            // A seed of all examples is given with the parameters, so that weights with dropped elements are packed too.
            Op::Input { role, .. } => is_given_with_params(role, &node.ty),
            Op::Step(_) | Op::Length(_) => false,
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
        forks: usize,
        /// Items of the top level so far.
        tops: usize,
        branch: Option<Branch>,
        around: Vec<(usize, AxisId)>,
        block: Option<usize>,
        /// Items of the blocks so far.
        inside: usize,
        segment: Option<AxisId>,
        out: SideTable<NodeId, Option<Site>>,
    }
    impl Walk<'_> {
        fn kernel(&mut self, kernel: &Kernel) {
            let site = Site {
                order: self.kernels,
                loops: self.around.clone(),
                top: self.tops,
                branch: self.branch,
                block: self.block,
                inside: self.inside,
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
        fn top(&mut self, items: &[Item]) {
            for item in items {
                if let Item::Fork(branches) = item {
                    for (at, body) in branches.iter().enumerate() {
                        let fork = self.forks;
                        self.branch = Some(Branch { fork, at });
                        self.top(body);
                        self.branch = None;
                    }
                    self.forks += 1;
                } else {
                    self.item(item);
                    self.tops += 1;
                }
            }
        }
        fn item(&mut self, item: &Item) {
            match item {
                Item::Kernel(kernel) => self.kernel(kernel),
                Item::Blocks { number, .. } => {
                    self.block = Some(*number);
                    for item in item.inside() {
                        self.item(item);
                        self.inside += 1;
                    }
                    self.block = None;
                    self.inside = 0;
                }
                // What is computed again has the site where it is computed first.
                Item::Segments { axis, .. } => {
                    self.segment = Some(*axis);
                    item.inside().for_each(|item| self.item(item));
                    self.segment = None;
                }
                Item::Loop { axis, .. } => {
                    self.around.push((self.loops, *axis));
                    self.loops += 1;
                    item.inside().for_each(|item| self.item(item));
                    self.around.pop();
                }
                Item::Fork(_) => unreachable!("forks are at the top level"),
            }
        }
    }
    let out = SideTable::filled(None, schedule.graph.nodes.len());
    let mut walk = Walk {
        schedule,
        kernels: 0,
        loops: 0,
        forks: 0,
        tops: 0,
        branch: None,
        around: Vec::new(),
        block: None,
        inside: 0,
        segment: None,
        out,
    };
    walk.top(&schedule.items);
    walk.out
}
