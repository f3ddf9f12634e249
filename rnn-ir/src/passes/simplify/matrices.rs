//! Identities of transposes and products.
//!
//! **Invariant:** a matrix that does not vary over time stands on the left of a vector, transposed if need be, since a
//! transpose of a weight is a layout; one that varies over time is not transposed.

use super::{Rewrite, Rule, Simplifier};
use crate::node::NodeId;
use crate::op::Op;

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "transpose_transposed",
        apply: transpose_transposed,
    },
    Rule {
        name: "transpose_outer",
        apply: transpose_outer,
    },
    Rule {
        name: "matrix_left",
        apply: matrix_left,
    },
    Rule {
        name: "untranspose_varying",
        apply: untranspose_varying,
    },
];

/// `x.T.T = x`
fn transpose_transposed(s: &mut Simplifier<'_>, op: &Op) -> Rewrite {
    let Op::Transpose(x) = *op else {
        return Ok(None);
    };
    Ok(match *s.op(x) {
        Op::Transpose(x) => Some(x),
        _ => None,
    })
}

/// `outer(a, b).T = outer(b, a)`
fn transpose_outer(s: &mut Simplifier<'_>, op: &Op) -> Rewrite {
    let Op::Transpose(x) = *op else {
        return Ok(None);
    };
    match *s.op(x) {
        Op::Outer(a, b) => s.make(Op::Outer(b, a)).map(Some),
        _ => Ok(None),
    }
}

impl Simplifier<'_> {
    fn rank(&self, id: NodeId) -> usize {
        self.shape(id).rank()
    }

    fn varies_over_time(&self, id: NodeId) -> bool {
        self.ty(id).domain.time_axes().next().is_some()
    }
}

/// `v @ W = W.T @ v` for a vector `v` and a matrix `W` that does not vary over time.
fn matrix_left(s: &mut Simplifier<'_>, op: &Op) -> Rewrite {
    match *op {
        Op::MatMul(v, w) if s.rank(v) == 1 && s.rank(w) == 2 && !s.varies_over_time(w) => {
            let transposed = s.make(Op::Transpose(w))?;
            s.make(Op::MatMul(transposed, v)).map(Some)
        }
        _ => Ok(None),
    }
}

/// `M.T @ v = v @ M`, `v @ M.T = M @ v` for a vector `v` and a matrix `M` that varies over time.
fn untranspose_varying(s: &mut Simplifier<'_>, op: &Op) -> Rewrite {
    let Op::MatMul(a, b) = *op else {
        return Ok(None);
    };
    let product = match (s.op(a), s.op(b)) {
        (Op::Transpose(m), _) if s.rank(b) == 1 && s.varies_over_time(*m) => Op::MatMul(b, *m),
        (_, Op::Transpose(m)) if s.rank(a) == 1 && s.varies_over_time(*m) => Op::MatMul(*m, a),
        _ => return Ok(None),
    };
    s.make(product).map(Some)
}
