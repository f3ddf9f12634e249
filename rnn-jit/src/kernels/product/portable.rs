//! Register tiles of the 128-bit product: 8 accumulators of 16 registers, panels of 8 outputs.
//!
//! **Invariant:** the tile functions run only through [`Tiles`], which [`super::entry`] hands out for [`Isa::Portable`](crate::kernels::Isa).

use super::{Tile, TileSet, accumulate_tile, dispatch};
use crate::kernels::vector::portable::Portable;

/// 1 x 32, 2 x 16, up to 4 x 8.
pub(super) struct Tiles;

impl TileSet for Tiles {
    const LANES: usize = 4;
    const ROWS: usize = 4;

    #[inline(always)]
    fn panels(rows: usize) -> usize {
        match rows {
            0..=1 => 4,
            2 => 2,
            _ => 1,
        }
    }

    #[inline(always)]
    unsafe fn compute(rows: usize, panels: usize, operands: &Tile) {
        // SAFETY: the caller vouches for the instruction set and the operands.
        unsafe {
            dispatch!(tile, rows, panels, operands;
                1 x 1, 2 x 1, 3 x 1, 4 x 1,
                1 x 2, 2 x 2,
                1 x 3, 1 x 4,
            );
        }
    }
}

/// # Safety
/// As [`accumulate_tile`].
unsafe fn tile<const MR: usize, const NV: usize>(operands: &Tile) {
    // SAFETY: the portable vector needs no feature; the operands are the caller's promise.
    unsafe { accumulate_tile::<Portable, MR, NV>(operands) }
}
