//! Batches of examples of unequal length.
//!
//! A call computes nothing past an example's own length, but a batch takes as many steps as its longest example.
//! [`LengthBatches`] therefore puts examples of like lengths together; [`pad`] and [`pad_rows`] lay a batch out as calls take
//! it, `[T, B, ..]`, to be given with the lengths of its examples.
//!
//! ```
//! use rnn_runtime::ragged::{LengthBatches, lengths, pad};
//! use rnn_runtime::rng;
//!
//! let texts: [&[u32]; 3] = [&[5, 6, 7], &[8], &[9, 1, 2]];
//! let batches = LengthBatches::new(&lengths(&texts), 2)?;
//! let mut rng = rng::stream(42, "shuffle", "epoch 1");
//! for rows in batches.shuffled(&mut rng) {
//!     let batch: Vec<&[u32]> = rows.iter().map(|row| texts[*row]).collect();
//!     println!("{} with lengths {:?}", pad(&batch), lengths(&batch));
//! }
//! # Ok::<(), rnn_runtime::error::RaggedError>(())
//! ```
//!
//! **Invariant:** in one pass every example is in exactly one batch, and no order of the examples is lost on the way: what is
//! shuffled depends on the generator alone.

use ndarray::{Array2, Array3, ArrayView2};
use rand::Rng;
use rand::seq::SliceRandom;

use crate::error::RaggedError;

/// Which examples make a batch: positions in the data set, those of like lengths together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LengthBatches {
    lengths: Vec<usize>,
    batch: usize,
}

impl LengthBatches {
    /// Batches of at most `batch` of the examples with these lengths.
    ///
    /// # Errors
    /// [`RaggedError::EmptyBatch`] when `batch` is 0.
    pub fn new(lengths: &[usize], batch: usize) -> Result<Self, RaggedError> {
        if batch == 0 {
            return Err(RaggedError::EmptyBatch);
        }
        Ok(Self {
            lengths: lengths.to_vec(),
            batch,
        })
    }

    /// The number of steps of each example.
    pub fn lengths(&self) -> &[usize] {
        &self.lengths
    }

    /// The most examples that a batch has.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Number of batches in one pass.
    pub fn len(&self) -> usize {
        self.lengths.len().div_ceil(self.batch)
    }

    /// Whether there is no example.
    pub fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    /// One pass from the shortest examples to the longest, those of equal length in their order.
    pub fn in_order(&self) -> Vec<Vec<usize>> {
        self.cut((0..self.lengths.len()).collect())
    }

    /// One pass in random order: which examples of equal length meet in a batch, and the order of the batches.
    pub fn shuffled<R: Rng + ?Sized>(&self, rng: &mut R) -> Vec<Vec<usize>> {
        let mut examples: Vec<usize> = (0..self.lengths.len()).collect();
        examples.shuffle(rng);
        let mut batches = self.cut(examples);
        batches.shuffle(rng);
        batches
    }

    fn cut(&self, mut examples: Vec<usize>) -> Vec<Vec<usize>> {
        // A stable sort keeps the order among equals.
        examples.sort_by_key(|example| self.lengths[*example]);
        examples.chunks(self.batch).map(<[usize]>::to_vec).collect()
    }
}

/// The number of steps of each sequence.
pub fn lengths<A, S: AsRef<[A]>>(sequences: &[S]) -> Vec<usize> {
    sequences.iter().map(|own| own.as_ref().len()).collect()
}

/// Sequences of numbers or tokens as `[T, B]`, where `T` is the longest; zero past the end of each.
pub fn pad<A: Copy + Default, S: AsRef<[A]>>(sequences: &[S]) -> Array2<A> {
    let longest = lengths(sequences).into_iter().max().unwrap_or(0);
    let at = |(t, b): (usize, usize)| sequences[b].as_ref().get(t).copied().unwrap_or_default();
    Array2::from_shape_fn((longest, sequences.len()), at)
}

