//! Weight gradients: `dW[m, k] (=|+=) sum_r Y[r, m] X[r, k]`, a sum of outer products over the rows of all steps.
//!
//! Both operands are row-major and the sum runs over rows, so neither needs a transpose. A block of rows of `X` is packed into
//! panels as wide as a register tile, since columns of a matrix whose stride is a power of two fall into a few cache sets, and
//! a panel has to stay in the first cache while the tiles pass (Goto and van de Geijn 2008). Of `Y` a tile reads a few floats a
//! row, which the processor fetches ahead wherever they are; packing it moves all of it through the first cache, which is worth
//! it only where several panels read it. Tiles broadcast `Y`, so six rows by four vectors take ten loads for 24 multiply-adds,
//! where twelve by two take fourteen. The scratch is on the stack, so a call allocates nothing.
//!
//! **Invariant:** `dW[i][j]` is a sum over blocks of rows, in order, of one chain of multiply-adds each. The blocks depend on
//! `rows` alone, so `dW[i][j]` depends on column `i` of `Y`, column `j` of `X` and `rows`.

use std::mem::MaybeUninit;

use crate::kernels::table::variants;
use crate::kernels::vector::Vector;
use crate::kernels::{Isa, Steps};

/// Most rows in one block: a panel of 64 columns takes 32 KiB and the columns of `Y` 12 KiB of the first cache. Each block reads
/// and writes all of `dW`, so that there should be few.
const ROWS: usize = 128;
/// Columns of `X` packed at a time, a multiple of every tile width: 128 KiB, which stay in the second cache.
const INPUTS: usize = 256;
/// Columns of `Y` packed at a time, a multiple of every tile height, so that whole tiles follow each other.
const OUTPUTS: usize = 24;
/// Most panels that read `Y` where it is. Packing takes 15 % of a call at one or two panels, 4 % at four, where rows of `Y` are
/// also far apart.
const IN_PLACE: usize = 2;

/// `dW[i][j] = sum_r Y[r][i] X[r][j]`, or `+=` if `accumulate`.
///
/// `y` holds rows of `m` floats every `y_row_stride`, `x` rows of `k` floats every `x_row_stride` (0 repeats one row) in each
/// of its steps, `dw` rows of `k` floats every `dw_row_stride`. Uses 140 KiB of stack.
///
/// # Panics
/// If `isa` is not available, a slice is too short, or rows of `dw` overlap.
#[expect(
    clippy::too_many_arguments,
    reason = "one parameter per operand and stride, as the kernel takes them"
)]
pub fn outer_accumulate(
    isa: Isa,
    y: &[f32],
    y_row_stride: usize,
    x: &[f32],
    x_row_stride: usize,
    x_steps: Steps,
    rows: usize,
    m: usize,
    k: usize,
    dw: &mut [f32],
    dw_row_stride: usize,
    accumulate: bool,
) {
    assert!(
        isa.is_available(),
        "instruction set {} is not available",
        isa.name()
    );
    assert!(
        super::span(rows, y_row_stride, m).is_some_and(|len| len <= y.len()),
        "y is too short"
    );
    assert!(
        (x_steps.span(rows, x_row_stride, k)).is_some_and(|len| len <= x.len()),
        "x is too short"
    );
    assert!(
        super::span(m, dw_row_stride, k).is_some_and(|len| len <= dw.len()),
        "dw is too short"
    );
    assert!(
        m <= 1 || dw_row_stride >= k,
        "expected rows of dw apart, found stride {dw_row_stride} for {k} columns"
    );
    // SAFETY: the instruction set is available and the slices cover the rows, checked above.
    unsafe {
        entry(isa)(
            y.as_ptr(),
            y_row_stride,
            x.as_ptr(),
            x_row_stride,
            x_steps.rows,
            x_steps.stride,
            rows,
            m,
            k,
            dw.as_mut_ptr(),
            dw_row_stride,
            usize::from(accumulate),
        );
    }
}

variants! {
    /// The kernel behind [`outer_accumulate`].
    pub(super) fn entry = outer_blocks(
        y: *const f32, y_row_stride: usize, x: *const f32, x_row_stride: usize, x_step_rows: usize, x_step_stride: usize,
        rows: usize, m: usize, k: usize, dw: *mut f32, dw_row_stride: usize, accumulate: usize,
    )
}

/// Packed operands of one block.
#[repr(C, align(64))]
struct Scratch {
    x: [MaybeUninit<f32>; ROWS * INPUTS],
    y: [MaybeUninit<f32>; ROWS * OUTPUTS],
}

