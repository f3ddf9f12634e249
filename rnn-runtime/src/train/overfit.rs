//! Whether a model can learn one batch by heart.
//!
//! A model that cannot bring the loss of a single batch close to nothing has a bug, a rate that does not fit, or no parameter for the
//! task: cheaper to find out before a long run than after.
//!
//! ```
//! use rnn_runtime::train::overfit::OverfitCheck;
//!
//! let mut x = 1.0;
//! let outcome = OverfitCheck::default().run(|| {
//!     let loss = x * x;
//!     x *= 0.9;
//!     Ok::<_, std::convert::Infallible>(loss)
//! })?;
//! assert!(outcome.passed(), "{outcome}");
//! # Ok::<(), std::convert::Infallible>(())
//! ```
//!
//! **Invariant:** it knows nothing of models: the caller takes the steps, each on the same batch.

use std::fmt;

/// How long it may take, and what is enough.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OverfitCheck {
    /// Steps at most.
    pub steps: usize,
    /// It has passed at a loss of this part of the first loss..
    pub fraction: f64,
    /// ..or at this loss, whichever comes first.
    pub loss: f64,
}

impl Default for OverfitCheck {
    fn default() -> Self {
        Self {
            steps: 300,
            fraction: 0.05,
            loss: 0.0,
        }
    }
}

/// How the loss of the batch went.
#[derive(Clone, Debug, PartialEq)]
pub struct Overfit {
    /// The loss before each step.
    pub losses: Vec<f64>,
    /// How it ended.
    pub end: OverfitEnd,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverfitEnd {
    /// The loss is small enough.
    Learned,
    /// No step changed the loss: nothing is trained, or the gradient is zero.
    Unchanged,
    /// The loss was never below the first: the sign of a step, or the rate.
    Rises,
    /// The loss fell, but not far enough.
    Falls,
    /// The loss was not finite.
    NotFinite,
}

impl OverfitCheck {
    /// Takes steps on one batch: `step` makes one and answers the loss before it.
    ///
    /// # Errors
    /// Those of `step`.
    pub fn run<E>(&self, mut step: impl FnMut() -> Result<f64, E>) -> Result<Overfit, E> {
        let mut losses = Vec::with_capacity(self.steps);
        let mut end = None;
        while losses.len() < self.steps && end.is_none() {
            let loss = step()?;
            losses.push(loss);
            let first = losses[0];
            // Of a first loss that is negative, a part is more.
            let enough = loss <= self.loss || (first > 0.0 && loss <= self.fraction * first);
            end = match loss.is_finite() {
                false => Some(OverfitEnd::NotFinite),
                true => enough.then_some(OverfitEnd::Learned),
            };
        }
        let first = losses.first().copied().unwrap_or(f64::NAN);
        let end = end.unwrap_or_else(|| match &losses {
            losses if losses.iter().all(|loss| *loss == first) => OverfitEnd::Unchanged,
            losses if losses.iter().all(|loss| *loss >= first) => OverfitEnd::Rises,
            _ => OverfitEnd::Falls,
        });
        Ok(Overfit { losses, end })
    }
}

impl Overfit {
    /// Whether the model has learned the batch.
    pub fn passed(&self) -> bool {
        self.end == OverfitEnd::Learned
    }
}

impl fmt::Display for Overfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.losses.first().copied().unwrap_or(f64::NAN);
        let last = self.losses.last().copied().unwrap_or(f64::NAN);
        let steps = self.losses.len();
        write!(
            f,
            "loss of one batch {first:.4e} to {last:.4e} in {steps} steps: "
        )?;
        f.write_str(match self.end {
            OverfitEnd::Learned => "learned by heart",
            OverfitEnd::Unchanged => {
                "it never changes; is the optimiser given the gradients, and does the loss depend on a trained parameter?"
            }
            OverfitEnd::Rises => "it never falls; try a smaller learning rate, and check the sign of the loss",
            OverfitEnd::Falls => {
                "it falls too slowly; try a larger learning rate or more steps, and less dropout, noise and weight decay"
            }
            OverfitEnd::NotFinite => "not finite; try a smaller learning rate, or clip the gradient",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn of(losses: impl FnMut() -> f64) -> Overfit {
        let mut losses = losses;
        let check = OverfitCheck {
            steps: 50,
            ..OverfitCheck::default()
        };
        check
            .run(|| Ok::<_, Infallible>(losses()))
            .unwrap_or_else(|never| match never {})
    }

    #[test]
    fn each_end_is_told_apart() {
        let mut loss = 2.0;
        let learned = of(|| {
            loss *= 0.8;
            loss
        });
        assert_eq!(
            (learned.end, learned.losses.len()),
            (OverfitEnd::Learned, 15)
        );
        assert_eq!(of(|| 2.0).end, OverfitEnd::Unchanged);
        let mut loss = 2.0;
        let rises = of(|| {
            loss += 0.1;
            loss
        });
        assert_eq!((rises.end, rises.losses.len()), (OverfitEnd::Rises, 50));
        assert!(rises.to_string().contains("smaller learning rate"));
        let mut loss = 2.0;
        let falls = of(|| {
            loss -= 0.001;
            loss
        });
        assert_eq!(falls.end, OverfitEnd::Falls);
        let mut loss = 2.0;
        let lost = of(|| {
            loss *= -1e200;
            loss
        });
        // A loss below nothing has passed: it is a log-density.
        assert_eq!(lost.end, OverfitEnd::Learned);
        assert_eq!(of(|| f64::NAN).end, OverfitEnd::NotFinite);
        assert_eq!(
            OverfitCheck::default().run(|| Err::<f64, _>("no data")),
            Err("no data")
        );
    }
}
