//! Curves, one panel below the other.
//!
//! **Invariant:** a value that is not finite breaks its curve and is marked at the lower edge, so that it cannot be overlooked.

use std::ops::Range;
use std::path::Path;

use plotters::element::DashedPathElement;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::axis::Marked;
use super::legend::{ROW, legend, shortened};
use super::panel::{Panel, Stroke};
use super::{Canvas, Drawn, drawn, save};
use crate::error::PlotError;

/// Width of a panel, and its height without names of curves.
const PANEL: (i32, i32) = (700, 300);
/// Room on the left of a chart.
const LEFT: i32 = 72;
/// Points that are marked where a curve has no more.
const FEW: usize = 40;
/// Turns from up to down or back from which on a curve is a fine line.
const MANY: usize = 100;
/// Letters of a title that are shown.
const TITLE: usize = 64;
/// Colours of curves, apart for eyes that see few colours too (Okabe & Ito 2008).
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(96, 96, 96),
];
/// Dashes of a dashed line, and the gaps between them.
const DASH: i32 = 8;
const GAP: i32 = 4;
/// How much of its curve's colour a band has.
const SHADE: f64 = 0.18;
/// Of lines that guide the eye.
const GRID: RGBColor = RGBColor(225, 225, 225);
/// Of marks where a value is lost.
const LOST: RGBColor = RGBColor(179, 38, 30);
/// Of a curve in the background.
const FAINT: RGBColor = RGBColor(170, 205, 225);

/// Writes panels of curves, one below the other: as PNG if the name of the file ends so, else as SVG.
///
/// # Errors
/// [`PlotError::Write`] when the file cannot be written, [`PlotError::NoPng`] without the feature `png`.
pub fn curves(path: impl AsRef<Path>, panels: &[Panel]) -> Result<(), PlotError> {
    save(path.as_ref(), &svg(panels, true)?)
}

/// The text of panels of curves, one below the other, without a background: for a page of its own colours.
///
/// # Errors
/// [`PlotError::Draw`] when it cannot be drawn.
pub fn curves_svg(panels: &[Panel]) -> Result<String, PlotError> {
    svg(panels, false)
}

fn svg(panels: &[Panel], background: bool) -> Result<String, PlotError> {
    let height = panels.iter().map(height_of).sum::<i32>().max(1);
    drawn((PANEL.0, height), background, |area| {
        let mut rest = area.clone();
        for panel in panels {
            let (own, below) = rest.split_vertically(height_of(panel));
            draw(panel, &own)?;
            rest = below;
        }
        Ok(())
    })
}

fn height_of(panel: &Panel) -> i32 {
    let (width, height) = PANEL;
    let (_, rows) = legend(&panel.names(), (width - LEFT).unsigned_abs() as usize);
    height + ROW * rows
}

// A range with some room around it, also for one value or none.
fn padded(values: impl Iterator<Item = f64>, room: f64, least: f64) -> Range<f64> {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    values
        .filter(|value| value.is_finite())
        .for_each(|value| (low, high) = (low.min(value), high.max(value)));
    if low > high {
        return 0.0..1.0;
    }
    let size = low.abs().max(high.abs());
    let pad = (room * (high - low)).max(least).max(1e-9 * size);
    low - pad..high + pad
}

fn colour(position: usize) -> RGBColor {
    COLOURS[position % COLOURS.len()]
}

