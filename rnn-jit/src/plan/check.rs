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

mod segments;

use super::violation::PlanViolation;
use super::{ALIGNMENT, Plan, is_computed};
use crate::storage::{ELEMENT, Owner, Place, Slot, SlotId, Storage};
use rnn_ir::axis::{AxisId, Domain};
use rnn_ir::id::SideTable;
use rnn_ir::node::NodeId;
use rnn_ir::op::Op;
use rnn_ir::schedule::{Direction, Form, Item, Kernel, Read, Schedule, sizes};
use std::collections::{BTreeMap, BTreeSet};

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

// Every slot lies inside the arena, at a line, and holds what its shape needs.
fn slots_fit(
    storage: &Storage,
    plan: &Plan,
    count: &dyn Fn(AxisId) -> usize,
) -> Result<(), PlanViolation> {
    for (id, slot) in storage.slots.iter() {
        let Some(start) = plan.offsets[id] else {
            continue;
        };
        let bytes = plan.bytes[id];
        let total = plan.total;
        let end = start.saturating_add(bytes);
        if start % ALIGNMENT != 0 {
            return Err(PlanViolation::Misaligned { slot: id, start });
        }
        if end > total {
            return Err(PlanViolation::Outside {
                slot: id,
                end,
                total,
            });
        }
        let blocks = slot.block.map(|at| &storage.blocks[at]);
        let kept = |axis: AxisId| {
            if axis == AxisId::BATCH {
                return count(axis);
            }
            let (all, segment) = (count(axis), plan.segments[axis]);
            match (blocks, slot.segment) {
                (Some(blocks), _) if blocks.axis == axis => {
                    blocks.steps(count(AxisId::BATCH), all, segment)
                }
                (_, Some(kept)) if kept.axis == axis => match slot.owner {
                    Owner::Borders(_) => (1..all)
                        .filter(|step| step % segment == 0)
                        .map(|_| kept.before)
                        .sum(),
                    _ => kept.before + segment.min(all) + kept.after,
                },
                _ => all,
            }
        };
        if let Some(kept) = slot.segment
            && plan.segments[kept.axis] < kept.before.max(kept.after)
        {
            return Err(PlanViolation::ShortSegment {
                slot: id,
                steps: plan.segments[kept.axis],
                needed: kept.before.max(kept.after),
            });
        }
        let elements: usize = slot.stored.axes().map(kept).product();
        let needed = elements * slot.row * ELEMENT;
        if bytes < needed {
            return Err(PlanViolation::TooSmall {
                slot: id,
                bytes,
                needed,
            });
        }
    }
    Ok(())
}

// Values that share a slot have features of their own in it, save for the one that is made of the others.
fn values_fit(schedule: &Schedule, storage: &Storage) -> Result<(), PlanViolation> {
    let mut seen: SideTable<SlotId, Vec<(NodeId, usize, usize)>> =
        SideTable::filled(Vec::new(), storage.slots.len());
    for (id, node) in schedule.graph.nodes.iter() {
        let Some(place) = storage.places[id] else {
            continue;
        };
        let slot = &storage.slots[place.slot];
        let width: usize = sizes(&node.ty).iter().product();
        let end = place.offset + width;
        if end > slot.row {
            return Err(PlanViolation::PastRow {
                slot: place.slot,
                value: id,
                end,
                row: slot.row,
            });
        }
        if matches!(slot.owner, Owner::Computed(whole) | Owner::Prepared(whole) if whole == id) {
            continue;
        }
        if is_join(schedule, storage, id) {
            continue;
        }
        for (other, first, last) in &seen[place.slot] {
            if place.offset < *last && *first < end {
                return Err(PlanViolation::Shared {
                    slot: place.slot,
                    first: *other,
                    second: id,
                });
            }
        }
        seen[place.slot].push((id, place.offset, end));
    }
    Ok(())
}

// Whether a value is nothing but others, one behind the other where they lie.
fn is_join(schedule: &Schedule, storage: &Storage, id: NodeId) -> bool {
    let (Op::Concat { parts, at: 0 }, Some(place)) =
        (&schedule.graph.nodes[id].op, storage.places[id])
    else {
        return false;
    };
    let mut end = place.offset;
    parts.iter().all(|part| {
        let lies = storage.places[*part]
            == Some(Place {
                offset: end,
                ..place
            })
            && schedule.forms[*part] != Form::View;
        end += sizes(&schedule.graph.nodes[*part].ty)
            .iter()
            .product::<usize>();
        lies
    })
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

/// What a branch of a fork reads and writes.
#[derive(Default)]
struct Touched {
    /// Each value with its reader.
    reads: Vec<(NodeId, NodeId)>,
    writes: Vec<NodeId>,
    /// The slots as which each cell of the arena is read or written.
    cells: BTreeMap<usize, BTreeSet<SlotId>>,
    /// The slots as which each cell is written.
    written: BTreeMap<usize, BTreeSet<SlotId>>,
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

    fn fork(&mut self, branches: &[Vec<Item>]) -> Result<(), PlanViolation> {
        let tiles: BTreeSet<SlotId> = self.storage.scratch.iter().copied().collect();
        if tiles.len() < branches.len() {
            return Err(PlanViolation::Tiles {
                branches: branches.len(),
                tiles: tiles.len(),
            });
        }
        let mut all = Vec::new();
        for body in branches {
            self.touched = Some(Touched::default());
            self.items(body)?;
            all.extend(self.touched.take());
        }
        for (at, own) in all.iter().enumerate() {
            for (_, theirs) in all.iter().enumerate().filter(|(other, _)| *other != at) {
                self.apart(own, theirs)?;
            }
        }
        Ok(())
    }

    // Nobody else touches what a branch writes. Values that share a slot have features of their own in it, which
    // `values_fit` has seen to.
    fn apart(&self, own: &Touched, theirs: &Touched) -> Result<(), PlanViolation> {
        for value in &own.writes {
            if let Some((reader, _)) = theirs.reads.iter().find(|(_, read)| read == value) {
                return Err(PlanViolation::Beside {
                    reader: *reader,
                    value: *value,
                });
            }
        }
        for (cell, slots) in &own.written {
            for other in theirs.cells.get(cell).into_iter().flatten() {
                if let Some(written) = slots.iter().find(|slot| *slot != other) {
                    return Err(PlanViolation::Raced {
                        written: *written,
                        other: *other,
                        at: cell * ALIGNMENT,
                    });
                }
            }
        }
        Ok(())
    }

    // Notes that the branch that is replayed touches a slot.
    fn touch(&mut self, slot: SlotId, writes: bool) {
        let cells = self.cells(slot).unwrap_or_default();
        let Some(touched) = &mut self.touched else {
            return;
        };
        for cell in cells {
            touched.cells.entry(cell).or_default().insert(slot);
            if writes {
                touched.written.entry(cell).or_default().insert(slot);
            }
        }
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
