//! The derivative of every primitive: given `dy`, the cotangent of `y = op(x, ..)`, what it contributes to the
//! cotangents of the operands.
//!
//! A formula is over values of one step and one example; the axes that `dy` varies over and an operand does not are
//! summed away by the caller, so using a parameter at every step contributes `sum[t, batch](..)` without saying so here.
//! Subgradients where a function has a kink: `abs` and `relu` 0; `min` and `max` of two give a tie to the first operand;
//! the largest of many shares equally among all that are largest.
//!
//! **Invariant:** one exhaustive match; an operand without a derivative is absent, never a tensor of zeros.

use crate::autodiff::terms::Terms;
use crate::axis::Domain;
use crate::builder::{Builder, Built};
use crate::dim::Dim;
use crate::node::{DType, NodeId, Shape};
use crate::op::{Binary, Compare, Op, Over, Position, Reduction, Unary};
use crate::typing::TypeError;

/// Whether the value of `y` has a derivative by one of its real operands.
pub(crate) fn is_differentiable(op: &Op, dtype: DType) -> bool {
    dtype == DType::Real
        && !matches!(
            op,
            Op::StopGradient(_) | Op::Uniform(_) | Op::Unary(Unary::Sign | Unary::Floor, _)
        )
}

/// What `dy` contributes to each operand of `y`, in order. `wants` says whose contributions are of use; others are not
/// built.
///
/// Of a shift there is only what the boundary gets: what is shifted may come later in the graph than the shift, so its
/// share, `dx[t] = dy[t - by]`, is opened before `dy` is known.
pub(crate) fn vjp(
    b: &mut Builder,
    y: NodeId,
    dy: NodeId,
    wants: &dyn Fn(NodeId) -> bool,
) -> Result<Vec<(NodeId, NodeId)>, TypeError> {
    let op = b.graph().nodes[y].op.clone();
    let shape = |b: &Builder, x: NodeId| b.shape(x).clone();
    let mut out = Vec::new();
    match op {
        // Sources have no operands.
        Op::Input { .. }
        | Op::Param { .. }
        | Op::Const(_)
        | Op::Step(_)
        | Op::Length(_)
        | Op::Entries => {}

        // What is drawn at random does not depend on anything that has a derivative.
        Op::Mix(..) | Op::Uniform(_) | Op::Token(_) => {}

        Op::Unary(f, x) => {
            if let Some(dx) = unary(b, f, x, y, dy)? {
                out.push((x, dx));
            }
        }
        Op::Binary(f, a, c) => binary(b, f, (a, c), y, dy, wants, &mut out)?,

        // Truth values do not vary smoothly.
        Op::Compare(..) => {}

        // y = where(c, a, b):  da = where(c, dy, 0), db = where(c, 0, dy)
        Op::Select(condition, then, otherwise) => {
            if wants(then) {
                let zero = b.zero();
                out.push((then, b.select(condition, dy, zero)?));
            }
            if wants(otherwise) {
                let zero = b.zero();
                out.push((otherwise, b.select(condition, zero, dy)?));
            }
        }

        // By definition.
        Op::StopGradient(_) => {}

        Op::MatMul(a, c) => matmul(b, (a, c), dy, wants, &mut out)?,

        // Y = outer(a, b):  da = dY @ b, db = dY.T @ a
        Op::Outer(a, c) => {
            if wants(a) {
                out.push((a, b.matmul(dy, c)?));
            }
            if wants(c) {
                let flipped = b.flip(dy)?;
                out.push((c, b.matmul(flipped, a)?));
            }
        }

        // Y = X.T:  dX = dY.T
        Op::Transpose(x) => out.push((x, b.flip(dy)?)),

        // y[.., k, ..] = x[..]:  dx = sum over k of dy
        Op::Expand { x, at, dim: _ } => out.push((x, b.reduce(Reduction::Sum, dy, at)?)),

        Op::Reduce { kind, x, at } => {
            let dx = reduce(b, kind, x, at, y, dy)?;
            out.push((x, dx));
        }

        // y = softmax(x):  dx = y * (dy - sum(dy * y))
        Op::Softmax(x) => {
            let of = shape(b, x);
            let last = of.rank() - 1;
            let weighted = b.times(dy, y)?;
            let mean = b.reduce(Reduction::Sum, weighted, last)?;
            let mean = b.expand(mean, last, of.0[last].clone())?;
            let centred = b.sub(dy, mean)?;
            out.push((x, b.times(y, centred)?));
        }

        // y = concat(x1, x2, ..):  dxk = the entries of dy that xk became
        Op::Concat { parts, at } => {
            let mut start = Dim::constant(0);
            for part in parts {
                let len = shape(b, part).0[at].clone();
                if wants(part) {
                    out.push((part, b.slice(dy, at, start.clone(), len.clone())?));
                }
                start = Dim::sum([&start, &len]);
            }
        }

        // y = x[start..start + len]:  dx = dy between zeros
        Op::Slice { x, at, start, len } => {
            let of = shape(b, x).0[at].clone();
            let after = of
                .checked_sub(&Dim::sum([&start, &len]))
                .ok_or(TypeError::OutOfRange {
                    start: start.clone(),
                    len,
                    dim: of,
                })?;
            out.push((x, b.pad(dy, at, start, after)?));
        }

        // y = x between zeros:  dx = dy[before..before + len]
        Op::Pad { x, at, before, .. } => {
            let len = shape(b, x).0[at].clone();
            out.push((x, b.slice(dy, at, before, len)?));
        }

        // y = table[i]:  dtable = dy in row i of zeros
        Op::Gather { table, index } => {
            if wants(table) {
                let rows = shape(b, table).0[0].clone();
                out.push((table, b.put(index, dy, rows)?));
            }
        }

        // y = x in row i of zeros:  dx = dy[i]
        Op::Scatter { index, x, dim: _ } => {
            if wants(x) {
                out.push((x, b.gather(dy, index)?));
            }
        }

        // An index does not vary smoothly.
        Op::ArgMax(_) => {}

        // y[t] = x:  dx = sum over t of dy[t], which the caller takes
        Op::Broadcast { x, axes: _ } => out.push((x, dy)),

        Op::AxisReduce { kind, x, axes } => {
            let dx = axis_reduce(b, kind, x, axes, y, dy)?;
            out.push((x, dx));
        }

        // y[t] = x[t-1], y[1] = x0:  dx0 = dy[1];  y[t] = x[t+1], y[T] = x0:  dx0 = dy[T]
        Op::Shift {
            axis, by, boundary, ..
        } => {
            if let Some(boundary) = boundary.filter(|boundary| wants(*boundary)) {
                out.push((boundary, b.at(dy, axis, outermost(by), None)?));
            }
        }

        // y = x[k]:  dx = dy at step k, zero elsewhere;  with no step k, y = x0:  dx0 = where(T < k, dy, 0)
        Op::At {
            axis,
            position,
            x,
            boundary,
        } => {
            if wants(x) {
                out.push((x, b.place(dy, axis, position)?));
            }
            if let Some(boundary) = boundary.filter(|boundary| wants(*boundary)) {
                let first = match position {
                    Position::First | Position::Last => 1,
                    Position::Step(step) => step,
                };
                let (length, zero) = (b.length(axis)?, b.zero());
                let first = b.constant(f64::from(first), Shape::scalar());
                let absent = b.compare(Compare::Lt, length, first)?;
                out.push((boundary, b.select(absent, dy, zero)?));
            }
        }

        // y = x at step k, zero elsewhere:  dx = dy[k]
        Op::Place { axis, position, x } => out.push((x, b.at(dy, axis, position, None)?)),
    }
    Ok(out)
}

