//! One small contraction for each row, with arbitrary strides: `C[r][m, n] (=|+=) sum_k A[r][m, k] B[r][k, n]`.
//!
//! This is attention (energies, contexts), outer products that differ by row, and every product whose matrix is not a parameter.
//! The kernel puts the lanes along `n` or `m` where the memory is contiguous, otherwise along `k`, otherwise it is scalar.
//!
//! **Invariant:** the order of a sum is chosen from the sizes but `rows` and from the strides, so a row does not depend on the
//! other rows.

use crate::kernels::Isa;
use crate::kernels::table::variants;
use crate::kernels::vector::Vector;

/// Sizes and strides (in elements) of a contraction. A stride of 0 repeats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Contraction {
    /// Number of independent products.
    pub rows: usize,
    /// Rows of `A` and `C`.
    pub m: usize,
    /// Columns of `A`, rows of `B`.
    pub k: usize,
    /// Columns of `B` and `C`.
    pub n: usize,
    /// Distance between the matrices `A`.
    pub a_row: usize,
    /// Stride of `A` along `m`.
    pub a_m: usize,
    /// Stride of `A` along `k`.
    pub a_k: usize,
    /// Distance between the matrices `B`.
    pub b_row: usize,
    /// Stride of `B` along `k`.
    pub b_k: usize,
    /// Stride of `B` along `n`.
    pub b_n: usize,
    /// Distance between the matrices `C`.
    pub c_row: usize,
    /// Stride of `C` along `m`.
    pub c_m: usize,
    /// Stride of `C` along `n`.
    pub c_n: usize,
    /// 1 to add to `C`, 0 to overwrite it.
    pub accumulate: usize,
}

/// `C[r][i, j] = sum_k A[r][i, k] B[r][k, j]`, or `+=` if `shape.accumulate` is not 0.
///
/// # Panics
/// If `isa` is not available or a slice is too short.
pub fn contract(isa: Isa, a: &[f32], b: &[f32], c: &mut [f32], shape: &Contraction) {
    assert!(
        isa.is_available(),
        "instruction set {} is not available",
        isa.name()
    );
    let span = |sizes: [(usize, usize); 3]| {
        if sizes.iter().any(|(size, _)| *size == 0) {
            return Some(0);
        }
        sizes.iter().try_fold(1usize, |len, (size, stride)| {
            len.checked_add((size - 1).checked_mul(*stride)?)
        })
    };
    let Contraction { rows, m, k, n, .. } = *shape;
    let a_len = span([(rows, shape.a_row), (m, shape.a_m), (k, shape.a_k)]);
    let b_len = span([(rows, shape.b_row), (k, shape.b_k), (n, shape.b_n)]);
    let c_len = span([(rows, shape.c_row), (m, shape.c_m), (n, shape.c_n)]);
    assert!(a_len.is_some_and(|len| len <= a.len()), "a is too short");
    assert!(b_len.is_some_and(|len| len <= b.len()), "b is too short");
    assert!(c_len.is_some_and(|len| len <= c.len()), "c is too short");
    // SAFETY: the instruction set is available and the slices cover every index, checked above.
    unsafe { entry(isa)(a.as_ptr(), b.as_ptr(), c.as_mut_ptr(), shape) }
}

/// `Y[r][i] = sum_k A[r][i, k] X[r][k]`: [`contract`] with `n = 1`.
///
/// `a` strides are `(row, m, k)`, `x` strides `(row, k)`, `y` strides `(row, m)`.
///
/// # Panics
/// As [`contract`].
#[expect(
    clippy::too_many_arguments,
    reason = "one parameter per operand and size"
)]
pub fn batched_matvec(
    isa: Isa,
    sizes: (usize, usize, usize),
    a: &[f32],
    a_strides: (usize, usize, usize),
    x: &[f32],
    x_strides: (usize, usize),
    y: &mut [f32],
    y_strides: (usize, usize),
    accumulate: bool,
) {
    let (rows, m, k) = sizes;
    let shape = Contraction {
        rows,
        m,
        k,
        n: 1,
        a_row: a_strides.0,
        a_m: a_strides.1,
        a_k: a_strides.2,
        b_row: x_strides.0,
        b_k: x_strides.1,
        b_n: 1,
        c_row: y_strides.0,
        c_m: y_strides.1,
        c_n: 1,
        accumulate: usize::from(accumulate),
    };
    contract(isa, a, x, y, &shape);
}

