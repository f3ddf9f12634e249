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
use super::thin::thinned;
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
/// Size of the numbers that have a place of their own.
const LARGEST: f64 = 1e300;
/// Of lines that guide the eye.
const GRID: RGBColor = RGBColor(225, 225, 225);
/// Of marks where a value is lost.
const LOST: RGBColor = RGBColor(179, 38, 30);
/// Of a curve in the background.
const FAINT: RGBColor = RGBColor(170, 205, 225);

/// A curve: a value at each of some places.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// What it is called.
    pub name: String,
    /// Places, in increasing order, and values.
    pub points: Vec<(f64, f64)>,
    /// Whether it is in the background of others.
    pub faint: bool,
}

/// Curves over a count, such as training steps, with a scale of their own.
#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    title: String,
    count: String,
    logarithmic: bool,
    curves: Vec<Curve>,
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

    /// With powers of ten on the vertical axis. Values that are not positive have no place there.
    #[must_use]
    pub fn logarithmic(mut self) -> Self {
        self.logarithmic = true;
        self
    }

    /// With one more curve, whose values are counted from 1.
    #[must_use]
    pub fn curve(self, name: impl Into<String>, values: Vec<f64>) -> Self {
        let points = (1_u32..).zip(values);
        let points = points.map(|(count, value)| (f64::from(count), value));
        self.points(name, points.collect())
    }

    /// With one more curve: places in increasing order, and values.
    #[must_use]
    pub fn points(mut self, name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        self.curves.push(Curve {
            name: name.into(),
            points,
            faint: false,
        });
        self
    }

    /// With one more curve, in the background of those that follow.
    #[must_use]
    pub fn background(mut self, name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        self = self.points(name, points);
        if let Some(curve) = self.curves.last_mut() {
            curve.faint = true;
        }
        self
    }

    /// What its values are.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Its curves.
    pub fn all(&self) -> &[Curve] {
        &self.curves
    }

    // What is drawn of a curve: places, and values or their logarithms; what has no place there is not finite.
    fn drawn(&self, curve: &Curve) -> Vec<(f64, f64)> {
        let value = |value: f64| match self.logarithmic {
            true if value > 0.0 => value.log10(),
            true => f64::NAN,
            // Room around the largest numbers is a number, too.
            false if value.is_finite() => value.clamp(-LARGEST, LARGEST),
            false => value,
        };
        let finite = curve.points.iter().filter(|(at, _)| at.is_finite());
        let points: Vec<_> = finite.map(|(at, own)| (*at, value(*own))).collect();
        thinned(&points)
    }

    fn names(&self) -> Vec<&str> {
        let all: Vec<&str> = self
            .curves
            .iter()
            .map(|curve| curve.name.as_str())
            .collect();
        // One curve that is called as its panel needs no name.
        match all.as_slice() {
            [name] if *name == self.title => Vec::new(),
            _ => all,
        }
    }

    fn height(&self) -> i32 {
        let (width, height) = PANEL;
        let (_, rows) = legend(&self.names(), (width - LEFT).unsigned_abs() as usize);
        height + ROW * rows
    }
}

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
    let height = panels.iter().map(Panel::height).sum::<i32>().max(1);
    drawn((PANEL.0, height), background, |area| {
        let mut rest = area.clone();
        for panel in panels {
            let (own, below) = rest.split_vertically(panel.height());
            draw(panel, &own)?;
            rest = below;
        }
        Ok(())
    })
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
        .map(|curve| panel.drawn(curve))
        .collect();
    let all = || points.iter().flatten();
    let across = all().map(|(at, _)| *at);
    let counts = padded(across.clone(), 0.0, 0.0);
    let counts = match counts.end - counts.start > 1e-3 {
        true => counts,
        false => counts.start - 0.5..counts.end + 0.5,
    };
    let finite = all().map(|(_, value)| *value);
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
    for (position, (curve, points)) in panel.curves.iter().zip(&points).enumerate() {
        let style = match turns(points) > MANY {
            true => style(curve, position).stroke_width(1),
            false => style(curve, position),
        };
        for piece in points.split(|(_, value)| !value.is_finite()) {
            let few = points.len() <= FEW || piece.len() == 1;
            if few {
                let dot = |point: &(f64, f64)| Circle::new(*point, 3, style.filled());
                chart.draw_series(piece.iter().map(dot))?;
            }
            if piece.len() < 2 {
                continue;
            }
            match position / COLOURS.len() {
                0 => chart.draw_series(LineSeries::new(piece.iter().copied(), style))?,
                // The same colours again, dashed ever shorter.
                round => {
                    let dash = (8 / round.min(4)) as i32;
                    let pieces = piece.iter().copied();
                    chart.draw_series(DashedLineSeries::new(pieces, dash, 4, style))?
                }
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

fn style(curve: &Curve, position: usize) -> ShapeStyle {
    match curve.faint {
        true => FAINT.stroke_width(1),
        false => colour(position).stroke_width(2),
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
            let style = style(&panel.curves[position], position).stroke_width(3);
            let line = vec![(x, y), (x + 22, y)];
            match position / COLOURS.len() {
                0 => area.draw(&PathElement::new(line, style))?,
                round => {
                    let dash = (8 / round.min(4)) as i32;
                    area.draw(&DashedPathElement::new(line, dash, 4, style))?;
                }
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
        let curve = Curve {
            name: "falls".into(),
            points: vec![
                (1.0, 100.0),
                (2.0, 0.0),
                (3.0, -1.0),
                (4.0, f64::NAN),
                (5.0, 0.1),
            ],
            faint: false,
        };
        let drawn = panel.drawn(&curve);
        assert_eq!((drawn[0], drawn[4]), ((1.0, 2.0), (5.0, -1.0)));
        assert!(drawn[1..4].iter().all(|(_, value)| value.is_nan()));
        let text = curves_svg(&[panel.points("falls", curve.points)]).unwrap();
        assert!(text.contains("not a positive number"), "{text}");
        let text = curves_svg(&[Panel::new("loss", "step").curve("loss", vec![1.0, 2.0])]).unwrap();
        assert!(!text.contains("not a"), "{text}");
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
