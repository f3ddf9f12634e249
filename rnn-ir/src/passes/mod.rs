//! Passes: each takes a graph and makes another one with the same results.
//!
//! **Invariant:** a pass is stateless, keeps the value and the type of every result, and never makes a model slower.
//! All of them are in [`ALL`]; [`FORWARD`] runs before differentiation, [`BACKWARD`] after it.

pub mod counts;
pub mod cycles;
pub mod fuse_gates;
pub mod lift_shifts;
pub mod local;
pub mod order;
pub mod prune;
pub mod share;
pub mod simplify;
pub mod sink_transposes;
pub mod split_concat;
pub mod unroll;
pub mod weights;
