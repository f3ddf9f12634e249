//! The most that one core can compute, measured: what the speed of compiled code is compared with.
//!
//! Ten independent chains of multiply-adds on registers alone hide the latency of the instruction and read no memory. A
//! machine's clock moves with its load and its neighbours, so the figure holds for the moment: measure it beside whatever is
//! compared with it.

use crate::kernels::Isa;
use std::hint::black_box;
use std::time::Instant;

/// Multiply-adds per chain and call.
const STEPS: usize = 4096;
const CHAINS: usize = 10;
/// Calls, of which the median counts: enough for the clock to settle on what wide instructions draw.
const CALLS: usize = 255;

/// GFLOP/s of one core with the vectors of `isa`, counting a multiply-add as two operations. Takes two milliseconds.
///
/// [`Isa::Portable`] has no fused instruction; its multiplication and addition are counted the same. `None` if the machine
/// lacks `isa`, or has no such measurement.
pub fn peak_gflops(isa: Isa) -> Option<f64> {
    if !isa.is_available() {
        return None;
    }
    let mut seconds = [0.0; CALLS];
    for seconds in &mut seconds {
        let start = Instant::now();
        black_box(chains(isa, black_box(0.5))?);
        *seconds = start.elapsed().as_secs_f64();
    }
    seconds.sort_unstable_by(f64::total_cmp);
    Some((2 * CHAINS * isa.lanes() * STEPS) as f64 / seconds[CALLS / 2] * 1e-9)
}

/// Seconds that one core takes to read `data` once, as fast as it can; a floor for a step that reads as many weights. `None`
/// as in [`peak_gflops`].
pub fn reading_seconds(isa: Isa, data: &[f32]) -> Option<f64> {
    if !isa.is_available() {
        return None;
    }
    // As many passes as make the clock's own time small, after one that brings the data into the cache it fits in.
    let passes = (1 << 20) / data.len().clamp(1, 1 << 20) + 1;
    let mut seconds = [0.0; 15];
    for seconds in &mut seconds {
        black_box(read(isa, data)?);
        let start = Instant::now();
        for _ in 0..passes {
            black_box(read(isa, black_box(data))?);
        }
        *seconds = start.elapsed().as_secs_f64() / passes as f64;
    }
    seconds.sort_unstable_by(f64::total_cmp);
    Some(seconds[seconds.len() / 2])
}

#[cfg(not(target_arch = "x86_64"))]
fn read(_: Isa, _: &[f32]) -> Option<f32> {
    None
}

/// The sum of `data`, in eight vectors of sums that do not wait for each other. `isa` is available.
#[cfg(target_arch = "x86_64")]
fn read(isa: Isa, data: &[f32]) -> Option<f32> {
    use std::arch::x86_64::*;

    macro_rules! reader {
        ($name:ident, $feature:literal, $lanes:literal, $zero:ident, $load:ident, $add:ident, $store:ident) => {
            #[target_feature(enable = $feature)]
            fn $name(data: &[f32]) -> f32 {
                let mut sums = [$zero(); 8];
                // A vector that straddles two cache lines takes twice as long.
                let start = data.as_ptr().align_offset(64).min(data.len());
                let (before, data) = data.split_at(start);
                let mut pieces = data.chunks_exact(8 * $lanes);
                for piece in &mut pieces {
                    for (at, sum) in sums.iter_mut().enumerate() {
                        // SAFETY: a piece has eight vectors, and `at` is below eight.
                        *sum = $add(*sum, unsafe { $load(piece.as_ptr().add(at * $lanes)) });
                    }
                }
                let mut total: f32 = before.iter().chain(pieces.remainder()).sum();
                let [a, b, c, d, e, f, g, h] = sums;
                let (ab, cd, ef, gh) = ($add(a, b), $add(c, d), $add(e, f), $add(g, h));
                let mut lanes = [0.0f32; $lanes];
                // SAFETY: the array has as many elements as the vector.
                unsafe { $store(lanes.as_mut_ptr(), $add($add(ab, cd), $add(ef, gh))) };
                total += lanes.iter().sum::<f32>();
                total
            }
        };
    }
    reader!(
        wide,
        "avx512f",
        16,
        _mm512_setzero_ps,
        _mm512_loadu_ps,
        _mm512_add_ps,
        _mm512_storeu_ps
    );
    reader!(
        middle,
        "avx2",
        8,
        _mm256_setzero_ps,
        _mm256_loadu_ps,
        _mm256_add_ps,
        _mm256_storeu_ps
    );
    reader!(
        narrow,
        "sse2",
        4,
        _mm_setzero_ps,
        _mm_loadu_ps,
        _mm_add_ps,
        _mm_storeu_ps
    );
    Some(match isa {
        // SAFETY: the only caller has checked that the machine has this set.
        Isa::Avx512 => unsafe { wide(data) },
        // SAFETY: as above.
        Isa::Avx2 => unsafe { middle(data) },
        // SAFETY: part of every x86-64.
        Isa::Portable => unsafe { narrow(data) },
    })
}