/// `Y[r][i, j] = a[r][i] b[r][j]` with `Y` row-major of shape `[rows, m, n]`: [`contract`] with `k = 1`.
///
/// # Panics
/// As [`contract`].
#[expect(
    clippy::too_many_arguments,
    reason = "one parameter per operand and size"
)]
pub fn outer_rows(
    isa: Isa,
    sizes: (usize, usize, usize),
    a: &[f32],
    a_row_stride: usize,
    b: &[f32],
    b_row_stride: usize,
    y: &mut [f32],
    accumulate: bool,
) {
    let (rows, m, n) = sizes;
    let shape = Contraction {
        rows,
        m,
        k: 1,
        n,
        a_row: a_row_stride,
        a_m: 1,
        a_k: 1,
        b_row: b_row_stride,
        b_k: 1,
        b_n: 1,
        c_row: m * n,
        c_m: n,
        c_n: 1,
        accumulate: usize::from(accumulate),
    };
    contract(isa, a, b, y, &shape);
}

variants! {
    /// The kernel behind [`contract`], [`batched_matvec`] and [`outer_rows`]: `(a, b, c, contraction)`.
    pub(super) fn entry = contract_rows(a: *const f32, b: *const f32, c: *mut f32, shape: *const Contraction)
}

/// Below this size along `m` or `n`, lanes along `k` waste less.
const WORTH: usize = 4;

/// # Safety
/// The instruction set is available and enabled in the caller, and every index of `shape` is valid.
#[inline(always)]
unsafe fn contract_rows<V: Vector>(
    a: *const f32,
    b: *const f32,
    c: *mut f32,
    shape: *const Contraction,
) {
    // SAFETY: the caller's promise.
    let mut shape = unsafe { shape.read() };
    // The stride of an axis of one element is free.
    if shape.m == 1 {
        (shape.a_m, shape.c_m) = (1, 1);
    }
    if shape.k == 1 {
        (shape.a_k, shape.b_k) = (1, 1);
    }
    if shape.n == 1 {
        (shape.b_n, shape.c_n) = (1, 1);
    }
    // `C = A B` is `C^T = B^T A^T`.
    let swapped = Contraction {
        m: shape.n,
        n: shape.m,
        a_row: shape.b_row,
        a_m: shape.b_n,
        a_k: shape.b_k,
        b_row: shape.a_row,
        b_k: shape.a_k,
        b_n: shape.a_m,
        c_m: shape.c_n,
        c_n: shape.c_m,
        ..shape
    };
    let along_n = shape.b_n == 1 && shape.c_n == 1;
    let along_m = shape.a_m == 1 && shape.c_m == 1;
    let along_k = shape.a_k == 1 && shape.b_k == 1 && shape.k > 1;
    // SAFETY: the caller's promise; the swapped shape names the same elements.
    unsafe {
        if along_n && shape.n >= WORTH && (shape.n >= shape.m || !along_m) {
            lanes_along_n::<V>(a, b, c, &shape);
        } else if along_m && shape.m >= WORTH {
            lanes_along_n::<V>(b, a, c, &swapped);
        } else if along_k {
            lanes_along_k::<V>(a, b, c, &shape);
        } else if along_n {
            lanes_along_n::<V>(a, b, c, &shape);
        } else if along_m {
            lanes_along_n::<V>(b, a, c, &swapped);
        } else {
            scalar(a, b, c, &shape);
        }
    }
}

/// Lanes along `n`: one chain of multiply-adds over `k` for each element.
///
/// # Safety
/// As [`contract_rows`], and `b_n = c_n = 1`.
#[inline(always)]
unsafe fn lanes_along_n<V: Vector>(a: *const f32, b: *const f32, c: *mut f32, s: &Contraction) {
    // SAFETY: `r`, `i` and `j` stay below the sizes.
    unsafe {
        for r in 0..s.rows {
            let (a, b, c) = (a.add(r * s.a_row), b.add(r * s.b_row), c.add(r * s.c_row));
            let mut j = 0;
            while j < s.n {
                let wide = s.n - j >= 4 * V::LANES;
                let step = if wide {
                    4 * V::LANES
                } else {
                    V::LANES.min(s.n - j)
                };
                for i in 0..s.m {
                    let (a, b, c) = (a.add(i * s.a_m), b.add(j), c.add(i * s.c_m + j));
                    if wide {
                        chain::<V, 4>(a, b, c, V::LANES, s);
                    } else {
                        chain::<V, 1>(a, b, c, step, s);
                    }
                }
                j += step;
            }
        }
    }
}

