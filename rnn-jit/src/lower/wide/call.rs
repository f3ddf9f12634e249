//! Calls of a cluster's function: its table of addresses and strides, and the rows that one call serves.

use super::{Lower, Runs, Source, Wide};
use crate::lower::readonly;
use crate::storage::ELEMENT;
use crate::wide::WORDS_PER_STREAM;
use cranelift_codegen::ir::{
    self, AbiParam, ExtFuncData, ExternalName, InstBuilder, Signature, StackSlotData,
    StackSlotKind, UserExternalName, types,
};
use cranelift_codegen::isa::CallConv;
use rnn_ir::id::Id;

impl Lower<'_, '_> {
    /// Calls a cluster's function for some rows.
    pub(in crate::lower) fn wide_rows(&mut self, wide: &Wide, rows: ir::Value) {
        if !wide.outer.is_empty() {
            return self.count(rows, 1, |lower, row| {
                let addresses = lower.wide_addresses(wide, row);
                lower.wide_lines(wide, 0, &addresses);
            });
        }
        let mut alike: Option<ir::Value> = None;
        for axis in &wide.lengths {
            let full = self.layout.full(*axis);
            let full = (self.b.ins()).load(types::I64, readonly(), self.context, full);
            alike = Some(match alike {
                Some(others) => self.b.ins().band(others, full),
                None => full,
            });
        }
        let Some(alike) = alike else {
            let row = self.int(0);
            return self.wide_block(wide, row, rows);
        };
        // All rows at once, or one after the other.
        let one = self.int(1);
        let once = self.b.ins().umin(rows, one);
        let turns = self.b.ins().select(alike, once, rows);
        let each = self.b.ins().select(alike, rows, one);
        self.count(turns, 1, |lower, row| lower.wide_block(wide, row, each));
    }

    fn wide_addresses(&mut self, wide: &Wide, row: ir::Value) -> Vec<ir::Value> {
        let words = wide.sources.len() * WORDS_PER_STREAM;
        let mut out = Vec::new();
        for (at, source) in wide.sources.iter().enumerate() {
            out.push(match source {
                Source::Operand {
                    id, copied: true, ..
                } => self.viewed_address(*id, row),
                Source::Operand { id, .. } => self.address(*id, row),
                Source::Result(id) => self.stored_address(*id, row),
                Source::Scalar(id) => {
                    let value = self.scalar(*id, row);
                    // Behind the table, in the word of its stream.
                    let slot = self.table(words + wide.sources.len());
                    let offset = i32::try_from((words + at) * 8).expect("a table is small");
                    self.b.ins().stack_store(types::I64, value, slot, offset);
                    self.b.ins().stack_addr(types::I64, slot, offset)
                }
            });
        }
        out
    }

    // Rows from one on, at the strides of their slots.
    fn wide_block(&mut self, wide: &Wide, row: ir::Value, rows: ir::Value) {
        let addresses = self.wide_addresses(wide, row);
        let mut strides = Vec::new();
        for source in &wide.sources {
            strides.push(match source {
                Source::Operand {
                    id, copied: true, ..
                } => self.viewed_stride(*id, row),
                Source::Operand { id, .. } => self.row_stride(*id, row),
                Source::Result(id) => self.int(self.stored_stride(*id)),
                Source::Scalar(_) => self.int(0),
            });
        }
        let width = self.int(wide.width);
        let (rows, width) = match &wide.runs {
            Runs::Never => (rows, width),
            Runs::If(streams) => {
                let (one, all) = (self.int(1), self.b.ins().imul(rows, width));
                let mut run: Option<ir::Value> = None;
                for stream in streams {
                    let equal = ir::condcodes::IntCC::Equal;
                    let here = self.b.ins().icmp(equal, strides[stream.index()], width);
                    run = Some(match run {
                        Some(others) => self.b.ins().band(others, here),
                        None => here,
                    });
                }
                match run {
                    None => (one, all),
                    Some(run) => (
                        self.b.ins().select(run, one, rows),
                        self.b.ins().select(run, all, width),
                    ),
                }
            }
        };
        let element = self.int(ELEMENT);
        for stride in &mut strides {
            *stride = self.b.ins().imul(*stride, element);
        }
        self.wide_call(wide, &addresses, &strides, rows, width);
    }

    // The lines of one row, from an axis on: those along the last axis but one are the rows of a call.
    fn wide_lines(&mut self, wide: &Wide, axis: usize, addresses: &[ir::Value]) {
        let size = self.int(wide.outer[axis]);
        let lines_each: usize = wide.outer[axis + 1..].iter().product();
        let mut strides = Vec::new();
        for source in &wide.sources {
            let elements = match source {
                Source::Operand { steps, .. } => steps[axis],
                Source::Scalar(_) => 0,
                Source::Result(_) => lines_each * wide.width,
            };
            strides.push(self.int(elements * ELEMENT));
        }
        if axis + 1 == wide.outer.len() {
            let width = self.int(wide.width);
            return self.wide_call(wide, addresses, &strides, size, width);
        }
        self.count(size, 1, |lower, at| {
            let moved: Vec<ir::Value> = (addresses.iter().zip(&strides))
                .map(|(address, stride)| {
                    let offset = lower.b.ins().imul(at, *stride);
                    lower.b.ins().iadd(*address, offset)
                })
                .collect();
            lower.wide_lines(wide, axis + 1, &moved);
        });
    }

    fn wide_call(
        &mut self,
        wide: &Wide,
        addresses: &[ir::Value],
        strides: &[ir::Value],
        rows: ir::Value,
        width: ir::Value,
    ) {
        let slot = self.table(addresses.len() * WORDS_PER_STREAM);
        for (at, (address, stride)) in addresses.iter().zip(strides).enumerate() {
            let offset = i32::try_from(at * WORDS_PER_STREAM * 8).expect("a table is small");
            self.b.ins().stack_store(types::I64, *address, slot, offset);
            self.b
                .ins()
                .stack_store(types::I64, *stride, slot, offset + 8);
        }
        let table = self.b.ins().stack_addr(types::I64, slot, 0);
        let mut signature = Signature::new(CallConv::SystemV);
        signature.params.extend([AbiParam::new(types::I64); 3]);
        let signature = self.b.import_signature(signature);
        let name = self
            .b
            .func
            .declare_imported_user_function(UserExternalName::new(0, wide.function));
        // Not near: pieces of a module may be more than two gibibytes apart.
        let callee = self.b.import_function(ExtFuncData {
            name: ExternalName::user(name),
            signature,
            colocated: false,
            patchable: false,
        });
        self.b.ins().call(callee, &[table, rows, width]);
    }

    // The table of all calls, at least so many words.
    fn table(&mut self, words: usize) -> ir::StackSlot {
        let size = u32::try_from(words * 8).expect("a table is small");
        match self.table {
            Some(slot) => {
                let data = &mut self.b.func.sized_stack_slots[slot];
                data.size = data.size.max(size);
                slot
            }
            None => {
                let data = StackSlotData::new(StackSlotKind::ExplicitSlot, size, 3);
                let slot = self.b.create_sized_stack_slot(data);
                self.table = Some(slot);
                slot
            }
        }
    }
}
