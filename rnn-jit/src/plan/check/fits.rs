//! Where slots and values lie, before anything is replayed: inside the arena, as large as they should be, and apart.
//!
//! **Invariant:** two values of a slot share no features, unless one is nothing but others.

use super::PlanViolation;
use crate::plan::{ALIGNMENT, Plan};
use crate::storage::{ELEMENT, Owner, Place, SlotId, Storage};
use rnn_ir::axis::AxisId;
use rnn_ir::id::SideTable;
use rnn_ir::node::NodeId;
use rnn_ir::op::Op;
use rnn_ir::schedule::{Form, Schedule, sizes};

// Every slot lies inside the arena, at a line, and holds what its shape needs.
pub(super) fn slots_fit(
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
pub(super) fn values_fit(schedule: &Schedule, storage: &Storage) -> Result<(), PlanViolation> {
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
