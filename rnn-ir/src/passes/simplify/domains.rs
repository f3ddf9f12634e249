//! Identities of values over time and over the batch.
//!
//! A step that some examples lack (a length may be zero) is not folded away: what stands for it is chosen by the length.
//!
//! **Invariant:** a value never varies over more axes than before; and what was computed at no step, of an axis without
//! steps, does not become an infinity or NaN that reaches a result.

use super::poles::{has_pole, is_linear, may_be_empty};
use super::{Rewrite, Rule, Simplifier};
use crate::axis::{AxisId, Domain};
use crate::builder::Built;
use crate::node::{NodeId, Shape};
use crate::op::{Binary, Compare, Op, Over, Position};
use crate::passes::local::is_local;

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "broadcast_last",
        apply: broadcast_last,
    },
    Rule {
        name: "broadcast_broadcast",
        apply: broadcast_broadcast,
    },
    Rule {
        name: "length_fixed",
        apply: length_fixed,
    },
    Rule {
        name: "reduce_invariant",
        apply: reduce_invariant,
    },
    Rule {
        name: "sum_repeated",
        apply: sum_repeated,
    },
    Rule {
        name: "reduce_reduced",
        apply: reduce_reduced,
    },
    Rule {
        name: "sum_placed",
        apply: sum_placed,
    },
    Rule {
        name: "at_invariant",
        apply: at_invariant,
    },
    Rule {
        name: "at_placed",
        apply: at_placed,
    },
    Rule {
        name: "place_invariant",
        apply: place_invariant,
    },
];

/// `f(broadcast x) = broadcast f(x)` for an op that looks at one point of the domain, where no infinity comes of it.
fn broadcast_last(s: &mut Simplifier<'_>, op: &Op) -> Rewrite {
    if !is_local(op) {
        return Ok(None);
    }
    let mut narrow = op.clone();
    narrow.map_operands(&mut |operand| match *s.op(operand) {
        Op::Broadcast { x, .. } => x,
        _ => operand,
    });
    if narrow == *op {
        return Ok(None);
    }
    if !is_linear(op) && (s.infinite || has_pole(s.new.graph(), op)) {
        let lost = s.infer(op)?.domain.minus(s.infer(&narrow)?.domain);
        if lost.axes().any(|axis| may_be_empty(s.new.graph(), axis)) {
            return Ok(None);
        }
    }
    s.make(narrow).map(Some)
}

/// `broadcast(broadcast x) = broadcast x`, over the axes of both.
fn broadcast_broadcast(s: &mut Simplifier<'_>, op: &Op) -> Rewrite {
    let Op::Broadcast { x, axes } = *op else {
        return Ok(None);
    };
    match *s.op(x) {
        Op::Broadcast { x, axes: inner } => {
            let axes = axes.union(inner);
            s.make(Op::Broadcast { x, axes }).map(Some)
        }
        _ => Ok(None),
    }
}

/// The length of `1..=n` is `n`.
fn length_fixed(s: &mut Simplifier<'_>, op: &Op) -> Rewrite {
    match *op {
        Op::Length(axis) => match s.steps(axis) {
            Some(steps) => s.filled(f64::from(steps), op),
            None => Ok(None),
        },
        _ => Ok(None),
    }
}

/// `reduce[t](broadcast[j](x)) = broadcast[j](reduce[t](x))`. Not over the batch: at each step `j` it takes the examples
/// that have the step.
fn reduce_invariant(s: &mut Simplifier<'_>, op: &Op) -> Rewrite {
    let Op::AxisReduce { kind, x, axes } = *op else {
        return Ok(None);
    };
    match *s.op(x) {
        Op::Broadcast { x, axes: repeated }
            if s.ty(x).domain.covers(axes)
                && (!axes.contains(AxisId::BATCH) || s.all_have_steps(repeated)) =>
        {
            s.make(Op::AxisReduce { kind, x, axes }).map(Some)
        }
        _ => Ok(None),
    }
}

/// `sum[t](broadcast[t](x)) = length(t) * x`, and zero where there is no step, whatever `x` is there.
fn sum_repeated(s: &mut Simplifier<'_>, op: &Op) -> Rewrite {
    let Op::AxisReduce {
        kind: Over::Sum,
        x,
        axes,
    } = *op
    else {
        return Ok(None);
    };
    let Op::Broadcast { x, axes: repeated } = *s.op(x) else {
        return Ok(None);
    };
    let counted = repeated.intersect(axes).without(AxisId::BATCH);
    if counted.is_empty() {
        return Ok(None);
    }
    let shape = s.shape(x).clone();
    let mut scaled = x;
    for axis in counted.axes() {
        let length = s.make(Op::Length(axis))?;
        let length = s.new.expand_to("length", length, &shape)?;
        let times = s.make(Op::Binary(Binary::Mul, length, scaled))?;
        scaled = match s.uniform(scaled) {
            Some(number) if number.is_finite() => times,
            _ => s.where_exists(axis, Position::First, times, None)?,
        };
    }
    let rest = axes.minus(counted);
    // A sum over the batch that is left takes, at each step of an axis that is left, the examples that have the step.
    let left = repeated.minus(counted);
    let scaled = if rest.contains(AxisId::BATCH) {
        s.new.broadcast(scaled, left.union(rest))?
    } else {
        s.new.broadcast(scaled, rest)?
    };
    reduced(s, Over::Sum, scaled, rest)
}

