//! Which values a value is computed from: the meaning of every primitive in time and over the batch.
//!
//! An [`Instance`] is a node at one step of each time axis it varies over, for one example if it varies over the batch.
//! With `T_b` the length of example `b`,
//!
//! ```text
//! shift by d   x[t]  reads  x[t + d]  if 1 <= t + d <= T_b, else the boundary, else nothing
//! at k         x     reads  x[k]      if 1 <= k <= T_b,     else the boundary, else nothing
//! place k      x[t]  reads  x         if t = k,             else nothing
//! reduce t, b  x     reads  x[t, b]   for every b and every t in 1..=T_b
//! anything else      reads  its operands at the same step, of the same example
//! ```
//!
//! A value that reads nothing is zero.
//!
//! **Invariant:** no step beyond an example's own length is ever read.

use crate::axis::{AxisId, Domain};
use crate::graph::Graph;
use crate::id::Id;
use crate::interp::env::{Extents, Place};
use crate::node::NodeId;
use crate::op::{Op, Position};

/// A node at one step, for one example: its index along every axis of its domain, from 0, and 0 along the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Instance {
    pub(crate) node: NodeId,
    pub(crate) index: Vec<usize>,
}

impl Instance {
    fn get(&self, axis: AxisId) -> usize {
        self.index[axis.index()]
    }

    // The node `operand` at the same indices.
    fn of(&self, graph: &Graph, operand: NodeId) -> Self {
        let domain = graph.nodes[operand].ty.domain;
        let mut index = vec![0; self.index.len()];
        for axis in domain.axes() {
            index[axis.index()] = self.get(axis);
        }
        Self {
            node: operand,
            index,
        }
    }

    fn with(&self, graph: &Graph, operand: NodeId, axis: AxisId, index: usize) -> Self {
        let mut moved = self.clone();
        moved.index[axis.index()] = index;
        moved.of(graph, operand)
    }

    /// The example, when the node varies over the batch.
    pub(crate) fn example(&self, graph: &Graph) -> Option<usize> {
        let domain = graph.nodes[self.node].ty.domain;
        domain
            .contains(AxisId::BATCH)
            .then(|| self.get(AxisId::BATCH))
    }

    /// The step, from 1.
    pub(crate) fn step(&self, axis: AxisId) -> usize {
        self.get(axis) + 1
    }

    /// Where it is, for messages.
    pub(crate) fn place(&self, graph: &Graph) -> Place {
        let domain = graph.nodes[self.node].ty.domain;
        Place {
            steps: domain
                .time_axes()
                .map(|axis| (graph.axes[axis].name.clone(), self.step(axis)))
                .collect(),
            example: self.example(graph),
        }
    }
}

/// The step, from 0, that a position means for a length; `None` where the example has no such step.
pub(crate) fn step_at(position: Position, length: usize) -> Option<usize> {
    let step = match position {
        Position::First => 1,
        Position::Last => length,
        Position::Step(step) => step as usize,
    };
    (1..=length).contains(&step).then(|| step - 1)
}

/// What an instance is computed from, in the order of the operands.
pub(crate) fn reads(graph: &Graph, extents: &Extents, at: &Instance) -> Vec<Instance> {
    let otherwise = |boundary: &Option<NodeId>| boundary.map(|id| at.of(graph, id));
    match &graph.nodes[at.node].op {
        Op::Shift {
            axis,
            by,
            x,
            boundary,
        } => {
            let length = extents.length(*axis, at.example(graph));
            let step = at
                .get(*axis)
                .checked_add_signed(*by as isize)
                .filter(|step| *step < length);
            match step {
                Some(step) => vec![at.with(graph, *x, *axis, step)],
                None => otherwise(boundary).into_iter().collect(),
            }
        }
        Op::At {
            axis,
            position,
            x,
            boundary,
        } => {
            let length = extents.length(*axis, at.example(graph));
            match step_at(*position, length) {
                Some(step) => vec![at.with(graph, *x, *axis, step)],
                None => otherwise(boundary).into_iter().collect(),
            }
        }
        Op::Place { axis, position, x } => {
            let length = extents.length(*axis, at.example(graph));
            match step_at(*position, length) {
                Some(step) if step == at.get(*axis) => vec![at.of(graph, *x)],
                _ => Vec::new(),
            }
        }
        Op::AxisReduce { x, axes, .. } => {
            // A value that is the same for every example too is reduced over the steps of the example asked for.
            instances(graph, extents, *x, *axes, at, true)
        }
        op => op
            .operands()
            .into_iter()
            .map(|operand| at.of(graph, operand))
            .collect(),
    }
}

/// Every instance of a node along `axes`, the others as in `at`; the batch slowest, then time. Steps run to the length
/// of the example that `at` or the batch says, or to the longest.
pub(crate) fn instances(
    graph: &Graph,
    extents: &Extents,
    node: NodeId,
    axes: Domain,
    at: &Instance,
    per_example: bool,
) -> Vec<Instance> {
    let domain = graph.nodes[node].ty.domain;
    let mut all = vec![at.clone()];
    for axis in axes.axes() {
        let mut longer = Vec::new();
        for partial in all {
            // The batch is the first axis, so the example is known before its steps are.
            let example = per_example.then(|| partial.get(AxisId::BATCH));
            let count = match axis {
                AxisId::BATCH => extents.longest(axis),
                _ => extents.length(axis, example),
            };
            longer.extend((0..count).map(|index| {
                let mut next = partial.clone();
                next.index[axis.index()] = index;
                next
            }));
        }
        all = longer;
    }
    // An example that is shorter than a step which is kept has nothing there.
    let kept = domain.minus(axes);
    all.retain(|instance| {
        !domain.contains(AxisId::BATCH)
            || kept.time_axes().all(|axis| {
                instance.get(axis) < extents.length(axis, Some(instance.get(AxisId::BATCH)))
            })
    });
    all.iter()
        .map(|instance| instance.of(graph, node))
        .collect()
}
