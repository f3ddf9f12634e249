//! How near the kernels come to the peak of one core.
//!
//! `cargo run --release -p rnn-jit --example kernel_peak`, pinned to one core (`taskset -c 1`) on a quiet machine. Every figure
//! is the best of several medians, since a shared machine only ever makes a run slower; the peak is measured in the same run.

use std::hint::black_box;
use std::time::Instant;

use rnn_jit::kernels::{Block, Function, Isa, map, pack, packed_len, product};

/// Seconds per call: best of several medians.
fn time(mut work: impl FnMut()) -> f64 {
    let start = Instant::now();
    work();
    let once = start.elapsed().as_secs_f64().max(1e-9);
    let calls = (4e-4 / once).clamp(1.0, 1e6) as usize;
    let mut best = f64::INFINITY;
    for _ in 0..9 {
        let mut samples: Vec<f64> = (0..7)
            .map(|_| {
                let start = Instant::now();
                for _ in 0..calls {
                    work();
                }
                start.elapsed().as_secs_f64() / calls as f64
            })
            .collect();
        samples.sort_by(f64::total_cmp);
        best = best.min(samples[3]);
    }
    best
}

/// Ten independent chains of multiply-adds on registers alone, in GFLOP/s.
#[cfg(target_arch = "x86_64")]
fn peak(isa: Isa) -> f64 {
    use std::arch::x86_64::*;

    const STEPS: usize = 4096;

    macro_rules! chains {
        ($name:ident, $feature:literal, $splat:ident, $fma:expr, $add:ident, $first:ident) => {
            #[target_feature(enable = $feature)]
            fn $name(x: f32) -> f32 {
                let (x, y) = ($splat(x), $splat(0.5));
                let mut sums = [x; 10];
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

    let run: Box<dyn Fn(f32) -> f32> = match isa {
        // SAFETY: the caller passes available instruction sets only.
        Isa::Avx512 => Box::new(|x| unsafe { wide(x) }),
        // SAFETY: as above.
        Isa::Avx2 => Box::new(|x| unsafe { middle(x) }),
        // SAFETY: part of every x86-64.
        Isa::Portable => Box::new(|x| unsafe { narrow(x) }),
    };
    let seconds = time(|| {
        black_box(run(black_box(0.5)));
    });
    (2 * 10 * isa.lanes() * STEPS) as f64 / seconds * 1e-9
}

#[cfg(not(target_arch = "x86_64"))]
fn peak(_: Isa) -> f64 {
    f64::NAN
}

fn main() {
    for isa in Isa::available() {
        let peak = peak(isa);
        println!("{}: peak {peak:.1} GFLOP/s", isa.name());
        println!("  product [B, H] x [4H, H]^T, GFLOP/s (share of the peak)");
        for h in [64, 128, 256] {
            let (m, k) = (4 * h, h);
            let weights = vec![0.01; m * k];
            let mut packed = aligned(packed_len(m, k, isa).expect("small"));
            let block = Block {
                source: &weights,
                rows: m,
                cols: k,
                row_stride: k,
                col_stride: 1,
                dst_row: 0,
                dst_col: 0,
            };
            print!("  H {h:3}:");
            for b in [1, 4, 8, 32, 128] {
                let (x, mut y) = (vec![0.5; b * k], vec![0.0; b * m]);
                pack(isa, block, packed.slice(), m, k);
                let seconds = time(|| {
                    product(
                        isa,
                        &x,
                        k,
                        b,
                        packed.slice(),
                        m,
                        k,
                        black_box(&mut y),
                        m,
                        false,
                    )
                });
                let rate = (2 * b * m * k) as f64 / seconds * 1e-9;
                print!("  B {b:3} {rate:6.1} ({:3.0} %)", 100.0 * rate / peak);
            }
            let seconds = time(|| pack(isa, block, black_box(packed.slice()), m, k));
            println!("  pack {:.2} ns/element", seconds / (m * k) as f64 * 1e9);
        }
        print!("  ns/element:");
        let x: Vec<f32> = (0..1024).map(|i| (i as f32 - 512.0) / 64.0).collect();
        let mut y = vec![0.0; 1024];
        for function in Function::ALL {
            let seconds = time(|| map(isa, function, black_box(&x), &mut y));
            print!(" {function:?} {:.3}", seconds / 1024.0 * 1e9);
        }
        println!();
    }
}

/// Floats that start on a cache line.
struct Aligned {
    floats: Vec<f32>,
    start: usize,
}

impl Aligned {
    fn slice(&mut self) -> &mut [f32] {
        &mut self.floats[self.start..]
    }
}

fn aligned(len: usize) -> Aligned {
    let floats = vec![0.0; len + 16];
    let start = floats.as_ptr().align_offset(64);
    Aligned { floats, start }
}
