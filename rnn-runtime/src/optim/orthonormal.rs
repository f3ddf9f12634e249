//! Steps of matrices that stay orthonormal.
//!
//! Of `X: [m, n]` the columns are orthonormal, `X' X = 1`, or where there are more columns than rows the rows, which is the same of
//! `X'`. Such matrices are a manifold (Stiefel's). A step follows what of the gradient `G` lies along it, and ends at the
//! nearest point of it (Absil, Mahony & Sepulchre 2008, eq. 3.35 and 4.7):
//!
//! ```text
//! tangent: G - X (X' G + G' X) / 2
//! retract: X (X' X)^(-1/2), the limit of X <- X (3 - X' X) / 2
//! ```
//!
//! The iteration doubles its digits each time while singular values are within `(0, sqrt(3))` (Higham 2008, eq. 8.20). What is longer is
//! scaled first, so every matrix of full rank ends there.
//!
//! **Invariant:** memory is taken when the tensors are known, and results do not depend on threads.

use faer::linalg::matmul::matmul;
use faer::mat::{MatMut, MatRef};
use faer::{Accum, Par};
use ndarray::{ArrayViewD, ArrayViewMutD, IxDyn};

/// What elements of `X' X - 1` are above rounding: sums of products that add up to 1, in f32.
const ENOUGH: f32 = 1e-6;

/// Steps of the iteration: a singular value grows by half in each until it is near 1, so these find one of 1e-7.
const STEPS: usize = 60;

/// Memory for the largest of the matrices.
#[derive(Clone, Debug)]
pub(super) struct Orthonormal {
    /// The matrix, row-major.
    value: Vec<f32>,
    /// Its next value, or the gradient.
    next: Vec<f32>,
    /// Products of its columns, or rows, with each other.
    products: Vec<f32>,
    /// The same, made symmetric, or what the matrix is multiplied with.
    factor: Vec<f32>,
}

impl Orthonormal {
    pub(super) fn new(shapes: impl Iterator<Item = [usize; 2]>) -> Self {
        let (mut elements, mut squares) = (0, 0);
        for [m, n] in shapes {
            elements = elements.max(m * n);
            squares = squares.max(m.min(n) * m.min(n));
        }
        Self {
            value: vec![0.0; elements],
            next: vec![0.0; elements],
            products: vec![0.0; squares],
            factor: vec![0.0; squares],
        }
    }

