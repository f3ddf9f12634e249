//! Channels on one scale.
//!
//! ```text
//! z = (x - shift) / scale          x = z scale + shift
//! ```
//!
//! for each channel. It is fitted to the training part alone, since what the test part looks like is not known when a model is
//! used.
//!
//! **Invariant:** every scale is positive and finite; a channel that does not vary has the scale 1, so it becomes constant.

use std::fmt;
use std::str::FromStr;

use ndarray::{ArrayView2, ArrayViewMut, Axis, RemoveAxis};

use crate::error::{DataError, StateTextError};

/// The shift and the scale of each channel. Channels are the last axis of arrays.
///
/// Its text form, `shift:scale` for each channel, keeps every bit, for the metadata of a checkpoint.
///
/// ```
/// use ndarray::array;
/// use rnn_runtime::data::Scaler;
///
/// let training = array![[1.0, 20.0], [3.0, 40.0]];
/// let scaler = Scaler::standard(&[training.view()])?;
/// let mut test = array![[5.0, 30.0]];
/// scaler.apply(test.view_mut())?;
/// assert_eq!(test, array![[3.0, 0.0]]);
/// scaler.invert(test.view_mut())?;
/// assert_eq!(test, array![[5.0, 30.0]]);
/// # Ok::<(), rnn_runtime::error::DataError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Scaler {
    shift: Vec<f32>,
    scale: Vec<f32>,
}

impl Scaler {
    /// Mean 0 and standard deviation 1 (of all steps, not a sample of them) over series `[T, channels]`.
    ///
    /// # Errors
    /// As the others: [`DataError`] for no steps, for series with different channels, and for values that are not finite.
    pub fn standard(series: &[ArrayView2<'_, f32>]) -> Result<Self, DataError> {
        Self::fit(series, |values| {
            let count = values.len() as f64;
            let mean = values.iter().map(|own| f64::from(*own)).sum::<f64>() / count;
            let square = |own: &f32| (f64::from(*own) - mean).powi(2);
            let variance = values.iter().map(square).sum::<f64>() / count;
            (mean, variance.sqrt())
        })
    }

    /// The least value of each channel becomes `low` and the greatest `high`.
    ///
    /// # Errors
    /// As [`Scaler::standard`], and [`DataError::Range`] unless `low` is less than `high` and both are finite.
    pub fn min_max(series: &[ArrayView2<'_, f32>], low: f32, high: f32) -> Result<Self, DataError> {
        if !(low < high && low.is_finite() && high.is_finite()) {
            return Err(DataError::Range { low, high });
        }
        Self::fit(series, |values| {
            let of = |pick: fn(f32, f32) -> f32| values.iter().copied().fold(values[0], pick);
            let (least, most) = (f64::from(of(f32::min)), f64::from(of(f32::max)));
            // low = (least - shift) / scale
            let scale = (most - least) / (f64::from(high) - f64::from(low));
            let unit = if scale > 0.0 { scale } else { 1.0 };
            (least - f64::from(low) * unit, scale)
        })
    }

    /// The median becomes 0, and the quartiles are 1 apart: outliers count little. Quartiles are interpolated linearly.
    ///
    /// # Errors
    /// As [`Scaler::standard`].
    pub fn robust(series: &[ArrayView2<'_, f32>]) -> Result<Self, DataError> {
        Self::fit(series, |values| {
            values.sort_unstable_by(f32::total_cmp);
            let quantile = |share: f64| {
                let place = share * (values.len() - 1) as f64;
                let (below, part) = (place.floor() as usize, place.fract());
                let at = |index: usize| f64::from(values[index.min(values.len() - 1)]);
                at(below) + part * (at(below + 1) - at(below))
            };
            (quantile(0.5), quantile(0.75) - quantile(0.25))
        })
    }

    fn fit(
        series: &[ArrayView2<'_, f32>],
        of: impl Fn(&mut [f32]) -> (f64, f64),
    ) -> Result<Self, DataError> {
        let steps: usize = series.iter().map(ArrayView2::nrows).sum();
        let channels = match series.first() {
            Some(first) if steps > 0 => first.ncols(),
            _ => return Err(DataError::NothingToFit),
        };
        let mut fitted = Self {
            shift: Vec::with_capacity(channels),
            scale: Vec::with_capacity(channels),
        };
        let mut values = Vec::with_capacity(steps);
        for channel in 0..channels {
            values.clear();
            for (at, own) in series.iter().enumerate() {
                if own.ncols() != channels {
                    return Err(DataError::Channels {
                        series: at,
                        expected: channels,
                        found: own.ncols(),
                    });
                }
                for (step, value) in own.column(channel).iter().enumerate() {
                    if !value.is_finite() {
                        return Err(DataError::NotFinite {
                            series: at,
                            step,
                            channel,
                            value: *value,
                        });
                    }
                    values.push(*value);
                }
            }
            let (shift, scale) = of(&mut values);
            let scale = scale as f32;
            fitted.shift.push(shift as f32);
            let usable = scale.is_normal() && scale > 0.0;
            fitted.scale.push(if usable { scale } else { 1.0 });
        }
        Ok(fitted)
    }

    /// Number of channels.
    pub fn channels(&self) -> usize {
        self.shift.len()
    }

    /// What is subtracted from each channel.
    pub fn shift(&self) -> &[f32] {
        &self.shift
    }

    /// What each channel is divided by then.
    pub fn scale(&self) -> &[f32] {
        &self.scale
    }

    /// The scaler of one channel alone, for predictions of it.
    pub fn channel(&self, channel: usize) -> Option<Self> {
        Some(Self {
            shift: vec![*self.shift.get(channel)?],
            scale: vec![*self.scale.get(channel)?],
        })
    }

    /// Brings values `[.., channels]` to the common scale.
    ///
    /// # Errors
    /// [`DataError::Channels`] when the last axis is of another size.
    pub fn apply<D: RemoveAxis>(&self, values: ArrayViewMut<'_, f32, D>) -> Result<(), DataError> {
        self.each(values, |value, shift, scale| (value - shift) / scale)
    }

    /// Brings values `[.., channels]` back to their own scales.
    ///
    /// # Errors
    /// [`DataError::Channels`] when the last axis is of another size.
    pub fn invert<D: RemoveAxis>(&self, values: ArrayViewMut<'_, f32, D>) -> Result<(), DataError> {
        self.each(values, |value, shift, scale| value * scale + shift)
    }

    fn each<D: RemoveAxis>(
        &self,
        mut values: ArrayViewMut<'_, f32, D>,
        of: impl Fn(f32, f32, f32) -> f32,
    ) -> Result<(), DataError> {
        let last = values.ndim().checked_sub(1).map(Axis);
        let found = last.map_or(0, |last| values.len_of(last));
        let Some(last) = last.filter(|_| found == self.channels()) else {
            return Err(DataError::Channels {
                series: 0,
                expected: self.channels(),
                found,
            });
        };
        let pairs = self.shift.iter().zip(&self.scale);
        for (mut channel, (shift, scale)) in values.axis_iter_mut(last).zip(pairs) {
            channel.mapv_inplace(|value| of(value, *shift, *scale));
        }
        Ok(())
    }
}

impl fmt::Display for Scaler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (shift, scale)) in self.shift.iter().zip(&self.scale).enumerate() {
            let apart = if at == 0 { "" } else { " " };
            // The shortest text that reads back as the same number.
            write!(f, "{apart}{shift:?}:{scale:?}")?;
        }
        Ok(())
    }
}

impl FromStr for Scaler {
    type Err = StateTextError;

