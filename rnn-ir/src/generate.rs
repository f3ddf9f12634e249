//! Random surroundings for models, reproducible by seed, and counts of the primitives that models are made of.
//!
//! **Invariant:** everything is a function of the seed.

mod draw;
mod histogram;
mod rows;
mod surroundings;

pub use draw::Draw;
pub use histogram::op_histogram;
pub use rows::{examples, length, poison_padding};
pub use surroundings::{surroundings, token_limits};