/// # Safety
/// The instruction set is available and enabled in the caller, and the operands are valid for the accesses
/// [`outer_accumulate`] documents.
#[inline(always)]
#[expect(
    clippy::too_many_arguments,
    reason = "called from compiled code with scalars"
)]
unsafe fn outer_blocks<V: Vector>(
    y: *const f32,
    y_row_stride: usize,
    x: *const f32,
    x_row_stride: usize,
    x_step_rows: usize,
    x_step_stride: usize,
    rows: usize,
    m: usize,
    k: usize,
    dw: *mut f32,
    dw_row_stride: usize,
    accumulate: usize,
) {
    let width = tile_vectors::<V>() * V::LANES;
    let in_place = k <= IN_PLACE * width;
    let step_rows = x_step_rows.max(1);
    let mut scratch = MaybeUninit::<Scratch>::uninit();
    let scratch = scratch.as_mut_ptr();
    // SAFETY: blocks, columns and panels stay inside the operands; `Scratch` holds `ROWS` rows of `INPUTS` and of `OUTPUTS`
    // floats, and `width` divides `INPUTS`; the parts read were packed just before.
    unsafe {
        let packed_x = (&raw mut (*scratch).x).cast::<f32>();
        let packed_y = (&raw mut (*scratch).y).cast::<f32>();
        // Blocks of about the same height; one without rows writes zeros.
        let blocks = rows.div_ceil(ROWS).max(1);
        let (low, extra) = (rows / blocks, rows % blocks);
        let mut first = 0;
        for block in 0..blocks {
            let count = low + usize::from(block < extra);
            let add = accumulate != 0 || block > 0;
            let y = y.add(first * y_row_stride);
            let (step, row) = (first / step_rows, first % step_rows);
            let x = x.add(step * x_step_stride + row * x_row_stride);
            let steps = Steps {
                rows: step_rows,
                stride: x_step_stride,
            };
            let mut j = 0;
            while j < k {
                let inputs = INPUTS.min(k - j);
                let panels = (0..inputs).step_by(width);
                for p in panels.clone() {
                    let known = width.min(inputs - p);
                    let panel = packed_x.add(p * count);
                    let x = x.add(j + p);
                    pack_steps::<V>(x, x_row_stride, (steps, row), count, known, panel, width);
                }
                let mut i = 0;
                while i < m {
                    let (outputs, y, y_row_stride) = if in_place {
                        (m, y, y_row_stride)
                    } else {
                        let outputs = OUTPUTS.min(m - i);
                        pack_columns::<V>(
                            y.add(i),
                            y_row_stride,
                            count,
                            outputs,
                            packed_y,
                            OUTPUTS,
                        );
                        (outputs, packed_y.cast_const(), OUTPUTS)
                    };
                    for p in panels.clone() {
                        let tiles = Tiles {
                            y,
                            y_row_stride,
                            x: packed_x.add(p * count),
                            rows: count,
                            outputs,
                            dw: dw.add(i * dw_row_stride + j + p),
                            dw_row_stride,
                            columns: width.min(inputs - p),
                            add,
                        };
                        match V::LANES {
                            16 => accumulate_tiles::<V, 6, 4>(&tiles),
                            8 => accumulate_tiles::<V, 6, 2>(&tiles),
                            _ => accumulate_tiles::<V, 4, 2>(&tiles),
                        }
                    }
                    i += outputs;
                }
                j += inputs;
            }
            first += count;
        }
    }
}

/// Vectors side by side in a tile.
const fn tile_vectors<V: Vector>() -> usize {
    if V::LANES == 16 { 4 } else { 2 }
}

/// As [`pack_columns`], of rows that come in steps, from a row within one on.
///
/// # Safety
/// As [`pack_columns`].
#[inline(always)]
unsafe fn pack_steps<V: Vector>(
    mut from: *const f32,
    stride: usize,
    (steps, row): (Steps, usize),
    rows: usize,
    columns: usize,
    mut to: *mut f32,
    width: usize,
) {
    let (mut left, mut own) = (rows, rows.min(steps.rows - row));
    // From the end of a step to the next.
    let gap = steps.stride.wrapping_sub(steps.rows.wrapping_mul(stride));
    // SAFETY: the caller's promise; rows and packed rows are counted together.
    unsafe {
        while own > 0 {
            pack_columns::<V>(from, stride, own, columns, to, width);
            from = from.wrapping_add(own * stride).wrapping_add(gap);
            to = to.wrapping_add(own * width);
            left -= own;
            own = left.min(steps.rows);
        }
    }
}

/// Packs `columns` columns of `rows` rows to rows of `width` floats, zeros beyond.
///
/// Row by row: rows whose distance is a power of two fall into the same few sets of a cache, so a row is read whole.
///
/// # Safety
/// The instruction set is available, `from` holds the rows, and `to` holds `rows * width` floats.
#[inline(always)]
unsafe fn pack_columns<V: Vector>(
    mut from: *const f32,
    stride: usize,
    rows: usize,
    columns: usize,
    mut to: *mut f32,
    width: usize,
) {
    // SAFETY: the caller's promise; a vector starting at `c` covers `columns - c` floats of the row at most.
    unsafe {
        for _ in 0..rows {
            let mut c = 0;
            while c + V::LANES <= columns {
                V::load(from.add(c)).store(to.add(c));
                c += V::LANES;
            }
            while c < width {
                let (known, room) = (columns.saturating_sub(c), V::LANES.min(width - c));
                V::load_first(from.wrapping_add(c), known).store_first(to.add(c), room);
                c += V::LANES;
            }
            from = from.wrapping_add(stride);
            to = to.add(width);
        }
    }
}

