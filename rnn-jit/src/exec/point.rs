//! Addresses of slots: where compiled code finds constants, weights, the arena, parameters and inputs.
//!
//! **Invariant:** an address is set only for memory whose size was just compared with the slot's.

use super::arguments::{Arguments, CallShape, PartOf, Value};
use super::shape::{extents, given_elements, part_of};
use super::{Executable, Workspace};
use crate::error::JitError;
use crate::storage::Owner;
use rnn_ir::axis::AxisId;
use rnn_ir::id::Id;

impl Executable {
    pub(super) fn point_persistent(&self, workspace: &mut Workspace) {
        let base = workspace.persistent.as_mut_ptr() as u64;
        let arena = workspace.arena.as_mut_ptr() as u64;
        for (id, slot) in self.storage.slots.iter() {
            let address = match slot.owner {
                Owner::Input(_) | Owner::Param(_) => continue,
                Owner::Computed(_) | Owner::Borders(_) => {
                    match workspace.plan.as_ref().and_then(|plan| plan.offsets[id]) {
                        Some(offset) => arena + offset as u64,
                        None => 0,
                    }
                }
                _ => base + workspace.persistent_offsets[id] as u64,
            };
            self.layout.set_slot(&mut workspace.context, id, address);
        }
    }

    pub(super) fn point_params(
        &self,
        workspace: &mut Workspace,
        params: &dyn Arguments,
    ) -> Result<(), JitError> {
        for (id, slot) in self.storage.slots.iter() {
            let Owner::Param(node) = slot.owner else {
                continue;
            };
            let dtype = self.schedule.graph.nodes[node].ty.dtype;
            let given = params.value(node);
            let fits = |value: &Value<'_>| value.len() == slot.row && value.kind() == dtype;
            let address = match given.filter(fits) {
                Some(Value::Real(values)) => values.as_ptr() as u64,
                Some(Value::Index(values)) => values.as_ptr() as u64,
                Some(Value::Bool(_)) | None => {
                    return Err(self.mismatch(node, slot.row, dtype, given));
                }
            };
            self.layout.set_slot(&mut workspace.context, id, address);
        }
        Ok(())
    }

    pub(super) fn point_inputs(
        &self,
        workspace: &mut Workspace,
        inputs: &dyn Arguments,
        shape: &CallShape,
    ) -> Result<(), JitError> {
        let part = part_of(inputs, shape)?;
        // Copies have the examples of the call alone.
        let given = if workspace.in_order {
            part.batch
        } else {
            shape.batch
        };
        (self.layout).set_given(&mut workspace.context, given as u64);
        for (id, slot) in self.storage.slots.iter() {
            let Owner::Input(node) = slot.owner else {
                continue;
            };
            let ty = &self.schedule.graph.nodes[node].ty;
            let by_row = ty.domain.contains(AxisId::BATCH);
            let (outer, rows) = extents(ty.domain, shape);
            let elements = given_elements(ty.domain, shape, part, slot.row);
            let given = inputs.value(node);
            let Some(value) =
                given.filter(|value| value.len() == elements && value.kind() == ty.dtype)
            else {
                if !self.storage.needed[node] && given.is_none() {
                    continue;
                }
                return Err(self.mismatch(node, elements, ty.dtype, given));
            };
            let direct = !by_row || workspace.in_order;
            let from = if by_row {
                part
            } else {
                PartOf { first: 0, batch: 1 }
            };
            let first = from.first * slot.row;
            let address = match value {
                Value::Real(values) if direct => after(values, first),
                Value::Index(values) if direct => after(values, first),
                _ => {
                    let order = if direct {
                        None
                    } else {
                        Some(workspace.order.as_slice())
                    };
                    let copy = &mut workspace.inputs[id.index()];
                    // No more than is needed, which is what is said beforehand.
                    let elements = outer * rows * slot.row;
                    copy.reserve_exact(elements.saturating_sub(copy.len()));
                    copy.resize(elements, 0);
                    let rows = Moved {
                        from,
                        rows,
                        width: slot.row,
                        order,
                    };
                    match value {
                        Value::Real(values) => rows.copy(values, copy, f32::to_bits),
                        Value::Index(values) => rows.copy(values, copy, |value| value),
                        Value::Bool(values) => rows.copy(values, copy, mask),
                    }
                    copy.as_ptr() as u64
                }
            };
            self.layout.set_slot(&mut workspace.context, id, address);
        }
        Ok(())
    }
}

// The address of an element; of an input without steps, any.
fn after<T>(values: &[T], first: usize) -> u64 {
    values.get(first..).unwrap_or(values).as_ptr() as u64
}

fn mask(value: bool) -> u32 {
    if value { u32::MAX } else { 0 }
}

/// The rows of an input that are copied at every step.
struct Moved<'o> {
    from: PartOf,
    rows: usize,
    /// Elements of a row.
    width: usize,
    /// Which row comes at each place; as they are if there is none.
    order: Option<&'o [usize]>,
}

impl Moved<'_> {
    fn copy<T: Copy>(&self, from: &[T], to: &mut [u32], bits: impl Fn(T) -> u32) {
        let (given, own) = (self.from.batch * self.width, self.rows * self.width);
        if own == 0 {
            return;
        }
        for (from, to) in from.chunks_exact(given).zip(to.chunks_exact_mut(own)) {
            for (row, to) in to.chunks_exact_mut(self.width).enumerate() {
                let source = self.from.first + self.order.map_or(row, |order| order[row]);
                for (to, from) in to.iter_mut().zip(&from[source * self.width..]) {
                    *to = bits(*from);
                }
            }
        }
    }
}
