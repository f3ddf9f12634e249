//! Runs a loop over time together with its neighbours, in blocks of steps.
//!
//! `W @ x[t]` is in no cycle and so is one product over all steps; the gradient of `W` is one product after the reverse
//! loop. Computed for all steps at once, what they hand to the loop, or take from it, leaves the second cache before it is
//! read. In blocks of a few steps it does not, and if nobody else reads it, it is stored for one block alone:
//!
//! ```text
//! for t forward in blocks
//!     product    [batch, t] %14 <- W x
//!     for t forward
//!         product    [batch, t] %20 <- U h[t-1]
//!         pointwise  [batch, t] i f g o c h
//!     product    [batch, t] logits <- W_y h
//! ```
//!
//! A kernel goes before the loop if this block reads it at the step that it is computed for, and nobody else does who does not
//! need the loop anyway, as what a backward pass reads of a forward one, or is a loop without a product. It goes after the loop if
//! it varies over the axis or sums over it, and what it reads of the block has been computed when the block has: the same
//! step, or an earlier one in the direction of the loop. What also needs another loop that this one does not need stays
//! behind both: it would keep them from running at the same time. Of a loop without a product, which no thread is worth,
//! it goes after the loop all the same.
//!
//! **Invariant:** the order stays an order of evaluation: what goes before moves down to the loop past kernels that do not
//! read it, what goes after moves up to the loop past kernels that it does not read.

use super::forms::{Form, Forms, Read};
use super::{Direction, Item, Kernel};
use crate::axis::AxisId;
use crate::graph::Verified;
use crate::id::SideTable;
use crate::node::NodeId;
use crate::op::Op;
use std::collections::BTreeSet;

/// Puts every loop of the top level into a block with the kernels that can run with it.
pub(super) fn in_blocks(graph: &Verified, forms: &Forms, items: Vec<Item>) -> Vec<Item> {
    let mut program = Program::new(graph, forms, items);
    let loops: Vec<(usize, AxisId, Direction)> = (program.items.iter().enumerate())
        .filter_map(|(at, item)| match item {
            Item::Loop {
                axis, direction, ..
            } => Some((at, *axis, *direction)),
            _ => None,
        })
        .collect();
    for (at, axis, _) in &loops {
        program.block_of[*at] = Some(*at);
        // A kernel's readers come after it.
        for kernel in (0..*at).rev() {
            if program.goes_before(kernel, *at, *axis) {
                program.block_of[kernel] = Some(*at);
            }
        }
    }
    for (at, axis, direction) in &loops {
        program.light = (0..program.items.len())
            .all(|item| program.block_of[item] != Some(*at) || !program.multiplies(item));
        for kernel in at + 1..program.items.len() {
            if program.goes_after(kernel, *at, *axis, *direction) {
                program.block_of[kernel] = Some(*at);
            }
        }
    }
    program.gather(&loops)
}

struct Program<'g> {
    graph: &'g Verified,
    items: Vec<Item>,
    /// The item that computes a node.
    home: SideTable<NodeId, Option<usize>>,
    /// What each item reads.
    reads: Vec<Vec<Read>>,
    /// Who reads each item: the reader and how.
    readers: Vec<Vec<(usize, Read)>>,
    /// The loops that an item depends on, itself included.
    loops: Vec<BTreeSet<usize>>,
    /// The loop that an item runs with.
    block_of: Vec<Option<usize>>,
    /// Whether the loop that kernels are put after has no product, in it or before it.
    light: bool,
}

