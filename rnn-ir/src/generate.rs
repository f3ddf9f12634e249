//! Random models and surroundings.
mod draw;
mod histogram;
mod surroundings;

pub use draw::Draw;
pub use histogram::op_histogram;
pub use surroundings::surroundings;
