//! Splits a product with joined vectors, so that what does not recur leaves the loop.
//!
//! ```text
//! W @ [x[t], h[t-1]]   ->   W{:, 0..I} @ x[t] + W{:, I..} @ h[t-1]
//! ```
//!
//! Neighbouring parts stay together as long as they are of one kind: all in the recurrence that the product is part of,
//! or all outside of it and varying over the same axes.
//!
//! **Invariant:** a product is split only when that lets a part leave a recurrence, or vary over fewer axes; otherwise
//! one product is better than two.

use crate::axis::Domain;
use crate::dim::Dim;
use crate::graph::Graph;
use crate::node::NodeId;
use crate::op::{Binary, Op};
use crate::passes::counts::Counts;
use crate::passes::cycles::Cycles;
use crate::rewrite::{Rebuild, rebuild};
use crate::typing::TypeError;

/// The rules of this pass.
pub const RULES: &[&str] = &["split_recurrent", "split_domains"];

// What decides where a part's product is computed: whether it recurs with the product, and otherwise its axes.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Loop,
    Outside(Domain),
}

// Parts that stay together, as their first and the one past their last, and whether they recur.
struct Run {
    place: Place,
    parts: Vec<NodeId>,
}

/// Splits products with joined values along the joints.
///
/// # Errors
/// None for a verified graph.
pub fn split_concat(graph: &Graph, counts: &mut Counts) -> Result<Graph, TypeError> {
    let cycles = Cycles::new(graph);
    rebuild(graph, |r, id| match runs(graph, &cycles, id) {
        None => r.keep(id),
        Some((matrix, runs)) => {
            counts.fire(if runs.iter().any(|run| run.place == Place::Loop) {
                "split_recurrent"
            } else {
                "split_domains"
            });
            split(r, id, matrix, &runs)
        }
    })
}

// The matrix and the runs of parts of a product that is to be split.
fn runs(graph: &Graph, cycles: &Cycles, id: NodeId) -> Option<(NodeId, Vec<Run>)> {
    let Op::MatMul(matrix, joined) = graph.nodes[id].op else {
        return None;
    };
    let Op::Concat { parts, at: 0 } = &graph.nodes[joined].op else {
        return None;
    };
    let outer = graph.nodes[matrix].ty.domain;
    let recurs = |node| cycles.of(id).is_some() && cycles.of(node) == cycles.of(id);
    let mut runs: Vec<Run> = Vec::new();
    for part in parts {
        let place = if recurs(*part) || recurs(matrix) {
            Place::Loop
        } else {
            Place::Outside(graph.nodes[*part].ty.domain.union(outer))
        };
        match runs.last_mut() {
            Some(run) if run.place == place => run.parts.push(*part),
            _ => runs.push(Run {
                place,
                parts: vec![*part],
            }),
        }
    }
    (runs.len() > 1).then_some((matrix, runs))
}

fn split(
    r: &mut Rebuild<'_>,
    id: NodeId,
    matrix: NodeId,
    runs: &[Run],
) -> Result<NodeId, TypeError> {
    r.new.set_loc(r.old.nodes[id].loc);
    let matrix = r.at(matrix);
    let along = r.new.shape(matrix).rank() - 1;
    let mut start = Dim::constant(0);
    let mut total: Option<NodeId> = None;
    for run in runs {
        let parts: Vec<NodeId> = run.parts.iter().map(|part| r.at(*part)).collect();
        let len = Dim::sum(parts.iter().map(|part| &r.new.shape(*part).0[0]));
        let columns = r.new.slice(matrix, along, start.clone(), len.clone())?;
        let part = match parts.as_slice() {
            [part] => *part,
            _ => r.new.concat(parts, 0)?,
        };
        let product = r.new.matmul(columns, part)?;
        total = Some(match total {
            None => product,
            Some(total) => r.new.push(Op::Binary(Binary::Add, total, product), None)?,
        });
        start = Dim::sum([&start, &len]);
    }
    Ok(total.expect("a product is split into two runs or more"))
}
