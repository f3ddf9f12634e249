//! Identities of numbers, repetitions and reductions over feature axes.
//!
//! **Invariant:** a count is folded only where the size is known; while it is a symbol the sum stays a sum. No `gather`
//! is folded away: a token that is out of range stays an error.

use super::{Rewrite, Rule, Simplifier};
use crate::dim::Dim;
use crate::node::{NodeId, Shape, Type};
use crate::op::{Binary, Op, Over, Reduction};

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "zero",
        apply: zero,
    },
    Rule {
        name: "rearrange_constant",
        apply: rearrange_constant,
    },
    Rule {
        name: "reduce_constant",
        apply: reduce_constant,
    },
    Rule {
        name: "reduce_repeated",
        apply: reduce_repeated,
    },
    Rule {
        name: "repeat_last",
        apply: repeat_last,
    },
];

fn count(dim: &Dim) -> Option<f64> {
    // Exact below 2^53, and no tensor is larger.
    dim.as_constant().map(|count| count as f64)
}

/// `f(0) = 0` for every linear `f`.
fn zero(s: &mut Simplifier<'_>, op: &Op) -> Rewrite {
    let vanishes = match op {
        Op::MatMul(a, b) | Op::Outer(a, b) => s.is_zero(*a) || s.is_zero(*b),
        Op::Pad { x, .. }
        | Op::Scatter { x, .. }
        | Op::Place { x, .. }
        | Op::Reduce {
            kind: Reduction::Sum,
            x,
            ..
        }
        | Op::AxisReduce {
            kind: Over::Sum, x, ..
        } => s.is_zero(*x),
        _ => false,
    };
    if vanishes {
        s.filled(0.0, op)
    } else {
        Ok(None)
    }
}

/// However a value is cut, turned and joined whose elements are all `c`: they are all `c`.
fn rearrange_constant(s: &mut Simplifier<'_>, op: &Op) -> Rewrite {
    let value = match op {
        Op::Transpose(x)
        | Op::Expand { x, .. }
        | Op::Slice { x, .. }
        | Op::Reduce {
            kind: Reduction::Max,
            x,
            ..
        } => s.uniform(*x),
        Op::Concat { parts, .. } => {
            let first = parts.first().and_then(|part| s.uniform(*part));
            first.filter(|_| parts.iter().all(|part| s.uniform(*part) == first))
        }
        Op::At { x, boundary, .. } => {
            let value = s.uniform(*x);
            let beyond = boundary.map_or(Some(0.0), |boundary| s.uniform(boundary));
            value.filter(|_| value == beyond)
        }
        _ => None,
    };
    match value {
        Some(value) => s.filled(value, op),
        None => Ok(None),
    }
}

/// `sum(c) = n * c`, `logsumexp(c) = c + ln(n)`, `softmax(c) = 1 / n`, over `n` features.
fn reduce_constant(s: &mut Simplifier<'_>, op: &Op) -> Rewrite {
    let (x, at) = match *op {
        Op::Reduce { x, at, .. } => (x, at),
        Op::Softmax(x) => (x, s.shape(x).rank() - 1),
        _ => return Ok(None),
    };
    let (Some(value), Some(n)) = (s.uniform(x), count(&s.shape(x).0[at])) else {
        return Ok(None);
    };
    let reduced = match op {
        Op::Reduce {
            kind: Reduction::LogSumExp,
            ..
        } => value + n.ln(),
        Op::Reduce { .. } => n * value,
        _ => 1.0 / n,
    };
    if value.is_finite() && reduced.is_finite() {
        s.filled(reduced, op)
    } else {
        Ok(None)
    }
}

/// `max(x, x, ..) = x`, and `sum(x, x, ..) = n * x` over `n` features.
fn reduce_repeated(s: &mut Simplifier<'_>, op: &Op) -> Rewrite {
    let Op::Reduce { kind, x, at } = *op else {
        return Ok(None);
    };
    let Op::Expand {
        x,
        at: repeated,
        dim,
    } = s.op(x).clone()
    else {
        return Ok(None);
    };
    if at != repeated {
        return Ok(None);
    }
    match (kind, count(&dim)) {
        (Reduction::Max, _) => Ok(Some(x)),
        (Reduction::Sum, Some(n)) => {
            let shape = s.shape(x).clone();
            let n = s.new.constant(n, shape);
            let scaled = Op::Binary(Binary::Mul, n, x);
            s.make(scaled).map(Some)
        }
        (Reduction::Sum | Reduction::LogSumExp, _) => Ok(None),
    }
}

/// `f(expand x, expand y) = expand f(x, y)` for elementwise `f`; numbers are repeated as they are.
fn repeat_last(s: &mut Simplifier<'_>, op: &Op) -> Rewrite {
    if !op.is_elementwise() {
        return Ok(None);
    }
    let mut repeated: Option<(usize, Dim)> = None;
    for operand in op.operands() {
        match s.op(operand) {
            Op::Expand { at, dim, .. } => match &repeated {
                None => repeated = Some((*at, dim.clone())),
                Some(other) if *other == (*at, dim.clone()) => {}
                Some(_) => return Ok(None),
            },
            Op::Const(_) => {}
            _ => return Ok(None),
        }
    }
    let Some((at, dim)) = repeated else {
        return Ok(None);
    };
    let once: Vec<NodeId> = op
        .operands()
        .into_iter()
        .map(|operand| once(s, operand, at))
        .collect();
    let mut op = op.clone();
    let mut once = once.into_iter();
    op.map_operands(&mut |operand| once.next().unwrap_or(operand));
    let x = s.make(op)?;
    s.make(Op::Expand { x, at, dim }).map(Some)
}

// A repeated operand before its repetition along feature axis `at`.
fn once(s: &mut Simplifier<'_>, operand: NodeId, at: usize) -> NodeId {
    let op = s.op(operand).clone();
    match op {
        Op::Expand { x, .. } => x,
        Op::Const(value) => {
            let Shape(mut dims) = s.shape(operand).clone();
            dims.remove(at);
            let declared = Type {
                shape: Shape(dims),
                ..s.ty(operand).clone()
            };
            s.new
                .push(Op::Const(value), Some(&declared))
                .unwrap_or(operand)
        }
        _ => operand,
    }
}
