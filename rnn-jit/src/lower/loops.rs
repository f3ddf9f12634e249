//! Counted loops in emitted code, and the rows a kernel works on.
//!
//! **Invariant:** a loop leaves the builder in the block after it, with no step bound that was not bound before.

use super::address::Run;
use super::{Lower, readonly};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self, BlockArg, InstBuilder, types};
use rnn_ir::axis::{AxisId, Domain};
use rnn_ir::node::NodeId;
use rnn_ir::op::Op;
use rnn_ir::schedule::{Direction, Item};

/// A run of steps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    /// The first step.
    pub(super) first: ir::Value,
    /// How many.
    pub(super) steps: ir::Value,
}

impl Lower<'_, '_> {
    pub(super) fn int(&mut self, value: usize) -> ir::Value {
        let value = i64::try_from(value).expect("sizes are checked against the address space");
        self.b.ins().iconst(types::I64, value)
    }

    pub(super) fn steps_of(&mut self, axis: AxisId) -> ir::Value {
        self.b.ins().load(
            types::I64,
            readonly(),
            self.context,
            self.layout.steps(axis),
        )
    }

    /// The steps of an axis that run now: those of a block, of a segment, or all.
    pub(super) fn range(&mut self, axis: AxisId) -> Range {
        match self.within {
            Some((along, range)) if along == axis => range,
            _ => Range {
                first: self.int(0),
                steps: self.steps_of(axis),
            },
        }
    }

    /// A loop over blocks of the steps that run, in its direction.
    pub(super) fn block_loop(
        &mut self,
        number: usize,
        (axis, direction): (AxisId, Direction),
        body: &[Item],
    ) {
        // Sums grow from block to block, and from segment to segment.
        if self.within.is_none_or(|(along, _)| along != axis) {
            self.start_sums(axis, body);
        }
        let all = self.range(axis);
        let most = self.layout.block(number);
        let most = self
            .b
            .ins()
            .load(types::I64, readonly(), self.context, most);
        match direction {
            // Without a division, which would take as long as the work of a step by itself.
            Direction::Forward => self.count_by(all.steps, most, |lower, first| {
                lower.block_at(axis, first, all, most, body);
            }),
            Direction::Reverse => {
                let turns = self.turns(all.steps, most);
                self.count(turns, 1, |lower, turn| {
                    let last = lower.b.ins().iadd_imm_s(turns, -1);
                    let at = lower.b.ins().isub(last, turn);
                    let first = lower.b.ins().imul(at, most);
                    lower.block_at(axis, first, all, most, body);
                });
            }
        }
    }

    /// How many pieces of at most `most` steps there are in `all`.
    pub(super) fn turns(&mut self, all: ir::Value, most: ir::Value) -> ir::Value {
        let last = self.b.ins().iadd(all, most);
        let last = self.b.ins().iadd_imm_s(last, -1);
        self.b.ins().udiv(last, most)
    }

    /// Sums over an axis, before the first of its steps.
    pub(super) fn start_sums(&mut self, axis: AxisId, items: &[Item]) {
        for item in items {
            match item {
                Item::Kernel(kernel) => {
                    for id in &kernel.nodes {
                        let op = &self.schedule.graph.nodes[*id].op;
                        if matches!(op, Op::AxisReduce { axes, .. } if axes.contains(axis))
                            && self.storage.needed[*id]
                        {
                            self.start_reduction(*id);
                            self.lap(self.task_of(*id), 0);
                        }
                    }
                }
                Item::Blocks { body, .. } => self.start_sums(axis, body),
                Item::Loop { .. } | Item::Segments { .. } | Item::Fork(_) => {}
            }
        }
    }

    // The body for the block of at most `most` of `all` steps that starts at `first` of them.
    fn block_at(
        &mut self,
        axis: AxisId,
        first: ir::Value,
        all: Range,
        most: ir::Value,
        body: &[Item],
    ) {
        let left = self.b.ins().isub(all.steps, first);
        let steps = self.b.ins().umin(left, most);
        let first = self.b.ins().iadd(all.first, first);
        let before = self.within.replace((axis, Range { first, steps }));
        self.items(body, super::Part::Run);
        self.within = before;
    }

