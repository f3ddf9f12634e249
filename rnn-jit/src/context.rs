//! What compiled code is called with: one array of 64-bit words.
//!
//! | words | content |
//! |---|---|
//! | 0 | examples in the batch |
//! | 1 | examples that inputs have at a step: more, where the call is of a part of a larger batch |
//! | 5 per time axis | steps; address of the live rows per step (`u32`); address of the lengths per row (`u32`); 1 when every example is as long as the axis; steps in a segment |
//! | 1 per slot | its address |
//! | 1 per run of blocks | steps in a block |
//! | 1 if it is profiled | address of the counters |
//!
//! **Invariant:** the emitter and the caller take offsets from [`Layout`] alone.

use crate::storage::{SlotId, Storage};
use rnn_ir::axis::AxisId;
use rnn_ir::graph::Graph;
use rnn_ir::id::Id;

const WORD: usize = 8;
/// Words before those of the axes.
const HEAD: usize = 2;
const WORDS_PER_AXIS: usize = 5;

/// Offsets into the context.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    axes: usize,
    slots: usize,
    blocks: usize,
}

impl Layout {
    pub(crate) fn new(graph: &Graph, storage: &Storage) -> Self {
        Self {
            axes: graph.axes.len(),
            slots: storage.slots.len(),
            blocks: storage.blocks.len(),
        }
    }
    fn bytes(word: usize) -> i32 {
        i32::try_from(word * WORD).expect("a context is far below two gibibytes")
    }
    fn axis_word(axis: AxisId) -> usize {
        HEAD + (axis.index() - 1) * WORDS_PER_AXIS
    }
    fn slot_word(self, slot: SlotId) -> usize {
        HEAD + (self.axes - 1) * WORDS_PER_AXIS + slot.index()
    }
    fn block_word(self, at: usize) -> usize {
        HEAD + (self.axes - 1) * WORDS_PER_AXIS + self.slots + at
    }
    fn counters_word(self) -> usize {
        self.block_word(0) + self.blocks
    }
    /// Words in a context; the last is there for profiled programs alone.
    pub(crate) fn words(self, profiled: bool) -> usize {
        self.counters_word() + usize::from(profiled)
    }
    /// Address of the counters.
    pub(crate) fn counters(self) -> i32 {
        Self::bytes(self.counters_word())
    }
    /// Writes the address of the counters.
    pub(crate) fn set_counters(self, words: &mut [u64], address: u64) {
        words[self.counters_word()] = address;
    }
    /// Examples in the batch.
    pub(crate) fn batch(self) -> i32 {
        0
    }
    /// Examples that inputs have at a step.
    pub(crate) fn given(self) -> i32 {
        Self::bytes(1)
    }
    /// Writes how many examples there are in the batch.
    pub(crate) fn set_batch(self, words: &mut [u64], batch: u64) {
        words[0] = batch;
    }
    /// Writes how many examples inputs have at a step.
    pub(crate) fn set_given(self, words: &mut [u64], examples: u64) {
        words[1] = examples;
    }
    /// Steps of an axis.
    pub(crate) fn steps(self, axis: AxisId) -> i32 {
        Self::bytes(Self::axis_word(axis))
    }
    /// Address of the live rows per step.
    pub(crate) fn live(self, axis: AxisId) -> i32 {
        Self::bytes(Self::axis_word(axis) + 1)
    }
    /// Address of the lengths per row.
    pub(crate) fn lengths(self, axis: AxisId) -> i32 {
        Self::bytes(Self::axis_word(axis) + 2)
    }
    /// Whether every example is as long as the axis.
    pub(crate) fn full(self, axis: AxisId) -> i32 {
        Self::bytes(Self::axis_word(axis) + 3)
    }
    /// Steps in a segment of an axis.
    pub(crate) fn segment(self, axis: AxisId) -> i32 {
        Self::bytes(Self::axis_word(axis) + 4)
    }
    /// Address of a slot.
    pub(crate) fn slot(self, slot: SlotId) -> i32 {
        Self::bytes(self.slot_word(slot))
    }
    /// Steps in a block.
    pub(crate) fn block(self, at: usize) -> i32 {
        Self::bytes(self.block_word(at))
    }
    /// Writes the steps in a block.
    pub(crate) fn set_block(self, words: &mut [u64], at: usize, steps: u64) {
        words[self.block_word(at)] = steps;
    }
    /// Writes what is known of an axis.
    pub(crate) fn set_axis(self, words: &mut [u64], axis: AxisId, values: [u64; WORDS_PER_AXIS]) {
        let at = Self::axis_word(axis);
        words[at..at + WORDS_PER_AXIS].copy_from_slice(&values);
    }
    /// Writes the address of a slot.
    pub(crate) fn set_slot(self, words: &mut [u64], slot: SlotId, address: u64) {
        words[self.slot_word(slot)] = address;
    }
}
