//! Reductions of row-major matrices: softmax, log-sum-exp, sum, maximum and arg max of each row, and the sum of each column.
//!
//! Exponentials and logarithms are those of [`super::math::poly`]. A NaN in a row makes its softmax, log-sum-exp, sum and maximum
//! NaN.
//!
//! **Invariant:** the result of a row depends on that row and `f` alone; a column sum runs over the rows in order.

use crate::kernels::Isa;
use crate::kernels::math::poly;
use crate::kernels::table::variants;
use crate::kernels::vector::Vector;

/// A reduction of each row to one float.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RowReduction {
    /// `sum_j x[j]`; 0 for an empty row.
    Sum,
    /// `max_j x[j]`; `-inf` for an empty row.
    Max,
    /// `ln sum_j e^x[j]`, free of overflow; `-inf` for an empty row.
    LogSumExp,
}

impl RowReduction {
    /// Every reduction.
    pub const ALL: [RowReduction; 3] = [
        RowReduction::Sum,
        RowReduction::Max,
        RowReduction::LogSumExp,
    ];
}

/// `(x, x_row_stride, rows, f, y, y_row_stride)`.
type RowEntry = unsafe extern "C" fn(*const f32, usize, usize, usize, *mut f32, usize);

fn check(isa: Isa, rows: usize, x: (&[f32], usize, usize), y: (usize, usize, usize)) {
    assert!(
        isa.is_available(),
        "instruction set {} is not available",
        isa.name()
    );
    assert!(
        super::span(rows, x.1, x.2).is_some_and(|len| len <= x.0.len()),
        "x is too short"
    );
    assert!(
        super::span(rows, y.1, y.2).is_some_and(|len| len <= y.0),
        "y is too short"
    );
}

/// `y[r][j] = e^(x[r][j] - max x[r]) / sum_j e^(x[r][j] - max x[r])` for `f` columns.
///
/// Logits of `-inf` get 0; a row of nothing else is NaN.
///
/// # Panics
/// If `isa` is not available or a slice is too short.
pub fn softmax(
    isa: Isa,
    x: &[f32],
    x_row_stride: usize,
    rows: usize,
    f: usize,
    y: &mut [f32],
    y_row_stride: usize,
) {
    check(isa, rows, (x, x_row_stride, f), (y.len(), y_row_stride, f));
    // SAFETY: the instruction set is available and the slices cover the rows, checked above.
    unsafe {
        softmax_entry(isa)(
            x.as_ptr(),
            x_row_stride,
            rows,
            f,
            y.as_mut_ptr(),
            y_row_stride,
        )
    }
}

/// `y[r] = reduction(x[r][0..f])`, at distance `y_row_stride`.
///
/// # Panics
/// If `isa` is not available or a slice is too short.
#[expect(
    clippy::too_many_arguments,
    reason = "one parameter per operand and stride, as the kernel takes them"
)]
pub fn reduce_rows(
    isa: Isa,
    reduction: RowReduction,
    x: &[f32],
    x_row_stride: usize,
    rows: usize,
    f: usize,
    y: &mut [f32],
    y_row_stride: usize,
) {
    check(isa, rows, (x, x_row_stride, f), (y.len(), y_row_stride, 1));
    // SAFETY: the instruction set is available and the slices cover the rows, checked above.
    unsafe {
        reduce_entry(reduction, isa)(
            x.as_ptr(),
            x_row_stride,
            rows,
            f,
            y.as_mut_ptr(),
            y_row_stride,
        )
    }
}

/// `y[r]` is the first `j` with the largest `x[r][j]`, a NaN counting as largest; 0 for an empty row.
///
/// # Panics
/// If `isa` is not available or a slice is too short.
pub fn argmax(
    isa: Isa,
    x: &[f32],
    x_row_stride: usize,
    rows: usize,
    f: usize,
    y: &mut [i32],
    y_row_stride: usize,
) {
    check(isa, rows, (x, x_row_stride, f), (y.len(), y_row_stride, 1));
    // SAFETY: the instruction set is available and the slices cover the rows, checked above.
    unsafe {
        argmax_entry(isa)(
            x.as_ptr(),
            x_row_stride,
            rows,
            f,
            y.as_mut_ptr(),
            y_row_stride,
        )
    }
}

/// `y[j] = sum_r x[r][j]`, or `+=` if `accumulate`, in the order of the rows.
///
/// # Panics
/// If `isa` is not available or a slice is too short.
pub fn column_sum(
    isa: Isa,
    x: &[f32],
    x_row_stride: usize,
    rows: usize,
    f: usize,
    y: &mut [f32],
    accumulate: bool,
) {
    check(isa, rows, (x, x_row_stride, f), (y.len(), 0, 0));
    assert!(f <= y.len(), "y is too short");
    // SAFETY: the instruction set is available and the slices cover the rows, checked above.
    unsafe {
        column_sum_entry(isa)(
            x.as_ptr(),
            x_row_stride,
            rows,
            f,
            y.as_mut_ptr(),
            usize::from(accumulate),
        )
    }
}

