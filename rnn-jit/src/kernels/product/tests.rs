//! Every tile edge against an `f64` reference, and independence of the other rows.

use super::*;
use crate::kernels::{Block, Steps, pack, panel_width};

/// Deterministic values in [-1, 1).
pub(crate) fn values(n: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_769).wrapping_add(12345);
    (0..n)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

fn packed(isa: Isa, w: &[f32], m: usize, k: usize) -> Vec<f32> {
    let mut packed = vec![f32::NAN; packed_len(m, k, isa).expect("small")];
    let block = Block {
        source: w,
        rows: m,
        cols: k,
        row_stride: k,
        col_stride: 1,
        dst_row: 0,
        dst_col: 0,
    };
    pack(isa, block, &mut packed, m, k);
    packed
}

/// A chain of `k` multiply-adds of values below 1 loses at most `k` half-ulps of a sum below `k`, twice without fusion.
fn tolerance(k: usize) -> f64 {
    (k * k + 1) as f64 * f64::from(f32::EPSILON)
}

#[test]
fn every_edge_matches_the_reference_and_writes_nothing_else() {
    for isa in Isa::available() {
        for (rows, m, k) in (1..=17).flat_map(|rows| {
            let m = if rows <= 4 { 1..=100 } else { 29..=35 };
            m.map(move |m| (rows, m, (rows * 31 + m * 7) % 70 + 1))
        }) {
            let (w, x) = (values(m * k, 1), values(rows * (k + 3) + 1, 2));
            let packed = packed(isa, &w, m, k);
            let stride = m + 5;
            let before = values(rows * stride + 1, 3);
            for accumulate in [false, true] {
                let mut y = before.clone();
                // One float off, so that nothing is aligned.
                product(
                    isa,
                    &x[1..],
                    k + 3,
                    Steps::ONE,
                    rows,
                    &packed,
                    m,
                    k,
                    &mut y[1..],
                    stride,
                    accumulate,
                );
                assert_eq!(y[0], before[0]);
                for r in 0..rows {
                    for i in 0..stride {
                        let at = 1 + r * stride + i;
                        if i >= m {
                            assert_eq!(y[at], before[at], "wrote outside row {r}");
                            continue;
                        }
                        let start = if accumulate {
                            f64::from(before[at])
                        } else {
                            0.0
                        };
                        let dot: f64 = (0..k)
                            .map(|j| f64::from(x[1 + r * (k + 3) + j]) * f64::from(w[i * k + j]))
                            .sum();
                        let error = (f64::from(y[at]) - start - dot).abs();
                        assert!(
                            error <= tolerance(k),
                            "{} rows {rows} m {m} k {k}: off by {error:e}",
                            isa.name()
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn a_row_does_not_depend_on_the_other_rows() {
    for isa in Isa::available() {
        for (m, k) in [(7, 5), (64, 16), (200, 65), (512, 128), (129, 300)] {
            let (w, x) = (values(m * k, 4), values(150 * k, 5));
            let packed = packed(isa, &w, m, k);
            let mut single = vec![0.0; 150 * m];
            for r in 0..150 {
                product(
                    isa,
                    &x[r * k..],
                    k,
                    Steps::ONE,
                    1,
                    &packed,
                    m,
                    k,
                    &mut single[r * m..],
                    m,
                    false,
                );
            }
            for rows in (1..=37).chain([64, 100, 149]) {
                let mut y = vec![0.0; rows * m];
                product(
                    isa,
                    &x[k..],
                    k,
                    Steps::ONE,
                    rows,
                    &packed,
                    m,
                    k,
                    &mut y,
                    m,
                    false,
                );
                let same = y
                    .iter()
                    .zip(&single[m..])
                    .all(|(a, b)| a.to_bits() == b.to_bits());
                assert!(same, "{} {m} x {k}, {rows} rows", isa.name());
            }
        }
    }
}

#[test]
fn avx2_and_avx512_agree_bit_for_bit() {
    if !Isa::Avx512.is_available() {
        return;
    }
    let (m, k, rows) = (77, 53, 9);
    let (w, x) = (values(m * k, 6), values(rows * k, 7));
    let [narrow, wide] = [Isa::Avx2, Isa::Avx512].map(|isa| {
        let mut y = vec![0.0; rows * m];
        product(
            isa,
            &x,
            k,
            Steps::ONE,
            rows,
            &packed(isa, &w, m, k),
            m,
            k,
            &mut y,
            m,
            false,
        );
        y
    });
    assert_eq!(narrow, wide);
}

#[test]
fn stride_zero_repeats_one_row() {
    for isa in Isa::available() {
        let (w, x) = (values(40 * 9, 8), values(9, 9));
        let mut y = vec![0.0; 5 * 40];
        product(
            isa,
            &x,
            0,
            Steps::ONE,
            5,
            &packed(isa, &w, 40, 9),
            40,
            9,
            &mut y,
            40,
            false,
        );
        assert!(y.chunks(40).all(|row| row == &y[..40]));
    }
}

#[test]
fn no_inputs_give_zeros_and_no_rows_write_nothing() {
    for isa in Isa::available() {
        let mut y = vec![3.0; 40];
        product(isa, &[], 0, Steps::ONE, 2, &[], 20, 0, &mut y, 20, false);
        assert_eq!(y, vec![0.0; 40]);
        product(
            isa,
            &[],
            0,
            Steps::ONE,
            0,
            &[0.0; 4096],
            20,
            7,
            &mut [],
            20,
            false,
        );
    }
}

#[test]
fn rows_of_some_examples_are_read_among_those_of_all() {
    for isa in Isa::available() {
        for (steps, all, first, own, k, m) in [
            (9, 5, 1, 3, 37, 40),
            (50, 2, 1, 1, 64, 33),
            (20, 20, 2, 16, 300, 70),
            (8, 150, 10, 130, 400, 17),
            (3, 9, 4, 5, 7, 200),
        ] {
            let (rows, x) = (steps * own, values(steps * all * k, 7));
            let packed = packed(isa, &values(m * k, 8), m, k);
            let alone: Vec<f32> = (x.chunks(all * k))
                .flat_map(|step| step[first * k..][..own * k].to_vec())
                .collect();
            let [mut apart, mut among] = [vec![0.0; rows * m], vec![0.0; rows * m]];
            product(
                isa,
                &alone,
                k,
                Steps::ONE,
                rows,
                &packed,
                m,
                k,
                &mut apart,
                m,
                false,
            );
            let steps = Steps {
                rows: own,
                stride: all * k,
            };
            product(
                isa,
                &x[first * k..],
                k,
                steps,
                rows,
                &packed,
                m,
                k,
                &mut among,
                m,
                false,
            );
            assert_eq!(apart, among, "{own} of {all} on {}", isa.name());
        }
    }
}

#[test]
fn packed_weights_lie_in_panels_a_column_after_the_other() {
    for isa in Isa::available() {
        let width = panel_width(isa);
        for (m, k, row_stride, col_stride) in [
            (1, 1, 1, 1),
            (16, 16, 16, 1),
            (75, 37, 41, 1),
            (75, 37, 1, 80),
            (64, 33, 70, 2),
        ] {
            let last = (m - 1) * row_stride + (k - 1) * col_stride;
            let source = values(last + 1, 13);
            let mut packed = vec![f32::NAN; packed_len(m, k, isa).expect("small")];
            let block = Block {
                source: &source,
                rows: m,
                cols: k,
                row_stride,
                col_stride,
                dst_row: 0,
                dst_col: 0,
            };
            pack(isa, block, &mut packed, m, k);
            for (at, own) in packed.iter().enumerate() {
                let (panel, rest) = (at / (width * k), at % (width * k));
                let (row, column) = (panel * width + rest % width, rest / width);
                let expected = match row < m {
                    true => source[row * row_stride + column * col_stride],
                    false => 0.0,
                };
                assert_eq!(
                    *own,
                    expected,
                    "[{row}, {column}] of {m} x {k} on {}",
                    isa.name()
                );
            }
        }
    }
}

#[test]
fn stacked_transposed_and_sliced_blocks_pack_like_the_assembled_matrix() {
    for isa in Isa::available() {
        // W = [A | B^T ; C[:, 2..]] with A 5x3, B 4x5, C 30x9.
        let (a, b, c) = (values(15, 10), values(20, 11), values(270, 12));
        let (m, k) = (35, 7);
        let mut w = vec![0.0; m * k];
        for i in 0..5 {
            w[i * k..i * k + 3].copy_from_slice(&a[i * 3..][..3]);
            for j in 0..4 {
                w[i * k + 3 + j] = b[j * 5 + i];
            }
        }
        for i in 0..30 {
            w[(5 + i) * k..][..7].copy_from_slice(&c[i * 9 + 2..][..7]);
        }
        let mut blocks = vec![f32::NAN; packed_len(m, k, isa).expect("small")];
        for block in [
            Block {
                source: &a,
                rows: 5,
                cols: 3,
                row_stride: 3,
                col_stride: 1,
                dst_row: 0,
                dst_col: 0,
            },
            Block {
                source: &b,
                rows: 5,
                cols: 4,
                row_stride: 1,
                col_stride: 5,
                dst_row: 0,
                dst_col: 3,
            },
            Block {
                source: &c[2..],
                rows: 30,
                cols: 7,
                row_stride: 9,
                col_stride: 1,
                dst_row: 5,
                dst_col: 0,
            },
        ] {
            pack(isa, block, &mut blocks, m, k);
        }
        assert_eq!(blocks, packed(isa, &w, m, k));
    }
}