impl<'g> Program<'g> {
    fn new(graph: &'g Verified, forms: &Forms, items: Vec<Item>) -> Self {
        let mut home = SideTable::filled(None, graph.nodes.len());
        for (at, item) in items.iter().enumerate() {
            item.each_node(&mut |id| home[id] = Some(at));
        }
        let mut reads = vec![Vec::new(); items.len()];
        let mut readers = vec![Vec::new(); items.len()];
        for (at, item) in items.iter().enumerate() {
            item.each_node(&mut |id| reads[at].extend(own_reads(graph, forms, id)));
            for read in &reads[at] {
                if let Some(of) = home[read.node].filter(|of| *of != at) {
                    readers[of].push((at, *read));
                }
            }
        }
        let mut loops: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); items.len()];
        for (at, item) in items.iter().enumerate() {
            let mut own = BTreeSet::new();
            for of in reads[at].iter().filter_map(|read| home[read.node]) {
                own.extend(&loops[of]);
            }
            if let Item::Loop { .. } = item {
                own.insert(at);
            }
            loops[at] = own;
        }
        let block_of = vec![None; items.len()];
        Self {
            graph,
            items,
            home,
            reads,
            readers,
            loops,
            block_of,
            light: false,
        }
    }

    fn goes_before(&self, at: usize, block: usize, axis: AxisId) -> bool {
        let Item::Kernel(kernel) = &self.items[at] else {
            return false;
        };
        let readers = &self.readers[at];
        self.block_of[at].is_none()
            && kernel.domain.contains(axis)
            && (readers.iter()).any(|(reader, _)| self.block_of[*reader] == Some(block))
            && readers
                .iter()
                .all(|(reader, read)| match self.block_of[*reader] {
                    Some(of) if of == block => !read.elsewhere().contains(axis),
                    _ => *reader > block && self.may_wait(*reader, block),
                })
    }

    // Whether an item needs the loop, or is one that may as well run behind it.
    fn may_wait(&self, at: usize, block: usize) -> bool {
        let light = matches!(self.items[at], Item::Loop { .. }) && !self.multiplies(at);
        light || self.loops[at].contains(&block)
    }

    fn multiplies(&self, at: usize) -> bool {
        let mut found = false;
        let product = |id: NodeId| matches!(self.graph.nodes[id].op, Op::MatMul(..));
        self.items[at].each_node(&mut |id| found |= product(id));
        found
    }

    fn goes_after(&self, at: usize, block: usize, axis: AxisId, direction: Direction) -> bool {
        let Item::Kernel(kernel) = &self.items[at] else {
            return false;
        };
        if self.block_of[at].is_some()
            || !(kernel.domain.contains(axis) || self.sums_over(kernel, axis))
            || !(self.loops[at].is_subset(&self.loops[block])
                || self.light && self.loops[at].iter().all(|of| *of <= block))
        {
            return false;
        }
        let mut touches = false;
        let known = self.reads[at].iter().all(|read| {
            let Some(of) = self.home[read.node].filter(|of| *of != at) else {
                return true;
            };
            if self.block_of[of] != Some(block) {
                return self.block_of[of].unwrap_or(of) < block;
            }
            touches = true;
            let later = match direction {
                Direction::Forward => read.ahead,
                Direction::Reverse => read.back,
            };
            self.graph.nodes[read.node].ty.domain.contains(axis)
                && !later.union(read.whole).contains(axis)
        });
        known && touches
    }

    fn sums_over(&self, kernel: &Kernel, axis: AxisId) -> bool {
        kernel.nodes.iter().all(|id| {
            matches!(self.graph.nodes[*id].op, Op::AxisReduce { axes, .. } if axes.contains(axis))
        })
    }

    fn gather(self, loops: &[(usize, AxisId, Direction)]) -> Vec<Item> {
        let mut out = Vec::new();
        let mut blocks: Vec<Vec<Item>> = vec![Vec::new(); self.items.len()];
        let mut place: Vec<Option<usize>> = vec![None; self.items.len()];
        for (at, item) in self.items.into_iter().enumerate() {
            match self.block_of[at] {
                Some(block) => {
                    blocks[block].push(item);
                    if block == at {
                        place[block] = Some(out.len());
                        out.push(None);
                    }
                }
                None => out.push(Some(item)),
            }
        }
        let mut number = 0;
        for (at, axis, direction) in loops {
            let mut body = std::mem::take(&mut blocks[*at]);
            let item = match body.len() {
                1 => body.pop(),
                _ => Some(Item::Blocks {
                    number,
                    axis: *axis,
                    direction: *direction,
                    body,
                }),
            };
            number += usize::from(matches!(item, Some(Item::Blocks { .. })));
            if let Some(place) = place[*at] {
                out[place] = item;
            }
        }
        out.into_iter().flatten().collect()
    }
}

// What a node reads; a sum is asked what it adds up, since that it does so for all steps is no obstacle.
pub(super) fn own_reads(graph: &Verified, forms: &Forms, id: NodeId) -> Vec<Read> {
    match graph.nodes[id].op {
        Op::AxisReduce { x, .. } if forms[x] == Form::Inlined => forms.operands(graph, x),
        Op::AxisReduce { x, .. } => forms.reads_of(graph, x),
        _ => forms.operands(graph, id),
    }
}
