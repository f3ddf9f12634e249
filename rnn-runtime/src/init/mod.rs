//! First values of parameters.
//!
//! [`Init`] names the distributions and parses them from the text the IR holds; [`draw`] makes one tensor, and
//! [`initialize`] all of a model.
//!
//! **Invariant:** each tensor draws from its own stream, keyed by (seed, `init`, tensor name), see [`crate::rng`]:
//! adding, removing or reordering tensors never changes the draw of another.

mod draw;
mod scheme;
mod spectrum;

pub use draw::{draw, initialize};
pub use scheme::Init;
