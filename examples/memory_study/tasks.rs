//! Two tasks that need a long memory.
//!
//! *Adding* (Hochreiter & Schmidhuber 1997, experiment 4, in the form of Le, Jaitly & Hinton 2015): numbers between 0 and 1, two of
//! which are marked, one in each half; their sum is asked for at the end. Who says 1 always has a mean squared error of 1/6, where
//! numbers are drawn.
//!
//! *Copying* (Hochreiter & Schmidhuber 1997; Arjovsky, Shah & Bengio 2016): a few symbols, then blanks, a mark, and blanks, over
//! which the symbols are asked for again. Who knows that it is their turn and nothing else has a cross-entropy of `ln 8`, where
//! symbols are drawn.
//!
//! ```text
//! adding    0.3  0.9* 0.1  0.7  0.2* 0.5                   1.1
//! copying   c a e . . . . ! . .                            c a e, from the mark on
//! ```

use ndarray::{Array1, Array2, Array3};
use rand::{Rng, RngExt};

use crate::material::Material;

/// Symbols of the copying task, without blank and mark.
pub(crate) const SYMBOLS: usize = 8;
/// Symbols to remember.
pub(crate) const COPIED: usize = 4;

/// Sequences of the adding problem.
pub(crate) struct Sums {
    /// A number, and whether it counts: `[T, B, 2]`.
    pub(crate) x: Array3<f32>,
    pub(crate) sum: Array1<f32>,
}

impl Sums {
    pub(crate) fn draw(
        material: &Material,
        steps: usize,
        batch: usize,
        rng: &mut impl Rng,
    ) -> Self {
        let mut x = Array3::zeros((steps, batch, 2));
        let mut sum = Array1::zeros(batch);
        for b in 0..batch {
            for t in 0..steps {
                x[[t, b, 0]] = material.number(rng);
            }
            let half = steps / 2;
            for marked in [rng.random_range(0..half), rng.random_range(half..steps)] {
                x[[marked, b, 1]] = 1.0;
                sum[b] += x[[marked, b, 0]];
            }
        }
        Self { x, sum }
    }
}

/// Sequences of the copying task.
pub(crate) struct Copies {
    /// `[T, B]`: symbols, then blanks, and the mark.
    pub(crate) now: Array2<u32>,
    /// `[T, B]`: what is asked for.
    pub(crate) symbol: Array2<u32>,
    /// `[T, B]`: 1 where something is asked for.
    pub(crate) asked: Array2<f32>,
}

impl Copies {
    /// Tokens that are read: symbols, blank and mark.
    pub(crate) const TOKENS: usize = SYMBOLS + 2;

    /// `delay` blanks between the last symbol and the mark, at which the copy begins.
    pub(crate) fn draw(
        material: &Material,
        delay: usize,
        batch: usize,
        rng: &mut impl Rng,
    ) -> Self {
        let (mark, blank) = (COPIED + delay, SYMBOLS as u32);
        let steps = mark + COPIED;
        let mut copies = Self {
            now: Array2::from_elem((steps, batch), blank),
            symbol: Array2::zeros((steps, batch)),
            asked: Array2::zeros((steps, batch)),
        };
        for b in 0..batch {
            copies.now[[mark, b]] = blank + 1;
            for (t, symbol) in material.passage(COPIED, rng).into_iter().enumerate() {
                copies.now[[t, b]] = symbol;
                copies.symbol[[mark + t, b]] = symbol;
                copies.asked[[mark + t, b]] = 1.0;
            }
        }
        copies
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_of_one_number_in_each_half() {
        let sums = Sums::draw(
            &Material::Even,
            10,
            50,
            &mut rnn::rng::stream(1, "sums", ""),
        );
        for b in 0..50 {
            let marks: Vec<usize> = (0..10).filter(|t| sums.x[[*t, b, 1]] > 0.5).collect();
            assert!(
                matches!(marks[..], [first, second] if first < 5 && second >= 5),
                "{marks:?}"
            );
            let sum: f32 = marks.iter().map(|t| sums.x[[*t, b, 0]]).sum();
            assert_eq!(sum, sums.sum[b]);
        }
    }

    #[test]
    fn a_copy_is_asked_for_after_the_delay() {
        let copies = Copies::draw(
            &Material::Even,
            3,
            20,
            &mut rnn::rng::stream(1, "copies", ""),
        );
        assert_eq!(copies.now.dim(), (COPIED + 3 + COPIED, 20));
        for b in 0..20 {
            for t in 0..COPIED {
                assert_eq!(copies.symbol[[COPIED + 3 + t, b]], copies.now[[t, b]]);
            }
            let read: Vec<u32> = copies.now.column(b).iter().skip(COPIED).copied().collect();
            assert_eq!(read, [8, 8, 8, 9, 8, 8, 8]);
            assert_eq!(copies.asked.column(b).sum(), COPIED as f32);
        }
    }
}
