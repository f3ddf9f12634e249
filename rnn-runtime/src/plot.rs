//! Pictures of what a model does, as SVG: matrices as tiles, and curves of a training run.
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
//! **Invariant:** a picture depends on the numbers alone: equal numbers give equal bytes.

use std::fmt::Display;
use std::fs;
use std::ops::Range;
use std::path::Path;

use ndarray::ArrayView2;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::error::PlotError;

/// Points on a side of a tile.
const TILE: i32 = 20;
/// Width of a letter of a label; the fonts of SVG are chosen by who shows it, so this is an estimate.
const LETTER: i32 = 9;
/// Size of a panel.
const PANEL: (u32, u32) = (800, 320);
/// Colours of curves, apart for eyes that see few colours too (Okabe & Ito 2008).
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
];

/// Writes a matrix as tiles, the darker the greater; white is 0 or less, and black the largest element.
///
/// # Errors
/// [`PlotError::Labels`] unless there is a label for each row and each column, [`PlotError::NotFinite`] for an element that is not
/// finite, [`PlotError::Write`] when the file cannot be written.
pub fn matrix(
    path: impl AsRef<Path>,
    title: &str,
    rows: &[String],
    columns: &[String],
    values: ArrayView2<'_, f32>,
) -> Result<(), PlotError> {
    if values.dim() != (rows.len(), columns.len()) {
        return Err(PlotError::Labels {
            rows: rows.len(),
            columns: columns.len(),
            expected: values.dim(),
        });
    }
    if let Some(value) = values.iter().find(|value| !value.is_finite()) {
        return Err(PlotError::NotFinite {
            what: title.to_owned(),
            found: f64::from(*value),
        });
    }
    let longest = |labels: &[String]| labels.iter().map(|own| own.chars().count()).max();
    let room = |labels: &[String]| extent(longest(labels).unwrap_or(0)) * LETTER + TILE;
    let (left, top) = (room(rows), room(columns) + 2 * TILE);
    let size = (
        (left + TILE * (extent(columns.len()) + 1))
            .max(LETTER * (extent(title.chars().count()) + 2)),
        top + TILE * (extent(rows.len()) + 1),
    );
    let largest = values.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
    write(path.as_ref(), size, |area| {
        let label = |anchor| ("monospace", 15).into_font().color(&BLACK).pos(anchor);
        let middle = label(Pos::new(HPos::Right, VPos::Center));
        area.draw(&Text::new(
            title,
            (LETTER, LETTER),
            label(Pos::new(HPos::Left, VPos::Top)),
        ))?;
        for (row, text) in (0_i32..).zip(rows) {
            let at = (left - LETTER, top + TILE * row + TILE / 2);
            area.draw(&Text::new(text.as_str(), at, middle.clone()))?;
        }
        for (column, text) in (0_i32..).zip(columns) {
            let at = (left + TILE * column + TILE / 2, top - LETTER);
            let (style, at) = match text.chars().count() {
                // Letters stand upright.
                0 | 1 => (label(Pos::new(HPos::Center, VPos::Bottom)), at),
                _ => {
                    let turned = ("monospace", 15)
                        .into_font()
                        .transform(FontTransform::Rotate270);
                    let anchor = Pos::new(HPos::Left, VPos::Center);
                    (turned.color(&BLACK).pos(anchor), at)
                }
            };
            area.draw(&Text::new(text.as_str(), at, style))?;
        }
        for ((row, column), value) in values.indexed_iter() {
            let (x, y) = (left + TILE * extent(column), top + TILE * extent(row));
            let light = 1.0 - (value / largest).clamp(0.0, 1.0);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "between 0 and 255"
            )]
            let grey = (255.0 * light).round() as u8;
            let tile = [(x, y), (x + TILE, y + TILE)];
            area.draw(&Rectangle::new(tile, RGBColor(grey, grey, grey).filled()))?;
            area.draw(&Rectangle::new(
                tile,
                RGBColor(200, 200, 200).stroke_width(1),
            ))?;
        }
        Ok(())
    })
}

