//! The memory that one caller works in.
//!
//! Rows are sorted by length, longest first, so that the rows a step has are a prefix; inputs are copied into that order
//! and results out of it, so a caller never sees it. Inputs that need no reordering are read where they are.
//!
//! **Invariant:** buffers and tables are as large as the plan and the shape they are kept with.

use super::Executable;
use super::arguments::{Arguments, CallShape};
use super::buffer::Buffer;
use super::handed::Handed;
use super::laps::Counters;
use super::shape::{table_bytes, too_large};
use crate::error::JitError;
use crate::lower::is_sorted;
use crate::plan::{self, Plan};
use crate::storage::{ELEMENT, Owner, SlotId, constant_word};
use rnn_ir::axis::AxisId;
use rnn_ir::id::{Id, SideTable};
use rnn_ir::op::Op;

/// Memory for calls of one program.
#[derive(Debug)]
pub struct Workspace {
    /// The executable that it was made for.
    pub(super) owner: u64,
    pub(super) shape: Option<CallShape>,
    /// Whether the last call came to its end, so that there are results.
    pub(super) done: bool,
    /// Sorted row to caller's row.
    pub(super) order: Vec<usize>,
    pub(super) in_order: bool,
    pub(super) lengths: Vec<Vec<u32>>,
    pub(super) live: Vec<Vec<u32>>,
    pub(super) full: Vec<bool>,
    pub(super) plan: Option<Plan>,
    /// The sizes that the plan is for, and a plan for others: parts of a batch differ by one example.
    planned: Sizes,
    other: Option<(Sizes, Plan)>,
    pub(super) persistent: Buffer,
    pub(super) persistent_offsets: SideTable<SlotId, usize>,
    pub(super) arena: Buffer,
    /// Copies of inputs, made when they have to be reordered, by slot.
    pub(super) inputs: Vec<Vec<u32>>,
    pub(super) context: Vec<u64>,
    pub(super) prepared: bool,
    /// Of a program that is profiled.
    pub(super) counters: Option<Box<Counters>>,
    /// Whether outputs have memory of their own where they can.
    pub(super) hand_on: bool,
    pub(super) handed: Vec<Handed>,
}

/// What a plan depends on where there is no limit.
#[derive(Debug, Default, PartialEq)]
struct Sizes {
    batch: usize,
    steps: Vec<usize>,
}

impl Executable {
    /// Memory for calls of this program.
    ///
    /// # Errors
    /// Sizes beyond the address space.
    pub fn workspace(&self) -> Result<Workspace, JitError> {
        let mut offsets = SideTable::filled(0, self.storage.slots.len());
        let total = self.place_persistent(&mut |id, offset| offsets[id] = offset)?;
        let mut persistent = Buffer::default();
        persistent.reserve(total)?;
        for (id, slot) in self.storage.slots.iter() {
            if let Owner::Const(node) = slot.owner {
                let (value, dtype) = match &self.schedule.graph.nodes[node] {
                    rnn_ir::node::Node {
                        op: Op::Const(value),
                        ty,
                        ..
                    } => (value.0, ty.dtype),
                    _ => continue,
                };
                let value = f32::from_bits(constant_word(dtype, value));
                persistent.reals_mut(offsets[id], slot.row).fill(value);
            }
        }
        Ok(Workspace {
            owner: self.id,
            shape: None,
            done: false,
            order: Vec::new(),
            in_order: true,
            lengths: Vec::new(),
            live: Vec::new(),
            full: Vec::new(),
            plan: None,
            planned: Sizes::default(),
            other: None,
            persistent,
            persistent_offsets: offsets,
            arena: Buffer::default(),
            inputs: vec![Vec::new(); self.storage.slots.len()],
            context: vec![0; self.layout.words(self.meters.is_some())],
            prepared: false,
            counters: self.counters(),
            hand_on: false,
            handed: Vec::new(),
        })
    }

