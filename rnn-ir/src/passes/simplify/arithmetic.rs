//! Identities of elementwise arithmetic.
//!
//! **Invariant:** nothing is folded to an infinity or NaN, nor from one, so that a model that overflows does so where it
//! was written to.

use super::{Rewrite, Rule, Simplifier};
use crate::node::{DType, NodeId};
use crate::op::{Binary, Compare, Op, Unary};

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "fold_unary",
        apply: fold_unary,
    },
    Rule {
        name: "fold_binary",
        apply: fold_binary,
    },
    Rule {
        name: "add_zero",
        apply: add_zero,
    },
    Rule {
        name: "subtract_zero",
        apply: subtract_zero,
    },
    Rule {
        name: "zero_minus",
        apply: zero_minus,
    },
    Rule {
        name: "multiply_one",
        apply: multiply_one,
    },
    Rule {
        name: "multiply_minus_one",
        apply: multiply_minus_one,
    },
    Rule {
        name: "negate_negated",
        apply: negate_negated,
    },
    Rule {
        name: "negate_difference",
        apply: negate_difference,
    },
    Rule {
        name: "add_negated",
        apply: add_negated,
    },
    Rule {
        name: "subtract_negated",
        apply: subtract_negated,
    },
    Rule {
        name: "select_equal",
        apply: select_equal,
    },
    Rule {
        name: "select_known",
        apply: select_known,
    },
    Rule {
        name: "stop_constant",
        apply: stop_constant,
    },
];

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

impl Simplifier<'_> {
    fn known(&self, id: NodeId) -> Option<f64> {
        self.uniform(id).and_then(finite)
    }

    fn negated(&self, id: NodeId) -> Option<NodeId> {
        match self.op(id) {
            Op::Unary(Unary::Neg, x) => Some(*x),
            _ => None,
        }
    }
}

/// `f(c)` is a number.
fn fold_unary(s: &mut Simplifier<'_>, op: &Op) -> Rewrite {
    let Op::Unary(unary, x) = *op else {
        return Ok(None);
    };
    match s.known(x).and_then(|x| finite(unary.of(x))) {
        Some(value) => s.filled(value, op),
        None => Ok(None),
    }
}

/// `c1 + c2` is a number.
fn fold_binary(s: &mut Simplifier<'_>, op: &Op) -> Rewrite {
    let Op::Binary(binary, a, b) = *op else {
        return Ok(None);
    };
    let (Some(a), Some(b)) = (s.known(a), s.known(b)) else {
        return Ok(None);
    };
    match finite(binary.of(a, b)) {
        Some(value) => s.filled(value, op),
        None => Ok(None),
    }
}

/// `x + 0 = 0 + x = x`
fn add_zero(s: &mut Simplifier<'_>, op: &Op) -> Rewrite {
    Ok(match *op {
        Op::Binary(Binary::Add, a, b) if s.is_zero(a) => Some(b),
        Op::Binary(Binary::Add, a, b) if s.is_zero(b) => Some(a),
        _ => None,
    })
}

/// `x - 0 = x`
fn subtract_zero(s: &mut Simplifier<'_>, op: &Op) -> Rewrite {
    Ok(match *op {
        Op::Binary(Binary::Sub, a, b) if s.is_zero(b) => Some(a),
        _ => None,
    })
}

/// `0 - x = -x`
fn zero_minus(s: &mut Simplifier<'_>, op: &Op) -> Rewrite {
    match *op {
        Op::Binary(Binary::Sub, a, b) if s.is_zero(a) => s.make(Op::Unary(Unary::Neg, b)).map(Some),
        _ => Ok(None),
    }
}

/// `x * 1 = 1 * x = x / 1 = x`
fn multiply_one(s: &mut Simplifier<'_>, op: &Op) -> Rewrite {
    Ok(match *op {
        Op::Binary(Binary::Mul, a, b) if s.uniform(a) == Some(1.0) => Some(b),
        Op::Binary(Binary::Mul | Binary::Div, a, b) if s.uniform(b) == Some(1.0) => Some(a),
        _ => None,
    })
}

