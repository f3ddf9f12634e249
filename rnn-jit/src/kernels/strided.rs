//! Row kernels for what the others do not reach: any axis of a small matrix per row, rows that end at their own length,
//! tables that differ by row.
//!
//! They are plain loops; each is on the path of a model only where memory, not arithmetic, decides.
//!
//! **Invariant:** a row's result depends on its own operands alone.

use crate::kernels::RowReduction;

/// `y[r][0..f] = value` for each row.
///
/// # Safety
/// `y` holds the rows.
unsafe fn fill(y: *mut f32, y_row_stride: usize, rows: usize, f: usize, value: f32) {
    for r in 0..rows {
        // SAFETY: the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(y.add(r * y_row_stride), f).fill(value) }
    }
}

/// `(y, y_row_stride, rows, f)`: zeros.
///
/// # Safety
/// `y` holds the rows.
pub(super) unsafe extern "C" fn clear_rows(
    y: *mut f32,
    y_row_stride: usize,
    rows: usize,
    f: usize,
) {
    // SAFETY: the caller's promise.
    unsafe { fill(y, y_row_stride, rows, f, 0.0) }
}

/// `(y, y_row_stride, rows, f)`: minus infinity, the maximum of nothing.
///
/// # Safety
/// `y` holds the rows.
pub(super) unsafe extern "C" fn lowest_rows(
    y: *mut f32,
    y_row_stride: usize,
    rows: usize,
    f: usize,
) {
    // SAFETY: the caller's promise.
    unsafe { fill(y, y_row_stride, rows, f, f32::NEG_INFINITY) }
}

/// Applies `f(y, x)` to the elements of each row `r` with `step < lengths[r]`; `lengths` may be null: all rows.
///
/// # Safety
/// Rows of `x` and `y` are valid and do not overlap, and `lengths` has `rows` entries.
#[expect(
    clippy::too_many_arguments,
    reason = "one parameter per operand and stride"
)]
unsafe fn each_live(
    x: *const f32,
    x_row_stride: usize,
    rows: usize,
    f: usize,
    y: *mut f32,
    y_row_stride: usize,
    lengths: *const u32,
    step: usize,
    combine: impl Fn(f32, f32) -> f32,
) {
    for r in 0..rows {
        // SAFETY: the caller's promise.
        unsafe {
            if !lengths.is_null() && step >= *lengths.add(r) as usize {
                continue;
            }
            let x = std::slice::from_raw_parts(x.add(r * x_row_stride), f);
            let y = std::slice::from_raw_parts_mut(y.add(r * y_row_stride), f);
            for (y, x) in y.iter_mut().zip(x) {
                *y = combine(*y, *x);
            }
        }
    }
}

/// `(x, x_row_stride, rows, f, y, y_row_stride, lengths, step)`: `y[r] += x[r]` for rows past `step`.
///
/// # Safety
/// As [`each_live`].
pub(super) unsafe extern "C" fn add_rows(
    x: *const f32,
    x_row_stride: usize,
    rows: usize,
    f: usize,
    y: *mut f32,
    y_row_stride: usize,
    lengths: *const u32,
    step: usize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        each_live(
            x,
            x_row_stride,
            rows,
            f,
            y,
            y_row_stride,
            lengths,
            step,
            |y, x| y + x,
        )
    }
}

/// `(x, x_row_stride, rows, f, y, y_row_stride, lengths, step)`: `y[r] = max(y[r], x[r])` for rows past `step`; NaN stays.
///
/// # Safety
/// As [`each_live`].
pub(super) unsafe extern "C" fn max_rows(
    x: *const f32,
    x_row_stride: usize,
    rows: usize,
    f: usize,
    y: *mut f32,
    y_row_stride: usize,
    lengths: *const u32,
    step: usize,
) {
    let larger = |y: f32, x: f32| if x > y || x.is_nan() { x } else { y };
    // SAFETY: the caller's promise.
    unsafe {
        each_live(
            x,
            x_row_stride,
            rows,
            f,
            y,
            y_row_stride,
            lengths,
            step,
            larger,
        )
    }
}

/// `(x, lengths, step, x_row_stride, rows, f, y)`: `y += x[r]` for rows past `step`, in row order.
///
/// # Safety
/// As [`each_live`], with one row of `y`.
pub(super) unsafe extern "C" fn add_columns(
    x: *const f32,
    x_row_stride: usize,
    rows: usize,
    f: usize,
    y: *mut f32,
    lengths: *const u32,
    step: usize,
) {
    // SAFETY: the caller's promise; every row is added to the one row of `y`.
    unsafe { each_live(x, x_row_stride, rows, f, y, 0, lengths, step, |y, x| y + x) }
}

/// `(x, x_row_stride, rows, outer, len, inner, y, y_row_stride)`: reduces the middle axis of `[outer, len, inner]`.
///
/// # Safety
/// `x` holds rows of `outer * len * inner` floats and `y` rows of `outer * inner`.
unsafe fn reduce_middle(
    x: *const f32,
    x_row_stride: usize,
    rows: usize,
    [outer, len, inner]: [usize; 3],
    y: *mut f32,
    y_row_stride: usize,
    reduce: impl Fn(&dyn Fn(usize) -> f32, usize) -> f32,
) {
    for r in 0..rows {
        for o in 0..outer {
            for i in 0..inner {
                // SAFETY: the indices stay below the sizes.
                unsafe {
                    let x = x.add(r * x_row_stride + o * len * inner + i);
                    let at = |l: usize| *x.add(l * inner);
                    *y.add(r * y_row_stride + o * inner + i) = reduce(&at, len);
                }
            }
        }
    }
}

