//! First values of parameters.
//!
//! [`scheme`] names the distributions and parses them from the text the IR holds; [`draw`] fills tensors; [`spectrum`]
//! has the schemes that need linear algebra.
//!
//! **Invariant:** each tensor draws from its own stream, keyed by (seed, `init`, tensor name), see [`crate::rng`]:
//! adding, removing or reordering tensors never changes the draw of another.

mod draw;
mod scheme;
mod spectrum;

pub use draw::{draw, initialize};
pub use scheme::Init;
