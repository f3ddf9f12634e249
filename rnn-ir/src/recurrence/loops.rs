//! The loops of a graph and what they carry.
//!
//! **Invariant:** these are the components and axes of [`crate::components`]; the schedule has the same loops.

use crate::axis::{AxisId, Domain};
use crate::components::{Dependence, Direction, components_among, is_cyclic, loop_axes};
use crate::graph::Verified;
use crate::node::NodeId;
use crate::op::Op;

/// A value that a loop carries from one step to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The shift that reads it in the step after.
    pub before: NodeId,
    /// Its value in the step.
    pub after: NodeId,
}

/// A loop over time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loop {
    /// The axis that it runs along.
    pub axis: AxisId,
    /// Which way.
    pub direction: Direction,
    /// The axes of the loops that it is inside of: those of a recurrence over two axes.
    pub around: Domain,
    /// What it carries, in the order of the equations.
    pub states: Vec<State>,
    /// The nodes that are computed in it, in order.
    pub members: Vec<NodeId>,
}

impl Loop {
    /// Whether a node is computed in the loop.
    pub fn contains(&self, id: NodeId) -> bool {
        self.members.binary_search(&id).is_ok()
    }

    /// Which state a node reads, if it is the value of one in the step before.
    pub fn state(&self, graph: &Verified, id: NodeId) -> Option<usize> {
        let (axis, by, x, boundary) = shift(graph, id)?;
        if axis != self.axis || !self.contains(x) {
            return None;
        }
        (self.states.iter()).position(|state| {
            let Some((_, other, after, outside)) = shift(graph, state.before) else {
                return false;
            };
            other == by && after == x && equal_boundaries(graph, outside, boundary)
        })
    }

    /// What its states are called, each by another name: by its equation, and how many steps back if more than one.
    pub fn names(&self, graph: &Verified) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for state in &self.states {
            let name = self
                .name(graph, state)
                .unwrap_or_else(|| format!("state{}", names.len() + 1));
            let mut unused = name.clone();
            let mut again = 2;
            while names.contains(&unused) {
                unused = format!("{name}_{again}");
                again += 1;
            }
            names.push(unused);
        }
        names
    }

    // `y`, or `y_lag2` for what is read two steps later.
    fn name(&self, graph: &Verified, state: &State) -> Option<String> {
        let (mut node, mut lag) = (state.before, 0);
        for _ in &self.members {
            let Some((axis, by, x, _)) =
                shift(graph, node).filter(|_| lag == 0 || graph.nodes[node].name.is_none())
            else {
                break;
            };
            if axis != self.axis {
                break;
            }
            (node, lag) = (x, lag + by.unsigned_abs());
        }
        let name = graph.nodes[node].name.as_deref()?;
        Some(match lag {
            1 => name.to_owned(),
            lag => format!("{name}_lag{lag}"),
        })
    }
}

// What a shift shifts, how, and what is outside.
fn shift(graph: &Verified, id: NodeId) -> Option<(AxisId, i32, NodeId, Option<NodeId>)> {
    match graph.nodes[id].op {
        Op::Shift {
            axis,
            by,
            x,
            boundary,
        } => Some((axis, by, x, boundary)),
        _ => None,
    }
}

// One value, or equal numbers: a graph that no pass has seen has them more than once.
fn equal_boundaries(graph: &Verified, a: Option<NodeId>, b: Option<NodeId>) -> bool {
    let number = |id: Option<NodeId>| match id.map(|id| &graph.nodes[id].op) {
        None => Some(0.0f64.to_bits()),
        Some(Op::Const(value)) => Some(value.0.to_bits()),
        Some(_) => None,
    };
    a == b || number(a).is_some_and(|value| number(b) == Some(value))
}

/// All loops.
pub(super) fn loops(graph: &Verified) -> Vec<Loop> {
    let live = crate::rewrite::reachable(graph);
    let all: Vec<NodeId> = graph.nodes.ids().filter(|id| live[*id]).collect();
    let mut found = Vec::new();
    loops_among(graph, &all, Domain::NONE, &mut found);
    found
}

fn loops_among(graph: &Verified, nodes: &[NodeId], around: Domain, found: &mut Vec<Loop>) {
    let follows =
        |dependence: &Dependence| (dependence.delay).is_none_or(|(axis, _)| !around.contains(axis));
    for members in components_among(graph, nodes, follows) {
        if !is_cyclic(graph, &members, follows) {
            continue;
        }
        let axes = loop_axes(graph, &members).into_iter();
        let mut axes = axes.filter(|(axis, _)| !around.contains(*axis));
        let Some((axis, direction)) = axes.next() else {
            unreachable!("a verified graph can be evaluated");
        };
        let mut own = Loop {
            axis,
            direction,
            around,
            states: Vec::new(),
            members,
        };
        for at in 0..own.members.len() {
            let before = own.members[at];
            if let Some((along, _, after, _)) = shift(graph, before)
                && along == axis
                && own.contains(after)
                && own.state(graph, before).is_none()
            {
                own.states.push(State { before, after });
            }
        }
        let members = own.members.clone();
        found.push(own);
        loops_among(graph, &members, around.with(axis), found);
    }
}