    /// What of `grad` lies along the orthonormal matrices at `param`.
    pub(super) fn tangent(
        &mut self,
        param: ArrayViewD<'_, f32>,
        grad: ArrayViewD<'_, f32>,
        shape: [usize; 2],
    ) -> ArrayViewD<'_, f32> {
        let count = param.len();
        copy(&mut self.value, &param);
        copy(&mut self.next, &grad);
        let small = shape[0].min(shape[1]);
        let squares = small * small;
        if count > 0 {
            let x = tall(&self.value[..count], shape);
            let products = square_mut(&mut self.products[..squares], small);
            let g = tall(&self.next[..count], shape);
            matmul(products, Accum::Replace, x.transpose(), g, 1.0, Par::Seq);
            for i in 0..small {
                for j in 0..small {
                    let sum = self.products[i * small + j] + self.products[j * small + i];
                    self.factor[i * small + j] = 0.5 * sum;
                }
            }
            let factor = square(&self.factor[..squares], small);
            let g = tall_mut(&mut self.next[..count], shape);
            matmul(g, Accum::Add, x, factor, -1.0, Par::Seq);
        }
        ArrayViewD::from_shape(IxDyn(&shape), &self.next[..count])
            .unwrap_or_else(|_| unreachable!("a tensor has as many elements as its shape"))
    }

    /// Brings `param` to the nearest orthonormal matrix. There is none of what is not finite, which stays; and what has not its full rank
    /// stays without the directions that it does not have.
    pub(super) fn retract(&mut self, mut param: ArrayViewMutD<'_, f32>, shape: [usize; 2]) {
        let count = param.len();
        if count == 0 {
            return;
        }
        copy(&mut self.value, &param.view());
        let small = shape[0].min(shape[1]);
        let mut before = f32::INFINITY;
        let mut moved = false;
        for _ in 0..STEPS {
            let Some(error) = self.multiply_out(count, shape) else {
                return;
            };
            // Near the end rounding is all that is left, of more than is enough where a matrix is large.
            if error <= ENOUGH || (error < 1e-4 && error > 0.5 * before) {
                break;
            }
            before = error;
            self.advance(count, shape, small);
            moved = true;
        }
        if moved {
            let values = self.value[..count].iter();
            param
                .iter_mut()
                .zip(values)
                .for_each(|(place, value)| *place = *value);
        }
    }

    /// Sets `products` to `X' X`; the largest element of `X' X - 1`, if all are finite.
    fn multiply_out(&mut self, count: usize, shape: [usize; 2]) -> Option<f32> {
        let small = shape[0].min(shape[1]);
        let products = &mut self.products[..small * small];
        let x = tall(&self.value[..count], shape);
        let whole = square_mut(products, small);
        matmul(whole, Accum::Replace, x.transpose(), x, 1.0, Par::Seq);
        let mut error = 0.0_f32;
        for (at, product) in products.iter().enumerate() {
            let unit = f32::from(u8::from(at / small == at % small));
            if !product.is_finite() {
                return None;
            }
            error = error.max((product - unit).abs());
        }
        Some(error)
    }

    /// One step of the iteration, from `products`.
    fn advance(&mut self, count: usize, shape: [usize; 2], small: usize) {
        let products = &self.products[..small * small];
        // No singular value is above the root of the largest sum of a row of `X' X`.
        let rows = products.chunks_exact(small);
        let longest = rows
            .map(|row| row.iter().map(|product| product.abs()).sum::<f32>())
            .fold(0.0, f32::max);
        let scale = if longest > 2.0 { longest.recip() } else { 1.0 };
        for (at, product) in products.iter().enumerate() {
            let unit = f32::from(u8::from(at / small == at % small));
            self.factor[at] = scale.sqrt() * (1.5 * unit - 0.5 * scale * product);
        }
        let (x, factor) = (
            tall(&self.value[..count], shape),
            square(&self.factor[..small * small], small),
        );
        let next = tall_mut(&mut self.next[..count], shape);
        matmul(next, Accum::Replace, x, factor, 1.0, Par::Seq);
        std::mem::swap(&mut self.value, &mut self.next);
    }
}

fn copy(to: &mut [f32], from: &ArrayViewD<'_, f32>) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
}

/// A row-major matrix, turned so that it has at least as many rows as columns.
fn tall(values: &[f32], [m, n]: [usize; 2]) -> MatRef<'_, f32> {
    let matrix = MatRef::from_row_major_slice(values, m, n);
    if m < n { matrix.transpose() } else { matrix }
}

fn tall_mut(values: &mut [f32], [m, n]: [usize; 2]) -> MatMut<'_, f32> {
    let matrix = MatMut::from_row_major_slice_mut(values, m, n);
    if m < n {
        matrix.transpose_mut()
    } else {
        matrix
    }
}

fn square(values: &[f32], n: usize) -> MatRef<'_, f32> {
    MatRef::from_row_major_slice(values, n, n)
}

fn square_mut(values: &mut [f32], n: usize) -> MatMut<'_, f32> {
    MatMut::from_row_major_slice_mut(values, n, n)
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, ArrayD};

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

    #[test]
    fn what_has_no_nearest_one_stays() {
        let mut space = Orthonormal::new([[2, 2], [0, 3]].into_iter());
        let mut x = ArrayD::from_elem(vec![2, 2], f32::NAN);
        space.retract(x.view_mut(), [2, 2]);
        assert!(x.iter().all(|x| x.is_nan()));
        let mut x = ArrayD::<f32>::zeros(vec![2, 2]);
        space.retract(x.view_mut(), [2, 2]);
        assert!(x.iter().all(|x| *x == 0.0));
        let mut x = ArrayD::<f32>::zeros(vec![0, 3]);
        space.retract(x.view_mut(), [0, 3]);
        assert_eq!(x.len(), 0);
    }
}
