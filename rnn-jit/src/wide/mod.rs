//! Pointwise clusters as machine code of sixteen lanes: one pass over each row, functions inline.
//!
//! Cranelift's vectors have 128 bits. On machines with AVX-512 a cluster whose lines are contiguous is emitted here instead:
//!
//! ```text
//! nodes of a cluster -> Program        straight line of operations, each value once   program.rs
//! tanh, exp, ...     -> Program        the bodies of kernels::math, recorded          record.rs
//! Program            -> order          few values alive                              order.rs
//! Program            -> order          two vectors at once, where one is a long chain pair.rs
//! order              -> instructions   registers, spills                             registers.rs
//! instructions       -> bytes          loops over rows and vectors, one masked tail   emit.rs, encode.rs
//! ```
//!
//! The function is `fn(table, rows, width)` in the calling convention of System V: for each stream the table has the address
//! of its first row and the bytes from a row to the next, filled in by the code that calls ([`crate::lower`]). It reads and
//! writes `width` elements of each row of the streams that are [`Access::Load`] and [`Access::Store`], and one of those that
//! are [`Access::Once`]; it uses no other memory than the table, its constants and less than a page of stack.
//!
//! **Invariant:** a value is computed by the operations that the 128-bit code and the AVX-512 kernels of [`crate::kernels`]
//! compute it with, so that a result does not depend on which of them a cluster was given to. Streams that are written
//! overlap no other stream: loads and stores of a program may be in any order.

mod emit;
mod encode;
mod order;
mod pair;
mod program;
mod record;
mod registers;

pub(crate) use emit::{WORDS_PER_STREAM, compile};
pub(crate) use program::{Access, Binary, Compare, Op, Program, Stream, Unary, Value};

/// Lanes of a vector.
pub(crate) const LANES: usize = 16;

/// A compiled cluster.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    /// Position independent code with its constants behind it.
    pub(crate) bytes: Vec<u8>,
    /// What it computes, for listings.
    pub(crate) program: Program,
}

#[cfg(test)]
mod tests;
