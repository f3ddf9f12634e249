//! What a step of each loop over time touches: its working set, for choosing how many examples run through it together.
//!
//! **Invariant:** every slot that a step reads or writes counts once. The answer depends on the program and the steps of a call alone
//! and not on the machine, since sums over examples are added up by how these are divided.

use super::{Owner, SlotId, Storage};
use rnn_ir::axis::{AxisId, Domain};
use rnn_ir::id::Id;
use rnn_ir::node::NodeId;
use rnn_ir::op::Op;
use rnn_ir::schedule::{Item, Schedule};
use std::collections::BTreeMap;

/// Elements of a second cache of 2 MiB.
const CACHE: usize = (2 << 20) / super::ELEMENT;

/// Fewest examples that are worth their weights: a tile of the product kernels has as many rows.
const LEAST: usize = 6;

/// The elements that a step of one loop touches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Working {
    /// The axis of the loop.
    axis: AxisId,
    /// Of what all examples share: packed weights, parameters.
    shared: usize,
    /// Of each example: elements of a row, and the axes over which the step sees all rows, such as those of a memory.
    rows: BTreeMap<Domain, usize>,
}

impl Working {
    // Elements of each example, given the steps of each time axis.
    fn of_example(&self, steps: &[usize]) -> usize {
        let of = |(axes, row): (&Domain, &usize)| {
            let steps = axes.time_axes().map(|axis| steps[axis.index() - 1]);
            steps.fold(*row, usize::saturating_mul)
        };
        self.rows.iter().map(of).fold(0, usize::saturating_add)
    }

    // How many examples have no more than a quarter of the cache. Where what they share does not stay in half of it, every step
    // reads that anew: then so many that it is no more than what is theirs. Sums over examples that each part writes once are no
    // more than what its steps touch.
    fn examples(&self, steps: &[usize], sums: usize) -> usize {
        let own = self.of_example(steps).max(1);
        let mut fit = (CACHE / 4 / own).max(LEAST);
        if self.shared > CACHE / 2 {
            fit = fit.max(self.shared.div_ceil(own));
        }
        let all = own.saturating_mul(steps[self.axis.index() - 1].max(1));
        fit.max(sums.div_ceil(all))
    }
}

impl Storage {
    /// How many examples may run through all loops of a program together so that what a step touches of them stays in the
    /// second cache, beside weights and what is computed for blocks of steps; given the steps of each time axis, and the elements of
    /// what is summed over examples and written for each part of them, such as gradients.
    #[must_use]
    pub fn examples_in_cache(&self, steps: &[usize], sums: usize) -> usize {
        let of = |working: &Working| working.examples(steps, sums);
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
        let (mut shared, mut packed) = (0, Vec::new());
        // Each slot with the axes of which all steps are seen.
        let mut slots: BTreeMap<SlotId, Domain> = BTreeMap::new();
        let mut touch = |id: NodeId, one: Domain| {
            if let Some(place) = self.places[id] {
                let axes = self.slots[place.slot].stored.without(axis).minus(one);
                let seen = slots.entry(place.slot).or_default();
                *seen = seen.union(axes);
            }
        };
        for id in item.nodes() {
            touch(id, Domain::NONE);
            // Of a packed product, its vectors: what is made of the weights is read instead of them.
            let mut weights: Vec<NodeId> = Vec::new();
            if let Some(own) = &self.weights[id] {
                if !packed.contains(&own.packed) {
                    packed.push(own.packed);
                    shared += own.m * own.k;
                }
                weights.extend(own.blocks.iter().map(|block| block.source));
            }
            let summed = match schedule.graph.nodes[id].op {
                Op::AxisReduce { axes, .. } => axes,
                _ => Domain::NONE,
            };
            for read in self.reads(schedule, id) {
                if !weights.contains(&read.node) {
                    // One step of the other axes, such as the last of an encoder.
                    touch(read.node, read.whole.minus(summed));
                }
            }
        }
        let mut rows: BTreeMap<Domain, usize> = BTreeMap::new();
        for (id, axes) in slots {
            let slot = &self.slots[id];
            if matches!(slot.owner, Owner::Zeros | Owner::Scratch) {
                continue;
            }
            if !slot.stored.contains(AxisId::BATCH) {
                shared += slot.row;
                continue;
            }
            // The step before left its own row beside.
            let row = match slot.stored.contains(axis) {
                true => 2 * slot.row,
                false => slot.row,
            };
            *rows.entry(axes).or_default() += row;
        }
        Working { axis, shared, rows }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attention(row: usize, shared: usize) -> Working {
        let own = Domain::BATCH;
        Working {
            axis: AxisId::from_index(1),
            shared,
            rows: [(own, 64), (own.with(AxisId::from_index(2)), row)].into(),
        }
    }

    #[test]
    fn few_examples_with_a_long_memory_fit_and_many_with_a_short_one() {
        let working = attention(128, 1 << 16);
        assert_eq!(working.examples(&[7, 100], 0), (1 << 17) / 12_864);
        assert_eq!(working.examples(&[900, 10], 0), (1 << 17) / 1344);
        assert_eq!(working.examples(&[7, 10_000], 0), LEAST);
    }

    #[test]
    fn weights_that_do_not_stay_are_shared_by_as_many_as_weigh_as_much() {
        let working = attention(256, 600_000);
        assert_eq!(working.examples(&[7, 100], 0), 24);
    }

    #[test]
    fn gradients_are_no_more_than_what_steps_touch() {
        let working = attention(128, 1 << 16);
        assert_eq!(working.examples(&[7, 100], 7 * 12_864 * 20), 20);
    }
}
