//! Sums of outer products against sums in `f64`, at every edge of a tile.

use super::*;
use crate::kernels::product::tests::values;

#[test]
fn every_edge_matches_the_reference_and_writes_nothing_else() {
    for isa in Isa::available() {
        for (rows, m, k) in [
            (0, 3, 5),
            (1, 1, 1),
            (1, 13, 33),
            (2, 7, 17),
            (3, 100, 70),
            (17, 11, 31),
            (32, 24, 64),
            (255, 5, 9),
            (256, 145, 40),
            (130, 50, 131),
            (257, 12, 32),
            (700, 30, 35),
        ] {
            let (y, x) = (values(rows * (m + 1) + 1, 1), values(rows * (k + 2) + 1, 2));
            let stride = k + 3;
            let before = values(m * stride + 1, 3);
            for accumulate in [false, true] {
                let mut dw = before.clone();
                outer_accumulate(
                    isa,
                    &y[1..],
                    m + 1,
                    &x[1..],
                    k + 2,
                    Steps::ONE,
                    rows,
                    m,
                    k,
                    &mut dw[1..],
                    stride,
                    accumulate,
                );
                for i in 0..m {
                    for j in 0..stride {
                        let at = 1 + i * stride + j;
                        if j >= k {
                            assert_eq!(dw[at], before[at], "wrote outside row {i}");
                            continue;
                        }
                        let start = if accumulate {
                            f64::from(before[at])
                        } else {
                            0.0
                        };
                        let sum: f64 = (0..rows)
                            .map(|r| {
                                f64::from(y[1 + r * (m + 1) + i])
                                    * f64::from(x[1 + r * (k + 2) + j])
                            })
                            .sum();
                        // Each of the additions of values below 1 loses at most half an ulp of a sum below `rows`.
                        let tolerance = (rows * rows + 2) as f64 * f64::from(f32::EPSILON);
                        let error = (f64::from(dw[at]) - start - sum).abs();
                        assert!(
                            error <= tolerance,
                            "{} {rows} {m} {k}: off by {error:e}",
                            isa.name()
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn stride_zero_repeats_one_row() {
    for isa in Isa::available() {
        let (rows, m, k) = (300, 5, 37);
        let (y, x) = (values(rows * m, 4), values(k, 5));
        let repeated: Vec<f32> = (0..rows).flat_map(|_| x.clone()).collect();
        let [mut one, mut all] = [vec![0.0; m * k], vec![0.0; m * k]];
        outer_accumulate(
            isa,
            &y,
            m,
            &x,
            0,
            Steps::ONE,
            rows,
            m,
            k,
            &mut one,
            k,
            false,
        );
        outer_accumulate(
            isa,
            &y,
            m,
            &repeated,
            k,
            Steps::ONE,
            rows,
            m,
            k,
            &mut all,
            k,
            false,
        );
        assert_eq!(one, all);
    }
}

#[test]
fn rows_of_some_examples_are_read_among_those_of_all() {
    for isa in Isa::available() {
        for (steps, all, first, own, k) in [
            (9, 5, 1, 3, 37),
            (300, 2, 1, 1, 64),
            (20, 16, 0, 16, 7),
            (40, 9, 4, 5, 300),
        ] {
            let (rows, m) = (steps * own, 11);
            let (y, x) = (values(rows * m, 6), values(steps * all * k, 7));
            let alone: Vec<f32> = (x.chunks(all * k))
                .flat_map(|step| step[first * k..][..own * k].to_vec())
                .collect();
            let [mut apart, mut among] = [vec![0.0; m * k], vec![0.0; m * k]];
            outer_accumulate(
                isa,
                &y,
                m,
                &alone,
                k,
                Steps::ONE,
                rows,
                m,
                k,
                &mut apart,
                k,
                false,
            );
            let steps = Steps {
                rows: own,
                stride: all * k,
            };
            outer_accumulate(
                isa,
                &y,
                m,
                &x[first * k..],
                k,
                steps,
                rows,
                m,
                k,
                &mut among,
                k,
                false,
            );
            assert_eq!(apart, among);
        }
    }
}
