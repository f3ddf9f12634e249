//! Random models with surroundings to evaluate them in: what compiled code is compared with the interpreter on.
//!
//! A model is a few blocks, one feeding the next: recurrences in both directions with several states, over one axis or
//! two; windows, ends and reductions of a sequence; attention over a second one; a token fed back. Every expression is
//! drawn from all primitives. Values stay tame: each is brought back between about -2 and 2 by a bounded function, and
//! `ln`, `sqrt` and `/` are of arguments that cannot be near zero; so the loss is always finite.
//!
//! **Invariant:** everything is a function of the seed and the settings.

mod blocks;
mod draw;
mod expression;
mod histogram;
mod rows;
mod sketch;
mod surroundings;

pub use draw::Draw;
pub use histogram::op_histogram;
pub use rows::{examples, length, poison_padding};
pub use surroundings::surroundings;

use crate::axis::Extent;
use crate::graph::Verified;
use crate::interp::Env;
use crate::typing::TypeError;
use crate::verify::verify;
use sketch::Sketch;

/// What is drawn from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Sizes of feature axes.
    pub sizes: Vec<usize>,
    /// Lengths of examples.
    pub steps: Vec<usize>,
    /// Sizes of the batch.
    pub batches: Vec<usize>,
    /// One length in so many is zero; none if this is zero.
    pub empty_once_in: usize,
    /// At most so many blocks.
    pub blocks: usize,
}

impl Settings {
    /// Sizes small enough to check every element of a gradient.
    pub fn small() -> Self {
        Self {
            sizes: vec![1, 2, 3, 4, 5],
            steps: vec![1, 2, 3, 7],
            batches: vec![1, 2, 3],
            empty_once_in: 8,
            blocks: 3,
        }
    }

    /// Sizes around those that vector code is written for: one, primes, multiples of 4, 8 and 16, and their neighbours.
    pub fn kernels() -> Self {
        Self {
            sizes: vec![1, 2, 3, 4, 5, 7, 8, 9, 11, 13, 15, 16, 17, 31, 32, 33],
            steps: vec![1, 2, 3, 7],
            batches: vec![1, 3, 4, 5, 8, 9, 17],
            empty_once_in: 8,
            blocks: 4,
        }
    }
}

/// A model with a loss, and surroundings to evaluate it in.
#[derive(Clone, Debug)]
pub struct Generated {
    /// The model; its sizes are constants.
    pub model: Verified,
    /// Inputs, targets, parameters and lengths. The weights of a differentiated model are
    /// [`with_weights`](crate::autodiff::check::with_weights)'s to add.
    pub env: Env,
}

/// The model of a seed.
pub fn generate(seed: u64, settings: &Settings) -> Generated {
    let mut draw = Draw::new(seed);
    let written = Sketch::new(format!("Generated{seed}"), &mut draw, settings)
        .and_then(|sketch| sketch.write(settings));
    let written = written.unwrap_or_else(|error: TypeError| {
        unreachable!("generated models are well typed, seed {seed}: {error}")
    });
    let model = verify(written).unwrap_or_else(|violations| {
        unreachable!("generated models are valid, seed {seed}: {violations:?}")
    });
    let batch = *draw.pick(&settings.batches);
    let mut lengths = Vec::new();
    for (_, axis) in model.axes.iter().filter(|(id, _)| id.is_time()) {
        if let Extent::Length(name) = &axis.extent {
            let mut one = |_| match settings.empty_once_in {
                0 => *draw.pick(&settings.steps),
                times if draw.once_in(times) => 0,
                _ => *draw.pick(&settings.steps),
            };
            lengths.push((name.as_str(), (0..batch).map(&mut one).collect()));
        }
    }
    let env = surroundings(&model, &mut draw, batch, &lengths);
    let env = env.unwrap_or_else(|error| unreachable!("seed {seed}: {error}"));
    Generated { model, env }
}

#[cfg(test)]
mod tests;
