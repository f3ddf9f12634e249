//! Pictures of one or two shapes, and the sentences that say what is in them.
//!
//! ```text
//! a small red cross in the top left corner
//! a large blue disc above a small green triangle
//! a large yellow square to the left of a large red disc
//! ```
//!
//! A sentence says all that is the same in its pictures; where exactly a shape is, how bright it is, and the noise are drawn anew for
//! each of them.

use ndarray::Array1;
use rand::seq::SliceRandom;
use rand::{Rng, RngExt};

/// Pixels on a side of a picture, and numbers of a pixel.
pub(crate) const SIDE: usize = 16;
pub(crate) const CHANNELS: usize = 3;
/// Standard deviation of the noise; a shape has a brightness between 0.6 and 1.
const NOISE: f32 = 0.1;

const SHAPES: [&str; 4] = ["square", "disc", "triangle", "cross"];
const COLOURS: [(&str, [f32; CHANNELS]); 4] = [
    ("red", [1.0, 0.0, 0.0]),
    ("green", [0.0, 1.0, 0.0]),
    ("blue", [0.0, 0.0, 1.0]),
    ("yellow", [1.0, 1.0, 0.0]),
];
// How far a shape reaches from its middle.
const SIZES: [(&str, i32); 2] = [("small", 2), ("large", 3)];
const PLACES: [&str; 9] = [
    "in the top left corner",
    "at the top",
    "in the top right corner",
    "on the left",
    "in the middle",
    "on the right",
    "in the bottom left corner",
    "at the bottom",
    "in the bottom right corner",
];

/// A shape, without its place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Thing {
    shape: usize,
    colour: usize,
    size: usize,
}

/// What is in a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scene {
    /// A shape at one of nine places.
    One(Thing, usize),
    /// The first is above the second.
    Above(Thing, Thing),
    /// The first is to the left of the second.
    Left(Thing, Thing),
}

impl Thing {
    fn all() -> Vec<Self> {
        let shapes = 0..SHAPES.len();
        shapes
            .flat_map(|shape| {
                let colours = 0..COLOURS.len();
                colours.flat_map(move |colour| {
                    (0..SIZES.len()).map(move |size| Self {
                        shape,
                        colour,
                        size,
                    })
                })
            })
            .collect()
    }

    fn words(self) -> String {
        let (size, colour) = (SIZES[self.size].0, COLOURS[self.colour].0);
        format!("a {size} {colour} {}", SHAPES[self.shape])
    }

    fn radius(self) -> i32 {
        SIZES[self.size].1
    }

    // Whether a pixel is of it, so far from its middle: right and down.
    fn covers(self, [x, y]: [i32; 2]) -> bool {
        let radius = self.radius();
        if x.abs().max(y.abs()) > radius {
            return false;
        }
        match SHAPES[self.shape] {
            "disc" => x * x + y * y <= radius * radius + 1,
            "triangle" => 2 * x.abs() <= y + radius,
            "cross" => x.abs().min(y.abs()) < radius - 1,
            _ => true,
        }
    }

    fn draw(self, pixels: &mut Array1<f32>, middle: [i32; 2], rng: &mut impl Rng) {
        let brightness = rng.random_range(0.6..1.0);
        let side = SIDE as i32;
        for (at, (row, column)) in (0..side)
            .flat_map(|row| (0..side).map(move |column| (row, column)))
            .enumerate()
        {
            if self.covers([column - middle[0], row - middle[1]]) {
                for (channel, part) in COLOURS[self.colour].1.iter().enumerate() {
                    pixels[CHANNELS * at + channel] = brightness * part;
                }
            }
        }
    }

    // A place for its middle in one of three parts of a side: before, in or behind the middle of the picture.
    fn third(self, part: usize, rng: &mut impl Rng) -> i32 {
        let (radius, side) = (self.radius(), SIDE as i32);
        let start = match part {
            0 => radius,
            1 => side / 2 - 1,
            _ => side - radius - 2,
        };
        start + rng.random_range(0..2)
    }
}

