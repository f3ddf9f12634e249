//! Computes again in a backward recurrence what is cheaper to compute than to store.
//!
//! `1 - z[t]` of a gated unit is needed by the forward loop and by the backward one. Both loops have `z[t]` at hand, and a
//! subtraction in registers costs less than keeping a second value of every step:
//!
//! ```text
//! h[t]   = (1 - z[t]) * n[t] + z[t] * h[t-1]
//! d_n[t] = (1 - z[t]) * d_h[t]        ->   d_n[t] = again(1 - z[t]) * d_h[t]
//! ```
//!
//! The cost model is per element. A stored value is written once and read once, 8 bytes through caches that a sequence does
//! not fit into: at 32 GB/s about a quarter of a nanosecond, the time of [`STORED`] simple operations on vectors. An addition
//! costs one, a division [`DIVISION`], functions like `tanh` [`FUNCTION`]; matrix products and reductions are never repeated.
//! A value is computed again when it and what it needs again cost less than it costs to store, from values that are stored
//! anyway, inputs and parameters.
//!
//! What is drawn at every step is drawn again, from the two keys of each row, which are stored: a mask takes no memory,
//! however many steps there are.
//!
//! **Invariant:** results keep their bits: the same operation runs twice on the same operands. No value is stored that was
//! not before, save the two key words of a row from which its random numbers are drawn again.

use crate::components::{components, is_cyclic};
use crate::graph::Graph;
use crate::id::SideTable;
use crate::node::NodeId;
use crate::op::{Binary, Op, Unary};
use crate::passes::counts::Counts;
use crate::rewrite::Rebuild;
use crate::typing::TypeError;
use std::collections::BTreeMap;

/// The rules of this pass.
pub const RULES: &[&str] = &["recompute"];

/// Simple operations that storing and loading an element takes as long as.
const STORED: usize = 6;

/// Simple operations of a division or a square root.
const DIVISION: usize = 8;

/// Simple operations of a function without an instruction.
const FUNCTION: usize = 16;

/// Repeats cheap equations inside backward recurrences.
///
/// # Errors
/// None for a verified graph.
pub fn choose_residuals(graph: &Graph, counts: &mut Counts) -> Result<Graph, TypeError> {
    let choice = Choice::new(graph);
    let mut r = Rebuild::new(graph);
    let mut again = Again::new();
    for (id, node) in graph.nodes.iter() {
        let new = match choice.backward[id] {
            Some(by) if choice.repeats(graph, id) => {
                let op = choice.over_again(&mut r, (by, id), &mut again, counts)?;
                let new = r.new.push(op, Some(&node.ty))?;
                r.new.set_origin(new, node.name.clone(), node.loc);
                new
            }
            _ => r.keep(id)?,
        };
        r.put(id, new)?;
    }
    r.close()?;
    Ok(r.finish())
}

/// What each recurrence computes again.
type Again = BTreeMap<(usize, NodeId), NodeId>;

struct Choice {
    /// Values that are computed again for backward recurrences.
    chosen: SideTable<NodeId, bool>,
    /// The recurrence that looks ahead of which each node is a member.
    backward: SideTable<NodeId, Option<usize>>,
}

impl Choice {
    fn new(graph: &Graph) -> Self {
        let count = graph.nodes.len();
        let mut backward = SideTable::filled(None, count);
        for (at, component) in components(graph, |_| true).into_iter().enumerate() {
            let ahead = |id: &NodeId| matches!(graph.nodes[*id].op, Op::Shift { by, .. } if by > 0);
            if is_cyclic(graph, &component, |_| true) && component.iter().any(ahead) {
                component.iter().for_each(|id| backward[*id] = Some(at));
            }
        }
        let later = depends(graph, &backward);
        let (wanted, stored) = readers(graph, &backward, &later);
        let mut choice = Self {
            chosen: SideTable::filled(false, count),
            backward,
        };
        let mut costs = SideTable::filled(0usize, count);
        let mut kept = stored;
        for id in graph.nodes.ids() {
            let candidate = wanted[id] && !kept[id] && !later[id];
            if !candidate {
                continue;
            }
            let mut needed = Vec::new();
            let cost = choice.cost(graph, id, &costs, &wanted, &kept, &mut needed);
            if cost.is_some_and(|cost| cost < STORED) {
                choice.chosen[id] = true;
                costs[id] = cost.unwrap_or(STORED);
                // What it is computed from stays stored.
                needed.into_iter().for_each(|id| kept[id] = true);
            } else if let Some(drawn) = drawn(graph, id, &kept) {
                drawn.into_iter().for_each(|id| choice.chosen[id] = true);
                costs[id] = 1;
            }
        }
        choice
    }

    // What computing a node again costs, if all that it reads is there; `needed` are the stored values among these.
    fn cost(
        &self,
        graph: &Graph,
        id: NodeId,
        costs: &SideTable<NodeId, usize>,
        wanted: &SideTable<NodeId, bool>,
        kept: &SideTable<NodeId, bool>,
        needed: &mut Vec<NodeId>,
    ) -> Option<usize> {
        let mut cost = own_cost(&graph.nodes[id].op)?;
        for operand in graph.nodes[id].op.operands() {
            if self.chosen[operand] {
                cost += costs[operand];
                continue;
            }
            let root = root(graph, operand)?;
            let node = &graph.nodes[root];
            let given = matches!(node.op, Op::Input { .. } | Op::Param { .. } | Op::Const(_));
            if given || node.ty.domain.time_axes().next().is_none() {
                continue;
            }
            let there = kept[root] || wanted[root];
            if !there || self.chosen[root] || root == id {
                return None;
            }
            needed.push(root);
        }
        Some(cost)
    }

