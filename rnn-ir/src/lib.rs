//! Recurrence equations: what a model written in `rnn!` is, from its declaration to a loop program.
//!
//! A [`Graph`](graph::Graph) holds a system of equations over time. It is checked ([`verify`]), printed and parsed
//! ([`text`]), given sizes ([`bind`]), evaluated by definition ([`interp`]), differentiated ([`autodiff`]), simplified
//! ([`passes`]) and scheduled ([`schedule`]) here; nothing in this crate knows a machine.
//!
//! **Invariant:** this crate depends on neither `syn` nor Cranelift, and never sees a size in bytes.

#![forbid(unsafe_code)]

pub mod axis;
pub mod builder;
mod compose;
pub mod dim;
pub mod graph;
pub mod id;
pub mod node;
pub mod op;
pub mod rewrite;
pub mod samples;
pub mod state;
pub mod typing;
