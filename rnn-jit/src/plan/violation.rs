//! What can be wrong with a memory plan.

use crate::storage::SlotId;
use rnn_ir::axis::AxisId;
use rnn_ir::node::NodeId;

/// A value that is lost before it is read, or memory that is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanViolation {
    /// Another slot's data is found where a value is read.
    #[error("{reader} reads {slot} at byte {at}, where {found} was written")]
    Overwritten {
        /// The node that reads; for a result, the result.
        reader: NodeId,
        /// The slot that it reads.
        slot: SlotId,
        /// The byte of the arena.
        at: usize,
        /// Who wrote there last, if anyone.
        found: String,
    },
    /// A value is read before the program has computed it.
    #[error("{reader} reads {value} before it is written")]
    Unwritten {
        /// The node that reads; for a result, the result.
        reader: NodeId,
        /// What it reads.
        value: NodeId,
    },
    /// A kernel writes where it still reads.
    #[error("{writer} writes {slot} over {operand}, which its kernel reads")]
    Clobbered {
        /// A node of the kernel.
        writer: NodeId,
        /// Where it writes.
        slot: SlotId,
        /// The slot that the kernel reads.
        operand: SlotId,
    },
    /// Another step of an axis is read, and the slot keeps one step only.
    #[error(
        "{reader} reads other steps of {value} along {axis}, expected {slot} to store the axis"
    )]
    Forgotten {
        /// The node that reads.
        reader: NodeId,
        /// What it reads.
        value: NodeId,
        /// The slot of the value.
        slot: SlotId,
        /// The axis.
        axis: AxisId,
    },
    /// Two values share features of a slot.
    #[error("{first} and {second} share features of {slot}")]
    Shared {
        /// The slot.
        slot: SlotId,
        /// One of them.
        first: NodeId,
        /// The other.
        second: NodeId,
    },
    /// A value does not fit into a row of its slot.
    #[error("{value} ends at element {end} of a row of {row} in {slot}")]
    PastRow {
        /// The slot.
        slot: SlotId,
        /// The value.
        value: NodeId,
        /// Its end.
        end: usize,
        /// Elements of a row.
        row: usize,
    },
    /// Two branches of a fork, which may run at the same time, meet.
    #[error("one branch of a fork writes {written} at byte {at}, where another has {other}")]
    Raced {
        /// The slot that a branch writes.
        written: SlotId,
        /// The slot that another branch reads or writes.
        other: SlotId,
        /// The byte of the arena.
        at: usize,
    },
    /// A branch reads what another computes.
    #[error("{reader} reads {value}, which another branch of its fork computes")]
    Beside {
        /// The node that reads.
        reader: NodeId,
        /// What it reads.
        value: NodeId,
    },
    /// Branches of a fork have tiles in one place.
    #[error("{branches} branches of a fork have {tiles} slots for tiles")]
    Tiles {
        /// Branches.
        branches: usize,
        /// Slots.
        tiles: usize,
    },
    /// A slot that is written has no place in the arena.
    #[error("{slot} is written by {writer} and has no place")]
    Unplaced {
        /// The slot.
        slot: SlotId,
        /// The node that writes it.
        writer: NodeId,
    },
    /// A slot does not begin at a line of memory.
    #[error(
        "{slot} begins at byte {start}, expected a multiple of {}",
        super::ALIGNMENT
    )]
    Misaligned {
        /// The slot.
        slot: SlotId,
        /// Where it begins.
        start: usize,
    },
    /// A segment has fewer steps than are copied to the next.
    #[error("a segment has {steps} steps, expected at least the {needed} that {slot} hands on")]
    ShortSegment {
        /// The slot of one segment.
        slot: SlotId,
        /// Steps in a segment.
        steps: usize,
        /// Steps that are copied.
        needed: usize,
    },
    /// A slot is smaller than what is written to it.
    #[error("{slot} has {bytes} bytes, expected {needed}")]
    TooSmall {
        /// The slot.
        slot: SlotId,
        /// Its bytes.
        bytes: usize,
        /// The bytes of what it holds.
        needed: usize,
    },
    /// A slot ends past the end of the arena.
    #[error("{slot} ends at byte {end} of an arena of {total}")]
    Outside {
        /// The slot.
        slot: SlotId,
        /// Its end.
        end: usize,
        /// Size of the arena.
        total: usize,
    },
}
