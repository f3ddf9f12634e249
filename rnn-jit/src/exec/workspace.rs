//! The memory that one caller works in.
//!
//! Rows are sorted by length, longest first, so that the rows a step has are a prefix; inputs are copied into that order
//! and results out of it, so a caller never sees it. Inputs that need no reordering are read where they are.
//!
//! **Invariant:** between calls no address of a caller's memory is kept.

use super::Executable;
use super::buffer::Buffer;
use crate::error::JitError;
use crate::lower::is_sorted;
use crate::plan::{self, Plan};
use crate::storage::{ELEMENT, Owner, SlotId, constant_word};
use rnn_ir::axis::{AxisId, Domain, Extent};
use rnn_ir::id::{Id, SideTable};
use rnn_ir::node::{DType, NodeId};
use rnn_ir::op::Op;

/// The values of an input or a result, row-major `[time axes.., batch, features]`.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// Real numbers.
    Real(&'a [f32]),
    /// Tokens.
    Index(&'a [u32]),
    /// Truth values.
    Bool(&'a [bool]),
}

impl Value<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Real(values) => values.len(),
            Self::Index(values) => values.len(),
            Self::Bool(values) => values.len(),
        }
    }
    fn kind(&self) -> DType {
        match self {
            Self::Real(_) => DType::Real,
            Self::Index(_) => DType::Index,
            Self::Bool(_) => DType::Bool,
        }
    }
}

/// A named value given to a call.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The node: an input or a parameter.
    pub node: NodeId,
    /// Its value.
    pub value: Value<'a>,
}

/// Where the values given to a call are found.
pub trait Arguments {
    /// The value of an input or a parameter, if it is given.
    fn value(&self, node: NodeId) -> Option<Value<'_>>;
}

impl Arguments for [Input<'_>] {
    fn value(&self, node: NodeId) -> Option<Value<'_>> {
        let mut given = self.iter();
        given
            .find(|given| given.node == node)
            .map(|given| given.value)
    }
}

impl Arguments for Vec<Input<'_>> {
    fn value(&self, node: NodeId) -> Option<Value<'_>> {
        self.as_slice().value(node)
    }
}

