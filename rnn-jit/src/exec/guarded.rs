//! Calls in which every slot has memory of its own, between inaccessible pages.
//!
//! No two slots share memory, each has exactly the bytes that its shape needs, and holds poison until the program writes
//! it. What the program may not write is read-only. So an access outside a slot, or a write to what is the caller's, stops
//! the process, and a read of what this call has not written makes a result NaN.

use super::arguments::{Arguments, CallShape};
use super::{Executable, Workspace};
use crate::error::JitError;
use crate::kernels::guard::{Guarded, Side};
use crate::plan::Plan;
use crate::storage::{Owner, SlotId};
use rnn_ir::axis::AxisId;
use rnn_ir::id::Id;

impl Executable {
    /// As [`run`](Self::run), with every slot, table and argument at an inaccessible page.
    pub(crate) fn run_guarded(
        &self,
        side: Side,
        workspace: &mut Workspace,
        params: &dyn Arguments,
        inputs: &dyn Arguments,
        shape: &CallShape,
    ) -> Result<(), JitError> {
        self.check_owner(workspace)?;
        self.reshape(workspace, Some(inputs), shape)?;
        self.point_persistent(workspace);
        self.point_params(workspace, params)?;
        self.point_inputs(workspace, inputs, shape)?;
        let mut context = vec![0; workspace.context.len()];
        (self.layout).set_batch(&mut context, shape.batch as u64);
        (self.layout).set_given(&mut context, shape.batch as u64);
        let mut tables = Vec::new();
        for (at, axis) in self.time_axes().enumerate() {
            let mut guarded = |table: &[u32]| {
                let mut table = Guarded::of(table, side);
                table.make_read_only();
                let address = table.address();
                tables.push(table);
                address
            };
            let values = [
                shape.steps[at] as u64,
                guarded(&workspace.live[at]),
                guarded(&workspace.lengths[at]),
                u64::from(workspace.full[at]),
                workspace.plan().segments[axis] as u64,
            ];
            self.layout.set_axis(&mut context, axis, values);
        }
        self.set_blocks(&mut context, shape, workspace.plan());
        let mut slots: Vec<(SlotId, Guarded)> = Vec::new();
        // What a call does not write: arguments, constants.
        for (id, slot) in self.storage.slots.iter() {
            let word = usize::try_from(self.layout.slot(id)).expect("an offset") / 8;
            let from = workspace.context[word] as *const u32;
            let len = self.words_of(id, shape, workspace.plan());
            let mut memory = match slot.owner {
                Owner::Input(_) | Owner::Param(_) if from.is_null() => continue,
                Owner::Input(_) | Owner::Param(_) | Owner::Const(_) | Owner::Zeros => {
                    // SAFETY: `point_*` have just pointed the slot at memory of at least its size.
                    Guarded::of(unsafe { std::slice::from_raw_parts(from, len) }, side)
                }
                _ => continue,
            };
            memory.make_read_only();
            slots.push((id, memory));
        }
        // What the first function writes; it sees neither inputs nor the arena.
        let point = |context: &mut Vec<u64>, slots: &[(SlotId, Guarded)], inputs: bool| {
            for (id, memory) in slots {
                let input = matches!(self.storage.slots[*id].owner, Owner::Input(_));
                if inputs || !input {
                    self.layout.set_slot(context, *id, memory.address());
                }
            }
        };
        for (id, slot) in self.storage.slots.iter() {
            if matches!(
                slot.owner,
                Owner::Prepared(_) | Owner::Packed(_) | Owner::Scratch
            ) {
                slots.push((
                    id,
                    Guarded::new(self.words_of(id, shape, workspace.plan()), side),
                ));
            }
        }
        point(&mut context, &slots, false);
        // SAFETY: every slot that this part of the program touches has memory of its size; an access elsewhere stops the
        // process.
        unsafe { self.code.prepare(&context) };
        for (id, memory) in &mut slots {
            match self.storage.slots[*id].owner {
                Owner::Prepared(_) | Owner::Packed(_) => memory.make_read_only(),
                Owner::Scratch => *memory = Guarded::new(memory.words().len(), side),
                _ => {}
            }
        }
        for (id, slot) in self.storage.slots.iter() {
            if slot.in_arena() {
                slots.push((
                    id,
                    Guarded::new(self.words_of(id, shape, workspace.plan()), side),
                ));
            }
        }
        point(&mut context, &slots, true);
        // SAFETY: as above, for every slot.
        unsafe { self.code.run(&context, &|_| None) };
        for result in &self.schedule.graph.results {
            let Some(place) = self.storage.places[result.node] else {
                continue;
            };
            let found = slots.iter().find(|(id, _)| *id == place.slot);
            let memory = found.map_or(&[][..], |(_, memory)| memory.reals());
            let planned = workspace
                .plan
                .as_ref()
                .and_then(|plan| plan.offsets[place.slot]);
            let to = match (self.storage.slots[place.slot].owner, planned) {
                (Owner::Computed(_), Some(offset)) => {
                    workspace.arena.reals_mut(offset, memory.len())
                }
                _ => {
                    let offset = workspace.persistent_offsets[place.slot];
                    workspace.persistent.reals_mut(offset, memory.len())
                }
            };
            to.copy_from_slice(memory);
        }
        workspace.done = true;
        Ok(())
    }

    // Words of a slot in a shape and its plan, without rounding to lines.
    fn words_of(&self, id: SlotId, shape: &CallShape, plan: &Plan) -> usize {
        let slot = &self.storage.slots[id];
        let count = |axis: AxisId| {
            if axis == AxisId::BATCH {
                return shape.batch;
            }
            let all = shape.steps[axis.index() - 1];
            (self.storage).kept_steps(id, axis, shape.batch, all, plan.segments[axis])
        };
        slot.row * slot.stored.axes().map(count).product::<usize>()
    }
}

impl Workspace {
    fn plan(&self) -> &Plan {
        self.plan.as_ref().expect("a shape was given")
    }
}

mod tests;
