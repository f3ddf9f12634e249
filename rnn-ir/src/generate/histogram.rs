//! Counts primitives by kind, so that a test over many models can show that it met each of them.
//!
//! **Invariant:** every kind is listed, with zero where a graph has none of it.

use crate::axis::AxisId;
use crate::graph::Graph;
use crate::op::{Binary, Compare, Op, Over, Position, Reduction, Unary};
use std::collections::BTreeMap;

const NAMES: [&str; 42] = [
    "input",
    "param",
    "const",
    "step",
    "length",
    "entries",
    "mix",
    "random",
    "select",
    "stop_gradient",
    "matmul vector vector",
    "matmul matrix vector",
    "matmul vector matrix",
    "matmul matrix matrix",
    "outer",
    "transpose",
    "expand",
    "softmax",
    "concat",
    "slice",
    "pad",
    "gather element",
    "gather row",
    "scatter element",
    "scatter row",
    "argmax",
    "broadcast over time",
    "broadcast over batch",
    "shift back",
    "shift back boundary",
    "shift back far",
    "shift ahead",
    "shift ahead boundary",
    "shift ahead far",
    "at first",
    "at last",
    "at step",
    "at boundary",
    "place first",
    "place last",
    "place step",
    "axis sum over batch",
];

/// How many nodes of each kind a graph has. The kinds tell apart functions, ranks, directions and ends.
pub fn op_histogram(graph: &Graph) -> BTreeMap<String, usize> {
    let unary = Unary::ALL.map(|f| f.name()).into_iter();
    let binary = Binary::ALL.map(|f| f.name()).into_iter();
    let compare = Compare::ALL.map(|f| f.name()).into_iter();
    let reduce = Reduction::ALL.map(|kind| format!("reduce {}", kind.name()));
    let over = Over::ALL.map(|kind| format!("axis {} over time", kind.name()));
    let names = NAMES.into_iter().chain(unary).chain(binary).chain(compare);
    let mut counts: BTreeMap<String, usize> = names
        .map(str::to_owned)
        .chain(reduce)
        .chain(over)
        .map(|name| (name, 0))
        .collect();
    for (_, node) in graph.nodes.iter() {
        for kind in kinds(graph, &node.op) {
            let count = counts.get_mut(&kind);
            *count.unwrap_or_else(|| unreachable!("kind `{kind}` is not listed")) += 1;
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
        Op::Input { .. } => one("input"),
        Op::Param { .. } => one("param"),
        Op::Const(_) => one("const"),
        Op::Step(_) => one("step"),
        Op::Length(_) => one("length"),
        Op::Entries => one("entries"),
        Op::Unary(f, _) => one(f.name()),
        Op::Binary(f, ..) => one(f.name()),
        Op::Compare(f, ..) => one(f.name()),
        Op::Select(..) => one("select"),
        Op::StopGradient(_) => one("stop_gradient"),
        Op::Mix(..) => one("mix"),
        Op::Uniform(_) => one("random"),
        Op::Token(_) => one("token"),
        Op::MatMul(a, b) => vec![format!("matmul {} {}", rank(graph, *a), rank(graph, *b))],
        Op::Outer(..) => one("outer"),
        Op::Transpose(_) => one("transpose"),
        Op::Expand { .. } => one("expand"),
        Op::Reduce { kind, .. } => vec![format!("reduce {}", kind.name())],
        Op::Softmax(_) => one("softmax"),
        Op::Concat { .. } => one("concat"),
        Op::Slice { .. } => one("slice"),
        Op::Pad { .. } => one("pad"),
        Op::Gather { table, .. } => {
            let rank = graph.nodes[*table].ty.shape.rank();
            vec![format!("gather {}", row(rank))]
        }
        Op::Scatter { x, .. } => {
            let rank = graph.nodes[*x].ty.shape.rank();
            vec![format!("scatter {}", row(rank + 1))]
        }
        Op::ArgMax(_) => one("argmax"),
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
    }
}
