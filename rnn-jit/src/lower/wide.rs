//! Pointwise clusters as calls of code as wide as the machine ([`crate::wide`]).
//!
//! A cluster goes there when the lines of everything it reads are contiguous, or one value for the whole line. The calling
//! code fills a table on its stack: the address of each stream, as [`super::address`] computes it, and the bytes from a row
//! to the next. Where that depends on a row's own length, one call serves all rows when no example is shorter, and else each
//! row gets its own.
//!
//! **Invariant:** the rows of a stream, at the stride in the table, are the rows that the storage gives its node.

use super::Lower;
use super::cluster::function_of;
use crate::kernels::math::poly::TRIGONOMETRIC_LIMIT;
use crate::kernels::{Function, Isa};
use crate::storage::{ELEMENT, constant_word, pass_through};
use crate::wide::{self, Access, LANES, Op as Word, Program, Stream, Value, WORDS_PER_STREAM};
use cranelift_codegen::ir::{
    self, AbiParam, ExtFuncData, ExternalName, InstBuilder, Signature, StackSlotData,
    StackSlotKind, UserExternalName, types,
};
use cranelift_codegen::isa::CallConv;
use rnn_ir::axis::AxisId;
use rnn_ir::bounds;
use rnn_ir::id::Id;
use rnn_ir::node::{DType, NodeId};
use rnn_ir::op::{Binary, Compare, Op, Unary};
use rnn_ir::random;
use rnn_ir::schedule::{Form, Kernel, sizes, viewed};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// Tenths of the lanes of its vectors that a row of functions has to use.
///
/// Measured on the gates of an LSTM: rows of 11 or 13 are faster here, rows of 8 or 20 slower.
const LEAST_TENTHS: usize = 7;

/// Largest angle whose sine and cosine are computed here: the limit of their kernels, with room for what bounds do not say of
/// rounding.
const LARGEST_ANGLE: f64 = 0.99 * TRIGONOMETRIC_LIMIT as f64;

/// What a stream is the memory of.
enum Source {
    /// Something read; elements from an entry to the next along each axis of its shape.
    Operand {
        id: NodeId,
        /// Whether it is read as the view shows it, to be copied.
        copied: bool,
        steps: Vec<usize>,
    },
    /// A number that the calling code has.
    Scalar(NodeId),
    /// What a node is stored in.
    Result(NodeId),
}

/// Whether all rows of all streams are one line.
enum Runs {
    Never,
    /// If the strides of these streams, which depend on the step, are a row.
    If(Vec<Stream>),
}

/// A cluster that has been compiled.
pub(super) struct Wide {
    /// Position among the functions of the module.
    function: u32,
    /// By [`Stream`].
    sources: Vec<Source>,
    /// Sizes of the axes before the last, if operands do not lie as results do.
    outer: Vec<usize>,
    width: usize,
    runs: Runs,
    /// Whether the function is faster for a single row alone.
    pub(super) single: bool,
    /// Axes whose lengths tell where a row is read.
    lengths: Vec<AxisId>,
}

/// A cluster while it becomes a program.
struct Builder {
    program: Program,
    values: BTreeMap<NodeId, Value>,
    sources: Vec<Source>,
}

