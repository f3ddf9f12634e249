//! Between which numbers a value lies whatever the inputs and parameters are: a gate is between 0 and 1, so what it is
//! multiplied with can be had back.
//!
//! **Invariant:** every real number that a finite value of the equations can have is within its bounds; rounding is not
//! looked at.

use crate::graph::Graph;
use crate::id::SideTable;
use crate::node::{DType, NodeId};
use crate::op::{Binary, Op, Over, Reduction, Unary};

/// An interval of real numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Bounds {
    low: f64,
    high: f64,
    /// Whether `low` itself is a value; infinities are not.
    low_in: bool,
    high_in: bool,
}

const ANY: Bounds = open(f64::NEG_INFINITY, f64::INFINITY);

const fn open(low: f64, high: f64) -> Bounds {
    Bounds {
        low,
        high,
        low_in: false,
        high_in: false,
    }
}

const fn closed(low: f64, high: f64) -> Bounds {
    Bounds {
        low,
        high,
        low_in: true,
        high_in: high.is_finite(),
    }
}

impl Bounds {
    fn is_positive(self) -> bool {
        self.low > 0.0 || (self.low == 0.0 && !self.low_in)
    }

    fn excludes_zero(self) -> bool {
        self.is_positive() || self.negated().is_positive()
    }

    fn negated(self) -> Self {
        Self {
            low: -self.high,
            high: -self.low,
            low_in: self.high_in,
            high_in: self.low_in,
        }
    }

    fn union(self, other: Self) -> Self {
        let low = self.low.min(other.low);
        let high = self.high.max(other.high);
        let has_low = |b: Self| b.low == low && b.low_in;
        let has_high = |b: Self| b.high == high && b.high_in;
        Self {
            low,
            high,
            low_in: has_low(self) || has_low(other),
            high_in: has_high(self) || has_high(other),
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            low: self.low + other.low,
            high: self.high + other.high,
            low_in: self.low_in && other.low_in,
            high_in: self.high_in && other.high_in,
        }
    }

    // Of factors that are not negative; of others only the signs that follow from these.
    fn times(self, other: Self) -> Self {
        if self.high <= 0.0 && self.low < 0.0 {
            return self.negated().times(other).negated();
        }
        if other.high <= 0.0 && other.low < 0.0 {
            return self.times(other.negated()).negated();
        }
        if self.low < 0.0 || other.low < 0.0 {
            return ANY;
        }
        // Zero times infinity is an end that is not reached.
        let product = |a: f64, b: f64| if a == 0.0 || b == 0.0 { 0.0 } else { a * b };
        let reached = |zero: bool, ends: bool| zero || ends;
        Self {
            low: product(self.low, other.low),
            high: product(self.high, other.high),
            low_in: reached(
                (self.low == 0.0 && self.low_in) || (other.low == 0.0 && other.low_in),
                self.low_in && other.low_in,
            ),
            high_in: self.high_in && other.high_in,
        }
    }

    fn inverted(self) -> Self {
        if self.negated().is_positive() {
            return self.negated().inverted().negated();
        }
        if !self.is_positive() {
            return ANY;
        }
        Self {
            low: 1.0 / self.high,
            // Of either zero.
            high: 1.0 / self.low.abs(),
            low_in: self.high_in,
            high_in: self.low_in && self.low > 0.0,
        }
    }
}

/// Whether no element of a value can be zero.
pub(super) fn is_never_zero(graph: &Graph, id: NodeId) -> bool {
    let mut bounds = SideTable::filled(ANY, graph.nodes.len());
    for node in graph.nodes.ids().take_while(|node| *node <= id) {
        bounds[node] = of(graph, node, &|operand| bounds[operand]);
    }
    bounds[id].excludes_zero()
}

