//! `W.T @ a + U.T @ b -> [W; U].T @ [a; b]`: what the gates send back to the state they share.
//!
//! **Invariant:** only products that nothing else reads are fused, so none is computed twice, and the sum that replaces
//! them depends on nothing it did not depend on. Products inside and outside of a recurrence are not mixed, nor products
//! of what different recurrences compute.

use crate::axis::Domain;
use crate::graph::Graph;
use crate::id::SideTable;
use crate::node::NodeId;
use crate::op::{Binary, Op};
use crate::passes::counts::Counts;
use crate::passes::cycles::Cycles;
use crate::passes::weights::Weights;
use crate::rewrite::{Rebuild, rebuild};
use crate::typing::TypeError;
use std::collections::BTreeMap;

// A term `matrix.T @ x` of a sum.
struct Term {
    id: NodeId,
    matrix: NodeId,
    x: NodeId,
}

// A sum: the terms to fuse, one list per fused product, and the other terms.
struct Plan {
    fused: Vec<Vec<Term>>,
    rest: Vec<NodeId>,
}

/// Fuses the products with transposed weights that are terms of one sum.
pub(super) fn fuse_sums(graph: &Graph, counts: &mut Counts) -> Result<Graph, TypeError> {
    let plans = plan(graph);
    rebuild(graph, |r, id| match plans.get(&id) {
        None => r.keep(id),
        Some(plan) => {
            counts.add("fuse_sums", plan.fused.len());
            r.new.set_loc(graph.nodes[id].loc);
            total(r, plan)
        }
    })
}

fn plan(graph: &Graph) -> BTreeMap<NodeId, Plan> {
    let (weights, cycles) = (Weights::new(graph), Cycles::new(graph));
    let mut uses = SideTable::filled(0usize, graph.nodes.len());
    for (_, node) in graph.nodes.iter() {
        node.op.each_operand(|operand| uses[operand] += 1);
    }
    for result in &graph.results {
        uses[result.node] += 1;
    }
    // An addition that only another addition reads is part of that one's sum.
    let mut inner = SideTable::filled(false, graph.nodes.len());
    for (_, node) in graph.nodes.iter() {
        if let Op::Binary(Binary::Add, a, b) = node.op {
            for operand in [a, b] {
                inner[operand] |= uses[operand] == 1 && is_sum(graph, operand);
            }
        }
    }
    let mut plans = BTreeMap::new();
    for id in graph.nodes.ids() {
        if !is_sum(graph, id) || inner[id] {
            continue;
        }
        type Kind = (Option<usize>, Option<usize>, Domain);
        let mut by_kind: BTreeMap<Kind, Vec<Term>> = BTreeMap::new();
        let mut rest = Vec::new();
        for term in terms(graph, &inner, id) {
            match product(graph, &weights, term) {
                Some(found) if uses[term] == 1 => {
                    let varies = graph.nodes[term].ty.domain;
                    let kind = (cycles.of(term), cycles.source(found.x), varies);
                    by_kind.entry(kind).or_default().push(found);
                }
                _ => rest.push(term),
            }
        }
        let mut fused: Vec<Vec<Term>> = Vec::new();
        for found in by_kind.into_values() {
            if found.len() > 1 {
                fused.push(found);
            } else {
                rest.extend(found.iter().map(|term| term.id));
            }
        }
        rest.sort();
        if !fused.is_empty() {
            plans.insert(id, Plan { fused, rest });
        }
    }
    plans
}

fn is_sum(graph: &Graph, id: NodeId) -> bool {
    matches!(graph.nodes[id].op, Op::Binary(Binary::Add, ..))
}

// The terms of a sum, left to right.
fn terms(graph: &Graph, inner: &SideTable<NodeId, bool>, sum: NodeId) -> Vec<NodeId> {
    let mut terms = Vec::new();
    let mut work = vec![sum];
    while let Some(id) = work.pop() {
        match graph.nodes[id].op {
            Op::Binary(Binary::Add, a, b) if id == sum || inner[id] => work.extend([b, a]),
            _ => terms.push(id),
        }
    }
    terms
}

fn product(graph: &Graph, weights: &Weights, id: NodeId) -> Option<Term> {
    let Op::MatMul(transposed, x) = graph.nodes[id].op else {
        return None;
    };
    let Op::Transpose(matrix) = graph.nodes[transposed].op else {
        return None;
    };
    weights.is_matrix(matrix).then_some(Term { id, matrix, x })
}

fn total(r: &mut Rebuild<'_>, plan: &Plan) -> Result<NodeId, TypeError> {
    let mut terms = Vec::new();
    for fused in &plan.fused {
        let matrices = fused.iter().map(|term| r.at(term.matrix)).collect();
        let values = fused.iter().map(|term| r.at(term.x)).collect();
        let stacked = r.new.concat(matrices, 0)?;
        let stacked = r.new.transpose(stacked)?;
        let joined = r.new.concat(values, 0)?;
        terms.push(r.new.matmul(stacked, joined)?);
    }
    terms.extend(plan.rest.iter().map(|term| r.at(*term)));
    let mut terms = terms.into_iter();
    let first = terms.next().expect("a plan fuses two terms or more");
    terms.try_fold(first, |sum, term| {
        r.new.push(Op::Binary(Binary::Add, sum, term), None)
    })
}
