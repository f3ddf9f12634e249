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
use crate::storage::Owner;
use rnn_ir::axis::{AxisId, Extent};
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
    pub(super) shape: Option<CallShape>,
    /// Sorted row to caller's row.
    pub(super) order: Vec<usize>,
    pub(super) in_order: bool,
    pub(super) lengths: Vec<Vec<u32>>,
    live: Vec<Vec<u32>>,
    full: Vec<bool>,
    pub(super) plan: Option<Plan>,
    pub(super) persistent: Buffer,
    pub(super) persistent_offsets: SideTable<crate::storage::SlotId, usize>,
    pub(super) arena: Buffer,
    inputs: SideTable<crate::storage::SlotId, Buffer2>,
    context: Vec<u64>,
    prepared: bool,
}

// A copy of an input, made when it has to be reordered.
#[derive(Clone, Debug, Default)]
struct Buffer2 {
    words: Vec<u32>,
}

impl Executable {
    /// Memory for calls of this program.
    ///
    /// # Errors
    /// Sizes beyond the address space.
    pub fn workspace(&self) -> Result<Workspace, JitError> {
        let mut offsets = SideTable::filled(0, self.storage.slots.len());
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
                offsets[id] = total;
                total += plan::slot_bytes(&self.schedule, &self.storage, id, 1, &|_| 1)?;
            }
        }
        let mut persistent = Buffer::default();
        persistent.reserve(total);
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
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "compiled code computes in 32 bits"
                )]
                let value = match dtype {
                    DType::Real => value as f32,
                    DType::Index | DType::Bool => f32::from_bits(value as u32),
                };
                persistent.reals_mut(offsets[id], slot.row).fill(value);
            }
        }
        Ok(Workspace {
            shape: None,
            order: Vec::new(),
            in_order: true,
            lengths: Vec::new(),
            live: Vec::new(),
            full: Vec::new(),
            plan: None,
            persistent,
            persistent_offsets: offsets,
            arena: Buffer::default(),
            inputs: SideTable::filled(Buffer2::default(), self.storage.slots.len()),
            context: vec![0; self.layout.words()],
            prepared: false,
        })
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
        workspace.prepared = false;
        self.point_persistent(workspace);
        self.point_params(workspace, params)?;
        // SAFETY: the persistent slots were sized by the same plan, parameters checked against their slots; this part of
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
        if !workspace.prepared {
            self.prepare(workspace, params)?;
        }
        if workspace.shape.as_ref() != Some(shape) {
            workspace.shape = None;
            self.reshape(workspace, shape)?;
        }
        self.point_persistent(workspace);
        self.point_params(workspace, params)?;
        self.point_inputs(workspace, inputs, shape)?;
        // SAFETY: `point_*` have just set every slot to memory of at least the size that the plan for this shape gives it;
        // lengths and live rows are consistent with the shape.
        unsafe { self.code.run(&workspace.context) };
        Ok(())
    }

    fn time_axes(&self) -> impl Iterator<Item = AxisId> {
        self.schedule.graph.axes.ids().filter(|axis| axis.is_time())
    }

    fn reshape(&self, workspace: &mut Workspace, shape: &CallShape) -> Result<(), JitError> {
        let graph = &self.schedule.graph;
        let axes: Vec<AxisId> = self.time_axes().collect();
        let argument = |name: &str, expected: String, found: String| JitError::Argument {
            name: name.to_owned(),
            expected,
            found,
        };
        if shape.steps.len() != axes.len()
            || (!shape.lengths.is_empty() && shape.lengths.len() != axes.len())
        {
            let expected = format!("{} time axes", axes.len());
            return Err(argument(
                "shape",
                expected,
                format!("{}", shape.steps.len()),
            ));
        }
        let mut lengths = Vec::new();
        for (at, axis) in axes.iter().enumerate() {
            let name = &graph.axes[*axis].name;
            let steps = shape.steps[at];
            if let Extent::Fixed(fixed) = graph.axes[*axis].extent
                && fixed as usize != steps
            {
                return Err(argument(name, format!("{fixed} steps"), format!("{steps}")));
            }
            let longest = u32::try_from(steps).map_err(|_| {
                argument(name, "fewer than 2^32 steps".to_owned(), format!("{steps}"))
            })?;
            let given = shape.lengths.get(at).filter(|given| !given.is_empty());
            let own = match given {
                None => vec![longest; shape.batch],
                Some(given) if given.len() != shape.batch => {
                    let expected = format!("a length for each of {} examples", shape.batch);
                    return Err(argument(name, expected, format!("{}", given.len())));
                }
                Some(given) => {
                    if let Some(long) = given.iter().find(|length| **length > longest) {
                        return Err(argument(
                            name,
                            format!("lengths up to {longest}"),
                            format!("{long}"),
                        ));
                    }
                    given.clone()
                }
            };
            lengths.push(own);
        }
        let mut order: Vec<usize> = (0..shape.batch).collect();
        if let Some(at) = axes.iter().position(|axis| is_sorted(*axis)) {
            order.sort_by_key(|row| std::cmp::Reverse(lengths[at][*row]));
        }
        workspace.in_order = order.iter().enumerate().all(|(at, row)| at == *row);
        workspace.lengths = lengths
            .iter()
            .map(|own| order.iter().map(|row| own[*row]).collect())
            .collect();
        workspace.order = order;
        workspace.live.clear();
        workspace.full.clear();
        for (own, steps) in workspace.lengths.iter().zip(&shape.steps) {
            let mut live = vec![0u32; *steps];
            for (row, length) in own.iter().enumerate() {
                for live in &mut live[..*length as usize] {
                    *live = u32::try_from(row + 1).unwrap_or(u32::MAX);
                }
            }
            workspace
                .full
                .push(own.iter().all(|length| *length as usize == *steps));
            workspace.live.push(live);
        }
        let steps = |axis: AxisId| shape.steps[axis.index() - 1];
        let plan = Plan::new(
            &self.schedule,
            &self.storage,
            &self.intervals,
            shape.batch,
            &steps,
        )?;
        if self.options.checks {
            plan::check(&self.schedule, &self.storage, &plan).expect("the memory plan is sound");
        }
        let needed = plan.total + workspace.persistent.bytes();
        if let Some(limit) = self.options.memory_limit
            && needed > limit
        {
            return Err(JitError::MemoryLimit {
                needed,
                limit,
                batch: shape.batch,
            });
        }
        workspace.arena.reserve(plan.total);
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
            let outer: usize = ty
                .domain
                .time_axes()
                .map(|axis| shape.steps[axis.index() - 1])
                .product();
            let by_row = ty.domain.contains(AxisId::BATCH);
            let rows = if by_row { shape.batch } else { 1 };
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
                    let copy = &mut workspace.inputs[id].words;
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
        self.arena.bytes() + self.persistent.bytes()
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