fn draw(panel: &Panel, area: &Canvas<'_>) -> Drawn {
    let (chart_area, names_area) = area.split_vertically(PANEL.1);
    let points: Vec<Vec<(f64, f64)>> = panel
        .curves
        .iter()
        .map(|curve| panel.drawn(&curve.points))
        .collect();
    let bands = panel.curves.iter().map(|curve| panel.outline(&curve.band));
    let bands: Vec<Vec<(f64, f64)>> = bands.collect();
    let levels = panel.levels.iter().map(|(_, value)| panel.place(*value));
    let levels: Vec<f64> = levels.collect();
    let all = || points.iter().flatten();
    let shown = || all().chain(bands.iter().flatten());
    let across = shown().map(|(at, _)| *at);
    let counts = padded(across.clone(), 0.0, 0.0);
    let counts = match counts.end - counts.start > 1e-3 {
        true => counts,
        false => counts.start - 0.5..counts.end + 0.5,
    };
    let finite = shown()
        .map(|(_, value)| *value)
        .chain(levels.iter().copied());
    let flat = 0.01
        * finite
            .clone()
            .filter(|value| value.is_finite())
            .fold(0.0_f64, |most, value| most.max(value.abs()));
    let spread = padded(finite.clone(), 0.0, 0.0);
    let values = match spread.end - spread.start > 1e-6 * flat {
        true => padded(finite, 0.05, 0.0),
        false => padded(finite, 0.0, flat.max(1e-6)),
    };
    let up = match panel.logarithmic {
        true => Marked::powers(values.clone()),
        false => Marked::even(values.clone(), 5, 0.0),
    };
    let low = values.start;
    let edges = [counts.start, counts.end];
    let mut chart = ChartBuilder::on(&chart_area)
        .margin(8)
        .margin_right(20)
        .caption(shortened(&panel.title, TITLE), ("sans-serif", 21))
        .x_label_area_size(44)
        .y_label_area_size(LEFT - 8)
        .build_cartesian_2d(Marked::even(counts, 8, 1.0), up)?;
    chart
        .configure_mesh()
        .x_desc(&panel.count)
        .label_style(("sans-serif", 16))
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .max_light_lines(0)
        .draw()?;
    for (position, band) in bands.iter().enumerate() {
        if band.len() > 2 {
            let shade = colour(position).mix(SHADE).filled();
            chart.draw_series([Polygon::new(band.as_slice(), shade)])?;
        }
    }
    for (at, level) in levels.iter().enumerate() {
        if level.is_finite() {
            let style = colour(panel.curves.len() + at).stroke_width(2);
            let line = edges.map(|edge| (edge, *level));
            let dash = dash(Stroke::Dashed, panel.curves.len() + at).unwrap_or(DASH);
            chart.draw_series(DashedLineSeries::new(line, dash, GAP, style))?;
        }
    }
    for (position, (curve, points)) in panel.curves.iter().zip(&points).enumerate() {
        let style = match turns(points) > MANY {
            true => style(curve.stroke, position).stroke_width(1),
            false => style(curve.stroke, position),
        };
        for piece in points.split(|(_, value)| !value.is_finite()) {
            let few = points.len() <= FEW || piece.len() == 1;
            if few && (curve.stroke != Stroke::Dashed || piece.len() == 1) {
                let dot = |point: &(f64, f64)| Circle::new(*point, 3, style.filled());
                chart.draw_series(piece.iter().map(dot))?;
            }
            if piece.len() < 2 {
                continue;
            }
            let pieces = piece.iter().copied();
            match dash(curve.stroke, position) {
                None => chart.draw_series(LineSeries::new(pieces, style))?,
                Some(dash) => chart.draw_series(DashedLineSeries::new(pieces, dash, GAP, style))?,
            };
        }
        let lost = points.iter().filter(|(_, value)| !value.is_finite());
        let cross = |(at, _): &(f64, f64)| Cross::new((*at, low), 4, LOST.stroke_width(2));
        chart.draw_series(lost.map(cross))?;
    }
    let lost = all().any(|(_, value)| !value.is_finite());
    if lost {
        let what = match panel.logarithmic {
            true => "x: not a positive number",
            false => "x: not a finite number",
        };
        let right = Pos::new(HPos::Right, VPos::Bottom);
        let text = ("sans-serif", 15).into_font().color(&LOST).pos(right);
        chart_area.draw(&Text::new(what, (PANEL.0 - 20, PANEL.1 - 6), text))?;
    }
    name_curves(panel, &names_area)
}

// How often it turns, up or down.
fn turns(points: &[(f64, f64)]) -> usize {
    let turned =
        |three: &&[(f64, f64)]| (three[1].1 - three[0].1) * (three[2].1 - three[1].1) < 0.0;
    points.windows(3).filter(turned).count()
}

fn style(stroke: Stroke, position: usize) -> ShapeStyle {
    match stroke {
        Stroke::Faint => FAINT.stroke_width(1),
        Stroke::Solid | Stroke::Dashed => colour(position).stroke_width(2),
    }
}

// How long the dashes of a curve are, if it has some: where colours come again, ever shorter.
fn dash(stroke: Stroke, position: usize) -> Option<i32> {
    match (position / COLOURS.len(), stroke) {
        (0, Stroke::Dashed) => Some(DASH),
        (0, Stroke::Solid | Stroke::Faint) => None,
        (round, _) => Some((8 / round.min(4)) as i32),
    }
}

