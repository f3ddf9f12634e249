//! Kernels that move rows: copies, padding, embedding rows, one-hot rows, transposition.
//!
//! An index outside its table stands for the zero vector, in one-hot rows, gathering and scattering alike, so that
//! `gather_rows(table, i) = one_hot(i) table` holds for every `i`.
//!
//! **Invariant:** [`scatter_add_rows`] adds in the order of the rows, so equal inputs give equal bits.

use crate::kernels::Isa;
use crate::kernels::table::variants;
use crate::kernels::vector::Vector;

fn check(isa: Isa, spans: &[(&str, Option<usize>, usize)]) {
    assert!(
        isa.is_available(),
        "instruction set {} is not available",
        isa.name()
    );
    for (name, span, len) in spans {
        assert!(
            span.is_some_and(|span| span <= *len),
            "{name} is too short: {len} elements"
        );
    }
}

/// `y[r][0..f] = x[r][0..f]`; `x_row_stride` may be 0, which repeats one row.
///
/// # Panics
/// If `isa` is not available or a slice is too short.
pub fn copy_rows(
    isa: Isa,
    x: &[f32],
    x_row_stride: usize,
    rows: usize,
    f: usize,
    y: &mut [f32],
    y_row_stride: usize,
) {
    check(
        isa,
        &[
            ("x", super::span(rows, x_row_stride, f), x.len()),
            ("y", super::span(rows, y_row_stride, f), y.len()),
        ],
    );
    // SAFETY: the instruction set is available and the slices cover the rows, checked above.
    unsafe {
        copy_rows_entry(isa)(
            x.as_ptr(),
            x_row_stride,
            rows,
            f,
            y.as_mut_ptr(),
            y_row_stride,
        )
    }
}

/// Zeroes `buffer[t][b][0..f]` wherever `t >= lengths[b]`, for `t` in `0..steps` and every `b`.
///
/// # Panics
/// If `isa` is not available or `buffer` is too short.
pub fn clear_padding(
    isa: Isa,
    buffer: &mut [f32],
    t_stride: usize,
    row_stride: usize,
    f: usize,
    lengths: &[u32],
    steps: usize,
) {
    let step = super::span(lengths.len(), row_stride, f);
    check(
        isa,
        &[(
            "buffer",
            step.and_then(|step| super::span(steps, t_stride, step)),
            buffer.len(),
        )],
    );
    // SAFETY: the instruction set is available and `buffer` covers all rows, checked above.
    unsafe {
        clear_padding_entry(isa)(
            buffer.as_mut_ptr(),
            t_stride,
            row_stride,
            f,
            lengths.as_ptr(),
            steps,
            lengths.len(),
        );
    }
}

/// `y[r][0..f] = table[index[r]][0..f]`, or zeros where the index is outside the table of `table.len() / f` rows.
///
/// # Panics
/// If `isa` is not available or `y` is too short.
pub fn gather_rows(
    isa: Isa,
    table: &[f32],
    f: usize,
    index: &[i32],
    y: &mut [f32],
    y_row_stride: usize,
) {
    check(
        isa,
        &[("y", super::span(index.len(), y_row_stride, f), y.len())],
    );
    let table_rows = table.len().checked_div(f).unwrap_or(0);
    // SAFETY: the instruction set is available and `y` covers the rows, checked above; the kernel checks each index.
    unsafe {
        gather_rows_entry(isa)(
            table.as_ptr(),
            table_rows,
            f,
            index.as_ptr(),
            index.len(),
            y.as_mut_ptr(),
            y_row_stride,
        );
    }
}

/// `table[index[r]][0..f] += x[r][0..f]`, in the order of `r`; an index outside the table is skipped.
///
/// # Panics
/// If `isa` is not available or `x` is too short.
pub fn scatter_add_rows(
    isa: Isa,
    index: &[i32],
    x: &[f32],
    x_row_stride: usize,
    f: usize,
    table: &mut [f32],
) {
    check(
        isa,
        &[("x", super::span(index.len(), x_row_stride, f), x.len())],
    );
    let table_rows = table.len().checked_div(f).unwrap_or(0);
    // SAFETY: the instruction set is available and `x` covers the rows, checked above; the kernel checks each index.
    unsafe {
        scatter_add_rows_entry(isa)(
            index.as_ptr(),
            x.as_ptr(),
            x_row_stride,
            index.len(),
            f,
            table.as_mut_ptr(),
            table_rows,
        );
    }
}

/// `y[r][j] = 1` if `j == index[r]`, else 0, for `j` in `0..f`.
///
/// # Panics
/// If `isa` is not available or `y` is too short.
pub fn one_hot(isa: Isa, index: &[i32], f: usize, y: &mut [f32], y_row_stride: usize) {
    check(
        isa,
        &[("y", super::span(index.len(), y_row_stride, f), y.len())],
    );
    // SAFETY: the instruction set is available and `y` covers the rows, checked above.
    unsafe { one_hot_entry(isa)(index.as_ptr(), index.len(), f, y.as_mut_ptr(), y_row_stride) }
}

