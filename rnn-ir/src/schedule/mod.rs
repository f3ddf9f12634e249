//! Scheduling: from a system of equations to a loop program.
//!
//! Nobody writes a loop over time; it is derived. Strongly connected components of the dependence graph that contain no
//! shift are maps over their whole domain. A component with shifts becomes a loop along an axis on which all its shifts
//! point the same way: forward for `x[t-1]`, in reverse for `x[t+1]`; the dependences that the loop carries are dropped
//! and its body is decomposed again (Karp, Miller & Winograd 1967). What is in no cycle is therefore outside the loops:
//! `W @ x[t]` is one product over all steps, and so is a weight gradient.
//!
//! Over axes that no loop around it binds a kernel runs by itself ([`order`]).
//!
//! Then pointwise work that only one loop reads is moved into it ([`sink`]), and what is left of each body is grouped
//! into kernels ([`group`]): one per product, reduction or gather, and one per cluster of pointwise equations of a shape.
//! Then a loop and the kernels around it that it exchanges values with run together in blocks of steps ([`blocks`]), and
//! loops that do not depend on one another become branches of a fork ([`fork`]); or, where memory is to be saved, everything
//! along an axis runs in segments of steps that are computed anew for the backward pass ([`segments`]).
//!
//! ```text
//! for t forward in blocks
//!     product  %14 = W @ x
//!     for t forward
//!         product  %20 = U @ h[t-1]
//!         pointwise i f g o c h
//! ```
//!
//! **Invariant:** in the order of the program every kernel reads what an earlier kernel, or an earlier step of a loop
//! around it, has written.

mod blocks;
mod decompose;
mod fork;
mod forms;
mod group;
mod order;
mod print;
mod segments;
mod sink;

pub use crate::components::Direction;
pub use decompose::ScheduleError;
pub use forms::{Form, Forms, Read, packed_strides, sizes, viewed};

use crate::axis::{AxisId, Domain};
use crate::graph::{Graph, Verified};
use crate::node::{Node, NodeId};
use crate::op::Op;

/// A unit of work: it computes some nodes over its domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// What it computes, operands first. One node, or the members of a pointwise cluster.
    pub nodes: Vec<NodeId>,
    /// Axes that it varies over; those that no enclosing loop binds are mapped, in the order that [`order`] says.
    pub domain: Domain,
    /// Whether it is a cluster of pointwise nodes.
    pub pointwise: bool,
}

/// A step of a loop program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// Runs its body for every step of an axis, in order.
    Loop {
        /// The axis.
        axis: AxisId,
        /// Which way.
        direction: Direction,
        /// What to do for each step.
        body: Vec<Item>,
    },
    /// Runs its body for one block of steps after the other: kernels for the steps of the block, loops over the axis for
    /// its steps in order. A sum over the axis grows with every block.
    Blocks {
        /// Its place among all blocks of the program; what is computed again runs in the same blocks.
        number: usize,
        /// The axis.
        axis: AxisId,
        /// Which way.
        direction: Direction,
        /// What to do for each block: one loop over the axis, kernels before and after it.
        body: Vec<Item>,
    },
    /// Runs branches in any order, or at the same time: none reads what another computes. At the top level alone.
    Fork(Vec<Vec<Item>>),
    /// Runs its body for one segment of steps after the other; of most values no more than a segment is stored. Sums over
    /// the axis, and values at one step of it, come together over all segments.
    Segments {
        /// The axis.
        axis: AxisId,
        /// Which way.
        direction: Direction,
        /// What an earlier item computed for these steps and the body needs again; not run for the last segment, the first
        /// of a reverse pass, whose values are still there.
        again: Vec<Item>,
        /// What to do for each segment.
        body: Vec<Item>,
    },
    /// Computes.
    Kernel(Kernel),
}

impl Item {
    /// The items inside, in program order; what is computed again is not listed again.
    pub fn inside(&self) -> impl Iterator<Item = &Item> {
        let (body, branches): (&[Item], &[Vec<Item>]) = match self {
            Self::Loop { body, .. } | Self::Blocks { body, .. } | Self::Segments { body, .. } => {
                (body, &[])
            }
            Self::Fork(branches) => (&[], branches),
            Self::Kernel(_) => (&[], &[]),
        };
        body.iter().chain(branches.iter().flatten())
    }

