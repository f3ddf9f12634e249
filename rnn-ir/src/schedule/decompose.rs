//! Decomposition into loops: strongly connected components, an axis for each, and the same again for its body.
//!
//! A component may run along an axis when every member varies over it, when no member looks at the axis as a whole (a
//! sum over it, its last step), and when all its shifts along it, at least one, point the same way.
//!
//! **Invariant:** sibling trees are in an order of evaluation.

use super::Direction;
use super::forms::{Form, Forms, Read};
use crate::axis::AxisId;
use crate::components::strongly_connected;
use crate::graph::Verified;
use crate::id::SideTable;
use crate::node::NodeId;

/// A node, or a loop around more of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tree {
    Node(NodeId),
    Loop {
        axis: AxisId,
        direction: Direction,
        body: Vec<Tree>,
    },
}

/// Why a system of equations has no order of evaluation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no order of evaluation: {} depend on each other, and along no time axis do they all look the same way",
    equations.join(", ")
)]
pub struct ScheduleError {
    /// The equations of the cycle.
    pub equations: Vec<String>,
}

struct Edge {
    from: NodeId,
    read: Read,
}

/// Derives the loops.
pub(super) fn decompose(graph: &Verified, forms: &Forms) -> Result<Vec<Tree>, ScheduleError> {
    let live = crate::rewrite::reachable(graph);
    let scheduled: Vec<NodeId> = (graph.nodes.ids())
        .filter(|id| live[*id] && matches!(forms[*id], Form::Pointwise | Form::Kernel))
        .collect();
    let mut edges = Vec::new();
    for from in &scheduled {
        let reads = forms.operands(graph, *from).into_iter();
        edges.extend(
            reads
                .filter(|read| forms[read.node] != Form::Source)
                .map(|read| Edge { from: *from, read }),
        );
    }
    decompose_among(graph, &scheduled, edges)
}

fn decompose_among(
    graph: &Verified,
    nodes: &[NodeId],
    edges: Vec<Edge>,
) -> Result<Vec<Tree>, ScheduleError> {
    let mut position = SideTable::filled(usize::MAX, graph.nodes.len());
    for (index, id) in nodes.iter().enumerate() {
        position[*id] = index;
    }
    let mut reads = vec![Vec::new(); nodes.len()];
    for edge in &edges {
        if position[edge.read.node] != usize::MAX {
            reads[position[edge.from]].push(position[edge.read.node]);
        }
    }
    let components = strongly_connected(&reads);
    let mut component_of = vec![0; nodes.len()];
    for (index, component) in components.iter().enumerate() {
        component
            .iter()
            .for_each(|member| component_of[*member] = index);
    }
    let mut inside: Vec<Vec<Edge>> = components.iter().map(|_| Vec::new()).collect();
    for edge in edges {
        let (from, to) = (position[edge.from], position[edge.read.node]);
        if to != usize::MAX && component_of[from] == component_of[to] {
            inside[component_of[from]].push(edge);
        }
    }
    let mut out = Vec::new();
    for (component, edges) in components.iter().zip(inside) {
        let mut members: Vec<NodeId> = component.iter().map(|index| nodes[*index]).collect();
        members.sort_unstable();
        if edges.is_empty() {
            out.extend(members.into_iter().map(Tree::Node));
            continue;
        }
        let (axis, direction) = choose_axis(graph, &members, &edges)?;
        let kept = |edge: &Edge| !edge.read.back.union(edge.read.ahead).contains(axis);
        let body = decompose_among(graph, &members, edges.into_iter().filter(kept).collect())?;
        out.push(Tree::Loop {
            axis,
            direction,
            body,
        });
    }
    Ok(out)
}

fn choose_axis(
    graph: &Verified,
    members: &[NodeId],
    edges: &[Edge],
) -> Result<(AxisId, Direction), ScheduleError> {
    for axis in graph.axes.ids().filter(|axis| axis.is_time()) {
        let everywhere = members
            .iter()
            .all(|id| graph.nodes[*id].ty.domain.contains(axis));
        let whole = edges.iter().any(|edge| edge.read.whole.contains(axis));
        let back = edges.iter().any(|edge| edge.read.back.contains(axis));
        let ahead = edges.iter().any(|edge| edge.read.ahead.contains(axis));
        if everywhere && !whole && back != ahead {
            return Ok((
                axis,
                if back {
                    Direction::Forward
                } else {
                    Direction::Reverse
                },
            ));
        }
    }
    let mut equations: Vec<String> = members
        .iter()
        .filter_map(|id| graph.nodes[*id].name.clone())
        .collect();
    if equations.is_empty() {
        equations = members.iter().map(ToString::to_string).collect();
    }
    Err(ScheduleError {
        equations: equations
            .into_iter()
            .map(|name| format!("`{name}`"))
            .collect(),
    })
}
