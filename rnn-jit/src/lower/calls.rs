//! Calls of kernels: products, gathers, row functions, joins.
//!
//! **Invariant:** every call goes to an address of [`crate::kernels::Kernel`], with rows inside the slots it names.

use super::Lower;
use super::address::{Rows, Run};
use crate::kernels::{Kernel as Micro, RowReduction};
use crate::profile::Task;
use crate::storage::ELEMENT;
use cranelift_codegen::ir::{
    self, AbiParam, InstBuilder, Signature, StackSlotData, StackSlotKind, types,
};
use rnn_ir::axis::AxisId;
use rnn_ir::node::NodeId;
use rnn_ir::op::{Op, Reduction};
use rnn_ir::schedule::{Form, Kernel, packed_strides, sizes};

/// Sizes of a contraction, each with the strides of the two operands that have it.
#[derive(Clone, Copy)]
struct Contraction {
    /// Size, stride in the left operand, stride in the result.
    m: [usize; 3],
    /// Size, stride in the left operand, stride in the right.
    k: [usize; 3],
    /// Size, stride in the right operand, stride in the result.
    n: [usize; 3],
}

impl Lower<'_, '_> {
    /// Calls a kernel; all its parameters are 64-bit words.
    pub(super) fn call(&mut self, kernel: Micro, arguments: &[ir::Value]) {
        assert_eq!(
            arguments.len(),
            kernel.parameters(),
            "arguments of {kernel:?}"
        );
        let mut signature = Signature::new(self.call_conv);
        signature
            .params
            .extend(arguments.iter().map(|_| AbiParam::new(types::I64)));
        let signature = self.b.import_signature(signature);
        let address = self.int(kernel.address(self.isa) as usize);
        self.b.ins().call_indirect(signature, address, arguments);
    }

    // 0, 1, 2, ..: once for a set of parameters.
    fn entries(&mut self, id: NodeId) {
        let row = self.int(0);
        let start = self.stored_address(id, row);
        let size = self.int(self.width(id));
        let element = i64::try_from(ELEMENT).expect("an element is a few bytes");
        self.count(size, 1, |lower, at| {
            let entry = lower.b.ins().ireduce(types::I32, at);
            let offset = lower.b.ins().imul_imm_s(at, element);
            let address = lower.b.ins().iadd(start, offset);
            lower.store(entry, address);
        });
    }

    pub(super) fn call_kernel(&mut self, kernel: &Kernel) {
        let id = kernel.nodes[0];
        let node = self.schedule.graph.nodes[id].clone();
        match node.op {
            Op::AxisReduce { .. } => self.axis_reduce(id),
            Op::Entries => self.entries(id),
            Op::MatMul(a, b) => self.matmul(kernel, id, a, b),
            Op::Outer(a, b) => self.each_rows(kernel, &[a, b, id], &mut |lower, rows| {
                let (m, n) = (lower.width(a), lower.width(b));
                let (a, b, y) = (lower.block(a), lower.block(b), lower.block(id));
                let shape = Contraction {
                    m: [m, 1, n],
                    k: [1, 1, 1],
                    n: [n, 1, 1],
                };
                lower.contract(rows, a, b, y, shape);
            }),
            Op::Softmax(x) => self.each_rows(kernel, &[x, id], &mut |lower, rows| {
                lower.lines(x, id, |lower, x, y, width| {
                    lower.call(
                        Micro::Softmax,
                        &[x.start, x.stride, rows, width, y.start, y.stride],
                    );
                });
            }),
            Op::Reduce { x, .. } if self.schedule.forms[x] == Form::Inlined => {
                let Op::Binary(_, a, b) = self.schedule.graph.nodes[x].op else {
                    unreachable!("only products of elements are inlined into a sum of features")
                };
                self.each_rows(kernel, &[a, b, id], &mut |lower, rows| {
                    let width = lower.width(x);
                    let [a, b, y] = [a, b, id].map(|id| lower.block(id));
                    let width = lower.int(width);
                    let arguments = [
                        a.start, a.stride, b.start, b.stride, rows, width, y.start, y.stride,
                    ];
                    lower.call(Micro::Dot, &arguments);
                });
            }
            Op::Reduce { kind, x, at } => {
                self.each_rows(kernel, &[x, id], &mut |lower, rows| {
                    lower.reduce(kind, x, at, id, rows)
                });
            }
            Op::ArgMax(x) => self.each_rows(kernel, &[x, id], &mut |lower, rows| {
                lower.lines(x, id, |lower, x, y, width| {
                    lower.call(
                        Micro::Argmax,
                        &[x.start, x.stride, rows, width, y.start, y.stride],
                    );
                });
            }),
            Op::Gather { table, index } => {
                self.each_rows(kernel, &[table, index, id], &mut |lower, rows| {
                    let entries = sizes(&lower.schedule.graph.nodes[table].ty)[0];
                    let width = lower.width(id);
                    let (table, index, y) =
                        (lower.block(table), lower.block(index), lower.block(id));
                    let (entries, width) = (lower.int(entries), lower.int(width));
                    let arguments = [
                        table.start,
                        table.stride,
                        entries,
                        width,
                        index.start,
                        index.stride,
                        rows,
                        y.start,
                        y.stride,
                    ];
                    lower.call(Micro::Gather, &arguments);
                })
            }
            Op::Scatter { index, x, .. } => {
                self.each_rows(kernel, &[index, x, id], &mut |lower, rows| {
                    let entries = sizes(&lower.schedule.graph.nodes[id].ty)[0];
                    let width = lower.width(x);
                    let (index, x, y) = (lower.block(index), lower.block(x), lower.block(id));
                    let (entries, width) = (lower.int(entries), lower.int(width));
                    let arguments = [
                        index.start,
                        index.stride,
                        x.start,
                        x.stride,
                        rows,
                        entries,
                        width,
                        y.start,
                        y.stride,
                    ];
                    lower.call(Micro::Scatter, &arguments);
                })
            }
            Op::Concat { ref parts, at } => {
                let parts = parts.clone();
                let mut all = parts.clone();
                all.push(id);
                self.each_rows(kernel, &all, &mut |lower, rows| {
                    lower.concat(&parts, at, id, rows)
                });
            }
            Op::Pad {
                x, at, ref before, ..
            } => {
                let before = before
                    .as_constant()
                    .and_then(|before| usize::try_from(before).ok());
                let before = before.expect("the graph is bound");
                self.each_rows(kernel, &[x, id], &mut |lower, rows| {
                    let width = lower.width(id);
                    let y = lower.block(id);
                    let width = lower.int(width);
                    lower.call(Micro::ClearRows, &[y.start, y.stride, rows, width]);
                    lower.join(x, at, before, id, rows);
                });
            }
            _ => unreachable!("`{}` has no kernel", self.name_of(id)),
        }
    }

