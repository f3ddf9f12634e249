//! Errors of real predictions.
//!
//! ```text
//! MSE  = mean (y - f)^2        RMSE = sqrt(MSE)        MAE = mean |y - f|
//! MASE = MAE / mean over the training series of |y_t - y_{t-m}|
//! ```
//!
//! MASE (Hyndman & Koehler 2006, eq. 6; seasonal with `m > 1`) is below 1 where the forecast is better than saying what came one
//! season before, and is free of the unit of the series.
//!
//! **Invariant:** every number weighs the same, whatever the batches they came in.

use ndarray::{ArrayView, ArrayView3, Dimension};

use crate::error::DataError;

/// Squares and absolute values of errors, added up.
///
/// ```
/// use rnn_runtime::metrics::Errors;
///
/// let mut errors = Errors::default();
/// errors.add(&[2.5, 0.0, 2.0, 8.0], &[3.0, -0.5, 2.0, 7.0]);
/// assert_eq!((errors.mse(), errors.mae()), (Some(0.375), Some(0.5)));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Errors {
    squares: f64,
    absolutes: f64,
    count: u64,
}

impl Errors {
    /// Counts predictions against what came, of which the shorter decides.
    pub fn add(&mut self, predicted: &[f32], expected: &[f32]) {
        for (predicted, expected) in predicted.iter().zip(expected) {
            self.add_one(*predicted, *expected);
        }
    }

    /// Counts two arrays of one shape, in whatever order they lie in memory.
    ///
    /// # Errors
    /// [`DataError::Shapes`] when the shapes differ; nothing is counted then.
    pub fn add_array<D: Dimension>(
        &mut self,
        predicted: ArrayView<'_, f32, D>,
        expected: ArrayView<'_, f32, D>,
    ) -> Result<(), DataError> {
        if predicted.shape() != expected.shape() {
            return Err(DataError::Shapes {
                predicted: predicted.shape().to_vec(),
                expected: expected.shape().to_vec(),
            });
        }
        for (predicted, expected) in predicted.iter().zip(&expected) {
            self.add_one(*predicted, *expected);
        }
        Ok(())
    }

    /// Counts a batch `[T, B, F]`, where row `b` ends after `lengths[b]` steps.
    ///
    /// Steps, rows and lengths beyond the smallest of the three are not counted.
    pub fn add_batch(
        &mut self,
        predicted: ArrayView3<'_, f32>,
        expected: ArrayView3<'_, f32>,
        lengths: &[usize],
    ) {
        for (t, (predicted, expected)) in predicted
            .outer_iter()
            .zip(expected.outer_iter())
            .enumerate()
        {
            let rows = predicted.outer_iter().zip(expected.outer_iter());
            for ((predicted, expected), length) in rows.zip(lengths) {
                if t < *length {
                    for (predicted, expected) in predicted.iter().zip(&expected) {
                        self.add_one(*predicted, *expected);
                    }
                }
            }
        }
    }

    fn add_one(&mut self, predicted: f32, expected: f32) {
        let error = f64::from(predicted) - f64::from(expected);
        self.squares += error * error;
        self.absolutes += error.abs();
        self.count += 1;
    }

    /// Numbers so far.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The mean squared error; `None` when there are no numbers, as for the others.
    pub fn mse(&self) -> Option<f64> {
        self.mean(self.squares)
    }

    /// The root of the mean squared error.
    pub fn rmse(&self) -> Option<f64> {
        self.mse().map(f64::sqrt)
    }

    /// The mean absolute error.
    pub fn mae(&self) -> Option<f64> {
        self.mean(self.absolutes)
    }

    fn mean(&self, sum: f64) -> Option<f64> {
        (self.count > 0).then(|| sum / self.count as f64)
    }
}

/// The scale of MASE: the mean absolute error, on the training series, of saying what came one season before.
///
/// ```
/// use rnn_runtime::metrics::{Errors, Mase};
///
/// let scale = Mase::new(&[1.0, 3.0, 2.0, 4.0], 1)?;
/// let mut errors = Errors::default();
/// errors.add(&[4.5, 4.0], &[5.0, 3.0]);
/// assert_eq!(scale.of(&errors), Some(0.75 / (5.0 / 3.0)));
/// # Ok::<(), rnn_runtime::error::DataError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mase {
    scale: f64,
}

