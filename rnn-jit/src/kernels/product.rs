//! The product with packed weights: `Y[n, m] (=|+=) X[n, k] W^T`, `W` packed by [`pack`](super::pack()).
//!
//! Register tiles of `MR` rows by `NV` vectors after Goto and van de Geijn 2008 (Anatomy of high-performance matrix
//! multiplication): [`DEPTH`] steps of a panel stay in the first cache over the tiles of rows, a block of rows in the second over
//! the panels.
//! Fewer rows take more panels at once, so that even one row keeps eight independent accumulators, which hides the latency of
//! the multiply-add.
//!
//! **Invariant:** each output is one chain `a = fma(X[r][j], W[i][j], a)` over `j = 0..k` from `a = 0`, or from `Y` if it
//! accumulates; stores and loads between blocks of steps do not round. It is the same chain in every tile, so a row does not depend on the other rows, bit for bit; AVX2 and AVX-512 agree
//! bit for bit too. The portable variant rounds the multiplication and the addition separately unless the target has a fused
//! instruction at compile time.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

use crate::kernels::vector::Vector;
use crate::kernels::{Isa, Steps, packed_len};

/// Floats of `X` that stay in the second-level cache while the panels pass by: 128 KiB.
const ROW_BLOCK: usize = 32 * 1024;

/// Floats of weights above which one or two rows read [`RUN`] steps of a panel before they turn to the next: 96 KiB.
const FIRST_CACHE: usize = 24 * 1024;

/// Steps of the reduction after which several tiles of rows turn to the next panel, so that a panel stays in the first cache.
const DEPTH: usize = 128;

/// Steps of the reduction that make consecutive reads long enough for the hardware prefetcher: 1 KiB at 512 bits.
const RUN: usize = 8;

/// Signature of the kernel: `(x, x_row_stride, x_step_rows, x_step_stride, rows, packed, m, k, y, y_row_stride, accumulate)`.
type Entry = unsafe extern "C" fn(
    *const f32,
    usize,
    usize,
    usize,
    usize,
    *const f32,
    usize,
    usize,
    *mut f32,
    usize,
    usize,
);

/// `Y[r][0..m] = sum_j X[r][j] W[.][j]`, or a sum that starts from `Y` if `accumulate`, for `r` in `0..rows`.
///
/// `x` holds rows of `k` floats every `x_row_stride` floats (0 repeats one row) in each of its steps; `y` rows of `m` floats every `y_row_stride`.
/// No float of `y` outside the rows is written.
///
/// # Panics
/// If `isa` is not available, a slice is too short, or rows of `y` overlap.
#[expect(
    clippy::too_many_arguments,
    reason = "one parameter per operand and stride, as the kernel takes them"
)]
pub fn product(
    isa: Isa,
    x: &[f32],
    x_row_stride: usize,
    x_steps: Steps,
    rows: usize,
    packed: &[f32],
    m: usize,
    k: usize,
    y: &mut [f32],
    y_row_stride: usize,
    accumulate: bool,
) {
    assert!(
        isa.is_available(),
        "instruction set {} is not available",
        isa.name()
    );
    assert!(
        packed_len(m, k, isa).is_some_and(|len| len <= packed.len()),
        "packed buffer is too short"
    );
    assert!(
        x_steps
            .span(rows, x_row_stride, k)
            .is_some_and(|len| len <= x.len()),
        "x is too short"
    );
    assert!(
        super::span(rows, y_row_stride, m).is_some_and(|len| len <= y.len()),
        "y is too short"
    );
    assert!(
        rows <= 1 || y_row_stride >= m,
        "expected rows of y apart, found stride {y_row_stride} for {m} columns"
    );
    // SAFETY: the instruction set is available and the slices cover the rows, checked above.
    unsafe {
        entry(isa)(
            x.as_ptr(),
            x_row_stride,
            x_steps.rows,
            x_steps.stride,
            rows,
            packed.as_ptr(),
            m,
            k,
            y.as_mut_ptr(),
            y_row_stride,
            usize::from(accumulate),
        );
    }
}

/// The kernel behind [`product`].
pub(super) fn entry(isa: Isa) -> Entry {
    match isa {
        Isa::Portable => run::<portable::Tiles>,
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => run::<avx2::Tiles>,
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => run::<avx512::Tiles>,
        #[cfg(not(target_arch = "x86_64"))]
        Isa::Avx2 | Isa::Avx512 => run::<portable::Tiles>,
    }
}

/// Operands of one register tile.
struct Tile {
    x: *const f32,
    x_row_stride: usize,
    /// First panel; the next ones follow every `panel` floats.
    packed: *const f32,
    panel: usize,
    k: usize,
    y: *mut f32,
    y_row_stride: usize,
    /// Columns of `y` from the first panel on that exist.
    columns: usize,
    accumulate: bool,
    /// Whether the weights come from beyond the first cache.
    stream: bool,
}