// The step at which a shift by one step reads its boundary.
fn outermost(by: i32) -> Position {
    if by < 0 {
        Position::First
    } else {
        Position::Last
    }
}

/// The product of `dy` with the slope of a function at `x`; `None` where it is flat.
pub(crate) fn unary(
    b: &mut Builder,
    f: Unary,
    x: NodeId,
    y: NodeId,
    dy: NodeId,
) -> Result<Option<NodeId>, TypeError> {
    Ok(Some(match f {
        // y = -x:  dx = -dy
        Unary::Neg => b.minus(dy)?,
        // y = |x|:  dx = dy * sign(x)
        Unary::Abs => {
            let sign = b.unary(Unary::Sign, x)?;
            b.times(dy, sign)?
        }
        // Constant between their steps.
        Unary::Sign | Unary::Floor => return Ok(None),
        // y = e^x:  dx = dy * y
        Unary::Exp => b.times(dy, y)?,
        // y = ln(x):  dx = dy / x
        Unary::Ln => b.over(dy, x)?,
        // y = sqrt(x):  dx = 0.5 * dy / y
        Unary::Sqrt => {
            let half = b.constant(0.5, Shape::scalar());
            let half = b.times(half, dy)?;
            b.over(half, y)?
        }
        // y = sin(x):  dx = dy * cos(x)
        Unary::Sin => {
            let cos = b.unary(Unary::Cos, x)?;
            b.times(dy, cos)?
        }
        // y = cos(x):  dx = -(dy * sin(x))
        Unary::Cos => {
            let sin = b.unary(Unary::Sin, x)?;
            let product = b.times(dy, sin)?;
            b.minus(product)?
        }
        // y = tanh(x):  dx = dy * (1 - y * y)
        Unary::Tanh => {
            let square = b.times(y, y)?;
            let slope = b.one_minus(square)?;
            b.times(dy, slope)?
        }
        // y = sigmoid(x):  dx = dy * y * (1 - y)
        Unary::Sigmoid => {
            let product = b.times(dy, y)?;
            let rest = b.one_minus(y)?;
            b.times(product, rest)?
        }
        // y = relu(x):  dx = where(x > 0, dy, 0)
        Unary::Relu => {
            let zero = b.zero();
            let positive = b.compare(Compare::Gt, x, zero)?;
            b.select(positive, dy, zero)?
        }
        // y = softplus(x):  dx = dy * sigmoid(x)
        Unary::Softplus => {
            let slope = b.unary(Unary::Sigmoid, x)?;
            b.times(dy, slope)?
        }
    }))
}

