//! Where a model errs: a measure by length, by position, by the distance of a dependency, or by anything that can be counted.
//!
//! ```
//! use rnn_runtime::metrics::{Accuracy, Buckets, Slices, last_seen};
//!
//! let mut slices = Slices::new(
//!     Accuracy::default(),
//!     [("length", Buckets::from([4])), ("position", Buckets::even(2, 3)), ("distance", Buckets::doubling(4))],
//! );
//! let tokens = [7, 8, 7, 8, 9];
//! let seen = last_seen(&tokens);
//! for (t, token) in tokens.iter().enumerate() {
//!     let logits = [0.0; 10].map(|zero: f32| if t > 1 { zero + 1.0 } else { zero });
//!     slices.add([Some(tokens.len()), Some(t), seen[t]], |own| own.add(logits, *token));
//! }
//! println!("{slices}");
//! ```
//!
//! **Invariant:** what is added is in the whole once, and in one bucket of each slice for which its count is known.

use std::collections::BTreeMap;
use std::fmt;

use super::{Accuracy, Bleu, Buckets, Errors, Mean, Sliced, SlicedRow, Smoothing, SpanScore};

/// What a row of a table says of a measure.
pub trait Measured {
    /// Names of its figures.
    const FIGURES: &'static [&'static str];

    /// How much was measured.
    fn count(&self) -> u64;

    /// Its figures, one for each name; `None` where nothing was measured.
    fn figures(&self) -> Vec<Option<f64>>;
}

impl Measured for Mean {
    const FIGURES: &'static [&'static str] = &["mean"];

    fn count(&self) -> u64 {
        self.count()
    }

    fn figures(&self) -> Vec<Option<f64>> {
        vec![self.value()]
    }
}

impl Measured for Accuracy {
    const FIGURES: &'static [&'static str] = &["accuracy"];

    fn count(&self) -> u64 {
        self.total
    }

    fn figures(&self) -> Vec<Option<f64>> {
        vec![self.value()]
    }
}

impl Measured for SpanScore {
    const FIGURES: &'static [&'static str] = &["precision", "recall", "F1"];

    fn count(&self) -> u64 {
        self.expected
    }

    fn figures(&self) -> Vec<Option<f64>> {
        let known = self.found + self.expected > 0;
        let figures = [self.precision(), self.recall(), self.f1()];
        figures.map(|figure| known.then_some(figure)).to_vec()
    }
}

impl Measured for Errors {
    const FIGURES: &'static [&'static str] = &["MAE", "RMSE"];

    fn count(&self) -> u64 {
        self.count()
    }

    fn figures(&self) -> Vec<Option<f64>> {
        vec![self.mae(), self.rmse()]
    }
}

impl Measured for Bleu {
    const FIGURES: &'static [&'static str] = &["BLEU", "brevity"];

    fn count(&self) -> u64 {
        self.tokens()
    }

    fn figures(&self) -> Vec<Option<f64>> {
        let figures = [self.value(Smoothing::None), self.brevity_penalty()];
        let known = self.tokens() > 0;
        figures.map(|figure| known.then_some(figure)).to_vec()
    }
}

/// A measure of everything, and of the buckets of `N` slices.
#[derive(Clone, Debug, PartialEq)]
pub struct Slices<M, const N: usize> {
    whole: M,
    slices: [Slice<M>; N],
}

#[derive(Clone, Debug, PartialEq)]
struct Slice<M> {
    name: String,
    buckets: Buckets,
    measures: Vec<M>,
}

impl<M: Clone, const N: usize> Slices<M, N> {
    /// Nothing measured yet: copies of `empty` for the whole and for each bucket.
    pub fn new<S: Into<String>>(empty: M, slices: [(S, Buckets); N]) -> Self {
        let slices = slices.map(|(name, buckets)| Slice {
            name: name.into(),
            measures: vec![empty.clone(); buckets.len()],
            buckets,
        });
        Self {
            whole: empty,
            slices,
        }
    }

    /// Adds what `add` does to a measure to the whole, and to the bucket of each slice whose count is given.
    pub fn add(&mut self, counts: [Option<usize>; N], mut add: impl FnMut(&mut M)) {
        add(&mut self.whole);
        for (slice, count) in self.slices.iter_mut().zip(counts) {
            if let Some(count) = count {
                add(&mut slice.measures[slice.buckets.of(count)]);
            }
        }
    }

