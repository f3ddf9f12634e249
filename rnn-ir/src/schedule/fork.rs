//! Finds loops that do not depend on one another, and forks the program where they are: the two directions of a layer, the
//! encoders of two inputs.
//!
//! Every loop has a depth: one more than that of the deepest loop that it depends on. Loops of one depth do not depend on
//! one another, and become the branches of a fork, each with the kernels that it alone feeds or is fed by:
//!
//! ```text
//! branch
//!     for t forward in blocks
//! branch
//!     for t reverse in blocks
//! concat     [batch, t] h <- forward.h backward.h
//! ```
//!
//! A program without two loops of one depth stays as it is.
//!
//! **Invariant:** no item of a branch reads, at whatever step, what an item of another branch of its fork computes.

use super::forms::Forms;
use super::{Item, Kernel};
use crate::graph::Verified;
use crate::id::SideTable;
use std::collections::{BTreeMap, BTreeSet};

/// What depends on what among the items of a program's top level.
struct Dependences {
    /// The items that each item reads.
    reads: Vec<BTreeSet<usize>>,
    /// The items that read each item.
    readers: Vec<BTreeSet<usize>>,
    /// Loops on the longest path that ends at each item, itself included.
    depth: Vec<usize>,
}

impl Dependences {
    fn new(graph: &Verified, forms: &Forms, items: &[Item]) -> Self {
        let mut home = SideTable::filled(None, graph.nodes.len());
        for (at, item) in items.iter().enumerate() {
            item.each_node(&mut |id| home[id] = Some(at));
        }
        let mut reads = vec![BTreeSet::new(); items.len()];
        let mut readers = vec![BTreeSet::new(); items.len()];
        let mut depth = vec![0; items.len()];
        for (at, item) in items.iter().enumerate() {
            item.each_node(&mut |id| {
                let own = forms.operands(graph, id).into_iter();
                reads[at].extend(
                    own.filter_map(|read| home[read.node])
                        .filter(|of| *of != at),
                );
            });
            for of in &reads[at] {
                readers[*of].insert(at);
                depth[at] = depth[at].max(depth[*of]);
            }
            depth[at] += usize::from(is_loop(item));
        }
        Self {
            reads,
            readers,
            depth,
        }
    }
}

fn is_loop(item: &Item) -> bool {
    matches!(item, Item::Loop { .. } | Item::Blocks { .. })
}

/// Forks a program where loops do not depend on one another.
pub(super) fn forked(graph: &Verified, forms: &Forms, items: Vec<Item>) -> Vec<Item> {
    let found = Dependences::new(graph, forms, &items);
    let mut loops: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (at, item) in items.iter().enumerate() {
        if is_loop(item) {
            loops.entry(found.depth[at]).or_default().push(at);
        }
    }
    if loops.values().all(|alike| alike.len() < 2) {
        return items;
    }
    let branch_of = branches(&found, &loops, &items);
    // Kernels of one depth come after the loops of that depth, and those of a branch with its loop.
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by_key(|at| {
        let depth = match branch_of[*at] {
            Some(branch) => found.depth[branch],
            None => found.depth[*at],
        };
        let after = branch_of[*at].is_none() && !is_loop(&items[*at]);
        (depth, after, branch_of[*at], *at)
    });
    let mut items: Vec<Option<Item>> = items.into_iter().map(Some).collect();
    let mut out = Vec::new();
    let mut open: Option<usize> = None;
    for at in order {
        let Some(item) = items[at].take() else {
            continue;
        };
        let Some(branch) = branch_of[at] else {
            out.push(item);
            continue;
        };
        let depth = found.depth[branch];
        if loops[&depth][0] == branch && open != Some(branch) {
            out.push(Item::Fork(Vec::new()));
        }
        let Some(Item::Fork(branches)) = out.last_mut() else {
            unreachable!("a branch follows another of its fork, or opens it")
        };
        if open != Some(branch) {
            branches.push(Vec::new());
            open = Some(branch);
        }
        if let Some(own) = branches.last_mut() {
            own.push(item);
        }
    }
    out
}

// The loop in whose branch each item is, for loops that have another of their depth beside them.
fn branches(
    found: &Dependences,
    loops: &BTreeMap<usize, Vec<usize>>,
    items: &[Item],
) -> Vec<Option<usize>> {
    let mut branch_of: Vec<Option<usize>> = vec![None; items.len()];
    let forks = |depth: usize| loops.get(&depth).filter(|alike| alike.len() > 1);
    for alike in loops.values().filter(|alike| alike.len() > 1) {
        alike.iter().for_each(|at| branch_of[*at] = Some(*at));
    }
    // What reads one branch alone, beside what is deeper in the past.
    for at in 0..items.len() {
        let depth = found.depth[at];
        if is_loop(&items[at]) || forks(depth).is_none() {
            continue;
        }
        let near: BTreeSet<Option<usize>> = (found.reads[at].iter())
            .filter(|of| found.depth[**of] == depth)
            .map(|of| branch_of[*of])
            .collect();
        if let (1, Some(Some(branch))) = (near.len(), near.first()) {
            branch_of[at] = Some(*branch);
        }
    }
    // What one branch alone reads, if it is more than a few rows.
    for at in (0..items.len()).rev() {
        let Item::Kernel(Kernel { domain, .. }) = &items[at] else {
            continue;
        };
        let depth = found.depth[at] + 1;
        let steps = domain.time_axes().next().is_some();
        if branch_of[at].is_some() || !steps || forks(depth).is_none() {
            continue;
        }
        let near: BTreeSet<Option<usize>> = (found.readers[at].iter())
            .map(|reader| branch_of[*reader].filter(|branch| found.depth[*branch] == depth))
            .collect();
        if let (1, Some(Some(branch))) = (near.len(), near.first()) {
            branch_of[at] = Some(*branch);
        }
    }
    branch_of
}