fn binary(
    b: &mut Builder,
    f: Binary,
    (a, c): (NodeId, NodeId),
    y: NodeId,
    dy: NodeId,
    wants: &dyn Fn(NodeId) -> bool,
    out: &mut Vec<(NodeId, NodeId)>,
) -> Result<(), TypeError> {
    let (first, second) = (wants(a), wants(c));
    match f {
        // y = a + b:  da = dy, db = dy
        Binary::Add => {
            out.extend(first.then_some((a, dy)));
            out.extend(second.then_some((c, dy)));
        }
        // y = a - b:  da = dy, db = -dy
        Binary::Sub => {
            out.extend(first.then_some((a, dy)));
            if second {
                out.push((c, b.minus(dy)?));
            }
        }
        // y = a * b:  da = dy * b, db = dy * a
        Binary::Mul => {
            if first {
                out.push((a, b.times(dy, c)?));
            }
            if second {
                out.push((c, b.times(dy, a)?));
            }
        }
        // y = a / b:  da = dy / b, db = -(dy * y / b)
        Binary::Div => {
            if first {
                out.push((a, b.over(dy, c)?));
            }
            if second {
                let product = b.times(dy, y)?;
                let quotient = b.over(product, c)?;
                out.push((c, b.minus(quotient)?));
            }
        }
        // y = min(a, b):  da = where(a <= b, dy, 0), db = where(a <= b, 0, dy)
        Binary::Min | Binary::Max => {
            // y = max(a, b):  da = where(a >= b, dy, 0), db = where(a >= b, 0, dy)
            let order = if f == Binary::Min {
                Compare::Le
            } else {
                Compare::Ge
            };
            let is_first = b.compare(order, a, c)?;
            let zero = b.zero();
            if first {
                out.push((a, b.select(is_first, dy, zero)?));
            }
            if second {
                out.push((c, b.select(is_first, zero, dy)?));
            }
        }
    }
    Ok(())
}

