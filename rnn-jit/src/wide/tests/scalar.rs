//! A program one element at a time: what wide code has to compute, as far as it is determined.

use super::*;

/// What is known of a lane: arithmetic with several NaN gives one of them, and which depends on the order of operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    Bits(u32),
    Nan,
    Unknown,
}

/// What is known of every operation for one lane.
pub(super) fn known(program: &Program, inputs: &dyn Fn(Stream) -> u32) -> Vec<Lane> {
    let values = evaluate(program, inputs);
    let mut out: Vec<Lane> = Vec::new();
    for ((_, op), bits) in program.ops.iter().zip(values) {
        let lanes: Vec<Lane> = op.operands().map(|value| out[value.index()]).collect();
        let some = |lane: Lane| lanes.contains(&lane);
        let by_bits = match op {
            Op::Unary(unary, _) => !matches!(unary, Unary::Sqrt | Unary::Floor),
            Op::Binary(binary, ..) => {
                use Binary::*;
                matches!(binary, And | Or | Xor | AddBits | SubBits | MulBits)
            }
            Op::Sign(_) | Op::CompareWords(..) => true,
            _ => false,
        };
        let computes = matches!(op, Op::Unary(..) | Op::Binary(..) | Op::MulAdd(..));
        out.push(match op {
            _ if some(Lane::Unknown) || (by_bits && some(Lane::Nan)) => Lane::Unknown,
            Op::Select(..) if lanes[0] == Lane::Bits(0) => lanes[2],
            Op::Select(..) => lanes[1],
            _ if computes && !by_bits && f32::from_bits(bits).is_nan() => Lane::Nan,
            _ => Lane::Bits(bits),
        });
    }
    out
}

/// The value of every operation for one lane; truth values are words of ones or zeros.
fn evaluate(program: &Program, inputs: &dyn Fn(Stream) -> u32) -> Vec<u32> {
    let mut values: Vec<u32> = Vec::new();
    for (_, op) in program.ops.iter() {
        let word = |value: Value| values[value.index()];
        let real = |value: Value| f32::from_bits(word(value));
        let truth = |answer: bool| if answer { u32::MAX } else { 0 };
        values.push(match *op {
            Op::Const(bits) => bits,
            Op::Load(stream) | Op::Once(stream) => inputs(stream),
            Op::Unary(unary, a) => match unary {
                Unary::Sqrt => real(a).sqrt().to_bits(),
                Unary::Floor => real(a).floor().to_bits(),
                Unary::ShiftLeft(by) => word(a) << by,
                Unary::ShiftRight(by) => (word(a) as i32 >> by) as u32,
                Unary::ShiftDown(by) => word(a) >> by,
                Unary::ToFloat => (word(a) as i32 as f32).to_bits(),
            },
            Op::Binary(binary, a, b) => {
                let (x, y) = (real(a), real(b));
                match binary {
                    Binary::Add => (x + y).to_bits(),
                    Binary::Sub => (x - y).to_bits(),
                    Binary::Mul => (x * y).to_bits(),
                    Binary::Div => (x / y).to_bits(),
                    Binary::Min => word(if x < y { a } else { b }),
                    Binary::Max => word(if x > y { a } else { b }),
                    Binary::Lower | Binary::Higher => {
                        let order = |x: f32| (x, x.is_sign_positive());
                        let less = order(x) < order(y);
                        let first = if binary == Binary::Lower { less } else { !less };
                        // A signalling NaN is no number to be preferred to.
                        let signals = |x: f32| x.is_nan() && x.to_bits() & 0x40_0000 == 0;
                        if signals(x) || signals(y) {
                            values.push(f32::NAN.to_bits());
                            continue;
                        }
                        word(match (x.is_nan(), y.is_nan()) {
                            (true, _) => b,
                            (_, true) => a,
                            _ if first => a,
                            _ => b,
                        })
                    }
                    Binary::Scale => scaled(x, y).to_bits(),
                    Binary::And => word(a) & word(b),
                    Binary::Or => word(a) | word(b),
                    Binary::Xor => word(a) ^ word(b),
                    Binary::AddBits => word(a).wrapping_add(word(b)),
                    Binary::SubBits => word(a).wrapping_sub(word(b)),
                    Binary::MulBits => word(a).wrapping_mul(word(b)),
                }
            }
            Op::MulAdd(a, b, c) => real(a).mul_add(real(b), real(c)).to_bits(),
            Op::Compare(compare, a, b) => truth(compared(compare, real(a), real(b))),
            Op::CompareWords(compare, a, b) => truth(compared(compare, word(a), word(b))),
            Op::Sign(a) => truth((word(a) as i32) < 0),
            Op::Spread(a) => word(a),
            Op::Select(mask, yes, no) => word(if word(mask) != 0 { yes } else { no }),
        });
    }
    values
}

fn compared<T: PartialOrd>(compare: Compare, a: T, b: T) -> bool {
    match compare {
        Compare::Lt => a < b,
        Compare::Le => a <= b,
        Compare::Gt => a > b,
        Compare::Ge => a >= b,
        Compare::Eq => a == b,
        Compare::Ne => a != b,
        Compare::Unordered => a.partial_cmp(&b).is_none(),
    }
}

// `x * 2^floor(n)` for the exponents of the tests, through f64 so that it is rounded once.
fn scaled(x: f32, n: f32) -> f32 {
    match (x.is_nan() || n.is_nan(), n.floor()) {
        // A quiet NaN gives way to an infinite exponent.
        (_, f32::INFINITY) if x.is_nan() && x.to_bits() & 0x40_0000 != 0 => f32::INFINITY,
        (_, f32::NEG_INFINITY) if x.is_nan() && x.to_bits() & 0x40_0000 != 0 => 0.0,
        (true, _) => f32::NAN,
        (_, f32::INFINITY) if x == 0.0 => f32::NAN,
        (_, f32::NEG_INFINITY) if x.is_infinite() => f32::NAN,
        (_, n) => (f64::from(x) * f64::from(n.clamp(-400.0, 400.0)).exp2()) as f32,
    }
}
