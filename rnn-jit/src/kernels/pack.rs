//! Packed weights: the layout the product kernel streams.
//!
//! A logical matrix `W` of shape `[m, k]` (rows are outputs, columns are inputs) is cut into panels of
//! [`panel_width`] outputs. A panel is `k`-major: `packed[panel][k][lane] = W[panel * width + lane][k]`, so that one step of the
//! reduction reads consecutive memory. The matrix is assembled from strided [`Block`]s: stacked gates, transposes and slices of
//! columns are a layout, chosen once per version of the parameters.
//!
//! **Invariant:** blocks that tile `[m, k]` define every float of the buffer: the block that holds row `m - 1` also writes zeros
//! into the lanes beyond `m`.

use crate::kernels::Isa;
use crate::kernels::table::variants;
use crate::kernels::vector::Vector;

/// Alignment of a packed buffer in bytes for full speed; the kernels accept any.
pub const PACKED_ALIGNMENT: usize = 64;

/// A strided block of a logical weight matrix: `W[dst_row + i][dst_col + j] = source[i * row_stride + j * col_stride]`.
#[derive(Clone, Copy, Debug)]
pub struct Block<'a> {
    /// The elements; index 0 is the first of the block.
    pub source: &'a [f32],
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub cols: usize,
    /// Distance between rows of the source, in elements.
    pub row_stride: usize,
    /// Distance between columns of the source, in elements.
    pub col_stride: usize,
    /// First row of the block in `W`.
    pub dst_row: usize,
    /// First column of the block in `W`.
    pub dst_col: usize,
}

/// Number of outputs in one panel.
#[must_use]
pub const fn panel_width(isa: Isa) -> usize {
    2 * isa.lanes()
}

/// Number of floats in a packed `[m, k]` matrix, or `None` if it exceeds `usize`.
#[must_use]
pub const fn packed_len(m: usize, k: usize, isa: Isa) -> Option<usize> {
    match m.div_ceil(panel_width(isa)).checked_mul(panel_width(isa)) {
        Some(padded) => padded.checked_mul(k),
        None => None,
    }
}

/// Writes one block of a `[m, k]` matrix into `packed`.
///
/// # Panics
/// If `isa` is not available, the block leaves the matrix or its source, or `packed` is shorter than [`packed_len`].
pub fn pack(isa: Isa, block: Block<'_>, packed: &mut [f32], m: usize, k: usize) {
    assert!(
        isa.is_available(),
        "instruction set {} is not available",
        isa.name()
    );
    let fits = |start: usize, count: usize, limit| {
        start.checked_add(count).is_some_and(|end| end <= limit)
    };
    assert!(
        fits(block.dst_row, block.rows, m) && fits(block.dst_col, block.cols, k),
        "expected a block inside [{m}, {k}], found {} x {} at ({}, {})",
        block.rows,
        block.cols,
        block.dst_row,
        block.dst_col
    );
    if block.rows == 0 || block.cols == 0 {
        return;
    }
    let last = (block.rows - 1)
        .checked_mul(block.row_stride)
        .zip((block.cols - 1).checked_mul(block.col_stride))
        .and_then(|(row, col)| row.checked_add(col));
    assert!(
        last.is_some_and(|last| last < block.source.len()),
        "block leaves its source"
    );
    assert!(
        packed_len(m, k, isa).is_some_and(|len| len <= packed.len()),
        "packed buffer is too short"
    );
    // SAFETY: the instruction set is available; the block lies inside the matrix and its source, and `packed` holds the matrix.
    unsafe {
        entry(isa)(
            block.source.as_ptr(),
            block.rows,
            block.cols,
            block.row_stride,
            block.col_stride,
            block.dst_row,
            block.dst_col,
            packed.as_mut_ptr(),
            m,
            k,
        );
    }
}

variants! {
    /// The kernel behind [`pack`].
    pub(super) fn entry = pack_block(
        source: *const f32, rows: usize, cols: usize, row_stride: usize, col_stride: usize,
        dst_row: usize, dst_col: usize, packed: *mut f32, m: usize, k: usize,
    )
}

/// # Safety
/// The instruction set is available, the block lies in readable memory and inside `[m, k]`, and `packed` holds the matrix.
#[inline(always)]
#[expect(
    clippy::too_many_arguments,
    reason = "called from compiled code with scalars"
)]
unsafe fn pack_block<V: Vector>(
    source: *const f32,
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
    dst_row: usize,
    dst_col: usize,
    packed: *mut f32,
    m: usize,
    k: usize,
) {
    let width = 2 * V::LANES;
    let end = dst_row + rows;
    let mut row = dst_row;
    while row < end {
        let lane = row % width;
        let count = (width - lane).min(end - row);
        // SAFETY: the panel of `row` starts at `(row - lane) * k` and holds `k` columns of `width` lanes; the columns and lanes
        // below lie inside it, and the source indices inside the block.
        unsafe {
            let panel = packed.add((row - lane) * k + dst_col * width + lane);
            let from = source.add((row - dst_row) * row_stride);
            if row_stride == 1 {
                for j in 0..cols {
                    copy::<V>(from.add(j * col_stride), panel.add(j * width), count);
                }
            } else {
                // Rows of consecutive floats turn in registers, as many at once as fill a vector.
                let turned = match col_stride {
                    1 => (count - count % V::LANES, cols - cols % V::LANES),
                    _ => (0, 0),
                };
                for i in (0..turned.0).step_by(V::LANES) {
                    for j in (0..turned.1).step_by(V::LANES) {
                        let from = from.add(i * row_stride + j);
                        V::transpose(from, row_stride, panel.add(j * width + i), width);
                    }
                }
                for i in 0..count {
                    let first = if i < turned.0 { turned.1 } else { 0 };
                    for j in first..cols {
                        *panel.add(j * width + i) = *from.add(i * row_stride + j * col_stride);
                    }
                }
            }
            let padding = if row + count == m {
                width - lane - count
            } else {
                0
            };
            if padding > 0 {
                for j in 0..cols {
                    panel.add(j * width + count).write_bytes(0, padding);
                }
            }
        }
        row += count;
    }
}
/// # Safety
/// The instruction set is available and `f` floats are valid at both pointers.
#[inline(always)]
unsafe fn copy<V: Vector>(x: *const f32, y: *mut f32, f: usize) {
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
