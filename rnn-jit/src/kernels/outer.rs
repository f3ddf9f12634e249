//! Weight gradients: `dW[m, k] (=|+=) sum_r Y[r, m] X[r, k]`, a sum of outer products over the rows of all steps.
//!
//! Both operands are row-major and the sum runs over rows, so neither needs a transpose, but both need packing: columns of a
//! matrix whose stride is a power of two fall into a few cache sets. A block of rows of `Y` is packed into slivers of the height
//! of the register tile, one panel of `X` at a time into the width of two vectors; the panel stays in the first cache while the
//! slivers pass (Goto and van de Geijn 2008). The scratch is on the stack, so a call allocates nothing.
//!
//! **Invariant:** `dW[i][j]` is a sum over blocks of [`ROWS`] rows, in order, of one chain of multiply-adds each. It depends on
//! column `i` of `Y`, column `j` of `X` and `rows` alone.

use std::mem::MaybeUninit;

use crate::kernels::Isa;
use crate::kernels::table::variants;
use crate::kernels::vector::Vector;

/// Rows in one block: a panel of 32 columns takes 16 KiB, a third of the first cache, beside a sliver of 6.
const ROWS: usize = 128;
/// Columns of `Y` packed at a time, a multiple of every tile height.
const OUTPUTS: usize = 144;
/// Tile height with 32 vector registers.
const HIGH: usize = 12;

/// `dW[i][j] = sum_r Y[r][i] X[r][j]`, or `+=` if `accumulate`.
///
/// `y` holds rows of `m` floats every `y_row_stride`, `x` rows of `k` floats every `x_row_stride` (0 repeats one row), `dw` rows
/// of `k` floats every `dw_row_stride`. Uses 90 KiB of stack.
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
        super::span(rows, x_row_stride, k).is_some_and(|len| len <= x.len()),
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
        y: *const f32, y_row_stride: usize, x: *const f32, x_row_stride: usize, rows: usize, m: usize, k: usize,
        dw: *mut f32, dw_row_stride: usize, accumulate: usize,
    )
}

/// Packed operands of one block.
#[repr(C, align(64))]
struct Scratch {
    x: [MaybeUninit<f32>; ROWS * 32],
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
    rows: usize,
    m: usize,
    k: usize,
    dw: *mut f32,
    dw_row_stride: usize,
    accumulate: usize,
) {
    let width = 2 * V::LANES;
    let high = if V::LANES == 16 {
        HIGH
    } else if V::LANES == 8 {
        HIGH / 2
    } else {
        HIGH / 3
    };
    let mut scratch = MaybeUninit::<Scratch>::uninit();
    let scratch = scratch.as_mut_ptr();
    // SAFETY: blocks, slivers and panels stay inside the operands; `Scratch` holds `ROWS` rows of `OUTPUTS` and of 32 floats,
    // and `width <= 32`; the parts read were packed just before.
    unsafe {
        let packed_x = (&raw mut (*scratch).x).cast::<f32>();
        let packed_y = (&raw mut (*scratch).y).cast::<f32>();
        let mut first = 0;
        // Also once without rows, to write zeros.
        loop {
            let count = ROWS.min(rows - first);
            let add = accumulate != 0 || first > 0;
            let mut i = 0;
            while i < m {
                let outputs = OUTPUTS.min(m - i);
                let from = y.add(first * y_row_stride + i);
                pack_slivers::<V>(from, y_row_stride, count, outputs, packed_y, high);
                let mut j = 0;
                while j < k {
                    let columns = width.min(k - j);
                    pack_columns::<V>(
                        x.add(first * x_row_stride + j),
                        x_row_stride,
                        count,
                        columns,
                        packed_x,
                        width,
                    );
                    let mut s = 0;
                    while s < outputs {
                        let tile = Tile {
                            y: packed_y.add(s * count),
                            x: packed_x,
                            rows: count,
                            dw: dw.add((i + s) * dw_row_stride + j),
                            dw_row_stride,
                            height: high.min(outputs - s),
                            columns,
                            add,
                        };
                        if V::LANES == 16 {
                            accumulate_tile::<V, HIGH>(&tile);
                        } else if V::LANES == 8 {
                            accumulate_tile::<V, { HIGH / 2 }>(&tile);
                        } else {
                            accumulate_tile::<V, { HIGH / 3 }>(&tile);
                        }
                        s += high;
                    }
                    j += columns;
                }
                i += outputs;
            }
            first += count;
            if first >= rows {
                break;
            }
        }
    }
}

/// Packs `columns` columns of `rows` rows into slivers of `high` columns, one after the other, zeros beyond the last column.
///
/// Row by row: rows whose distance is a power of two fall into the same few sets of a cache, so a row is read whole.
///
/// # Safety
/// The instruction set is available, `from` holds the rows, and `to` holds whole slivers of `rows * high` floats.
#[inline(always)]
unsafe fn pack_slivers<V: Vector>(
    mut from: *const f32,
    stride: usize,
    rows: usize,
    columns: usize,
    mut to: *mut f32,
    high: usize,
) {
    // SAFETY: the caller's promise; each store covers columns of one sliver row.
    unsafe {
        for _ in 0..rows {
            let mut start = 0;
            let mut target = to;
            while start < columns {
                pack_row::<V>(from.add(start), columns - start, target, high);
                target = target.wrapping_add(rows * high);
                start += high;
            }
            from = from.wrapping_add(stride);
            to = to.add(high);
        }
    }
}

