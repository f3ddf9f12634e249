//! `W @ x, U @ x -> slices of [W; U] @ x`
//!
//! **Invariant:** the products of one group are all in one recurrence, or all in none, so that the fused one is computed
//! as often as each of them was; and one recurrence is the first to need them, so that the fused one does not tie two
//! together that could run at the same time, each in blocks of steps with its own products.

use crate::dim::Dim;
use crate::graph::Graph;
use crate::node::NodeId;
use crate::op::Op;
use crate::passes::counts::Counts;
use crate::passes::cycles::Cycles;
use crate::passes::order::order_by_need;
use crate::passes::weights::Weights;
use crate::rewrite::Rebuild;
use crate::typing::TypeError;
use std::collections::BTreeMap;

// A product and its matrix.
type Product = (NodeId, NodeId);

struct Group {
    x: NodeId,
    members: Vec<Product>,
    fused: Option<NodeId>,
}

/// Fuses the products of weights with one value.
pub(super) fn fuse_products(graph: &Graph, counts: &mut Counts) -> Result<Graph, TypeError> {
    let (mut groups, group_of) = groups(graph);
    let needs = |id: NodeId| match group_of.get(&id) {
        None => graph.nodes[id].op.earlier_operands(),
        Some(group) => {
            let group: &Group = &groups[*group];
            let matrices = group.members.iter().map(|(_, matrix)| *matrix);
            matrices.chain([group.x]).collect()
        }
    };
    let order = order_by_need(graph, needs).expect("weights depend on no product");
    let mut r = Rebuild::new(graph);
    for id in order {
        let new = match group_of.get(&id) {
            None => r.keep(id)?,
            Some(group) => member(&mut r, &mut groups[*group], id, counts)?,
        };
        r.put(id, new)?;
    }
    r.close()?;
    Ok(r.finish())
}

// The products of each value with two weights or more.
fn groups(graph: &Graph) -> (Vec<Group>, BTreeMap<NodeId, usize>) {
    let (weights, cycles) = (Weights::new(graph), Cycles::new(graph));
    // By the value, the recurrence that the product is part of, and the one that needs it.
    type Kind = (NodeId, Option<usize>, Option<usize>);
    let mut found: BTreeMap<Kind, Vec<Product>> = BTreeMap::new();
    for (id, node) in graph.nodes.iter() {
        if let Op::MatMul(matrix, x) = node.op
            && weights.is_matrix(matrix)
            && !weights.contains(x)
        {
            let kind = (x, cycles.of(id), cycles.reader(id));
            let members = found.entry(kind).or_default();
            if members.iter().all(|(_, other)| *other != matrix) {
                members.push((id, matrix));
            }
        }
    }
    let mut groups = Vec::new();
    let mut group_of = BTreeMap::new();
    for ((x, ..), members) in found {
        if members.len() > 1 {
            group_of.extend(members.iter().map(|(id, _)| (*id, groups.len())));
            groups.push(Group {
                x,
                members,
                fused: None,
            });
        }
    }
    (groups, group_of)
}

// The slice of the fused product that one product is; the first one asked for makes the fused product.
fn member(
    r: &mut Rebuild<'_>,
    group: &mut Group,
    id: NodeId,
    counts: &mut Counts,
) -> Result<NodeId, TypeError> {
    let rows = |graph: &Graph, matrix: NodeId| graph.nodes[matrix].ty.shape.0[0].clone();
    r.new.set_loc(r.old.nodes[id].loc);
    let fused = match group.fused {
        Some(fused) => fused,
        None => {
            let matrices = group.members.iter().map(|(_, matrix)| r.at(*matrix));
            let matrices = matrices.collect();
            let stacked = r.new.concat(matrices, 0)?;
            let x = r.at(group.x);
            counts.fire("fuse_products");
            *group.fused.insert(r.new.matmul(stacked, x)?)
        }
    };
    let mut start = Dim::constant(0);
    for (member, matrix) in &group.members {
        let len = rows(r.old, *matrix);
        if *member == id {
            return r.new.slice(fused, 0, start, len);
        }
        start = Dim::sum([&start, &len]);
    }
    unreachable!("a product is a member of its group")
}
