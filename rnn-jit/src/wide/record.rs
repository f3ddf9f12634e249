//! The functions of [`crate::kernels::math`] as operations of a program.
//!
//! Their bodies are generic over [`Vector`]; run on a [`Symbol`], they record what they would do.
//!
//! **Invariant:** what is recorded is what the AVX-512 kernel executes, operation by operation.

use super::program::{Binary, Compare, Op, Program, Unary, Value};
use crate::kernels::Function;
use crate::kernels::math::poly;
use crate::kernels::vector::Vector;
use std::cell::RefCell;

/// A value of the program that is being recorded.
#[derive(Clone, Copy)]
struct Symbol<'p> {
    program: &'p RefCell<&'p mut Program>,
    value: Value,
}

impl Program {
    /// The value of a function; of sine and cosine for magnitudes up to [`poly::TRIGONOMETRIC_LIMIT`].
    pub(crate) fn function(&mut self, function: Function, x: Value) -> Value {
        let program = RefCell::new(self);
        let x = Symbol {
            program: &program,
            value: x,
        };
        let y = match function {
            Function::Exp => poly::exp(x),
            Function::Tanh => poly::tanh(x),
            Function::Sigmoid => poly::sigmoid(x),
            Function::Ln => poly::ln(x),
            Function::Softplus => poly::softplus(x),
            Function::Sin => poly::sin(x),
            Function::Cos => poly::cos(x),
        };
        y.value
    }
}

impl Symbol<'_> {
    fn record(self, op: Op) -> Self {
        let value = self.program.borrow_mut().push(op);
        Self { value, ..self }
    }
    fn binary(self, binary: Binary, other: Self) -> Self {
        self.record(Op::Binary(binary, self.value, other.value))
    }
    fn unary(self, unary: Unary) -> Self {
        self.record(Op::Unary(unary, self.value))
    }
}

// A shift of a 32-bit lane.
const fn shift(by: u32) -> u8 {
    assert!(by < 32);
    by as u8
}

impl Vector for Symbol<'_> {
    const LANES: usize = super::LANES;
    type Mask = Self;

    unsafe fn splat(_: f32) -> Self {
        unreachable!("a function makes its constants with `set`")
    }
    unsafe fn load(_: *const f32) -> Self {
        unreachable!("a function reads no memory")
    }
    unsafe fn load_first(_: *const f32, _: usize) -> Self {
        unreachable!("a function reads no memory")
    }
    unsafe fn store(self, _: *mut f32) {
        unreachable!("a function writes no memory")
    }
    unsafe fn store_first(self, _: *mut f32, _: usize) {
        unreachable!("a function writes no memory")
    }
    unsafe fn transpose(_: *const f32, _: usize, _: *mut f32, _: usize) {
        unreachable!("a function reads no memory")
    }
    fn first_lanes(self, _: usize) -> Self {
        unreachable!("a function does not know its lanes")
    }
    fn any(_: Self) -> bool {
        unreachable!("functions that branch on lanes are not recorded")
    }
    fn sum_lanes(self) -> f32 {
        unreachable!("a function does not combine lanes")
    }
    fn max_lanes(self) -> f32 {
        unreachable!("a function does not combine lanes")
    }

    fn set(self, x: f32) -> Self {
        self.record(Op::Const(x.to_bits()))
    }
    fn add(self, other: Self) -> Self {
        self.binary(Binary::Add, other)
    }
    fn sub(self, other: Self) -> Self {
        self.binary(Binary::Sub, other)
    }
    fn mul(self, other: Self) -> Self {
        self.binary(Binary::Mul, other)
    }
    fn div(self, other: Self) -> Self {
        self.binary(Binary::Div, other)
    }
    fn mul_add(self, b: Self, c: Self) -> Self {
        self.record(Op::MulAdd(self.value, b.value, c.value))
    }
    fn exact_mul_add(self, b: Self, c: Self) -> Self {
        self.mul_add(b, c)
    }
    fn min(self, other: Self) -> Self {
        self.binary(Binary::Min, other)
    }
    fn max(self, other: Self) -> Self {
        self.binary(Binary::Max, other)
    }
    fn less(self, other: Self) -> Self {
        self.record(Op::Compare(Compare::Lt, self.value, other.value))
    }
    fn is_nan(self) -> Self {
        self.record(Op::Compare(Compare::Unordered, self.value, self.value))
    }
    fn sign_mask(self) -> Self {
        self.record(Op::Sign(self.value))
    }
    fn select(mask: Self, yes: Self, no: Self) -> Self {
        mask.record(Op::Select(mask.value, yes.value, no.value))
    }
    fn and_bits(self, other: Self) -> Self {
        self.binary(Binary::And, other)
    }
    fn or_bits(self, other: Self) -> Self {
        self.binary(Binary::Or, other)
    }
    fn xor_bits(self, other: Self) -> Self {
        self.binary(Binary::Xor, other)
    }
    fn add_bits(self, other: Self) -> Self {
        self.binary(Binary::AddBits, other)
    }
    fn sub_bits(self, other: Self) -> Self {
        self.binary(Binary::SubBits, other)
    }
    fn shift_left_bits<const N: u32>(self) -> Self {
        self.unary(Unary::ShiftLeft(shift(N)))
    }
    fn shift_right_bits<const N: u32>(self) -> Self {
        self.unary(Unary::ShiftRight(shift(N)))
    }
    fn bits_to_float(self) -> Self {
        self.unary(Unary::ToFloat)
    }
    fn exp2(self) -> Self {
        self.set(1.0).scale(self)
    }
    /// The one instruction of AVX-512 in place of the two multiplications.
    fn scale(self, n: Self) -> Self {
        self.binary(Binary::Scale, n)
    }
}
