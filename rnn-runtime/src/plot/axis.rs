//! An axis of a chart, with its marks and what they say.
//!
//! **Invariant:** every value of the range has a place between the limits.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, ValueFormatter};
use plotters::prelude::Ranged;

use super::ticks::{Ticks, power_label, powers, ticks};

/// An axis.
#[derive(Clone, Debug)]
pub(super) struct Marked {
    range: Range<f64>,
    marks: Marks,
}

#[derive(Clone, Debug)]
enum Marks {
    Even(Ticks),
    Powers(Vec<f64>),
}

impl Marked {
    /// About so many marks, whose distance is not below `least`.
    pub(super) fn even(range: Range<f64>, wanted: usize, least: f64) -> Self {
        Self {
            marks: Marks::Even(ticks(&range, wanted, least)),
            range,
        }
    }

    /// Marks of an axis of powers of ten.
    pub(super) fn powers(range: Range<f64>) -> Self {
        Self {
            marks: Marks::Powers(powers(&range)),
            range,
        }
    }
}

impl Ranged for Marked {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        // Halves, since the distance of two numbers may be too large for a number.
        let whole = self.range.end / 2.0 - self.range.start / 2.0;
        let part = (value / 2.0 - self.range.start / 2.0) / whole;
        let (from, to) = (f64::from(limit.0), f64::from(limit.1));
        (from + part * (to - from)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        match &self.marks {
            Marks::Even(ticks) => ticks.at.clone(),
            Marks::Powers(at) => at.clone(),
        }
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

impl ValueFormatter<f64> for Marked {
    fn format_ext(&self, value: &f64) -> String {
        match &self.marks {
            Marks::Even(ticks) => ticks.label(*value),
            Marks::Powers(_) => power_label(*value),
        }
    }
}