    fn from_str(text: &str) -> Result<Self, StateTextError> {
        let bad = || StateTextError::new("scaler, `shift:scale` for each channel", text);
        let (mut shift, mut scale) = (Vec::new(), Vec::new());
        for channel in text.split_whitespace() {
            let (own, unit) = channel.split_once(':').ok_or_else(bad)?;
            let number = |text: &str| text.parse::<f32>().ok().filter(|own| own.is_finite());
            shift.push(number(own).ok_or_else(bad)?);
            let unit = number(unit).filter(|unit| *unit > 0.0);
            scale.push(unit.ok_or_else(bad)?);
        }
        Ok(Self { shift, scale })
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array2, Array3, array};
    use proptest::prelude::*;

    use super::*;

    /// Two roundings of `2^-24` relative to the values, which are below a hundred.
    const TOLERANCE: f32 = 2e-5;

    fn near(a: &[f32], b: &[f32]) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < TOLERANCE)
    }

    /// Expected values are `mean_`, `scale_` of scikit-learn's `StandardScaler`, `data_min_` and `data_range_` of its
    /// `MinMaxScaler`, `center_` and `scale_` of its `RobustScaler`, for the same columns.
    #[test]
    fn scalers_are_those_of_scikit_learn() {
        let (head, tail) = (
            array![[1.0, -2.0, 5.0], [2.0, 0.5, 5.0]],
            array![[4.0, 10.0, 5.0], [9.0, 3.0, 5.0], [30.0, 1.0, 5.0]],
        );
        let series = [head.view(), tail.view()];
        let standard = Scaler::standard(&series).unwrap();
        assert!(near(standard.shift(), &[9.2, 2.5, 5.0]));
        assert!(near(standard.scale(), &[10.759_182, 4.074_31, 1.0]));
        for (low, high) in [
            (1.0, 1.0),
            (1.0, 0.0),
            (f32::NAN, 1.0),
            (0.0, f32::INFINITY),
        ] {
            let error = Scaler::min_max(&series, low, high).unwrap_err();
            assert!(matches!(error, DataError::Range { .. }), "{error}");
        }
        let range = Scaler::min_max(&series, 0.0, 1.0).unwrap();
        assert_eq!(range.shift(), [1.0, -2.0, 5.0]);
        assert_eq!(range.scale(), [29.0, 12.0, 1.0]);
        let robust = Scaler::robust(&series).unwrap();
        assert_eq!(robust.shift(), [4.0, 1.0, 5.0]);
        assert_eq!(robust.scale(), [7.0, 2.5, 1.0]);
    }

    #[test]
    fn the_ends_become_the_ends() {
        let values = array![[-3.0_f32, 7.0], [5.0, 7.0], [1.0, 7.0]];
        let scaler = Scaler::min_max(&[values.view()], -1.0, 1.0).unwrap();
        let mut scaled = values.clone();
        scaler.apply(scaled.view_mut()).unwrap();
        assert_eq!(scaled, array![[-1.0, -1.0], [1.0, -1.0], [0.0, -1.0]]);
    }

    #[test]
    fn channels_are_the_last_axis() {
        let scaler: Scaler = "1.0:2.0 0.0:4.0".parse().unwrap();
        let mut batch = Array3::from_elem((3, 2, 2), 5.0_f32);
        scaler.apply(batch.view_mut()).unwrap();
        assert!(
            batch
                .lanes(Axis(2))
                .into_iter()
                .all(|own| own == array![2.0, 1.25])
        );
        let mut one = Array1::from_elem(3, 0.0_f32);
        let error = scaler.apply(one.view_mut()).unwrap_err();
        assert_eq!(
            error,
            DataError::Channels {
                series: 0,
                expected: 2,
                found: 3
            }
        );
        let second = scaler.channel(1).unwrap();
        assert_eq!((second.shift(), second.scale()), (&[0.0][..], &[4.0][..]));
        assert_eq!(scaler.channel(2), None);
    }

    #[test]
    fn what_cannot_be_fitted_is_named() {
        let none = Array2::<f32>::zeros((0, 2));
        assert_eq!(
            Scaler::standard(&[none.view()]),
            Err(DataError::NothingToFit)
        );
        assert_eq!(Scaler::robust(&[]), Err(DataError::NothingToFit));
        let (good, gap) = (array![[1.0, 2.0]], array![[1.0, 2.0], [3.0, f32::NAN]]);
        let error = Scaler::standard(&[good.view(), gap.view()]).unwrap_err();
        let said = "channel 1 has the value NaN at step 1 of series 1, expected finite numbers";
        assert!(error.to_string().starts_with(said), "{error}");
        let other = array![[1.0]];
        let error = Scaler::standard(&[good.view(), other.view()]).unwrap_err();
        assert!(matches!(
            error,
            DataError::Channels {
                series: 1,
                expected: 2,
                found: 1
            }
        ));
    }

    proptest! {
        #[test]
        fn inverting_gives_the_values_back_and_text_the_scaler(values in prop::collection::vec(-1e3_f32..1e3, 2..40)) {
            let series = Array2::from_shape_vec((values.len() / 2, 2), values[..values.len() / 2 * 2].to_vec()).unwrap();
            for scaler in [
                Scaler::standard(&[series.view()]).unwrap(),
                Scaler::min_max(&[series.view()], -2.0, 3.0).unwrap(),
                Scaler::robust(&[series.view()]).unwrap(),
            ] {
                let again: Scaler = scaler.to_string().parse().unwrap();
                prop_assert_eq!(&again, &scaler);
                let mut own = series.clone();
                scaler.apply(own.view_mut()).unwrap();
                scaler.invert(own.view_mut()).unwrap();
                for (a, b) in own.iter().zip(&series) {
                    // A few roundings of the shift and of the value.
                    prop_assert!((a - b).abs() < 1e-3, "{} {}", a, b);
                }
            }
        }
    }

    #[test]
    fn texts_that_are_no_scaler_are_refused() {
        for bad in ["1", "1:", "1:0", "1:-2", "nan:1", "1:inf", "1:2 x"] {
            assert!(bad.parse::<Scaler>().is_err(), "{bad}");
        }
    }
}
