//! Windows over series.
//!
//! ```text
//! inputs     x[s .. s + steps]
//! following  x[s + steps .. s + steps + horizon]      what comes after the window
//! shifted    x[s + horizon .. s + horizon + steps]    what comes `horizon` steps after each of its steps
//! ```
//!
//! for starts `s = 0, stride, 2 stride, ..`.
//!
//! **Invariant:** a window and what follows it lie within one series, so nothing is predicted across series, nor from a training
//! part into a test part that is cut off before.

use ndarray::{Array3, ArrayView2, Axis, Slice};

use crate::error::DataError;

/// Which parts of a set of series are examples. An example is a position, as samplers give them.
///
/// ```
/// use ndarray::Array2;
/// use rnn_runtime::data::Windows;
///
/// let series = Array2::from_shape_fn((10, 1), |(t, _)| t as f32);
/// let windows = Windows::new(&[series.nrows()], 4)?.horizon(2)?.stride(3)?;
/// assert_eq!(windows.len(), 2);
/// let (x, y) = (windows.inputs(&[series.view()], &[1])?, windows.following(&[series.view()], &[1])?);
/// assert_eq!((x.iter().collect::<Vec<_>>(), y.iter().collect::<Vec<_>>()), (vec![&3.0, &4.0, &5.0, &6.0], vec![&7.0, &8.0]));
/// # Ok::<(), rnn_runtime::error::DataError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Windows {
    lengths: Vec<usize>,
    steps: usize,
    horizon: usize,
    stride: usize,
    /// Windows in all series before each, and in all.
    before: Vec<usize>,
}

impl Windows {
    /// Windows of `steps` steps over series of these lengths, one at each step, each followed by at least one step.
    ///
    /// # Errors
    /// [`DataError::Setting`] when `steps` is 0, [`DataError::TooShort`] for the first series without a window.
    pub fn new(lengths: &[usize], steps: usize) -> Result<Self, DataError> {
        Self {
            lengths: lengths.to_vec(),
            steps,
            horizon: 1,
            stride: 1,
            before: Vec::new(),
        }
        .counted()
    }

    /// How many steps are predicted after a window, or how far ahead of each of its steps; 0 for none.
    ///
    /// # Errors
    /// [`DataError::TooShort`] for the first series without a window.
    pub fn horizon(mut self, steps: usize) -> Result<Self, DataError> {
        self.horizon = steps;
        self.counted()
    }

    /// How many steps after one another windows begin. With as many as a window has, they do not overlap.
    ///
    /// # Errors
    /// [`DataError::Setting`] when it is 0.
    pub fn stride(mut self, steps: usize) -> Result<Self, DataError> {
        self.stride = steps;
        self.counted()
    }

    fn counted(mut self) -> Result<Self, DataError> {
        for (what, found) in [
            ("the number of steps of a window", self.steps),
            ("the stride of windows", self.stride),
        ] {
            if found == 0 {
                return Err(DataError::Setting {
                    what,
                    found,
                    expected: "at least 1",
                });
            }
        }
        let expected = self.steps.saturating_add(self.horizon);
        self.before = vec![0];
        let mut total = 0;
        for (series, steps) in self.lengths.iter().copied().enumerate() {
            let room = steps.checked_sub(expected).ok_or(DataError::TooShort {
                series,
                steps,
                expected,
            })?;
            total += room / self.stride + 1;
            self.before.push(total);
        }
        Ok(self)
    }

    /// Number of windows.
    pub fn len(&self) -> usize {
        self.before.last().copied().unwrap_or(0)
    }

    /// Whether there is no series.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The series of a window, and its first step there; `None` when there is no such window.
    pub fn place(&self, window: usize) -> Option<(usize, usize)> {
        let series = self.before.partition_point(|before| *before <= window) - 1;
        (series < self.lengths.len())
            .then(|| (series, (window - self.before[series]) * self.stride))
    }

