//! Elementwise operations on four lanes, or on one.
//!
//! The same instructions serve the vector body of a loop and its scalar tail, so an element's value does not depend on
//! where it lies. Reals are `f32`, indices `i32`; a truth value is a mask of all ones or zeros in every lane, in a register
//! as in memory.
//!
//! **Invariant:** no instruction here is a call: functions that have no instruction are [`crate::kernels::Function`]s.

use super::{Lower, element};
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{self, InstBuilder, Type, types};
use rnn_ir::node::DType;
use rnn_ir::op::{Binary, Compare, Unary};
use rnn_ir::random;

/// How many elements are worked on at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lanes {
    /// A 128-bit vector.
    Four,
    /// One element.
    One,
}

impl Lanes {
    pub(super) fn ty(self, dtype: DType) -> Type {
        match (self, dtype) {
            (Self::Four, DType::Real) => types::F32X4,
            (Self::Four, DType::Index | DType::Bool) => types::I32X4,
            (Self::One, DType::Real) => types::F32,
            (Self::One, DType::Index | DType::Bool) => types::I32,
        }
    }
}

impl Lower<'_, '_> {
    pub(super) fn splat(&mut self, lanes: Lanes, dtype: DType, scalar: ir::Value) -> ir::Value {
        match lanes {
            Lanes::Four => self.b.ins().splat(lanes.ty(dtype), scalar),
            Lanes::One => scalar,
        }
    }

