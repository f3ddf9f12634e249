//! Reductions over axes of the domain: sums over time and the batch, weight gradients, rows added to tables.
//!
//! The result is cleared, then every step adds its live rows to it; a sum of outer products over steps and examples is
//! one product of two tall matrices when no example is shorter than the others.
//!
//! **Invariant:** a row past its own length adds nothing.

use super::Lower;
use super::address::{Rows, Run};
use super::loops::Range;
use crate::kernels::Kernel as Micro;
use crate::storage::ELEMENT;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self, InstBuilder, types};
use rnn_ir::axis::{AxisId, Domain};
use rnn_ir::id::Id;
use rnn_ir::node::NodeId;
use rnn_ir::op::{Op, Over};
use rnn_ir::schedule::{Form, sizes};

impl Lower<'_, '_> {
    pub(super) fn axis_reduce(&mut self, id: NodeId) {
        let graph = &self.schedule.graph;
        let Op::AxisReduce { kind, x, axes } = graph.nodes[id].op else {
            unreachable!("called for axis reductions")
        };
        let domain = graph.nodes[id].ty.domain;
        if self.schedule.forms[x] == Form::Inlined {
            return match graph.nodes[x].op {
                Op::Outer(a, b) => self.outer_sum(id, a, b, axes),
                Op::Scatter { index, x, .. } => self.scatter_sum(id, index, x, axes),
                Op::Binary(_, a, b) => self.product_sum(id, a, b, axes),
                _ => unreachable!("only products and scatters are inlined"),
            };
        }
        let width = self.width(id);
        self.start_here(id);
        let whole = graph.nodes[x].ty.domain.union(domain);
        let all_rows = axes.contains(AxisId::BATCH);
        // A sum over examples leaves out those that a step has not, of a kept axis too.
        let counted = if all_rows { whole } else { axes };
        let time: Vec<AxisId> = counted.time_axes().collect();
        let run = match self.unbound(whole).as_slice() {
            [axis] if all_rows && axes.contains(*axis) && is_sorted(*axis) && time.len() == 1 => {
                self.run(x, *axis)
            }
            _ => Run::Never,
        };
        let flat = run < Run::Never;
        self.over_sum(id, whole, run, &mut |lower, rows| {
            let (xs, y) = (lower.block(x), lower.block(id));
            let width = lower.int(width);
            let several = time.iter().filter(|axis| !is_sorted(**axis)).count() > 1;
            if several {
                return lower.live_rows(
                    counted.with(AxisId::BATCH),
                    rows,
                    [xs, y],
                    &|lower, [x, y], rows| {
                        let none = lower.int(0);
                        let arguments = [
                            x.start, x.stride, rows, width, y.start, y.stride, none, none,
                        ];
                        lower.call(
                            if kind == Over::Sum {
                                Micro::AddRows
                            } else {
                                Micro::MaxRows
                            },
                            &arguments,
                        );
                    },
                );
            }
            // In a flattened run no example is shorter than another.
            let (lengths, step) = if flat {
                (lower.int(0), lower.int(0))
            } else {
                lower.reached(&time)
            };
            let masked = time.iter().any(|axis| !is_sorted(*axis)) && !flat;
            let summed = all_rows && kind == Over::Sum;
            if summed && !masked {
                let add = lower.int(1);
                lower.call(
                    Micro::ColumnSum,
                    &[xs.start, xs.stride, rows, width, y.start, add],
                );
            } else if summed {
                lower.call(
                    Micro::AddColumns,
                    &[xs.start, xs.stride, rows, width, y.start, lengths, step],
                );
            } else {
                let micro = match kind {
                    Over::Sum => Micro::AddRows,
                    Over::Max => Micro::MaxRows,
                };
                lower.call(
                    micro,
                    &[
                        xs.start, xs.stride, rows, width, y.start, y.stride, lengths, step,
                    ],
                );
            }
        });
    }

    // The sum of `a * b` over the steps of an axis, for each example.
    fn product_sum(&mut self, id: NodeId, a: NodeId, b: NodeId, axes: Domain) {
        self.start_here(id);
        let graph = &self.schedule.graph;
        let packed = |id: NodeId| {
            let strides = self.schedule.forms.strides(graph, id);
            strides.is_some_and(|strides| strides.iter().all(|stride| *stride != 0))
        };
        let (a, b) = if packed(b) { (a, b) } else { (b, a) };
        let step = usize::from(packed(a));
        let domains = [a, b, id].map(|id| graph.nodes[id].ty.domain);
        let whole = domains.into_iter().fold(axes, Domain::union);
        let time: Vec<AxisId> = axes.time_axes().collect();
        self.over_sum(id, whole, Run::Never, &mut |lower, rows| {
            let [a, b, y] = [a, b, id].map(|id| lower.block(id));
            let (step, width) = (lower.int(step), lower.int(lower.width(id)));
            let (lengths, reached) = lower.reached(&time);
            let arguments = [
                a.start, a.stride, step, b.start, b.stride, rows, width, y.start, y.stride,
                lengths, reached,
            ];
            lower.call(Micro::MultiplyAdd, &arguments);
        });
    }