/// `reduce[t](reduce[j](x)) = reduce[t, j](x)`
fn reduce_reduced(s: &mut Simplifier<'_>, op: &Op) -> Rewrite {
    let Op::AxisReduce { kind, x, axes } = *op else {
        return Ok(None);
    };
    match *s.op(x) {
        // After a sum over the batch the rest is over the steps of no example in particular.
        Op::AxisReduce {
            kind: inner,
            x,
            axes: first,
        } if inner == kind
            && !first.contains(AxisId::BATCH)
            && s.ty(x).domain.covers(axes.union(first)) =>
        {
            let axes = axes.union(first);
            s.make(Op::AxisReduce { kind, x, axes }).map(Some)
        }
        _ => Ok(None),
    }
}

fn reduced(s: &mut Simplifier<'_>, kind: Over, x: NodeId, axes: Domain) -> Rewrite {
    if axes.is_empty() {
        Ok(Some(x))
    } else {
        s.make(Op::AxisReduce { kind, x, axes }).map(Some)
    }
}

// Which examples have a step.
enum Exists {
    Always,
    Never,
    From(u32),
}

impl Simplifier<'_> {
    // Whether every example has every step of the axes.
    fn all_have_steps(&self, axes: Domain) -> bool {
        let mut axes = axes.time_axes();
        axes.all(|axis| !may_be_empty(self.new.graph(), axis))
    }

    fn step_of(&self, axis: AxisId, position: Position) -> Position {
        match (position, self.steps(axis)) {
            (Position::First, _) => Position::Step(1),
            (Position::Last, Some(steps)) => Position::Step(steps),
            _ => position,
        }
    }

    fn exists(&self, axis: AxisId, position: Position) -> Exists {
        let at_least = match position {
            Position::First | Position::Last => 1,
            Position::Step(step) => step,
        };
        match self.steps(axis) {
            Some(steps) if at_least <= steps => Exists::Always,
            Some(_) => Exists::Never,
            None => Exists::From(at_least),
        }
    }

    /// `x` for examples that have the step, `otherwise` for the others; zero where nothing is given.
    fn where_exists(
        &mut self,
        axis: AxisId,
        position: Position,
        x: NodeId,
        otherwise: Option<NodeId>,
    ) -> Built {
        let zero = |s: &mut Self| {
            let shape = s.shape(x).clone();
            s.new.constant(0.0, shape)
        };
        match self.exists(axis, position) {
            Exists::Always => Ok(x),
            Exists::Never => Ok(otherwise.unwrap_or_else(|| zero(self))),
            Exists::From(step) => {
                let otherwise = otherwise.unwrap_or_else(|| zero(self));
                let length = self.make(Op::Length(axis))?;
                let step = self.new.constant(f64::from(step), Shape::scalar());
                let has = self.new.compare(Compare::Ge, length, step)?;
                self.new.select(has, x, otherwise)
            }
        }
    }
}

/// `sum[t](place[k](x)) = x` where there is a step `k`, else zero.
fn sum_placed(s: &mut Simplifier<'_>, op: &Op) -> Rewrite {
    let Op::AxisReduce {
        kind: Over::Sum,
        x,
        axes,
    } = *op
    else {
        return Ok(None);
    };
    let Op::Place { axis, position, x } = *s.op(x) else {
        return Ok(None);
    };
    if !axes.contains(axis) {
        return Ok(None);
    }
    let x = s.where_exists(axis, position, x, None)?;
    let rest = axes.without(axis);
    let x = s.new.broadcast(x, rest)?;
    reduced(s, Over::Sum, x, rest)
}

/// `broadcast[j](x)[t = k] = broadcast[j](x[t = k])`, and `broadcast[t](x)[t = k] = x` where there is a step `k`.
fn at_invariant(s: &mut Simplifier<'_>, op: &Op) -> Rewrite {
    let Op::At {
        axis,
        position,
        x,
        boundary,
    } = *op
    else {
        return Ok(None);
    };
    let Op::Broadcast { x, .. } = *s.op(x) else {
        return Ok(None);
    };
    if s.ty(x).domain.contains(axis) {
        let at = Op::At {
            axis,
            position,
            x,
            boundary,
        };
        return s.make(at).map(Some);
    }
    match s.exists(axis, position) {
        Exists::Always => Ok(Some(x)),
        Exists::Never | Exists::From(_) => Ok(None),
    }
}

/// `place[k](x)[t = k] = x` where there is a step `k`, else the boundary; `place[k](x)[t = n] = 0` for another step.
fn at_placed(s: &mut Simplifier<'_>, op: &Op) -> Rewrite {
    let Op::At {
        axis,
        position,
        x,
        boundary,
    } = *op
    else {
        return Ok(None);
    };
    let Op::Place {
        axis: along,
        position: placed,
        x,
    } = *s.op(x)
    else {
        return Ok(None);
    };
    if along != axis {
        return Ok(None);
    }
    match (s.step_of(axis, position), s.step_of(axis, placed)) {
        (a, b) if a == b => s.where_exists(axis, position, x, boundary).map(Some),
        (Position::Step(_), Position::Step(_)) if boundary.is_none() => s.filled(0.0, op),
        _ => Ok(None),
    }
}

/// `place(broadcast[j](x)) = broadcast[j](place(x))`
fn place_invariant(s: &mut Simplifier<'_>, op: &Op) -> Rewrite {
    let Op::Place { axis, position, x } = *op else {
        return Ok(None);
    };
    match *s.op(x) {
        Op::Broadcast { x, .. } => s.make(Op::Place { axis, position, x }).map(Some),
        _ => Ok(None),
    }
}
