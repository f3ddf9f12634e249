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
//! The iteration doubles its digits each time while singular values are within `(0, sqrt(3))` (Higham 2008, eq. 8.20). What is longer, or
//! much shorter, is scaled once before. From then on no singular value is above 1, and a small one grows by half in each step.
//!
//! What has not its full rank has many nearest matrices, and the iteration reaches none of them: directions that are not there do not grow.
//! It is then gone on with from where it ended, moved by fixed numbers near rounding ([`NUDGE`]), which have a part in every direction. That
//! ends at one of the nearest, always the same one.
//!
//! **Invariant:** memory is taken when the tensors are known, and results do not depend on threads.

use faer::linalg::matmul::matmul;
use faer::mat::{MatMut, MatRef};
use faer::{Accum, Par};
use ndarray::{ArrayViewD, ArrayViewMutD, IxDyn};

/// What elements of `X' X - 1` are above rounding: sums of products that add up to 1, in f32. Of sums of more than 16 it grows as their
/// rounding does, by the root of their number.
const ENOUGH: f32 = 1e-6;

/// Steps of the iteration: a singular value grows by half in each until it is near 1, so these find one of 1e-12.
const STEPS: usize = 80;

/// Times that a matrix without its full rank is moved. Once is enough.
const NUDGES: u32 = 3;

/// How far elements are moved, where no singular value is above 1.
const NUDGE: f32 = 1e-6;

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

    /// Brings `param` to the nearest orthonormal matrix, or to one of the nearest if it has not its full rank. There is none of what is not
    /// finite, which stays.
    pub(super) fn retract(&mut self, mut param: ArrayViewMutD<'_, f32>, shape: [usize; 2]) {
        let count = param.len();
        if count == 0 || !param.iter().all(|value| value.is_finite()) {
            return;
        }
        copy(&mut self.value, &param.view());
        self.fit(count);
        let mut moved = false;
        for nudge in 0..=NUDGES {
            if nudge > 0 {
                self.nudge(count, nudge);
                moved = true;
            }
            let Some(steps) = self.iterate(count, shape) else {
                continue;
            };
            // What was orthonormal before keeps its bits.
            if moved || steps > 0 {
                let values = self.value[..count].iter();
                param
                    .iter_mut()
                    .zip(values)
                    .for_each(|(place, value)| *place = *value);
            }
            return;
        }
    }

    /// Takes elements whose squares f32 has not to ones of which it has them.
    fn fit(&mut self, count: usize) {
        let values = &mut self.value[..count];
        let largest = values
            .iter()
            .fold(0.0_f32, |most, value| value.abs().max(most));
        if largest > 0.0 && !(1e-12..1e12).contains(&largest) {
            values.iter_mut().for_each(|value| *value /= largest);
        }
    }

    /// Adds numbers within [`NUDGE`] of 0, others each time, and the same in every run.
    fn nudge(&mut self, count: usize, time: u32) {
        for (at, value) in self.value[..count].iter_mut().enumerate() {
            let [word, _] = rnn_ir::random::words(u64::from(time), Some(at));
            let share = (word >> 8) as f32 / (1 << 23) as f32 - 1.0;
            *value += NUDGE * share;
        }
    }

    /// Takes steps until `value` is orthonormal; how many, or `None` if it does not become so.
    fn iterate(&mut self, count: usize, shape: [usize; 2]) -> Option<usize> {
        let small = shape[0].min(shape[1]);
        let terms = shape[0].max(shape[1]) as f32;
        let enough = ENOUGH * (terms / 16.0).sqrt().max(1.0);
        let mut before = f32::INFINITY;
        for step in 0..=STEPS {
            let error = self.multiply_out(count, shape)?;
            // Near the end rounding is all that is left, of more than is enough where a matrix is large.
            if error <= enough || (error < 1e-4 && error > 0.5 * before) {
                return Some(step);
            }
            before = error;
            let scale = if step == 0 { self.scale(small) } else { 1.0 };
            self.advance(count, shape, scale);
        }
        None
    }

    /// What squares of singular values are multiplied with so that they are at most 2, which the first step takes to at most 1.
    fn scale(&self, small: usize) -> f32 {
        // None is above the largest sum of a row of `X' X`.
        let rows = self.products[..small * small].chunks_exact(small);
        let longest = rows
            .map(|row| row.iter().map(|product| product.abs()).sum::<f32>())
            .fold(0.0, f32::max);
        if longest > 0.0 && !(0.5..=2.0).contains(&longest) {
            longest.recip()
        } else {
            1.0
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

    /// One step of the iteration, from `products`, of the matrix whose singular values have `scale` times the squares.
    fn advance(&mut self, count: usize, shape: [usize; 2], scale: f32) {
        let small = shape[0].min(shape[1]);
        let products = &self.products[..small * small];
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
mod tests;