    /// The value of a reduction before anything is added to it, over what is left of the domain.
    pub(super) fn start_reduction(&mut self, id: NodeId) {
        let graph = &self.schedule.graph;
        let (domain, width) = (graph.nodes[id].ty.domain, self.width(id));
        let micro = match graph.nodes[id].op {
            Op::AxisReduce {
                kind: Over::Max, ..
            } => Micro::LowestRows,
            _ => Micro::ClearRows,
        };
        self.over(domain, Run::Never, &mut |lower, rows| {
            let y = lower.block(id);
            let width = lower.int(width);
            lower.call(micro, &[y.start, y.stride, rows, width]);
        });
    }

    // A sum over steps that run in blocks was started before the first of them.
    fn start_here(&mut self, id: NodeId) {
        let op = &self.schedule.graph.nodes[id].op;
        let started = match (op, self.within) {
            (Op::AxisReduce { axes, .. }, Some((axis, _))) => axes.contains(axis),
            _ => false,
        };
        if !started {
            self.start_reduction(id);
        }
    }

    // The lengths that rows must reach and the step they must be past.
    //
    // Along the axis that rows are sorted by, the rows of a step are exactly those it has; one other axis needs a mask.
    fn reached(&mut self, time: &[AxisId]) -> (ir::Value, ir::Value) {
        let unsorted: Vec<AxisId> = time
            .iter()
            .copied()
            .filter(|axis| !is_sorted(*axis))
            .collect();
        match unsorted.as_slice() {
            [] => (self.int(0), self.int(0)),
            [axis, ..] => {
                let lengths = self.layout.lengths(*axis);
                let lengths =
                    self.b
                        .ins()
                        .load(types::I64, super::readonly(), self.context, lengths);
                (lengths, self.step(*axis))
            }
        }
    }

    // Calls a body for the rows that the current steps of all axes have: at once, or one by one where rows are not
    // sorted by the length of an axis.
    fn live_rows(
        &mut self,
        axes: Domain,
        rows: ir::Value,
        operands: [Rows; 2],
        body: &dyn Fn(&mut Self, [Rows; 2], ir::Value),
    ) {
        let unsorted: Vec<AxisId> = axes.time_axes().filter(|axis| !is_sorted(*axis)).collect();
        if unsorted.is_empty() || !axes.contains(AxisId::BATCH) {
            return body(self, operands, rows);
        }
        // Where no example is shorter than another, all of them are there.
        let mut full = self.int(1);
        for axis in &unsorted {
            let own = self.layout.full(*axis);
            let own = self
                .b
                .ins()
                .load(types::I64, super::readonly(), self.context, own);
            let none = self.int(0);
            full = self.b.ins().select(own, full, none);
        }
        self.either(
            full,
            |lower| body(lower, operands, rows),
            |lower| lower.each_live_row(unsorted.clone(), rows, operands, body),
        );
    }

    fn each_live_row(
        &mut self,
        unsorted: Vec<AxisId>,
        rows: ir::Value,
        operands: [Rows; 2],
        body: &dyn Fn(&mut Self, [Rows; 2], ir::Value),
    ) {
        self.count(rows, 1, |lower, row| {
            let mut reached = lower.b.ins().iconst(types::I8, 1);
            for axis in unsorted.iter().copied() {
                let (length, step) = (lower.length(axis, row), lower.step(axis));
                let here = lower.b.ins().icmp(IntCC::UnsignedLessThan, step, length);
                reached = lower.b.ins().band(reached, here);
            }
            lower.when(reached, |lower| {
                let one = lower.int(1);
                let operands = operands.map(|rows| {
                    let skip = lower.b.ins().imul(row, rows.stride);
                    let bytes = lower.int(ELEMENT);
                    let skip = lower.b.ins().imul(skip, bytes);
                    Rows {
                        start: lower.b.ins().iadd(rows.start, skip),
                        ..rows
                    }
                });
                body(lower, operands, one);
            });
        });
    }

