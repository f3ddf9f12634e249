//! The derivative of every primitive in forward mode: given the tangents of the operands, the tangent of `y = op(x, ..)`.
//!
//! Where [`super::vjp`] asks how much the loss changes with each value, this asks how much each value changes when some
//! are moved in a given direction. Subgradients at kinks are those of [`super::vjp`].
//!
//! **Invariant:** one exhaustive match; a tangent that is zero is absent. A tangent has the shape of its value, and
//! varies over no more.

use crate::autodiff::terms::Terms;
use crate::autodiff::vjp;
use crate::axis::Domain;
use crate::builder::{Builder, Built};
use crate::node::{NodeId, Shape};
use crate::op::{Binary, Compare, Op, Over, Reduction, Unary};
use crate::typing::TypeError;

type Tangent = Result<Option<NodeId>, TypeError>;

/// The tangent of `y` from those of its operands. Of a shift there is none here: what is shifted may come later.
pub(crate) fn jvp(
    b: &mut Builder,
    y: NodeId,
    tangent: &dyn Fn(NodeId) -> Option<NodeId>,
) -> Tangent {
    let op = b.graph().nodes[y].op.clone();
    match op {
        // Sources move only where they are told to.
        Op::Input { .. }
        | Op::Param { .. }
        | Op::Const(_)
        | Op::Step(_)
        | Op::Length(_)
        | Op::Entries => Ok(None),

        // y = f(x):  dy = f'(x) * dx, as in reverse
        Op::Unary(f, x) => match tangent(x) {
            Some(dx) => vjp::unary(b, f, x, y, dx),
            None => Ok(None),
        },
        Op::Binary(f, a, c) => binary(b, f, (a, c), y, (tangent(a), tangent(c))),

        // Truth values, tokens and what is drawn at random do not move.
        Op::Compare(..) | Op::ArgMax(_) | Op::Mix(..) | Op::Uniform(_) | Op::Token(_) => Ok(None),

        // y = where(c, a, b):  dy = where(c, da, db)
        Op::Select(condition, then, otherwise) => {
            chosen(b, condition, tangent(then), tangent(otherwise))
        }

        // By definition.
        Op::StopGradient(_) => Ok(None),

        // Y = A @ B:  dY = dA @ B + A @ dB
        Op::MatMul(a, c) => {
            let first = map(tangent(a), |da| b.matmul(da, c))?;
            let second = map(tangent(c), |dc| b.matmul(a, dc))?;
            sum(b, first, second)
        }

        // Y = outer(a, b):  dY = outer(da, b) + outer(a, db)
        Op::Outer(a, c) => {
            let first = map(tangent(a), |da| b.outer(da, c))?;
            let second = map(tangent(c), |dc| b.outer(a, dc))?;
            sum(b, first, second)
        }

        // What only moves or repeats elements moves their tangents.
        Op::Transpose(x) => map(tangent(x), |dx| b.flip(dx)),
        Op::Expand { x, at, dim } => map(tangent(x), |dx| b.expand(dx, at, dim)),
        Op::Slice { x, at, start, len } => map(tangent(x), |dx| b.slice(dx, at, start, len)),
        Op::Pad {
            x,
            at,
            before,
            after,
        } => map(tangent(x), |dx| b.pad(dx, at, before, after)),
        Op::Gather { table, index } => map(tangent(table), |dtable| b.gather(dtable, index)),
        Op::Scatter { index, x, dim } => map(tangent(x), |dx| b.scatter(index, dx, dim)),
        Op::Broadcast { x, axes } => map(tangent(x), |dx| b.broadcast(dx, axes)),
        Op::Place { axis, position, x } => map(tangent(x), |dx| b.place(dx, axis, position)),

        // y = concat(x1, x2, ..):  dy = concat(dx1, dx2, ..), zeros for what does not move
        Op::Concat { parts, at } => {
            if parts.iter().all(|part| tangent(*part).is_none()) {
                return Ok(None);
            }
            let parts = parts
                .into_iter()
                .map(|part| or_zero(b, tangent(part), part));
            let parts = parts.collect();
            b.concat(parts, at).map(Some)
        }

        Op::Reduce { kind, x, at } => map(tangent(x), |dx| reduce(b, kind, (x, at), y, dx)),

        // y = softmax(x):  dy = y * (dx - sum(y * dx))
        Op::Softmax(x) => map(tangent(x), |dx| {
            let shape = b.shape(x).clone();
            let last = shape.rank() - 1;
            let weighted = b.times(y, dx)?;
            let mean = b.reduce(Reduction::Sum, weighted, last)?;
            let mean = b.expand(mean, last, shape.0[last].clone())?;
            let centred = b.sub(dx, mean)?;
            b.times(y, centred)
        }),

        Op::AxisReduce { kind, x, axes } => map(tangent(x), |dx| match kind {
            // y = sum[t](x[t]):  dy = sum[t](dx[t])
            Over::Sum => b.axis_reduce(Over::Sum, dx, axes),
            // y = max[t](x[t]):  dy = sum[t](is[t] * dx[t]) / max(sum[t](is[t]), 1), is[t] = where(x[t] == y, 1, 0)
            Over::Max => {
                let is = b.indicator(x, y)?;
                let count = b.axis_reduce(Over::Sum, is, axes)?;
                let one = b.constant(1.0, b.shape(count).clone());
                let count = b.binary(Binary::Max, count, one)?;
                let moved = b.times(is, dx)?;
                let moved = b.axis_reduce(Over::Sum, moved, axes)?;
                b.over(moved, count)
            }
        }),

        // y[t] = x[t-1], y[1] = x0:  dy[t] = dx[t-1], dy[1] = dx0, opened by the caller
        Op::Shift { .. } => Ok(None),

        // y = x[k], x0 where there is no step k:  dy = dx[k], dx0
        Op::At {
            axis,
            position,
            x,
            boundary,
        } => {
            let moved = boundary.and_then(tangent);
            if tangent(x).is_none() && moved.is_none() {
                return Ok(None);
            }
            let dx = or_zero(b, tangent(x), x);
            let dx = b.broadcast(dx, Domain::of(axis))?;
            b.at(dx, axis, position, moved).map(Some)
        }
    }
}