/// The kernel behind [`reduce_rows`].
pub(super) fn reduce_entry(reduction: RowReduction, isa: Isa) -> RowEntry {
    match reduction {
        RowReduction::Sum => sum_entry(isa),
        RowReduction::Max => max_entry(isa),
        RowReduction::LogSumExp => log_sum_exp_entry(isa),
    }
}

variants! {
    /// The kernel behind [`softmax`]; `x` and `y` may be equal.
    pub(super) fn softmax_entry = softmax_rows(
        x: *const f32, x_row_stride: usize, rows: usize, f: usize, y: *mut f32, y_row_stride: usize,
    )
}
variants! {
    fn sum_entry = sum_rows(x: *const f32, x_row_stride: usize, rows: usize, f: usize, y: *mut f32, y_row_stride: usize)
}
variants! {
    fn max_entry = max_rows(x: *const f32, x_row_stride: usize, rows: usize, f: usize, y: *mut f32, y_row_stride: usize)
}
variants! {
    fn log_sum_exp_entry = log_sum_exp_rows(
        x: *const f32, x_row_stride: usize, rows: usize, f: usize, y: *mut f32, y_row_stride: usize,
    )
}
variants! {
    /// The kernel behind [`argmax`].
    pub(super) fn argmax_entry = argmax_rows(
        x: *const f32, x_row_stride: usize, rows: usize, f: usize, y: *mut i32, y_row_stride: usize,
    )
}
variants! {
    /// The kernel behind [`column_sum`].
    pub(super) fn column_sum_entry = column_sums(
        x: *const f32, x_row_stride: usize, rows: usize, f: usize, y: *mut f32, accumulate: usize,
    )
}

/// Lanes of the widest vector.
const LANES: usize = 16;

/// The largest element, NaN if any is.
///
/// # Safety
/// The instruction set is available and `f` floats at `x` are readable.
#[inline(always)]
unsafe fn row_max<V: Vector>(x: *const f32, f: usize) -> f32 {
    // SAFETY: every access stays below `f`; `lanes` holds any vector.
    unsafe {
        let lowest = V::splat(f32::NEG_INFINITY);
        let mut most = lowest;
        let mut j = 0;
        while j < f {
            let count = V::LANES.min(f - j);
            let part = if count == V::LANES {
                V::load(x.add(j))
            } else {
                let part = V::load_first(x.add(j), count);
                V::select(part.first_lanes(count), part, lowest)
            };
            // A NaN in `most` stays (rule of `max`); one in `part` is taken.
            most = V::select(part.is_nan(), part, part.max(most));
            j += count;
        }
        if V::any(most.is_nan()) {
            return f32::NAN;
        }
        most.max_lanes()
    }
}

/// `sum_j e^(x[j] - shift)`, each term written to `y` if it is not null.
///
/// # Safety
/// The instruction set is available, and `f` floats are valid at `x` and, unless null, at `y`.
#[inline(always)]
unsafe fn sum_of_exponentials<V: Vector>(x: *const f32, f: usize, shift: f32, y: *mut f32) -> f32 {
    // SAFETY: every access stays below `f`.
    unsafe {
        let (mut sum, shift) = (V::splat(0.0), V::splat(shift));
        let mut j = 0;
        while j + V::LANES <= f {
            let e = poly::exp(V::load(x.add(j)).sub(shift));
            if !y.is_null() {
                e.store(y.add(j));
            }
            sum = sum.add(e);
            j += V::LANES;
        }
        if j < f {
            let e = poly::exp(V::load_first(x.add(j), f - j).sub(shift));
            if !y.is_null() {
                e.store_first(y.add(j), f - j);
            }
            sum = sum.add(V::select(e.first_lanes(f - j), e, V::splat(0.0)));
        }
        sum.sum_lanes()
    }
}

/// # Safety
/// The instruction set is available and the rows are valid.
#[inline(always)]
unsafe fn softmax_rows<V: Vector>(
    x: *const f32,
    x_row_stride: usize,
    rows: usize,
    f: usize,
    y: *mut f32,
    y_row_stride: usize,
) {
    // SAFETY: every access stays inside the rows.
    unsafe {
        for r in 0..rows {
            let (x, y) = (x.add(r * x_row_stride), y.add(r * y_row_stride));
            let most = row_max::<V>(x, f);
            // One division a row: a vector of them takes as long as the exponentials.
            let scale = V::splat(1.0 / sum_of_exponentials::<V>(x, f, most, y));
            let mut j = 0;
            while j + V::LANES <= f {
                V::load(y.add(j)).mul(scale).store(y.add(j));
                j += V::LANES;
            }
            if j < f {
                V::load_first(y.add(j), f - j)
                    .mul(scale)
                    .store_first(y.add(j), f - j);
            }
        }
    }
}