    // Whether a node reads something that is computed again for it.
    fn repeats(&self, graph: &Graph, id: NodeId) -> bool {
        let operands = graph.nodes[id].op.operands();
        reads_again(graph, &self.backward, id) && operands.iter().any(|id| self.chosen[*id])
    }

    // The operation of a node over operands of which the chosen ones are computed again.
    fn over_again(
        &self,
        r: &mut Rebuild<'_>,
        (by, id): (usize, NodeId),
        again: &mut Again,
        counts: &mut Counts,
    ) -> Result<Op, TypeError> {
        let node = &r.old.nodes[id];
        for operand in node.op.operands() {
            if !self.chosen[operand] || again.contains_key(&(by, operand)) {
                continue;
            }
            let op = self.over_again(r, (by, operand), again, counts)?;
            let node = &r.old.nodes[operand];
            let new = r.new.push(op, Some(&node.ty))?;
            r.new.set_origin(new, None, node.loc);
            again.insert((by, operand), new);
            counts.fire("recompute");
        }
        let mut op = node.op.clone();
        op.map_operands(&mut |operand| match again.get(&(by, operand)) {
            Some(new) => *new,
            None => r.at(operand),
        });
        Ok(op)
    }
}

// What is repeated to draw a value again: all of its equations back to numbers of a row, if random bits are among them.
fn drawn(graph: &Graph, id: NodeId, kept: &SideTable<NodeId, bool>) -> Option<Vec<NodeId>> {
    let mut again = Vec::new();
    let mut work = vec![id];
    while let Some(id) = work.pop() {
        let node = &graph.nodes[id];
        let given = node.ty.shape.is_scalar() || node.ty.domain.time_axes().next().is_none();
        if given || kept[id] || again.contains(&id) {
            continue;
        }
        match node.op {
            Op::Mix(..)
            | Op::Uniform(_)
            | Op::Compare(..)
            | Op::Expand { .. }
            | Op::Broadcast { .. } => again.push(id),
            _ => return None,
        }
        work.extend(node.op.operands());
    }
    let is_mixed = |id: &NodeId| matches!(graph.nodes[*id].op, Op::Mix(..));
    again.iter().any(is_mixed).then_some(again)
}

// Whether a node is computed in a backward recurrence from the elements of its operands.
fn reads_again(graph: &Graph, backward: &SideTable<NodeId, Option<usize>>, id: NodeId) -> bool {
    backward[id].is_some() && graph.nodes[id].op.is_elementwise()
}

// The nodes that depend on a backward recurrence, its members included.
fn depends(graph: &Graph, backward: &SideTable<NodeId, Option<usize>>) -> SideTable<NodeId, bool> {
    let mut out = SideTable::filled(false, graph.nodes.len());
    graph
        .nodes
        .ids()
        .for_each(|id| out[id] = backward[id].is_some());
    let mut changed = true;
    while std::mem::take(&mut changed) {
        for (id, node) in graph.nodes.iter() {
            let mut now = out[id];
            node.op.each_operand(|operand| now |= out[operand]);
            changed |= now && !out[id];
            out[id] = now;
        }
    }
    out
}

// The values that a backward recurrence reads besides others, element for element; and those that are stored for all steps
// whatever it does: other steps of them are read, or something reads them after the recurrence or by rows.
fn readers(
    graph: &Graph,
    backward: &SideTable<NodeId, Option<usize>>,
    later: &SideTable<NodeId, bool>,
) -> (SideTable<NodeId, bool>, SideTable<NodeId, bool>) {
    let count = graph.nodes.len();
    let (mut inside, mut before) = (
        SideTable::filled(false, count),
        SideTable::filled(false, count),
    );
    let mut stored = SideTable::filled(false, count);
    for result in &graph.results {
        stored[result.node] = true;
    }
    for (id, node) in graph.nodes.iter() {
        let direct = reads_again(graph, backward, id);
        let time = matches!(
            node.op,
            Op::Shift { .. } | Op::At { .. } | Op::AxisReduce { .. }
        );
        for operand in node.op.operands() {
            let through = root(graph, operand).unwrap_or(operand);
            if direct && through == operand {
                inside[operand] = true;
            } else if later[id] || time {
                stored[through] = true;
            } else {
                before[operand] = true;
            }
        }
    }
    // A view that is read later shows what is stored.
    let mut wanted = inside;
    for id in graph.nodes.ids() {
        wanted[id] &= before[id];
    }
    (wanted, stored)
}

// What a view of the same step shows; `None` for one of another step.
fn root(graph: &Graph, mut id: NodeId) -> Option<NodeId> {
    loop {
        id = match &graph.nodes[id].op {
            Op::Broadcast { x, .. }
            | Op::StopGradient(x)
            | Op::Slice { x, .. }
            | Op::Expand { x, .. }
            | Op::Transpose(x) => *x,
            Op::Shift { .. } | Op::At { .. } | Op::Place { .. } => return None,
            _ => return Some(id),
        }
    }
}

// What an operation costs by itself, in simple ones; `None` for what is no operation on elements.
fn own_cost(op: &Op) -> Option<usize> {
    match op {
        Op::Unary(unary, _) => Some(match unary {
            Unary::Neg | Unary::Abs | Unary::Sign | Unary::Floor | Unary::Relu => 1,
            Unary::Sqrt => DIVISION,
            Unary::Exp
            | Unary::Ln
            | Unary::Sin
            | Unary::Cos
            | Unary::Tanh
            | Unary::Sigmoid
            | Unary::Softplus => FUNCTION,
        }),
        Op::Binary(binary, ..) => Some(match binary {
            Binary::Div => DIVISION,
            Binary::Add | Binary::Sub | Binary::Mul | Binary::Min | Binary::Max => 1,
        }),
        Op::Compare(..) | Op::Select(..) => Some(1),
        _ => None,
    }
}