impl Mase {
    /// The scale of a training series with a season of `season` steps; 1 for a series without one.
    ///
    /// # Errors
    /// [`DataError::Season`] unless `0 < season < training.len()` and the series has two seasons that differ.
    pub fn new(training: &[f32], season: usize) -> Result<Self, DataError> {
        let of = |scale| DataError::Season {
            season,
            steps: training.len(),
            scale,
        };
        if season == 0 || season >= training.len() {
            return Err(of(0.0));
        }
        let pairs = training.iter().zip(&training[season..]);
        let sum: f64 = pairs
            .map(|(before, now)| (f64::from(*now) - f64::from(*before)).abs())
            .sum();
        let scale = sum / (training.len() - season) as f64;
        if scale > 0.0 && scale.is_finite() {
            Ok(Self { scale })
        } else {
            Err(of(scale))
        }
    }

    /// What the errors are divided by.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// The mean absolute scaled error; `None` when there are no numbers.
    pub fn of(&self, errors: &Errors) -> Option<f64> {
        errors.mae().map(|mae| mae / self.scale)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;

    #[test]
    fn errors_are_those_of_the_definitions() {
        // scikit-learn's own example of `mean_squared_error` and `mean_absolute_error`.
        let mut errors = Errors::default();
        errors.add(&[2.5, 0.0, 2.0, 8.0], &[3.0, -0.5, 2.0, 7.0]);
        assert_eq!(errors.mse(), Some(0.375));
        assert_eq!(errors.rmse(), Some(0.375_f64.sqrt()));
        assert_eq!((errors.mae(), errors.count()), (Some(0.5), 4));
        assert_eq!(Errors::default().mse(), None);
    }

    #[test]
    fn padding_is_not_counted() {
        let predicted = Array3::from_shape_fn((3, 2, 2), |(t, b, f)| (t + 2 * b + f) as f32);
        let expected = Array3::zeros((3, 2, 2));
        let (mut batch, mut own) = (Errors::default(), Errors::default());
        batch.add_batch(predicted.view(), expected.view(), &[1, 3]);
        own.add(&[0.0, 1.0, 2.0, 3.0, 3.0, 4.0, 4.0, 5.0], &[0.0; 8]);
        assert_eq!(batch, own);
        let mut whole = Errors::default();
        let other = expected.slice_axis(ndarray::Axis(0), (1..).into());
        assert!(whole.add_array(predicted.view(), other).is_err());
        assert_eq!(whole, Errors::default());
        whole.add_array(predicted.view(), expected.view()).unwrap();
        assert_eq!(whole.count(), 12);
    }

    /// Of the first two years of the airline passengers (Box & Jenkins 1976, series G) the seasonal naive forecast errs by the
    /// mean of twelve differences, which add up to 165, and the one of a season of a step by that of 23, which add up to 306.
    #[test]
    fn the_scale_is_the_error_of_the_seasonal_naive_forecast() {
        let passengers = [
            112, 118, 132, 129, 121, 135, 148, 148, 136, 119, 104, 118, 115, 126, 141, 135, 125,
            149, 170, 170, 158, 133, 114, 140,
        ];
        let passengers = passengers.map(|own: u16| f32::from(own));
        let season = Mase::new(&passengers, 12).unwrap();
        assert_eq!(
            season.scale(),
            f64::from(passengers[12..].iter().sum::<f32>() - passengers[..12].iter().sum::<f32>())
                / 12.0
        );
        // The naive forecast itself has an error of 1.
        let mut naive = Errors::default();
        naive.add(&passengers[..12], &passengers[12..]);
        assert_eq!(season.of(&naive), Some(1.0));
        assert!(Mase::new(&passengers, 1).unwrap().scale() > season.scale() - 1.0);
    }

    #[test]
    fn a_series_without_a_scale_is_refused() {
        for (series, season) in [
            (&[1.0, 2.0][..], 0),
            (&[1.0, 2.0], 2),
            (&[3.0, 3.0, 3.0], 1),
            (&[1.0, f32::NAN], 1),
        ] {
            assert!(matches!(
                Mase::new(series, season),
                Err(DataError::Season { .. })
            ));
        }
    }
}