    /// The measure of everything.
    pub fn whole(&self) -> &M {
        &self.whole
    }

    /// The buckets of a slice in rising order, each with its name.
    ///
    /// # Panics
    /// There is no such slice.
    pub fn slice(&self, slice: usize) -> impl Iterator<Item = (String, &M)> {
        let slice = &self.slices[slice];
        let names = (0..slice.buckets.len()).map(|bucket| slice.buckets.name(bucket));
        names.zip(&slice.measures)
    }
}

impl<M: Measured + Clone, const N: usize> Slices<M, N> {
    /// As numbers under a name, for a log or a page: `record.slices.push(slices.sliced("validation"))` in a
    /// [hook](crate::Run::hook).
    pub fn sliced(&self, name: impl Into<String>) -> Sliced {
        let row = |slice: &str, bucket: String, from: usize, measure: &M| SlicedRow {
            slice: slice.to_owned(),
            bucket,
            from: from as u64,
            count: measure.count(),
            values: measure.figures(),
        };
        let mut rows = vec![row("all", String::new(), 0, &self.whole)];
        for slice in &self.slices {
            let measures = slice.measures.iter().enumerate();
            for (bucket, measure) in measures.filter(|(_, own)| own.count() > 0) {
                let (buckets, from) = (&slice.buckets, *slice.buckets.range(bucket).start());
                rows.push(row(&slice.name, buckets.name(bucket), from, measure));
            }
        }
        Sliced {
            name: name.into(),
            figures: M::FIGURES.iter().map(|name| (*name).to_owned()).collect(),
            rows,
        }
    }
}

impl<M: Measured + Clone, const N: usize> fmt::Display for Slices<M, N> {
    /// A table: a row for everything, then one for each bucket that has anything.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sliced("").fmt(f)
    }
}

/// For each token, how many steps before it the same token came last; `None` where it is the first of its kind.
///
/// The distance over which a model has to remember in order to copy: the dependency of a token on what was said before.
pub fn last_seen<T: Ord>(tokens: &[T]) -> Vec<Option<usize>> {
    let mut last: BTreeMap<&T, usize> = BTreeMap::new();
    let distance = |(t, token)| last.insert(token, t).map(|before| t - before);
    tokens.iter().enumerate().map(distance).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_added_is_in_the_whole_and_in_a_bucket_of_each_slice() {
        let slices = [
            ("length", Buckets::from([3])),
            ("distance", Buckets::doubling(2)),
        ];
        let mut slices = Slices::new(Mean::default(), slices);
        for (length, distance, loss) in [(2, None, 1.0), (2, Some(1), 2.0), (5, Some(7), 6.0)] {
            slices.add([Some(length), distance], |own| own.add(loss, 1));
        }
        assert_eq!(slices.whole().value(), Some(3.0));
        let means = |slice: usize| -> Vec<(String, Option<f64>)> {
            let all = slices.slice(slice);
            all.map(|(name, own)| (name, own.value())).collect()
        };
        let named = |name: &str, value| (name.to_owned(), value);
        assert_eq!(
            means(0),
            [named("0..=2", Some(1.5)), named("3..", Some(6.0))]
        );
        assert_eq!(
            means(1),
            [
                named("0", None),
                named("1", Some(2.0)),
                named("2..", Some(6.0))
            ]
        );
        let lines = [
            "                 count       mean",
            "all                  3     3.0000",
            "length    0..=2      2     1.5000",
            "length      3..      1     6.0000",
            "distance      1      1     2.0000",
            "distance    2..      1     6.0000",
            "",
        ];
        assert_eq!(slices.to_string(), lines.join("\n"));
    }

    #[test]
    fn a_slice_of_spans_has_three_figures() {
        let mut slices = Slices::new(SpanScore::default(), [("length", Buckets::even(5, 2))]);
        slices.add([None], |own| own.add(&[], &[]));
        let table = slices.to_string();
        assert!(table.contains("precision     recall         F1"), "{table}");
        assert!(
            table.lines().nth(1).is_some_and(|row| row.ends_with('-')),
            "{table}"
        );
    }

    #[test]
    fn tokens_are_as_far_as_the_last_of_their_kind() {
        let seen = last_seen(b"abcab b");
        assert_eq!(seen, [None, None, None, Some(3), Some(3), None, Some(2)]);
    }
}