/// Operands of a column of register tiles.
struct Tiles {
    y: *const f32,
    y_row_stride: usize,
    /// Rows as wide as a tile.
    x: *const f32,
    rows: usize,
    /// Columns of `y` that exist.
    outputs: usize,
    dw: *mut f32,
    dw_row_stride: usize,
    /// Columns of `x` that exist.
    columns: usize,
    add: bool,
}

/// `dW[0..outputs][0..columns]` of one block of rows, in tiles of `MR` rows by `NV` vectors, or as few as cover the columns.
///
/// # Safety
/// The instruction set of `V` is available and enabled in the caller; `x` holds packed rows, `y` rows of `outputs` floats.
#[inline(always)]
unsafe fn accumulate_tiles<V: Vector, const MR: usize, const NV: usize>(tiles: &Tiles) {
    // SAFETY: the caller's promise.
    unsafe {
        match tiles.columns.div_ceil(V::LANES) {
            1 => accumulate_column::<V, MR, 1, NV>(tiles),
            2 => accumulate_column::<V, MR, 2, NV>(tiles),
            3 => accumulate_column::<V, MR, 3, NV>(tiles),
            _ => accumulate_column::<V, MR, NV, NV>(tiles),
        }
    }
}

/// Tiles of `MR` rows by `N` of the `NV` vectors of a packed row, and one of the rows that are left.
///
/// # Safety
/// As [`accumulate_tiles`].
#[inline(always)]
unsafe fn accumulate_column<V: Vector, const MR: usize, const N: usize, const NV: usize>(
    tiles: &Tiles,
) {
    let whole = tiles.outputs - tiles.outputs % MR;
    // SAFETY: the caller's promise; there are `MR` outputs from each of the first, and at least one, but fewer, from the last.
    unsafe {
        for first in (0..whole).step_by(MR) {
            accumulate_tile::<V, MR, N, NV, true>(tiles, first);
        }
        if whole < tiles.outputs {
            accumulate_tile::<V, MR, N, NV, false>(tiles, whole);
        }
    }
}

/// One tile of `MR` rows by `N` of the `NV` vectors of a packed row, accumulators in registers.
///
/// # Safety
/// As [`accumulate_tiles`]; there is an output `first`, and `MR` of them if `FULL`. `y` and `dw` are touched where outputs and
/// columns exist only.
#[inline(always)]
unsafe fn accumulate_tile<
    V: Vector,
    const MR: usize,
    const N: usize,
    const NV: usize,
    const FULL: bool,
>(
    tiles: &Tiles,
    first: usize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let height = MR.min(tiles.outputs - first);
        let dw = tiles.dw.add(first * tiles.dw_row_stride);
        for i in 0..MR {
            for v in 0..N {
                V::prefetch(dw.wrapping_add(i * tiles.dw_row_stride + v * V::LANES));
            }
        }
        let mut sums = [[V::splat(0.0); N]; MR];
        let (mut y, mut x) = (tiles.y.add(first), tiles.x);
        for _ in 0..tiles.rows {
            let mut row = [V::splat(0.0); N];
            for (v, row) in row.iter_mut().enumerate() {
                *row = V::load(x.add(v * V::LANES));
            }
            for (i, sums) in sums.iter_mut().enumerate() {
                // Rows that are not there repeat the last, and are not stored.
                let y = V::splat(*y.add(if FULL { i } else { i.min(height - 1) }));
                for (sum, x) in sums.iter_mut().zip(row) {
                    *sum = y.mul_add(x, *sum);
                }
            }
            y = y.wrapping_add(tiles.y_row_stride);
            x = x.wrapping_add(NV * V::LANES);
        }
        if FULL && tiles.columns >= N * V::LANES {
            for (i, sums) in sums.iter().enumerate() {
                for (v, sum) in sums.iter().enumerate() {
                    let dw = dw.add(i * tiles.dw_row_stride + v * V::LANES);
                    let sum = if tiles.add {
                        V::load(dw).add(*sum)
                    } else {
                        *sum
                    };
                    sum.store(dw);
                }
            }
            return;
        }
        for (i, sums) in sums.iter().enumerate() {
            // Not `take(height)`: accumulators indexed by the variable of a loop that stays a loop would live in memory.
            if i >= height {
                break;
            }
            for (v, sum) in sums.iter().enumerate() {
                let start = v * V::LANES;
                let count = tiles.columns.saturating_sub(start).min(V::LANES);
                let dw = dw.wrapping_add(i * tiles.dw_row_stride + start);
                let sum = if tiles.add {
                    V::load_first(dw, count).add(*sum)
                } else {
                    *sum
                };
                sum.store_first(dw, count);
            }
        }
    }
}

#[cfg(test)]
mod tests;
