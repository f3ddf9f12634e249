//! An independent checker of memory plans: it replays the program over an arena of owners.
//!
//! Every cell of the arena remembers which slot wrote it last. A kernel that reads a slot must find all of the slot's
//! cells owned by it, must not write to cells that it reads as another slot, and must read only what has been written.
//! What depends on parameters is replayed first, with the packing of weights. Loops are replayed twice, so that what one
//! turn leaves for the next is checked too; only a value that its own loop has yet to write may be missing in the first.
//! Branches of a fork are replayed one after the other; what one writes, no other may touch, so any order and any
//! interleaving would see the same.
//!
//! **Invariant:** it looks at offsets and at who reads and writes what, never at lifetimes.

mod branches;
mod fits;
mod segments;

use branches::Touched;
use fits::{slots_fit, values_fit};

use super::violation::PlanViolation;
use super::{ALIGNMENT, Plan, is_computed};
use crate::storage::{Slot, SlotId, Storage};
use rnn_ir::axis::{AxisId, Domain};
use rnn_ir::id::SideTable;
use rnn_ir::node::NodeId;
use rnn_ir::op::Op;
use rnn_ir::schedule::{Direction, Form, Item, Kernel, Read, Schedule};

/// Replays the program over the plan; `count` is the steps of an axis, or the examples.
///
/// # Errors
/// The first slot that is not where or as large as it should be, or read that would see another value's data.
pub fn check(
    schedule: &Schedule,
    storage: &Storage,
    plan: &Plan,
    count: &dyn Fn(AxisId) -> usize,
) -> Result<(), PlanViolation> {
    slots_fit(storage, plan, count)?;
    values_fit(schedule, storage)?;
    let nodes = schedule.graph.nodes.len();
    let mut replay = Replay {
        schedule,
        storage,
        plan,
        owners: vec![None; plan.total.div_ceil(ALIGNMENT)],
        written: SideTable::filled(false, nodes),
        packed: vec![false; storage.packed.len()],
        parts: SideTable::filled(Vec::new(), storage.slots.len()),
        loops: Vec::new(),
        block: None,
        around_block: 0,
        segment: None,
        restored: None,
        growing: Vec::new(),
        touched: None,
    };
    replay.prepare()?;
    replay.items(&schedule.items)?;
    for result in &schedule.graph.results {
        let here = Read {
            node: result.node,
            back: Domain::NONE,
            ahead: Domain::NONE,
            whole: Domain::NONE,
        };
        replay.read(result.node, &here)?;
    }
    Ok(())
}

/// A loop around what is replayed.
struct Around {
    axis: AxisId,
    first: bool,
    nodes: Vec<NodeId>,
}

struct Replay<'a> {
    schedule: &'a Schedule,
    storage: &'a Storage,
    plan: &'a Plan,
    owners: Vec<Option<SlotId>>,
    written: SideTable<NodeId, bool>,
    packed: Vec<bool>,
    /// The values that each slot has got since one of them was last written again.
    parts: SideTable<SlotId, Vec<NodeId>>,
    loops: Vec<Around>,
    /// The blocks of steps around what is replayed.
    block: Option<usize>,
    /// The loops around the body of these blocks, that over the blocks included.
    around_block: usize,
    /// The axis of the segments of steps around what is replayed.
    segment: Option<AxisId>,
    /// In a segment behind others: the slots whose steps in front of it came back from their borders.
    restored: Option<Vec<SlotId>>,
    /// What started before these blocks or segments and grows with each: sums, and copies of one step.
    growing: Vec<NodeId>,
    /// What the branch that is replayed has touched.
    touched: Option<Touched>,
}

