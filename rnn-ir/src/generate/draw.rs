//! Reproducible random numbers: the `n`-th draw of a stream is a function of its seed and `n` (SplitMix64, Steele, Lea
//! & Flood 2014).
//!
//! **Invariant:** a seed gives the same numbers on every machine, in every version.

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub struct Draw {
    seed: u64,
    count: u64,
}

impl Draw {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        Self { seed, count: 0 }
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.count += 1;
        let mut z = self
            .seed
            .wrapping_mul(0xd134_2543_de82_ef95)
            .wrapping_add(self.count.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`, which is at least one.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.bits() % limit as u64) as usize
    }

    /// A real between `low` and `high`.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        let unit = (self.bits() >> 11) as f64 / (1u64 << 53) as f64;
        low + unit * (high - low)
    }

    /// One of a list that is not empty.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// So many reals between `low` and `high`.
    pub fn reals(&mut self, count: usize, low: f64, high: f64) -> Vec<f64> {
        (0..count).map(|_| self.between(low, high)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_one_stream() {
        let mut draw = Draw::new(7);
        let first: Vec<_> = (0..4).map(|_| draw.bits()).collect();
        let mut again = Draw::new(7);
        assert!(first.iter().all(|bits| *bits == again.bits()));
        assert_ne!(first[0], Draw::new(8).bits());
        let reals = draw.reals(1_000, -1.0, 1.0);
        assert!(reals.iter().all(|x| (-1.0..1.0).contains(x)));
        let mean = reals.iter().sum::<f64>() / 1_000.0;
        assert!(mean.abs() < 0.1, "{mean}");
    }
}