    pub(super) fn number(&mut self, lanes: Lanes, dtype: DType, value: f64) -> ir::Value {
        let scalar = match dtype {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "compiled code computes in f32"
            )]
            DType::Real => self.b.ins().f32const(value as f32),
            DType::Index | DType::Bool => {
                let word = crate::storage::constant_word(dtype, value);
                self.b.ins().iconst(types::I32, i64::from(word))
            }
        };
        self.splat(lanes, dtype, scalar)
    }

    pub(super) fn load(&mut self, lanes: Lanes, dtype: DType, address: ir::Value) -> ir::Value {
        self.b.ins().load(lanes.ty(dtype), element(), address, 0)
    }

    pub(super) fn store(&mut self, value: ir::Value, address: ir::Value) {
        self.b.ins().store(element(), value, address, 0);
    }

    /// `then` where the mask is set, `otherwise` where it is not.
    pub(super) fn choose(
        &mut self,
        lanes: Lanes,
        dtype: DType,
        mask: ir::Value,
        then: ir::Value,
        otherwise: ir::Value,
    ) -> ir::Value {
        match lanes {
            Lanes::One => self.b.ins().select(mask, then, otherwise),
            Lanes::Four => {
                let ty = lanes.ty(dtype);
                let mask = if ty == types::I32X4 {
                    mask
                } else {
                    self.b.ins().bitcast(ty, cast_flags(), mask)
                };
                self.b.ins().bitselect(mask, then, otherwise)
            }
        }
    }

    // A comparison's answer as a mask.
    fn mask(&mut self, lanes: Lanes, answer: ir::Value) -> ir::Value {
        match lanes {
            Lanes::Four => answer,
            Lanes::One => self.b.ins().bmask(types::I32, answer),
        }
    }

    pub(super) fn compare(
        &mut self,
        lanes: Lanes,
        dtype: DType,
        compare: Compare,
        a: ir::Value,
        b: ir::Value,
    ) -> ir::Value {
        let answer = if dtype == DType::Real {
            let condition = match compare {
                Compare::Lt => FloatCC::LessThan,
                Compare::Le => FloatCC::LessThanOrEqual,
                Compare::Gt => FloatCC::GreaterThan,
                Compare::Ge => FloatCC::GreaterThanOrEqual,
                Compare::Eq => FloatCC::Equal,
                Compare::Ne => FloatCC::NotEqual,
            };
            self.b.ins().fcmp(condition, a, b)
        } else {
            let condition = match compare {
                Compare::Lt => IntCC::UnsignedLessThan,
                Compare::Le => IntCC::UnsignedLessThanOrEqual,
                Compare::Gt => IntCC::UnsignedGreaterThan,
                Compare::Ge => IntCC::UnsignedGreaterThanOrEqual,
                Compare::Eq => IntCC::Equal,
                Compare::Ne => IntCC::NotEqual,
            };
            self.b.ins().icmp(condition, a, b)
        };
        self.mask(lanes, answer)
    }

    pub(super) fn binary(&mut self, binary: Binary, a: ir::Value, b: ir::Value) -> ir::Value {
        match binary {
            Binary::Add => self.b.ins().fadd(a, b),
            Binary::Sub => self.b.ins().fsub(a, b),
            Binary::Mul => self.b.ins().fmul(a, b),
            Binary::Div => self.b.ins().fdiv(a, b),
            Binary::Min => self.b.ins().fmin(a, b),
            Binary::Max => self.b.ins().fmax(a, b),
        }
    }

    /// [`random::mix`] of a token and a word of any kind.
    pub(super) fn mix(
        &mut self,
        lanes: Lanes,
        a: ir::Value,
        (b, kind): (ir::Value, DType),
    ) -> ir::Value {
        let b = match kind {
            DType::Real => {
                let ty = lanes.ty(DType::Index);
                self.b.ins().bitcast(ty, cast_flags(), b)
            }
            DType::Index | DType::Bool => b,
        };
        let mut x = self.b.ins().bxor(a, b);
        for (at, by) in random::SHIFTS.into_iter().enumerate() {
            let high = self.shift_down(x, by);
            x = self.b.ins().bxor(x, high);
            if let Some(by) = random::MULTIPLIERS.get(at) {
                let by = self.number(lanes, DType::Index, f64::from(*by));
                x = self.b.ins().imul(x, by);
            }
        }
        x
    }

    /// [`random::uniform`] of bits.
    pub(super) fn uniform(&mut self, lanes: Lanes, bits: ir::Value) -> ir::Value {
        let digits = self.shift_down(bits, random::UNIT_SHIFT);
        let whole = self.b.ins().fcvt_from_sint(lanes.ty(DType::Real), digits);
        let unit = self.number(lanes, DType::Real, f64::from(random::UNIT));
        self.b.ins().fmul(whole, unit)
    }

    /// The whole part of a real as an index.
    pub(super) fn whole_part(&mut self, lanes: Lanes, x: ir::Value) -> ir::Value {
        self.b.ins().fcvt_to_uint_sat(lanes.ty(DType::Index), x)
    }

    fn shift_down(&mut self, x: ir::Value, by: u8) -> ir::Value {
        let by = self.b.ins().iconst(types::I32, i64::from(by));
        self.b.ins().ushr(x, by)
    }

    /// A function that is an instruction or a few; `None` for those that are calls.
    pub(super) fn unary(&mut self, lanes: Lanes, unary: Unary, x: ir::Value) -> Option<ir::Value> {
        Some(match unary {
            Unary::Neg => self.b.ins().fneg(x),
            Unary::Abs => self.b.ins().fabs(x),
            Unary::Floor => self.b.ins().floor(x),
            Unary::Sqrt => self.b.ins().sqrt(x),
            Unary::Relu => {
                let zero = self.number(lanes, DType::Real, 0.0);
                self.b.ins().fmax(x, zero)
            }
            Unary::Sign => {
                let [zero, one, minus] =
                    [0.0, 1.0, -1.0].map(|value| self.number(lanes, DType::Real, value));
                let below = self.compare(lanes, DType::Real, Compare::Lt, x, zero);
                let above = self.compare(lanes, DType::Real, Compare::Gt, x, zero);
                // Zero stays zero, and NaN stays NaN.
                let rest = self.choose(lanes, DType::Real, below, minus, x);
                self.choose(lanes, DType::Real, above, one, rest)
            }
            Unary::Exp
            | Unary::Ln
            | Unary::Sin
            | Unary::Cos
            | Unary::Tanh
            | Unary::Sigmoid
            | Unary::Softplus => {
                return None;
            }
        })
    }
}

fn cast_flags() -> ir::MemFlagsData {
    ir::MemFlagsData::new().with_endianness(ir::Endianness::Little)
}
