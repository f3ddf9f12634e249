//! A measure in slices as numbers: what a log keeps, and a page shows as a table and as curves.
//!
//! **Invariant:** rows are in the order of their slices, and in each in that of its buckets, the least counts first.

use std::fmt;

use crate::log::Table;
use crate::plot::Panel;

/// A measure of everything, and of each bucket that has anything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sliced {
    /// What was measured: `validation`.
    pub name: String,
    /// The names of its figures.
    pub figures: Vec<String>,
    /// The first is of everything.
    pub rows: Vec<SlicedRow>,
}

/// A measure of a bucket.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SlicedRow {
    /// By what it is sliced, such as `length`; `all` for everything.
    pub slice: String,
    /// The counts of the bucket as text: `8..=15`; empty for everything.
    pub bucket: String,
    /// The least of them.
    pub from: u64,
    /// How much was measured.
    pub count: u64,
    /// A value for each figure; `None` where it is not defined.
    pub values: Vec<Option<f64>>,
}

impl Sliced {
    /// Its rows as texts.
    pub fn table(&self) -> Table {
        let head = ["slice", "bucket", "count"].map(str::to_owned);
        let cell = |value: &Option<f64>| value.map_or_else(String::new, |own| format!("{own:.4}"));
        let row = |row: &SlicedRow| {
            let first = [row.slice.clone(), row.bucket.clone(), row.count.to_string()];
            first
                .into_iter()
                .chain(row.values.iter().map(cell))
                .collect()
        };
        Table {
            title: self.name.clone(),
            head: head
                .into_iter()
                .chain(self.figures.iter().cloned())
                .collect(),
            rows: self.rows.iter().map(row).collect(),
        }
    }

    /// For each slice its figures over the least counts of its buckets, as [`plot::curves`](crate::plot::curves) draws them.
    pub fn panels(&self) -> Vec<Panel> {
        let rows = self.rows.get(1..).unwrap_or_default();
        let slices = rows.chunk_by(|before, row| before.slice == row.slice);
        let panel = |rows: &[SlicedRow]| {
            let slice = &rows[0].slice;
            let panel = Panel::new(format!("{} by {slice}", self.name), slice.clone());
            let figures = self.figures.iter().enumerate();
            figures.fold(panel, |panel, (at, figure)| {
                let points = rows.iter().filter_map(|row| {
                    let value = row.values.get(at).copied().flatten()?;
                    Some((row.from as f64, value))
                });
                panel.points(figure.clone(), points.collect())
            })
        };
        slices.map(panel).collect()
    }
}

impl fmt::Display for Sliced {
    /// A table: a row for everything, then one for each bucket that has anything.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |of: fn(&SlicedRow) -> usize| self.rows.iter().map(of).max().unwrap_or(0);
        let slice = width(|row| row.slice.chars().count());
        let bucket = width(|row| row.bucket.chars().count());
        let count = width(|row| row.count.to_string().len()).max("count".len());
        write!(f, "{:1$}", "", slice + 2 + bucket)?;
        write!(f, "  {:>count$}", "count")?;
        for name in &self.figures {
            write!(f, "  {name:>9}")?;
        }
        writeln!(f)?;
        for row in &self.rows {
            write!(f, "{:slice$}  {:>bucket$}", row.slice, row.bucket)?;
            write!(f, "  {:>count$}", row.count)?;
            for value in &row.values {
                match value {
                    Some(value) => write!(f, "  {value:>9.4}")?,
                    None => write!(f, "  {:>9}", "-")?,
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