    /// The step an axis stands at.
    pub(super) fn step(&self, axis: AxisId) -> ir::Value {
        self.steps[axis].expect("a kernel runs inside the loops over its domain")
    }

    /// `for i in (0..count).step_by(by)`, with the body given `i`.
    pub(super) fn count(
        &mut self,
        count: ir::Value,
        by: i64,
        body: impl FnOnce(&mut Self, ir::Value),
    ) {
        self.counted(
            count,
            |lower, index| lower.b.ins().iadd_imm_s(index, by),
            body,
        );
    }

    /// As [`count`](Self::count), by a value that is not zero.
    pub(super) fn count_by(
        &mut self,
        count: ir::Value,
        by: ir::Value,
        body: impl FnOnce(&mut Self, ir::Value),
    ) {
        self.counted(count, |lower, index| lower.b.ins().iadd(index, by), body);
    }

    fn counted(
        &mut self,
        count: ir::Value,
        next: impl FnOnce(&mut Self, ir::Value) -> ir::Value,
        body: impl FnOnce(&mut Self, ir::Value),
    ) {
        let (head, inside, after) = (
            self.b.create_block(),
            self.b.create_block(),
            self.b.create_block(),
        );
        let index = self.b.append_block_param(head, types::I64);
        let zero = self.int(0);
        self.b.ins().jump(head, &[BlockArg::Value(zero)]);
        self.b.switch_to_block(head);
        let more = self.b.ins().icmp(IntCC::UnsignedLessThan, index, count);
        self.b.ins().brif(more, inside, &[], after, &[]);
        self.b.switch_to_block(inside);
        self.b.seal_block(inside);
        body(self, index);
        let next = next(self, index);
        self.b.ins().jump(head, &[BlockArg::Value(next)]);
        self.b.seal_block(head);
        self.b.switch_to_block(after);
        self.b.seal_block(after);
    }

    /// Runs the body only when the condition is not zero.
    pub(super) fn when(&mut self, condition: ir::Value, body: impl FnOnce(&mut Self)) {
        let (inside, after) = (self.b.create_block(), self.b.create_block());
        self.b.ins().brif(condition, inside, &[], after, &[]);
        self.b.switch_to_block(inside);
        self.b.seal_block(inside);
        body(self);
        self.b.ins().jump(after, &[]);
        self.b.switch_to_block(after);
        self.b.seal_block(after);
    }

    /// Runs one body when the condition is not zero, the other when it is.
    pub(super) fn either(
        &mut self,
        condition: ir::Value,
        then: impl FnOnce(&mut Self),
        otherwise: impl FnOnce(&mut Self),
    ) {
        let [inside, other, after] = [(); 3].map(|()| self.b.create_block());
        self.b.ins().brif(condition, inside, &[], other, &[]);
        self.b.switch_to_block(inside);
        self.b.seal_block(inside);
        then(self);
        self.b.ins().jump(after, &[]);
        self.b.switch_to_block(other);
        self.b.seal_block(other);
        otherwise(self);
        self.b.ins().jump(after, &[]);
        self.b.switch_to_block(after);
        self.b.seal_block(after);
    }

    /// A loop over time, in its direction.
    pub(super) fn time_loop(
        &mut self,
        axis: AxisId,
        direction: Direction,
        body: impl FnOnce(&mut Self),
    ) {
        let Range { first, steps } = self.range(axis);
        self.count(steps, 1, |lower, index| {
            let index = match direction {
                Direction::Forward => index,
                Direction::Reverse => {
                    let last = lower.b.ins().iadd_imm_s(steps, -1);
                    lower.b.ins().isub(last, index)
                }
            };
            let step = lower.b.ins().iadd(first, index);
            lower.at_step(axis, step, body);
        });
    }

    /// Binds an axis to a step while the body is emitted.
    pub(super) fn at_step<R>(
        &mut self,
        axis: AxisId,
        step: ir::Value,
        body: impl FnOnce(&mut Self) -> R,
    ) -> R {
        let before = self.steps[axis].replace(step);
        let out = body(self);
        self.steps[axis] = before;
        out
    }

