//! What kind of recurrence each loop is: linear or not, which units of the state it mixes, and whether it can be run back.
//!
//! ```text
//! h[t] = f[t] * h[t-1] + (1 - f[t]) * z[t]       linear, diagonal, invertible: f[t] > 0
//! x[t] = A @ x[t-1] + B @ u[t]                   linear, dense: A @ x[t-1]
//! h[t] = tanh(W @ x[t] + U @ h[t-1] + b)         nonlinear: tanh(..), dense: U @ h[t-1]
//! ```
//!
//! A loop over time takes the values of the step before, its *states*, to their next values. Everything else that it reads,
//! of inputs, parameters and other loops, is given. Of that map one asks:
//!
//! - *Is it affine in the states* ([`linearity`]), with coefficients that do not read them? Then steps need not wait for each
//!   other: affine maps compose, so a scan gives all states in a logarithmic number of rounds (Blelloch 1990; Martin & Cundy
//!   2018). The same holds over other semirings: `logsumexp` and `+`, as in the forward algorithm of Markov models, `max` and
//!   `+`, as in Viterbi's.
//! - *Which units does it mix* ([`structure`])? Where each unit of a state depends on its own past alone, a step costs as much
//!   as the state is large; a product costs the square of it.
//! - *Can the step before be computed from the step after* ([`inverse`])? Then the states need not be stored for the backward
//!   pass (Gomez et al. 2017; MacKay et al. 2018; Rusch & Mishra 2021, "UnICORNN").
//!
//! [`transition`] is the map itself, as a graph: its derivatives are the Jacobians that the answers are about.
//!
//! The answers are facts about the equations as they are written, for all values of inputs and parameters. Where one cannot
//! be proved from the equations it is the weaker one.
//!
//! **Invariant:** *linear*, *diagonal* and *invertible* are proofs; *nonlinear*, *dense* and *not invertible* name the
//! operation at which the proof stops.

pub mod check;
mod cut;
mod inverse;
mod linearity;
mod loops;
mod report;
mod structure;
mod transition;

#[cfg(test)]
mod tests;

pub use inverse::{Inverse, Stop};
pub use linearity::{Linearity, Semiring};
pub use loops::{Loop, State};
pub use report::{report, verdict};
pub use structure::Structure;
pub use transition::{TransitionError, transition};

use crate::graph::Verified;

/// A loop over time with what is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Recurrence {
    /// The loop.
    pub cycle: Loop,
    /// Whether the step is affine in the states.
    pub linearity: Linearity,
    /// Which units of the states it mixes.
    pub structure: Structure,
    /// Whether it can be run back.
    pub inverse: Inverse,
}

/// The loops of a model, in an order of evaluation; a loop inside another follows it.
pub fn recurrences(graph: &Verified) -> Vec<Recurrence> {
    let loops = loops::loops(graph).into_iter();
    loops
        .map(|cycle| Recurrence {
            linearity: linearity::linearity(graph, &cycle),
            structure: structure::structure(graph, &cycle),
            inverse: inverse::inverse(graph, &cycle),
            cycle,
        })
        .collect()
}
