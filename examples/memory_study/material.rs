//! What sequences are made of: drawn numbers and symbols, or those of a file.

use std::fs;
use std::path::Path;

use rand::{Rng, RngExt};

use crate::study::Failure;
use crate::tasks::SYMBOLS;

/// Numbers to add and symbols to copy.
pub(crate) enum Material {
    /// All are alike.
    Even,
    /// The bytes of a file.
    File {
        /// To add: each byte over the largest.
        numbers: Vec<f32>,
        /// To copy: its most frequent letters, by their rank, in the order in which they come.
        symbols: Vec<u32>,
    },
}

impl Material {
    pub(crate) fn open(path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path else {
            return Ok(Self::Even);
        };
        let bytes = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Self::of(&bytes).map_err(|reason| format!("{}: {reason}", path.display()).into())
    }

    fn of(bytes: &[u8]) -> Result<Self, String> {
        let mut counts = [0usize; 256];
        for byte in bytes.iter().filter(|byte| byte.is_ascii_alphabetic()) {
            counts[usize::from(*byte)] += 1;
        }
        let mut ranks: Vec<usize> = (0..256).filter(|byte| counts[*byte] > 0).collect();
        if ranks.len() < SYMBOLS {
            return Err(format!(
                "has {} different letters, where {SYMBOLS} are copied",
                ranks.len()
            ));
        }
        ranks.sort_by_key(|byte| std::cmp::Reverse(counts[*byte]));
        let mut symbol = [None; 256];
        for (rank, byte) in (0u32..).zip(&ranks[..SYMBOLS]) {
            symbol[*byte] = Some(rank);
        }
        let symbols = bytes.iter().filter_map(|byte| symbol[usize::from(*byte)]);
        let most = bytes.iter().copied().max().map_or(1.0, f32::from);
        Ok(Self::File {
            numbers: bytes.iter().map(|byte| f32::from(*byte) / most).collect(),
            symbols: symbols.collect(),
        })
    }

    pub(crate) fn number(&self, rng: &mut impl Rng) -> f32 {
        match self {
            Self::Even => rng.random(),
            Self::File { numbers, .. } => numbers[rng.random_range(0..numbers.len())],
        }
    }

    /// Symbols that follow each other; a passage goes on at the start where it reaches the end.
    pub(crate) fn passage(&self, count: usize, rng: &mut impl Rng) -> Vec<u32> {
        match self {
            Self::Even => (0..count)
                .map(|_| rng.random_range(0..SYMBOLS as u32))
                .collect(),
            Self::File { symbols, .. } => {
                let start = rng.random_range(0..symbols.len());
                let passage = symbols.iter().cycle().skip(start).take(count);
                passage.copied().collect()
            }
        }
    }

    /// The mean squared error of who always says the mean of a sum of two numbers.
    pub(crate) fn unadded(&self) -> f64 {
        match self {
            Self::Even => 1.0 / 6.0,
            Self::File { numbers, .. } => {
                let count = numbers.len() as f64;
                let mean = numbers.iter().copied().map(f64::from).sum::<f64>() / count;
                let squares = numbers.iter().map(|own| (f64::from(*own) - mean).powi(2));
                2.0 * squares.sum::<f64>() / count
            }
        }
    }

    /// The cross-entropy in nats of who knows how frequent each symbol is.
    pub(crate) fn uncopied(&self) -> f64 {
        match self {
            Self::Even => (SYMBOLS as f64).ln(),
            Self::File { symbols, .. } => {
                let share = |symbol| {
                    let own = symbols.iter().filter(|own| **own == symbol).count();
                    own as f64 / symbols.len() as f64
                };
                (0..SYMBOLS as u32).map(share).map(|p| -p * p.ln()).sum()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_its_letters_by_rank_and_its_own_baselines() {
        // The letters a to h, `a` twice, with what is no letter between them.
        let material = Material::of(b"a b,c.d e\nf g h 1 a").unwrap();
        let Material::File { numbers, symbols } = &material else {
            unreachable!("it was made of bytes")
        };
        assert_eq!(*symbols, [0, 1, 2, 3, 4, 5, 6, 7, 0]);
        assert!(numbers.iter().all(|number| (0.0..=1.0).contains(number)));
        let entropy = -(2.0 / 9.0 * (2.0f64 / 9.0).ln() + 7.0 / 9.0 * (1.0f64 / 9.0).ln());
        assert!((material.uncopied() - entropy).abs() < 1e-12);
        let mut rng = rnn::rng::stream(1, "passages", "");
        for _ in 0..50 {
            let passage = material.passage(4, &mut rng);
            let follow = |pair: &[u32]| {
                let mut places = (0..symbols.len()).filter(|at| symbols[*at] == pair[0]);
                places.any(|at| symbols[(at + 1) % symbols.len()] == pair[1])
            };
            assert!(passage.windows(2).all(follow), "{passage:?}");
            assert!(numbers.contains(&material.number(&mut rng)));
        }
    }

    #[test]
    fn a_file_needs_as_many_letters_as_are_copied_and_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("few.txt");
        fs::write(&path, "abc abc").unwrap();
        let error = Material::open(Some(&path)).err().unwrap().to_string();
        assert!(
            error.ends_with("few.txt: has 3 different letters, where 8 are copied"),
            "{error}"
        );
        let none = folder.path().join("none.txt");
        let error = Material::open(Some(&none)).err().unwrap().to_string();
        assert!(error.contains("none.txt"), "{error}");
    }
}
