//! Microkernels that compiled code calls by address: packed products, weight gradients, mathematical functions, row kernels.
//!
//! Cranelift emits 128-bit vectors; these reach the width of the machine. Each kernel is one generic body over a vector of
//! lanes, instantiated for every [`Isa`] as an `extern "C"` function whose parameters are pointers and `usize`, so that a call
//! needs no more than a signature of 64-bit integers. [`Kernel`] is the closed table of addresses; the free functions of the
//! submodules are the same kernels behind checked slices.
//!
//! All matrices are `f32`, row-major with strides in elements (not bytes). Flags are `0` or `1`.
//!
//! No kernel reads or writes a float outside the operands it documents, not even to ignore it: the last elements go through
//! masked loads and stores. So a plan gives a slot exactly what it holds, and `edges` runs every kernel between inaccessible
//! pages.
//!
//! **Invariant:** the value of an output element depends on its own operands and the length of its reduction alone, never on
//! the number of rows in the call, its row, or its alignment. A streaming step is bit-equal to the same row of a batch.

mod cache;
mod contract;
mod dot;
#[cfg(test)]
mod edges;
#[cfg(test)]
pub(crate) mod guard;
mod isa;
pub(crate) mod lap;
pub mod math;
mod outer;
mod pack;
mod product;
mod rows;
mod steps;
mod strided;
mod table;
pub(crate) mod vector;

pub use cache::second_cache;
pub use contract::{Contraction, batched_matvec, contract, outer_rows};
pub use isa::{ISA_VARIABLE, Isa};
pub use math::{Function, map};
pub use outer::outer_accumulate;
pub use pack::{Block, PACKED_ALIGNMENT, pack, packed_len, panel_width};
pub use product::product;
pub use rows::{RowReduction, argmax, column_sum, reduce_rows, softmax};
pub use steps::Steps;
pub use table::Kernel;

/// Floats covered by `rows` rows of `width` floats every `stride`, or `None` if that exceeds `usize`.
fn span(rows: usize, stride: usize, width: usize) -> Option<usize> {
    match rows.checked_sub(1) {
        Some(last) if width > 0 => last.checked_mul(stride)?.checked_add(width),
        _ => Some(0),
    }
}
