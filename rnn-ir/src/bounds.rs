//! Between which numbers a value lies whatever the inputs and parameters are (interval arithmetic, Moore 1966): a gate is
//! between 0 and 1, so what it is multiplied with can be had back; a random angle is below `2 pi`, so its cosine needs no
//! reduction of large arguments.
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

    fn times(self, other: Self) -> Self {
        if self.high <= 0.0 && self.low < 0.0 {
            return self.negated().times(other).negated();
        }
        if other.high <= 0.0 && other.low < 0.0 {
            return self.times(other.negated()).negated();
        }
        if self.low < 0.0 || other.low < 0.0 {
            return self.times_of_any_sign(other);
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

    fn times_of_any_sign(self, other: Self) -> Self {
        let ends = [
            self.low * other.low,
            self.low * other.high,
            self.high * other.low,
            self.high * other.high,
        ];
        if !ends.iter().all(|end| end.is_finite()) {
            return ANY;
        }
        let low = ends.into_iter().fold(f64::INFINITY, f64::min);
        closed(low, ends.into_iter().fold(low, f64::max))
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
pub fn is_never_zero(graph: &Graph, id: NodeId) -> bool {
    bounds(graph, id).excludes_zero()
}

/// The largest magnitude that an element of a value can have, if it is finite; infinity where nothing is known.
pub fn magnitude(graph: &Graph, id: NodeId) -> f64 {
    let bounds = bounds(graph, id);
    bounds.low.abs().max(bounds.high.abs())
}

fn bounds(graph: &Graph, id: NodeId) -> Bounds {
    let mut bounds = SideTable::filled(ANY, graph.nodes.len());
    for node in graph.nodes.ids().take_while(|node| *node <= id) {
        bounds[node] = of(graph, node, &|operand| bounds[operand]);
    }
    bounds[id]
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
        Unary::Floor if x.low.is_finite() && x.high.is_finite() => {
            closed(x.low.floor(), x.high.floor())
        }
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
    use crate::axis::Domain;
    use crate::builder::Builder;
    use crate::node::{Shape, Type};
    use crate::op::{Init, Role};

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
        let mixed = closed(-1.0, 2.0).times(closed(-3.0, 5.0));
        assert_eq!(mixed, closed(-6.0, 10.0));
        assert_eq!(closed(-1.0, 2.0).times(closed(0.0, f64::INFINITY)), ANY);
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

    #[test]
    fn operations_on_intervals_hold_those_on_their_numbers() {
        let numbers = [-88.0, -2.5, -1.0, -0.25, 0.0, 0.5, 1.0, 3.0, 40.0];
        let mut intervals = vec![(ANY, numbers.to_vec())];
        for (at, low) in numbers.iter().enumerate() {
            for (beyond, high) in numbers.iter().enumerate().skip(at) {
                intervals.push((closed(*low, *high), numbers[at..=beyond].to_vec()));
            }
        }
        let holds = |bounds: Bounds, y: f64| {
            let above = y > bounds.low || (bounds.low_in && y == bounds.low);
            let below = y < bounds.high || (bounds.high_in && y == bounds.high);
            // Rounding may reach an end that is none of the numbers, or pass it.
            let near = |end: f64| end.is_finite() && (y - end).abs() <= 1e-12 * end.abs();
            !y.is_finite() || (above && below) || near(bounds.low) || near(bounds.high)
        };
        for (interval, inside) in &intervals {
            for (unary, x) in Unary::ALL
                .into_iter()
                .flat_map(|unary| inside.iter().map(move |x| (unary, *x)))
            {
                let (found, y) = (of_unary(unary, *interval), unary.of(x));
                assert!(holds(found, y), "{unary:?}({x}) = {y}, not in {found:?}");
            }
            for (other, beside) in &intervals {
                for (a, b) in inside
                    .iter()
                    .flat_map(|a| beside.iter().map(move |b| (*a, *b)))
                {
                    for (found, y) in [
                        (interval.plus(*other), a + b),
                        (interval.times(*other), a * b),
                        (interval.times(other.inverted()), a / b),
                        (largest(*interval, *other), a.max(b)),
                        (interval.union(*other), a),
                    ] {
                        assert!(holds(found, y), "{a} and {b} give {y}, not in {found:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_angle_of_a_random_turn_is_small_and_an_input_may_be_anything() {
        let mut b = Builder::new("Angles");
        let ty = Type {
            domain: Domain::BATCH,
            shape: Shape::scalar(),
            dtype: DType::Real,
        };
        let x = b.input("x", Role::Input, ty).expect("typed");
        let turn = b.uniform(Domain::BATCH, &Shape::scalar()).expect("typed");
        let [tau, three, minus] =
            [std::f64::consts::TAU, 3.0, -3.0].map(|c| b.constant(c, Shape::scalar()));
        let angle = b.mul(tau, turn).expect("typed");
        let below = b.binary(Binary::Min, x, three).expect("typed");
        let clamped = b.binary(Binary::Max, below, minus).expect("typed");
        let bounded = b.mul(clamped, angle).expect("typed");
        for (node, expected) in [
            (x, f64::INFINITY),
            (below, f64::INFINITY),
            (angle, std::f64::consts::TAU),
            (clamped, 3.0),
            (bounded, 3.0 * std::f64::consts::TAU),
        ] {
            assert_eq!(magnitude(b.graph(), node), expected, "{node}");
        }
    }
}
