//! Segments of steps in the replay: what one leaves for the next, and what is gone in it.
//!
//! **Invariant:** a value of a segment is there in the next only if it was copied or computed again.

use super::{PlanViolation, Replay, is_computed};
use crate::storage::{Owner, SlotId};
use rnn_ir::axis::AxisId;
use rnn_ir::node::NodeId;
use rnn_ir::op::Op;
use rnn_ir::schedule::{Direction, Item};

impl Replay<'_> {
    // Each segment but the first saves what it starts from beside what those before it saved.
    pub(super) fn start_borders(&mut self, axis: AxisId) {
        for (slot, _) in self.borders(axis) {
            if let Some(cells) = self.cells(slot) {
                self.owners[cells].fill(Some(slot));
            }
        }
    }

    // The borders along an axis, and the slots that they are of.
    fn borders(&self, axis: AxisId) -> Vec<(SlotId, SlotId)> {
        let slots = self.storage.slots.iter();
        let of_axis = slots.filter(|(_, slot)| slot.segment.is_some_and(|kept| kept.axis == axis));
        of_axis
            .filter_map(|(id, slot)| match slot.owner {
                Owner::Borders(of) => Some((id, of)),
                _ => None,
            })
            .collect()
    }

    // What is copied from one segment to the next must be there; what is not, is gone.
    pub(super) fn next_segment(
        &mut self,
        axis: AxisId,
        direction: Direction,
    ) -> Result<(), PlanViolation> {
        let first_of = |slot: SlotId| match self.storage.slots[slot].owner {
            Owner::Computed(id) => Some(id),
            _ => None,
        };
        if direction == Direction::Forward {
            for (id, slot) in self.storage.slots.iter() {
                let kept = slot
                    .segment
                    .filter(|kept| kept.axis == axis && kept.before > 0);
                let (Some(_), Some(node)) = (kept, first_of(id)) else {
                    continue;
                };
                self.owned(node, id)?;
                let mut borders = self.borders(axis).into_iter();
                if let Some((borders, _)) = borders.find(|(_, of)| *of == id) {
                    if self.cells(borders).is_none() {
                        return Err(PlanViolation::Unplaced {
                            slot: borders,
                            writer: node,
                        });
                    }
                    self.owned(node, borders)?;
                }
            }
            return Ok(());
        }
        for (id, slot) in self.storage.slots.iter() {
            let kept = slot.segment.filter(|kept| kept.axis == axis);
            if let (Some(kept), Some(node)) = (kept, first_of(id))
                && kept.after > 0
            {
                self.owned(node, id)?;
            }
        }
        self.restored = Some(self.borders(axis).iter().map(|(_, of)| *of).collect());
        for (borders, of) in self.borders(axis) {
            if let Some(node) = first_of(of) {
                self.owned(node, borders)?;
                if let Some(cells) = self.cells(of) {
                    self.owners[cells].fill(Some(of));
                }
            }
        }
        let mut gone: Vec<NodeId> = Vec::new();
        for item in &self.schedule.items {
            if let Item::Segments {
                axis: along,
                direction: Direction::Forward,
                ..
            } = item
                && *along == axis
            {
                gone.extend(item.nodes());
            }
        }
        for id in gone {
            let whole = self.storage.places[id].is_some_and(|place| {
                let slot = &self.storage.slots[place.slot];
                let once = slot.segment.is_none() && slot.block.is_none();
                once && slot.stored.contains(axis)
            });
            let varies = self.schedule.graph.nodes[id].ty.domain.contains(axis);
            if varies && !whole {
                self.written[id] = false;
            }
        }
        Ok(())
    }

    pub(super) fn start_growing(&mut self, axis: AxisId, body: &[Item]) {
        for item in body {
            let kernel = match item {
                Item::Kernel(kernel) => kernel,
                Item::Blocks { body, .. } => {
                    self.start_growing(axis, body);
                    continue;
                }
                Item::Loop { .. } | Item::Segments { .. } | Item::Fork(_) => continue,
            };
            for id in &kernel.nodes {
                let grows = match self.schedule.graph.nodes[*id].op {
                    Op::AxisReduce { axes, .. } => axes.contains(axis),
                    Op::At { axis: along, .. } => along == axis && self.segment == Some(axis),
                    _ => false,
                };
                if !grows || !is_computed(self.schedule, self.storage, *id) {
                    continue;
                }
                self.growing.push(*id);
                if let Some(place) = self.storage.places[*id]
                    && let Some(cells) = self.cells(place.slot)
                {
                    self.owners[cells].fill(Some(place.slot));
                    self.touch(place.slot, true);
                }
            }
        }
    }
}
