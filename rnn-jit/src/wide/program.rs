//! A straight line of operations on sixteen lanes, in which every value is computed once.
//!
//! **Invariant:** operands come before users; two values of one program differ in operation or operands.

use rnn_ir::define_id;
use rnn_ir::id::Arena;
use std::collections::HashMap;
use std::fmt;

define_id!(
    /// Names the value of an operation: a vector, or a truth value for each lane.
    Value,
    "%"
);

define_id!(
    /// Names a piece of memory that a program reads or writes.
    Stream,
    "@"
);

/// How a program uses a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Reads one element for every lane of a line.
    Load,
    /// Reads one element for the whole line.
    Once,
    /// Writes one element for every lane of a line.
    Store,
}

/// Operations on two vectors. `Min` and `Max` are `a < b ? a : b` and `a > b ? a : b`; `Lower` and `Higher` order `-0`
/// before `0` and prefer a number to a NaN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Binary {
    Add,
    Sub,
    Mul,
    Div,
    Min,
    Max,
    Lower,
    Higher,
    /// `a * 2^b`, rounded once.
    Scale,
    And,
    Or,
    Xor,
    AddBits,
    SubBits,
    /// The low half of the product.
    MulBits,
}

impl Binary {
    /// Whether the operands may change places.
    pub(crate) fn commutes(self) -> bool {
        use Binary::*;
        matches!(self, Add | Mul | And | Or | Xor | AddBits | MulBits)
    }
}

/// Operations on one vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Unary {
    Sqrt,
    Floor,
    ShiftLeft(u8),
    /// Repeats the sign.
    ShiftRight(u8),
    /// Fills with zeros.
    ShiftDown(u8),
    /// Signed integers to floats.
    ToFloat,
}

/// Comparisons of floats, or of unsigned integers (all but `Unordered`). Floats: false on NaN, but for `Ne` and `Unordered`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Compare {
    Lt,
    Le,
    Gt,
    Ge,
    Eq,
    Ne,
    /// Whether one is NaN.
    Unordered,
}

/// An operation. `Compare`, `CompareWords` and `Sign` give truth values, all others vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Op {
    /// These bits in every lane.
    Const(u32),
    /// The elements of a line.
    Load(Stream),
    /// The element of the line in every lane.
    Once(Stream),
    Unary(Unary, Value),
    Binary(Binary, Value, Value),
    /// `a * b + c`, rounded once.
    MulAdd(Value, Value, Value),
    Compare(Compare, Value, Value),
    CompareWords(Compare, Value, Value),
    /// The sign bit of each lane.
    Sign(Value),
    /// All ones where true, zeros elsewhere.
    Spread(Value),
    /// `Select(mask, yes, no)`.
    Select(Value, Value, Value),
}

impl Op {
    /// Its operands.
    pub(crate) fn operands(self) -> impl Iterator<Item = Value> {
        let all = match self {
            Op::Const(_) | Op::Load(_) | Op::Once(_) => [None; 3],
            Op::Unary(_, a) | Op::Sign(a) | Op::Spread(a) => [Some(a), None, None],
            Op::Binary(_, a, b) | Op::Compare(_, a, b) | Op::CompareWords(_, a, b) => {
                [Some(a), Some(b), None]
            }
            Op::MulAdd(a, b, c) | Op::Select(a, b, c) => [Some(a), Some(b), Some(c)],
        };
        all.into_iter().flatten()
    }

    /// The same operation on other operands.
    pub(crate) fn with_operands(self, mut of: impl FnMut(Value) -> Value) -> Self {
        match self {
            Op::Const(_) | Op::Load(_) | Op::Once(_) => self,
            Op::Unary(unary, a) => Op::Unary(unary, of(a)),
            Op::Binary(binary, a, b) => Op::Binary(binary, of(a), of(b)),
            Op::MulAdd(a, b, c) => Op::MulAdd(of(a), of(b), of(c)),
            Op::Compare(compare, a, b) => Op::Compare(compare, of(a), of(b)),
            Op::CompareWords(compare, a, b) => Op::CompareWords(compare, of(a), of(b)),
            Op::Sign(a) => Op::Sign(of(a)),
            Op::Spread(a) => Op::Spread(of(a)),
            Op::Select(a, b, c) => Op::Select(of(a), of(b), of(c)),
        }
    }

    /// Whether its value is a truth value.
    pub(crate) fn is_mask(self) -> bool {
        matches!(self, Op::Compare(..) | Op::CompareWords(..) | Op::Sign(_))
    }