/// # Safety
/// The instruction set is available and the rows are valid.
#[inline(always)]
unsafe fn sum_rows<V: Vector>(
    x: *const f32,
    x_row_stride: usize,
    rows: usize,
    f: usize,
    y: *mut f32,
    y_row_stride: usize,
) {
    // SAFETY: every access stays inside the rows.
    unsafe {
        for r in 0..rows {
            let x = x.add(r * x_row_stride);
            let mut sum = V::splat(0.0);
            let mut j = 0;
            while j + V::LANES <= f {
                sum = sum.add(V::load(x.add(j)));
                j += V::LANES;
            }
            if j < f {
                sum = sum.add(V::load_first(x.add(j), f - j));
            }
            y.add(r * y_row_stride).write(sum.sum_lanes());
        }
    }
}

/// # Safety
/// The instruction set is available and the rows are valid.
#[inline(always)]
unsafe fn max_rows<V: Vector>(
    x: *const f32,
    x_row_stride: usize,
    rows: usize,
    f: usize,
    y: *mut f32,
    y_row_stride: usize,
) {
    for r in 0..rows {
        // SAFETY: every access stays inside the rows.
        unsafe {
            y.add(r * y_row_stride)
                .write(row_max::<V>(x.add(r * x_row_stride), f))
        }
    }
}

/// # Safety
/// The instruction set is available and the rows are valid.
#[inline(always)]
unsafe fn log_sum_exp_rows<V: Vector>(
    x: *const f32,
    x_row_stride: usize,
    rows: usize,
    f: usize,
    y: *mut f32,
    y_row_stride: usize,
) {
    // SAFETY: every access stays inside the rows; `sums` holds any vector.
    unsafe {
        let mut first = 0;
        while first < rows {
            // As many rows as there are lanes share one logarithm.
            let count = V::LANES.min(rows - first);
            let (mut most, mut sums) = ([0.0; LANES], [1.0; LANES]);
            for r in 0..count {
                let x = x.add((first + r) * x_row_stride);
                most[r] = row_max::<V>(x, f);
                // An infinite maximum is the result: its difference to itself is NaN.
                if most[r].is_finite() {
                    sums[r] = sum_of_exponentials::<V>(x, f, most[r], std::ptr::null_mut());
                }
            }
            poly::ln(V::load(sums.as_ptr())).store(sums.as_mut_ptr());
            for r in 0..count {
                y.add((first + r) * y_row_stride).write(most[r] + sums[r]);
            }
            first += count;
        }
    }
}

/// # Safety
/// The instruction set is available and the rows are valid.
#[inline(always)]
unsafe fn argmax_rows<V: Vector>(
    x: *const f32,
    x_row_stride: usize,
    rows: usize,
    f: usize,
    y: *mut i32,
    y_row_stride: usize,
) {
    // SAFETY: every access stays inside the rows.
    unsafe {
        for r in 0..rows {
            let x = x.add(r * x_row_stride);
            let most = row_max::<V>(x, f);
            let mut found = 0;
            for j in 0..f {
                let x = x.add(j).read();
                if x == most || x.is_nan() {
                    found = j;
                    break;
                }
            }
            y.add(r * y_row_stride).write(found as i32);
        }
    }
}

/// Vectors of columns summed in one pass over the rows.
const COLUMNS: usize = 8;

/// # Safety
/// The instruction set is available and the rows are valid.
#[inline(always)]
unsafe fn column_sums<V: Vector>(
    x: *const f32,
    x_row_stride: usize,
    rows: usize,
    f: usize,
    y: *mut f32,
    accumulate: usize,
) {
    // SAFETY: every access stays inside the rows and below `f`.
    unsafe {
        let mut j = 0;
        while j + COLUMNS * V::LANES <= f {
            let mut sums = [V::splat(0.0); COLUMNS];
            for r in 0..rows {
                let x = x.add(r * x_row_stride + j);
                for (v, sum) in sums.iter_mut().enumerate() {
                    *sum = sum.add(V::load(x.add(v * V::LANES)));
                }
            }
            for (v, sum) in sums.iter().enumerate() {
                let y = y.add(j + v * V::LANES);
                let sum = if accumulate != 0 {
                    V::load(y).add(*sum)
                } else {
                    *sum
                };
                sum.store(y);
            }
            j += COLUMNS * V::LANES;
        }
        while j < f {
            let count = V::LANES.min(f - j);
            let mut sum = V::splat(0.0);
            for r in 0..rows {
                sum = sum.add(V::load_first(x.add(r * x_row_stride + j), count));
            }
            let y = y.add(j);
            if accumulate != 0 {
                sum = V::load_first(y, count).add(sum);
            }
            sum.store_first(y, count);
            j += count;
        }
    }
}

#[cfg(test)]
#[path = "rows/tests.rs"]
mod tests;