// A row `a` and a column `b` are vectors both: each rank has its own formula.
fn matmul(
    b: &mut Builder,
    (left, right): (NodeId, NodeId),
    dy: NodeId,
    wants: &dyn Fn(NodeId) -> bool,
    out: &mut Vec<(NodeId, NodeId)>,
) -> Result<(), TypeError> {
    let ranks = (b.shape(left).rank(), b.shape(right).rank());
    if wants(left) {
        let contribution = match ranks {
            // y = a @ b:  da = dy * b
            (1, 1) => b.times(dy, right)?,
            // y = A @ b:  dA = outer(dy, b)
            (_, 1) => b.outer(dy, right)?,
            // y = a @ B:  da = B @ dy
            (1, _) => b.matmul(right, dy)?,
            // Y = A @ B:  dA = dY @ B.T
            (_, _) => {
                let flipped = b.flip(right)?;
                b.matmul(dy, flipped)?
            }
        };
        out.push((left, contribution));
    }
    if wants(right) {
        let contribution = match ranks {
            // y = a @ b:  db = dy * a
            (1, 1) => b.times(dy, left)?,
            // y = a @ B:  dB = outer(a, dy)
            (1, _) => b.outer(left, dy)?,
            // y = A @ b:  db = A.T @ dy;  Y = A @ B:  dB = A.T @ dY
            (_, _) => {
                let flipped = b.flip(left)?;
                b.matmul(flipped, dy)?
            }
        };
        out.push((right, contribution));
    }
    Ok(())
}

fn reduce(b: &mut Builder, kind: Reduction, x: NodeId, at: usize, y: NodeId, dy: NodeId) -> Built {
    let shape = b.shape(x).clone();
    let dim = shape.0[at].clone();
    match kind {
        // y = sum over k of x[k]:  dx[k] = dy
        Reduction::Sum => b.expand(dy, at, dim),
        // y = max over k of x[k]:  dx[k] = is[k] * dy / sum(is), is = where(x == y, 1, 0)
        Reduction::Max => {
            let largest = b.expand(y, at, dim.clone())?;
            let is = b.indicator(x, largest)?;
            let count = b.reduce(Reduction::Sum, is, at)?;
            let share = b.over(dy, count)?;
            let share = b.expand(share, at, dim)?;
            b.times(is, share)
        }
        // y = ln(sum over k of e^x[k]):  dx = dy * softmax(x) = dy * e^(x - y)
        Reduction::LogSumExp => {
            let weights = if at + 1 == shape.rank() {
                b.softmax(x)?
            } else {
                let total = b.expand(y, at, dim.clone())?;
                let log_weights = b.sub(x, total)?;
                b.unary(Unary::Exp, log_weights)?
            };
            let spread = b.expand(dy, at, dim)?;
            b.times(spread, weights)
        }
    }
}

fn axis_reduce(
    b: &mut Builder,
    kind: Over,
    x: NodeId,
    axes: Domain,
    y: NodeId,
    dy: NodeId,
) -> Built {
    // The cotangent of a value that is one for all examples and varies over time is kept by the example that uses it;
    // the value that was reduced gets all of them.
    let shared = b.ty(dy).domain.intersect(axes);
    let dy = b.axis_reduce(Over::Sum, dy, shared)?;
    match kind {
        // y = sum[t](x[t]):  dx[t] = dy
        Over::Sum => b.broadcast(dy, axes),
        // y = max[t](x[t]):  dx[t] = is[t] * dy / max(sum[t](is[t]), 1), is[t] = where(x[t] == y, 1, 0)
        Over::Max => {
            let is = b.indicator(x, y)?;
            let count = b.axis_reduce(Over::Sum, is, axes)?;
            // Of an empty sequence none is the largest.
            let one = b.constant(1.0, b.shape(count).clone());
            let count = b.binary(Binary::Max, count, one)?;
            let share = b.over(dy, count)?;
            b.times(is, share)
        }
    }
}
