//! Sequences whose parts are shaded by weights.

use std::path::Path;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{drawn, extent, save};
use crate::error::PlotError;

/// Height of a row, and of the tiles in it.
const ROW: i32 = 32;
const TILE: i32 = 24;
/// Width of a letter; the fonts of SVG are chosen by who shows it, so this is an estimate.
const LETTER: i32 = 9;

/// A sequence of named parts, such as the words of a sentence, each with a weight.
#[derive(Clone, Debug, PartialEq)]
pub struct Strip {
    /// What stands before it.
    pub label: String,
    /// The parts.
    pub parts: Vec<(String, f32)>,
}

impl Strip {
    /// A sequence and its weights, as many as it has parts; of more of either the rest is left out.
    pub fn new<P: Into<String>>(
        label: impl Into<String>,
        parts: impl IntoIterator<Item = P>,
        weights: impl IntoIterator<Item = f32>,
    ) -> Self {
        let parts = parts.into_iter().map(Into::into);
        Self {
            label: label.into(),
            parts: parts.zip(weights).collect(),
        }
    }

    fn heaviest(&self) -> f32 {
        let weights = self.parts.iter().map(|(_, weight)| *weight);
        weights.fold(f32::MIN_POSITIVE, f32::max)
    }

    /// As a line of text: a block before each part, the higher the heavier, as high as a letter for the heaviest.
    ///
    /// ```
    /// use rnn_runtime::plot::Strip;
    ///
    /// let strip = Strip::new("", ["not", "so", "good"], [0.6, 0.1, 0.25]);
    /// assert_eq!(strip.line(), "█not ▂so ▄good");
    /// ```
    pub fn line(&self) -> String {
        const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        let heaviest = self.heaviest();
        let parts = self.parts.iter().map(|(part, weight)| {
            let height = (weight / heaviest).clamp(0.0, 1.0) * (BLOCKS.len() - 1) as f32;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "between 0 and 7"
            )]
            let height = height.round() as usize;
            format!("{}{part}", BLOCKS[height])
        });
        parts.collect::<Vec<_>>().join(" ")
    }
}

/// Writes sequences one below the other, the parts of each the darker the heavier; white is 0 or less, and the heaviest part of each
/// sequence is darkest.
///
/// # Errors
/// [`PlotError::NotFinite`] for a weight that is not finite, [`PlotError::Write`] when the file cannot be written.
pub fn strips(path: impl AsRef<Path>, title: &str, strips: &[Strip]) -> Result<(), PlotError> {
    save(path.as_ref(), &strips_svg(title, strips)?)
}

/// As [`strips`], as the text of the picture.
///
/// # Errors
/// As [`strips`], save for files.
pub fn strips_svg(title: &str, strips: &[Strip]) -> Result<String, PlotError> {
    for strip in strips {
        if let Some((part, weight)) = strip.parts.iter().find(|(_, own)| !own.is_finite()) {
            return Err(PlotError::NotFinite {
                what: format!("{}: {part}", strip.label),
                found: f64::from(*weight),
            });
        }
    }
    let wide = |text: &str| extent(text.chars().count()).saturating_mul(LETTER);
    let labels = strips.iter().map(|strip| wide(&strip.label)).max();
    let left = labels.unwrap_or(0) + 2 * LETTER;
    let tile = |part: &str| wide(part) + LETTER;
    let ends = strips.iter().map(|strip| {
        let parts = strip.parts.iter().map(|(part, _)| tile(part));
        parts.fold(left, i32::saturating_add)
    });
    let size = (
        ends.max().unwrap_or(left).max(wide(title)) + LETTER,
        ROW.saturating_mul(extent(strips.len()) + 1) + LETTER,
    );
    drawn(size, true, |area| {
        let font = |colour, place| {
            let anchor = Pos::new(place, VPos::Center);
            ("monospace", 15).into_font().color(colour).pos(anchor)
        };
        let middle = |row: i32| ROW * row + ROW / 2;
        area.draw(&Text::new(
            title,
            (LETTER, middle(0)),
            font(&BLACK, HPos::Left),
        ))?;
        for (row, strip) in (1_i32..).zip(strips) {
            let at = (left - LETTER, middle(row));
            area.draw(&Text::new(
                strip.label.as_str(),
                at,
                font(&BLACK, HPos::Right),
            ))?;
            let (mut x, heaviest) = (left, strip.heaviest());
            for (part, weight) in &strip.parts {
                let dark = (weight / heaviest).clamp(0.0, 1.0);
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "between 0 and 255"
                )]
                let grey = (255.0 * (1.0 - dark)).round() as u8;
                let end = x + tile(part);
                let corners = [
                    (x, middle(row) - TILE / 2),
                    (end - 1, middle(row) + TILE / 2),
                ];
                area.draw(&Rectangle::new(
                    corners,
                    RGBColor(grey, grey, grey).filled(),
                ))?;
                let ink = if grey < 128 { &WHITE } else { &BLACK };
                let at = ((x + end) / 2, middle(row));
                area.draw(&Text::new(part.as_str(), at, font(ink, HPos::Center)))?;
                x = end;
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heaviest_part_is_darkest_and_highest() {
        let strips = [
            Strip::new("yes", ["so", "good"], [0.25, 0.75]),
            Strip::new("no", ["<not>"], [0.0]),
        ];
        let text = strips_svg("where it looks", &strips).unwrap();
        // One for the background, and a tile for each part.
        assert_eq!(text.matches("<rect").count(), 1 + 3);
        let black = "fill=\"#000000\" stroke=\"none\"/>";
        assert_eq!(text.matches(black).count(), 1);
        for part in ["where it looks", "yes", "no", "so", "good", "&lt;not&gt;"] {
            assert!(text.contains(part), "{part}");
        }
        assert_eq!(strips.each_ref().map(Strip::line), ["▃so █good", "▁<not>"]);
        assert!(strips_svg("nothing", &[]).unwrap().contains("nothing"));
    }

    #[test]
    fn a_weight_that_is_no_number_is_told_with_its_part() {
        let strip = Strip::new("first", ["a", "b"], [0.5, f32::NAN]);
        let error = strips_svg("t", &[strip]).unwrap_err();
        assert!(error.to_string().contains("first: b"), "{error}");
    }
}
