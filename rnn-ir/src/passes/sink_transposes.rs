//! Moves a transpose towards the outer product or the transpose that it cancels against.
//!
//! ```text
//! sum[t](outer(a, b)).T   ->   sum[t](outer(b, a))
//! [X, Y].T                ->   [X.T, Y.T] along the other axis
//! (X + Y).T               ->   X.T + Y.T
//! ```
//!
//! **Invariant:** a transpose moves only where it vanishes on every branch, and only through values that nothing else
//! reads, so nothing is computed twice.

use crate::graph::Graph;
use crate::id::SideTable;
use crate::node::{NodeId, Shape};
use crate::op::Op;
use crate::passes::counts::Counts;
use crate::rewrite::{Rebuild, rebuild};
use crate::typing::TypeError;

/// The rules of this pass.
pub const RULES: &[&str] = &["sink_transpose"];

// How many values a transpose moves through at most.
const DEPTH: u32 = 64;

/// Moves transposes to where they vanish.
///
/// # Errors
/// None for a verified graph.
pub fn sink_transposes(graph: &Graph, counts: &mut Counts) -> Result<Graph, TypeError> {
    let depth = depths(graph);
    rebuild(graph, |r, id| match graph.nodes[id].op {
        Op::Transpose(x) if depth[x].is_some_and(|depth| depth > 0) => {
            counts.fire("sink_transpose");
            r.new.set_loc(graph.nodes[id].loc);
            transposed(r, x)
        }
        _ => r.keep(id),
    })
}

// How far below a value its transposes vanish; `None` where one would stay.
fn depths(graph: &Graph) -> SideTable<NodeId, Option<u32>> {
    let mut uses = SideTable::filled(0usize, graph.nodes.len());
    for (_, node) in graph.nodes.iter() {
        node.op.each_operand(|operand| uses[operand] += 1);
    }
    for result in &graph.results {
        uses[result.node] += 1;
    }
    let mut depth = SideTable::filled(None, graph.nodes.len());
    for (id, node) in graph.nodes.iter() {
        if node.ty.shape.rank() != 2 {
            continue;
        }
        depth[id] = match &node.op {
            Op::Outer(..) | Op::Transpose(_) | Op::Const(_) => Some(0),
            Op::AxisReduce { .. }
            | Op::Broadcast { .. }
            | Op::Concat { .. }
            | Op::Slice { .. }
            | Op::Pad { .. }
            | Op::Unary(..)
            | Op::Binary(..)
                if uses[id] == 1 =>
            {
                let operands = node.op.operands().into_iter();
                let below: Option<Vec<u32>> = operands.map(|operand| depth[operand]).collect();
                let deepest = below.and_then(|below| below.into_iter().max());
                deepest
                    .filter(|depth| *depth < DEPTH)
                    .map(|depth| depth + 1)
            }
            _ => None,
        };
    }
    depth
}

// `x.T`, for a value whose transposes vanish.
fn transposed(r: &mut Rebuild<'_>, x: NodeId) -> Result<NodeId, TypeError> {
    let node = &r.old.nodes[x];
    match &node.op {
        Op::Outer(a, b) => {
            let (a, b) = (r.at(*a), r.at(*b));
            r.new.outer(b, a)
        }
        Op::Transpose(x) => Ok(r.at(*x)),
        Op::Const(value) => {
            let dims = node.ty.shape.0.iter().rev().cloned().collect();
            Ok(r.new.constant(value.0, Shape(dims)))
        }
        op => {
            let mut op = op.clone();
            let mut turned = Vec::new();
            for operand in op.operands() {
                turned.push(transposed(r, operand)?);
            }
            let mut turned = turned.into_iter();
            op.map_operands(&mut |operand| turned.next().unwrap_or(operand));
            if let Op::Concat { at, .. } | Op::Slice { at, .. } | Op::Pad { at, .. } = &mut op {
                *at = 1 - *at;
            }
            r.new.push(op, None)
        }
    }
}
