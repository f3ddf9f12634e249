//! How near the kernels come to the peak of one core.
//!
//! `cargo run --release -p rnn-jit --example kernel_peak`, pinned to one core (`taskset -c 1`) on a quiet machine. Every figure
//! is the best of several medians, since a shared machine only ever makes a run slower; the peak is measured in the same run.

use std::hint::black_box;
use std::time::Instant;

use rnn_jit::kernels::{Block, Function, Isa, Steps, map, pack, packed_len, product};
use rnn_jit::peak_gflops;

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

fn main() {
    for isa in Isa::available() {
        let peak = peak_gflops(isa).unwrap_or(f64::NAN);
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
                        Steps::ONE,
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
