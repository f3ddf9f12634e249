//! Where an axis has marks, and what they say.
//!
//! **Invariant:** marks are within the range, and labels of different marks differ.

use std::ops::Range;

/// Marks of an axis.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ticks {
    /// Where they are.
    pub(super) at: Vec<f64>,
    /// The distance between two of them.
    step: f64,
}

/// Marks at multiples of 1, 2 or 5 times a power of ten that is not below `least`: as near to so many as there can be.
pub(super) fn ticks(range: &Range<f64>, wanted: usize, least: f64) -> Ticks {
    let span = (range.end - range.start).abs();
    let rough = (span / wanted.max(1) as f64)
        .max(least)
        .max(f64::MIN_POSITIVE);
    let power = 10.0_f64.powf(rough.log10().floor());
    // Rounded up alone, a step could leave two marks where five would do.
    let steps = [0.5, 1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
    let fits = |step: &f64| *step >= least * (1.0 - 1e-9) && *step >= f64::MIN_POSITIVE;
    let nearest = steps.into_iter().filter(fits).min_by(|one, other| {
        let away = |step| (count(range, step) + 1.0 - wanted as f64).abs();
        away(*one).total_cmp(&away(*other))
    });
    let step = nearest.unwrap_or(10.0 * power);
    let first = (range.start / step - 1e-9).ceil();
    let count = count(range, step).clamp(-1.0, 100.0);
    let mut at = Vec::new();
    let mut next = 0.0;
    while next <= count {
        at.push((first + next) * step);
        next += 1.0;
    }
    Ticks { at, step }
}

// Steps between the first and the last multiple in a range; -1 where there is none.
fn count(range: &Range<f64>, step: f64) -> f64 {
    (range.end / step + 1e-9).floor() - (range.start / step - 1e-9).ceil()
}

impl Ticks {
    /// What a mark says: as many decimals as tell it from the next.
    pub(super) fn label(&self, value: f64) -> String {
        let largest = self.at.iter().fold(0.0_f64, |most, at| most.max(at.abs()));
        if value.abs() < self.step * 1e-6 {
            return "0".to_owned();
        }
        let digits = -self.step.log10().floor();
        if !(1e-3..1e6).contains(&largest) {
            // As many digits as tell the largest from its neighbour.
            let digits = (largest.log10().floor() + digits).clamp(0.0, 17.0) as usize;
            let text = format!("{value:.digits$e}");
            return match text.split_once('e') {
                Some((number, power)) if number.contains('.') => {
                    let number = number.trim_end_matches('0').trim_end_matches('.');
                    format!("{number}e{power}")
                }
                _ => text,
            };
        }
        let decimals = digits.clamp(0.0, 17.0) as usize;
        format!("{value:.decimals$}")
    }
}

/// Marks of a logarithmic axis, whose range is of powers of ten: whole powers, and those between where there are few.
pub(super) fn powers(range: &Range<f64>) -> Vec<f64> {
    let (first, last) = (range.start.ceil(), range.end.floor());
    let whole = (last - first + 1.0).max(0.0);
    let inside = |at: &f64| range.start <= *at && *at <= range.end;
    if whole >= 3.0 {
        let stride = (whole / 8.0).ceil().max(1.0);
        let marks = (0..64).map(|at| first + stride * f64::from(at));
        return marks.take_while(|at| *at <= last).collect();
    }
    let decades = (range.start.floor() as i32..=range.end.floor() as i32).take(8);
    let marks: Vec<f64> = decades
        .flat_map(|decade| {
            [1.0_f64, 2.0, 3.0, 5.0, 7.0].map(|factor| f64::from(decade) + factor.log10())
        })
        .filter(inside)
        .collect();
    if marks.len() >= 4 {
        return marks;
    }
    // Less than a factor of four or so: evenly spaced numbers.
    let numbers = 10.0_f64.powf(range.start)..10.0_f64.powf(range.end);
    let marks = ticks(&numbers, 5, 0.0).at.into_iter();
    marks.map(f64::log10).filter(|at| at.is_finite()).collect()
}

/// What a mark of a logarithmic axis says.
pub(super) fn power_label(at: f64) -> String {
    let value = 10.0_f64.powf(at);
    let nearly = |text: String| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    };
    if (1e-3..1e5).contains(&value) {
        let decimals = (3.0 - at.floor()).clamp(0.0, 6.0) as usize;
        return nearly(format!("{value:.decimals$}"));
    }
    let text = format!("{value:.3e}");
    match text.split_once('e') {
        Some((number, power)) => format!("{}e{power}", nearly(number.to_owned())),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(range: Range<f64>, least: f64) -> Vec<String> {
        let ticks = ticks(&range, 5, least);
        ticks.at.iter().map(|at| ticks.label(*at)).collect()
    }

    #[test]
    fn marks_are_round_and_say_what_tells_them_apart() {
        assert_eq!(
            labels(0.0..1.0, 0.0),
            ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]
        );
        assert_eq!(
            labels(0.0..2e-4, 0.0),
            ["0", "5e-5", "1e-4", "1.5e-4", "2e-4"]
        );
        assert_eq!(labels(-3.0..7.0, 0.0), ["-2", "0", "2", "4", "6"]);
        assert_eq!(labels(1.0..3.0, 1.0), ["1", "2", "3"]);
        assert_eq!(labels(0.5..1.5, 1.0), ["1"]);
        // Not 0 and 0.5 alone.
        assert_eq!(labels(-0.05..0.99, 0.0), ["0", "0.2", "0.4", "0.6", "0.8"]);
        assert_eq!(labels(0.0..4e6, 1.0), ["0", "1e6", "2e6", "3e6", "4e6"]);
        assert_eq!(labels(2.001..2.002, 0.0).len(), 6);
    }

    #[test]
    fn a_logarithmic_axis_has_powers_or_what_is_between() {
        let labels = |range: Range<f64>| -> Vec<String> {
            powers(&range).into_iter().map(power_label).collect()
        };
        assert_eq!(labels(-3.1..0.1), ["0.001", "0.01", "0.1", "1"]);
        assert_eq!(labels(-8.0..-5.0), ["1e-8", "1e-7", "1e-6", "1e-5"]);
        assert_eq!(labels(0.0..1.0), ["1", "2", "3", "5", "7", "10"]);
        // Not 50 and 70 alone.
        assert_eq!(
            labels(33.0_f64.log10()..74.0_f64.log10()),
            ["40", "50", "60", "70"]
        );
        assert_eq!(
            labels(2.0_f64.log10()..2.5_f64.log10()),
            ["2", "2.1", "2.2", "2.3", "2.4", "2.5"]
        );
    }

    #[test]
    fn no_range_hangs() {
        for range in [
            0.0..f64::MAX,
            f64::MIN..f64::MAX,
            0.0..f64::MIN_POSITIVE,
            5.0..5.0,
            1e300..1.1e300,
        ] {
            assert!(ticks(&range, 5, 0.0).at.len() <= 101, "{range:?}");
            assert!(powers(&range).len() <= 101, "{range:?}");
        }
    }
}
