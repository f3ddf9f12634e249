//! Contractions against sums in `f64`, for every order of the axes.

use super::*;
use crate::kernels::product::tests::values;

/// Strides of three axes nested in the given order, innermost last, with a gap.
fn strides(sizes: [usize; 3], order: [usize; 3]) -> [usize; 3] {
    let mut strides = [0; 3];
    let mut stride = 1;
    for axis in order.into_iter().rev() {
        strides[axis] = stride;
        stride *= sizes[axis] + usize::from(stride == 1);
    }
    strides
}

const ORDERS: [[usize; 3]; 6] = [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
];

#[test]
fn every_layout_matches_the_reference() {
    for isa in Isa::available() {
        for (rows, m, k, n) in [
            (1, 1, 1, 1),
            (3, 1, 70, 1),
            (2, 37, 5, 1),
            (4, 1, 9, 33),
            (2, 7, 1, 80),
            (3, 6, 20, 5),
            (2, 70, 3, 18),
        ] {
            let (a, b) = (
                values(rows * (m + 1) * (k + 1) * 2, 1),
                values(rows * (k + 1) * (n + 1) * 2, 2),
            );
            for (pick, order) in
                (0..216).map(|i| (i, [ORDERS[i % 6], ORDERS[i / 6 % 6], ORDERS[i / 36]]))
            {
                let [a_row, a_m, a_k] = strides([rows, m, k], order[0]);
                let [b_row, b_k, b_n] = strides([rows, k, n], order[1]);
                let [c_row, c_m, c_n] = strides([rows, m, n], order[2]);
                let repeat = pick % 5 == 0;
                let (a_row, b_row) = if repeat { (0, b_row) } else { (a_row, b_row) };
                let accumulate = pick % 2;
                let shape = Contraction {
                    rows,
                    m,
                    k,
                    n,
                    a_row,
                    a_m,
                    a_k,
                    b_row,
                    b_k,
                    b_n,
                    c_row,
                    c_m,
                    c_n,
                    accumulate,
                };
                let before = values(rows * (m + 1) * (n + 1) * 2, 3);
                let mut c = before.clone();
                contract(isa, &a, &b, &mut c, &shape);
                let mut expected: Vec<f64> = before.iter().map(|c| f64::from(*c)).collect();
                for (r, i, j) in (0..rows * m * n).map(|at| (at / (m * n), at / n % m, at % n)) {
                    let sum: f64 = (0..k)
                        .map(|s| {
                            f64::from(a[r * a_row + i * a_m + s * a_k])
                                * f64::from(b[r * b_row + s * b_k + j * b_n])
                        })
                        .sum();
                    let c = &mut expected[r * c_row + i * c_m + j * c_n];
                    *c = if accumulate != 0 { *c + sum } else { sum };
                }
                // At most `k + 1` roundings of sums below `k + 1`.
                let tolerance = ((k + 1) * (k + 1)) as f64 * f64::from(f32::EPSILON);
                for (c, expected) in c.iter().zip(&expected) {
                    assert!(
                        (f64::from(*c) - expected).abs() <= tolerance,
                        "{} {shape:?}",
                        isa.name()
                    );
                }
            }
        }
    }
}

#[test]
fn a_row_does_not_depend_on_the_other_rows() {
    for isa in Isa::available() {
        let (rows, m, k) = (5, 13, 37);
        let (a, x) = (values(rows * m * k, 4), values(rows * k, 5));
        let mut all = vec![0.0; rows * m];
        batched_matvec(
            isa,
            (rows, m, k),
            &a,
            (m * k, k, 1),
            &x,
            (k, 1),
            &mut all,
            (m, 1),
            false,
        );
        for r in 0..rows {
            let mut one = vec![0.0; m];
            batched_matvec(
                isa,
                (1, m, k),
                &a[r * m * k..],
                (m * k, k, 1),
                &x[r * k..],
                (k, 1),
                &mut one,
                (m, 1),
                false,
            );
            assert_eq!(one, all[r * m..][..m]);
        }
    }
}

#[test]
fn outer_rows_multiplies_every_pair() {
    for isa in Isa::available() {
        let (rows, m, n) = (3, 7, 19);
        let (a, b) = (values(rows * m, 6), values(n, 7));
        let mut y = vec![0.0; rows * m * n];
        outer_rows(isa, (rows, m, n), &a, m, &b, 0, &mut y, false);
        assert!((0..rows * m * n).all(|at| y[at] == a[at / n] * b[at % n]));
    }
}
