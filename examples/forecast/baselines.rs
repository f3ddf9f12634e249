//! Forecasts that a network has to beat.

use ndarray::{Array1, Array2};

use crate::least_squares::least_squares;

/// The last value, as often as is asked for.
pub(crate) fn naive(known: &[f32], horizon: usize) -> Vec<f32> {
    vec![known.last().copied().unwrap_or(0.0); horizon]
}

/// What came a season before.
pub(crate) fn seasonal_naive(known: &[f32], period: usize) -> Vec<f32> {
    known[known.len() - period..].to_vec()
}

/// `x_t = c + a_1 x_{t-1} + .. + a_p x_{t-p} + e_t`
#[derive(Clone, Debug)]
pub(crate) struct Autoregression {
    /// `c`, then `a_1` to `a_p`.
    weights: Array1<f64>,
}

impl Autoregression {
    /// Fitted by least squares, of the order up to `most` that has the least AIC, `n ln(RSS / n) + 2 (p + 2)` (Akaike 1974).
    ///
    /// All orders are fitted to the same `n` steps, those that have `most` before them, so that their criteria compare; the order that is
    /// chosen is fitted to all steps that it can be.
    pub(crate) fn fit(series: &[f32], most: usize) -> Option<Self> {
        let mut best: Option<(f64, usize)> = None;
        for order in 0..=most {
            let (weights, x, y) = Self::solve(series, order, most)?;
            let rest = &y - x.dot(&weights);
            let n = y.len() as f64;
            let criterion = n * (rest.dot(&rest) / n).ln() + 2.0 * (order + 2) as f64;
            if best.is_none_or(|(least, _)| criterion < least) {
                best = Some((criterion, order));
            }
        }
        let (_, order) = best?;
        let (weights, ..) = Self::solve(series, order, order)?;
        Some(Self { weights })
    }

    fn solve(
        series: &[f32],
        order: usize,
        skipped: usize,
    ) -> Option<(Array1<f64>, Array2<f64>, Array1<f64>)> {
        let rows = series.len().checked_sub(skipped)?;
        let x = Array2::from_shape_fn((rows, order + 1), |(row, lag)| match lag {
            0 => 1.0,
            lag => f64::from(series[skipped + row - lag]),
        });
        let y: Array1<f64> = series[skipped..].iter().copied().map(f64::from).collect();
        Some((least_squares(x.view(), y.view())?, x, y))
    }

    /// `p`
    pub(crate) fn order(&self) -> usize {
        self.weights.len() - 1
    }

    /// What comes after `known`, each step from those forecast before.
    pub(crate) fn forecast(&self, known: &[f32], horizon: usize) -> Vec<f32> {
        let mut values: Vec<f64> = known.iter().copied().map(f64::from).collect();
        for _ in 0..horizon {
            let lags = values.iter().rev();
            let weighted = self.weights.iter().skip(1).zip(lags);
            values.push(self.weights[0] + weighted.map(|(a, x)| a * x).sum::<f64>());
        }
        let values = values[known.len()..].iter();
        values.map(|value| *value as f32).collect()
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;

    #[test]
    fn an_autoregression_is_found_again() {
        // x_t = 1 + 0.5 x_{t-1} - 0.3 x_{t-2} + e_t
        let mut rng = rnn::rng::stream(1, "errors", "");
        let mut series = vec![0.0_f32, 1.0];
        for step in 2..2000 {
            let next = 1.0 + 0.5 * series[step - 1] - 0.3 * series[step - 2];
            series.push(next + rng.random_range(-0.2..0.2_f32));
        }
        let fitted = Autoregression::fit(&series, 6).unwrap();
        assert!(fitted.order() >= 2, "{fitted:?}");
        for (found, own) in fitted.weights.iter().zip([1.0, 0.5, -0.3]) {
            assert!((found - own).abs() < 0.15, "{fitted:?}");
        }
        // Far ahead, the mean: 1 / (1 - 0.5 + 0.3).
        let far = fitted.forecast(&series, 100)[99];
        assert!((far - 1.25).abs() < 0.02, "{far}");
    }
}