    // Where what outlives a call lies, one after the other; answers the bytes of all of it.
    fn place_persistent(&self, place: &mut dyn FnMut(SlotId, usize)) -> Result<usize, JitError> {
        let mut total = 0usize;
        for (id, slot) in self.storage.slots.iter() {
            let persistent = matches!(
                slot.owner,
                Owner::Const(_)
                    | Owner::Prepared(_)
                    | Owner::Packed(_)
                    | Owner::Scratch
                    | Owner::Zeros
            );
            if persistent {
                place(id, total);
                let one = plan::Extents {
                    batch: 1,
                    steps: &|_| 1,
                    segment: &|_| 1,
                };
                let bytes = plan::slot_bytes(&self.schedule, &self.storage, id, one)?;
                total = (total.checked_add(bytes))
                    .filter(|total| isize::try_from(*total).is_ok())
                    .ok_or_else(|| too_large("the weights", "all of them".to_owned()))?;
            }
        }
        Ok(total)
    }

    pub(super) fn persistent_bytes(&self) -> Result<usize, JitError> {
        self.place_persistent(&mut |_, _| {})
    }

    pub(super) fn reshape(
        &self,
        workspace: &mut Workspace,
        inputs: Option<&dyn Arguments>,
        shape: &CallShape,
    ) -> Result<(), JitError> {
        let before = workspace.shape.take();
        self.plan_for(workspace, before.as_ref(), inputs, shape)?;
        let Some(plan) = &workspace.plan else {
            unreachable!("it was planned right now")
        };
        if shape.limit.is_some() {
            // What a larger call left behind counts as well.
            if workspace.arena.bytes() > plan.total {
                workspace.arena = Buffer::default();
            }
            workspace.order = Vec::new();
            workspace.lengths.clear();
            workspace.live.clear();
            let copies = workspace.inputs.iter().map(Vec::capacity).sum::<usize>();
            if copies * ELEMENT > self.copied_bytes(shape) {
                workspace.inputs.fill(Vec::new());
            }
        }
        workspace.arena.reserve(plan.total)?;
        let order = &mut workspace.order;
        refill(order, 0, shape.batch)?;
        (order.iter_mut().enumerate()).for_each(|(row, from)| *from = row);
        workspace.in_order = self.in_order(shape);
        if let (false, Some(at)) = (workspace.in_order, self.time_axes().position(is_sorted)) {
            // Rows of one length in the order they came in; a stable sort would need memory.
            order.sort_unstable_by_key(|row| (std::cmp::Reverse(shape.lengths[at][*row]), *row));
        }
        workspace.lengths.resize_with(shape.steps.len(), Vec::new);
        workspace.live.resize_with(shape.steps.len(), Vec::new);
        workspace.full.clear();
        for (at, steps) in shape.steps.iter().enumerate() {
            let longest = u32::try_from(*steps).unwrap_or(u32::MAX);
            // One more than there are examples: what differs between none is read for the first.
            let own = &mut workspace.lengths[at];
            refill(own, longest, shape.batch.max(1))?;
            if let Some(given) = shape.lengths.get(at).filter(|given| !given.is_empty()) {
                for (own, row) in own.iter_mut().zip(&workspace.order) {
                    *own = given[*row];
                }
            }
            let live = &mut workspace.live[at];
            refill(live, 0, *steps)?;
            // The last row that a step has: rows from the last, each filling what the ones after it did not.
            let mut filled = 0;
            for (row, length) in own[..shape.batch].iter().enumerate().rev() {
                let length = *length as usize;
                if length > filled {
                    live[filled..length].fill(u32::try_from(row + 1).unwrap_or(u32::MAX));
                    filled = length;
                }
            }
            let full = own.iter().all(|length| *length == longest);
            workspace.full.push(full);
        }
        (self.layout).set_batch(&mut workspace.context, shape.batch as u64);
        (self.layout).set_given(&mut workspace.context, shape.batch as u64);
        for (at, axis) in self.time_axes().enumerate() {
            let values = [
                shape.steps[at] as u64,
                workspace.live[at].as_ptr() as u64,
                workspace.lengths[at].as_ptr() as u64,
                u64::from(workspace.full[at]),
                plan.segments[axis] as u64,
            ];
            self.layout.set_axis(&mut workspace.context, axis, values);
        }
        self.set_blocks(&mut workspace.context, shape, plan);
        let mut own = before.unwrap_or_default();
        (own.batch, own.limit) = (shape.batch, shape.limit);
        own.steps.clone_from(&shape.steps);
        own.lengths.clone_from(&shape.lengths);
        workspace.shape = Some(own);
        self.reshape_counters(workspace);
        Ok(())
    }

