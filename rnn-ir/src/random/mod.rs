//! Random numbers as values of equations.
//!
//! A random number is a function of where it is read: of the seed and the example (two words that the caller gives, see
//! [`Role::Seed`](crate::op::Role::Seed)), of the number of the draw in the model, of the step, and of the position of the
//! element. Nothing is carried from one to the next, which is what Salmon et al. 2011 call a counter-based generator. So a
//! mask is the same in the interpreter, in compiled code, in what is computed again for the backward pass, for any order of rows
//! and any number of threads.
//!
//! ```text
//! key_w   = mix(mix(seed_w, draw), step)           for w in 0, 1: once a row
//! bits[i] = mix(mix(key_0, i), key_1)              for each element
//! ```
//!
//! [`mix`] is a permutation of 32 bits for either operand, so the elements of one row draw different bits, and two rows
//! agree only where both of their keys, 64 bits, do. An element costs four multiplications, a fifth of what Threefry-2x32
//! takes for the same; what that is good for is tested in `random/tests.rs`, in every coordinate by itself.
//!
//! Draws are made by the compositions of [`draw`]; [`mode`] tells training from inference.
//!
//! **Invariant:** [`mix`] and [`uniform`] are the definition; compiled code computes the same bits.

pub mod draw;
pub mod mode;

/// The multipliers of [`mix`].
pub const MULTIPLIERS: [u32; 2] = [0x7feb_352d, 0x846c_a68b];

/// The right shifts of [`mix`], before, between and after the multiplications.
pub const SHIFTS: [u8; 3] = [16, 15, 16];

/// How far random bits are shifted right to be the digits of a real.
pub const UNIT_SHIFT: u8 = 8;

/// The value of the last of these digits, `2^-24`.
pub const UNIT: f32 = 1.0 / 16_777_216.0;

/// Random bits of two words: the permutation `lowbias32` of their exclusive or (Wellons 2018, "Prospecting for hash
/// functions"), of which a bit of the input changes each bit of the result with a probability of one half to 0.2 %.
pub fn mix(a: u32, b: u32) -> u32 {
    let mut x = a ^ b;
    x ^= x >> SHIFTS[0];
    x = x.wrapping_mul(MULTIPLIERS[0]);
    x ^= x >> SHIFTS[1];
    x = x.wrapping_mul(MULTIPLIERS[1]);
    x ^ (x >> SHIFTS[2])
}

/// Random bits as a real in `[0, 1)`, a multiple of `2^-24`, which `f32` holds exactly.
pub fn uniform(bits: u32) -> f64 {
    f64::from(bits >> UNIT_SHIFT) * f64::from(UNIT)
}

/// The words that the draws of an example start from, or with `None` those that all examples share: 64 bits of SplitMix64
/// (Steele, Lea & Flood 2014) at a place that the seed and the example give.
pub fn words(seed: u64, example: Option<usize>) -> [u32; 2] {
    let stream = example.map_or(0, |example| example as u64 + 1);
    let bits = avalanche(avalanche(seed).wrapping_add(stream.wrapping_mul(GOLDEN)));
    #[expect(clippy::cast_possible_truncation, reason = "both halves are taken")]
    [bits as u32, (bits >> 32) as u32]
}

/// `2^64` over the golden ratio, odd.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

fn avalanche(x: u64) -> u64 {
    let mut z = x.wrapping_add(GOLDEN);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests;
