//! Finds where a computation first leaves the finite numbers.
//!
//! **Invariant:** values are looked at in the order in which they were computed.

use crate::graph::{Graph, Verified};
use crate::interp::env::name_of;
use crate::interp::reads::{Instance, reads};
use crate::interp::{Data, Env, EvalError, Interpreter, Place, Tensor};
use crate::node::{Loc, NodeId};
use crate::op::Op;

/// The first value that is not finite.
#[derive(Clone, Debug, PartialEq)]
pub struct NonFinite {
    /// The equation it belongs to.
    pub equation: String,
    /// The node itself, which may be a part of the equation.
    pub node: NodeId,
    /// Where the equation was written.
    pub loc: Option<Loc>,
    /// The step and the example.
    pub at: Place,
    /// An element of it that is not finite.
    pub value: f64,
}

/// The first value that is not finite, in order of evaluation of the results; `None` if all results are finite.
///
/// What is reported made it of finite numbers, or made it of infinities if there is no such value (an infinite constant
/// may be a mask), or was given.
///
/// # Errors
/// As [`evaluate`](super::evaluate).
pub fn nonfinite(graph: &Verified, env: &Env) -> Result<Option<NonFinite>, EvalError> {
    let mut interpreter = Interpreter::new(graph, env)?;
    let mut finite = true;
    for result in &graph.results {
        finite &= first(&interpreter.value(result.node)?, |x| !x.is_finite()).is_none();
    }
    if finite {
        return Ok(None);
    }
    let known = |at: &Instance| interpreter.known[at.node][interpreter.position(at)].as_ref();
    let origin = |bad: fn(f64) -> bool| {
        interpreter.order.iter().find_map(|at| {
            let value = first(known(at)?, bad)?;
            let reads = reads(graph, &interpreter.extents, at);
            let given_good = reads
                .iter()
                .all(|read| known(read).is_none_or(|value| first(value, bad).is_none()));
            // The largest of nothing is minus infinity by definition.
            let by_definition = match graph.nodes[at.node].op {
                Op::Const(_) => true,
                Op::AxisReduce { .. } => reads.is_empty(),
                _ => false,
            };
            (given_good && !by_definition).then_some((at, value))
        })
    };
    let found = origin(|x| !x.is_finite()).or_else(|| origin(f64::is_nan));
    let found = found.or_else(|| {
        interpreter
            .order
            .iter()
            .find_map(|at| Some((at, first(known(at)?, |x| !x.is_finite())?)))
    });
    Ok(found.map(|(at, value)| {
        let equation = equation_of(graph, at.node);
        NonFinite {
            equation: name_of(graph, equation),
            node: at.node,
            loc: graph.nodes[at.node].loc.or(graph.nodes[equation].loc),
            at: at.place(graph),
            value,
        }
    }))
}

fn first(value: &Tensor, bad: fn(f64) -> bool) -> Option<f64> {
    match value.data() {
        Data::Real(data) => data.iter().copied().find(|x| bad(*x)),
        Data::Index(_) | Data::Bool(_) => None,
    }
}

/// The named node that a node is a part of: the nearest that is computed from it; itself if there is none.
pub fn equation_of(graph: &Graph, node: NodeId) -> NodeId {
    let mut parts = vec![node];
    for (id, user) in graph.nodes.iter().skip_while(|(id, _)| *id < node) {
        let uses = id == node || user.op.operands().iter().any(|used| parts.contains(used));
        if uses && user.name.is_some() {
            return id;
        }
        if uses {
            parts.push(id);
        }
    }
    node
}