fn name_curves(panel: &Panel, area: &Canvas<'_>) -> Drawn {
    let width = (PANEL.0 - LEFT).unsigned_abs() as usize;
    let (entries, _) = legend(&panel.names(), width);
    let middle = Pos::new(HPos::Left, VPos::Center);
    let text = ("sans-serif", 16).into_font().color(&BLACK).pos(middle);
    for entry in entries {
        let (x, y) = (LEFT + entry.x, entry.y + ROW / 2);
        if let Some(position) = entry.curve {
            // Dashed lines come behind the curves.
            let curve = panel.curves.get(position);
            let stroke = curve.map_or(Stroke::Dashed, |curve| curve.stroke);
            let style = style(stroke, position).stroke_width(3);
            let line = vec![(x, y), (x + 22, y)];
            match dash(stroke, position) {
                None => area.draw(&PathElement::new(line, style))?,
                Some(dash) => area.draw(&DashedPathElement::new(line, dash, GAP, style))?,
            }
        }
        area.draw(&Text::new(entry.text, (x + 28, y), text.clone()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_value_without_a_place_breaks_the_curve_and_is_marked() {
        let panel = Panel::new("loss", "step").logarithmic();
        let points = vec![
            (1.0, 100.0),
            (2.0, 0.0),
            (3.0, -1.0),
            (4.0, f64::NAN),
            (5.0, 0.1),
        ];
        let drawn = panel.drawn(&points);
        assert_eq!((drawn[0], drawn[4]), ((1.0, 2.0), (5.0, -1.0)));
        assert!(drawn[1..4].iter().all(|(_, value)| value.is_nan()));
        let text = curves_svg(&[panel.points("falls", points)]).unwrap();
        assert!(text.contains("not a positive number"), "{text}");
        let text = curves_svg(&[Panel::new("loss", "step").curve("loss", vec![1.0, 2.0])]).unwrap();
        assert!(!text.contains("not a"), "{text}");
    }

    #[test]
    fn baselines_are_dashed_and_bands_are_shaded_within_the_chart() {
        let plain = Panel::new("error", "epoch").curve("network", vec![3.0, 2.0]);
        let text = |panel: &Panel| curves_svg(std::slice::from_ref(panel)).unwrap();
        let count = |panel: &Panel, tag: &str| text(panel).matches(tag).count();
        assert_eq!(count(&plain, "<polygon"), 0);
        let level = plain.clone().baseline("who remembers nothing", 9.0);
        assert!(text(&level).contains("who remembers nothing"));
        // The axis reaches up to the baseline.
        let highest = |panel: &Panel| {
            let text = text(panel);
            let labels = text
                .lines()
                .filter_map(|line| line.trim().parse::<f64>().ok());
            labels.fold(0.0, f64::max)
        };
        assert!((5.0..=9.0).contains(&highest(&level)), "{}", text(&level));
        assert!(highest(&plain) < 5.0, "{}", text(&plain));
        let dashed = plain.clone().dashed("before", vec![(1.0, 3.0), (2.0, 2.5)]);
        let lines = |panel: &Panel| count(panel, "<polyline") + count(panel, "<line");
        assert!(lines(&dashed) > lines(&plain) + 10, "{}", text(&dashed));
        let band = plain.band(vec![(1.0, 2.5, 4.0), (1.5, f64::NAN, 2.0), (2.0, 1.5, 2.5)]);
        assert_eq!(count(&band, "<polygon"), 1);
        assert!(!text(&band).contains("NaN"));
        let log = band
            .logarithmic()
            .band(vec![(1.0, -1.0, 4.0), (2.0, 0.0, 2.5)]);
        assert_eq!(count(&log, "<polygon"), 0, "nothing of it has a place");
    }

    #[test]
    fn panels_of_any_numbers_are_drawn() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("curves.svg");
        let panels = [
            Panel::new("loss", "step")
                .logarithmic()
                .curve("falls", vec![1.0, 0.1, 0.01]),
            Panel::new("norm", "step")
                .curve("stays", vec![2.0; 5])
                .curve("none", vec![]),
            Panel::new("nothing", "epoch").curve("lost", vec![f64::NAN, f64::INFINITY]),
            Panel::new("large", "epoch")
                .curve("one", vec![f64::MAX])
                .curve("small", vec![-f64::MAX, f64::MIN_POSITIVE]),
            Panel::new("empty", "epoch"),
        ];
        curves(&path, &panels).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        for name in [
            "loss", "norm", "falls", "stays", "none", "lost", "large", "empty",
        ] {
            assert!(text.contains(name), "{name}");
        }
        assert!(!text.contains("NaN"), "no coordinate is lost");
        let again = folder.path().join("again.svg");
        curves(&again, &panels).unwrap();
        assert_eq!(fs::read_to_string(&again).unwrap(), text);
        let lost = folder.path().join("no folder").join("losses.svg");
        assert!(matches!(curves(&lost, &[]), Err(PlotError::Write { .. })));
    }

    #[cfg(feature = "png")]
    #[test]
    fn a_png_is_twice_as_large_and_has_ink() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("curves.PNG");
        let panel = Panel::new("loss", "step").curve("loss", vec![1.0, 0.5, 0.25]);
        curves(&path, &[panel]).unwrap();
        let bytes = fs::read(&path).unwrap();
        assert_eq!(&bytes[..8], b"\x89PNG\r\n\x1a\n");
        let pixels = resvg::tiny_skia::Pixmap::decode_png(&bytes).unwrap();
        assert_eq!((pixels.width(), pixels.height()), (1400, 600));
        let dark = |pixel: &resvg::tiny_skia::PremultipliedColorU8| pixel.red() < 60;
        // The curve, and the letters of the caption, which are in the top tenth.
        let caption = pixels
            .pixels()
            .iter()
            .take(1400 * 60)
            .filter(|pixel| dark(pixel))
            .count();
        assert!(caption > 100, "{caption}");
    }

    #[cfg(not(feature = "png"))]
    #[test]
    fn a_png_without_the_feature_is_refused() {
        let error = curves("never.png", &[]).unwrap_err();
        assert!(error.to_string().contains("feature `png`"), "{error}");
    }
}