    /// The windows, `[steps, B, channels]`.
    ///
    /// # Errors
    /// [`DataError`] when the series are not those the windows were made for, their channels differ, or there is no such window.
    pub fn inputs(
        &self,
        series: &[ArrayView2<'_, f32>],
        windows: &[usize],
    ) -> Result<Array3<f32>, DataError> {
        self.cut(series, windows, 0, self.steps)
    }

    /// What comes after the windows, `[horizon, B, channels]`.
    ///
    /// # Errors
    /// As [`Windows::inputs`].
    pub fn following(
        &self,
        series: &[ArrayView2<'_, f32>],
        windows: &[usize],
    ) -> Result<Array3<f32>, DataError> {
        self.cut(series, windows, self.steps, self.horizon)
    }

    /// What comes `horizon` steps after each step of the windows, `[steps, B, channels]`.
    ///
    /// # Errors
    /// As [`Windows::inputs`].
    pub fn shifted(
        &self,
        series: &[ArrayView2<'_, f32>],
        windows: &[usize],
    ) -> Result<Array3<f32>, DataError> {
        self.cut(series, windows, self.horizon, self.steps)
    }

    fn cut(
        &self,
        series: &[ArrayView2<'_, f32>],
        windows: &[usize],
        from: usize,
        steps: usize,
    ) -> Result<Array3<f32>, DataError> {
        if series.len() != self.lengths.len() {
            return Err(DataError::Setting {
                what: "the number of series",
                found: series.len(),
                expected: "as many as the windows were made for",
            });
        }
        let channels = series.first().map_or(0, ArrayView2::ncols);
        for (at, (own, length)) in series.iter().zip(&self.lengths).enumerate() {
            if own.ncols() != channels {
                return Err(DataError::Channels {
                    series: at,
                    expected: channels,
                    found: own.ncols(),
                });
            }
            if own.nrows() != *length {
                return Err(DataError::TooShort {
                    series: at,
                    steps: own.nrows(),
                    expected: *length,
                });
            }
        }
        let mut batch = Array3::zeros((steps, windows.len(), channels));
        for (row, window) in windows.iter().enumerate() {
            let (at, start) = self.place(*window).ok_or(DataError::Setting {
                what: "the position of a window",
                found: *window,
                expected: "less than the number of windows",
            })?;
            let first = start + from;
            let own = series[at].slice_axis(Axis(0), Slice::from(first..first + steps));
            batch.index_axis_mut(Axis(1), row).assign(&own);
        }
        Ok(batch)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;
    use proptest::prelude::*;

    use super::*;

    // Values that say where they are: 1000 series + 10 step + channel.
    fn series(lengths: &[usize]) -> Vec<Array2<f32>> {
        let one = |(at, length): (usize, &usize)| {
            Array2::from_shape_fn((*length, 2), |(t, c)| (1000 * at + 10 * t + c) as f32)
        };
        lengths.iter().enumerate().map(one).collect()
    }

    proptest! {
        #[test]
        fn windows_are_all_there_is_within_each_series(
            lengths in prop::collection::vec(6..15_usize, 1..4),
            steps in 1..4_usize,
            horizon in 0..3_usize,
            stride in 1..4_usize,
        ) {
            let windows = Windows::new(&lengths, steps).unwrap().horizon(horizon).unwrap().stride(stride).unwrap();
            let expected: Vec<(usize, usize)> = (lengths.iter().enumerate())
                .flat_map(|(at, length)| (0..=length - steps - horizon).step_by(stride).map(move |start| (at, start)))
                .collect();
            let found: Vec<(usize, usize)> = (0..windows.len()).filter_map(|window| windows.place(window)).collect();
            prop_assert_eq!(&found, &expected);
            prop_assert_eq!(windows.place(windows.len()), None);
            let own = series(&lengths);
            let views: Vec<_> = own.iter().map(|own| own.view()).collect();
            let all: Vec<usize> = (0..windows.len()).rev().collect();
            let batches = [
                (windows.inputs(&views, &all).unwrap(), steps, 0),
                (windows.following(&views, &all).unwrap(), horizon, steps),
                (windows.shifted(&views, &all).unwrap(), steps, horizon),
            ];
            for (batch, length, from) in batches {
                prop_assert_eq!(batch.dim(), (length, all.len(), 2));
                for ((t, b, c), value) in batch.indexed_iter() {
                    let (at, start) = expected[all[b]];
                    prop_assert_eq!(*value, own[at][[start + from + t, c]]);
                }
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let error = Windows::new(&[9, 4], 4).unwrap_err();
        assert_eq!(
            error,
            DataError::TooShort {
                series: 1,
                steps: 4,
                expected: 5
            }
        );
        assert!(Windows::new(&[9], 0).is_err());
        let windows = Windows::new(&[9, 5], 4).unwrap();
        assert!(windows.clone().stride(0).is_err());
        assert!(windows.clone().horizon(usize::MAX).is_err());
        let own = series(&[9, 5]);
        let views: Vec<_> = own.iter().map(|own| own.view()).collect();
        assert!(windows.inputs(&views[..1], &[0]).is_err());
        assert!(windows.inputs(&views, &[6]).is_err());
        let swapped = [views[1], views[0]];
        assert!(windows.inputs(&swapped, &[0]).is_err());
        let one = Array2::zeros((5, 1));
        assert!(windows.inputs(&[views[0], one.view()], &[0]).is_err());
    }
}