fn map(tangent: Option<NodeId>, f: impl FnOnce(NodeId) -> Built) -> Tangent {
    tangent.map(f).transpose()
}

fn sum(b: &mut Builder, first: Option<NodeId>, second: Option<NodeId>) -> Tangent {
    match (first, second) {
        (Some(first), Some(second)) => b.plus(first, second).map(Some),
        (one, other) => Ok(one.or(other)),
    }
}

fn or_zero(b: &mut Builder, tangent: Option<NodeId>, of: NodeId) -> NodeId {
    tangent.unwrap_or_else(|| b.constant(0.0, b.shape(of).clone()))
}

fn chosen(
    b: &mut Builder,
    condition: NodeId,
    first: Option<NodeId>,
    second: Option<NodeId>,
) -> Tangent {
    if first.is_none() && second.is_none() {
        return Ok(None);
    }
    let zero = b.constant(0.0, Shape::scalar());
    b.select(condition, first.unwrap_or(zero), second.unwrap_or(zero))
        .map(Some)
}

fn binary(
    b: &mut Builder,
    f: Binary,
    (a, c): (NodeId, NodeId),
    y: NodeId,
    (da, dc): (Option<NodeId>, Option<NodeId>),
) -> Tangent {
    match f {
        // y = a + b:  dy = da + db
        Binary::Add => sum(b, da, dc),
        // y = a - b:  dy = da - db
        Binary::Sub => {
            let dc = map(dc, |dc| b.minus(dc))?;
            sum(b, da, dc)
        }
        // y = a * b:  dy = da * b + a * db
        Binary::Mul => {
            let first = map(da, |da| b.times(da, c))?;
            let second = map(dc, |dc| b.times(a, dc))?;
            sum(b, first, second)
        }
        // y = a / b:  dy = (da - y * db) / b
        Binary::Div => {
            let second = map(dc, |dc| {
                let product = b.times(y, dc)?;
                b.minus(product)
            })?;
            let moved = sum(b, da, second)?;
            map(moved, |moved| b.over(moved, c))
        }
        // y = min(a, b):  dy = where(a <= b, da, db);  y = max(a, b):  dy = where(a >= b, da, db)
        Binary::Min | Binary::Max => {
            let order = if f == Binary::Min {
                Compare::Le
            } else {
                Compare::Ge
            };
            let is_first = b.compare(order, a, c)?;
            chosen(b, is_first, da, dc)
        }
    }
}

fn reduce(
    b: &mut Builder,
    kind: Reduction,
    (x, at): (NodeId, usize),
    y: NodeId,
    dx: NodeId,
) -> Built {
    let shape = b.shape(x).clone();
    let dim = shape.0[at].clone();
    match kind {
        // y = sum over k of x[k]:  dy = sum over k of dx[k]
        Reduction::Sum => b.reduce(Reduction::Sum, dx, at),
        // y = max over k of x[k]:  dy = sum(is * dx) / sum(is), is[k] = where(x[k] == y, 1, 0)
        Reduction::Max => {
            let largest = b.expand(y, at, dim)?;
            let is = b.indicator(x, largest)?;
            let count = b.reduce(Reduction::Sum, is, at)?;
            let moved = b.times(is, dx)?;
            let moved = b.reduce(Reduction::Sum, moved, at)?;
            b.over(moved, count)
        }
        // y = ln(sum over k of e^x[k]):  dy = sum over k of e^(x[k] - y) * dx[k]
        Reduction::LogSumExp => {
            let weights = if at + 1 == shape.rank() {
                b.softmax(x)?
            } else {
                let total = b.expand(y, at, dim)?;
                let log_weights = b.sub(x, total)?;
                b.unary(Unary::Exp, log_weights)?
            };
            let moved = b.times(weights, dx)?;
            b.reduce(Reduction::Sum, moved, at)
        }
    }
}