/// `x * -1 = -1 * x = x / -1 = -x`
fn multiply_minus_one(s: &mut Simplifier<'_>, op: &Op) -> Rewrite {
    let x = match *op {
        Op::Binary(Binary::Mul, a, b) if s.uniform(a) == Some(-1.0) => b,
        Op::Binary(Binary::Mul | Binary::Div, a, b) if s.uniform(b) == Some(-1.0) => a,
        _ => return Ok(None),
    };
    s.make(Op::Unary(Unary::Neg, x)).map(Some)
}

/// `-(-x) = x`
fn negate_negated(s: &mut Simplifier<'_>, op: &Op) -> Rewrite {
    Ok(match *op {
        Op::Unary(Unary::Neg, x) => s.negated(x),
        _ => None,
    })
}

/// `-(a - b) = b - a`
fn negate_difference(s: &mut Simplifier<'_>, op: &Op) -> Rewrite {
    let Op::Unary(Unary::Neg, x) = *op else {
        return Ok(None);
    };
    match *s.op(x) {
        Op::Binary(Binary::Sub, a, b) => s.make(Op::Binary(Binary::Sub, b, a)).map(Some),
        _ => Ok(None),
    }
}

/// `a + -b = a - b`, `-a + b = b - a`
fn add_negated(s: &mut Simplifier<'_>, op: &Op) -> Rewrite {
    let Op::Binary(Binary::Add, a, b) = *op else {
        return Ok(None);
    };
    let (from, minus) = match (s.negated(a), s.negated(b)) {
        (_, Some(minus)) => (a, minus),
        (Some(minus), None) => (b, minus),
        (None, None) => return Ok(None),
    };
    s.make(Op::Binary(Binary::Sub, from, minus)).map(Some)
}

/// `a - -b = a + b`
fn subtract_negated(s: &mut Simplifier<'_>, op: &Op) -> Rewrite {
    let Op::Binary(Binary::Sub, a, b) = *op else {
        return Ok(None);
    };
    match s.negated(b) {
        Some(b) => s.make(Op::Binary(Binary::Add, a, b)).map(Some),
        None => Ok(None),
    }
}

/// `where(p, x, x) = x`
fn select_equal(_: &mut Simplifier<'_>, op: &Op) -> Rewrite {
    Ok(match *op {
        Op::Select(_, then, otherwise) if then == otherwise => Some(then),
        _ => None,
    })
}

/// `where(c1 < c2, x, y)` is one of both.
fn select_known(s: &mut Simplifier<'_>, op: &Op) -> Rewrite {
    let Op::Select(condition, then, otherwise) = *op else {
        return Ok(None);
    };
    Ok(s.truth(condition)
        .map(|truth| if truth { then } else { otherwise }))
}

impl Simplifier<'_> {
    // What a condition is in every element, when that is known; seen through repetition.
    fn truth(&self, condition: NodeId) -> Option<bool> {
        let mut id = condition;
        while let Op::Expand { x, .. } | Op::Broadcast { x, .. } = self.op(id) {
            id = *x;
        }
        match *self.op(id) {
            Op::Const(value) if self.ty(id).dtype == DType::Bool => Some(value.0 != 0.0),
            Op::Compare(compare, a, b) => {
                let (a, b) = (self.known(a)?, self.known(b)?);
                Some(match compare {
                    Compare::Lt => a < b,
                    Compare::Le => a <= b,
                    Compare::Gt => a > b,
                    Compare::Ge => a >= b,
                    Compare::Eq => a == b,
                    Compare::Ne => a != b,
                })
            }
            _ => None,
        }
    }
}

/// A number has no derivative to stop, and what is stopped is stopped once.
fn stop_constant(s: &mut Simplifier<'_>, op: &Op) -> Rewrite {
    let Op::StopGradient(x) = *op else {
        return Ok(None);
    };
    let stopped = s.uniform(x).is_some() || matches!(s.op(x), Op::StopGradient(_));
    Ok(stopped.then_some(x))
}
