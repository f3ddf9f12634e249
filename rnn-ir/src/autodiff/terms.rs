//! Small terms of derivative formulas, folded while they are built: `dy * 1` is `dy`, `W.T.T` is `W`, `-(-x)` is `x`.
//!
//! **Invariant:** every method is an identity over the builder's method of the same meaning.

use crate::builder::{Builder, Built};
use crate::dim::Dim;
use crate::node::{NodeId, Shape};
use crate::op::{Compare, Op, Unary};

/// Terms that derivative formulas are made of.
pub(crate) trait Terms {
    /// `0`
    fn zero(&mut self) -> NodeId;
    /// `a * b`, where `1 * x` is `x`
    fn times(&mut self, a: NodeId, b: NodeId) -> Built;
    /// `a / b`, where `x / 1` is `x`
    fn over(&mut self, a: NodeId, b: NodeId) -> Built;
    /// `-x`, where `-(-x)` is `x`
    fn minus(&mut self, x: NodeId) -> Built;
    /// `a + b`, where `a + (-b)` is `a - b` and `(-a) + b` is `b - a`
    fn plus(&mut self, a: NodeId, b: NodeId) -> Built;
    /// `X.T`, where `X.T.T` is `X`
    fn flip(&mut self, x: NodeId) -> Built;
    /// `x` in row `index` of `dim` rows of zeros, where that of `-x` is minus that of `x`
    fn put(&mut self, index: NodeId, x: NodeId, dim: Dim) -> Built;
    /// `1 - x`
    fn one_minus(&mut self, x: NodeId) -> Built;
    /// `where(a == b, 1, 0)`
    fn indicator(&mut self, a: NodeId, b: NodeId) -> Built;
}

fn is_one(b: &Builder, x: NodeId) -> bool {
    matches!(b.graph().nodes[x].op, Op::Const(value) if value.0 == 1.0)
}

impl Terms for Builder {
    fn zero(&mut self) -> NodeId {
        self.constant(0.0, Shape::scalar())
    }

    fn times(&mut self, a: NodeId, b: NodeId) -> Built {
        let (left, right) = (self.shape(a).clone(), self.shape(b).clone());
        if is_one(self, a) && (left.is_scalar() || left == right) {
            return Ok(b);
        }
        if is_one(self, b) && (right.is_scalar() || left == right) {
            return Ok(a);
        }
        self.mul(a, b)
    }

    fn over(&mut self, a: NodeId, b: NodeId) -> Built {
        if is_one(self, b) && self.shape(a) == self.shape(b) {
            return Ok(a);
        }
        self.div(a, b)
    }

    fn minus(&mut self, x: NodeId) -> Built {
        match self.graph().nodes[x].op {
            Op::Unary(Unary::Neg, inner) => Ok(inner),
            _ => self.neg(x),
        }
    }

    fn plus(&mut self, a: NodeId, b: NodeId) -> Built {
        match (&self.graph().nodes[a].op, &self.graph().nodes[b].op) {
            (_, Op::Unary(Unary::Neg, inner)) => self.sub(a, *inner),
            (Op::Unary(Unary::Neg, inner), _) => self.sub(b, *inner),
            _ => self.add(a, b),
        }
    }

    fn flip(&mut self, x: NodeId) -> Built {
        match self.graph().nodes[x].op {
            Op::Transpose(inner) => Ok(inner),
            _ => self.transpose(x),
        }
    }

    fn put(&mut self, index: NodeId, x: NodeId, dim: Dim) -> Built {
        match self.graph().nodes[x].op {
            Op::Unary(Unary::Neg, inner) => {
                let row = self.scatter(index, inner, dim)?;
                self.neg(row)
            }
            _ => self.scatter(index, x, dim),
        }
    }

    fn one_minus(&mut self, x: NodeId) -> Built {
        let one = self.constant(1.0, self.shape(x).clone());
        self.sub(one, x)
    }

    fn indicator(&mut self, a: NodeId, b: NodeId) -> Built {
        let shape = self.shape(a).clone();
        let (one, zero) = (self.constant(1.0, shape.clone()), self.constant(0.0, shape));
        let equal = self.compare(Compare::Eq, a, b)?;
        self.select(equal, one, zero)
    }
}
