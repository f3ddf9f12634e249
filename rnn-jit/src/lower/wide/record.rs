//! What a cluster computes, as a straight line of operations on vectors.
//!
//! **Invariant:** a value of the program has the bits that the 128-bit code gives its node.

use super::{Lower, Source};
use crate::kernels::Function;
use crate::kernels::math::poly::TRIGONOMETRIC_LIMIT;
use crate::storage::{constant_word, pass_through};
use crate::wide::{self, Access, Op as Word, Program, Stream, Value};
use rnn_ir::bounds;
use rnn_ir::node::{DType, NodeId};
use rnn_ir::op::{Binary, Compare, Op, Unary};
use rnn_ir::random;
use rnn_ir::schedule::{Kernel, viewed};
use std::collections::BTreeMap;

/// Largest angle whose sine and cosine are computed here: the limit of their kernels, with room for what bounds do not say of
/// rounding.
const LARGEST_ANGLE: f64 = 0.99 * TRIGONOMETRIC_LIMIT as f64;

/// A cluster while it becomes a program.
struct Builder {
    program: Program,
    values: BTreeMap<NodeId, Value>,
    sources: Vec<Source>,
}

impl Lower<'_, '_> {
    /// The program of a cluster and what its streams are the memory of; `None` if it stores nothing, or a value of it has no
    /// instruction.
    pub(super) fn recorded(&self, kernel: &Kernel) -> Option<(Program, Vec<Source>)> {
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
        (!program.stores.is_empty()).then_some((program, sources))
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
