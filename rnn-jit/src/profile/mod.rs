//! Where the time of a program goes: one meter per kernel, and what a kernel has to do.
//!
//! A program compiled with [`JitOptions::profile`](crate::JitOptions::profile) ends a lap after each of its kernels, on the
//! counters of the workspace it runs in; so times are those of the caller's own calls, on whatever thread. How many operations
//! and bytes a kernel has to do follows from the shape of a call ([`work`]), and costs nothing while it runs.
//!
//! **Invariant:** every lap of a program belongs to one meter, so that the times of all meters are the time of the whole.

mod meters;
mod work;

pub(crate) use meters::{Meters, Task};
pub(crate) use work::{Extents, work_of};

use std::fmt;
use std::ops::AddAssign;
use std::time::Duration;

/// What a meter measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A product of matrices or with a vector.
    Product,
    /// A sum of outer products.
    WeightGradient,
    /// An outer product that is kept.
    Outer,
    /// A cluster of pointwise equations.
    Pointwise,
    /// A sum, a maximum or a softmax, over features or axes.
    Reduction,
    /// Entries of tables: read, written or added to.
    Gather,
    /// Values put side by side.
    Join,
    /// Weights brought into the order in which products read them.
    Packing,
    /// Inputs checked and brought into order.
    CopyIn,
    /// Results brought to the caller.
    CopyOut,
    /// What is around: calls, shapes, memory plans.
    Rest,
}

impl Kind {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Product => "product",
            Self::WeightGradient => "weight gradient",
            Self::Outer => "outer",
            Self::Pointwise => "pointwise",
            Self::Reduction => "reduction",
            Self::Gather => "gather",
            Self::Join => "join",
            Self::Packing => "packing",
            Self::CopyIn => "copy in",
            Self::CopyOut => "copy out",
            Self::Rest => "rest",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What surrounds a program's kernels, as far as the caller's code does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Inputs.
    CopyIn,
    /// Results.
    CopyOut,
    /// Anything else.
    Rest,
}

/// What a kernel has to do, by the shapes of its operands: not what the machine makes of it.
///
/// An operand that varies over the rows of a call counts once per row, one that does not (weights, biases) once per call;
/// constants, and what stays in registers inside a cluster, do not count. A sum that grows counts as read and written once
/// per call. Elements have four bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Operations, two a multiply-add, of products and outer products; others have none.
    pub flops: u64,
    /// Bytes read.
    pub read: u64,
    /// Bytes written.
    pub written: u64,
}

impl Work {
    pub(crate) fn times(self, calls: u64) -> Self {
        Self {
            flops: self.flops.saturating_mul(calls),
            read: self.read.saturating_mul(calls),
            written: self.written.saturating_mul(calls),
        }
    }
}

impl AddAssign for Work {
    fn add_assign(&mut self, more: Self) {
        self.flops = self.flops.saturating_add(more.flops);
        self.read = self.read.saturating_add(more.read);
        self.written = self.written.saturating_add(more.written);
    }
}

/// What a meter has measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// What it measures, by the names of the equations: as [`Schedule::label`](rnn_ir::schedule::Schedule::label).
    pub name: String,
    /// What kind of work that is.
    pub kind: Kind,
    /// How often it was done: a kernel inside a loop over time once a step, one that maps all steps once a call or a block.
    pub calls: u64,
    /// How long that took, without the clock's own time.
    pub time: Duration,
    /// What had to be done.
    pub work: Work,
}

/// What all meters of a program have measured, in some workspaces.
#[derive(Clone, Debug, PartialEq)]
pub struct Laps {
    /// One per meter, in program order.
    pub meters: Vec<Measured>,
    /// How often the clock was read.
    pub readings: u64,
    /// What one reading takes, which was subtracted from the meters.
    pub reading: Duration,
}
