//! Two rows for one: their dot product, and a row times a number or another row, added up.
//!
//! They are what attention does with a memory, `sum[j](a[t, j] * m[j])` and `h[t] . m[j]`, and its derivatives: of every
//! pair of elements one multiply-add is left, and no product lies in memory.
//!
//! **Invariant:** the result of a row depends on the two rows and `f` alone.

use crate::kernels::table::variants;
use crate::kernels::vector::Vector;

variants! {
    /// `(a, a_row_stride, b, b_row_stride, rows, f, y, y_row_stride)`: `y[r] = sum_j a[r][j] b[r][j]`, one float a row.
    pub(super) fn dot_entry = dot_rows(
        a: *const f32, a_row_stride: usize, b: *const f32, b_row_stride: usize, rows: usize, f: usize,
        y: *mut f32, y_row_stride: usize,
    )
}
variants! {
    /// `(a, a_row_stride, a_step, b, b_row_stride, rows, f, y, y_row_stride, lengths, step)`:
    /// `y[r][j] += a[r][j a_step] b[r][j]` for rows longer than `step`, with an `a_step` of 0 or 1; `lengths` may be null.
    pub(super) fn multiply_add_entry = multiply_add_rows(
        a: *const f32, a_row_stride: usize, a_step: usize, b: *const f32, b_row_stride: usize, rows: usize, f: usize,
        y: *mut f32, y_row_stride: usize, lengths: *const u32, step: usize,
    )
}

/// Sums kept apart, since one multiply-add waits for the one before.
const CHAINS: usize = 4;

/// # Safety
/// The instruction set is available and the rows are valid.
#[inline(always)]
#[expect(
    clippy::too_many_arguments,
    reason = "one parameter per operand and stride"
)]
unsafe fn dot_rows<V: Vector>(
    a: *const f32,
    a_row_stride: usize,
    b: *const f32,
    b_row_stride: usize,
    rows: usize,
    f: usize,
    y: *mut f32,
    y_row_stride: usize,
) {
    // SAFETY: every access stays inside the rows and below `f`.
    unsafe {
        for r in 0..rows {
            let (a, b) = (a.add(r * a_row_stride), b.add(r * b_row_stride));
            let mut sums = [V::splat(0.0); CHAINS];
            let mut j = 0;
            while j + CHAINS * V::LANES <= f {
                for (chain, sum) in sums.iter_mut().enumerate() {
                    let at = j + chain * V::LANES;
                    *sum = V::load(a.add(at)).mul_add(V::load(b.add(at)), *sum);
                }
                j += CHAINS * V::LANES;
            }
            let mut chain = 0;
            while j < f {
                let count = V::LANES.min(f - j);
                let (a, b) = (
                    V::load_first(a.add(j), count),
                    V::load_first(b.add(j), count),
                );
                sums[chain] = a.mul_add(b, sums[chain]);
                chain = (chain + 1) % CHAINS;
                j += count;
            }
            let sum = sums[0].add(sums[1]).add(sums[2].add(sums[3]));
            y.add(r * y_row_stride).write(sum.sum_lanes());
        }
    }
}

/// # Safety
/// The instruction set is available, the rows are valid, and `lengths` is null or has `rows` entries.
#[inline(always)]
#[expect(
    clippy::too_many_arguments,
    reason = "one parameter per operand and stride"
)]
unsafe fn multiply_add_rows<V: Vector>(
    a: *const f32,
    a_row_stride: usize,
    a_step: usize,
    b: *const f32,
    b_row_stride: usize,
    rows: usize,
    f: usize,
    y: *mut f32,
    y_row_stride: usize,
    lengths: *const u32,
    step: usize,
) {
    // SAFETY: every access stays inside the rows and below `f`.
    unsafe {
        for r in 0..rows {
            if !lengths.is_null() && step >= *lengths.add(r) as usize {
                continue;
            }
            let (a, b) = (a.add(r * a_row_stride), b.add(r * b_row_stride));
            let y = y.add(r * y_row_stride);
            let one = if a_step == 0 && f > 0 { *a } else { 0.0 };
            let one = V::splat(one);
            let mut j = 0;
            while j + V::LANES <= f {
                let a = if a_step == 0 { one } else { V::load(a.add(j)) };
                let sum = a.mul_add(V::load(b.add(j)), V::load(y.add(j)));
                sum.store(y.add(j));
                j += V::LANES;
            }
            if j < f {
                let count = f - j;
                let a = if a_step == 0 {
                    one
                } else {
                    V::load_first(a.add(j), count)
                };
                let (b, sum) = (
                    V::load_first(b.add(j), count),
                    V::load_first(y.add(j), count),
                );
                a.mul_add(b, sum).store_first(y.add(j), count);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Isa;

    fn numbers(count: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        let next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        std::iter::repeat_with(next).take(count).collect()
    }

    #[test]
    fn dot_products_are_those_of_double_precision_at_every_width() {
        for isa in Isa::available() {
            for f in 0..70 {
                let (rows, a_stride, b_stride) = (3, f + 2, f + 5);
                let (a, b) = (numbers(rows * a_stride, 1), numbers(rows * b_stride, 2));
                let mut y = vec![9.0f32; rows * 2];
                // SAFETY: the instruction set is available and the slices cover the rows.
                unsafe {
                    dot_entry(isa)(
                        a.as_ptr(),
                        a_stride,
                        b.as_ptr(),
                        b_stride,
                        rows,
                        f,
                        y.as_mut_ptr(),
                        2,
                    )
                };
                for r in 0..rows {
                    let terms = (0..f)
                        .map(|j| f64::from(a[r * a_stride + j]) * f64::from(b[r * b_stride + j]));
                    let expected: f64 = terms.sum();
                    let error = (f64::from(y[2 * r]) - expected).abs();
                    assert!(error < 1e-5, "{isa:?}, f {f}, row {r}: off by {error:e}");
                    assert_eq!(y[2 * r + 1], 9.0, "what lies between rows stays");
                }
            }
        }
    }

    #[test]
    fn rows_past_their_length_get_nothing_and_the_others_one_rounding() {
        for isa in Isa::available() {
            for f in 1..70 {
                for a_step in [0, 1] {
                    let (rows, stride) = (4, f + 3);
                    let (a, b) = (numbers(rows * stride, 3), numbers(rows * stride, 4));
                    let before = numbers(rows * stride, 5);
                    let mut y = before.clone();
                    let lengths = [5u32, 2, 3, 7];
                    // SAFETY: the instruction set is available and the slices cover the rows.
                    unsafe {
                        multiply_add_entry(isa)(
                            a.as_ptr(),
                            stride,
                            a_step,
                            b.as_ptr(),
                            stride,
                            rows,
                            f,
                            y.as_mut_ptr(),
                            stride,
                            lengths.as_ptr(),
                            2,
                        )
                    };
                    for at in 0..rows * stride {
                        let (r, j) = (at / stride, at % stride);
                        let factor = f64::from(a[r * stride + j * a_step]);
                        let live = j < f && lengths[r] > 2;
                        let expected = match live {
                            true => f64::from(before[at]) + factor * f64::from(b[at]),
                            false => f64::from(before[at]),
                        };
                        let error = (f64::from(y[at]) - expected).abs();
                        assert!(
                            error < 3e-7,
                            "{isa:?}, f {f}, row {r}, column {j}: off by {error:e}"
                        );
                    }
                }
            }
        }
    }
}