type ReduceMiddle =
    unsafe extern "C" fn(*const f32, usize, usize, usize, usize, usize, *mut f32, usize);

/// The kernel that reduces the middle of three feature axes.
pub(super) fn reduce_middle_entry(reduction: RowReduction) -> ReduceMiddle {
    macro_rules! entry {
        ($reduce:expr) => {{
            unsafe extern "C" fn run(
                x: *const f32,
                x_row_stride: usize,
                rows: usize,
                outer: usize,
                len: usize,
                inner: usize,
                y: *mut f32,
                y_row_stride: usize,
            ) {
                // SAFETY: the caller's promise.
                unsafe {
                    reduce_middle(
                        x,
                        x_row_stride,
                        rows,
                        [outer, len, inner],
                        y,
                        y_row_stride,
                        $reduce,
                    )
                }
            }
            run
        }};
    }
    match reduction {
        RowReduction::Sum => {
            entry!(|at: &dyn Fn(usize) -> f32, len: usize| (0..len).map(at).sum())
        }
        RowReduction::Max => entry!(largest),
        RowReduction::LogSumExp => entry!(|at: &dyn Fn(usize) -> f32, len: usize| {
            let most = largest(at, len);
            if most.is_infinite() {
                return most;
            }
            most + (0..len).map(|l| (at(l) - most).exp()).sum::<f32>().ln()
        }),
    }
}

fn largest(at: &dyn Fn(usize) -> f32, len: usize) -> f32 {
    (0..len).map(at).fold(f32::NEG_INFINITY, |most, x| {
        if x > most || x.is_nan() { x } else { most }
    })
}

/// `(x, line_stride, inner_stride, lines, width, y, y_line_stride)`: copies a matrix; strides of `x` may be 0.
///
/// # Safety
/// The elements named by the strides are valid, and `x` and `y` do not overlap.
pub(super) unsafe extern "C" fn copy_matrix(
    x: *const u32,
    line_stride: usize,
    inner_stride: usize,
    lines: usize,
    width: usize,
    y: *mut u32,
    y_line_stride: usize,
) {
    for line in 0..lines {
        // SAFETY: the caller's promise.
        unsafe {
            let (x, y) = (x.add(line * line_stride), y.add(line * y_line_stride));
            if inner_stride == 1 {
                std::ptr::copy_nonoverlapping(x, y, width);
            } else {
                for at in 0..width {
                    *y.add(at) = *x.add(at * inner_stride);
                }
            }
        }
    }
}

/// `(table, table_row_stride, entries, width, index, index_stride, rows, y, y_row_stride)`: entry `index[r]` of each row's
/// table; an index outside the table takes its last entry.
///
/// # Safety
/// Tables hold `entries * width` elements, `entries > 0`.
pub(super) unsafe extern "C" fn gather(
    table: *const u32,
    table_row_stride: usize,
    entries: usize,
    width: usize,
    index: *const u32,
    index_stride: usize,
    rows: usize,
    y: *mut u32,
    y_row_stride: usize,
) {
    for r in 0..rows {
        // SAFETY: the index is clamped to the table.
        unsafe {
            let entry = (*index.add(r * index_stride) as usize).min(entries - 1);
            let from = table.add(r * table_row_stride + entry * width);
            std::ptr::copy_nonoverlapping(from, y.add(r * y_row_stride), width);
        }
    }
}

/// `(index, index_stride, x, x_row_stride, rows, entries, width, y, y_row_stride)`: zeros with `x[r]` at entry `index[r]`.
///
/// # Safety
/// Rows of `y` hold `entries * width` floats, `entries > 0`.
pub(super) unsafe extern "C" fn scatter(
    index: *const u32,
    index_stride: usize,
    x: *const f32,
    x_row_stride: usize,
    rows: usize,
    entries: usize,
    width: usize,
    y: *mut f32,
    y_row_stride: usize,
) {
    for r in 0..rows {
        // SAFETY: the index is clamped to the row.
        unsafe {
            let y = std::slice::from_raw_parts_mut(y.add(r * y_row_stride), entries * width);
            y.fill(0.0);
            let entry = (*index.add(r * index_stride) as usize).min(entries - 1);
            let x = std::slice::from_raw_parts(x.add(r * x_row_stride), width);
            y[entry * width..(entry + 1) * width].copy_from_slice(x);
        }
    }
}

/// `(index, index_stride, x, x_row_stride, rows, entries, width, y)`: adds `x[r]` to entry `index[r]` of one table, in row
/// order.
///
/// # Safety
/// `y` holds `entries * width` floats, `entries > 0`.
pub(super) unsafe extern "C" fn scatter_add(
    index: *const u32,
    index_stride: usize,
    x: *const f32,
    x_row_stride: usize,
    rows: usize,
    entries: usize,
    width: usize,
    y: *mut f32,
) {
    for r in 0..rows {
        // SAFETY: the index is clamped to the table.
        unsafe {
            let entry = (*index.add(r * index_stride) as usize).min(entries - 1);
            let y = std::slice::from_raw_parts_mut(y.add(entry * width), width);
            let x = std::slice::from_raw_parts(x.add(r * x_row_stride), width);
            for (y, x) in y.iter_mut().zip(x) {
                *y += *x;
            }
        }
    }
}
