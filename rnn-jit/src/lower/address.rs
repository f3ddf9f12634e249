//! Addresses: where a value is read or written at the current step, for a row.
//!
//! Views move no data, so they are addresses too. What lies outside an axis is another address: the boundary's, or that
//! of a row of zeros, chosen by a select.
//!
//! **Invariant:** an address outside a slot may be computed but is never chosen.

use super::{Lower, readonly};
use crate::storage::{Owner, Place};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self, InstBuilder, types};
use rnn_ir::axis::AxisId;
use rnn_ir::node::{DType, NodeId};
use rnn_ir::op::{Op, Position};
use rnn_ir::schedule::{Form, sizes, viewed};

/// Rows of a value: the address of the first, and bytes from one to the next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rows {
    pub(super) start: ir::Value,
    /// Elements from a row to the next.
    pub(super) stride: ir::Value,
}

/// Whether rows of all steps of an axis lie behind each other, as one run: at one stride, or all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Run {
    Always,
    /// Where inputs have the examples of the call alone.
    OfWholeBatch,
    Never,
}

impl Lower<'_, '_> {
    pub(super) fn place(&self, id: NodeId) -> Place {
        self.storage.places[id].expect("what is read from memory has a place")
    }

    pub(super) fn slot_address(&mut self, slot: crate::storage::SlotId) -> ir::Value {
        self.b
            .ins()
            .load(types::I64, readonly(), self.context, self.layout.slot(slot))
    }

    /// The address of a stored node's features at the current steps, for a row.
    pub(super) fn stored_address(&mut self, id: NodeId, row: ir::Value) -> ir::Value {
        let place = self.place(id);
        let (stored, width, block, segment) = {
            let slot = &self.storage.slots[place.slot];
            (slot.stored, slot.row, slot.block, slot.segment)
        };
        let block = block.map(|_| {
            self.within
                .expect("what is stored for a block is read inside it")
        });
        let base = self.slot_address(place.slot);
        // ((step_outer * T_inner + step_inner) * B + row) * width + offset
        let mut index: Option<ir::Value> = None;
        for axis in stored.time_axes() {
            let mut step = self.step(axis);
            let mut steps = None;
            if let Some((_, range)) = block.filter(|(along, _)| *along == axis) {
                step = self.b.ins().isub(step, range.first);
                steps = Some(range.steps);
            }
            // The outermost axis, whose steps no other is multiplied with.
            if let Some(kept) = segment.filter(|kept| kept.axis == axis) {
                let (_, range) =
                    (self.segment).expect("what is stored for a segment is read in one");
                let first = i64::try_from(kept.before).expect("a shift looks a few steps back");
                step = self.b.ins().isub(step, range.first);
                step = self.b.ins().iadd_imm_s(step, first);
            }
            index = Some(match index {
                None => step,
                Some(outer) => {
                    let steps = steps.unwrap_or_else(|| self.steps_of(axis));
                    let scaled = self.b.ins().imul(outer, steps);
                    self.b.ins().iadd(scaled, step)
                }
            });
        }
        if stored.contains(AxisId::BATCH) {
            index = Some(match index {
                None => row,
                Some(outer) => {
                    let rows = if self.is_given(place.slot) {
                        self.given
                    } else {
                        self.batch
                    };
                    let scaled = self.b.ins().imul(outer, rows);
                    self.b.ins().iadd(scaled, row)
                }
            });
        }
        let mut address = base;
        if let Some(index) = index {
            let bytes = self.int(width * crate::storage::ELEMENT);
            let offset = self.b.ins().imul(index, bytes);
            address = self.b.ins().iadd(base, offset);
        }
        self.offset(address, place.offset)
    }

    fn offset(&mut self, address: ir::Value, elements: usize) -> ir::Value {
        if elements == 0 {
            return address;
        }
        let bytes = self.int(elements * crate::storage::ELEMENT);
        self.b.ins().iadd(address, bytes)
    }

    fn zeros(&mut self) -> ir::Value {
        self.slot_address(self.storage.zeros)
    }

    /// The length of a row's sequence.
    pub(super) fn length(&mut self, axis: AxisId, row: ir::Value) -> ir::Value {
        let lengths = self.b.ins().load(
            types::I64,
            readonly(),
            self.context,
            self.layout.lengths(axis),
        );
        let offset = self.b.ins().imul_imm_s(row, 4);
        let address = self.b.ins().iadd(lengths, offset);
        self.b.ins().uload32(readonly(), address, 0)
    }

