//! Counts primitives by kind, so that a test over many models can show that it met each of them.
//!
//! **Invariant:** every primitive of [`Op::NAMES`] is listed, as itself or by the kinds that it is told apart in, with zero where
//! a graph has none of it.

use crate::axis::AxisId;
use crate::graph::Graph;
use crate::op::{Binary, Compare, Op, Over, Position, Reduction, Unary};
use std::collections::BTreeMap;

/// Primitives that are told apart further, with their kinds beside the functions and reductions that have lists of their own.
const TOLD_APART: [(&str, &[&str]); 12] = [
    ("unary", &[]),
    ("binary", &[]),
    ("compare", &[]),
    ("reduce", &[]),
    (
        "matmul",
        &[
            "matmul vector vector",
            "matmul matrix vector",
            "matmul vector matrix",
            "matmul matrix matrix",
        ],
    ),
    ("gather", &["gather element", "gather row"]),
    ("scatter", &["scatter element", "scatter row"]),
    (
        "broadcast",
        &["broadcast over time", "broadcast over batch"],
    ),
    ("axis_reduce", &["axis sum over batch"]),
    (
        "shift",
        &[
            "shift back",
            "shift back boundary",
            "shift back far",
            "shift ahead",
            "shift ahead boundary",
            "shift ahead far",
        ],
    ),
    ("at", &["at first", "at last", "at step", "at boundary"]),
    ("place", &["place first", "place last", "place step"]),
];

/// How many nodes of each kind a graph has. The kinds tell apart functions, ranks, directions and ends.
pub fn op_histogram(graph: &Graph) -> BTreeMap<String, usize> {
    let whole = Op::NAMES
        .iter()
        .filter(|name| TOLD_APART.iter().all(|(apart, _)| apart != *name));
    let apart = TOLD_APART.iter().flat_map(|(_, kinds)| *kinds);
    let unary = Unary::ALL.map(|f| f.name()).into_iter();
    let binary = Binary::ALL.map(|f| f.name()).into_iter();
    let compare = Compare::ALL.map(|f| f.name()).into_iter();
    let reduce = Reduction::ALL.map(|kind| format!("reduce {}", kind.name()));
    let over = Over::ALL.map(|kind| format!("axis {} over time", kind.name()));
    let names = whole.chain(apart).copied();
    let names = names.chain(unary).chain(binary).chain(compare);
    let mut counts: BTreeMap<String, usize> = names
        .map(str::to_owned)
        .chain(reduce)
        .chain(over)
        .map(|name| (name, 0))
        .collect();
    for (_, node) in graph.nodes.iter() {
        for kind in kinds(graph, &node.op) {
            *counts.entry(kind).or_default() += 1;
        }
    }
    counts
}

fn rank(graph: &Graph, x: crate::node::NodeId) -> &'static str {
    match graph.nodes[x].ty.shape.rank() {
        1 => "vector",
        _ => "matrix",
    }
}

fn row(rank: usize) -> &'static str {
    if rank == 1 { "element" } else { "row" }
}

fn position(position: Position) -> &'static str {
    match position {
        Position::First => "first",
        Position::Last => "last",
        Position::Step(_) => "step",
    }
}

fn kinds(graph: &Graph, op: &Op) -> Vec<String> {
    let one = |name: &str| vec![name.to_owned()];
    match op {
        Op::Unary(f, _) => one(f.name()),
        Op::Binary(f, ..) => one(f.name()),
        Op::Compare(f, ..) => one(f.name()),
        Op::MatMul(a, b) => vec![format!("matmul {} {}", rank(graph, *a), rank(graph, *b))],
        Op::Reduce { kind, .. } => vec![format!("reduce {}", kind.name())],
        Op::Gather { table, .. } => {
            let rank = graph.nodes[*table].ty.shape.rank();
            vec![format!("gather {}", row(rank))]
        }
        Op::Scatter { x, .. } => {
            let rank = graph.nodes[*x].ty.shape.rank();
            vec![format!("scatter {}", row(rank + 1))]
        }
        Op::Broadcast { axes, .. } => [
            (axes.time_axes().next().is_some(), "broadcast over time"),
            (axes.contains(AxisId::BATCH), "broadcast over batch"),
        ]
        .into_iter()
        .filter(|(is, _)| *is)
        .map(|(_, name)| name.to_owned())
        .collect(),
        Op::AxisReduce { kind, axes, .. } => {
            let mut kinds = Vec::new();
            if axes.time_axes().next().is_some() {
                kinds.push(format!("axis {} over time", kind.name()));
            }
            if axes.contains(AxisId::BATCH) && *kind == Over::Sum {
                kinds.push("axis sum over batch".into());
            }
            kinds
        }
        Op::Shift { by, boundary, .. } => {
            let way = if *by < 0 { "back" } else { "ahead" };
            let how = match (by.abs(), boundary) {
                (1, None) => "",
                (1, Some(_)) => " boundary",
                _ => " far",
            };
            vec![format!("shift {way}{how}")]
        }
        Op::At {
            position: which,
            boundary,
            ..
        } => {
            let mut kinds = vec![format!("at {}", position(*which))];
            if boundary.is_some() {
                kinds.push("at boundary".into());
            }
            kinds
        }
        Op::Place {
            position: which, ..
        } => vec![format!("place {}", position(*which))],
        op => one(op.name()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    // What the oracles that count primitives rest on: one that a graph has is counted as what it is listed as.
    #[test]
    fn a_graph_has_no_kinds_that_are_not_listed() {
        let listed = op_histogram(&Graph::new("Nothing"));
        assert!(listed.values().all(|count| *count == 0));
        for (name, graph) in samples::all() {
            let counted = op_histogram(&graph);
            assert!(counted.keys().eq(listed.keys()), "{name}: {counted:?}");
            assert!(
                counted.values().sum::<usize>() >= graph.nodes.len(),
                "{name}"
            );
        }
    }

    #[test]
    fn every_primitive_is_listed() {
        for name in Op::NAMES {
            let listed = op_histogram(&Graph::new("Nothing"));
            let apart = TOLD_APART.iter().any(|(apart, _)| apart == name);
            assert!(apart != listed.contains_key(*name), "{name}");
        }
        for (apart, _) in TOLD_APART {
            assert!(Op::NAMES.contains(&apart), "{apart} is no primitive");
        }
    }
}
