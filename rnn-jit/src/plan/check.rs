//! An independent checker of memory plans: it replays the program over an arena of owners.
//!
//! Every cell of the arena remembers which slot wrote it last. A kernel that reads a slot must find all of the slot's
//! cells owned by it. Loops are replayed twice, so that what one turn leaves for the next is checked too.
//!
//! **Invariant:** it looks at offsets and at who reads and writes what, never at lifetimes.

use super::{ALIGNMENT, Plan, is_computed, nodes_of};
use crate::storage::{SlotId, Storage};
use rnn_ir::node::NodeId;
use rnn_ir::schedule::{Item, Schedule};

/// A value that is overwritten before it is read, or lies outside the arena.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanViolation {
    /// Another slot's data is found where a value is read.
    #[error("{reader} reads {slot} at byte {at}, where {found} was written")]
    Overwritten {
        /// The node that reads.
        reader: NodeId,
        /// The slot that it reads.
        slot: SlotId,
        /// The byte of the arena.
        at: usize,
        /// Who wrote there last, if anyone.
        found: String,
    },
    /// A slot ends past the end of the arena.
    #[error("{slot} ends at byte {end} of an arena of {total}")]
    Outside {
        /// The slot.
        slot: SlotId,
        /// Its end.
        end: usize,
        /// Size of the arena.
        total: usize,
    },
}

/// Replays the program over the plan.
///
/// # Errors
/// The first read that would see another value's data.
pub fn check(schedule: &Schedule, storage: &Storage, plan: &Plan) -> Result<(), PlanViolation> {
    let mut owners: Vec<Option<SlotId>> = vec![None; plan.total.div_ceil(ALIGNMENT)];
    for (slot, _) in storage.slots.iter() {
        let Some(start) = plan.offsets[slot] else {
            continue;
        };
        let end = start + plan.bytes[slot];
        if end > plan.total || start % ALIGNMENT != 0 {
            return Err(PlanViolation::Outside {
                slot,
                end,
                total: plan.total,
            });
        }
    }
    for item in &schedule.items {
        let turns = if matches!(item, Item::Loop { .. } | Item::Blocks { .. }) {
            2
        } else {
            1
        };
        for turn in 0..turns {
            replay(schedule, storage, plan, item, turn, &mut owners)?;
        }
    }
    for result in &schedule.graph.results {
        if let Some(place) = storage.places[result.node] {
            expect(storage, plan, &owners, result.node, place.slot)?;
        }
    }
    Ok(())
}

fn cells(plan: &Plan, slot: SlotId) -> Option<std::ops::Range<usize>> {
    let start = plan.offsets[slot]?;
    Some(start / ALIGNMENT..(start + plan.bytes[slot]) / ALIGNMENT)
}

fn expect(
    storage: &Storage,
    plan: &Plan,
    owners: &[Option<SlotId>],
    reader: NodeId,
    slot: SlotId,
) -> Result<(), PlanViolation> {
    if !storage.slots[slot].in_arena() {
        return Ok(());
    }
    for cell in cells(plan, slot).unwrap_or_default() {
        if owners[cell] != Some(slot) {
            let found =
                owners[cell].map_or_else(|| "nothing".to_owned(), |owner| owner.to_string());
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

fn replay(
    schedule: &Schedule,
    storage: &Storage,
    plan: &Plan,
    item: &Item,
    turn: usize,
    owners: &mut [Option<SlotId>],
) -> Result<(), PlanViolation> {
    let mut nodes = Vec::new();
    nodes_of(item, &mut nodes);
    nodes.retain(|id| is_computed(schedule, storage, *id));
    for id in nodes {
        for read in storage.reads(schedule, id) {
            // What a loop reads of an earlier turn is not there in the first.
            let earlier = !read.back.union(read.ahead).is_empty();
            let Some(place) = storage.places[read.node] else {
                continue;
            };
            if !(earlier && turn == 0) {
                expect(storage, plan, owners, id, place.slot)?;
            }
        }
        if let Some(place) = storage.places[id]
            && storage.slots[place.slot].in_arena()
        {
            for cell in cells(plan, place.slot).unwrap_or_default() {
                owners[cell] = Some(place.slot);
            }
        }
    }
    Ok(())
}