    fn outer_sum(&mut self, id: NodeId, a: NodeId, b: NodeId, axes: Domain) {
        let (m, k) = (self.width(a), self.width(b));
        let right = b;
        self.start_here(id);
        let call = |lower: &mut Self, [a, b]: [Rows; 2], rows: ir::Value| {
            let row = lower.int(0);
            let y = lower.stored_address(id, row);
            let [m, k, ld, add] = [m, k, k, 1].map(|value| lower.int(value));
            let [step_rows, step] = lower.steps_among(right, b.stride, rows);
            lower.call(
                Micro::OuterAccumulate,
                &[
                    a.start, a.stride, b.start, b.stride, step_rows, step, rows, m, k, y, ld, add,
                ],
            );
        };
        let unbound = self.unbound(axes);
        let [axis] = unbound.as_slice() else {
            return self.over(axes, Run::Never, &mut |lower, rows| {
                let operands = [lower.block(a), lower.block(b)];
                lower.live_rows(axes, rows, operands, &call);
            });
        };
        let axis = *axis;
        // x[t-1] of a full batch is one run from the second step on, one step behind.
        let lagged = |lower: &Self, id: NodeId| match lower.schedule.graph.nodes[id].op {
            Op::Shift {
                axis: along,
                by: -1,
                x,
                ..
            } if lower.schedule.forms[id] == Form::View
                && along == axis
                && lower.run(x, axis) < Run::Never =>
            {
                lower.run(x, axis)
            }
            _ => Run::Never,
        };
        let batch = axes.contains(AxisId::BATCH);
        let straight = [a, b].map(|id| self.run(id, axis));
        let behind = [a, b].map(|id| lagged(self, id));
        let [left, right_run] = [0, 1].map(|at| straight[at].min(behind[at]));
        // The kernel reads the rows of the right operand step by step, so these need no whole batch.
        let runs = batch && is_sorted(axis) && left < Run::Never && right_run < Run::Never;
        if !runs {
            return self.over(axes, Run::Never, &mut |lower, rows| {
                let operands = [lower.block(a), lower.block(b)];
                lower.live_rows(axes, rows, operands, &call);
            });
        }
        if behind == [Run::Never; 2] {
            return self.over(axes, left, &mut |lower, rows| {
                let operands = [lower.block(a), lower.block(b)];
                call(lower, operands, rows);
            });
        }
        let full = self.whole_run(axis, left);
        let Range { first, steps } = self.range(axis);
        let one = self.int(1);
        // The first step of all alone, then either the rest as one run or every step by itself.
        let start = self.b.ins().icmp_imm_s(IntCC::Equal, first, 0);
        let start = self.b.ins().uextend(types::I64, start);
        let alone = self.b.ins().umin(steps, start);
        self.count(alone, 1, |lower, index| {
            lower.at_step(axis, index, |lower| {
                let rows = lower.rows(axes);
                let operands = [lower.block(a), lower.block(b)];
                call(lower, operands, rows);
            });
        });
        let rest = self.b.ins().isub(steps, alone);
        let run_rows = self.b.ins().imul(rest, self.batch);
        let some = self.b.ins().umin(rest, one);
        let turns = self.b.ins().select(full, some, rest);
        self.count(turns, 1, |lower, index| {
            let past = lower.b.ins().iadd(index, alone);
            let step = lower.b.ins().iadd(first, past);
            lower.at_step(axis, step, |lower| {
                let rows = lower.rows(axes);
                let rows = lower.b.ins().select(full, run_rows, rows);
                let operands = [lower.block(a), lower.block(b)];
                call(lower, operands, rows);
            });
        });
    }

    fn scatter_sum(&mut self, id: NodeId, index: NodeId, x: NodeId, axes: Domain) {
        let entries = sizes(&self.schedule.graph.nodes[id].ty)[0];
        let width = self.width(x);
        self.start_here(id);
        let sorted = axes.time_axes().all(is_sorted);
        let run = match self.unbound(axes).as_slice() {
            [axis] if axes.contains(AxisId::BATCH) && sorted => {
                self.run(index, *axis).max(self.run(x, *axis))
            }
            _ => Run::Never,
        };
        let call = |lower: &mut Self, [index, x]: [Rows; 2], rows: ir::Value| {
            let row = lower.int(0);
            let y = lower.stored_address(id, row);
            let (entries, width) = (lower.int(entries), lower.int(width));
            let arguments = [
                index.start,
                index.stride,
                x.start,
                x.stride,
                rows,
                entries,
                width,
                y,
            ];
            lower.call(Micro::ScatterAdd, &arguments);
        };
        self.over(axes, run, &mut |lower, rows| {
            let operands = [lower.block(index), lower.block(x)];
            lower.live_rows(axes, rows, operands, &call);
        });
    }
}

/// Whether rows are sorted by their length along this axis: longest first, so that a step has a prefix of them.
pub(crate) fn is_sorted(axis: AxisId) -> bool {
    axis.index() == 1
}
