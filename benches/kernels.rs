//! The kernels that compiled code calls: `cargo bench --bench kernels`.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rnn::jit::kernels::{
    Block, Function, Isa, Steps, map, outer_accumulate, pack, packed_len, product,
};

const H: usize = 128;

fn values(len: usize) -> Vec<f32> {
    (0..len).map(|at| (at % 17) as f32 / 16.0 - 0.5).collect()
}

/// `X[B, H] @ U.T`, `U` the four gates of an LSTM.
fn products(c: &mut Criterion) {
    let isa = Isa::detect();
    let (m, k) = (4 * H, H);
    let weights = values(m * k);
    let Some(len) = packed_len(m, k, isa) else {
        return;
    };
    let mut storage = vec![0.0; len + 16];
    let start = storage.as_ptr().align_offset(64);
    let packed = &mut storage[start..];
    let block = Block {
        source: &weights,
        rows: m,
        cols: k,
        row_stride: k,
        col_stride: 1,
        dst_row: 0,
        dst_col: 0,
    };
    pack(isa, block, packed, m, k);
    let mut group = c.benchmark_group(format!("product_{}", isa.name()));
    for b in [1, 8, 32] {
        let (x, mut y) = (values(b * k), vec![0.0; b * m]);
        group.throughput(Throughput::Elements((2 * b * m * k) as u64));
        group.bench_function(format!("b{b}_h{H}"), |bench| {
            bench.iter(|| {
                product(
                    isa,
                    black_box(&x),
                    k,
                    Steps::ONE,
                    b,
                    packed,
                    m,
                    k,
                    &mut y,
                    m,
                    false,
                )
            });
        });
    }
    group.finish();
}

/// The weight gradient of the same product over all steps.
fn outers(c: &mut Criterion) {
    let isa = Isa::detect();
    let (rows, m, k) = (3200, 4 * H, H);
    let (y, x, mut dw) = (values(rows * m), values(rows * k), vec![0.0; m * k]);
    let mut group = c.benchmark_group(format!("outer_{}", isa.name()));
    group.throughput(Throughput::Elements((2 * rows * m * k) as u64));
    group.bench_function(format!("rows{rows}_h{H}"), |bench| {
        bench.iter(|| {
            let (y, x) = (black_box(&y), black_box(&x));
            outer_accumulate(isa, y, m, x, k, Steps::ONE, rows, m, k, &mut dw, k, false);
        });
    });
    group.finish();
}

fn functions(c: &mut Criterion) {
    let isa = Isa::detect();
    let x: Vec<f32> = (0..1024).map(|at| (at as f32 - 512.0) / 64.0).collect();
    let mut y = vec![0.0; x.len()];
    let mut group = c.benchmark_group(format!("math_{}", isa.name()));
    group.throughput(Throughput::Elements(x.len() as u64));
    for function in [Function::Exp, Function::Tanh, Function::Sigmoid] {
        group.bench_function(format!("{function:?}"), |bench| {
            bench.iter(|| map(isa, function, black_box(&x), &mut y));
        });
    }
    group.finish();
}

criterion_group!(benches, products, outers, functions);
criterion_main!(benches);