impl Lower<'_, '_> {
    /// Compiles a cluster; `None` for those that 128-bit code serves.
    pub(super) fn wide(&mut self, kernel: &Kernel) -> Option<Wide> {
        let (first, start) = (self.first_wide?, Instant::now());
        if self.isa != Isa::Avx512 {
            return None;
        }
        let flat = self.is_flat(kernel);
        let mut outer = sizes(&self.schedule.graph.nodes[kernel.nodes[0]].ty);
        outer.pop();
        if flat {
            outer.clear();
        }
        let total = self.width(kernel.nodes[0]);
        let width = total / outer.iter().product::<usize>().max(1);
        let mut builder = Builder {
            program: Program::default(),
            values: BTreeMap::new(),
            sources: Vec::new(),
        };
        for id in &kernel.nodes {
            let value = self.record(&mut builder, *id)?;
            builder.values.insert(*id, value);
            if self.storage.places[*id].is_some() {
                let stream = builder.stream(Access::Store, Source::Result(*id));
                builder.program.store(stream, value);
            }
        }
        let Builder {
            program, sources, ..
        } = builder;
        if program.stores.is_empty() {
            return None;
        }
        let runs = match outer.is_empty() {
            true => self.runs(&program, &sources, width),
            false => Runs::Never,
        };
        // Tiles share the vectors of a function between rows; here every row has vectors of its own.
        let functions = |id: &NodeId| function_of(&self.schedule.graph.nodes[*id].op).is_some();
        let wasteful = width * 10 < width.next_multiple_of(LANES) * LEAST_TENTHS;
        let single = matches!(runs, Runs::Never) && wasteful && kernel.nodes.iter().any(functions);
        if single && !outer.is_empty() {
            return None;
        }
        let compiled = wide::compile(program, width, matches!(runs, Runs::If(_)))?;
        let function = first + u32::try_from(self.wides.len()).expect("fewer than 2^32 kernels");
        self.wides.push(super::Wide {
            nodes: kernel.nodes.clone(),
            function: compiled,
            time: start.elapsed(),
        });
        let mut lengths = BTreeSet::new();
        for source in &sources {
            match source {
                Source::Operand { id, copied, .. } => self.lengths_of(*id, *copied, &mut lengths),
                Source::Scalar(id) => {
                    if let Op::Length(axis) = self.schedule.graph.nodes[*id].op {
                        lengths.insert(axis);
                    }
                }
                Source::Result(_) => {}
            }
        }
        Some(Wide {
            function,
            sources,
            outer,
            width,
            runs,
            single,
            lengths: lengths.into_iter().collect(),
        })
    }

    fn record(&self, builder: &mut Builder, id: NodeId) -> Option<Value> {
        let node = &self.schedule.graph.nodes[id];
        Some(match &node.op {
            Op::Step(_) | Op::Length(_) => {
                let stream = builder.stream(Access::Once, Source::Scalar(id));
                builder.program.push(Word::Once(stream))
            }
            Op::StopGradient(x) => self.operand_value(builder, id, *x)?,
            op if viewed(op).is_some() => self.operand_value(builder, id, id)?,
            // Large angles go to the mathematical library, which takes one at a time.
            Op::Unary(Unary::Sin | Unary::Cos, x)
                if bounds::magnitude(&self.schedule.graph, *x) > LARGEST_ANGLE =>
            {
                return None;
            }
            Op::Unary(unary, x) => {
                let x = self.operand_value(builder, id, *x)?;
                builder.unary(*unary, x)
            }
            Op::Binary(binary, a, b) => {
                let a = self.operand_value(builder, id, *a)?;
                let b = self.operand_value(builder, id, *b)?;
                builder.binary(*binary, a, b)
            }
            Op::Compare(compare, a, b) => {
                let words = self.schedule.graph.nodes[*a].ty.dtype != DType::Real;
                let a = self.operand_value(builder, id, *a)?;
                let b = self.operand_value(builder, id, *b)?;
                let compare = comparison(*compare);
                builder.program.push(if words {
                    Word::CompareWords(compare, a, b)
                } else {
                    Word::Compare(compare, a, b)
                })
            }
            Op::Mix(a, b) => {
                let a = self.operand_value(builder, id, *a)?;
                let b = self.operand_value(builder, id, *b)?;
                builder.mix(a, b)
            }
            Op::Uniform(x) => {
                let bits = self.operand_value(builder, id, *x)?;
                builder.uniform(bits)
            }
            // Once a row: not worth an instruction of its own.
            Op::Token(_) => return None,
            Op::Select(condition, then, otherwise) => {
                let [condition, then, otherwise] = [condition, then, otherwise]
                    .map(|operand| self.operand_value(builder, id, *operand));
                let program = &mut builder.program;
                let mask = program.mask(condition?);
                let (then, otherwise) = (program.vector(then?), program.vector(otherwise?));
                program.push(Word::Select(mask, then, otherwise))
            }
            _ => unreachable!("a cluster has pointwise members alone"),
        })
    }

