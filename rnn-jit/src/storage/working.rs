//! What a step of each loop over time touches: its working set, for choosing how many examples run through it together.
//!
//! **Invariant:** every slot that a step reads or writes counts once.

use super::{Owner, SlotId, Storage};
use rnn_ir::axis::{AxisId, Domain};
use rnn_ir::id::Id;
use rnn_ir::node::NodeId;
use rnn_ir::schedule::{Item, Schedule};

/// Fewest examples that are worth their weights: a tile of the product kernels has as many rows.
const LEAST: usize = 6;

/// The elements that a step of one loop touches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Working {
    /// Of what all examples share: packed weights, parameters.
    shared: usize,
    /// Of each example: elements of a row, and the axes over which the step sees all rows, such as those of a memory.
    rows: Vec<(Domain, usize)>,
}

impl Working {
    // Elements of each example, given the steps of each time axis.
    fn of_example(&self, steps: &[usize]) -> usize {
        let of = |(axes, row): &(Domain, usize)| {
            let steps = axes.time_axes().map(|axis| steps[axis.index() - 1]);
            steps.fold(*row, usize::saturating_mul)
        };
        self.rows.iter().map(of).fold(0, usize::saturating_add)
    }

    // How many examples have no more than a quarter of a cache of so many elements. Where what they share does not stay in half
    // of it, every step reads that anew, and there are as many as it is shared by to be read no more often than what is theirs.
    fn examples_in(&self, cache: usize, steps: &[usize]) -> usize {
        let own = self.of_example(steps).max(1);
        let fit = (cache / 4 / own).max(LEAST);
        match self.shared > cache / 2 {
            true => fit.max(self.shared / own),
            false => fit,
        }
    }
}

impl Storage {
    /// How many examples may run through all loops of a program together so that what a step touches of them stays in the
    /// second cache, beside weights and what is computed for blocks of steps, given the steps of each time axis.
    #[must_use]
    pub fn examples_in_cache(&self, steps: &[usize]) -> usize {
        let cache = crate::kernels::second_cache() / super::ELEMENT;
        let of = |working: &Working| working.examples_in(cache, steps);
        self.working.iter().map(of).min().unwrap_or(usize::MAX)
    }

    pub(super) fn measure_steps(&mut self, schedule: &Schedule) {
        let mut all = Vec::new();
        for item in &schedule.items {
            self.each_loop(schedule, item, &mut all);
        }
        self.working = all;
    }

    // Of the outermost loops alone: what is in a loop is part of its step.
    fn each_loop(&self, schedule: &Schedule, item: &Item, out: &mut Vec<Working>) {
        match item {
            Item::Loop { axis, .. } => out.push(self.step_of(schedule, *axis, item)),
            _ => (item.inside()).for_each(|item| self.each_loop(schedule, item, out)),
        }
    }

    fn step_of(&self, schedule: &Schedule, axis: AxisId, item: &Item) -> Working {
        let mut touched: Vec<NodeId> = Vec::new();
        let mut working = Working::default();
        let mut packed: Vec<usize> = Vec::new();
        for id in item.nodes() {
            touched.push(id);
            match &self.weights[id] {
                // Of a packed product, its vectors: what it makes of the weights is read instead of them.
                Some(weights) => {
                    if !packed.contains(&weights.packed) {
                        packed.push(weights.packed);
                        working.shared += weights.m * weights.k;
                    }
                    let sources = weights.blocks.iter().map(|block| block.source);
                    let sources: Vec<NodeId> = sources.collect();
                    let reads = self.reads(schedule, id).into_iter().map(|read| read.node);
                    touched.extend(reads.filter(|node| !sources.contains(node)));
                }
                None => touched.extend(self.reads(schedule, id).into_iter().map(|read| read.node)),
            }
        }
        let mut slots: Vec<SlotId> = (touched.into_iter())
            .filter_map(|id| self.places[id].map(|place| place.slot))
            .collect();
        slots.sort_unstable();
        slots.dedup();
        for id in slots {
            let slot = &self.slots[id];
            if matches!(slot.owner, Owner::Zeros | Owner::Scratch) {
                continue;
            }
            if !slot.stored.contains(AxisId::BATCH) {
                working.shared += slot.row;
                continue;
            }
            let axes = slot.stored.without(axis);
            // The step before left its own row beside.
            let row = match slot.stored.contains(axis) {
                true => 2 * slot.row,
                false => slot.row,
            };
            match (working.rows.iter_mut()).find(|(known, _)| *known == axes) {
                Some((_, known)) => *known += row,
                None => working.rows.push((axes, row)),
            }
        }
        working
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attention(row: usize, shared: usize) -> Working {
        let own = Domain::BATCH;
        Working {
            shared,
            rows: vec![(own, 64), (own.with(AxisId::from_index(2)), row)],
        }
    }

    #[test]
    fn few_examples_with_a_long_memory_fit_and_many_with_a_short_one() {
        let cache = 1 << 19;
        let working = attention(128, 1 << 16);
        assert_eq!(working.examples_in(cache, &[7, 100]), (1 << 17) / 12_864);
        assert_eq!(working.examples_in(cache, &[900, 10]), (1 << 17) / 1344);
        assert_eq!(working.examples_in(cache, &[7, 10_000]), LEAST);
    }

    #[test]
    fn weights_that_do_not_stay_are_shared_by_as_many_as_weigh_as_much() {
        let cache = 1 << 19;
        let working = attention(256, 600_000);
        assert_eq!(working.examples_in(cache, &[7, 100]), 600_000 / 25_664);
    }
}
