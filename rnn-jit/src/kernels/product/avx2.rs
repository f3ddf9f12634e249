//! Register tiles of the 256-bit product: 12 accumulators of 16 registers, panels of 16 outputs.
//!
//! **Invariant:** the tile functions run only through [`Tiles`], which [`super::entry`] hands out for [`Isa::Avx2`](crate::kernels::Isa).

use super::{Tile, TileSet, accumulate_tile, dispatch};
use crate::kernels::vector::avx2::Avx2;

/// 1 x 64, up to 3 x 32, up to 6 x 16.
pub(super) struct Tiles;

impl TileSet for Tiles {
    const LANES: usize = 8;
    const ROWS: usize = 6;

    #[inline(always)]
    fn panels(rows: usize) -> usize {
        match rows {
            0..=1 => 4,
            2..=3 => 2,
            _ => 1,
        }
    }

    #[inline(always)]
    unsafe fn compute(rows: usize, panels: usize, operands: &Tile) {
        // SAFETY: the caller vouches for the instruction set and the operands.
        unsafe {
            dispatch!(tile, rows, panels, operands;
                1 x 1, 2 x 1, 3 x 1, 4 x 1, 5 x 1, 6 x 1,
                1 x 2, 2 x 2, 3 x 2,
                1 x 3, 1 x 4,
            );
        }
    }
}

/// # Safety
/// As [`accumulate_tile`].
#[target_feature(enable = "avx2,fma")]
unsafe fn tile<const MR: usize, const NV: usize>(operands: &Tile) {
    // SAFETY: the features are enabled here; the operands are the caller's promise.
    unsafe { accumulate_tile::<Avx2, MR, NV>(operands) }
}
