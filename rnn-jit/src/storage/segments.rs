//! Segments of steps: which values do not outlive theirs, and what is kept from one to the next.
//!
//! A slot of one segment holds its steps with some on either side: the last steps of the segment before, which `x[t-1]`
//! reads at the first step, and the first of the one behind, which `x[t+1]` reads at the last. The steps in front of each
//! segment but the first are saved in a slot of *borders*, from which the segment is computed again.
//!
//! **Invariant:** what is stored for one segment is read in the segments of its axis alone, no further from its own step
//! than the steps on either side.

use super::{Owner, Slot, SlotId, Storage};
use rnn_ir::axis::{AxisId, Domain};
use rnn_ir::id::SideTable;
use rnn_ir::node::NodeId;
use rnn_ir::schedule::{Direction, Item, Schedule};

/// One segment of steps of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The axis that segments divide; the outermost that the slot stores.
    pub axis: AxisId,
    /// Steps in front of the segment.
    pub before: usize,
    /// Steps behind it.
    pub after: usize,
}

/// The steps of a slot that are saved in front of each segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Borders {
    /// Where.
    pub slot: SlotId,
    /// The slot of one segment that they are of.
    pub of: SlotId,
}

impl Storage {
    // The segment that all readers of some members are in.
    pub(super) fn one_segment(
        &self,
        schedule: &Schedule,
        stored: Domain,
        members: &[NodeId],
    ) -> Option<Segment> {
        let axis = self.sites[*members.first()?].as_ref()?.segment?;
        if stored.time_axes().next() != Some(axis) {
            return None;
        }
        let inside = |id: &NodeId| {
            let site = self.sites[*id].as_ref();
            site.is_some_and(|site| site.segment == Some(axis))
        };
        let result = |id: &NodeId| {
            let mut results = schedule.graph.results.iter();
            results.any(|result| result.node == *id)
        };
        let mut segment = Segment {
            axis,
            before: 0,
            after: 0,
        };
        for member in members {
            if !inside(member) || result(member) {
                return None;
            }
            for (reader, read) in &self.readers[*member] {
                let whole = read.whole.contains(axis) && !schedule.grows(*reader, axis);
                if whole || !inside(reader) {
                    return None;
                }
                for (node, back, ahead) in schedule.forms.reach(&schedule.graph, *reader, axis) {
                    if node == *member {
                        segment.before = segment.before.max(back);
                        segment.after = segment.after.max(ahead);
                    }
                }
            }
        }
        Some(segment)
    }

    // Borders of what the backward pass reads a step back, to go on or to compute it again.
    pub(super) fn place_borders(&mut self, schedule: &Schedule) {
        let mut wanted = SideTable::filled(false, self.slots.len());
        for item in &schedule.items {
            let Item::Segments {
                axis,
                direction: Direction::Reverse,
                again,
                body,
            } = item
            else {
                continue;
            };
            for id in again.iter().chain(body).flat_map(Item::nodes) {
                for (node, back, _) in schedule.forms.reach(&schedule.graph, id, *axis) {
                    if let (true, Some(place)) = (back > 0, self.places[node]) {
                        wanted[place.slot] = true;
                    }
                }
            }
        }
        let slots: Vec<SlotId> = self.slots.ids().filter(|id| wanted[*id]).collect();
        for of in slots {
            let Slot {
                row,
                stored,
                segment,
                ..
            } = self.slots[of];
            if segment.is_some_and(|segment| segment.before > 0) {
                let slot = self.slots.push(Slot {
                    owner: Owner::Borders(of),
                    stored,
                    row,
                    block: None,
                    segment,
                });
                self.borders.push(Borders { slot, of });
            }
        }
    }

    /// The fewest steps that a segment of an axis can have, in a sequence of more than one: no more than what is kept
    /// beside it.
    pub fn least_segment(&self, axis: AxisId) -> usize {
        let segments = self.slots.iter().filter_map(|(_, slot)| slot.segment);
        segments
            .filter(|segment| segment.axis == axis)
            .map(|segment| segment.before.max(segment.after))
            .fold(1, usize::max)
    }

    /// Steps of a time axis that a slot stores in a call of `batch` examples and `all` steps, in segments of `segment`.
    pub fn kept_steps(
        &self,
        slot: SlotId,
        axis: AxisId,
        batch: usize,
        all: usize,
        segment: usize,
    ) -> usize {
        let slot = &self.slots[slot];
        if let Some(kept) = slot.segment.filter(|kept| kept.axis == axis) {
            return match slot.owner {
                Owner::Borders(_) => {
                    (all.div_ceil(segment.max(1)).max(1) - 1).saturating_mul(kept.before)
                }
                _ => segment
                    .min(all)
                    .saturating_add(kept.before)
                    .saturating_add(kept.after),
            };
        }
        match slot.block.map(|at| &self.blocks[at]) {
            Some(blocks) if blocks.axis == axis => blocks.steps(batch, all, segment),
            _ => all,
        }
    }
}

/// The axes along which a program runs in segments.
pub(super) fn segmented(schedule: &Schedule) -> Vec<AxisId> {
    let mut out: Vec<AxisId> = Vec::new();
    for item in &schedule.items {
        if let Item::Segments { axis, .. } = item
            && !out.contains(axis)
        {
            out.push(*axis);
        }
    }
    out
}
