//! Simplifies by local identities: each rule is one equation, read from left to right.
//!
//! Every node is made anew by one function that tries the rules in order, and the nodes that a rule makes go through it
//! again. Rules by topic, one file each: arithmetic, features, layouts, pads, matrices, domains.
//!
//! Results are equal as real numbers, and bit for bit where an identity does not reorder roundings; the sign of a zero is
//! not kept. Where a factor is the number zero in every element, its product is zero, also with an infinity or NaN.
//!
//! **Invariant:** a rule makes fewer or cheaper nodes than it takes away, so applying rules ends.

mod arithmetic;
mod domains;
mod features;
mod layouts;
mod matrices;
mod pads;
mod poles;

use crate::axis::{AxisId, Domain, Extent};
use crate::builder::{Builder, Built};
use crate::graph::Graph;
use crate::node::{DType, NodeId, Shape, Type};
use crate::op::{Number, Op};
use crate::passes::counts::Counts;
use crate::rewrite::rebuild;
use crate::typing::{TypeError, infer};
use poles::Poles;

/// What a rule answers: a value equal to the op it looked at, or nothing.
type Rewrite = Result<Option<NodeId>, TypeError>;

/// An identity.
pub struct Rule {
    /// Its name, for the counters.
    pub name: &'static str,
    apply: fn(&mut Simplifier<'_>, &Op) -> Rewrite,
}

// In the order in which they are tried.
const TOPICS: [&[Rule]; 6] = [
    domains::RULES,
    arithmetic::RULES,
    features::RULES,
    layouts::RULES,
    pads::RULES,
    matrices::RULES,
];

const SHIFT_CONSTANT: &str = "shift_constant";

// A rule sees what the one before made in the same round; what is left for another round is rare and shallow.
const ROUNDS: usize = 8;

/// The names of all rules.
pub fn rules() -> impl Iterator<Item = &'static str> {
    let rules = TOPICS.iter().flat_map(|topic| topic.iter());
    rules.map(|rule| rule.name).chain([SHIFT_CONSTANT])
}

/// Applies the rules until none applies.
///
/// # Errors
/// None for a verified graph.
pub fn simplify(graph: &Graph, counts: &mut Counts) -> Result<Graph, TypeError> {
    let mut graph = graph.clone();
    for _ in 0..ROUNDS {
        let mut fired = Counts::default();
        graph = round(&graph, &mut fired)?;
        counts.merge(&fired);
        if fired.total() == 0 {
            break;
        }
    }
    Ok(graph)
}

fn round(graph: &Graph, counts: &mut Counts) -> Result<Graph, TypeError> {
    let poles = Poles::new(graph);
    rebuild(graph, |r, id| {
        let node = &graph.nodes[id];
        r.new.set_loc(node.loc);
        if let Op::Shift { .. } = node.op {
            return match constant_shift(graph, &node.op) {
                None => r.keep(id),
                Some(value) => {
                    counts.fire(SHIFT_CONSTANT);
                    Ok(r.new.constant(value, node.ty.shape.clone()))
                }
            };
        }
        let mut op = node.op.clone();
        op.map_operands(&mut |operand| r.at(operand));
        let mut simplifier = Simplifier {
            new: &mut r.new,
            counts,
            infinite: poles.reach(&node.op),
        };
        simplifier.make_declared(op, Some(&node.ty))
    })
}

/// `c[t+n] = c` for a number `c` that is also the boundary; zero where there is none.
fn constant_shift(graph: &Graph, op: &Op) -> Option<f64> {
    let Op::Shift { x, boundary, .. } = op else {
        return None;
    };
    let value = uniform(graph, *x)?;
    let beyond = boundary.map_or(Some(0.0), |boundary| uniform(graph, boundary))?;
    (value == beyond).then_some(value)
}

/// The number that every element of a real value is, at every step, for every example.
fn uniform(graph: &Graph, id: NodeId) -> Option<f64> {
    let mut id = id;
    loop {
        let node = &graph.nodes[id];
        match node.op {
            Op::Const(value) if node.ty.dtype == DType::Real => return Some(value.0),
            Op::Broadcast { x, .. } => id = x,
            _ => return None,
        }
    }
}

/// Makes simplified nodes.
struct Simplifier<'r> {
    new: &'r mut Builder,
    counts: &'r mut Counts,
    // Whether an operand of the node being made anew can be infinite.
    infinite: bool,
}

impl Simplifier<'_> {
    /// A node equal to `op`, which is no shift.
    fn make(&mut self, op: Op) -> Built {
        self.make_declared(op, None)
    }

    fn make_declared(&mut self, op: Op, declared: Option<&Type>) -> Built {
        for rule in TOPICS.iter().flat_map(|topic| topic.iter()) {
            if let Some(found) = (rule.apply)(self, &op)? {
                self.counts.fire(rule.name);
                return Ok(found);
            }
        }
        self.new.push(op, declared)
    }

    fn op(&self, id: NodeId) -> &Op {
        &self.new.graph().nodes[id].op
    }

    fn ty(&self, id: NodeId) -> &Type {
        self.new.ty(id)
    }

    fn shape(&self, id: NodeId) -> &Shape {
        self.new.shape(id)
    }

    /// The type that `op` has.
    fn infer(&self, op: &Op) -> Result<Type, TypeError> {
        let nodes = &self.new.graph().nodes;
        infer(op, None, &|id| &nodes[id].ty)
    }

    fn uniform(&self, id: NodeId) -> Option<f64> {
        uniform(self.new.graph(), id)
    }

    fn is_zero(&self, id: NodeId) -> bool {
        self.uniform(id) == Some(0.0)
    }

    /// The number in the shape of `op`.
    fn filled(&mut self, value: f64, op: &Op) -> Rewrite {
        let ty = self.infer(op)?;
        let declared = Type {
            domain: Domain::NONE,
            ..ty
        };
        let filled = self.new.push(Op::Const(Number(value)), Some(&declared))?;
        Ok(Some(filled))
    }

    /// How many steps the axis has, when it has as many for every example.
    fn steps(&self, axis: AxisId) -> Option<u32> {
        match self.new.graph().axes[axis].extent {
            Extent::Fixed(steps) => Some(steps),
            Extent::Length(_) => None,
        }
    }
}
