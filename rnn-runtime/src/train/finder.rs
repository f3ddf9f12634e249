//! The range test of learning rates (Smith 2017, "Cyclical learning rates for training neural networks", section 3.3).
//!
//! The rate grows from step to step, by a constant factor, and the loss is noted. Where it falls fastest, over the logarithm of the
//! rate, is a rate to train with; where it rises again is too large.
//!
//! ```
//! use rnn_runtime::train::finder::RateFinder;
//!
//! // Gradient descent on a parabola, which diverges for rates above 1.
//! let mut x = 1.0;
//! let found = RateFinder::default().run(|rate| {
//!     let loss = x * x;
//!     x -= rate * 2.0 * x;
//!     Ok::<_, std::convert::Infallible>(loss)
//! })?;
//! let rate = found.suggestion().expect("the loss falls");
//! assert!((1e-3..1.0).contains(&rate));
//! # Ok::<(), std::convert::Infallible>(())
//! ```
//!
//! **Invariant:** it knows nothing of models: the caller takes the steps, on a copy of the parameters.

use crate::plot::Panel;

/// Which rates are tried, and when it is enough.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateFinder {
    /// The smallest rate.
    pub from: f64,
    /// The largest rate.
    pub to: f64,
    /// Steps from the smallest to the largest, both included; two at least.
    pub steps: usize,
    /// How much of the smoothed loss before is in the next: `s = beta s' + (1 - beta) loss`, corrected for its start.
    pub smoothing: f64,
    /// The test ends at a smoothed loss of so many times the smallest.
    pub diverged: f64,
}

impl Default for RateFinder {
    fn default() -> Self {
        Self {
            from: 1e-7,
            to: 10.0,
            steps: 100,
            smoothing: 0.9,
            diverged: 4.0,
        }
    }
}

/// What a rate has come to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TriedRate {
    /// The rate.
    pub rate: f64,
    /// The loss before the step at this rate.
    pub loss: f64,
    /// The loss, smoothed.
    pub smoothed: f64,
}

/// The rates that were tried, from the smallest on.
#[derive(Clone, Debug, PartialEq)]
pub struct RateCurve {
    /// What each has come to, up to the last one whose loss is finite.
    pub tried: Vec<TriedRate>,
    /// Whether the test ended early, because the loss grew or was not finite.
    pub diverged: bool,
}

impl RateFinder {
    /// Takes steps with growing rates: `step` makes one and answers the loss before it.
    ///
    /// Steps change parameters: give it a copy, and a new optimiser.
    ///
    /// # Errors
    /// Those of `step`.
    pub fn run<E>(&self, mut step: impl FnMut(f64) -> Result<f64, E>) -> Result<RateCurve, E> {
        let steps = self.steps.max(2);
        let growth = (self.to / self.from).powf(1.0 / (steps - 1) as f64);
        let mut curve = RateCurve {
            tried: Vec::with_capacity(steps),
            diverged: false,
        };
        let (mut average, mut left, mut smallest) = (0.0, 1.0, f64::INFINITY);
        for at in 0..steps {
            let rate = self.from * growth.powf(at as f64);
            let loss = step(rate)?;
            average = self.smoothing * average + (1.0 - self.smoothing) * loss;
            left *= self.smoothing;
            let smoothed = average / (1.0 - left);
            if !loss.is_finite() || (at > 0 && smoothed > self.diverged * smallest) {
                curve.diverged = true;
                break;
            }
            smallest = smallest.min(smoothed);
            curve.tried.push(TriedRate {
                rate,
                loss,
                smoothed,
            });
        }
        Ok(curve)
    }
}

impl RateCurve {
    /// The rate at which the smoothed loss falls fastest, before its smallest value; `None` where it never falls.
    pub fn suggestion(&self) -> Option<f64> {
        let smallest = (self.tried.iter().enumerate())
            .min_by(|a, b| a.1.smoothed.total_cmp(&b.1.smoothed))
            .map(|(at, _)| at)?;
        let slopes = self.tried[..=smallest].windows(2).map(|pair| {
            let way = pair[1].rate.ln() - pair[0].rate.ln();
            (pair[0].rate, (pair[1].smoothed - pair[0].smoothed) / way)
        });
        let steepest = slopes.min_by(|a, b| a.1.total_cmp(&b.1))?;
        (steepest.1 < 0.0).then_some(steepest.0)
    }

    /// The curve, to be drawn by [`plot::curves`](crate::plot::curves).
    pub fn panel(&self) -> Panel {
        let points = |value: fn(&TriedRate) -> f64| -> Vec<(f64, f64)> {
            let tried = self.tried.iter();
            tried
                .map(|tried| (tried.rate.log10(), value(tried)))
                .collect()
        };
        Panel::new("loss by learning rate", "log10 of the learning rate")
            .background("loss", points(|tried| tried.loss))
            .points("smoothed", points(|tried| tried.smoothed))
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn descend(curvature: f64, finder: RateFinder) -> RateCurve {
        let mut x = 1.0;
        let found = finder.run(|rate| {
            let loss = 0.5 * curvature * x * x;
            x -= rate * curvature * x;
            Ok::<_, Infallible>(loss)
        });
        found.unwrap_or_else(|never| match never {})
    }

    // Gradient descent on `c x^2 / 2` converges for rates below `2 / c`.
    #[test]
    fn the_suggestion_scales_with_the_curvature_and_is_stable() {
        for curvature in [1.0, 10.0, 1000.0] {
            let curve = descend(curvature, RateFinder::default());
            let rate = curve.suggestion().unwrap();
            assert!(
                rate < 2.0 / curvature && rate > 1e-3 / curvature,
                "{curvature}: {rate}"
            );
        }
        assert!(descend(1000.0, RateFinder::default()).diverged);
        assert!(!descend(1e-3, RateFinder::default()).diverged);
    }

    #[test]
    fn rates_grow_from_the_first_to_the_last_by_a_factor() {
        let finder = RateFinder {
            from: 1e-4,
            to: 1e-1,
            steps: 4,
            ..RateFinder::default()
        };
        let mut rates = Vec::new();
        let curve = finder.run(|rate| {
            rates.push(rate);
            Ok::<_, Infallible>(1.0)
        });
        let curve = curve.unwrap_or_else(|never| match never {});
        for (rate, expected) in rates.iter().zip([1e-4, 1e-3, 1e-2, 1e-1]) {
            assert!((rate / expected - 1.0).abs() < 1e-9, "{rate}");
        }
        // A constant loss is smoothed to itself, and never falls.
        assert!(
            curve
                .tried
                .iter()
                .all(|tried| (tried.smoothed - 1.0).abs() < 1e-12)
        );
        assert_eq!(curve.suggestion(), None);
    }

    #[test]
    fn a_loss_that_is_not_finite_ends_the_test_and_errors_pass() {
        let mut count = 0;
        let curve = RateFinder::default().run(|_| {
            count += 1;
            Ok::<_, Infallible>(if count < 5 { 1.0 } else { f64::NAN })
        });
        let curve = curve.unwrap_or_else(|never| match never {});
        assert_eq!((curve.tried.len(), curve.diverged, count), (4, true, 5));
        assert_eq!(
            RateFinder::default().run(|_| Err("no data")),
            Err("no data")
        );
    }
}