#[cfg(not(target_arch = "x86_64"))]
fn chains(_: Isa, _: f32) -> Option<f32> {
    None
}

/// `isa` is available.
#[cfg(target_arch = "x86_64")]
fn chains(isa: Isa, x: f32) -> Option<f32> {
    use std::arch::x86_64::*;

    macro_rules! chains {
        ($name:ident, $feature:literal, $splat:ident, $fma:expr, $add:ident, $first:ident) => {
            #[target_feature(enable = $feature)]
            fn $name(x: f32) -> f32 {
                let (x, y) = ($splat(x), $splat(0.5));
                let mut sums = [x; CHAINS];
                for _ in 0..STEPS {
                    let [a, b, c, d, e, f, g, h, i, j] = sums;
                    let next = $fma;
                    sums = [
                        next(a, x, y),
                        next(b, x, y),
                        next(c, x, y),
                        next(d, x, y),
                        next(e, x, y),
                        next(f, x, y),
                        next(g, x, y),
                        next(h, x, y),
                        next(i, x, y),
                        next(j, x, y),
                    ];
                }
                let mut total = sums[0];
                for sum in &sums[1..] {
                    total = $add(total, *sum);
                }
                $first(total)
            }
        };
    }
    chains!(
        wide,
        "avx512f",
        _mm512_set1_ps,
        |a, x, y| _mm512_fmadd_ps(a, x, y),
        _mm512_add_ps,
        _mm512_cvtss_f32
    );
    chains!(
        middle,
        "avx2,fma",
        _mm256_set1_ps,
        |a, x, y| _mm256_fmadd_ps(a, x, y),
        _mm256_add_ps,
        _mm256_cvtss_f32
    );
    chains!(
        narrow,
        "sse2",
        _mm_set1_ps,
        |a, x, y| _mm_add_ps(_mm_mul_ps(a, x), y),
        _mm_add_ps,
        _mm_cvtss_f32
    );
    Some(match isa {
        // SAFETY: the only caller has checked that the machine has this set.
        Isa::Avx512 => unsafe { wide(x) },
        // SAFETY: as above.
        Isa::Avx2 => unsafe { middle(x) },
        // SAFETY: part of every x86-64.
        Isa::Portable => unsafe { narrow(x) },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Slower than any machine that has vectors, and faster than any core: only a wrong count or a loop that was
    /// optimised away falls outside.
    #[test]
    #[cfg(target_arch = "x86_64")]
    fn the_peak_is_that_of_a_machine() {
        for isa in Isa::available() {
            let peak = peak_gflops(isa).expect("is available");
            assert!((0.01..2000.0).contains(&peak), "{}: {peak}", isa.name());
        }
    }

    /// Every element counts, at every length around the vectors: a reader that skips some would look fast.
    #[test]
    #[cfg(target_arch = "x86_64")]
    fn reading_reads_everything() {
        for isa in Isa::available() {
            for len in [0, 1, 7, 31, 32, 33, 127, 128, 129, 1000] {
                assert_eq!(read(isa, &vec![1.0; len]), Some(len as f32));
            }
            let seconds = reading_seconds(isa, &[1.0; 4096]).expect("is available");
            assert!(seconds > 1e-9, "{}: {seconds}", isa.name());
        }
    }
}