impl Replay<'_> {
    // The function that runs when parameters change: it has no loops, and packs weights at its end.
    fn prepare(&mut self) -> Result<(), PlanViolation> {
        let top = self.schedule.items.iter().flat_map(|item| match item {
            Item::Fork(branches) => branches.iter().flatten().collect(),
            item => vec![item],
        });
        for item in top {
            let Item::Kernel(kernel) = item else { continue };
            for id in &kernel.nodes {
                let computed = matches!(self.schedule.forms[*id], Form::Pointwise | Form::Kernel);
                if !(computed && self.storage.needed[*id] && self.storage.prepared[*id]) {
                    continue;
                }
                for read in self.storage.reads(self.schedule, *id) {
                    self.read(*id, &read)?;
                }
                self.written[*id] = true;
            }
        }
        for id in self.schedule.graph.nodes.ids() {
            let weights = self.storage.weights[id].as_ref();
            let Some(weights) = weights.filter(|_| self.storage.needed[id]) else {
                continue;
            };
            for block in &weights.blocks {
                self.available(id, block.source)?;
            }
            self.packed[weights.packed] = true;
        }
        Ok(())
    }

    fn items(&mut self, items: &[Item]) -> Result<(), PlanViolation> {
        for item in items {
            match item {
                Item::Kernel(kernel) => self.kernel(kernel)?,
                Item::Fork(branches) => self.fork(branches)?,
                Item::Loop { axis, body, .. } => {
                    self.turns(*axis, item, |replay, _| replay.items(body))?
                }
                Item::Blocks {
                    number, axis, body, ..
                } => {
                    let started = self.growing.len();
                    if self.segment != Some(*axis) {
                        self.start_growing(*axis, body);
                    }
                    self.block = Some(*number);
                    self.around_block = self.loops.len() + 1;
                    self.turns(*axis, item, |replay, _| replay.items(body))?;
                    self.block = None;
                    self.growing.truncate(started);
                }
                Item::Segments {
                    axis,
                    direction,
                    again,
                    body,
                } => {
                    self.segment = Some(*axis);
                    self.start_growing(*axis, body);
                    if *direction == Direction::Forward {
                        self.start_borders(*axis);
                    }
                    self.turns(*axis, item, |replay, first| {
                        if !first {
                            replay.next_segment(*axis, *direction)?;
                            replay.items(again)?;
                        }
                        replay.items(body)
                    })?;
                    self.segment = None;
                    self.restored = None;
                    self.growing.clear();
                }
            }
        }
        Ok(())
    }

    // Two turns of a loop; the body is told whether it is the first.
    fn turns(
        &mut self,
        axis: AxisId,
        item: &Item,
        body: impl Fn(&mut Self, bool) -> Result<(), PlanViolation>,
    ) -> Result<(), PlanViolation> {
        let nodes = item.nodes();
        for first in [true, false] {
            let nodes = nodes.clone();
            self.loops.push(Around { axis, first, nodes });
            body(self, first)?;
            self.loops.pop();
        }
        Ok(())
    }

    fn kernel(&mut self, kernel: &Kernel) -> Result<(), PlanViolation> {
        let (schedule, storage) = (self.schedule, self.storage);
        let nodes = || {
            let nodes = kernel.nodes.iter().copied();
            nodes.filter(|id| is_computed(schedule, storage, *id))
        };
        // A kernel works row by row, or tile by tile: what it reads must stay until all of it has run.
        let read: Vec<SlotId> = nodes()
            .flat_map(|id| storage.reads(schedule, id))
            .filter_map(|read| storage.places[read.node])
            .map(|place| place.slot)
            .collect();
        for id in nodes() {
            let Some(place) = storage.places[id] else {
                continue;
            };
            for operand in read.iter().filter(|operand| **operand != place.slot) {
                if let (Some(to), Some(from)) = (self.cells(place.slot), self.cells(*operand))
                    && to.start < from.end
                    && from.start < to.end
                {
                    return Err(PlanViolation::Clobbered {
                        writer: id,
                        slot: place.slot,
                        operand: *operand,
                    });
                }
            }
        }
        for id in nodes() {
            for read in storage.reads(schedule, id) {
                self.read(id, &read)?;
            }
            if let Some(weights) = &storage.weights[id]
                && !self.packed[weights.packed]
            {
                return Err(PlanViolation::Unwritten {
                    reader: id,
                    value: id,
                });
            }
            self.write(id)?;
        }
        Ok(())
    }

    // The cells of a slot of the arena.
    fn cells(&self, slot: SlotId) -> Option<std::ops::Range<usize>> {
        if !self.storage.slots[slot].in_arena() {
            return None;
        }
        let start = self.plan.offsets[slot]?;
        Some(start / ALIGNMENT..(start + self.plan.bytes[slot]) / ALIGNMENT)
    }

    // A value is given from outside, or has been computed.
    fn available(&self, reader: NodeId, value: NodeId) -> Result<(), PlanViolation> {
        let computed = matches!(self.schedule.forms[value], Form::Pointwise | Form::Kernel);
        if computed && !self.written[value] {
            return Err(PlanViolation::Unwritten { reader, value });
        }
        Ok(())
    }

    fn read(&mut self, reader: NodeId, read: &Read) -> Result<(), PlanViolation> {
        if let Some(touched) = &mut self.touched {
            touched.reads.push((reader, read.node));
        }
        let Some(place) = self.storage.places[read.node] else {
            return Ok(());
        };
        self.touch(place.slot, false);
        let slot = &self.storage.slots[place.slot];
        let earlier = read.back.union(read.ahead);
        let yet_to_come = self.loops.iter().any(|around| {
            around.first && earlier.contains(around.axis) && around.nodes.contains(&read.node)
        });
        if !yet_to_come {
            self.available(reader, read.node)?;
        }
        if !slot.in_arena() {
            return Ok(());
        }
        let varies = self.schedule.graph.nodes[read.node].ty.domain;
        let mut elsewhere = read.elsewhere().minus(slot.stored);
        // What is stored for one segment is read in the segments of its axis, near the step itself, or by what grows with them.
        if let Some(kept) = slot.segment {
            let grows = match self.schedule.graph.nodes[reader].op {
                Op::AxisReduce { axes, .. } => axes.contains(kept.axis),
                Op::At { axis, .. } => axis == kept.axis,
                _ => false,
            };
            let mut reach = (self.schedule.forms)
                .reach(&self.schedule.graph, reader, kept.axis)
                .into_iter();
            let lost = (self.restored.as_ref()).is_some_and(|slots| !slots.contains(&place.slot));
            let before = if lost { 0 } else { kept.before };
            let far = reach.any(|(node, back, ahead)| {
                node == read.node && (back > before || ahead > kept.after)
            });
            let elsewhere_too = read.whole.contains(kept.axis) && !grows;
            if self.segment != Some(kept.axis) || far || elsewhere_too {
                elsewhere = elsewhere.with(kept.axis);
            }
        }
        // What is stored for one block is read in that block, at the step itself or by a sum over all blocks.
        if let Some(at) = slot.block {
            let mut others = match self.schedule.graph.nodes[reader].op {
                Op::AxisReduce { axes, .. } => read.whole.minus(axes),
                _ => read.whole,
            };
            others = others.union(read.back).union(read.ahead);
            let axis = self.storage.blocks[at].axis;
            if self.block != Some(at) || others.contains(axis) {
                elsewhere = elsewhere.with(axis);
            }
        }
        let elsewhere = elsewhere.intersect(varies);
        if let Some(axis) = elsewhere.axes().next() {
            return Err(PlanViolation::Forgotten {
                reader,
                value: read.node,
                slot: place.slot,
                axis,
            });
        }
        if yet_to_come {
            return Ok(());
        }
        self.owned(reader, place.slot)
    }

    // Every cell of a slot was written last by the slot.
    fn owned(&self, reader: NodeId, slot: SlotId) -> Result<(), PlanViolation> {
        for cell in self.cells(slot).unwrap_or_default() {
            if self.owners[cell] != Some(slot) {
                let found = self.owners[cell]
                    .map_or_else(|| "nothing".to_owned(), |owner| owner.to_string());
                return Err(PlanViolation::Overwritten {
                    reader,
                    slot,
                    at: cell * ALIGNMENT,
                    found,
                });
            }
        }
        Ok(())
    }

    fn write(&mut self, id: NodeId) -> Result<(), PlanViolation> {
        self.written[id] = true;
        if let Some(touched) = &mut self.touched {
            touched.writes.push(id);
        }
        let Some(place) = self.storage.places[id] else {
            return Ok(());
        };
        let slot = place.slot;
        self.touch(slot, true);
        let Some(cells) = self.cells(slot) else {
            return Err(PlanViolation::Unplaced { slot, writer: id });
        };
        // A turn writes one step of what is kept for every step: the others must have stayed since the turn before.
        // What stores one block is written anew in each.
        let Slot { stored, block, .. } = self.storage.slots[slot];
        let outside = if block.is_some() {
            self.around_block
        } else {
            0
        };
        let mut turns = self.loops.iter().skip(outside);
        let kept = turns.any(|around| !around.first && stored.contains(around.axis));
        // A part joins those of the same turn.
        let parts = &mut self.parts[slot];
        if parts.contains(&id) {
            parts.clear();
        }
        let joins = !parts.is_empty();
        parts.push(id);
        if kept || joins || self.growing.contains(&id) {
            self.owned(id, slot)?;
        }
        self.owners[cells].fill(Some(slot));
        Ok(())
    }
}
