//! Matrices come to the nearest orthonormal one, and stay there.

use ndarray::{Array2, ArrayD, Axis};

use super::*;
use crate::init::{Init, draw};

const SHAPES: [[usize; 2]; 6] = [[1, 1], [4, 4], [7, 3], [3, 7], [32, 32], [1, 5]];

fn drawn(shape: [usize; 2], seed: u64) -> ArrayD<f32> {
    draw(
        &Init::Normal {
            mean: 0.0,
            std: 1.0,
        },
        "x",
        &shape,
        seed,
    )
    .unwrap()
}

fn orthonormal(shape: [usize; 2], seed: u64) -> ArrayD<f32> {
    draw(&Init::Orthogonal { gain: 1.0 }, "x", &shape, seed).unwrap()
}

fn matrix(x: &ArrayD<f32>) -> Array2<f64> {
    let x = x.mapv(f64::from).into_dimensionality().unwrap();
    let turned: Array2<f64> = x;
    if turned.nrows() < turned.ncols() {
        turned.reversed_axes()
    } else {
        turned
    }
}

fn defect(x: &ArrayD<f32>) -> f64 {
    let x = matrix(x);
    let products = x.t().dot(&x) - Array2::<f64>::eye(x.ncols());
    products.iter().fold(0.0, |most, x| x.abs().max(most))
}

/// Elements of `X' X`, a few roundings of products that add up to 1.
const TOLERANCE: f64 = 2e-6;

#[test]
fn any_matrix_of_full_rank_comes_to_the_nearest_orthonormal_one() {
    for (seed, shape) in SHAPES.into_iter().enumerate() {
        for scale in [1e-3, 0.5, 30.0] {
            let mut space = Orthonormal::new([shape].into_iter());
            let start = drawn(shape, seed as u64) * scale;
            let mut found = start.clone();
            space.retract(found.view_mut(), shape);
            assert!(defect(&found) < TOLERANCE, "{shape:?}, {scale}");
            // The nearest is the one for which `X' A` is symmetric and positive (the polar factor).
            let (x, a) = (matrix(&found), matrix(&start));
            let stretch = x.t().dot(&a);
            let size = f64::from(scale) * shape[0].max(shape[1]) as f64;
            assert!(
                (&stretch - &stretch.t())
                    .iter()
                    .all(|x| x.abs() < 1e-4 * size),
                "{shape:?}, {scale}: {stretch}"
            );
            assert!(stretch.diag().iter().all(|x| *x > 0.0));
        }
    }
}

#[test]
fn what_is_orthonormal_stays_as_it_is() {
    for shape in SHAPES {
        let mut space = Orthonormal::new([shape].into_iter());
        let start = orthonormal(shape, 3);
        let mut found = start.clone();
        space.retract(found.view_mut(), shape);
        assert_eq!(found, start);
    }
}

#[test]
fn a_tangent_moves_no_product_of_columns() {
    for shape in SHAPES {
        let mut space = Orthonormal::new([shape].into_iter());
        let (x, g) = (orthonormal(shape, 1), drawn(shape, 2));
        let along = space.tangent(x.view(), g.view(), shape).to_owned();
        let (x, along) = (matrix(&x), matrix(&along));
        // d(X' X) = X' dX + dX' X.
        let moved = x.t().dot(&along);
        let moved = &moved + &moved.t();
        assert!(moved.iter().all(|x| x.abs() < 1e-5), "{shape:?}: {moved}");
        // What was taken away is at right angles to every tangent, itself one too.
        let rest = matrix(&g) - &along;
        let product = (&rest * &along).sum();
        let sizes = (&rest * &rest).sum().sqrt() * (&along * &along).sum().sqrt();
        assert!(
            product.abs() <= 1e-5 * sizes.max(1.0),
            "{shape:?}: {product}"
        );
    }
}

/// Where a matrix comes to.
fn retracted(mut x: ArrayD<f32>) -> ArrayD<f32> {
    let shape = [x.shape()[0], x.shape()[1]];
    Orthonormal::new([shape].into_iter()).retract(x.view_mut(), shape);
    x
}

#[test]
fn large_matrices_come_to_an_orthonormal_one() {
    for shape in [[128, 128], [200, 200], [200, 64], [64, 200]] {
        for seed in 0..3 {
            let found = defect(&retracted(drawn(shape, seed)));
            assert!(found < 1e-5, "{shape:?}, {seed}: {found}");
        }
    }
}

#[test]
fn a_step_of_every_element_of_a_large_matrix_ends_at_an_orthonormal_one() {
    let (start, signs) = (orthonormal([256, 256], 1), drawn([256, 256], 2));
    for step in [0.001, 0.1] {
        let found = retracted(&start + &signs.mapv(|x| step * x.signum()));
        assert!(defect(&found) < 1e-5, "{step}: {}", defect(&found));
    }
}

#[test]
fn a_large_orthonormal_matrix_stays_as_it_is() {
    for shape in [[512, 512], [512, 40]] {
        let start = orthonormal(shape, 5);
        assert_eq!(retracted(start.clone()), start, "{shape:?}");
    }
}

#[test]
fn what_has_not_its_full_rank_comes_to_one_of_the_nearest() {
    let mut column = drawn([40, 40], 1);
    column.index_axis_mut(Axis(1), 3).fill(0.0);
    let mut twice = drawn([30, 20], 2);
    let first = twice.index_axis(Axis(1), 0).to_owned();
    twice.index_axis_mut(Axis(1), 7).assign(&first);
    let factors = (
        matrix(&drawn([50, 8], 3)),
        matrix(&drawn([50, 8], 4)).reversed_axes(),
    );
    let low = factors.0.dot(&factors.1).mapv(|x| x as f32).into_dyn();
    let all = [
        column,
        twice,
        low,
        ArrayD::ones(vec![64, 64]),
        ArrayD::zeros(vec![2, 2]),
        ArrayD::zeros(vec![64, 32]),
        ArrayD::zeros(vec![1, 5]),
    ];
    for (number, start) in all.into_iter().enumerate() {
        let found = retracted(start.clone());
        assert!(defect(&found) < 1e-5, "{number}: {}", defect(&found));
        // It is the same each time.
        assert_eq!(found, retracted(start.clone()), "{number}");
        // It is one of the nearest: `X' A` is symmetric (and with nothing below zero).
        let (x, a) = (matrix(&found), matrix(&start));
        let stretch = x.t().dot(&a);
        let size = stretch.iter().fold(1.0_f64, |most, x| x.abs().max(most));
        let skew = &stretch - &stretch.t();
        assert!(
            skew.iter().all(|x| x.abs() < 1e-3 * size),
            "{number}: {skew}"
        );
        assert!(stretch.diag().iter().all(|x| *x > -1e-3 * size), "{number}");
    }
}

#[test]
fn elements_whose_squares_are_out_of_range_are_of_a_matrix_like_others() {
    for scale in [1e30, 1e-30, 1e-38] {
        let found = retracted(drawn([8, 8], 1) * scale);
        assert!(defect(&found) < TOLERANCE, "{scale}");
    }
}

#[test]
fn what_is_not_finite_or_empty_stays() {
    let found = retracted(ArrayD::from_elem(vec![2, 2], f32::NAN));
    assert!(found.iter().all(|x| x.is_nan()));
    let mut one = orthonormal([4, 4], 1);
    one[[1, 2]] = f32::INFINITY;
    assert_eq!(retracted(one.clone()), one);
    assert_eq!(retracted(ArrayD::zeros(vec![0, 3])).len(), 0);
}
