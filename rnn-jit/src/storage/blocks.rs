//! Blocks of steps: which values do not outlive theirs, and how many steps one has.
//!
//! **Invariant:** what is stored for one block is read in that block alone, at the step that it was computed for, or by a sum
//! that grows from block to block.

use super::{ELEMENT, SlotId, Storage};
use rnn_ir::axis::{AxisId, Domain};
use rnn_ir::id::SideTable;
use rnn_ir::node::NodeId;
use rnn_ir::op::Op;
use rnn_ir::schedule::{Item, Schedule};

/// Blocks of steps of the program.
#[derive(Clone, Debug)]
pub struct Blocks {
    /// The axis that they divide.
    pub axis: AxisId,
    /// Most elements that items of a block hand on at one time, for each row: an example at a step.
    pub row: usize,
    /// Elements of the packed weights that each block reads as a whole.
    pub weights: usize,
    /// Steps in a block, where they are not left to the caches.
    pub fixed: Option<usize>,
    /// Whether they divide segments of the axis.
    pub in_segments: bool,
}

impl Blocks {
    /// Steps in a block for a number of examples, of steps, and of steps in a segment of the axis.
    ///
    /// What a block hands on takes a quarter of the second cache, beside the weights of the loop and what the steps
    /// leave behind. Weights that do not fit into it are read anew for each block, and want all steps at once.
    pub fn steps(&self, batch: usize, steps: usize, segment: usize) -> usize {
        let steps = match self.in_segments {
            true => steps.min(segment),
            false => steps,
        };
        if let Some(fixed) = self.fixed {
            return fixed.clamp(1, steps.max(1));
        }
        let cache = crate::kernels::second_cache() / ELEMENT;
        if self.weights > cache {
            return steps.max(1);
        }
        let rows = cache / 4 / self.row.max(1);
        (rows / batch.max(1)).clamp(1, steps.max(1))
    }
}

impl Storage {
    // The blocks of steps that all readers of some members are in, each reading only what its own block computed.
    pub(super) fn one_block(
        &self,
        schedule: &Schedule,
        stored: Domain,
        members: &[NodeId],
    ) -> Option<usize> {
        let block = self.sites[*members.first()?].as_ref()?.block?;
        let axis = self.blocks[block].axis;
        let inside = |id: &NodeId| {
            self.sites[*id]
                .as_ref()
                .is_some_and(|site| site.block == Some(block))
        };
        let local = stored.contains(axis)
            && members.iter().all(|member| {
                inside(member)
                    && schedule
                        .graph
                        .results
                        .iter()
                        .all(|result| result.node != *member)
                    && self.readers[*member].iter().all(|(reader, read)| {
                        // A sum reads all steps, one block after the other.
                        let summed = match schedule.graph.nodes[*reader].op {
                            Op::AxisReduce { axes, .. } => axes,
                            _ => Domain::NONE,
                        };
                        let elsewhere = read.back.union(read.ahead).union(read.whole.minus(summed));
                        inside(reader) && !elsewhere.contains(axis)
                    })
            });
        local.then_some(block)
    }

    /// The first item of its blocks that writes a slot and the last that reads it, for slots that store one block.
    pub(crate) fn inside_blocks(
        &self,
        schedule: &Schedule,
    ) -> SideTable<SlotId, Option<(usize, usize)>> {
        let mut out: SideTable<SlotId, Option<(usize, usize)>> =
            SideTable::filled(None, self.slots.len());
        for id in schedule.graph.nodes.ids() {
            let (Some(place), Some(site)) = (self.places[id], &self.sites[id]) else {
                continue;
            };
            if self.slots[place.slot].block.is_none() {
                continue;
            }
            let readers = self.readers[id].iter();
            let readers = readers.filter_map(|(reader, _)| self.sites[*reader].as_ref());
            for item in readers.chain([site]).map(|site| site.inside) {
                let span = out[place.slot].get_or_insert((item, item));
                *span = (span.0.min(item), span.1.max(item));
            }
        }
        out
    }

    pub(super) fn measure_blocks(&mut self, schedule: &Schedule) {
        let inside = self.inside_blocks(schedule);
        let (blocks, slots) = (&mut self.blocks, &self.slots);
        for (number, block) in blocks.iter_mut().enumerate() {
            let own = (slots.iter()).filter(|(_, slot)| slot.block == Some(number));
            let spans: Vec<(usize, usize, usize)> = own
                .filter_map(|(id, slot)| inside[id].map(|(first, last)| (first, last, slot.row)))
                .collect();
            // Most is in use where some value begins.
            let at = |item| -> usize {
                let live =
                    (spans.iter()).filter(|(first, last, _)| (*first..=*last).contains(&item));
                live.map(|(.., row)| row).sum()
            };
            block.row = spans
                .iter()
                .map(|(first, ..)| at(*first))
                .max()
                .unwrap_or(0);
        }
        for id in schedule.graph.nodes.ids() {
            let (Some(weights), Some(site)) = (&self.weights[id], &self.sites[id]) else {
                continue;
            };
            if let (Some(block), true) = (site.block, site.loops.is_empty()) {
                self.blocks[block].weights += weights.m * weights.k;
            }
        }
    }
}

pub(super) fn blocks(schedule: &Schedule) -> Vec<Blocks> {
    fn collect(items: &[Item], out: &mut Vec<(usize, Blocks)>) {
        for item in items {
            match item {
                Item::Blocks { number, axis, .. } => out.push((
                    *number,
                    Blocks {
                        axis: *axis,
                        row: 0,
                        weights: 0,
                        fixed: None,
                        in_segments: false,
                    },
                )),
                Item::Segments { axis, body, .. } => {
                    let mut inner = Vec::new();
                    collect(body, &mut inner);
                    for (_, blocks) in &mut inner {
                        blocks.in_segments = blocks.axis == *axis;
                    }
                    out.append(&mut inner);
                }
                Item::Fork(branches) => branches.iter().for_each(|items| collect(items, out)),
                Item::Loop { .. } | Item::Kernel(_) => {}
            }
        }
    }
    let mut out = Vec::new();
    collect(&schedule.items, &mut out);
    out.sort_by_key(|(number, _)| *number);
    out.into_iter().map(|(_, blocks)| blocks).collect()
}
