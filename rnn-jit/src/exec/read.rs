//! Results, out of the memory of a caller.
//!
//! Rows come back in the caller's order of examples, with zeros past each example's length.
//!
//! **Invariant:** reading a result into memory of the caller allocates nothing.

use super::arguments::Value;
use super::{Executable, Workspace};
use crate::error::JitError;
use crate::storage::Owner;
use rnn_ir::axis::{AxisId, MAX_AXES};
use rnn_ir::dim::Dim;
use rnn_ir::id::Id;
use rnn_ir::node::{DType, NodeId, Type};

/// Where a result lies.
struct Found<'w> {
    rows: &'w [f32],
    /// Elements between two rows.
    stride: usize,
    /// First element of the result in a row.
    offset: usize,
    /// Elements of the result in a row.
    width: usize,
    /// Examples that it has: one, if it does not vary over the batch.
    examples: usize,
    by_row: bool,
}

/// Called with the step of a row, its position among the caller's, and its elements unless it is past the end.
type EachRow<'f> = dyn FnMut(usize, usize, Option<&[f32]>) + 'f;

impl Executable {
    /// Copies the bits of a result out: `[time axes.., B if it varies over the batch, features..]`.
    ///
    /// # Errors
    /// No such result, or `out` is of another size.
    pub fn read(
        &self,
        workspace: &Workspace,
        node: NodeId,
        out: &mut [u32],
    ) -> Result<(), JitError> {
        self.copy_out(workspace, node, out, f32::to_bits)
    }

