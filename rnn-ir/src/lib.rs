//! Recurrence equations: what a model written in `rnn!` is, from its declaration to a loop program.
//!
//! A [`Graph`](graph::Graph) holds a system of equations over time. It is checked ([`verify`]), printed and parsed
//! ([`text`]), given sizes ([`bind`]), evaluated by definition ([`interp`]), differentiated ([`autodiff`]), simplified
//! ([`passes`]) and scheduled ([`schedule`]) here, and one can ask what kind of recurrence its loops are ([`recurrence`]) and
//! between which numbers a value lies ([`bounds`]); nothing in this crate knows a machine.
//!
//! ```
//! use rnn_ir::autodiff::{Wrt, differentiate};
//! use rnn_ir::{samples, text, textbook, verify::verify};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let model = verify(samples::vanilla()).expect("a sample is valid");
//! let derived = differentiate(&model, &Wrt::params())?; // a system of equations again, with time reversed
//! let lines = textbook::equations(&derived);
//! assert!(lines.contains("d_h[t] = W_hy.T @ d_o[t] + W_hh.T @ d_a[t+1]"));
//! assert!(lines.contains("d_W_hh = sum[t, batch](outer(d_a[t], h[t-1]))"));
//! assert_eq!(text::parse(&text::print(&derived))?, *derived);
//! # Ok(())
//! # }
//! ```
//!
//! **Invariant:** this crate depends on neither `syn` nor Cranelift, and never sees a size in bytes.

#![forbid(unsafe_code)]

pub mod autodiff;
pub mod axis;
pub mod bind;
pub mod bounds;
pub mod builder;
pub mod components;
mod compose;
pub mod decode;
pub mod dim;
pub mod feedback;
pub mod generate;
pub mod graph;
pub mod id;
pub mod interp;
pub mod node;
pub mod normalise;
pub mod op;
pub mod passes;
pub mod random;
pub mod recurrence;
pub mod rewrite;
pub mod samples;
pub mod schedule;
pub mod state;
pub mod text;
pub mod textbook;
pub mod typing;
pub mod verify;
pub mod work;