/// Curves over a count, such as training steps, with a scale of their own.
#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    title: String,
    count: String,
    logarithmic: bool,
    curves: Vec<(String, Vec<(f64, f64)>)>,
}

impl Panel {
    /// No curves yet: what their values are, and what they are counted by.
    pub fn new(title: impl Into<String>, count: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            count: count.into(),
            logarithmic: false,
            curves: Vec::new(),
        }
    }

    /// With powers of ten on the vertical axis; values that are not positive are left out.
    #[must_use]
    pub fn logarithmic(mut self) -> Self {
        self.logarithmic = true;
        self
    }

    /// With one more curve, of values that are counted from 1; those that are not finite are left out.
    #[must_use]
    pub fn curve(self, name: impl Into<String>, values: Vec<f64>) -> Self {
        let counts = (1_u32..).map(f64::from);
        self.points(name, counts.zip(values).collect())
    }

    /// With one more curve, of counts and values in the order of the counts; those that are not finite are left out.
    #[must_use]
    pub fn points(mut self, name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        self.curves.push((name.into(), points));
        self
    }

    // What is drawn of a curve: counts, and values or their logarithms.
    fn drawn(&self, points: &[(f64, f64)]) -> Vec<(f64, f64)> {
        let value = |value: f64| {
            if self.logarithmic {
                value.log10()
            } else {
                value
            }
        };
        let points = points.iter().map(|(count, own)| (*count, value(*own)));
        points
            .filter(|(count, value)| count.is_finite() && value.is_finite())
            .collect()
    }

    // From the first count to the last.
    fn counts(&self) -> Range<f64> {
        let all = self.curves.iter().flat_map(|(_, points)| points);
        let counts = all
            .map(|(count, _)| *count)
            .filter(|count| count.is_finite());
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        counts.for_each(|count| (low, high) = (low.min(count), high.max(count)));
        match low <= high {
            true => low..high.max(low + 1.0),
            false => 1.0..2.0,
        }
    }

    fn range(&self) -> Range<f64> {
        let all = self
            .curves
            .iter()
            .flat_map(|(_, points)| self.drawn(points));
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        all.for_each(|(_, value)| (low, high) = (low.min(value), high.max(value)));
        match low <= high {
            true => low - (0.05 * (high - low)).max(1e-9)..high + (0.05 * (high - low)).max(1e-9),
            false => 0.0..1.0,
        }
    }
}

/// Writes panels of curves, one below the other.
///
/// # Errors
/// [`PlotError::Write`] when the file cannot be written.
pub fn curves(path: impl AsRef<Path>, panels: &[Panel]) -> Result<(), PlotError> {
    let (width, height) = PANEL;
    let size = (
        width.cast_signed(),
        height.cast_signed() * extent(panels.len()).max(1),
    );
    write(path.as_ref(), size, |area| {
        for (panel, area) in panels
            .iter()
            .zip(area.split_evenly((panels.len().max(1), 1)))
        {
            let mut chart = ChartBuilder::on(&area)
                .margin(12)
                .caption(&panel.title, ("sans-serif", 18))
                .x_label_area_size(40)
                .y_label_area_size(64)
                .build_cartesian_2d(panel.counts(), panel.range())?;
            let power = |value: &f64| match panel.logarithmic {
                true => format!("{:.1e}", 10.0_f64.powf(*value)),
                false => format!("{value:.3}"),
            };
            chart
                .configure_mesh()
                .x_desc(&panel.count)
                .x_label_formatter(&|count| format!("{count:.0}"))
                .y_label_formatter(&power)
                .light_line_style(WHITE)
                .draw()?;
            for ((name, points), colour) in panel.curves.iter().zip(COLOURS.iter().cycle()) {
                let line =
                    |x, y| PathElement::new(vec![(x, y), (x + 20, y)], colour.stroke_width(2));
                chart
                    .draw_series(LineSeries::new(panel.drawn(points), colour.stroke_width(1)))?
                    .label(name)
                    .legend(move |(x, y)| line(x, y));
            }
            chart
                .configure_series_labels()
                .position(SeriesLabelPosition::UpperRight)
                .background_style(WHITE.mix(0.8))
                .draw()?;
        }
        Ok(())
    })
}

