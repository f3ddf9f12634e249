//! `sum(outer(a, x)), sum(outer(b, x)) -> slices of sum(outer([a; b], x))`: the gradients of the gates' matrices.
//!
//! **Invariant:** no left operand of a group depends on a sum of the group, at whatever delay: a sum over time needs
//! all of its operands first. The left operands of a group come from one recurrence, with which the sum can grow.

use crate::axis::Domain;
use crate::dim::Dim;
use crate::graph::Graph;
use crate::id::SideTable;
use crate::node::NodeId;
use crate::op::{Op, Over};
use crate::passes::counts::Counts;
use crate::passes::cycles::Cycles;
use crate::passes::order::order_by_need;
use crate::rewrite::Rebuild;
use crate::typing::TypeError;
use std::collections::BTreeMap;

struct Sum {
    id: NodeId,
    left: NodeId,
}

struct Group {
    right: NodeId,
    axes: Domain,
    members: Vec<Sum>,
    fused: Option<NodeId>,
}

/// Fuses the sums of outer products that have one right operand.
pub(super) fn fuse_outers(graph: &Graph, counts: &mut Counts) -> Result<Graph, TypeError> {
    let (mut groups, group_of) = groups(graph);
    let needs = |id: NodeId| match group_of.get(&id) {
        None => graph.nodes[id].op.earlier_operands(),
        Some(group) => {
            let group: &Group = &groups[*group];
            let lefts = group.members.iter().map(|sum| sum.left);
            lefts.chain([group.right]).collect()
        }
    };
    let order = order_by_need(graph, needs).expect("no operand of a group depends on its sums");
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

// How many sums one group has at most: what each needs is looked at against all others.
const MEMBERS: usize = 64;

fn groups(graph: &Graph) -> (Vec<Group>, BTreeMap<NodeId, usize>) {
    let cycles = Cycles::new(graph);
    type Kind = (NodeId, Domain, Domain, Option<usize>);
    let mut found: BTreeMap<Kind, Vec<Sum>> = BTreeMap::new();
    for (id, node) in graph.nodes.iter() {
        if let Op::AxisReduce {
            kind: Over::Sum,
            x,
            axes,
        } = node.op
            && let Op::Outer(left, right) = graph.nodes[x].op
        {
            let varies = graph.nodes[left].ty.domain;
            let kind = (right, axes, varies, cycles.source(left));
            let sums = found.entry(kind).or_default();
            if sums.iter().all(|sum| sum.left != left) {
                sums.push(Sum { id, left });
            }
        }
    }
    let mut groups = Vec::new();
    let mut group_of = BTreeMap::new();
    for ((right, axes, ..), sums) in found {
        let members = independent(graph, &groups, &group_of, right, sums);
        if members.len() > 1 {
            group_of.extend(members.iter().map(|sum| (sum.id, groups.len())));
            groups.push(Group {
                right,
                axes,
                members,
                fused: None,
            });
        }
    }
    (groups, group_of)
}

// The sums that can be computed together: none is needed, directly or through a group formed before, by an operand of
// another.
fn independent(
    graph: &Graph,
    groups: &[Group],
    group_of: &BTreeMap<NodeId, usize>,
    right: NodeId,
    mut sums: Vec<Sum>,
) -> Vec<Sum> {
    sums.truncate(MEMBERS);
    if sums.len() < 2 {
        return sums;
    }
    let mut kept: Vec<(Sum, SideTable<NodeId, bool>)> = Vec::new();
    for sum in sums {
        let needed = ancestors(graph, groups, group_of, [sum.left, right]);
        let clash = needed[sum.id]
            || kept
                .iter()
                .any(|(other, theirs)| needed[other.id] || theirs[sum.id]);
        if !clash {
            kept.push((sum, needed));
        }
    }
    kept.into_iter().map(|(sum, _)| sum).collect()
}

// All that the nodes depend on, with the members of a group depending on the operands of all of them.
fn ancestors<const N: usize>(
    graph: &Graph,
    groups: &[Group],
    group_of: &BTreeMap<NodeId, usize>,
    nodes: [NodeId; N],
) -> SideTable<NodeId, bool> {
    let mut needed = SideTable::filled(false, graph.nodes.len());
    let mut work = nodes.to_vec();
    while let Some(id) = work.pop() {
        if std::mem::replace(&mut needed[id], true) {
            continue;
        }
        graph.nodes[id]
            .op
            .each_operand(|operand| work.push(operand));
        if let Some(group) = group_of.get(&id) {
            let group = &groups[*group];
            work.extend(group.members.iter().map(|sum| sum.left));
        }
    }
    needed
}

fn member(
    r: &mut Rebuild<'_>,
    group: &mut Group,
    id: NodeId,
    counts: &mut Counts,
) -> Result<NodeId, TypeError> {
    r.new.set_loc(r.old.nodes[id].loc);
    let fused = match group.fused {
        Some(fused) => fused,
        None => {
            let lefts = group.members.iter().map(|sum| r.at(sum.left));
            let lefts = lefts.collect();
            let joined = r.new.concat(lefts, 0)?;
            let right = r.at(group.right);
            let outer = r.new.outer(joined, right)?;
            counts.fire("fuse_outers");
            let sum = r.new.axis_reduce(Over::Sum, outer, group.axes)?;
            *group.fused.insert(sum)
        }
    };
    let mut start = Dim::constant(0);
    for sum in &group.members {
        let len = r.old.nodes[sum.left].ty.shape.0[0].clone();
        if sum.id == id {
            return r.new.slice(fused, 0, start, len);
        }
        start = Dim::sum([&start, &len]);
    }
    unreachable!("a sum is a member of its group")
}