    // A plan for a shape: that of the call before, or the one before that, where they are for the same sizes.
    fn plan_for(
        &self,
        workspace: &mut Workspace,
        before: Option<&CallShape>,
        inputs: Option<&dyn Arguments>,
        shape: &CallShape,
    ) -> Result<(), JitError> {
        let fits = |sizes: &Sizes| {
            shape.limit.is_none() && sizes.batch == shape.batch && sizes.steps == shape.steps
        };
        if before.is_some_and(|before| before.limit.is_none()) && workspace.plan.is_some() {
            if fits(&workspace.planned) {
                return self.check_call(shape, inputs);
            }
            if let (Some((sizes, other)), Some(plan)) = (&mut workspace.other, &mut workspace.plan)
                && fits(sizes)
            {
                self.check_call(shape, inputs)?;
                std::mem::swap(sizes, &mut workspace.planned);
                std::mem::swap(other, plan);
                return Ok(());
            }
        }
        let (plan, _) = self.check_shape(shape, inputs)?;
        if self.options.checks {
            let count = |axis| match axis {
                AxisId::BATCH => shape.batch,
                axis => shape.steps[axis.index() - 1],
            };
            plan::check(&self.schedule, &self.storage, &plan, &count)
                .expect("the memory plan is sound");
        }
        let sizes = Sizes {
            batch: shape.batch,
            steps: shape.steps.clone(),
        };
        let sizes = std::mem::replace(&mut workspace.planned, sizes);
        let known = workspace.plan.replace(plan).map(|plan| (sizes, plan));
        // One made for a limit is for nothing else.
        let unlimited = |shape: &CallShape| shape.limit.is_none();
        workspace.other = known.filter(|_| before.is_some_and(unlimited) && unlimited(shape));
        Ok(())
    }

    // Steps in a block: as many as the plan has memory for.
    pub(super) fn set_blocks(&self, context: &mut [u64], shape: &CallShape, plan: &Plan) {
        for (at, blocks) in self.storage.blocks.iter().enumerate() {
            let all = shape.steps[blocks.axis.index() - 1];
            let steps = blocks.steps(shape.batch, all, plan.segments[blocks.axis]);
            self.layout.set_block(context, at, steps as u64);
        }
    }
}

impl Workspace {
    /// Says that parameters have changed: what was computed from them is computed anew in the next call.
    pub fn params_changed(&mut self) {
        self.prepared = false;
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        let copies = self.inputs.iter();
        let copies: usize = copies.map(|copy| copy.len() * ELEMENT).sum();
        let tables = self.shape.as_ref().and_then(table_bytes).unwrap_or(0);
        self.arena.bytes() + self.persistent.bytes() + copies + tables
    }
}

// A table in the memory that it has, in exactly as much as it needs where that is less, or an error where there is not as much.
fn refill<T: Clone>(own: &mut Vec<T>, value: T, len: usize) -> Result<(), JitError> {
    own.clear();
    own.try_reserve_exact(len)
        .map_err(|error| too_large("the order of rows", error.to_string()))?;
    own.resize(len, value);
    Ok(())
}