/// `y[j][i] = x[i][j]` for contiguous `x` of shape `[m, k]`.
///
/// # Panics
/// If `isa` is not available or a slice is too short.
pub fn transpose(isa: Isa, x: &[f32], m: usize, k: usize, y: &mut [f32]) {
    check(
        isa,
        &[
            ("x", m.checked_mul(k), x.len()),
            ("y", m.checked_mul(k), y.len()),
        ],
    );
    // SAFETY: the instruction set is available and both slices hold the matrix, checked above.
    unsafe { transpose_entry(isa)(x.as_ptr(), m, k, y.as_mut_ptr()) }
}

variants! {
    /// The kernel behind [`copy_rows`].
    pub(super) fn copy_rows_entry = copy_each(
        x: *const f32, x_row_stride: usize, rows: usize, f: usize, y: *mut f32, y_row_stride: usize,
    )
}
variants! {
    /// The kernel behind [`clear_padding`].
    pub(super) fn clear_padding_entry = clear_each(
        buffer: *mut f32, t_stride: usize, row_stride: usize, f: usize, lengths: *const u32, steps: usize, batch: usize,
    )
}
variants! {
    /// The kernel behind [`gather_rows`].
    pub(super) fn gather_rows_entry = gather_each(
        table: *const f32, table_rows: usize, f: usize, index: *const i32, rows: usize, y: *mut f32, y_row_stride: usize,
    )
}
variants! {
    /// The kernel behind [`scatter_add_rows`].
    pub(super) fn scatter_add_rows_entry = scatter_each(
        index: *const i32, x: *const f32, x_row_stride: usize, rows: usize, f: usize, table: *mut f32, table_rows: usize,
    )
}
variants! {
    /// The kernel behind [`one_hot`].
    pub(super) fn one_hot_entry = one_hot_each(
        index: *const i32, rows: usize, f: usize, y: *mut f32, y_row_stride: usize,
    )
}
variants! {
    /// The kernel behind [`transpose`].
    pub(super) fn transpose_entry = transpose_blocks(x: *const f32, m: usize, k: usize, y: *mut f32)
}

/// # Safety
/// The instruction set is available and `f` floats are valid at both pointers.
#[inline(always)]
pub(super) unsafe fn copy<V: Vector>(x: *const f32, y: *mut f32, f: usize) {
    // SAFETY: every access stays below `f`.
    unsafe {
        let mut j = 0;
        while j + V::LANES <= f {
            V::load(x.add(j)).store(y.add(j));
            j += V::LANES;
        }
        if j < f {
            V::load_first(x.add(j), f - j).store_first(y.add(j), f - j);
        }
    }
}

/// # Safety
/// The instruction set is available and the rows are valid.
#[inline(always)]
unsafe fn copy_each<V: Vector>(
    x: *const f32,
    x_row_stride: usize,
    rows: usize,
    f: usize,
    y: *mut f32,
    y_row_stride: usize,
) {
    for r in 0..rows {
        // SAFETY: the rows are valid.
        unsafe { copy::<V>(x.add(r * x_row_stride), y.add(r * y_row_stride), f) }
    }
}

/// # Safety
/// The rows and lengths are valid.
#[inline(always)]
unsafe fn clear_each<V: Vector>(
    buffer: *mut f32,
    t_stride: usize,
    row_stride: usize,
    f: usize,
    lengths: *const u32,
    steps: usize,
    batch: usize,
) {
    for b in 0..batch {
        // SAFETY: `b < batch`.
        let length = unsafe { lengths.add(b).read() } as usize;
        for t in length.min(steps)..steps {
            // SAFETY: the rows of every step are valid.
            unsafe { buffer.add(t * t_stride + b * row_stride).write_bytes(0, f) }
        }
    }
}

/// # Safety
/// The instruction set is available and the table, indices and rows are valid.
#[inline(always)]
unsafe fn gather_each<V: Vector>(
    table: *const f32,
    table_rows: usize,
    f: usize,
    index: *const i32,
    rows: usize,
    y: *mut f32,
    y_row_stride: usize,
) {
    for r in 0..rows {
        // SAFETY: `r < rows`, and a row is read only if the table has it.
        unsafe {
            let y = y.add(r * y_row_stride);
            match usize::try_from(index.add(r).read()) {
                Ok(i) if i < table_rows => copy::<V>(table.add(i * f), y, f),
                _ => y.write_bytes(0, f),
            }
        }
    }
}

