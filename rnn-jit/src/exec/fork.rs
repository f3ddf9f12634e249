//! Forks: what the branches touch and how much work each is, known when the program is compiled.
//!
//! **Invariant:** branches are given to several threads only in a call whose plan keeps them apart ([`Fork::is_apart`]).

use super::arguments::CallShape;
use super::pool::Pool;
use super::shape::extents;
use crate::plan::{Plan, is_computed};
use crate::storage::{SlotId, Storage};
use rnn_ir::axis::Domain;
use rnn_ir::id::SideTable;
use rnn_ir::node::NodeId;
use rnn_ir::op::Op;
use rnn_ir::schedule::{Form, Item, Schedule, sizes};
use std::collections::BTreeSet;

/// Multiply-adds that another thread has to take off the caller's: about 40 µs of work. Waking a thread takes 20 to 30.
pub const FORK_WORK: usize = 2_000_000;

/// Multiply-adds that take as long as a pointwise operation.
const POINTWISE: usize = 4;

/// Threads that may help with a call.
#[derive(Clone, Copy, Debug)]
pub struct Helpers<'p> {
    /// Where they come from.
    pub pool: &'p Pool,
    /// Most of them, beside the caller's.
    pub most: usize,
}

impl Helpers<'_> {
    pub(super) fn run(self, useful: usize, work: &(dyn Fn() + Sync)) {
        self.pool.run(self.most.min(useful), work);
    }
}

/// A fork of the program.
#[derive(Debug)]
pub(super) struct Fork {
    branches: Vec<Branch>,
    /// Whether branches have features of their own in the slots that they share, and read nothing of each other.
    apart: bool,
}

#[derive(Debug, Default)]
struct Branch {
    /// Multiply-adds of one example at one step, by what they are done for.
    work: Vec<(Domain, usize)>,
    /// Slots of the arena.
    reads: BTreeSet<SlotId>,
    writes: BTreeSet<SlotId>,
}

impl Fork {
    /// The forks of a program, in its order.
    pub(super) fn all(schedule: &Schedule, storage: &Storage) -> Vec<Self> {
        let forks = schedule.items.iter().filter_map(|item| match item {
            Item::Fork(branches) => Some(Self::new(schedule, storage, branches)),
            _ => None,
        });
        forks.collect()
    }

    fn new(schedule: &Schedule, storage: &Storage, items: &[Vec<Item>]) -> Self {
        let mut branches: Vec<Branch> = Vec::new();
        let count = schedule.graph.nodes.len();
        let mut writer: SideTable<NodeId, Option<usize>> = SideTable::filled(None, count);
        let mut touched: Vec<(usize, NodeId)> = Vec::new();
        for (at, body) in items.iter().enumerate() {
            let mut branch = Branch::default();
            body.iter().for_each(|item| {
                item.each_node(&mut |id| {
                    if !is_computed(schedule, storage, id) {
                        return;
                    }
                    writer[id] = Some(at);
                    touched.push((at, id));
                    branch.work.extend(work_of(schedule, id));
                    let slot = |id: NodeId| {
                        let place = storage.places[id]?;
                        storage.slots[place.slot].in_arena().then_some(place.slot)
                    };
                    branch.writes.extend(slot(id));
                    for read in storage.reads(schedule, id) {
                        touched.push((at, read.node));
                        branch.reads.extend(slot(read.node));
                    }
                });
            });
            branches.push(branch);
        }
        let features = |id: NodeId| {
            let place = storage.places[id]?;
            let width: usize = sizes(&schedule.graph.nodes[id].ty).iter().product();
            Some((place.slot, place.offset, place.offset + width))
        };
        let written = schedule
            .graph
            .nodes
            .ids()
            .filter(|id| writer[*id].is_some());
        let meet = |written: NodeId, (at, touched): &(usize, NodeId)| {
            let share = match (features(written), features(*touched)) {
                (Some((a, start, end)), Some((b, first, last))) => {
                    a == b && start < last && first < end
                }
                _ => written == *touched,
            };
            share && writer[written] != Some(*at)
        };
        let apart = (written.into_iter()).all(|id| !touched.iter().any(|other| meet(id, other)));
        Self {
            apart: apart && storage.scratch.len() >= branches.len(),
            branches,
        }
    }

    /// Multiply-adds in a call that the thread of the caller does not have to do when every branch has one.
    pub(super) fn saves(&self, shape: &CallShape) -> usize {
        let (mut sum, mut most) = (0usize, 0);
        for branch in &self.branches {
            let terms = branch.work.iter().map(|(domain, each)| {
                let (outer, rows) = extents(*domain, shape);
                outer.saturating_mul(rows).saturating_mul(*each)
            });
            let work = terms.fold(0, usize::saturating_add);
            sum = sum.saturating_add(work);
            most = most.max(work);
        }
        sum - most
    }

    /// Whether no branch writes memory that another one touches, in a call with this plan.
    pub(super) fn is_apart(&self, storage: &Storage, plan: &Plan) -> bool {
        let range = |slot: SlotId| {
            debug_assert!(storage.slots[slot].in_arena());
            let start = plan.offsets[slot]?;
            Some((start, start + plan.bytes[slot]))
        };
        let clash = |a: &SlotId, b: &SlotId| match (range(*a), range(*b)) {
            // What shares a slot was compared by its features.
            (Some(first), Some(second)) => a != b && first.0 < second.1 && second.0 < first.1,
            _ => true,
        };
        let mut branches = self.branches.iter().enumerate();
        self.apart
            && branches.all(|(at, own)| {
                let others = self.branches.iter().enumerate();
                others.filter(|(other, _)| *other != at).all(|(_, theirs)| {
                    let mut touched = theirs.reads.iter().chain(&theirs.writes);
                    touched.all(|other| !own.writes.iter().any(|slot| clash(slot, other)))
                })
            })
    }
}

// Multiply-adds of a node for one element of its domain.
fn work_of(schedule: &Schedule, id: NodeId) -> Option<(Domain, usize)> {
    let graph = &schedule.graph;
    let node = &graph.nodes[id];
    let size = |id: NodeId| sizes(&graph.nodes[id].ty).iter().product::<usize>();
    match node.op {
        Op::MatMul(a, _) => {
            let inner = sizes(&graph.nodes[a].ty).last().copied().unwrap_or(1);
            Some((node.ty.domain, size(id).saturating_mul(inner)))
        }
        Op::AxisReduce { x, .. } => Some((graph.nodes[x].ty.domain, size(x))),
        _ => {
            let each = if schedule.forms[id] == Form::Pointwise {
                POINTWISE
            } else {
                1
            };
            Some((node.ty.domain, size(id).saturating_mul(each)))
        }
    }
}