/// How many examples a call has, and how long each is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallShape {
    /// Examples.
    pub batch: usize,
    /// Steps of each time axis, in the order of the axes: the longest example's, or more.
    pub steps: Vec<usize>,
    /// The length of each example on each time axis; empty when all are as long as the axis.
    pub lengths: Vec<Vec<u32>>,
}

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
    live: Vec<Vec<u32>>,
    full: Vec<bool>,
    pub(super) plan: Option<Plan>,
    pub(super) persistent: Buffer,
    pub(super) persistent_offsets: SideTable<SlotId, usize>,
    pub(super) arena: Buffer,
    /// Copies of inputs, made when they have to be reordered, by slot.
    inputs: Vec<Vec<u32>>,
    context: Vec<u64>,
    prepared: bool,
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
        if let Some(limit) = self.options.memory_limit
            && total > limit
        {
            return Err(JitError::MemoryLimit {
                needed: total,
                limit,
                batch: 0,
            });
        }
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
            persistent,
            persistent_offsets: offsets,
            arena: Buffer::default(),
            inputs: vec![Vec::new(); self.storage.slots.len()],
            context: vec![0; self.layout.words()],
            prepared: false,
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
                let bytes = plan::slot_bytes(&self.schedule, &self.storage, id, 1, &|_| 1)?;
                total = (total.checked_add(bytes))
                    .filter(|total| isize::try_from(*total).is_ok())
                    .ok_or_else(|| too_large("the weights", "all of them".to_owned()))?;
            }
        }
        Ok(total)
    }

    fn persistent_bytes(&self) -> Result<usize, JitError> {
        self.place_persistent(&mut |_, _| {})
    }

    /// Computes what depends on parameters alone, for new values of them. `params` has every parameter.
    ///
    /// # Errors
    /// A parameter that is missing or of the wrong size.
    pub fn prepare(
        &self,
        workspace: &mut Workspace,
        params: &dyn Arguments,
    ) -> Result<(), JitError> {
        self.check_owner(workspace)?;
        workspace.prepared = false;
        self.point_persistent(workspace);
        self.point_params(workspace, params)?;
        // SAFETY: the workspace is of this executable; the persistent slots were sized by the same plan, parameters checked against their slots; this part of
        // the program touches no others.
        unsafe { self.code.prepare(&workspace.context) };
        workspace.prepared = true;
        Ok(())
    }

    /// Runs the program. [`prepare`](Self::prepare) must have run for these parameters.
    ///
    /// # Errors
    /// An input that is missing, or of another size than the shape says; more memory than the limit.
    pub fn run(
        &self,
        workspace: &mut Workspace,
        params: &dyn Arguments,
        inputs: &dyn Arguments,
        shape: &CallShape,
    ) -> Result<(), JitError> {
        self.check_owner(workspace)?;
        workspace.done = false;
        if !workspace.prepared {
            self.prepare(workspace, params)?;
        }
        if workspace.shape.as_ref() != Some(shape) {
            workspace.shape = None;
            self.reshape(workspace, inputs, shape)?;
        }
        self.point_persistent(workspace);
        self.point_params(workspace, params)?;
        self.point_inputs(workspace, inputs, shape)?;
        // SAFETY: `point_*` have just set every slot to memory of at least the size that the plan for this shape gives it;
        // lengths and live rows are consistent with the shape.
        unsafe { self.code.run(&workspace.context) };
        workspace.done = true;
        Ok(())
    }

    // Sizes and offsets of a workspace are those of the program it was made for.
    pub(super) fn check_owner(&self, workspace: &Workspace) -> Result<(), JitError> {
        if workspace.owner == self.id {
            return Ok(());
        }
        Err(argument(
            "workspace",
            "one made for this program".to_owned(),
            "one of another".to_owned(),
        ))
    }

    fn time_axes(&self) -> impl Iterator<Item = AxisId> {
        self.schedule.graph.axes.ids().filter(|axis| axis.is_time())
    }

    /// Checks a shape and the inputs against it, and answers how many bytes a call takes. Allocates nothing that grows
    /// with the shape.
    fn check_shape(
        &self,
        shape: &CallShape,
        inputs: Option<&dyn Arguments>,
    ) -> Result<(Plan, usize), JitError> {
        let graph = &self.schedule.graph;
        let axes = graph.axes.len() - 1;
        if shape.steps.len() != axes || (!shape.lengths.is_empty() && shape.lengths.len() != axes) {
            let found = shape.steps.len();
            return Err(argument(
                "shape",
                format!("{axes} time axes"),
                format!("{found} with {} lists of lengths", shape.lengths.len()),
            ));
        }
        if u32::try_from(shape.batch).is_err() {
            let reason = format!("{} examples, expected fewer than 2^32", shape.batch);
            return Err(too_large("the batch", reason));
        }
        for (at, axis) in self.time_axes().enumerate() {
            let name = &graph.axes[axis].name;
            let steps = shape.steps[at];
            if let Extent::Fixed(fixed) = graph.axes[axis].extent
                && fixed as usize != steps
            {
                return Err(argument(name, format!("{fixed} steps"), format!("{steps}")));
            }
            let longest = u32::try_from(steps)
                .map_err(|_| too_large(name, format!("{steps} steps, expected fewer than 2^32")))?;
            let Some(given) = shape.lengths.get(at).filter(|given| !given.is_empty()) else {
                continue;
            };
            if given.len() != shape.batch {
                let expected = format!("a length for each of {} examples", shape.batch);
                return Err(argument(name, expected, format!("{}", given.len())));
            }
            let fixed = matches!(graph.axes[axis].extent, Extent::Fixed(_));
            if let Some(other) =
                (given.iter()).find(|length| **length > longest || (fixed && **length != longest))
            {
                let expected = if fixed {
                    format!("a length of {longest}")
                } else {
                    format!("lengths up to {longest}")
                };
                return Err(argument(name, expected, format!("{other}")));
            }
        }
        let steps = |axis: AxisId| shape.steps[axis.index() - 1];
        let plan = Plan::new(
            &self.schedule,
            &self.storage,
            &self.intervals,
            shape.batch,
            &steps,
        )?;
        if let Some(inputs) = inputs {
            self.check_inputs(inputs, shape)?;
        }
        let tables = table_bytes(shape);
        let needed = [
            plan.total,
            self.persistent_bytes()?,
            self.copied_bytes(shape),
        ]
        .into_iter()
        .fold(tables, |sum, bytes| sum?.checked_add(bytes))
        .filter(|needed| isize::try_from(*needed).is_ok())
        .ok_or_else(|| too_large("a call", format!("a batch of {}", shape.batch)))?;
        Ok((plan, needed))
    }

    /// Bytes that a workspace holds after calls of one shape.
    ///
    /// # Errors
    /// A shape that is not one of this program, or sizes beyond the address space.
    pub fn memory_needed(&self, shape: &CallShape) -> Result<usize, JitError> {
        Ok(self.check_shape(shape, None)?.1)
    }

    fn check_inputs(&self, inputs: &dyn Arguments, shape: &CallShape) -> Result<(), JitError> {
        for (_, slot) in self.storage.slots.iter() {
            let Owner::Input(node) = slot.owner else {
                continue;
            };
            let given = inputs.value(node);
            if given.is_none() && !self.storage.needed[node] {
                continue;
            }
            let ty = &self.schedule.graph.nodes[node].ty;
            let (outer, rows) = extents(ty.domain, shape);
            let elements = outer * rows * slot.row;
            if !given.is_some_and(|given| given.len() == elements && given.kind() == ty.dtype) {
                return Err(self.mismatch(node, elements, ty.dtype, given));
            }
        }
        Ok(())
    }

    // Bytes of the copies of inputs that cannot be read where the caller has them.
    fn copied_bytes(&self, shape: &CallShape) -> usize {
        let sorted = self.in_order(shape);
        let copied = |node: NodeId| {
            let ty = &self.schedule.graph.nodes[node].ty;
            let moved = !sorted && ty.domain.contains(AxisId::BATCH);
            self.storage.needed[node] && (moved || ty.dtype == DType::Bool)
        };
        let slots = self.storage.slots.iter();
        slots
            .filter_map(|(_, slot)| match slot.owner {
                Owner::Input(node) if copied(node) => {
                    let (outer, rows) = extents(self.schedule.graph.nodes[node].ty.domain, shape);
                    Some(outer * rows * slot.row * ELEMENT)
                }
                _ => None,
            })
            .fold(0, usize::saturating_add)
    }

    // Whether examples come longest first, as a call needs them.
    fn in_order(&self, shape: &CallShape) -> bool {
        let sorted = self.time_axes().position(is_sorted);
        let lengths = sorted.and_then(|at| shape.lengths.get(at));
        lengths.is_none_or(|lengths| lengths.is_sorted_by(|a, b| a >= b))
    }

    fn reshape(
        &self,
        workspace: &mut Workspace,
        inputs: &dyn Arguments,
        shape: &CallShape,
    ) -> Result<(), JitError> {
        let (plan, needed) = self.check_shape(shape, Some(inputs))?;
        if self.options.checks {
            plan::check(&self.schedule, &self.storage, &plan).expect("the memory plan is sound");
        }
        if let Some(limit) = self.options.memory_limit
            && needed > limit
        {
            return Err(JitError::MemoryLimit {
                needed,
                limit,
                batch: shape.batch,
            });
        }
        let axes: Vec<AxisId> = self.time_axes().collect();
        workspace.arena.reserve(plan.total)?;
        let mut order = table(0, shape.batch)?;
        (order.iter_mut().enumerate()).for_each(|(row, from)| *from = row);
        workspace.in_order = self.in_order(shape);
        if let (false, Some(at)) = (
            workspace.in_order,
            axes.iter().position(|axis| is_sorted(*axis)),
        ) {
            order.sort_by_key(|row| std::cmp::Reverse(shape.lengths[at][*row]));
        }
        workspace.order = order;
        workspace.lengths.clear();
        workspace.live.clear();
        workspace.full.clear();
        for (at, steps) in shape.steps.iter().enumerate() {
            let longest = u32::try_from(*steps).unwrap_or(u32::MAX);
            // One more than there are examples: what differs between none is read for the first.
            let mut own = table(longest, shape.batch.max(1))?;
            if let Some(given) = shape.lengths.get(at).filter(|given| !given.is_empty()) {
                for (own, row) in own.iter_mut().zip(&workspace.order) {
                    *own = given[*row];
                }
            }
            let mut live = table(0u32, *steps)?;
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
            workspace.lengths.push(own);
            workspace.live.push(live);
        }
        workspace.plan = Some(plan);
        workspace.context[0] = shape.batch as u64;
        for (at, axis) in axes.iter().enumerate() {
            let values = [
                shape.steps[at] as u64,
                workspace.live[at].as_ptr() as u64,
                workspace.lengths[at].as_ptr() as u64,
                u64::from(workspace.full[at]),
            ];
            self.layout.set_axis(&mut workspace.context, *axis, values);
        }
        workspace.shape = Some(shape.clone());
        Ok(())
    }

    fn point_persistent(&self, workspace: &mut Workspace) {
        let base = workspace.persistent.as_mut_ptr() as u64;
        let arena = workspace.arena.as_mut_ptr() as u64;
        for (id, slot) in self.storage.slots.iter() {
            let address = match slot.owner {
                Owner::Input(_) | Owner::Param(_) => continue,
                Owner::Computed(_) => {
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

    fn point_params(
        &self,
        workspace: &mut Workspace,
        params: &dyn Arguments,
    ) -> Result<(), JitError> {
        for (id, slot) in self.storage.slots.iter() {
            let Owner::Param(node) = slot.owner else {
                continue;
            };
            match params.value(node) {
                Some(Value::Real(values)) if values.len() == slot.row => {
                    self.layout
                        .set_slot(&mut workspace.context, id, values.as_ptr() as u64);
                }
                other => return Err(self.mismatch(node, slot.row, DType::Real, other)),
            }
        }
        Ok(())
    }

    pub(super) fn mismatch(
        &self,
        node: NodeId,
        elements: usize,
        kind: DType,
        given: Option<Value<'_>>,
    ) -> JitError {
        JitError::Argument {
            name: self.schedule.graph.nodes[node]
                .name
                .clone()
                .unwrap_or_else(|| node.to_string()),
            expected: format!("{elements} elements of kind {kind}"),
            found: given.map_or_else(
                || "nothing".to_owned(),
                |given| format!("{} of kind {}", given.len(), given.kind()),
            ),
        }
    }

    fn point_inputs(
        &self,
        workspace: &mut Workspace,
        inputs: &dyn Arguments,
        shape: &CallShape,
    ) -> Result<(), JitError> {
        for (id, slot) in self.storage.slots.iter() {
            let Owner::Input(node) = slot.owner else {
                continue;
            };
            let ty = &self.schedule.graph.nodes[node].ty;
            let by_row = ty.domain.contains(AxisId::BATCH);
            let (outer, rows) = extents(ty.domain, shape);
            let elements = outer * rows * slot.row;
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
            let address = match value {
                Value::Real(values) if direct => values.as_ptr() as u64,
                Value::Index(values) if direct => values.as_ptr() as u64,
                _ => {
                    let order = if direct {
                        None
                    } else {
                        Some(workspace.order.as_slice())
                    };
                    let copy = &mut workspace.inputs[id.index()];
                    copy.resize(elements, 0);
                    match value {
                        Value::Real(values) => {
                            reorder(values, copy, rows, slot.row, order, f32::to_bits)
                        }
                        Value::Index(values) => {
                            reorder(values, copy, rows, slot.row, order, |value| value)
                        }
                        Value::Bool(values) => reorder(values, copy, rows, slot.row, order, mask),
                    }
                    copy.as_ptr() as u64
                }
            };
            self.layout.set_slot(&mut workspace.context, id, address);
        }
        Ok(())
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

// Steps times steps, and examples, of a value that varies over a domain. Plans are checked against overflow before.
fn extents(domain: Domain, shape: &CallShape) -> (usize, usize) {
    let steps = domain.time_axes().map(|axis| shape.steps[axis.index() - 1]);
    let rows = if domain.contains(AxisId::BATCH) {
        shape.batch
    } else {
        1
    };
    (steps.product(), rows)
}

// Bytes of the tables of a shape: the order of rows, their lengths, and the rows of each step.
fn table_bytes(shape: &CallShape) -> Option<usize> {
    let lengths = (shape.batch.max(1).checked_mul(4))?.checked_mul(shape.steps.len())?;
    let order = shape.batch.checked_mul(size_of::<usize>())?;
    let live = shape
        .steps
        .iter()
        .try_fold(0usize, |sum, steps| sum.checked_add(steps.checked_mul(4)?))?;
    order.checked_add(lengths)?.checked_add(live)
}

// A table in exactly as much memory as it needs, or an error where there is not as much.
fn table<T: Clone>(value: T, len: usize) -> Result<Vec<T>, JitError> {
    let mut out = Vec::new();
    out.try_reserve_exact(len)
        .map_err(|error| too_large("the order of rows", error.to_string()))?;
    out.resize(len, value);
    Ok(out)
}

fn argument(name: &str, expected: String, found: String) -> JitError {
    JitError::Argument {
        name: name.to_owned(),
        expected,
        found,
    }
}

fn too_large(what: &str, reason: String) -> JitError {
    JitError::TooLarge {
        what: what.to_owned(),
        reason,
    }
}

fn mask(value: bool) -> u32 {
    if value { u32::MAX } else { 0 }
}

fn reorder<T: Copy>(
    from: &[T],
    to: &mut [u32],
    rows: usize,
    width: usize,
    order: Option<&[usize]>,
    bits: impl Fn(T) -> u32,
) {
    let block = rows * width;
    if block == 0 {
        return;
    }
    for (from, to) in from.chunks_exact(block).zip(to.chunks_exact_mut(block)) {
        for (row, to) in to.chunks_exact_mut(width).enumerate() {
            let source = order.map_or(row, |order| order[row]);
            for (to, from) in to.iter_mut().zip(&from[source * width..]) {
                *to = bits(*from);
            }
        }
    }
}