    /// As [`read`](Self::read), each step to memory of its own: `[B if it varies over the batch, features..]`.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_steps(
        &self,
        workspace: &Workspace,
        node: NodeId,
        out: &mut [&mut [u32]],
    ) -> Result<(), JitError> {
        self.copy_steps(workspace, node, out, f32::to_bits)
    }

    /// Copies a result of real numbers out, as [`read`](Self::read).
    ///
    /// # Errors
    /// No such result, one of another kind, or `out` is of another size.
    pub fn read_reals(
        &self,
        workspace: &Workspace,
        node: NodeId,
        out: &mut [f32],
    ) -> Result<(), JitError> {
        self.check_real(node, out.len())?;
        self.copy_out(workspace, node, out, |value| value)
    }

    /// As [`read_reals`](Self::read_reals), each step to memory of its own: `[B if it varies over the batch, features..]`.
    ///
    /// # Errors
    /// As [`read_reals`](Self::read_reals).
    pub fn read_real_steps(
        &self,
        workspace: &Workspace,
        node: NodeId,
        out: &mut [&mut [f32]],
    ) -> Result<(), JitError> {
        self.check_real(node, out.iter().map(|step| step.len()).sum())?;
        self.copy_steps(workspace, node, out, |value| value)
    }

    /// As [`read`](Self::read), in memory of its own.
    ///
    /// # Errors
    /// No such result.
    pub fn take(&self, workspace: &Workspace, node: NodeId) -> Result<Vec<u32>, JitError> {
        self.copied(workspace, node, f32::to_bits)
    }

    /// As [`read_reals`](Self::read_reals), in memory of its own: that in which it was [computed](Workspace::hand_on), or a copy.
    /// What was handed on is gone from the workspace.
    ///
    /// # Errors
    /// No such result, or one of another kind.
    pub fn take_reals(
        &self,
        workspace: &mut Workspace,
        node: NodeId,
    ) -> Result<Vec<f32>, JitError> {
        self.check_owner(workspace)?;
        self.check_real(node, 0)?;
        let place = self.storage.places[node].filter(|_| workspace.done);
        if let Some(values) = place.and_then(|place| workspace.take_handed(place.slot)) {
            return Ok(values);
        }
        self.copied(workspace, node, |value| value)
    }

    fn check_real(&self, node: NodeId, room: usize) -> Result<(), JitError> {
        match self.schedule.graph.nodes[node].ty.dtype {
            DType::Real => Ok(()),
            _ => Err(self.mismatch(node, room, DType::Real, None)),
        }
    }

    /// Whether a node is computed into memory that can be read after a call.
    pub fn has_memory(&self, node: NodeId) -> bool {
        self.storage.places[node].is_some_and(|place| {
            matches!(
                self.storage.slots[place.slot].owner,
                Owner::Computed(_) | Owner::Prepared(_) | Owner::Const(_)
            )
        })
    }

    /// Whether every element of a result of real numbers is finite, within each example's length.
    ///
    /// # Errors
    /// No such result.
    pub fn is_finite(&self, workspace: &Workspace, node: NodeId) -> Result<bool, JitError> {
        let found = self.find(workspace, node)?;
        let mut finite = true;
        if let Some(all) = self.as_it_lies(workspace, node, &found) {
            return Ok(all_finite(all));
        }
        self.each_row(workspace, node, &found, &mut |_, _, row| {
            finite &= row.is_none_or(all_finite);
        });
        Ok(finite)
    }

    /// How many elements a result has in the shape of the last call.
    ///
    /// # Errors
    /// No such result.
    pub fn elements(&self, workspace: &Workspace, node: NodeId) -> Result<usize, JitError> {
        let found = self.find(workspace, node)?;
        Ok(self.steps_of(workspace, node) * found.examples * found.width)
    }

    // Steps times steps of a result.
    fn steps_of(&self, workspace: &Workspace, node: NodeId) -> usize {
        let shape = workspace.shape.as_ref();
        let steps = |axis: AxisId| shape.map_or(0, |shape| shape.steps[axis.index() - 1]);
        let times = self.schedule.graph.nodes[node].ty.domain.time_axes();
        times.map(steps).product()
    }

    fn copy_out<T: Copy + Default>(
        &self,
        workspace: &Workspace,
        node: NodeId,
        out: &mut [T],
        convert: impl Fn(f32) -> T,
    ) -> Result<(), JitError> {
        let found = self.find(workspace, node)?;
        let elements = self.elements(workspace, node)?;
        if out.len() != elements {
            return Err(self.no_room(node, elements, out.len()));
        }
        if let Some(all) = self.as_it_lies(workspace, node, &found) {
            copy_row(out, Some(all), convert);
            return Ok(());
        }
        let (step, width) = (found.examples * found.width, found.width);
        self.each_row(workspace, node, &found, &mut |at, row, values| {
            let to = &mut out[at * step + row * width..][..width];
            copy_row(to, values, &convert);
        });
        Ok(())
    }

    // Without zeros first, where all of it is there.
    fn copied<T: Copy + Default>(
        &self,
        workspace: &Workspace,
        node: NodeId,
        convert: impl Fn(f32) -> T,
    ) -> Result<Vec<T>, JitError> {
        let found = self.find(workspace, node)?;
        if let Some(all) = self.as_it_lies(workspace, node, &found) {
            return Ok(all.iter().map(|value| convert(*value)).collect());
        }
        let mut out = vec![T::default(); self.elements(workspace, node)?];
        self.copy_out(workspace, node, &mut out, convert)?;
        Ok(out)
    }

    fn copy_steps<T: Copy + Default>(
        &self,
        workspace: &Workspace,
        node: NodeId,
        out: &mut [&mut [T]],
        convert: impl Fn(f32) -> T,
    ) -> Result<(), JitError> {
        let found = self.find(workspace, node)?;
        let (step, width) = (found.examples * found.width, found.width);
        let steps = self.steps_of(workspace, node);
        if out.len() != steps || out.iter().any(|own| own.len() != step) {
            let room = out.iter().map(|own| own.len()).sum();
            return Err(self.no_room(node, steps * step, room));
        }
        if let Some(all) = self.as_it_lies(workspace, node, &found) {
            for (to, from) in out.iter_mut().zip(all.chunks_exact(step.max(1))) {
                copy_row(to, Some(from), &convert);
            }
            return Ok(());
        }
        self.each_row(workspace, node, &found, &mut |at, row, values| {
            copy_row(&mut out[at][row * width..][..width], values, &convert);
        });
        Ok(())
    }

    fn no_room(&self, node: NodeId, elements: usize, room: usize) -> JitError {
        JitError::Argument {
            name: self.name_of(node),
            expected: format!("{elements} elements"),
            found: format!("room for {room}"),
        }
    }

    fn find<'w>(&self, workspace: &'w Workspace, node: NodeId) -> Result<Found<'w>, JitError> {
        let ty = &self.schedule.graph.nodes[node].ty;
        self.check_owner(workspace)?;
        let place = self.storage.places[node].filter(|_| workspace.done);
        let (Some(place), Some(plan), Some(shape)) = (place, &workspace.plan, &workspace.shape)
        else {
            return Err(self.mismatch(node, 0, ty.dtype, None));
        };
        let slot = &self.storage.slots[place.slot];
        let times = ty.domain.time_axes();
        let outer: usize = times.map(|axis| shape.steps[axis.index() - 1]).product();
        let by_row = ty.domain.contains(AxisId::BATCH);
        let examples = if by_row { shape.batch } else { 1 };
        let count = outer * examples * slot.row;
        let rows: &[f32] = match slot.owner {
            Owner::Computed(_) => match (workspace.handed_of(place.slot), plan.offsets[place.slot])
            {
                (Some(handed), _) => handed,
                (None, Some(offset)) => workspace.arena.reals(offset, count),
                (None, None) => &[],
            },
            Owner::Prepared(_) | Owner::Const(_) => workspace
                .persistent
                .reals(workspace.persistent_offsets[place.slot], count),
            _ => &[],
        };
        if rows.len() != count {
            return Err(self.mismatch(node, count, ty.dtype, Some(Value::Real(rows))));
        }
        Ok(Found {
            rows,
            stride: slot.row,
            offset: place.offset,
            width: width(ty),
            examples,
            by_row,
        })
    }

    // All elements of a result, if they lie as the caller gets them: no row between them, none in another place, none past its
    // example's end.
    fn as_it_lies<'w>(
        &self,
        workspace: &Workspace,
        node: NodeId,
        found: &Found<'w>,
    ) -> Option<&'w [f32]> {
        let mut axes = self.schedule.graph.nodes[node].ty.domain.time_axes();
        let whole = !found.by_row
            || (workspace.in_order && axes.all(|axis| workspace.full[axis.index() - 1]));
        (whole && found.stride == found.width).then_some(found.rows)
    }

    // Calls `f` for every row of a result.
    fn each_row(
        &self,
        workspace: &Workspace,
        node: NodeId,
        found: &Found<'_>,
        f: &mut EachRow<'_>,
    ) {
        let Some(shape) = &workspace.shape else {
            return;
        };
        let domain = self.schedule.graph.nodes[node].ty.domain;
        let mut step = [0usize; MAX_AXES];
        let steps = |axis: AxisId| shape.steps[axis.index() - 1];
        let outer: usize = domain.time_axes().map(steps).product();
        for at in 0..outer {
            for row in 0..found.examples {
                let alive = !found.by_row
                    || domain.time_axes().all(|axis| {
                        step[axis.index()] < workspace.lengths[axis.index() - 1][row] as usize
                    });
                let to = if found.by_row {
                    workspace.order[row]
                } else {
                    row
                };
                let from = (at * found.examples + row) * found.stride + found.offset;
                let values = alive.then(|| &found.rows[from..from + found.width]);
                f(at, to, values);
            }
            for axis in domain.time_axes().rev() {
                step[axis.index()] += 1;
                if step[axis.index()] < steps(axis) {
                    break;
                }
                step[axis.index()] = 0;
            }
        }
    }

    fn name_of(&self, node: NodeId) -> String {
        let name = &self.schedule.graph.nodes[node].name;
        name.clone().unwrap_or_else(|| node.to_string())
    }
}

// Without leaving early, so that lanes are compared together.
fn all_finite(values: &[f32]) -> bool {
    (values.chunks(1024)).all(|some| some.iter().fold(true, |all, value| all & value.is_finite()))
}

// Zeros for a row past the end of its example.
fn copy_row<T: Copy + Default>(to: &mut [T], from: Option<&[f32]>, convert: impl Fn(f32) -> T) {
    match from {
        Some(from) => {
            for (to, from) in to.iter_mut().zip(from) {
                *to = convert(*from);
            }
        }
        None => to.fill(T::default()),
    }
}

// Elements of one example at one step; sizes of a compiled graph are known.
fn width(ty: &Type) -> usize {
    let sizes = ty.shape.0.iter().filter_map(Dim::as_constant);
    sizes
        .filter_map(|size| usize::try_from(size).ok())
        .product()
}
