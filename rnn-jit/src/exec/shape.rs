//! The shape of a call, checked against the program: axes, lengths, inputs, and the bytes that it all takes.
//!
//! **Invariant:** a shape that passes can be planned and pointed at without overflow.

use super::Executable;
use super::arguments::{Arguments, CallShape, PartOf, Value};
use crate::error::JitError;
use crate::lower::is_sorted;
use crate::plan::Plan;
use crate::storage::{ELEMENT, Owner};
use rnn_ir::axis::{AxisId, Domain, Extent};
use rnn_ir::id::Id;
use rnn_ir::node::{DType, NodeId};

impl Executable {
    /// Checks a shape and the inputs against it, and answers how many bytes a call takes. Allocates nothing that grows
    /// with the shape.
    pub(super) fn check_shape(
        &self,
        shape: &CallShape,
        inputs: Option<&dyn Arguments>,
    ) -> Result<(Plan, usize), JitError> {
        self.check_call(shape, None)?;
        let total = |bytes: Option<usize>| {
            bytes
                .filter(|bytes| isize::try_from(*bytes).is_ok())
                .ok_or_else(|| too_large("a call", format!("a batch of {}", shape.batch)))
        };
        let beside = [self.persistent_bytes()?, self.copied_bytes(shape)];
        let beside =
            (beside.into_iter()).fold(table_bytes(shape), |sum, bytes| sum?.checked_add(bytes));
        let beside = total(beside)?;
        let plan = self.plan(shape, beside)?;
        if let Some(inputs) = inputs {
            self.check_inputs(inputs, shape)?;
        }
        let needed = total(plan.total.checked_add(beside))?;
        Ok((plan, needed))
    }

    /// Checks a shape, and inputs if there are any, for which there is a plan.
    pub(super) fn check_call(
        &self,
        shape: &CallShape,
        inputs: Option<&dyn Arguments>,
    ) -> Result<(), JitError> {
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
        match inputs {
            Some(inputs) => self.check_inputs(inputs, shape),
            None => Ok(()),
        }
    }

    /// Bytes that a workspace holds after calls of one shape.
    ///
    /// # Errors
    /// A shape that is not one of this program, sizes beyond the address space, more bytes than the shape's limit.
    pub fn memory_needed(&self, shape: &CallShape) -> Result<usize, JitError> {
        Ok(self.check_shape(shape, None)?.1)
    }

    fn check_inputs(&self, inputs: &dyn Arguments, shape: &CallShape) -> Result<(), JitError> {
        let part = part_of(inputs, shape)?;
        for (_, slot) in self.storage.slots.iter() {
            let Owner::Input(node) = slot.owner else {
                continue;
            };
            let given = inputs.value(node);
            if given.is_none() && !self.storage.needed[node] {
                continue;
            }
            let ty = &self.schedule.graph.nodes[node].ty;
            let elements = given_elements(ty.domain, shape, part, slot.row);
            if !given.is_some_and(|given| given.len() == elements && given.kind() == ty.dtype) {
                return Err(self.mismatch(node, elements, ty.dtype, given));
            }
        }
        Ok(())
    }

    // Bytes of the copies of inputs that cannot be read where the caller has them.
    pub(super) fn copied_bytes(&self, shape: &CallShape) -> usize {
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
    pub(super) fn in_order(&self, shape: &CallShape) -> bool {
        let sorted = self.time_axes().position(is_sorted);
        let lengths = sorted.and_then(|at| shape.lengths.get(at));
        lengths.is_none_or(|lengths| lengths.is_sorted_by(|a, b| a >= b))
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

    pub(super) fn time_axes(&self) -> impl Iterator<Item = AxisId> {
        self.schedule.graph.axes.ids().filter(|axis| axis.is_time())
    }
}

// The batch that inputs have the examples of.
pub(super) fn part_of(inputs: &dyn Arguments, shape: &CallShape) -> Result<PartOf, JitError> {
    let part = inputs.part_of().unwrap_or(PartOf {
        first: 0,
        batch: shape.batch,
    });
    match part.first.checked_add(shape.batch) {
        Some(end) if end <= part.batch => Ok(part),
        _ => Err(argument(
            "part_of",
            format!("{} examples from one of {} on", shape.batch, part.batch),
            format!("the first to be {}", part.first),
        )),
    }
}

// Elements of an input with so many a row, as the caller gives it.
pub(super) fn given_elements(domain: Domain, shape: &CallShape, part: PartOf, row: usize) -> usize {
    let (outer, rows) = extents(domain, shape);
    let rows = match domain.contains(AxisId::BATCH) {
        true => part.batch,
        false => rows,
    };
    outer.saturating_mul(rows).saturating_mul(row)
}

// Steps times steps, and examples, of a value that varies over a domain. Plans are checked against overflow before.
pub(super) fn extents(domain: Domain, shape: &CallShape) -> (usize, usize) {
    let steps = domain.time_axes().map(|axis| shape.steps[axis.index() - 1]);
    let rows = if domain.contains(AxisId::BATCH) {
        shape.batch
    } else {
        1
    };
    (steps.product(), rows)
}

// Bytes of the tables of a shape: the order of rows, their lengths as they are and as they were given, and the rows of
// each step.
pub(super) fn table_bytes(shape: &CallShape) -> Option<usize> {
    let lengths = (shape.batch.max(1).checked_mul(4))?.checked_mul(shape.steps.len())?;
    let given = shape.lengths.iter().map(|own| own.len() * 4);
    let lengths = lengths.checked_add(given.sum())?;
    let order = shape.batch.checked_mul(size_of::<usize>())?;
    let live = shape
        .steps
        .iter()
        .try_fold(0usize, |sum, steps| sum.checked_add(steps.checked_mul(4)?))?;
    order.checked_add(lengths)?.checked_add(live)
}

pub(super) fn argument(name: &str, expected: String, found: String) -> JitError {
    JitError::Argument {
        name: name.to_owned(),
        expected,
        found,
    }
}

pub(super) fn too_large(what: &str, reason: String) -> JitError {
    JitError::TooLarge {
        what: what.to_owned(),
        reason,
    }
}
