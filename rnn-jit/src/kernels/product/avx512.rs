//! Register tiles of the 512-bit product: 24 accumulators of 32 registers, panels of 32 outputs.
//!
//! **Invariant:** the tile functions run only through [`Tiles`], which [`super::entry`] hands out for [`Isa::Avx512`](crate::kernels::Isa).

use super::{Tile, TileSet, accumulate_tile, dispatch};
use crate::kernels::vector::avx512::Avx512;

/// 1 x 256, 2 x 128, up to 6 x 64: ten loads for 24 multiply-adds, where 12 x 32 takes fourteen and is 4 % slower.
pub(super) struct Tiles;

impl TileSet for Tiles {
    const LANES: usize = 16;
    const ROWS: usize = 6;

    #[inline(always)]
    fn panels(rows: usize) -> usize {
        match rows {
            0..=1 => 8,
            2 => 4,
            _ => 2,
        }
    }

    #[inline(always)]
    unsafe fn compute(rows: usize, panels: usize, operands: &Tile) {
        // SAFETY: the caller vouches for the instruction set and the operands.
        unsafe {
            dispatch!(tile, rows, panels, operands;
                1 x 1, 2 x 1, 3 x 1, 4 x 1, 5 x 1, 6 x 1,
                1 x 2, 2 x 2, 3 x 2, 4 x 2, 5 x 2, 6 x 2,
                1 x 3, 2 x 3, 1 x 4, 2 x 4, 1 x 5, 1 x 6, 1 x 7, 1 x 8,
            );
        }
    }
}

/// # Safety
/// As [`accumulate_tile`].
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
unsafe fn tile<const MR: usize, const NV: usize>(operands: &Tile) {
    // SAFETY: the features are enabled here; the operands are the caller's promise.
    unsafe { accumulate_tile::<Avx512, MR, NV>(operands) }
}