    pub(super) fn name_of(&self, id: NodeId) -> String {
        let node = &self.schedule.graph.nodes[id];
        node.name.clone().unwrap_or_else(|| id.to_string())
    }

    // Runs a body over a kernel's unbound axes, flattened when the operands allow it.
    pub(super) fn each_rows(
        &mut self,
        kernel: &Kernel,
        operands: &[NodeId],
        body: &mut dyn FnMut(&mut Self, ir::Value),
    ) {
        let run = match self.unbound(kernel.domain).as_slice() {
            [axis] if kernel.domain.contains(AxisId::BATCH) => {
                let operands = operands.iter().map(|operand| self.run(*operand, *axis));
                operands.max().unwrap_or(Run::Always)
            }
            _ => Run::Never,
        };
        self.over(kernel.domain, run, body);
    }

    fn matmul(&mut self, kernel: &Kernel, id: NodeId, a: NodeId, b: NodeId) {
        if let Some(weights) = self.storage.weights[id].clone() {
            let x = if weights.left { b } else { a };
            let packed = self.storage.packed[weights.packed];
            // The kernel reads rows of `x` step by step, so these need no whole batch.
            let run = match self.unbound(kernel.domain).as_slice() {
                [axis] if kernel.domain.contains(AxisId::BATCH) => match self.run(x, *axis) {
                    Run::Never => Run::Never,
                    Run::Always | Run::OfWholeBatch => self.run(id, *axis),
                },
                _ => Run::Never,
            };
            return self.over(kernel.domain, run, &mut |lower, rows| {
                let read = x;
                let (x, y) = (lower.block(x), lower.block(id));
                let [step_rows, step] = lower.steps_among(read, x.stride, rows);
                let packed = lower.slot_address(packed);
                let (m, k, overwrite) = (lower.int(weights.m), lower.int(weights.k), lower.int(0));
                let arguments = [
                    x.start, x.stride, step_rows, step, rows, packed, m, k, y.start, y.stride,
                    overwrite,
                ];
                lower.call(Micro::Product, &arguments);
            });
        }
        self.each_rows(kernel, &[a, b, id], &mut |lower, rows| {
            lower.matmul_rows(id, a, b, rows)
        });
    }