    // The value of an operand: computed before, a constant, or loaded.
    fn operand_value(&self, builder: &mut Builder, reader: NodeId, id: NodeId) -> Option<Value> {
        let through = pass_through(self.schedule, id);
        let known = [id, through]
            .iter()
            .find_map(|id| builder.values.get(id).copied());
        if let Some(value) = known {
            return Some(value);
        }
        let node = &self.schedule.graph.nodes[through];
        let value = if let Op::Const(number) = node.op {
            let word = constant_word(node.ty.dtype, number.0);
            builder.program.push(Word::Const(word))
        } else {
            let steps = self.strides(reader, id);
            let single = !steps.is_empty() && steps.iter().all(|step| *step == 0);
            let access = match steps.last() {
                _ if single => Access::Once,
                None | Some(1) => Access::Load,
                Some(0) => Access::Once,
                Some(_) => return None,
            };
            let copied = reader == id;
            let stream = builder.stream(access, Source::Operand { id, copied, steps });
            let value = builder.program.push(match access {
                Access::Once => Word::Once(stream),
                Access::Load | Access::Store => Word::Load(stream),
            });
            if !copied {
                builder.values.insert(id, value);
            }
            value
        };
        Some(value)
    }

    // Rows that lie behind each other in all streams are one line.
    fn runs(&self, program: &Program, sources: &[Source], width: usize) -> Runs {
        let mut depends = Vec::new();
        for (stream, access) in program.streams.iter() {
            let stride = match &sources[stream.index()] {
                Source::Operand { id, copied, .. } => self.known_stride(*id, *copied),
                Source::Scalar(_) => Some(0),
                Source::Result(id) => self.known_stride(*id, false),
            };
            match (access, stride) {
                (Access::Once, Some(0)) => {}
                (Access::Load | Access::Store, Some(stride)) if stride == width => {}
                (Access::Load, None) => depends.push(stream),
                _ => return Runs::Never,
            }
        }
        Runs::If(depends)
    }

    // Elements from a row to the next, where that does not depend on the step.
    fn known_stride(&self, id: NodeId, copied: bool) -> Option<usize> {
        if self.schedule.forms[id] != Form::View && !copied {
            return Some(self.stored_stride(id));
        }
        match &self.schedule.graph.nodes[id].op {
            Op::Shift { .. } | Op::At { .. } | Op::Place { .. } => None,
            op => self.known_stride(viewed(op).expect("a view looks at an operand"), false),
        }
    }

    fn lengths_of(&self, id: NodeId, copied: bool, out: &mut BTreeSet<AxisId>) {
        if self.schedule.forms[id] != Form::View && !copied {
            return;
        }
        let op = &self.schedule.graph.nodes[id].op;
        match op {
            Op::Shift { axis, by, .. } if *by > 0 => {
                out.insert(*axis);
            }
            Op::At { axis, .. } | Op::Place { axis, .. } => {
                out.insert(*axis);
            }
            _ => {}
        }
        if let Op::Shift {
            boundary: Some(boundary),
            ..
        }
        | Op::At {
            boundary: Some(boundary),
            ..
        } = op
        {
            self.lengths_of(*boundary, false, out);
        }
        self.lengths_of(viewed(op).expect("a view looks at an operand"), false, out);
    }