/// # Safety
/// The instruction set is available and the table, indices and rows are valid.
#[inline(always)]
unsafe fn scatter_each<V: Vector>(
    index: *const i32,
    x: *const f32,
    x_row_stride: usize,
    rows: usize,
    f: usize,
    table: *mut f32,
    table_rows: usize,
) {
    for r in 0..rows {
        // SAFETY: `r < rows`, and a row is touched only if the table has it.
        unsafe {
            let Ok(i) = usize::try_from(index.add(r).read()) else {
                continue;
            };
            if i >= table_rows {
                continue;
            }
            let (x, y) = (x.add(r * x_row_stride), table.add(i * f));
            let mut j = 0;
            while j + V::LANES <= f {
                V::load(y.add(j)).add(V::load(x.add(j))).store(y.add(j));
                j += V::LANES;
            }
            if j < f {
                V::load_first(y.add(j), f - j)
                    .add(V::load_first(x.add(j), f - j))
                    .store_first(y.add(j), f - j);
            }
        }
    }
}

/// # Safety
/// The indices and rows are valid.
#[inline(always)]
unsafe fn one_hot_each<V: Vector>(
    index: *const i32,
    rows: usize,
    f: usize,
    y: *mut f32,
    y_row_stride: usize,
) {
    for r in 0..rows {
        // SAFETY: `r < rows`, and the one is written only inside the row.
        unsafe {
            let y = y.add(r * y_row_stride);
            y.write_bytes(0, f);
            match usize::try_from(index.add(r).read()) {
                Ok(i) if i < f => y.add(i).write(1.0),
                _ => {}
            }
        }
    }
}

/// Side of the square transposed at a time: one cache line.
const SIDE: usize = 16;

/// # Safety
/// Both pointers hold the matrix.
#[inline(always)]
unsafe fn transpose_blocks<V: Vector>(x: *const f32, m: usize, k: usize, y: *mut f32) {
    for i in (0..m).step_by(SIDE) {
        for j in (0..k).step_by(SIDE) {
            for column in j..k.min(j + SIDE) {
                for row in i..m.min(i + SIDE) {
                    // SAFETY: `row < m` and `column < k`.
                    unsafe {
                        y.add(column * m + row)
                            .write(x.add(row * k + column).read())
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::product::tests::values;

    #[test]
    fn copies_and_repeats_rows() {
        for isa in Isa::available() {
            for f in 1..40 {
                let x = values(4 * (f + 1), 1);
                for stride in [0, f + 1] {
                    let mut y = vec![9.0; 4 * (f + 2)];
                    copy_rows(isa, &x, stride, 4, f, &mut y, f + 2);
                    for r in 0..4 {
                        assert_eq!(y[r * (f + 2)..][..f], x[r * stride..][..f]);
                        assert_eq!(y[r * (f + 2) + f], 9.0);
                    }
                }
            }
        }
    }

    #[test]
    fn padding_starts_at_the_length_of_each_row() {
        for isa in Isa::available() {
            let (steps, batch, f) = (5, 4, 3);
            let lengths = [5, 0, 2, 9];
            let mut buffer = vec![1.0; steps * batch * (f + 1)];
            clear_padding(isa, &mut buffer, batch * (f + 1), f + 1, f, &lengths, steps);
            for (at, value) in buffer.iter().enumerate() {
                let (t, b, j) = (at / (batch * (f + 1)), at / (f + 1) % batch, at % (f + 1));
                let live = j == f || t < lengths[b] as usize;
                assert_eq!(*value, if live { 1.0 } else { 0.0 }, "step {t} row {b}");
            }
        }
    }

    #[test]
    fn gather_is_one_hot_times_the_table_and_scatter_its_adjoint() {
        let index = [2, 0, -1, 4, 5, 2, i32::MAX, i32::MIN];
        for isa in Isa::available() {
            for f in [1, 3, 16, 21] {
                let table = values(5 * f, 2);
                let mut y = vec![9.0; 8 * f];
                gather_rows(isa, &table, f, &index, &mut y, f);
                let mut hot = vec![9.0; 8 * 5];
                one_hot(isa, &index, 5, &mut hot, 5);
                let mut gradient = vec![0.5; 5 * f];
                scatter_add_rows(isa, &index, &y, f, f, &mut gradient);
                let mut expected = vec![0.5; 5 * f];
                for r in 0..8 {
                    for j in 0..f {
                        let product: f32 = (0..5).map(|i| hot[r * 5 + i] * table[i * f + j]).sum();
                        assert_eq!(y[r * f + j], product);
                        for i in 0..5 {
                            expected[i * f + j] += hot[r * 5 + i] * y[r * f + j];
                        }
                    }
                }
                assert_eq!(gradient, expected);
            }
        }
    }

    #[test]
    fn transposes_every_edge() {
        for isa in Isa::available() {
            for (m, k) in [(1, 1), (1, 17), (16, 16), (33, 5), (20, 40)] {
                let x = values(m * k, 3);
                let mut y = vec![0.0; m * k];
                transpose(isa, &x, m, k, &mut y);
                assert!((0..m * k).all(|at| y[at % k * m + at / k] == x[at]));
            }
        }
    }
}