    fn matmul_rows(&mut self, id: NodeId, a: NodeId, b: NodeId, rows: ir::Value) {
        let (graph, forms) = (&self.schedule.graph, &self.schedule.forms);
        let (left, right) = (sizes(&graph.nodes[a].ty), sizes(&graph.nodes[b].ty));
        let strides = |id| {
            forms
                .strides(graph, id)
                .expect("views with two layouts are materialised")
        };
        let (left_strides, right_strides) = (strides(a), strides(b));
        let (m, a_m) = if left.len() == 2 {
            (left[0], left_strides[0])
        } else {
            (1, 0)
        };
        let (n, b_n) = if right.len() == 2 {
            (right[1], right_strides[1])
        } else {
            (1, 0)
        };
        let k = [right[0], left_strides[left.len() - 1], right_strides[0]];
        let (a, b, y) = (self.block(a), self.block(b), self.block(id));
        self.contract(
            rows,
            a,
            b,
            y,
            Contraction {
                m: [m, a_m, n],
                k,
                n: [n, b_n, 1],
            },
        );
    }

    // C[r][m, n] = sum_k A[r][m, k] B[r][k, n], any strides.
    fn contract(&mut self, rows: ir::Value, a: Rows, b: Rows, c: Rows, shape: Contraction) {
        let Contraction {
            m: [m, a_m, c_m],
            k: [k, a_k, b_k],
            n: [n, b_n, c_n],
        } = shape;
        let constants = [m, k, n, a_m, a_k, b_k, b_n, c_m, c_n].map(|value| self.int(value));
        let [m, k, n, a_m, a_k, b_k, b_n, c_m, c_n] = constants;
        let overwrite = self.int(0);
        // In the order of the fields of `kernels::Contraction`.
        let fields = [
            rows, m, k, n, a.stride, a_m, a_k, b.stride, b_k, b_n, c.stride, c_m, c_n, overwrite,
        ];
        let size = u32::try_from(fields.len() * 8).expect("a few words");
        let slot = self.b.create_sized_stack_slot(StackSlotData::new(
            StackSlotKind::ExplicitSlot,
            size,
            3,
        ));
        for (at, field) in fields.iter().enumerate() {
            let offset = i32::try_from(at * 8).expect("a few words");
            self.b.ins().stack_store(types::I64, *field, slot, offset);
        }
        let shape = self.b.ins().stack_addr(types::I64, slot, 0);
        self.call(Micro::Contract, &[a.start, b.start, c.start, shape]);
    }

    // Calls a body for each line of a matrix per row: its operand and result rows, and the length of a line.
    fn lines(
        &mut self,
        x: NodeId,
        y: NodeId,
        mut body: impl FnMut(&mut Self, Rows, Rows, ir::Value),
    ) {
        let [shape, result] = [x, y].map(|id| sizes(&self.schedule.graph.nodes[id].ty));
        let [lines @ .., width] = shape.as_slice() else {
            unreachable!("row functions take no scalars")
        };
        let (lines, width) = (lines.iter().product::<usize>(), *width);
        let results = if result.len() == shape.len() {
            width
        } else {
            1
        };
        let (x, y) = (self.block(x), self.block(y));
        let count = self.int(lines);
        self.count(count, 1, |lower, line| {
            let at = |lower: &mut Self, rows: Rows, width: usize| {
                let bytes = lower.int(width * ELEMENT);
                let offset = lower.b.ins().imul(line, bytes);
                Rows {
                    start: lower.b.ins().iadd(rows.start, offset),
                    ..rows
                }
            };
            let (x, y) = (at(lower, x, width), at(lower, y, results));
            let width = lower.int(width);
            body(lower, x, y, width);
        });
    }

    fn reduce(&mut self, kind: Reduction, x: NodeId, at: usize, id: NodeId, rows: ir::Value) {
        let shape = sizes(&self.schedule.graph.nodes[x].ty);
        let outer: usize = shape[..at].iter().product();
        let inner: usize = shape[at + 1..].iter().product();
        let reduction = match kind {
            Reduction::Sum => RowReduction::Sum,
            Reduction::Max => RowReduction::Max,
            Reduction::LogSumExp => RowReduction::LogSumExp,
        };
        let (x, y) = (self.block(x), self.block(id));
        if outer == 1 && inner == 1 {
            let len = self.int(shape[at]);
            return self.call(
                Micro::Reduce(reduction),
                &[x.start, x.stride, rows, len, y.start, y.stride],
            );
        }
        if inner == 1 {
            // Each row is a matrix whose lines are reduced.
            let (each, one) = (self.int(outer), self.int(1));
            let len = self.int(shape[at]);
            return self.count(rows, 1, |lower, row| {
                let [from, to] = [x, y].map(|rows| {
                    let elements = lower.b.ins().imul(row, rows.stride);
                    let bytes = lower.b.ins().imul_imm_s(elements, ELEMENT as i64);
                    lower.b.ins().iadd(rows.start, bytes)
                });
                let arguments = [from, len, each, len, to, one];
                lower.call(Micro::Reduce(reduction), &arguments);
            });
        }
        let [outer, len, inner] = [outer, shape[at], inner].map(|value| self.int(value));
        let arguments = [
            x.start, x.stride, rows, outer, len, inner, y.start, y.stride,
        ];
        self.call(Micro::ReduceMiddle(reduction), &arguments);
    }

