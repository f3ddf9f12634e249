//! Linear models of the pendulum, which the network has to beat.

use ndarray::{Array1, Array2, Array3, ArrayView2, s};

use crate::least_squares::least_squares;
use crate::world::WARM_UP;

/// ARX: what is measured next is linear in the last `n` measurements and torques, `o[t+1] = c + sum_i (A_i o[t-i] + b_i u[t-i])`
/// (Ljung 1999, section 4.2).
pub(crate) struct Arx {
    order: usize,
    /// `[1 + 4 n, 3]`
    weights: Array2<f64>,
}

// 1, then measurements and torques from step `t` back.
fn regressors(order: usize, t: usize, row: impl Fn(usize, usize) -> f64) -> Vec<f64> {
    let mut all = vec![1.0];
    for lag in 0..order {
        all.extend((0..4).map(|channel| row(t - lag, channel)));
    }
    all
}

impl Arx {
    /// Fitted by least squares to one step ahead.
    pub(crate) fn fit(series: &[ArrayView2<'_, f32>], order: usize) -> Option<Self> {
        let (mut x, mut y) = (Vec::new(), Vec::new());
        for own in series {
            for t in order - 1..own.nrows() - 1 {
                x.extend(regressors(order, t, |t, channel| {
                    f64::from(own[[t, channel]])
                }));
                y.extend((0..3).map(|channel| f64::from(own[[t + 1, channel]])));
            }
        }
        let (rows, columns) = (y.len() / 3, 1 + 4 * order);
        let x = Array2::from_shape_vec((rows, columns), x).ok()?;
        let y = Array2::from_shape_vec((rows, 3), y).ok()?;
        let mut weights = Array2::zeros((columns, 3));
        for channel in 0..3 {
            let own: Array1<f64> = least_squares(x.view(), y.column(channel))?;
            weights.column_mut(channel).assign(&own);
        }
        Some(Self { order, weights })
    }

    /// The order up to a warm-up whose forecasts of the validation part are the best.
    pub(crate) fn best(
        training: &[ArrayView2<'_, f32>],
        validation: &Array3<f32>,
        error: impl Fn(&Array3<f32>) -> f64,
    ) -> Option<Self> {
        let fitted = (1..=WARM_UP).filter_map(|order| {
            let own = Self::fit(training, order)?;
            Some((error(&own.forecast(validation)), own))
        });
        let best = fitted.min_by(|a, b| a.0.total_cmp(&b.0));
        best.map(|(_, own)| own)
    }

    /// `n`
    pub(crate) fn order(&self) -> usize {
        self.order
    }

    /// What it forecasts after a warm-up: `[ahead, B, 3]`, of series `[steps, B, 4]`.
    pub(crate) fn forecast(&self, series: &Array3<f32>) -> Array3<f32> {
        let (steps, batch, _) = series.dim();
        let mut all = series.mapv(f64::from);
        for b in 0..batch {
            for t in WARM_UP - 1..steps - 1 {
                let x = regressors(self.order, t, |t, channel| all[[t, b, channel]]);
                let next = Array1::from(x).dot(&self.weights);
                // A forecast that leaves all measure stays a number.
                let next = next.mapv(|own| own.clamp(-1e3, 1e3));
                all.slice_mut(s![t + 1, b, ..3]).assign(&next);
            }
        }
        all.slice(s![WARM_UP.., .., ..3]).mapv(|own| own as f32)
    }
}

/// The last measurement, for all steps.
pub(crate) fn persistence(series: &Array3<f32>) -> Array3<f32> {
    let (steps, batch, _) = series.dim();
    Array3::from_shape_fn((steps - WARM_UP, batch, 3), |(_, b, channel)| {
        series[[WARM_UP - 1, b, channel]]
    })
}