fn of(graph: &Graph, id: NodeId, at: &dyn Fn(NodeId) -> Bounds) -> Bounds {
    let node = &graph.nodes[id];
    if node.ty.dtype != DType::Real {
        return ANY;
    }
    let zero = closed(0.0, 0.0);
    match &node.op {
        Op::Input { .. } | Op::Param { .. } => ANY,
        Op::Const(value) if value.0.is_finite() => closed(value.0, value.0),
        Op::Const(_) => ANY,
        Op::Step(_) => closed(1.0, f64::INFINITY),
        Op::Length(_) => closed(0.0, f64::INFINITY),
        Op::Unary(unary, x) => of_unary(*unary, at(*x)),
        Op::Binary(binary, a, b) => {
            let (left, right) = (at(*a), at(*b));
            match binary {
                Binary::Add => left.plus(right),
                // A value is as far from itself as nothing is.
                Binary::Sub if a == b => zero,
                Binary::Sub => left.plus(right.negated()),
                // A square.
                Binary::Mul if a == b && !left.excludes_zero() => closed(0.0, f64::INFINITY),
                Binary::Mul if a == b => left.times(left),
                Binary::Mul => left.times(right),
                Binary::Div => left.times(right.inverted()),
                Binary::Max => largest(left, right),
                Binary::Min => largest(left.negated(), right.negated()).negated(),
            }
        }
        Op::Compare(..) | Op::ArgMax(_) | Op::Entries | Op::Mix(..) | Op::Token(_) => ANY,
        Op::Uniform(_) => Bounds {
            low: 0.0,
            high: 1.0,
            low_in: true,
            high_in: false,
        },
        Op::Select(_, then, otherwise) => at(*then).union(at(*otherwise)),
        Op::StopGradient(x) | Op::Transpose(x) => at(*x),
        Op::Expand { x, .. } | Op::Slice { x, .. } | Op::Broadcast { x, .. } => at(*x),
        Op::Gather { table, .. } => at(*table),
        Op::MatMul(..) => ANY,
        Op::Outer(a, b) => at(*a).times(at(*b)),
        Op::Reduce { kind, x, .. } => match kind {
            // Of at least one element.
            Reduction::Sum => total(at(*x)),
            Reduction::Max => at(*x),
            Reduction::LogSumExp => ANY,
        },
        Op::AxisReduce { kind, x, .. } => match kind {
            Over::Sum => total(at(*x)).union(zero),
            // Minus infinity over nothing.
            Over::Max => ANY,
        },
        Op::Softmax(_) => Bounds {
            low: 0.0,
            high: 1.0,
            low_in: false,
            high_in: true,
        },
        Op::Concat { parts, .. } => {
            let parts = parts.iter().map(|part| at(*part));
            parts.reduce(Bounds::union).unwrap_or(ANY)
        }
        Op::Pad { x, .. } | Op::Scatter { x, .. } | Op::Place { x, .. } => at(*x).union(zero),
        Op::Shift { x, boundary, .. } | Op::At { x, boundary, .. } => {
            let outside = boundary.map_or(zero, at);
            // What comes later in the graph is not known yet.
            if *x < id { at(*x).union(outside) } else { ANY }
        }
    }
}

fn of_unary(unary: Unary, x: Bounds) -> Bounds {
    match unary {
        Unary::Neg => x.negated(),
        Unary::Abs if x.excludes_zero() => open(0.0, f64::INFINITY),
        Unary::Abs | Unary::Sqrt if !x.is_positive() => closed(0.0, f64::INFINITY),
        Unary::Abs | Unary::Sqrt | Unary::Exp | Unary::Softplus => open(0.0, f64::INFINITY),
        Unary::Sign | Unary::Sin | Unary::Cos => closed(-1.0, 1.0),
        Unary::Tanh if x.is_positive() => open(0.0, 1.0),
        Unary::Tanh => open(-1.0, 1.0),
        Unary::Sigmoid => open(0.0, 1.0),
        Unary::Relu if x.is_positive() => x,
        Unary::Relu => closed(0.0, f64::INFINITY),
        Unary::Floor | Unary::Ln => ANY,
    }
}

fn largest(a: Bounds, b: Bounds) -> Bounds {
    let low = a.low.max(b.low);
    let low_in = |x: Bounds| x.low < low || x.low_in;
    let upper = a.union(b);
    Bounds {
        low,
        low_in: low_in(a) && low_in(b) && low.is_finite(),
        ..upper
    }
}

// The sum of one or more numbers.
fn total(x: Bounds) -> Bounds {
    if x.low >= 0.0 {
        return Bounds {
            high: f64::INFINITY,
            high_in: false,
            ..x
        };
    }
    if x.high <= 0.0 {
        return total(x.negated()).negated();
    }
    ANY
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::Builder;
    use crate::node::Shape;
    use crate::op::Init;

    #[test]
    fn bounds_hold_what_they_say() {
        let gate = open(0.0, 1.0);
        let one = closed(1.0, 1.0);
        assert!(one.plus(gate.negated()).is_positive());
        assert!(gate.times(gate.plus(gate).inverted()).is_positive());
        assert!(!gate.plus(gate.negated()).excludes_zero());
        assert!(!closed(0.0, 1.0).excludes_zero());
        assert!(open(-1.0, 0.0).excludes_zero());
        assert!(closed(-3.0, -2.0).times(closed(2.0, 4.0)).excludes_zero());
        assert!(!ANY.times(one).excludes_zero() && !ANY.times(ANY).excludes_zero());
        assert_eq!(closed(-3.0, -2.0).inverted(), closed(-0.5, -1.0 / 3.0));
        assert_eq!(closed(-1.0, 2.0).inverted(), ANY);
        assert!(largest(ANY, one).is_positive());
        assert!(!largest(closed(-1.0, 2.0), closed(0.0, 0.0)).excludes_zero());
    }

    #[test]
    fn a_gate_is_never_zero_and_a_parameter_may_be() {
        let mut b = Builder::new("Gates");
        let init = Init {
            kind: "zeros".into(),
            args: Vec::new(),
        };
        let w = b
            .param("w", Shape::scalar(), init, crate::op::ParamKind::Trained)
            .expect("typed");
        let gate = b.unary(Unary::Sigmoid, w).expect("typed");
        let one = b.constant(1.0, Shape::scalar());
        let closing = b.sub(one, gate).expect("typed");
        let rectified = b.unary(Unary::Relu, closing).expect("typed");
        let difference = b.sub(gate, closing).expect("typed");
        for (node, expected) in [
            (w, false),
            (gate, true),
            (closing, true),
            (rectified, true),
            (difference, false),
        ] {
            assert_eq!(is_never_zero(b.graph(), node), expected, "{node}");
        }
    }
}