/// Sequences of vectors, each `[T_b, F]`, as `[T, B, F]`, where `T` is the longest; zero past the end of each.
///
/// # Errors
/// [`RaggedError::Features`] names the first sequence whose vectors are of another size than those of the first.
pub fn pad_rows<A: Copy + Default>(
    sequences: &[ArrayView2<'_, A>],
) -> Result<Array3<A>, RaggedError> {
    let features = sequences.first().map_or(0, |first| first.ncols());
    let other = (sequences.iter().enumerate()).find(|(_, own)| own.ncols() != features);
    if let Some((example, own)) = other {
        return Err(RaggedError::Features {
            example,
            expected: features,
            found: own.ncols(),
        });
    }
    let longest = sequences.iter().map(|own| own.nrows()).max().unwrap_or(0);
    let at =
        |(t, b, f): (usize, usize, usize)| sequences[b].get([t, f]).copied().unwrap_or_default();
    Ok(Array3::from_shape_fn(
        (longest, sequences.len(), features),
        at,
    ))
}

#[cfg(test)]
mod tests {
    use ndarray::{arr2, arr3};

    use super::*;
    use crate::rng;

    const LENGTHS: [usize; 11] = [4, 1, 9, 4, 0, 3, 4, 7, 4, 2, 9];

    #[test]
    fn a_pass_has_every_example_once_and_like_lengths_together() {
        let batches = LengthBatches::new(&LENGTHS, 3).unwrap();
        let mut rng = rng::stream(7, "shuffle", "");
        for pass in [batches.in_order(), batches.shuffled(&mut rng)] {
            assert_eq!(pass.len(), batches.len());
            let mut all: Vec<usize> = pass.concat();
            all.sort_unstable();
            assert_eq!(all, (0..LENGTHS.len()).collect::<Vec<_>>());
            // The ranges of lengths of two batches meet at most in one length.
            let mut ranges: Vec<(usize, usize)> = (pass.iter())
                .map(|rows| rows.iter().map(|row| LENGTHS[*row]))
                .map(|own| (own.clone().min().unwrap(), own.max().unwrap()))
                .collect();
            ranges.sort_unstable();
            assert!(ranges.windows(2).all(|pair| pair[0].1 <= pair[1].0));
        }
    }

    #[test]
    fn passes_differ_and_repeat_with_their_seed() {
        let batches = LengthBatches::new(&LENGTHS, 3).unwrap();
        let pass = |seed| {
            let mut rng = rng::stream(seed, "shuffle", "");
            (batches.shuffled(&mut rng), batches.shuffled(&mut rng))
        };
        let (first, second) = pass(1);
        assert_ne!(first, second);
        assert_eq!((first, second), pass(1));
        assert_ne!(pass(1), pass(2));
    }

    #[test]
    fn no_examples_make_no_batches_and_empty_batches_are_refused() {
        let none = LengthBatches::new(&[], 3).unwrap();
        assert!(none.is_empty() && none.in_order().is_empty());
        assert_eq!(
            LengthBatches::new(&LENGTHS, 0),
            Err(RaggedError::EmptyBatch)
        );
    }

    #[test]
    fn sequences_are_padded_time_first() {
        assert_eq!(
            pad(&[vec![1_u32, 2, 3], vec![], vec![4]]),
            arr2(&[[1, 0, 4], [2, 0, 0], [3, 0, 0]])
        );
        assert_eq!(pad::<u32, &[u32]>(&[]).dim(), (0, 0));
        let (long, short) = (arr2(&[[1.0, 2.0], [3.0, 4.0]]), arr2(&[[5.0, 6.0]]));
        assert_eq!(
            pad_rows(&[short.view(), long.view()]).unwrap(),
            arr3(&[[[5.0, 6.0], [1.0, 2.0]], [[0.0, 0.0], [3.0, 4.0]]])
        );
    }

    #[test]
    fn vectors_of_another_size_are_named() {
        let (two, three) = (Array2::<f32>::zeros((4, 2)), Array2::<f32>::zeros((1, 3)));
        let error = pad_rows(&[two.view(), two.view(), three.view()]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "example 2 has vectors of 3 numbers, expected 2 as in example 0"
        );
    }
}
