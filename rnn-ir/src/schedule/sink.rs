//! Moves pointwise work into the loop that alone reads it.
//!
//! `f[t] * (1 - f[t])` in a backward pass is in no cycle, so the decomposition puts it before the loop, where it would be
//! computed for all steps, stored, and read back. Inside the loop it is a register.
//!
//! **Invariant:** a node moves only when every reader is in the same loop and reads it at the loop's own step.

use super::decompose::Tree;
use super::forms::{Form, Forms};
use crate::axis::AxisId;
use crate::graph::Verified;
use crate::id::SideTable;
use crate::node::NodeId;

// Who reads a node: nobody yet, one child of the region at its own step, or others.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reader {
    Nobody,
    Loop(usize),
    Elsewhere,
}

/// Sinks nodes into loops, outer loops first.
pub(super) fn sink(graph: &Verified, forms: &Forms, mut region: Vec<Tree>) -> Vec<Tree> {
    let mut reader = SideTable::filled(Reader::Nobody, graph.nodes.len());
    for result in &graph.results {
        reader[result.node] = Reader::Elsewhere;
    }
    let mut sunk: Vec<Vec<NodeId>> = vec![Vec::new(); region.len()];
    for at in (0..region.len()).rev() {
        match &region[at] {
            Tree::Loop { axis, body, .. } => {
                note_loop(graph, forms, body, (at, *axis), &mut reader)
            }
            Tree::Node(id) => match target(graph, forms, &region, *id, reader[*id]) {
                Some(into) => {
                    sunk[into].push(*id);
                    let Tree::Loop { axis, .. } = region[into] else {
                        unreachable!("a target is a loop")
                    };
                    note_reads(graph, forms, *id, (into, axis), &mut reader);
                }
                None => {
                    for read in forms.operands(graph, *id) {
                        reader[read.node] = Reader::Elsewhere;
                    }
                }
            },
        }
    }
    let mut moved: Vec<NodeId> = sunk.iter().flatten().copied().collect();
    moved.sort_unstable();
    for (tree, nodes) in region.iter_mut().zip(sunk) {
        if let Tree::Loop { body, .. } = tree {
            let front = nodes.into_iter().rev().map(Tree::Node);
            let whole: Vec<Tree> = front.chain(std::mem::take(body)).collect();
            *body = sink(graph, forms, whole);
        }
    }
    region.retain(|tree| !matches!(tree, Tree::Node(id) if moved.binary_search(id).is_ok()));
    region
}

fn target(
    graph: &Verified,
    forms: &Forms,
    region: &[Tree],
    id: NodeId,
    reader: Reader,
) -> Option<usize> {
    let Reader::Loop(at) = reader else {
        return None;
    };
    let Tree::Loop { axis, .. } = &region[at] else {
        return None;
    };
    let node = &graph.nodes[id];
    (forms[id] == Form::Pointwise && node.ty.domain.contains(*axis)).then_some(at)
}

fn note_loop(
    graph: &Verified,
    forms: &Forms,
    body: &[Tree],
    place: (usize, AxisId),
    reader: &mut SideTable<NodeId, Reader>,
) {
    for tree in body {
        match tree {
            Tree::Node(id) => note_reads(graph, forms, *id, place, reader),
            Tree::Loop { body, .. } => note_loop(graph, forms, body, place, reader),
        }
    }
}

fn note_reads(
    graph: &Verified,
    forms: &Forms,
    id: NodeId,
    (at, axis): (usize, AxisId),
    reader: &mut SideTable<NodeId, Reader>,
) {
    for read in forms.operands(graph, id) {
        let elsewhere =
            read.elsewhere().contains(axis) || !graph.nodes[id].ty.domain.contains(axis);
        let now = if elsewhere {
            Reader::Elsewhere
        } else {
            Reader::Loop(at)
        };
        reader[read.node] = match reader[read.node] {
            Reader::Nobody => now,
            before if before == now => now,
            _ => Reader::Elsewhere,
        };
    }
}