    /// Calls `f` for every node that it computes, in program order.
    pub fn each_node(&self, f: &mut impl FnMut(NodeId)) {
        if let Self::Kernel(kernel) = self {
            kernel.nodes.iter().copied().for_each(&mut *f);
        }
        self.inside().for_each(|item| item.each_node(f));
    }

    /// The nodes that it computes, in program order.
    pub fn nodes(&self) -> Vec<NodeId> {
        let mut out = Vec::new();
        self.each_node(&mut |id| out.push(id));
        out
    }
}

/// A loop program for a graph.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// The equations.
    pub graph: Verified,
    /// What each node is to the program.
    pub forms: Forms,
    /// The program.
    pub items: Vec<Item>,
}

// A result that is given from outside (an input, a parameter, a constant) gets a node of its own, which is computed.
fn with_own_results(graph: Verified) -> Verified {
    let given = |graph: &Graph, id: NodeId| {
        let op = &graph.nodes[id].op;
        matches!(op, Op::Input { .. } | Op::Param { .. } | Op::Const(_))
    };
    if !graph
        .results
        .iter()
        .any(|result| given(&graph, result.node))
    {
        return graph;
    }
    let mut graph = graph.into_graph();
    for at in 0..graph.results.len() {
        let x = graph.results[at].node;
        if given(&graph, x) {
            let axes = Domain::NONE;
            let op = Op::Broadcast { x, axes };
            let node = Node {
                op,
                ..graph.nodes[x].clone()
            };
            graph.results[at].node = graph.nodes.push(node);
        }
    }
    Verified(graph)
}

impl Schedule {
    /// Derives the loop program.
    ///
    /// # Errors
    /// A system of equations that no order of evaluation satisfies; the error lists the cycle.
    pub fn new(graph: Verified) -> Result<Self, ScheduleError> {
        let graph = with_own_results(graph);
        let forms = Forms::new(&graph);
        let mut schedule = Self::derive(graph, forms)?;
        let items = std::mem::take(&mut schedule.items);
        schedule.items = fork::forked(&schedule.graph, &schedule.forms, items);
        Ok(schedule)
    }

    /// Derives the loop program, with every loop over time that allows it in segments of steps: gradient checkpointing.
    /// With one segment it computes the same as that of [`new`](Self::new). It has no forks.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn in_segments(graph: Verified) -> Result<Self, ScheduleError> {
        let graph = with_own_results(graph);
        let forms = Forms::with_ends(&graph);
        let mut schedule = Self::derive(graph, forms)?;
        let items = std::mem::take(&mut schedule.items);
        schedule.items = segments::in_segments(&schedule.graph, &schedule.forms, items);
        Ok(schedule)
    }

    fn derive(graph: Verified, forms: Forms) -> Result<Self, ScheduleError> {
        let tree = decompose::decompose(&graph, &forms)?;
        let tree = sink::sink(&graph, &forms, tree);
        let items = group::group(&graph, &forms, Domain::NONE, tree);
        let items = blocks::in_blocks(&graph, &forms, items);
        Ok(Self {
            graph,
            forms,
            items,
        })
    }

    /// Whether a node comes together over the steps of an axis, and so over its segments: a sum over it, or a copy of one
    /// step of it.
    pub fn grows(&self, id: NodeId, axis: AxisId) -> bool {
        segments::grows(&self.graph, &self.forms, id, axis)
    }

    /// All kernels, in program order, with the loops around each; what is computed again is not listed again.
    pub fn kernels(&self) -> Vec<(Vec<AxisId>, &Kernel)> {
        fn walk<'s>(
            items: &'s [Item],
            around: &mut Vec<AxisId>,
            out: &mut Vec<(Vec<AxisId>, &'s Kernel)>,
        ) {
            for item in items {
                match item {
                    Item::Kernel(kernel) => out.push((around.clone(), kernel)),
                    Item::Blocks { body, .. } | Item::Segments { body, .. } => {
                        walk(body, around, out);
                    }
                    Item::Fork(branches) => {
                        branches.iter().for_each(|body| walk(body, around, out));
                    }
                    Item::Loop { axis, body, .. } => {
                        around.push(*axis);
                        walk(body, around, out);
                        around.pop();
                    }
                }
            }
        }
        let mut out = Vec::new();
        walk(&self.items, &mut Vec::new(), &mut out);
        out
    }
}