    /// The address of a value's features at the current steps, for a row, seen through views.
    pub(super) fn address(&mut self, id: NodeId, row: ir::Value) -> ir::Value {
        if self.schedule.forms[id] == Form::View {
            self.viewed_address(id, row)
        } else {
            self.stored_address(id, row)
        }
    }

    /// The address that a view shows, whether or not the view is also stored.
    pub(super) fn viewed_address(&mut self, id: NodeId, row: ir::Value) -> ir::Value {
        let graph = &self.schedule.graph;
        match graph.nodes[id].op.clone() {
            Op::Slice { x, at, start, .. } => {
                let strides = self
                    .schedule
                    .forms
                    .strides(graph, x)
                    .expect("a readable view has strides");
                let start = start
                    .as_constant()
                    .and_then(|start| usize::try_from(start).ok());
                let start = start.expect("the graph is bound");
                let inner = self.address(x, row);
                self.offset(inner, start * strides[at])
            }
            Op::Shift {
                axis,
                by,
                x,
                boundary,
            } => {
                let step = self.step(axis);
                let there = self.b.ins().iadd_imm_s(step, i64::from(by));
                let inside = self.inside(axis, there, by, row);
                let inner = self.at_step(axis, there, |lower| lower.address(x, row));
                let outer = boundary.map(|boundary| self.address(boundary, row));
                let outer = outer.unwrap_or_else(|| self.zeros());
                self.b.ins().select(inside, inner, outer)
            }
            Op::At {
                axis,
                position,
                x,
                boundary,
            } => {
                let length = self.length(axis, row);
                let there = self.position(position, length);
                let inside = self.b.ins().icmp(IntCC::UnsignedLessThan, there, length);
                let mut inner = self.at_step(axis, there, |lower| lower.address(x, row));
                if let Some(here) = self.in_segment(id, axis, there) {
                    let itself = self.stored_address(id, row);
                    inner = self.b.ins().select(here, inner, itself);
                }
                let outer = boundary.map(|boundary| self.address(boundary, row));
                let outer = outer.unwrap_or_else(|| self.zeros());
                self.b.ins().select(inside, inner, outer)
            }
            Op::Place { axis, position, x } => {
                let step = self.step(axis);
                let length = self.length(axis, row);
                let there = self.position(position, length);
                let here = self.b.ins().icmp(IntCC::Equal, step, there);
                let inner = self.address(x, row);
                let outer = self.zeros();
                self.b.ins().select(here, inner, outer)
            }
            op => {
                let x = viewed(&op).expect("a view looks at an operand");
                self.address(x, row)
            }
        }
    }

    fn inside(&mut self, axis: AxisId, there: ir::Value, by: i32, row: ir::Value) -> ir::Value {
        if by < 0 {
            return self
                .b
                .ins()
                .icmp_imm_s(IntCC::SignedGreaterThanOrEqual, there, 0);
        }
        let length = self.length(axis, row);
        self.b.ins().icmp(IntCC::UnsignedLessThan, there, length)
    }

    // Whether a step is in the segment that runs, for a copy of one step that waits for the segment of it: until then,
    // and from then on, it is a copy of itself.
    fn in_segment(&mut self, id: NodeId, axis: AxisId, there: ir::Value) -> Option<ir::Value> {
        let (along, range) = self.segment?;
        if along != axis || !self.schedule.grows(id, axis) {
            return None;
        }
        let past = self.b.ins().isub(there, range.first);
        Some(
            self.b
                .ins()
                .icmp(IntCC::UnsignedLessThan, past, range.steps),
        )
    }

    // A step from 0; for the last step of an empty sequence, one that is outside.
    fn position(&mut self, position: Position, length: ir::Value) -> ir::Value {
        match position {
            Position::First => self.int(0),
            Position::Last => self.b.ins().iadd_imm_s(length, -1),
            Position::Step(step) => self.int(step as usize - 1),
        }
    }

    /// The rows of a value that looks at the same step for all of them.
    pub(super) fn block(&mut self, id: NodeId) -> Rows {
        let row = self.int(0);
        let start = self.address(id, row);
        let stride = self.row_stride(id, row);
        Rows { start, stride }
    }

    /// Elements from a row of a stored node to the next.
    pub(super) fn stored_stride(&self, id: NodeId) -> usize {
        let slot = &self.storage.slots[self.place(id).slot];
        if slot.stored.contains(AxisId::BATCH) {
            slot.row
        } else {
            0
        }
    }

