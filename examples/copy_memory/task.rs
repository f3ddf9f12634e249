//! The copy task (Graves, Wayne & Danihelka 2014, sec. 4.1): read a sequence of bytes, then say it again from memory.
//!
//! ```text
//! step      1      2 .. n+1     n+2     n+3 .. 2n+2
//! input   start     bytes       end       zeros
//! target                                  bytes
//! ```

use std::error::Error;
use std::fs;

use ndarray::{Array2, Array3};
use rand::{Rng, RngExt};

use crate::arguments::Arguments;

/// Bits of a byte.
pub(crate) const BITS: usize = 8;

/// Where bytes come from.
pub(crate) enum Source {
    /// All are alike.
    Even,
    /// Passages of a file.
    File(Vec<u8>),
}

impl Source {
    pub(crate) fn open(arguments: &Arguments) -> Result<Self, Box<dyn Error>> {
        let Some(path) = &arguments.data else {
            return Ok(Self::Even);
        };
        let bytes = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        if bytes.is_empty() {
            return Err(format!("{} has no bytes to copy", path.display()).into());
        }
        Ok(Self::File(bytes))
    }

    // A passage goes on at the start of the file where it reaches its end.
    fn draw(&self, count: usize, rng: &mut impl Rng) -> Vec<u8> {
        match self {
            Self::Even => (0..count).map(|_| rng.random()).collect(),
            Self::File(bytes) => {
                let start = rng.random_range(0..bytes.len());
                bytes
                    .iter()
                    .cycle()
                    .skip(start)
                    .take(count)
                    .copied()
                    .collect()
            }
        }
    }
}

/// Sequences as a model reads them.
pub(crate) struct Copies {
    /// Bits of a byte, then the marks of start and end: `[T, B, BITS + 2]`.
    pub(crate) x: Array3<f32>,
    /// Bits to say, `[T, B, BITS]`.
    pub(crate) bits: Array3<f32>,
    /// 1 where they are asked for, `[T, B]`.
    pub(crate) asked: Array2<f32>,
    /// Steps of each sequence.
    pub(crate) lengths: Vec<usize>,
}

impl Copies {
    /// Sequences of these numbers of bytes.
    pub(crate) fn draw(source: &Source, counts: &[usize], rng: &mut impl Rng) -> Self {
        let lengths: Vec<usize> = counts.iter().map(|count| 2 * count + 2).collect();
        let (steps, batch) = (lengths.iter().copied().max().unwrap_or(0), counts.len());
        let mut copies = Self {
            x: Array3::zeros((steps, batch, BITS + 2)),
            bits: Array3::zeros((steps, batch, BITS)),
            asked: Array2::zeros((steps, batch)),
            lengths,
        };
        for (b, count) in counts.iter().enumerate() {
            copies.x[[0, b, BITS]] = 1.0;
            copies.x[[count + 1, b, BITS + 1]] = 1.0;
            for (t, byte) in source.draw(*count, rng).into_iter().enumerate() {
                let said = count + 2 + t;
                copies.asked[[said, b]] = 1.0;
                for bit in 0..BITS {
                    let value = f32::from(byte >> bit & 1);
                    copies.x[[1 + t, b, bit]] = value;
                    copies.bits[[said, b, bit]] = value;
                }
            }
        }
        copies
    }

    /// How many of the bits asked for are right, and how many are asked for.
    pub(crate) fn correct(&self, logits: &Array3<f32>) -> (usize, usize) {
        let (mut correct, mut all) = (0, 0);
        for ((t, b, bit), logit) in logits.indexed_iter() {
            if self.asked[[t, b]] > 0.5 {
                correct += usize::from((*logit > 0.0) == (self.bits[[t, b, bit]] > 0.5));
                all += 1;
            }
        }
        (correct, all)
    }
}
