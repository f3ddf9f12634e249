//! Segments of steps: a loop over them, what one leaves for the next, and what is computed again.
//!
//! Going forward, the last steps of a segment are copied in front of the next, and saved in its borders. In reverse, the
//! first steps of a segment are copied behind the one before it, whose own front comes back from its borders.
//!
//! **Invariant:** a segment has at least as many steps as are copied, so copies do not overlap.

use super::loops::Range;
use super::{Lower, Part, readonly};
use crate::kernels::Kernel as Micro;
use crate::storage::{ELEMENT, Owner, SlotId};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self, InstBuilder, types};
use rnn_ir::axis::AxisId;
use rnn_ir::schedule::{Direction, Item};

impl Lower<'_, '_> {
    pub(super) fn segment_loop(
        &mut self,
        (axis, direction): (AxisId, Direction),
        again: &[Item],
        body: &[Item],
    ) {
        self.start_sums(axis, body);
        self.start_ends(axis, body);
        let all = self.steps_of(axis);
        let most = self.layout.segment(axis);
        let most = (self.b.ins()).load(types::I64, readonly(), self.context, most);
        match direction {
            Direction::Forward => self.count_by(all, most, |lower, first| {
                lower.when(first, |lower| lower.go_on(axis, first, most));
                lower.segment_at(axis, first, [all, most], body);
            }),
            Direction::Reverse => {
                let turns = self.turns(all, most);
                self.count(turns, 1, |lower, turn| {
                    let last = lower.b.ins().iadd_imm_s(turns, -1);
                    let at = lower.b.ins().isub(last, turn);
                    let first = lower.b.ins().imul(at, most);
                    lower.when(turn, |lower| {
                        lower.go_back(axis, first, most);
                        lower.segment_at(axis, first, [all, most], again);
                    });
                    lower.segment_at(axis, first, [all, most], body);
                });
            }
        }
    }

    fn segment_at(
        &mut self,
        axis: AxisId,
        first: ir::Value,
        [all, most]: [ir::Value; 2],
        items: &[Item],
    ) {
        let left = self.b.ins().isub(all, first);
        let steps = self.b.ins().umin(left, most);
        self.in_range(axis, Range { first, steps }, |lower| {
            lower.items(items, Part::Run);
        });
    }

    fn in_range(&mut self, axis: AxisId, range: Range, body: impl FnOnce(&mut Self)) {
        self.segment = Some((axis, range));
        self.within = self.segment;
        body(self);
        self.segment = None;
        self.within = None;
    }

    // Copies of one step, for examples that have no such step: as in a segment without steps.
    fn start_ends(&mut self, axis: AxisId, items: &[Item]) {
        let zero = self.int(0);
        let none = Range {
            first: zero,
            steps: zero,
        };
        for item in items {
            if let Item::Kernel(kernel) = item
                && kernel.pointwise
                && kernel.nodes.iter().all(|id| self.schedule.grows(*id, axis))
            {
                self.in_range(axis, none, |lower| lower.kernel(kernel, Part::Run));
            }
        }
    }

    // What the segment from `first` on needs of the one before.
    fn go_on(&mut self, axis: AxisId, first: ir::Value, most: ir::Value) {
        for (slot, before, _) in self.segmented(axis) {
            let zero = self.int(0);
            self.copy_steps((slot, most), (slot, zero), before);
            if let Some((borders, at)) = self.border(slot, before, first, most) {
                self.copy_steps((slot, most), (borders, at), before);
            }
        }
    }

    // What the segment from `first` on needs of the one behind it, and of the forward pass.
    fn go_back(&mut self, axis: AxisId, first: ir::Value, most: ir::Value) {
        for (slot, before, after) in self.segmented(axis) {
            let start = self.int(before);
            let end = self.b.ins().iadd(start, most);
            self.copy_steps((slot, start), (slot, end), after);
        }
        self.when(first, |lower| {
            for (slot, before, _) in lower.segmented(axis) {
                if let Some((borders, at)) = lower.border(slot, before, first, most) {
                    let zero = lower.int(0);
                    lower.copy_steps((borders, at), (slot, zero), before);
                }
            }
        });
    }

    // The slots of one segment, with the steps on either side of it.
    fn segmented(&self, axis: AxisId) -> Vec<(SlotId, usize, usize)> {
        let slots = self.storage.slots.iter();
        slots
            .filter_map(|(id, slot)| Some((id, slot.segment?, slot.owner)))
            .filter(|(_, segment, owner)| {
                segment.axis == axis && !matches!(owner, Owner::Borders(_))
            })
            .map(|(id, segment, _)| (id, segment.before, segment.after))
            .collect()
    }

    // Where the steps in front of the segment from `first` on are saved: a slot and a step of it.
    fn border(
        &mut self,
        of: SlotId,
        before: usize,
        first: ir::Value,
        most: ir::Value,
    ) -> Option<(SlotId, ir::Value)> {
        let mut all = self.storage.borders.iter();
        let slot = all.find(|borders| borders.of == of)?.slot;
        let at = self.b.ins().udiv(first, most);
        let at = self.b.ins().iadd_imm_s(at, -1);
        let before = self.int(before);
        Some((slot, self.b.ins().imul(at, before)))
    }

    fn copy_steps(&mut self, from: (SlotId, ir::Value), to: (SlotId, ir::Value), steps: usize) {
        if steps == 0 {
            return;
        }
        // Elements of one step: all other axes and the features.
        let (row, stored) = {
            let slot = &self.storage.slots[from.0];
            (slot.row, slot.stored)
        };
        let mut step = self.int(row);
        if stored.contains(AxisId::BATCH) {
            step = self.b.ins().imul(step, self.batch);
        }
        for axis in stored.time_axes().skip(1) {
            let steps = self.steps_of(axis);
            step = self.b.ins().imul(step, steps);
        }
        let [from, to] = [from, to].map(|(slot, at)| {
            let base = self.slot_address(slot);
            let bytes = self.int(ELEMENT);
            let offset = self.b.ins().imul(at, step);
            let offset = self.b.ins().imul(offset, bytes);
            self.b.ins().iadd(base, offset)
        });
        let steps = self.int(steps);
        let (one, elements) = (self.int(1), self.b.ins().imul(steps, step));
        let none = self.int(0);
        let some = self.b.ins().icmp_imm_u(IntCC::NotEqual, elements, 0);
        self.when(some, |lower| {
            lower.call(
                Micro::CopyMatrix,
                &[from, none, one, one, elements, to, none],
            );
        });
    }
}