    /// Elements from a row of a value to the next, which looks at the same step for all rows as for the one given.
    pub(super) fn row_stride(&mut self, id: NodeId, row: ir::Value) -> ir::Value {
        if self.schedule.forms[id] == Form::View {
            self.viewed_stride(id, row)
        } else {
            self.int(self.stored_stride(id))
        }
    }

    /// As [`row_stride`](Self::row_stride), of what a view shows, whether or not the view is also stored.
    pub(super) fn viewed_stride(&mut self, id: NodeId, row: ir::Value) -> ir::Value {
        let graph = &self.schedule.graph;
        match graph.nodes[id].op.clone() {
            Op::Shift {
                axis,
                by,
                x,
                boundary,
            } => {
                let step = self.step(axis);
                let there = self.b.ins().iadd_imm_s(step, i64::from(by));
                let inside = self.inside(axis, there, by, row);
                let inner = self.at_step(axis, there, |lower| lower.row_stride(x, row));
                let outer = match boundary {
                    Some(boundary) => self.row_stride(boundary, row),
                    None => self.int(0),
                };
                self.b.ins().select(inside, inner, outer)
            }
            Op::At {
                axis,
                position,
                x,
                boundary,
            } => {
                let length = self.length(axis, row);
                let there = self.position(position, length);
                let inside = self.b.ins().icmp(IntCC::UnsignedLessThan, there, length);
                let mut inner = self.at_step(axis, there, |lower| lower.row_stride(x, row));
                if let Some(here) = self.in_segment(id, axis, there) {
                    let itself = self.stored_stride(id);
                    let itself = self.int(itself);
                    inner = self.b.ins().select(here, inner, itself);
                }
                let outer = match boundary {
                    Some(boundary) => self.row_stride(boundary, row),
                    None => self.int(0),
                };
                self.b.ins().select(inside, inner, outer)
            }
            Op::Place { axis, position, x } => {
                let step = self.step(axis);
                let length = self.length(axis, row);
                let there = self.position(position, length);
                let here = self.b.ins().icmp(IntCC::Equal, step, there);
                let inner = self.row_stride(x, row);
                let outer = self.int(0);
                self.b.ins().select(here, inner, outer)
            }
            op => {
                let x = viewed(&op).expect("a view looks at an operand");
                self.row_stride(x, row)
            }
        }
    }

    // Whether a slot is where the caller has an input, which may be that of a larger batch. Truth values are copied.
    fn is_given(&self, slot: crate::storage::SlotId) -> bool {
        match self.storage.slots[slot].owner {
            Owner::Input(node) => self.schedule.graph.nodes[node].ty.dtype != DType::Bool,
            _ => false,
        }
    }

    /// Of a run of rows: how many a step has, and elements from a step to the next; all in one, where nothing lies between them.
    pub(super) fn steps_among(
        &mut self,
        id: NodeId,
        stride: ir::Value,
        rows: ir::Value,
    ) -> [ir::Value; 2] {
        let (graph, mut id) = (&self.schedule.graph, id);
        while let (Form::View, Some(x)) = (self.schedule.forms[id], viewed(&graph.nodes[id].op)) {
            id = x;
        }
        let given = (self.storage.places[id]).is_some_and(|place| self.is_given(place.slot));
        if !given {
            return [rows, self.int(0)];
        }
        let whole = self.b.ins().icmp(IntCC::Equal, self.given, self.batch);
        let own = self.b.ins().select(whole, rows, self.batch);
        [own, self.b.ins().imul(stride, self.given)]
    }

    /// How rows of all steps of an axis lie.
    pub(super) fn run(&self, id: NodeId, axis: AxisId) -> Run {
        let graph = &self.schedule.graph;
        if self.schedule.forms[id] == Form::View {
            return match &graph.nodes[id].op {
                Op::Shift { .. } | Op::At { .. } | Op::Place { .. } => Run::Never,
                op => viewed(op).map_or(Run::Never, |x| self.run(x, axis)),
            };
        }
        let Some(place) = self.storage.places[id] else {
            return Run::Always;
        };
        let stored = self.storage.slots[place.slot].stored;
        let both = stored.contains(axis) && stored.contains(AxisId::BATCH);
        let innermost = stored.time_axes().next_back() == Some(axis);
        if both && innermost {
            match self.is_given(place.slot) {
                true => Run::OfWholeBatch,
                false => Run::Always,
            }
        } else if !stored.contains(axis) && !stored.contains(AxisId::BATCH) {
            Run::Always
        } else {
            Run::Never
        }
    }

    /// Elements of a node's features.
    pub(super) fn width(&self, id: NodeId) -> usize {
        sizes(&self.schedule.graph.nodes[id].ty).iter().product()
    }
}