    fn concat(&mut self, parts: &[NodeId], at: usize, id: NodeId, rows: ir::Value) {
        let mut offset = 0;
        let whole = self.place(id);
        for part in parts {
            let shape = sizes(&self.schedule.graph.nodes[*part].ty);
            let in_place = self.schedule.forms[*part] != Form::View
                && self.storage.places[*part].is_some_and(|place| place.slot == whole.slot)
                && self.placed_at(*part)
                    == whole.offset + offset * shape[at + 1..].iter().product::<usize>();
            if !in_place {
                self.join(*part, at, offset, id, rows);
            }
            offset += shape[at];
        }
    }

    fn placed_at(&self, id: NodeId) -> usize {
        self.place(id).offset
    }

    // Copies a value into a larger one, `offset` entries along a feature axis.
    fn join(&mut self, part: NodeId, at: usize, offset: usize, whole: NodeId, rows: ir::Value) {
        let graph = &self.schedule.graph;
        let shape = sizes(&graph.nodes[part].ty);
        let strides = self
            .schedule
            .forms
            .strides(graph, part)
            .expect("views with two layouts are materialised");
        let target = packed_strides(&sizes(&graph.nodes[whole].ty));
        let y = self.block(whole);
        let bytes = self.int(offset * target[at] * ELEMENT);
        let y_start = self.b.ins().iadd(y.start, bytes);
        let axes: Vec<[usize; 3]> = (0..shape.len())
            .map(|axis| [shape[axis], strides[axis], target[axis]])
            .collect();
        // Row by row: a part may look at another step for every row.
        self.count(rows, 1, |lower, row| {
            let from = lower.address(part, row);
            let element = lower.int(ELEMENT);
            let skip = lower.b.ins().imul(row, y.stride);
            let skip = lower.b.ins().imul(skip, element);
            let to = lower.b.ins().iadd(y_start, skip);
            lower.copy_axes(&axes, from, to);
        });
    }

    // Copies features: each axis has a size, a stride in the source and one in the target, the last of which is 1.
    fn copy_axes(&mut self, axes: &[[usize; 3]], from: ir::Value, to: ir::Value) {
        let ([lines, line, y_line], [width, inner, _]) = match axes {
            [] => ([1, 0, 0], [1, 1, 1]),
            [width] => ([1, 0, 0], *width),
            [lines, width] => (*lines, *width),
            [[size, stride, y_stride], rest @ ..] => {
                let size = self.int(*size);
                return self.count(size, 1, |lower, at| {
                    let [from, to] = [(from, *stride), (to, *y_stride)].map(|(start, stride)| {
                        let bytes = lower.int(stride * ELEMENT);
                        let skip = lower.b.ins().imul(at, bytes);
                        lower.b.ins().iadd(start, skip)
                    });
                    lower.copy_axes(rest, from, to);
                });
            }
        };
        let [lines, width, line, inner, y_line] =
            [lines, width, line, inner, y_line].map(|value| self.int(value));
        self.call(
            Micro::CopyMatrix,
            &[from, line, inner, lines, width, to, y_line],
        );
    }

    /// Packs the weights of every product.
    pub(super) fn pack_all(&mut self) {
        let ids: Vec<NodeId> = self.schedule.graph.nodes.ids().collect();
        for id in ids {
            if !self.storage.needed[id] {
                continue;
            }
            let Some(weights) = self.storage.weights[id].clone() else {
                continue;
            };
            let packed = self.storage.packed[weights.packed];
            for block in &weights.blocks {
                let row = self.int(0);
                let source = self.stored_address(block.source, row);
                let bytes = self.int(block.offset * ELEMENT);
                let source = self.b.ins().iadd(source, bytes);
                let packed = self.slot_address(packed);
                let numbers = [
                    block.rows,
                    block.cols,
                    block.row_stride,
                    block.col_stride,
                    block.dst_row,
                    block.dst_col,
                    weights.m,
                    weights.k,
                ];
                let [rows, cols, row_stride, col_stride, dst_row, dst_col, m, k] =
                    numbers.map(|value| self.int(value));
                let arguments = [
                    source, rows, cols, row_stride, col_stride, dst_row, dst_col, packed, m, k,
                ];
                self.call(Micro::PackBlock, &arguments);
            }
            self.lap(Task::Pack(id), 1);
        }
    }
}