    /// Calls a cluster's function for some rows.
    pub(super) fn wide_rows(&mut self, wide: &Wide, rows: ir::Value) {
        if !wide.outer.is_empty() {
            return self.count(rows, 1, |lower, row| {
                let addresses = lower.wide_addresses(wide, row);
                lower.wide_lines(wide, 0, &addresses);
            });
        }
        let mut alike: Option<ir::Value> = None;
        for axis in &wide.lengths {
            let full = self.layout.full(*axis);
            let full = (self.b.ins()).load(types::I64, super::readonly(), self.context, full);
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

impl Builder {
    fn stream(&mut self, access: Access, source: Source) -> Stream {
        self.sources.push(source);
        self.program.streams.push(access)
    }

    fn unary(&mut self, unary: Unary, x: Value) -> Value {
        let program = &mut self.program;
        let [zero, one, minus] = [0.0, 1.0, -1.0].map(|number| program.number(number));
        match unary {
            Unary::Neg => {
                let sign = program.number(-0.0);
                program.binary(wide::Binary::Xor, x, sign)
            }
            Unary::Abs => {
                let rest = program.push(Word::Const(0x7fff_ffff));
                program.binary(wide::Binary::And, x, rest)
            }
            Unary::Floor => program.push(Word::Unary(wide::Unary::Floor, x)),
            Unary::Sqrt => program.push(Word::Unary(wide::Unary::Sqrt, x)),
            Unary::Relu => program.maximum(x, zero),
            Unary::Sign => {
                let below = program.push(Word::Compare(wide::Compare::Lt, x, zero));
                let above = program.push(Word::Compare(wide::Compare::Gt, x, zero));
                // Zero stays zero, and NaN stays NaN.
                let rest = program.push(Word::Select(below, minus, x));
                program.push(Word::Select(above, one, rest))
            }
            Unary::Exp => program.function(Function::Exp, x),
            Unary::Ln => program.function(Function::Ln, x),
            Unary::Sin => program.function(Function::Sin, x),
            Unary::Cos => program.function(Function::Cos, x),
            Unary::Tanh => program.function(Function::Tanh, x),
            Unary::Sigmoid => program.function(Function::Sigmoid, x),
            Unary::Softplus => program.function(Function::Softplus, x),
        }
    }

    // A real's bits are its word.
    fn mix(&mut self, a: Value, b: Value) -> Value {
        let program = &mut self.program;
        let mut x = program.binary(wide::Binary::Xor, a, b);
        for (at, by) in random::SHIFTS.into_iter().enumerate() {
            let high = program.push(Word::Unary(wide::Unary::ShiftDown(by), x));
            x = program.binary(wide::Binary::Xor, x, high);
            if let Some(by) = random::MULTIPLIERS.get(at) {
                let by = program.push(Word::Const(*by));
                x = program.binary(wide::Binary::MulBits, x, by);
            }
        }
        x
    }

    fn uniform(&mut self, bits: Value) -> Value {
        let program = &mut self.program;
        let digits = program.push(Word::Unary(
            wide::Unary::ShiftDown(random::UNIT_SHIFT),
            bits,
        ));
        let whole = program.push(Word::Unary(wide::Unary::ToFloat, digits));
        let unit = program.number(random::UNIT);
        program.binary(wide::Binary::Mul, whole, unit)
    }

    fn binary(&mut self, binary: Binary, a: Value, b: Value) -> Value {
        let program = &mut self.program;
        match binary {
            Binary::Add => program.binary(wide::Binary::Add, a, b),
            Binary::Sub => program.binary(wide::Binary::Sub, a, b),
            Binary::Mul => program.binary(wide::Binary::Mul, a, b),
            Binary::Div => program.binary(wide::Binary::Div, a, b),
            Binary::Min => program.minimum(a, b),
            Binary::Max => program.maximum(a, b),
        }
    }
}

fn comparison(compare: Compare) -> wide::Compare {
    match compare {
        Compare::Lt => wide::Compare::Lt,
        Compare::Le => wide::Compare::Le,
        Compare::Gt => wide::Compare::Gt,
        Compare::Ge => wide::Compare::Ge,
        Compare::Eq => wide::Compare::Eq,
        Compare::Ne => wide::Compare::Ne,
    }
}