/// Copies up to `width` floats, with zeros beyond the first `known`.
///
/// # Safety
/// The instruction set is available, `from` holds `known` floats and `to` holds `width`.
#[inline(always)]
unsafe fn pack_row<V: Vector>(from: *const f32, known: usize, to: *mut f32, width: usize) {
    // SAFETY: the caller's promise; a vector starting at `c` covers `min(LANES, width - c)` floats of the target.
    unsafe {
        let mut c = 0;
        while c < width {
            let lanes = V::LANES.min(width - c);
            let known = known.saturating_sub(c).min(lanes);
            let part = if known == V::LANES {
                V::load(from.add(c))
            } else {
                V::load_first(from.wrapping_add(c), known)
            };
            if lanes == V::LANES {
                part.store(to.add(c))
            } else {
                part.store_first(to.add(c), lanes)
            }
            c += lanes;
        }
    }
}

/// Packs `columns` columns of `rows` rows to rows of `width` floats, zeros beyond.
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
    // SAFETY: the caller's promise; a vector starting at `c` covers `min(LANES, width - c)` floats of the target row.
    unsafe {
        for _ in 0..rows {
            pack_row::<V>(from, columns, to, width);
            from = from.wrapping_add(stride);
            to = to.add(width);
        }
    }
}

/// Operands of one register tile.
struct Tile {
    y: *const f32,
    x: *const f32,
    rows: usize,
    dw: *mut f32,
    dw_row_stride: usize,
    height: usize,
    columns: usize,
    add: bool,
}

/// `dw[0..height][0..columns]` of one block of rows, with `MR` rows of two vectors in registers.
///
/// # Safety
/// The instruction set of `V` is available and enabled in the caller; `y` holds `rows * MR` and `x` `rows * 2 * LANES` floats.
#[inline(always)]
unsafe fn accumulate_tile<V: Vector, const MR: usize>(tile: &Tile) {
    // SAFETY: the caller's promise; `dw` is touched below `height` and `columns` only.
    unsafe {
        let mut sums = [[V::splat(0.0); 2]; MR];
        let (mut y, mut x) = (tile.y, tile.x);
        for _ in 0..tile.rows {
            let row = [V::load(x), V::load(x.add(V::LANES))];
            for (i, sums) in sums.iter_mut().enumerate() {
                let y = V::splat(*y.add(i));
                sums[0] = y.mul_add(row[0], sums[0]);
                sums[1] = y.mul_add(row[1], sums[1]);
            }
            y = y.add(MR);
            x = x.add(2 * V::LANES);
        }
        if tile.height == MR && tile.columns == 2 * V::LANES {
            for (i, sums) in sums.iter().enumerate() {
                for (v, sum) in sums.iter().enumerate() {
                    let dw = tile.dw.add(i * tile.dw_row_stride + v * V::LANES);
                    let sum = if tile.add {
                        V::load(dw).add(*sum)
                    } else {
                        *sum
                    };
                    sum.store(dw);
                }
            }
        } else {
            for (i, sums) in sums.iter().enumerate().take(tile.height) {
                for (v, sum) in sums.iter().enumerate() {
                    let start = v * V::LANES;
                    let count = tile.columns.saturating_sub(start).min(V::LANES);
                    let dw = tile.dw.wrapping_add(i * tile.dw_row_stride + start);
                    let sum = if tile.add {
                        V::load_first(dw, count).add(*sum)
                    } else {
                        *sum
                    };
                    sum.store_first(dw, count);
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
    fn every_edge_matches_the_reference_and_writes_nothing_else() {
        for isa in Isa::available() {
            for (rows, m, k) in [
                (0, 3, 5),
                (1, 1, 1),
                (1, 13, 33),
                (2, 7, 17),
                (3, 100, 70),
                (17, 11, 31),
                (32, 24, 64),
                (255, 5, 9),
                (256, 145, 40),
                (257, 12, 32),
                (700, 30, 35),
            ] {
                let (y, x) = (values(rows * (m + 1) + 1, 1), values(rows * (k + 2) + 1, 2));
                let stride = k + 3;
                let before = values(m * stride + 1, 3);
                for accumulate in [false, true] {
                    let mut dw = before.clone();
                    outer_accumulate(
                        isa,
                        &y[1..],
                        m + 1,
                        &x[1..],
                        k + 2,
                        rows,
                        m,
                        k,
                        &mut dw[1..],
                        stride,
                        accumulate,
                    );
                    for i in 0..m {
                        for j in 0..stride {
                            let at = 1 + i * stride + j;
                            if j >= k {
                                assert_eq!(dw[at], before[at], "wrote outside row {i}");
                                continue;
                            }
                            let start = if accumulate {
                                f64::from(before[at])
                            } else {
                                0.0
                            };
                            let sum: f64 = (0..rows)
                                .map(|r| {
                                    f64::from(y[1 + r * (m + 1) + i])
                                        * f64::from(x[1 + r * (k + 2) + j])
                                })
                                .sum();
                            // Each of the additions of values below 1 loses at most half an ulp of a sum below `rows`.
                            let tolerance = (rows * rows + 2) as f64 * f64::from(f32::EPSILON);
                            let error = (f64::from(dw[at]) - start - sum).abs();
                            assert!(
                                error <= tolerance,
                                "{} {rows} {m} {k}: off by {error:e}",
                                isa.name()
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn stride_zero_repeats_one_row() {
        for isa in Isa::available() {
            let (rows, m, k) = (300, 5, 37);
            let (y, x) = (values(rows * m, 4), values(k, 5));
            let repeated: Vec<f32> = (0..rows).flat_map(|_| x.clone()).collect();
            let [mut one, mut all] = [vec![0.0; m * k], vec![0.0; m * k]];
            outer_accumulate(isa, &y, m, &x, 0, rows, m, k, &mut one, k, false);
            outer_accumulate(isa, &y, m, &repeated, k, rows, m, k, &mut all, k, false);
            assert_eq!(one, all);
        }
    }
}
