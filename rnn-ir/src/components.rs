//! Strongly connected components of equations, and the axes along which a component can be evaluated.
//!
//! A component without a cycle is a map over its domain. A component with one is a recurrence: along some axis over
//! which all of its members vary, all of its shifts look the same way. A loop over that axis carries those shifts, and
//! what is left decomposes again (Karp, Miller & Winograd 1967, "The organization of computations for uniform
//! recurrence equations"; Tarjan 1972 for the components).
//!
//! **Invariant:** components come in an order of evaluation, and which axis is chosen first never decides whether a
//! component can be evaluated: an axis that serves a component serves every part of it.

use crate::axis::{AxisId, Domain};
use crate::graph::Graph;
use crate::node::NodeId;
use crate::op::Op;

/// That one node reads another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dependence {
    /// The node that reads.
    pub user: NodeId,
    /// The node that is read.
    pub operand: NodeId,
    /// At which other step of which axis it is read, when `user` is a shift and this is what it shifts.
    pub delay: Option<(AxisId, i32)>,
}

/// Which way a loop over an axis runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// From step 1 to step `T`: every shift looks back.
    Forward,
    /// From step `T` to step 1: every shift looks ahead.
    Reverse,
}

/// What a node reads, in order.
pub fn dependences(graph: &Graph, user: NodeId) -> Vec<Dependence> {
    let op = &graph.nodes[user].op;
    let mut reads: Vec<Dependence> = Vec::new();
    op.each_operand(|operand| {
        reads.push(Dependence {
            user,
            operand,
            delay: None,
        });
    });
    if let (Op::Shift { axis, by, .. }, Some(shifted)) = (op, reads.first_mut()) {
        shifted.delay = Some((*axis, *by));
    }
    reads
}

/// The strongly connected components of all nodes, operands first; each sorted. `follows` says which dependences count.
pub fn components(graph: &Graph, follows: impl Fn(&Dependence) -> bool) -> Vec<Vec<NodeId>> {
    let all: Vec<NodeId> = graph.nodes.ids().collect();
    components_among(graph, &all, follows)
}

/// The strongly connected components of some nodes, which must be sorted; dependences on other nodes do not count.
pub fn components_among(
    graph: &Graph,
    members: &[NodeId],
    follows: impl Fn(&Dependence) -> bool,
) -> Vec<Vec<NodeId>> {
    let reads: Vec<Vec<usize>> = members
        .iter()
        .map(|member| {
            dependences(graph, *member)
                .iter()
                .filter(|dependence| follows(dependence))
                .filter_map(|dependence| members.binary_search(&dependence.operand).ok())
                .collect()
        })
        .collect();
    strongly_connected(&reads)
        .into_iter()
        .map(|component| {
            let mut component: Vec<NodeId> = component.into_iter().map(|at| members[at]).collect();
            component.sort_unstable();
            component
        })
        .collect()
}

/// Tarjan's strongly connected components of `reads` (edges point at what is read), what is read first.
pub fn strongly_connected(reads: &[Vec<usize>]) -> Vec<Vec<usize>> {
    const UNSEEN: usize = usize::MAX;
    let n = reads.len();
    let (mut order, mut low) = (vec![UNSEEN; n], vec![0; n]);
    let (mut on_stack, mut stack, mut out) = (vec![false; n], Vec::new(), Vec::new());
    let mut next = 0;
    for start in 0..n {
        if order[start] != UNSEEN {
            continue;
        }
        let mut work = vec![(start, 0)];
        while let Some((node, edge)) = work.pop() {
            if edge == 0 {
                order[node] = next;
                low[node] = next;
                next += 1;
                stack.push(node);
                on_stack[node] = true;
            }
            if let Some(read) = reads[node].get(edge) {
                work.push((node, edge + 1));
                if order[*read] == UNSEEN {
                    work.push((*read, 0));
                } else if on_stack[*read] {
                    low[node] = low[node].min(order[*read]);
                }
                continue;
            }
            if low[node] == order[node] {
                let mut component = Vec::new();
                while let Some(member) = stack.pop() {
                    on_stack[member] = false;
                    component.push(member);
                    if member == node {
                        break;
                    }
                }
                out.push(component);
            }
            if let Some((parent, _)) = work.last() {
                low[*parent] = low[*parent].min(low[node]);
            }
        }
    }
    out
}

