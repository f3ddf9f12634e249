//! Gradients against central differences: of every primitive, of the textbook cells, of every sample, of the gradients
//! themselves, and of generated models.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod cells;
mod duality;
mod primitives;
mod samples;
mod second;
mod ties;
