//! The series: published monthly figures, or a column of a file.

use std::error::Error;
use std::fs;
use std::ops::Range;
use std::path::Path;

use rnn::data::Csv;

/// International airline passengers in thousands, by month from January 1949 to December 1960 (Box & Jenkins 1976, series G).
const PASSENGERS: [u16; 144] = [
    112, 118, 132, 129, 121, 135, 148, 148, 136, 119, 104, 118, // 1949
    115, 126, 141, 135, 125, 149, 170, 170, 158, 133, 114, 140, // 1950
    145, 150, 178, 163, 172, 178, 199, 199, 184, 162, 146, 166, // 1951
    171, 180, 193, 181, 183, 218, 230, 242, 209, 191, 172, 194, // 1952
    196, 196, 236, 235, 229, 243, 264, 272, 237, 211, 180, 201, // 1953
    204, 188, 235, 227, 234, 264, 302, 293, 259, 229, 203, 229, // 1954
    242, 233, 267, 269, 270, 315, 364, 347, 312, 274, 237, 278, // 1955
    284, 277, 317, 313, 318, 374, 413, 405, 355, 306, 271, 306, // 1956
    315, 301, 356, 348, 355, 422, 465, 467, 404, 347, 305, 336, // 1957
    340, 318, 362, 348, 363, 435, 491, 505, 404, 359, 310, 337, // 1958
    360, 342, 406, 396, 420, 472, 548, 559, 463, 407, 362, 405, // 1959
    417, 391, 419, 461, 472, 535, 622, 606, 508, 461, 390, 432, // 1960
];

/// A series with a season, whose end is to be forecast.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) values: Vec<f32>,
    /// Steps of a season.
    pub(crate) period: usize,
    /// Steps at the end that nothing is learnt or chosen by.
    pub(crate) test: usize,
    /// Whether models see logarithms: where all values are positive, so that a season multiplies and errors are shares.
    pub(crate) logarithmic: bool,
}

impl Series {
    /// The passengers, of which the last two years are the test.
    pub(crate) fn passengers() -> Self {
        Self::new(PASSENGERS.map(f32::from).to_vec(), 12)
    }

    /// A column of a table with a header, or a file of values alone.
    pub(crate) fn read(path: &Path, column: &str, period: usize) -> Result<Self, Box<dyn Error>> {
        let text =
            fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let first = text.lines().next().unwrap_or_default();
        let csv = match first.trim().parse::<f32>() {
            Ok(_) => Csv::default().without_header().columns(["1"]),
            Err(_) => Csv::default().columns([column]),
        };
        let values: Vec<f32> = csv.read(path)?.values.iter().copied().collect();
        let (least, found) = (9 * period, values.len());
        if period < 2 || found < least {
            let path = path.display();
            return Err(format!(
                "{path}: expected at least 9 seasons of at least 2 steps, found {found} steps and a season of {period}; give the \
                 steps of a season by --period"
            )
            .into());
        }
        Ok(Self::new(values, period))
    }

    fn new(values: Vec<f32>, period: usize) -> Self {
        Self {
            logarithmic: values.iter().all(|value| *value > 0.0),
            values,
            period,
            test: 2 * period,
        }
    }

    /// Steps that may be learnt from.
    pub(crate) fn training(&self) -> usize {
        self.values.len() - self.test
    }

    /// What models see.
    pub(crate) fn seen(&self) -> Vec<f32> {
        let seen = |value: &f32| match self.logarithmic {
            true => value.ln(),
            false => *value,
        };
        self.values.iter().map(seen).collect()
    }

    /// The changes over a season that end at steps before `end`, as models see values.
    pub(crate) fn changes(&self, end: usize) -> Vec<f32> {
        let seen = &self.seen()[..end];
        let all = seen.windows(self.period + 1);
        all.map(|all| all[self.period] - all[0]).collect()
    }

    /// The validation parts, each with the steps that it is forecast from: the last two seasons of what may be learnt from, and the
    /// same a season and two seasons earlier, where enough is left to learn from.
    pub(crate) fn folds(&self) -> Vec<Range<usize>> {
        let starts = (2..=4).rev().filter_map(|seasons| {
            let start = self.training().checked_sub(seasons * self.period)?;
            (start >= 5 * self.period).then_some(start)
        });
        starts.map(|start| start..start + 2 * self.period).collect()
    }

    /// A value by what models say of it.
    pub(crate) fn value(&self, seen: f32) -> f32 {
        match self.logarithmic {
            true => seen.exp(),
            false => seen,
        }
    }

    /// The origins of forecasts of a season each, all of whose steps are among `steps`: an origin is the number of steps that are
    /// known.
    pub(crate) fn origins(&self, steps: Range<usize>) -> Range<usize> {
        steps.start..(steps.end + 1).saturating_sub(self.period)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_passengers_are_those_that_were_published() {
        assert_eq!(
            PASSENGERS.iter().copied().map(u32::from).sum::<u32>(),
            40363
        );
        assert_eq!((PASSENGERS[0], PASSENGERS[143]), (112, 432));
    }
}
