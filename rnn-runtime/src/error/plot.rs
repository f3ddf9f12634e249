//! Pictures that cannot be drawn or written.

use std::path::PathBuf;

use thiserror::Error;

/// A picture cannot be drawn.
#[derive(Clone, PartialEq, Error)]
pub enum PlotError {
    /// Not as many labels as rows and columns.
    #[error("expected labels of {} rows and {} columns, found {rows} and {columns}", .expected.0, .expected.1)]
    Labels {
        /// Labels of rows.
        rows: usize,
        /// Labels of columns.
        columns: usize,
        /// Rows and columns.
        expected: (usize, usize),
    },
    /// A number without a place in the picture.
    #[error("expected finite numbers of `{what}`, found {found}")]
    NotFinite {
        /// Title of the picture.
        what: String,
        /// The number.
        found: f64,
    },
    /// The picture cannot be made.
    #[error("the picture cannot be drawn: {reason}")]
    Draw {
        /// What is wrong.
        reason: String,
    },
    /// A PNG, which needs a feature.
    #[error("{}: expected an SVG, or the feature `png` of this crate, which paints it", .path.display())]
    NoPng {
        /// The file.
        path: PathBuf,
    },
    /// The file of the picture cannot be written.
    #[error("{}: {reason}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}
