//! Computes equal values once, recurrences included.
//!
//! Two values are equal when their ops are and their operands are equal in turn. What a shift shifts may come later, so
//! this starts from the guess that all shifted values are equal and refines it until nothing contradicts it (Alpern,
//! Wegman & Zadeck 1988): two copies of one recurrence become one.
//!
//! ```text
//! h = f(W @ h[t-1]), g = f(W @ g[t-1])   ->   g = h
//! a + b, b + a                           ->   a + b
//! ```
//!
//! **Invariant:** the equations of a well-founded system have one solution, so values that satisfy the same equations
//! are equal; only values of one type are shared.

use crate::graph::Graph;
use crate::id::{Id, SideTable};
use crate::node::{NodeId, Type};
use crate::op::{Binary, Compare, Op};
use crate::passes::counts::Counts;
use crate::rewrite::rebuild;
use crate::typing::TypeError;
use std::collections::HashMap;

/// The rules of this pass.
pub const RULES: &[&str] = &["share", "share_commuted", "share_recurrence"];

/// Replaces every value by the first one equal to it.
///
/// # Errors
/// None for a verified graph.
pub fn share(graph: &Graph, counts: &mut Counts) -> Result<Graph, TypeError> {
    let first = classes(graph);
    rebuild(graph, |r, id| {
        let kept = first[id];
        if kept == id {
            return r.keep(id);
        }
        counts.fire(rule(graph, id, kept));
        Ok(r.at(kept))
    })
}

// For every value the first one equal to it.
fn classes(graph: &Graph) -> SideTable<NodeId, NodeId> {
    let mut guess = SideTable::filled(NodeId::from_index(0), graph.nodes.len());
    loop {
        let mut first: SideTable<NodeId, NodeId> = guess.clone();
        let mut seen: HashMap<(Op, &Type), NodeId> = HashMap::new();
        for (id, node) in graph.nodes.iter() {
            let mut op = node.op.clone();
            match &mut op {
                Op::Shift { x, boundary, .. } => {
                    *x = guess[*x];
                    if let Some(boundary) = boundary {
                        *boundary = first[*boundary];
                    }
                }
                op => op.map_operands(&mut |operand| first[operand]),
            }
            order_operands(&mut op);
            first[id] = *seen.entry((op, &node.ty)).or_insert(id);
        }
        if graph.nodes.ids().all(|id| first[id] == guess[id]) {
            return first;
        }
        guess = first;
    }
}

// One order for the operands of what does not depend on their order.
fn order_operands(op: &mut Op) {
    match op {
        Op::Binary(Binary::Add | Binary::Mul | Binary::Min | Binary::Max, a, b)
        | Op::Compare(Compare::Eq | Compare::Ne, a, b)
            if *b < *a =>
        {
            std::mem::swap(a, b);
        }
        _ => {}
    }
}

// Which of the rules shared a value, for the counters.
fn rule(graph: &Graph, id: NodeId, kept: NodeId) -> &'static str {
    match (&graph.nodes[id].op, &graph.nodes[kept].op) {
        (Op::Shift { x, .. }, Op::Shift { x: other, .. }) if x != other => "share_recurrence",
        (
            Op::Binary(_, a, b) | Op::Compare(_, a, b),
            Op::Binary(_, c, d) | Op::Compare(_, c, d),
        ) if (a, b) == (d, c) && a != b => "share_commuted",
        _ => "share",
    }
}