/// The register tiles of one instruction set.
trait TileSet {
    /// Lanes of one vector; a panel is two vectors.
    const LANES: usize;
    /// Most rows in one tile.
    const ROWS: usize;

    /// Most panels that a tile of `rows` takes at once.
    fn panels(rows: usize) -> usize;

    /// Computes one tile; `panels` is at most [`TileSet::panels`] of `rows`.
    ///
    /// # Safety
    /// The instruction set is available and the operands are valid.
    unsafe fn compute(rows: usize, panels: usize, tile: &Tile);
}

/// Walks blocks of rows, panels, and tiles of rows.
///
/// # Safety
/// The instruction set of `T` is available and the operands are valid for the accesses [`product`] documents.
unsafe extern "C" fn run<T: TileSet>(
    x: *const f32,
    x_row_stride: usize,
    x_step_rows: usize,
    x_step_stride: usize,
    rows: usize,
    packed: *const f32,
    m: usize,
    k: usize,
    y: *mut f32,
    y_row_stride: usize,
    accumulate: usize,
) {
    let width = 2 * T::LANES;
    let panels = m.div_ceil(width);
    let stream = panels * width * k > FIRST_CACHE;
    if rows == 1 {
        // A step of one example, which takes less time than what follows here.
        let widest = T::panels(1);
        let mut panel = 0;
        while panel < panels {
            let group = widest.min(panels - panel);
            // SAFETY: `panel < panels`, so the offsets stay inside the operands.
            unsafe {
                let tile = Tile {
                    x,
                    x_row_stride,
                    packed: packed.add(panel * k * width),
                    panel: width * k,
                    k,
                    y: y.add(panel * width),
                    y_row_stride,
                    columns: m - panel * width,
                    accumulate: accumulate != 0,
                    stream,
                };
                T::compute(1, group, &tile);
            }
            panel += group;
        }
        return;
    }
    let step_rows = x_step_rows.max(1);
    // One tile needs no divisions, which take as long as a small product.
    let few = rows.min(step_rows) <= T::ROWS;
    let block = if rows <= T::ROWS {
        rows
    } else {
        (ROW_BLOCK / k.max(1)).max(8 * T::ROWS)
    };
    let mut first = 0;
    while first < rows {
        let (step, row) = match rows <= step_rows {
            true => (0, first),
            false => (first / step_rows, first % step_rows),
        };
        // Some rows of one step, or all of each of several.
        let count = block.min(step_rows - row).min(rows - first);
        let steps = match count == step_rows {
            true => ((rows - first) / step_rows).min((block / step_rows).max(1)),
            false => 1,
        };
        let (tiles, low, extra) = if few {
            (1, count, 0)
        } else {
            let tiles = count.div_ceil(T::ROWS);
            (tiles, count / tiles, count % tiles)
        };
        let widest = T::panels(low + usize::from(extra > 0));
        // A little more than one block is not worth two.
        let depth = if steps * tiles > 1 && k > DEPTH + DEPTH / 2 {
            DEPTH
        } else {
            k
        };
        let mut at = 0;
        loop {
            let inputs = depth.min(k - at);
            let mut panel = 0;
            while panel < panels {
                let group = widest.min(panels - panel);
                let mut y_row = first;
                for step in step..step + steps {
                    let mut row = row;
                    for t in 0..tiles {
                        let height = low + usize::from(t < extra);
                        // SAFETY: `y_row < rows` and `panel < panels`, so the offsets stay inside the operands.
                        unsafe {
                            let tile = Tile {
                                x: x.add(step * x_step_stride + row * x_row_stride + at),
                                x_row_stride,
                                packed: packed.add((panel * k + at) * width),
                                panel: width * k,
                                k: inputs,
                                y: y.add(y_row * y_row_stride + panel * width),
                                y_row_stride,
                                columns: m - panel * width,
                                accumulate: accumulate != 0 || at > 0,
                                stream,
                            };
                            T::compute(height, group, &tile);
                        }
                        row += height;
                        y_row += height;
                    }
                }
                panel += group;
            }
            at += inputs;
            if at >= k {
                break;
            }
        }
        first += steps * count;
    }
}