impl Scene {
    /// All scenes, in a random order.
    pub(crate) fn all(rng: &mut impl Rng) -> Vec<Self> {
        let things = Thing::all();
        let mut scenes = Vec::new();
        for first in &things {
            scenes.extend((0..PLACES.len()).map(|place| Self::One(*first, place)));
            for second in &things {
                scenes.extend([Self::Above(*first, *second), Self::Left(*first, *second)]);
            }
        }
        scenes.shuffle(rng);
        scenes
    }

    /// The sentence.
    pub(crate) fn words(self) -> String {
        match self {
            Self::One(thing, place) => format!("{} {}", thing.words(), PLACES[place]),
            Self::Above(first, second) => format!("{} above {}", first.words(), second.words()),
            Self::Left(first, second) => {
                format!("{} to the left of {}", first.words(), second.words())
            }
        }
    }

    // The shapes alone, row by row: red, green and blue of every pixel.
    fn shapes(self, rng: &mut impl Rng) -> Array1<f32> {
        let mut pixels = Array1::zeros(SIDE * SIDE * CHANNELS);
        match self {
            Self::One(thing, place) => {
                let middle = [place % 3, place / 3].map(|part| thing.third(part, rng));
                thing.draw(&mut pixels, middle, rng);
            }
            Self::Above(first, second) | Self::Left(first, second) => {
                for (half, thing) in (0..).zip([first, second]) {
                    let along = half * SIDE as i32 / 2 + rng.random_range(3..5);
                    let across = thing.third(1, rng);
                    let middle = match self {
                        Self::Left(..) => [along, across],
                        _ => [across, along],
                    };
                    thing.draw(&mut pixels, middle, rng);
                }
            }
        }
        pixels
    }

    /// A picture: the shapes and the noise.
    pub(crate) fn draw(self, rng: &mut impl Rng) -> Array1<f32> {
        let pixels = self.shapes(rng);
        // Normal numbers (Box & Muller 1958).
        pixels.mapv(|value| {
            let (u, v): (f32, f32) = (1.0 - rng.random::<f32>(), rng.random());
            value + NOISE * (-2.0 * u.ln()).sqrt() * (std::f32::consts::TAU * v).cos()
        })
    }
}

/// A picture in letters, a line a row: the brightest colour of a pixel, or nothing.
pub(crate) fn letters(pixels: &[f32]) -> String {
    let letter = |pixel: &[f32]| {
        let lit = |channel: usize| pixel[channel] > 0.4;
        match [lit(0), lit(1), lit(2)] {
            [true, true, _] => 'Y',
            [true, _, _] => 'R',
            [_, true, _] => 'G',
            [_, _, true] => 'B',
            _ => '.',
        }
    };
    let rows = pixels.chunks(SIDE * CHANNELS);
    let lines = rows.map(|row| row.chunks(CHANNELS).map(letter).collect::<String>());
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_sentence_is_said_of_one_scene_and_its_shapes_are_whole() {
        let mut rng = rnn::rng::stream(1, "scenes", "");
        let scenes = Scene::all(&mut rng);
        assert_eq!(scenes.len(), 32 * 9 + 2 * 32 * 32);
        let sentences: BTreeSet<String> = scenes.iter().map(|scene| scene.words()).collect();
        assert_eq!(sentences.len(), scenes.len());
        let thing = |words: &str| {
            let found = Thing::all();
            let mut found = found.into_iter().filter(|thing| thing.words() == words);
            found.next().unwrap()
        };
        // Pixels of whole shapes, whatever their places.
        for (words, pixels) in [
            ("a small red square", 25),
            ("a large red square", 49),
            ("a small red disc", 21),
            ("a large red disc", 37),
            ("a small red triangle", 13),
            ("a large red triangle", 25),
            ("a small red cross", 9),
            ("a large red cross", 33),
        ] {
            for place in 0..PLACES.len() {
                let drawn = letters(&Scene::One(thing(words), place).shapes(&mut rng).to_vec());
                assert_eq!(drawn.matches('R').count(), pixels, "{words}\n{drawn}");
            }
        }
        let (above, below) = (thing("a large blue disc"), thing("a small green square"));
        let drawn = letters(&Scene::Above(above, below).shapes(&mut rng).to_vec());
        assert!(drawn.rfind('B') < drawn.find('G'), "{drawn}");
        assert_eq!(
            (drawn.matches('B').count(), drawn.matches('G').count()),
            (37, 25)
        );
    }
}