    /// Whether an instruction can take its value from memory in every lane.
    pub(crate) fn is_broadcast(self) -> bool {
        matches!(self, Op::Const(_) | Op::Once(_))
    }
}

/// A straight line of operations and what it stores.
#[derive(Clone, Debug, Default)]
pub(crate) struct Program {
    pub(crate) ops: Arena<Value, Op>,
    known: HashMap<Op, Value>,
    pub(crate) streams: Arena<Stream, Access>,
    pub(crate) stores: Vec<(Stream, Value)>,
}

impl Program {
    /// The value of an operation.
    pub(crate) fn push(&mut self, op: Op) -> Value {
        *self.known.entry(op).or_insert_with(|| self.ops.push(op))
    }

    /// A number in every lane.
    pub(crate) fn number(&mut self, x: f32) -> Value {
        self.push(Op::Const(x.to_bits()))
    }

    /// An operation on two vectors.
    pub(crate) fn binary(&mut self, binary: Binary, a: Value, b: Value) -> Value {
        self.push(Op::Binary(binary, a, b))
    }

    /// Stores a vector, or a truth value as a word of ones or zeros.
    pub(crate) fn store(&mut self, stream: Stream, value: Value) {
        let value = self.vector(value);
        self.stores.push((stream, value));
    }

    /// A value as a vector.
    pub(crate) fn vector(&mut self, value: Value) -> Value {
        if self.ops[value].is_mask() {
            self.push(Op::Spread(value))
        } else {
            value
        }
    }

    /// A value as truth values.
    pub(crate) fn mask(&mut self, value: Value) -> Value {
        match self.ops[value] {
            Op::Spread(mask) => mask,
            op if op.is_mask() => value,
            _ => self.push(Op::Sign(value)),
        }
    }

    /// The smaller, NaN if either is, `-0` before `0`.
    pub(crate) fn minimum(&mut self, a: Value, b: Value) -> Value {
        self.extreme([Binary::Lower, Binary::Min], a, b)
    }

    /// The larger, NaN if either is, `-0` before `0`.
    pub(crate) fn maximum(&mut self, a: Value, b: Value) -> Value {
        self.extreme([Binary::Higher, Binary::Max], a, b)
    }

    fn extreme(&mut self, [total, simple]: [Binary; 2], a: Value, b: Value) -> Value {
        for (limit, x) in [(a, b), (b, a)] {
            let Op::Const(bits) = self.ops[limit] else {
                continue;
            };
            let number = f32::from_bits(bits);
            // The simple instruction keeps a NaN in its second operand; zeros of two signs it does not order.
            if !number.is_nan() && number != 0.0 {
                return self.binary(simple, limit, x);
            }
            if bits == 0 && simple == Binary::Max {
                let kept = self.binary(simple, limit, x);
                return self.binary(Binary::Add, kept, limit);
            }
        }
        let number = self.binary(total, a, b);
        let either = self.push(Op::Compare(Compare::Unordered, a, b));
        let nan = self.binary(Binary::Add, a, b);
        self.push(Op::Select(either, nan, number))
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (id, op) in self.ops.iter() {
            match op {
                Op::Const(bits) => {
                    writeln!(f, "{id} = {:?}  ; {bits:#010x}", f32::from_bits(*bits))?
                }
                Op::Load(stream) => writeln!(f, "{id} = load {stream}")?,
                Op::Once(stream) => writeln!(f, "{id} = once {stream}")?,
                Op::Unary(unary, a) => writeln!(f, "{id} = {unary:?} {a}")?,
                Op::Binary(binary, a, b) => writeln!(f, "{id} = {binary:?} {a} {b}")?,
                Op::MulAdd(a, b, c) => writeln!(f, "{id} = MulAdd {a} {b} {c}")?,
                Op::Compare(compare, a, b) => writeln!(f, "{id} = {compare:?} {a} {b}")?,
                Op::CompareWords(compare, a, b) => writeln!(f, "{id} = {compare:?}Words {a} {b}")?,
                Op::Sign(a) => writeln!(f, "{id} = Sign {a}")?,
                Op::Spread(a) => writeln!(f, "{id} = Spread {a}")?,
                Op::Select(mask, yes, no) => writeln!(f, "{id} = Select {mask} {yes} {no}")?,
            }
        }
        for (stream, value) in &self.stores {
            writeln!(f, "store {stream} {value}")?;
        }
        Ok(())
    }
}
