//! A matrix as tiles.

use std::path::Path;

use ndarray::ArrayView2;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{drawn, extent, save};
use crate::error::PlotError;

/// Points on a side of a tile.
const TILE: i32 = 20;
/// Width of a letter of a label; the fonts of SVG are chosen by who shows it, so this is an estimate.
const LETTER: i32 = 9;

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
    save(path.as_ref(), &matrix_svg(title, rows, columns, values)?)
}

/// As [`matrix`], as the text of the picture.
///
/// # Errors
/// As [`matrix`], save for files.
pub fn matrix_svg(
    title: &str,
    rows: &[String],
    columns: &[String],
    values: ArrayView2<'_, f32>,
) -> Result<String, PlotError> {
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
    drawn(size, true, |area| {
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

#[cfg(test)]
mod tests {
    use std::fs;

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
    }
}
