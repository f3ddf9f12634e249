//! Which classes are taken for which.
//!
//! ```text
//! precision = right / found      recall = right / expected      F1 = 2 right / (found + expected)
//! ```
//!
//! of each class; *macro* is the mean over classes, which weighs rare ones as much as others, *micro* adds up the counts first.
//!
//! **Invariant:** an example counts once, in the row of the class that it has and the column of the one it was given.

use std::fmt;

use ndarray::Array2;

use super::share;
use crate::error::DataError;

/// A confusion matrix: rows are what there is, columns what was said.
///
/// ```
/// use rnn_runtime::metrics::Confusion;
///
/// let mut confusion = Confusion::new(["cat", "dog"]);
/// for (said, is) in [(0, 0), (0, 1), (1, 1), (1, 1)] {
///     confusion.add(said, is)?;
/// }
/// assert_eq!(confusion.f1(1), 0.8);
/// println!("{confusion}");
/// # Ok::<(), rnn_runtime::error::DataError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confusion {
    names: Vec<String>,
    counts: Array2<u64>,
}

impl Confusion {
    /// Nothing counted yet, of classes with these names.
    pub fn new<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Self {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        let counts = Array2::zeros((names.len(), names.len()));
        Self { names, counts }
    }

    /// Counts an example that was said to be of class `said` and is of class `is`.
    ///
    /// # Errors
    /// [`DataError::Class`] for a class that there is not.
    pub fn add(&mut self, said: u32, is: u32) -> Result<(), DataError> {
        let known = |class: u32| {
            let at = class as usize;
            (at < self.names.len())
                .then_some(at)
                .ok_or(DataError::Class {
                    class: u64::from(class),
                    classes: self.names.len(),
                })
        };
        let place = [known(is)?, known(said)?];
        self.counts[place] += 1;
        Ok(())
    }

    /// Examples of each class, by what they were taken for.
    pub fn counts(&self) -> &Array2<u64> {
        &self.counts
    }

    /// Names of the classes.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    // Right, found and expected of a class.
    fn of(&self, class: usize) -> (u64, u64, u64) {
        (
            self.counts[[class, class]],
            self.counts.column(class).sum(),
            self.counts.row(class).sum(),
        )
    }

    /// Share of the examples said to be of a class that are; 0 when none was.
    ///
    /// # Panics
    /// There is no such class; so do the other two.
    pub fn precision(&self, class: usize) -> f64 {
        let (right, found, _) = self.of(class);
        share(right, found)
    }

    /// Share of the examples of a class that were said to be; 0 when there is none.
    pub fn recall(&self, class: usize) -> f64 {
        let (right, _, expected) = self.of(class);
        share(right, expected)
    }

    /// The harmonic mean of the two; 0 when there is nothing to count.
    pub fn f1(&self, class: usize) -> f64 {
        let (right, found, expected) = self.of(class);
        share(2 * right, found + expected)
    }

    /// The mean of the F1 of all classes; `None` when there are no classes.
    pub fn macro_f1(&self) -> Option<f64> {
        let classes = self.names.len();
        let sum: f64 = (0..classes).map(|class| self.f1(class)).sum();
        (classes > 0).then(|| sum / classes as f64)
    }

    /// The F1 of the counts of these classes together: of all, it is the accuracy; without the class of what is nothing, such as `O`,
    /// it is the usual figure of tagging.
    ///
    /// # Panics
    /// There is no such class.
    pub fn micro_f1(&self, classes: impl IntoIterator<Item = usize>) -> f64 {
        let (mut part, mut whole) = (0, 0);
        for class in classes {
            let (right, found, expected) = self.of(class);
            part += 2 * right;
            whole += found + expected;
        }
        share(part, whole)
    }

    /// Share of the examples that are right; `None` when there are none.
    pub fn accuracy(&self) -> Option<f64> {
        let total = self.counts.sum();
        (total > 0).then(|| share(self.counts.diag().sum(), total))
    }
}

impl fmt::Display for Confusion {
    /// A row for each class: its counts by what it was taken for, then precision, recall and F1.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = width(self.names.iter().map(String::as_str).chain(["is \\ said"]));
        let columns: Vec<usize> = (self.names.iter().zip(self.counts.columns()))
            .map(|(name, column)| {
                let counts: Vec<String> = column.iter().map(u64::to_string).collect();
                width(counts.iter().chain([name]).map(String::as_str))
            })
            .collect();
        write!(f, "{:first$}", "is \\ said")?;
        for (name, width) in self.names.iter().zip(&columns) {
            write!(f, "  {name:>width$}")?;
        }
        writeln!(f, "  precision  recall     F1")?;
        for (class, name) in self.names.iter().enumerate() {
            write!(f, "{name:first$}")?;
            for (count, width) in self.counts.row(class).iter().zip(&columns) {
                write!(f, "  {count:>width$}")?;
            }
            let of = [self.precision(class), self.recall(class), self.f1(class)];
            writeln!(f, "  {:>9.4}  {:>6.4}  {:>6.4}", of[0], of[1], of[2])?;
        }
        Ok(())
    }
}

fn width<'n>(texts: impl Iterator<Item = &'n str>) -> usize {
    texts.map(|text| text.chars().count()).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Confusion {
        // scikit-learn's example of `f1_score`, y_true = [0, 1, 2, 0, 1, 2], y_pred = [0, 2, 1, 0, 0, 1].
        let mut confusion = Confusion::new(["a", "b", "c"]);
        for (is, said) in [0, 1, 2, 0, 1, 2].into_iter().zip([0, 2, 1, 0, 0, 1]) {
            confusion.add(said, is).unwrap();
        }
        confusion
    }

    #[test]
    fn scores_are_those_of_scikit_learn() {
        let confusion = example();
        // macro 0.26..., micro 0.33..., and of the classes 0.8, 0, 0.
        assert_eq!([0, 1, 2].map(|class| confusion.f1(class)), [0.8, 0.0, 0.0]);
        assert!((confusion.macro_f1().unwrap() - 0.8 / 3.0).abs() < 1e-15);
        assert_eq!(confusion.micro_f1(0..3), 1.0 / 3.0);
        assert_eq!(confusion.accuracy(), Some(1.0 / 3.0));
        assert_eq!(
            (confusion.precision(0), confusion.recall(0)),
            (2.0 / 3.0, 1.0)
        );
        assert_eq!(confusion.micro_f1(1..3), 0.0);
    }

    #[test]
    fn a_table_has_a_row_for_each_class() {
        let lines = [
            "is \\ said  a  b  c  precision  recall     F1",
            "a          2  0  0     0.6667  1.0000  0.8000",
            "b          1  0  1     0.0000  0.0000  0.0000",
            "c          0  2  0     0.0000  0.0000  0.0000",
            "",
        ];
        assert_eq!(example().to_string(), lines.join("\n"));
    }

    #[test]
    fn a_class_that_there_is_not_is_refused() {
        let mut confusion = example();
        let error = confusion.add(3, 0).unwrap_err();
        assert_eq!(
            error.to_string(),
            "class 3 is not known, expected less than 3"
        );
        assert_eq!(confusion, example());
        let none = Confusion::new::<&str>([]);
        assert_eq!((none.macro_f1(), none.accuracy()), (None, None));
    }
}
