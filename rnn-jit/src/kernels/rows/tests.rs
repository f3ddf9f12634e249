//! Every width against an `f64` reference, extreme logits, NaN, and independence of the other rows.

use super::*;
use crate::kernels::product::tests::values;

/// Sums of `f` rounded terms, functions of a few ulps, and the rounding of a difference of logits below 40.
fn tolerance(f: usize) -> f64 {
    (f + 8 + 40) as f64 * f64::from(f32::EPSILON)
}

#[test]
fn every_width_matches_the_reference() {
    for isa in Isa::available() {
        for f in (1..80).chain([200, 1000]) {
            let (rows, stride) = (3, f + 2);
            let mut x = values(rows * stride + 1, f as u32);
            x.iter_mut().for_each(|x| *x *= 20.0);
            let x = &x[1..];
            let mut y = vec![7.0; rows * stride];
            softmax(isa, x, stride, rows, f, &mut y, stride);
            let mut reduced = RowReduction::ALL.map(|_| vec![7.0; rows]);
            for (reduction, y) in RowReduction::ALL.into_iter().zip(&mut reduced) {
                reduce_rows(isa, reduction, x, stride, rows, f, y, 1);
            }
            let mut index = vec![-1; rows];
            argmax(isa, x, stride, rows, f, &mut index, 1);
            for r in 0..rows {
                let row: Vec<f64> = x[r * stride..][..f].iter().map(|x| f64::from(*x)).collect();
                let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = row.iter().map(|x| (x - most).exp()).sum();
                for j in 0..stride {
                    if j >= f {
                        assert_eq!(y[r * stride + j], 7.0, "wrote past the row");
                        continue;
                    }
                    let expected = (row[j] - most).exp() / sum;
                    assert!(
                        (f64::from(y[r * stride + j]) - expected).abs()
                            <= tolerance(f) * expected.max(1e-30)
                    );
                }
                let [total, largest, log] = [0, 1, 2].map(|i| f64::from(reduced[i][r]));
                assert!((total - row.iter().sum::<f64>()).abs() <= 20.0 * f as f64 * tolerance(f));
                assert_eq!(largest, most);
                assert!((log - most - sum.ln()).abs() <= 40.0 * tolerance(f));
                assert_eq!(row[index[r] as usize], most);
            }
        }
    }
}

#[test]
fn softmax_survives_extreme_and_masked_logits() {
    for isa in Isa::available() {
        for f in [3, 16, 21, 40] {
            let mut x = vec![-1e4; f];
            x[1] = 1e4;
            x[2] = f32::NEG_INFINITY;
            let mut y = vec![0.0; f];
            softmax(isa, &x, f, 1, f, &mut y, f);
            assert!(
                y.iter()
                    .enumerate()
                    .all(|(j, y)| *y == if j == 1 { 1.0 } else { 0.0 })
            );
            let mut log = [0.0];
            reduce_rows(isa, RowReduction::LogSumExp, &x, f, 1, f, &mut log, 1);
            assert_eq!(log[0], 1e4);
            reduce_rows(
                isa,
                RowReduction::LogSumExp,
                &vec![f32::NEG_INFINITY; f],
                f,
                1,
                f,
                &mut log,
                1,
            );
            assert_eq!(log[0], f32::NEG_INFINITY);
        }
    }
}

#[test]
fn a_nan_anywhere_in_a_row_shows() {
    for isa in Isa::available() {
        for f in [1, 5, 16, 37] {
            for at in 0..f {
                let mut x = values(f, 3);
                x[at] = f32::NAN;
                let mut y = vec![0.0; f];
                softmax(isa, &x, f, 1, f, &mut y, f);
                assert!(y.iter().all(|y| y.is_nan()));
                for reduction in RowReduction::ALL {
                    reduce_rows(isa, reduction, &x, f, 1, f, &mut y, 1);
                    assert!(y[0].is_nan(), "{reduction:?}");
                }
                let mut index = [-1];
                argmax(isa, &x, f, 1, f, &mut index, 1);
                assert_eq!(index[0] as usize, at);
            }
        }
    }
}

#[test]
fn argmax_takes_the_first_of_equals() {
    for isa in Isa::available() {
        let mut index = [-1];
        argmax(isa, &[1.0, 3.0, 3.0, 2.0], 4, 1, 4, &mut index, 1);
        assert_eq!(index[0], 1);
        argmax(isa, &[f32::NEG_INFINITY; 20], 20, 1, 20, &mut index, 1);
        assert_eq!(index[0], 0);
    }
}

#[test]
fn a_row_does_not_depend_on_the_other_rows() {
    for isa in Isa::available() {
        let (rows, f) = (9, 37);
        let x = values(rows * f, 5);
        let mut all = vec![0.0; rows * f];
        softmax(isa, &x, f, rows, f, &mut all, f);
        for r in 0..rows {
            let mut one = vec![0.0; f];
            softmax(isa, &x[r * f..], f, 1, f, &mut one, f);
            assert_eq!(one, all[r * f..][..f]);
        }
    }
}

#[test]
fn column_sum_adds_in_row_order() {
    for isa in Isa::available() {
        for (rows, f) in [(0, 3), (1, 1), (7, 5), (33, 130), (5, 257), (4, 16)] {
            let stride = f + 1;
            let x = values(rows * stride + 1, 6);
            let before = values(f + 1, 7);
            for accumulate in [false, true] {
                let mut y = before.clone();
                column_sum(isa, &x, stride, rows, f, &mut y, accumulate);
                assert_eq!(y[f], before[f]);
                for j in 0..f {
                    let sum = (0..rows).fold(0.0f32, |sum, r| sum + x[r * stride + j]);
                    assert_eq!(y[j], if accumulate { before[j] + sum } else { sum });
                }
            }
        }
    }
}
