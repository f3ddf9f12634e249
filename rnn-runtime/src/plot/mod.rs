//! Pictures of what a model does: matrices as tiles, words shaded by weights, and curves of a training run. As SVG, or as PNG by
//! the name of the file.
//!
//! ```no_run
//! use ndarray::array;
//! use rnn_runtime::plot::{Panel, curves, matrix};
//!
//! let weights = array![[0.9, 0.1], [0.2, 0.8]];
//! let (rows, columns) = (["the", "cat"].map(String::from), ["le", "chat"].map(String::from));
//! matrix("attention.svg", "where it looks", &rows, &columns, weights.view())?;
//!
//! let losses = (1..100).map(|step| 1.0 / f64::from(step)).collect();
//! curves("losses.svg", &[Panel::new("loss", "training step").logarithmic().curve("LSTM", losses)])?;
//! # Ok::<(), rnn_runtime::error::PlotError>(())
//! ```
//!
//! A PNG is the SVG, painted; that needs the feature `png`, which brings a font.
//!
//! **Invariant:** a picture depends on the numbers alone: equal numbers give equal bytes.

mod axis;
mod curves;
mod legend;
mod matrix;
mod panel;
#[cfg(feature = "png")]
mod png;
mod strips;
mod thin;
mod ticks;

pub use curves::{curves, curves_svg};
pub use matrix::{matrix, matrix_svg};
pub use panel::{Curve, Panel, Stroke};
#[cfg(feature = "png")]
pub use png::png;
pub use strips::{Strip, strips, strips_svg};

use std::fmt::Display;
use std::fs;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::error::PlotError;

type Canvas<'s> = DrawingArea<SVGBackend<'s>, Shift>;
type Drawn = Result<(), Box<dyn std::error::Error>>;

/// The text of a picture; without a background, whatever is behind it shows.
fn drawn(
    (width, height): (i32, i32),
    background: bool,
    draw: impl FnOnce(&Canvas<'_>) -> Drawn,
) -> Result<String, PlotError> {
    let failed = |reason: &dyn Display| PlotError::Draw {
        reason: reason.to_string(),
    };
    let mut text = String::new();
    {
        let size = (width.unsigned_abs(), height.unsigned_abs());
        let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
        if background {
            area.fill(&WHITE).map_err(|error| failed(&error))?;
        }
        draw(&area).map_err(|error| failed(&error))?;
        area.present().map_err(|error| failed(&error))?;
    }
    Ok(text)
}

/// Writes the text of a picture, or paints it where the name of the file ends with `.png`.
fn save(path: &Path, svg: &str) -> Result<(), PlotError> {
    let is_png = path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("png"));
    let written = match is_png {
        true => fs::write(path, painted(path, svg)?),
        false => fs::write(path, svg),
    };
    written.map_err(|error| PlotError::Write {
        path: path.to_owned(),
        reason: error.to_string(),
    })
}

#[cfg(feature = "png")]
fn painted(_: &Path, svg: &str) -> Result<Vec<u8>, PlotError> {
    png(svg, png::SCALE)
}

#[cfg(not(feature = "png"))]
fn painted(path: &Path, _: &str) -> Result<Vec<u8>, PlotError> {
    Err(PlotError::NoPng {
        path: path.to_owned(),
    })
}

// Pictures of more than fits an `i32` are cut there.
fn extent(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX / 80)
}
