//! Outputs that are computed in memory which the caller takes with it, so that nobody copies them.
//!
//! An output qualifies where its slot holds nothing but it, at all steps, as the caller gets them. A call of examples in order,
//! none shorter than another, then finds memory of its own at the slot's address instead of the arena's, which keeps its place for
//! other calls.
//!
//! It is given as capacity alone: zeros first would be a pass over it, of which the copy that is saved had two.
//!
//! **Invariant:** memory has a length only after a call that came to its end, which has written all of it.

use super::shape::too_large;
use super::{Executable, Workspace};
use crate::error::JitError;
use crate::storage::{Owner, SlotId, Storage};
use rnn_ir::axis::AxisId;
use rnn_ir::graph::ResultKind;
use rnn_ir::id::Id;
use rnn_ir::node::{DType, NodeId};
use rnn_ir::schedule::{Schedule, sizes};

/// The memory of one output.
#[derive(Debug)]
pub(super) struct Handed {
    slot: SlotId,
    /// Empty while the program writes into its capacity.
    values: Vec<f32>,
    elements: usize,
}

/// The outputs of a program that may be computed in memory of their own, by their slots.
pub(super) fn outputs(schedule: &Schedule, storage: &Storage) -> Vec<(SlotId, NodeId)> {
    let graph = &schedule.graph;
    let alone = |slot: SlotId, node: NodeId| {
        let mut others = graph.nodes.ids().filter(|id| *id != node);
        let shared =
            others.any(|other| storage.places[other].is_some_and(|place| place.slot == slot));
        let results = graph.results.iter().filter(|result| result.node == node);
        !shared && results.count() == 1
    };
    let mut out = Vec::new();
    for result in &graph.results {
        let (node, ty) = (result.node, &graph.nodes[result.node].ty);
        let Some(place) = storage.places[node] else {
            continue;
        };
        let slot = &storage.slots[place.slot];
        let whole = matches!(slot.owner, Owner::Computed(_))
            && slot.stored == ty.domain
            && slot.row == sizes(ty).iter().product::<usize>()
            && slot.block.is_none()
            && slot.segment.is_none();
        let real = result.kind == ResultKind::Output && ty.dtype == DType::Real;
        if real && whole && alone(place.slot, node) {
            out.push((place.slot, node));
        }
    }
    out
}

impl Executable {
    /// Sets the addresses of outputs that have memory of their own in the call to come.
    pub(super) fn point_handed(&self, workspace: &mut Workspace) -> Result<(), JitError> {
        workspace.handed.clear();
        let Some(shape) = workspace.shape.as_ref().filter(|_| workspace.hand_on) else {
            return Ok(());
        };
        for (slot, node) in &self.handed {
            let domain = self.schedule.graph.nodes[*node].ty.domain;
            let steps = |axis: AxisId| shape.steps[axis.index() - 1];
            let full = (domain.time_axes()).all(|axis| workspace.full[axis.index() - 1]);
            if !full || !workspace.in_order {
                continue;
            }
            let examples = match domain.contains(AxisId::BATCH) {
                true => shape.batch,
                false => 1,
            };
            // As many as the plan has found room for in the arena.
            let elements: usize = domain.time_axes().map(steps).product();
            let elements = elements * examples * self.storage.slots[*slot].row;
            let mut values: Vec<f32> = Vec::new();
            (values.try_reserve_exact(elements))
                .map_err(|error| too_large("an output", error.to_string()))?;
            if self.options.checks {
                // What is not written is found.
                values.resize(elements, f32::NAN);
                values.clear();
            }
            let address = values.as_mut_ptr() as u64;
            self.layout.set_slot(&mut workspace.context, *slot, address);
            workspace.handed.push(Handed {
                slot: *slot,
                values,
                elements,
            });
        }
        Ok(())
    }
}

impl Workspace {
    /// Whether the calls from now on compute outputs in memory of their own where they can, for
    /// [`take_reals`](Executable::take_reals) to hand on.
    /// What was not taken of earlier calls is gone.
    pub fn hand_on(&mut self, hand_on: bool) {
        self.hand_on = hand_on;
        self.handed.clear();
    }

    /// Says that the program has written what it was given to write.
    ///
    /// # Safety
    /// The program has come to its end with the addresses that [`point_handed`](Executable::point_handed) set.
    pub(super) unsafe fn handed_are_written(&mut self) {
        for handed in &mut self.handed {
            // SAFETY: there is capacity for so many elements, and the program writes every row of an output at every step of
            // examples of which none is shorter than another.
            unsafe { handed.values.set_len(handed.elements) };
        }
    }

    /// The elements of an output that has memory of its own.
    pub(super) fn handed_of(&self, slot: SlotId) -> Option<&[f32]> {
        let mut all = self.handed.iter();
        all.find(|handed| handed.slot == slot)
            .map(|handed| handed.values.as_slice())
    }

    /// The same, to be had once: then nothing is there.
    pub(super) fn take_handed(&mut self, slot: SlotId) -> Option<Vec<f32>> {
        let mut all = self.handed.iter_mut();
        let handed = all.find(|handed| handed.slot == slot)?;
        let there = handed.values.len() == handed.elements;
        there.then(|| std::mem::take(&mut handed.values))
    }
}