type Drawn = Result<(), Box<dyn std::error::Error>>;

fn write(
    path: &Path,
    (width, height): (i32, i32),
    draw: impl FnOnce(&DrawingArea<SVGBackend<'_>, Shift>) -> Drawn,
) -> Result<(), PlotError> {
    let failed = |reason: &dyn Display| PlotError::Write {
        path: path.to_owned(),
        reason: reason.to_string(),
    };
    let mut text = String::new();
    {
        let size = (width.unsigned_abs(), height.unsigned_abs());
        let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
        area.fill(&WHITE).map_err(|error| failed(&error))?;
        draw(&area).map_err(|error| failed(&error))?;
        area.present().map_err(|error| failed(&error))?;
    }
    fs::write(path, text).map_err(|error| failed(&error))
}

// Pictures of more tiles than fit an `i32` are cut there.
fn extent(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX / (4 * TILE))
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::*;

    fn labels(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn a_matrix_has_a_tile_for_each_element_and_its_labels() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("matrix.svg");
        let values = array![[0.0, 0.5, 1.0], [-1.0, 2.0, 0.0]];
        matrix(
            &path,
            "a < b",
            &labels("one two"),
            &labels("x yy z"),
            values.view(),
        )
        .unwrap();
        let text = fs::read_to_string(&path).unwrap();
        // One for the background, a tile and its frame for each element.
        assert_eq!(text.matches("<rect").count(), 1 + 2 * 6);
        assert_eq!(
            text.matches("fill=\"#000000\" stroke=\"none\"/>").count(),
            1
        );
        for label in ["one", "two", "yy", "a &lt; b"] {
            assert!(text.contains(label), "{label}");
        }
        let again = folder.path().join("again.svg");
        matrix(
            &again,
            "a < b",
            &labels("one two"),
            &labels("x yy z"),
            values.view(),
        )
        .unwrap();
        assert_eq!(fs::read_to_string(&again).unwrap(), text);
    }

    #[test]
    fn labels_and_numbers_that_do_not_fit_are_refused() {
        let values = Array2::<f32>::zeros((2, 3));
        let error = matrix(
            "never.svg",
            "",
            &labels("a"),
            &labels("x y z"),
            values.view(),
        )
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "expected labels of 2 rows and 3 columns, found 1 and 3"
        );
        let nan = array![[f32::NAN]];
        let error = matrix(
            "never.svg",
            "weights",
            &labels("a"),
            &labels("b"),
            nan.view(),
        )
        .unwrap_err();
        assert!(matches!(error, PlotError::NotFinite { .. }), "{error}");
        let folder = tempfile::tempdir().unwrap();
        let lost = folder.path().join("no folder").join("losses.svg");
        assert!(matches!(curves(&lost, &[]), Err(PlotError::Write { .. })));
    }

    #[test]
    fn curves_leave_out_what_cannot_be_drawn() {
        let panel = Panel::new("loss", "step").logarithmic();
        assert_eq!((panel.counts(), panel.range()), (1.0..2.0, 0.0..1.0));
        let fallen = panel
            .clone()
            .curve("", vec![100.0, 0.0, -1.0, f64::NAN, 0.1]);
        let drawn = fallen.drawn(&fallen.curves[0].1);
        assert_eq!(drawn, [(1.0, 2.0), (5.0, -1.0)]);
        let apart = panel.clone().points("", vec![(10.0, 1.0), (80.0, 10.0)]);
        assert_eq!(apart.counts(), 10.0..80.0);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("curves.svg");
        let panels = [
            panel.curve("falls", vec![1.0, 0.1, 0.01]),
            Panel::new("norm", "step")
                .curve("stays", vec![2.0; 5])
                .curve("none", vec![]),
        ];
        curves(&path, &panels).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        for name in ["loss", "norm", "falls", "stays"] {
            assert!(text.contains(name), "{name}");
        }
    }
}