    /// The axes of a domain that no loop binds.
    pub(super) fn unbound(&self, domain: Domain) -> Vec<AxisId> {
        domain
            .time_axes()
            .filter(|axis| self.steps[*axis].is_none())
            .collect()
    }

    /// Runs a body over all unbound axes of a domain; it is given the number of rows.
    ///
    /// Where rows are one `run`, the one unbound axis and the batch become one where no example is shorter.
    pub(super) fn over(
        &mut self,
        domain: Domain,
        run: Run,
        body: &mut dyn FnMut(&mut Self, ir::Value),
    ) {
        let unbound = self.unbound(domain);
        self.over_in(&unbound, domain, run, body);
    }

    /// As [`over`](Self::over), in the order that the schedule has for a sum.
    pub(super) fn over_sum(
        &mut self,
        id: NodeId,
        domain: Domain,
        run: Run,
        body: &mut dyn FnMut(&mut Self, ir::Value),
    ) {
        let unbound: Domain = self.unbound(domain).into_iter().collect();
        let order = self.schedule.order(id, unbound);
        self.over_in(&order, domain, run, body);
    }

    // Over these axes, the outermost first.
    fn over_in(
        &mut self,
        order: &[AxisId],
        domain: Domain,
        run: Run,
        body: &mut dyn FnMut(&mut Self, ir::Value),
    ) {
        match order {
            [] => {
                let rows = self.rows(domain);
                body(self, rows);
            }
            [axis] if run < Run::Never => {
                let axis = *axis;
                let full = self.whole_run(axis, run);
                let Range { first, steps: all } = self.range(axis);
                // An axis without steps has no rows either way.
                let one = self.int(1);
                let once = self.b.ins().umin(all, one);
                let turns = self.b.ins().select(full, once, all);
                let flat_rows = self.b.ins().imul(all, self.batch);
                self.count(turns, 1, |lower, index| {
                    let step = lower.b.ins().iadd(first, index);
                    lower.at_step(axis, step, |lower| {
                        let rows = lower.rows(domain);
                        let rows = lower.b.ins().select(full, flat_rows, rows);
                        body(lower, rows);
                    });
                });
            }
            [axis, inner @ ..] => {
                let axis = *axis;
                let Range { first, steps } = self.range(axis);
                self.count(steps, 1, |lower, index| {
                    let step = lower.b.ins().iadd(first, index);
                    lower.at_step(axis, step, |lower| {
                        lower.over_in(inner, domain, Run::Never, body);
                    });
                });
            }
        }
    }

    /// Whether the rows of all steps of an axis are one run in this call.
    pub(super) fn whole_run(&mut self, axis: AxisId, run: Run) -> ir::Value {
        let full = self.layout.full(axis);
        let full = (self.b.ins()).load(types::I64, readonly(), self.context, full);
        match run {
            Run::Always => full,
            Run::OfWholeBatch => {
                let whole = self.b.ins().icmp(IntCC::Equal, self.given, self.batch);
                let whole = self.b.ins().uextend(types::I64, whole);
                self.b.ins().band(full, whole)
            }
            Run::Never => self.int(0),
        }
    }

    /// Rows to compute at the current step: those that some bound axis of the domain still reaches.
    pub(super) fn rows(&mut self, domain: Domain) -> ir::Value {
        if !domain.contains(AxisId::BATCH) {
            return self.int(1);
        }
        let mut rows = self.batch;
        for axis in domain.time_axes() {
            let Some(step) = self.steps[axis] else {
                continue;
            };
            let live =
                self.b
                    .ins()
                    .load(types::I64, readonly(), self.context, self.layout.live(axis));
            let offset = self.b.ins().imul_imm_s(step, 4);
            let address = self.b.ins().iadd(live, offset);
            let here = self.b.ins().uload32(readonly(), address, 0);
            rows = self.b.ins().umin(rows, here);
        }
        rows
    }
}
