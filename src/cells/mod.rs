//! Cells of the literature, each written in [`rnn!`](macro@crate::rnn) as its paper writes it.
//!
//! A model instantiates one with `layer lstm = Lstm<E, H>;`, after `use rnn::cells::Lstm;` or by its path. What is true of
//! them is true of any cell of yours: they have no other way to be compiled.
//!
//! | cell | source |
//! |---|---|
//! | [`Elman`] | Elman 1990 |
//! | [`Lstm`] | Hochreiter & Schmidhuber 1997; Gers, Schmidhuber & Cummins 2000 |
//! | [`Gru`] | Cho et al. 2014: the reset gate is applied before the product |
//! | [`GruResetAfter`] | PyTorch, cuDNN: the reset gate is applied after the product |
//!
//! **Invariant:** a name in an equation is the letter of the paper that the cell cites.

mod elman;
mod gru;
mod lstm;

pub use elman::Elman;
pub use gru::{Gru, GruResetAfter};
pub use lstm::Lstm;