/// Whether a component is a recurrence: more than one node, or one that reads itself.
pub fn is_cyclic(
    graph: &Graph,
    component: &[NodeId],
    follows: impl Fn(&Dependence) -> bool,
) -> bool {
    match component {
        [] => false,
        [one] => dependences(graph, *one)
            .iter()
            .any(|dependence| dependence.operand == *one && follows(dependence)),
        _ => true,
    }
}

/// The axes along which a loop can evaluate a component, which must be sorted: every member varies over the axis, some
/// dependence inside is delayed along it, and all that are look the same way.
pub fn loop_axes(graph: &Graph, component: &[NodeId]) -> Vec<(AxisId, Direction)> {
    let mut shared = graph.time();
    let (mut back, mut ahead) = (Domain::NONE, Domain::NONE);
    for id in component {
        shared = shared.intersect(graph.nodes[*id].ty.domain);
        for dependence in dependences(graph, *id) {
            let inside = component.binary_search(&dependence.operand).is_ok();
            match dependence.delay {
                Some((axis, by)) if inside && by < 0 => back = back.with(axis),
                Some((axis, _)) if inside => ahead = ahead.with(axis),
                _ => {}
            }
        }
    }
    shared
        .axes()
        .filter_map(|axis| match (back.contains(axis), ahead.contains(axis)) {
            (true, false) => Some((axis, Direction::Forward)),
            (false, true) => Some((axis, Direction::Reverse)),
            _ => None,
        })
        .collect()
}

/// The components that no nest of loops evaluates: cycles in which no axis is left whose shifts all look one way.
/// Empty for a graph that can be evaluated.
pub fn stuck(graph: &Graph) -> Vec<Vec<NodeId>> {
    let mut stuck = Vec::new();
    let all: Vec<NodeId> = graph.nodes.ids().collect();
    let mut work = vec![(all, Domain::NONE)];
    while let Some((members, carried)) = work.pop() {
        let follows = |dependence: &Dependence| {
            dependence
                .delay
                .is_none_or(|(axis, _)| !carried.contains(axis))
        };
        for component in components_among(graph, &members, follows) {
            if !is_cyclic(graph, &component, follows) {
                continue;
            }
            let axis = loop_axes(graph, &component)
                .into_iter()
                .map(|(axis, _)| axis)
                .find(|axis| !carried.contains(*axis));
            match axis {
                Some(axis) => work.push((component, carried.with(axis))),
                None => stuck.push(component),
            }
        }
    }
    stuck.sort();
    stuck
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Id;
    use crate::samples;

    #[test]
    fn components_are_an_order_of_evaluation() {
        for (name, graph) in samples::all() {
            let found = components(&graph, |_| true);
            let mut position = vec![usize::MAX; graph.nodes.len()];
            for (index, component) in found.iter().enumerate() {
                for id in component {
                    position[id.index()] = index;
                }
            }
            for id in graph.nodes.ids() {
                for operand in graph.nodes[id].op.operands() {
                    assert!(
                        position[operand.index()] <= position[id.index()],
                        "{name}: {id} is evaluated before its operand {operand}"
                    );
                }
            }
        }
    }

    #[test]
    fn without_delays_every_component_is_one_node() {
        for (_, graph) in samples::all() {
            let found = components(&graph, |dependence| dependence.delay.is_none());
            assert_eq!(found.len(), graph.nodes.len());
        }
    }

    #[test]
    fn a_recurrence_is_one_component_with_its_direction() {
        let graph = samples::bidirectional();
        let t = graph.axis_named("t").expect("declared");
        let recurrences: Vec<_> = components(&graph, |_| true)
            .into_iter()
            .filter(|component| is_cyclic(&graph, component, |_| true))
            .map(|component| loop_axes(&graph, &component))
            .collect();
        let (forward, reverse) = (vec![(t, Direction::Forward)], vec![(t, Direction::Reverse)]);
        assert_eq!(recurrences, [forward, reverse]);
    }

    #[test]
    fn a_grid_can_be_evaluated_along_either_axis() {
        let graph = samples::grid();
        let cycle = components(&graph, |_| true)
            .into_iter()
            .find(|component| component.len() > 1)
            .expect("a recurrence");
        assert_eq!(loop_axes(&graph, &cycle).len(), 2);
        assert!(stuck(&graph).is_empty());
    }

    #[test]
    fn samples_can_be_evaluated() {
        for (name, graph) in samples::all() {
            assert!(stuck(&graph).is_empty(), "{name}");
        }
    }
}