/// One tile of `MR` rows by `NV` vectors (two a panel), accumulators in registers.
///
/// # Safety
/// The instruction set of `V` is available and enabled in the caller, and the operands are valid.
#[inline(always)]
unsafe fn accumulate_tile<V: Vector, const MR: usize, const NV: usize>(tile: &Tile) {
    // SAFETY: the caller vouches for the operands; `x` is read at `k` floats of `MR` rows, `packed` at `k` steps of `NV / 2`
    // panels, and `y` is touched below `columns` only.
    unsafe {
        let width = 2 * V::LANES;
        let mut sums = [[V::splat(0.0); NV]; MR];
        let whole = tile.columns >= NV * V::LANES;
        if tile.accumulate {
            for (r, sums) in sums.iter_mut().enumerate() {
                for (v, sum) in sums.iter_mut().enumerate() {
                    let start = v * V::LANES;
                    let y = tile.y.wrapping_add(r * tile.y_row_stride + start);
                    *sum = if whole {
                        V::load(y)
                    } else {
                        V::load_first(y, tile.columns.saturating_sub(start).min(V::LANES))
                    };
                }
            }
        }
        let (panel, stride) = (tile.panel, tile.x_row_stride);
        let (mut x, mut weights) = (tile.x, tile.packed);
        let mut left = tile.k;
        if MR <= 2 && tile.stream {
            while left >= RUN {
                // Spelled out: accumulators indexed by the variable of a loop that stays a loop would live in memory.
                macro_rules! panels {
                    ($($p:literal)*) => {$(
                        if 2 * $p < NV {
                            let weights = weights.add($p * panel);
                            accumulate_run::<V, MR, NV>($p, x, stride, weights, &mut sums);
                        }
                    )*};
                }
                panels!(0 1 2 3 4 5 6 7);
                x = x.add(RUN);
                weights = weights.add(RUN * width);
                left -= RUN;
            }
        }
        for _ in 0..left {
            if MR == 1 || MR == 3 {
                // The accumulators leave no registers for all weights: each is an operand in memory, the inputs stay.
                let mut inputs = [V::splat(0.0); MR];
                for (r, input) in inputs.iter_mut().enumerate() {
                    *input = V::splat(*x.add(r * stride));
                }
                for v in 0..NV {
                    let w = V::load(weights.add(v / 2 * panel + v % 2 * V::LANES));
                    for (sums, input) in sums.iter_mut().zip(inputs) {
                        sums[v] = input.mul_add(w, sums[v]);
                    }
                }
            } else {
                let mut w = [V::splat(0.0); NV];
                for (v, w) in w.iter_mut().enumerate() {
                    *w = V::load(weights.add(v / 2 * panel + v % 2 * V::LANES));
                }
                for (r, sums) in sums.iter_mut().enumerate() {
                    let x = V::splat(*x.add(r * stride));
                    for (sum, w) in sums.iter_mut().zip(w) {
                        *sum = x.mul_add(w, *sum);
                    }
                }
            }
            x = x.wrapping_add(1);
            weights = weights.add(width);
        }
        for (r, sums) in sums.iter().enumerate() {
            for (v, sum) in sums.iter().enumerate() {
                let start = v * V::LANES;
                let y = tile.y.wrapping_add(r * tile.y_row_stride + start);
                if whole {
                    sum.store(y);
                } else {
                    let count = tile.columns.saturating_sub(start).min(V::LANES);
                    sum.store_first(y, count);
                }
            }
        }
    }
}

/// [`RUN`] steps of the reduction for the two vectors of one panel.
///
/// # Safety
/// As [`accumulate_tile`], and [`RUN`] steps are left.
#[inline(always)]
unsafe fn accumulate_run<V: Vector, const MR: usize, const NV: usize>(
    panel: usize,
    x: *const f32,
    stride: usize,
    weights: *const f32,
    sums: &mut [[V; NV]; MR],
) {
    // SAFETY: the caller's promise.
    unsafe {
        for step in 0..RUN {
            let w = weights.add(step * 2 * V::LANES);
            let w = [V::load(w), V::load(w.add(V::LANES))];
            for (r, sums) in sums.iter_mut().enumerate() {
                let x = V::splat(*x.add(r * stride + step));
                sums[2 * panel] = x.mul_add(w[0], sums[2 * panel]);
                sums[2 * panel + 1] = x.mul_add(w[1], sums[2 * panel + 1]);
            }
        }
    }
}

/// Dispatches on the height and the number of panels to the instances of a tile function.
macro_rules! dispatch {
    ($tile:ident, $rows:expr, $panels:expr, $operands:expr; $($mr:literal x $np:literal),* $(,)?) => {
        match ($rows, $panels) {
            $(($mr, $np) => $tile::<$mr, { 2 * $np }>($operands),)*
            (rows, panels) => unreachable!("no register tile of {rows} rows by {panels} panels"),
        }
    };
}
use dispatch;

#[cfg(test)]
#[path = "product/tests.rs"]
pub(crate) mod tests;