/// `NV` vectors of one row of `C`, the last of `count` lanes.
///
/// # Safety
/// As [`lanes_along_n`]; the pointers are at the first element.
#[inline(always)]
unsafe fn chain<V: Vector, const NV: usize>(
    a: *const f32,
    b: *const f32,
    c: *mut f32,
    count: usize,
    s: &Contraction,
) {
    // SAFETY: `k` steps of `(NV - 1) * LANES + count` floats are valid.
    unsafe {
        let mut sums = [V::splat(0.0); NV];
        for step in 0..s.k {
            let a = V::splat(a.add(step * s.a_k).read());
            let b = b.add(step * s.b_k);
            for (v, sum) in sums.iter_mut().enumerate() {
                let b = b.add(v * V::LANES);
                let b = if count == V::LANES {
                    V::load(b)
                } else {
                    V::load_first(b, count)
                };
                *sum = a.mul_add(b, *sum);
            }
        }
        for (v, sum) in sums.iter().enumerate() {
            let c = c.add(v * V::LANES);
            let sum = if s.accumulate != 0 {
                V::load_first(c, count).add(*sum)
            } else {
                *sum
            };
            sum.store_first(c, count);
        }
    }
}

/// Lanes along `k`: four partial sums of vectors, then a tree.
///
/// # Safety
/// As [`contract_rows`], and `a_k = b_k = 1`.
#[inline(always)]
unsafe fn lanes_along_k<V: Vector>(a: *const f32, b: *const f32, c: *mut f32, s: &Contraction) {
    // SAFETY: `r`, `i`, `j` and the step stay below the sizes.
    unsafe {
        for r in 0..s.rows {
            for i in 0..s.m {
                let a = a.add(r * s.a_row + i * s.a_m);
                for j in 0..s.n {
                    let b = b.add(r * s.b_row + j * s.b_n);
                    let mut sums = [V::splat(0.0); 4];
                    let mut step = 0;
                    while step + 4 * V::LANES <= s.k {
                        for (v, sum) in sums.iter_mut().enumerate() {
                            let at = step + v * V::LANES;
                            *sum = V::load(a.add(at)).mul_add(V::load(b.add(at)), *sum);
                        }
                        step += 4 * V::LANES;
                    }
                    while step < s.k {
                        let count = V::LANES.min(s.k - step);
                        let (a, b) = (
                            V::load_first(a.add(step), count),
                            V::load_first(b.add(step), count),
                        );
                        sums[0] = a.mul_add(b, sums[0]);
                        step += count;
                    }
                    let sum = sums[0].add(sums[1]).add(sums[2].add(sums[3])).sum_lanes();
                    let c = c.add(r * s.c_row + i * s.c_m + j * s.c_n);
                    c.write(if s.accumulate != 0 {
                        c.read() + sum
                    } else {
                        sum
                    });
                }
            }
        }
    }
}

/// No contiguous axis.
///
/// # Safety
/// As [`contract_rows`].
unsafe fn scalar(a: *const f32, b: *const f32, c: *mut f32, s: &Contraction) {
    // SAFETY: `r`, `i`, `j` and the step stay below the sizes.
    unsafe {
        for r in 0..s.rows {
            for i in 0..s.m {
                for j in 0..s.n {
                    let (a, b) = (
                        a.add(r * s.a_row + i * s.a_m),
                        b.add(r * s.b_row + j * s.b_n),
                    );
                    let mut sum = 0.0;
                    for step in 0..s.k {
                        sum += a.add(step * s.a_k).read() * b.add(step * s.b_k).read();
                    }
                    let c = c.add(r * s.c_row + i * s.c_m + j * s.c_n);
                    c.write(if s.accumulate != 0 {
                        c.read() + sum
                    } else {
                        sum
                    });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
