//! Sixteen lanes with AVX-512 F, BW, DQ and VL.
//!
//! **Invariant:** a value of [`Avx512`] exists only where [`Isa::Avx512`](crate::kernels::Isa) is available.

use std::arch::x86_64::*;

use crate::kernels::vector::Vector;

/// Sixteen lanes.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Avx512(__m512);

/// Evaluates intrinsics that need no more than the instruction set.
macro_rules! lanes {
    ($value:expr) => {
        // SAFETY: a vector argument exists, so the processor has AVX-512 F, BW, DQ and VL (invariant of `Vector`).
        Avx512(unsafe { $value })
    };
}

/// Evaluates integer intrinsics on the lanes of vectors.
macro_rules! bits {
    ($f:ident($a:expr $(, $b:expr)?)) => {
        lanes!(_mm512_castsi512_ps($f(_mm512_castps_si512($a) $(, _mm512_castps_si512($b))?)))
    };
}

/// A mask whose first `count` lanes are on, `count <= 16`.
#[inline(always)]
fn first(count: usize) -> __mmask16 {
    ((1u32 << count) - 1) as __mmask16
}

impl Vector for Avx512 {
    const LANES: usize = 16;
    type Mask = __mmask16;

    #[inline(always)]
    fn prefetch(address: *const f32) {
        // SAFETY: a prefetch touches no memory, and every x86-64 processor has the instruction.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) }
    }

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        // SAFETY: the caller vouches for AVX-512.
        Avx512(unsafe { _mm512_set1_ps(x) })
    }

    #[inline(always)]
    unsafe fn load(source: *const f32) -> Self {
        // SAFETY: the caller vouches for AVX-512 and sixteen floats.
        Avx512(unsafe { _mm512_loadu_ps(source) })
    }

    #[inline(always)]
    unsafe fn load_first(source: *const f32, count: usize) -> Self {
        // SAFETY: the caller vouches for AVX-512 and `count` floats; masked lanes are not touched.
        Avx512(unsafe { _mm512_maskz_loadu_ps(first(count), source) })
    }

    #[inline(always)]
    unsafe fn transpose(source: *const f32, row: usize, target: *mut f32, column: usize) {
        // SAFETY: the caller vouches for AVX-512, sixteen rows of sixteen floats, and sixteen columns.
        unsafe {
            let mut rows = [_mm512_setzero_ps(); 16];
            for (r, own) in rows.iter_mut().enumerate() {
                *own = _mm512_loadu_ps(source.add(r * row));
            }
            // Of each four rows: columns `c`, `4 + c`, `8 + c` and `12 + c`, one in each quarter. Loops and no closures, which would
            // be functions of their own, without the instructions.
            let mut fours = [_mm512_setzero_ps(); 16];
            for at in [0, 4, 8, 12] {
                let first = _mm512_castps_pd(_mm512_unpacklo_ps(rows[at], rows[at + 1]));
                let second = _mm512_castps_pd(_mm512_unpacklo_ps(rows[at + 2], rows[at + 3]));
                fours[at] = _mm512_castpd_ps(_mm512_unpacklo_pd(first, second));
                fours[at + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(first, second));
                let first = _mm512_castps_pd(_mm512_unpackhi_ps(rows[at], rows[at + 1]));
                let second = _mm512_castps_pd(_mm512_unpackhi_ps(rows[at + 2], rows[at + 3]));
                fours[at + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(first, second));
                fours[at + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(first, second));
            }
            for c in 0..4 {
                const EVEN: i32 = 0b10_00_10_00;
                const ODD: i32 = 0b11_01_11_01;
                let above = _mm512_shuffle_f32x4::<EVEN>(fours[c], fours[4 + c]);
                let below = _mm512_shuffle_f32x4::<EVEN>(fours[8 + c], fours[12 + c]);
                _mm512_storeu_ps(
                    target.add(c * column),
                    _mm512_shuffle_f32x4::<EVEN>(above, below),
                );
                _mm512_storeu_ps(
                    target.add((8 + c) * column),
                    _mm512_shuffle_f32x4::<ODD>(above, below),
                );
                let above = _mm512_shuffle_f32x4::<ODD>(fours[c], fours[4 + c]);
                let below = _mm512_shuffle_f32x4::<ODD>(fours[8 + c], fours[12 + c]);
                _mm512_storeu_ps(
                    target.add((4 + c) * column),
                    _mm512_shuffle_f32x4::<EVEN>(above, below),
                );
                _mm512_storeu_ps(
                    target.add((12 + c) * column),
                    _mm512_shuffle_f32x4::<ODD>(above, below),
                );
            }
        }
    }

    #[inline(always)]
    unsafe fn store(self, target: *mut f32) {
        // SAFETY: the caller vouches for sixteen floats.
        unsafe { _mm512_storeu_ps(target, self.0) }
    }

    #[inline(always)]
    unsafe fn store_first(self, target: *mut f32, count: usize) {
        // SAFETY: the caller vouches for `count` floats; masked lanes are not touched.
        unsafe { _mm512_mask_storeu_ps(target, first(count), self.0) }
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        lanes!(_mm512_add_ps(self.0, other.0))
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        lanes!(_mm512_sub_ps(self.0, other.0))
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        lanes!(_mm512_mul_ps(self.0, other.0))
    }

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        lanes!(_mm512_div_ps(self.0, other.0))
    }

    #[inline(always)]
    fn mul_add(self, b: Self, c: Self) -> Self {
        lanes!(_mm512_fmadd_ps(self.0, b.0, c.0))
    }

    #[inline(always)]
    fn exact_mul_add(self, b: Self, c: Self) -> Self {
        self.mul_add(b, c)
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        lanes!(_mm512_min_ps(self.0, other.0))
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        lanes!(_mm512_max_ps(self.0, other.0))
    }

    #[inline(always)]
    fn less(self, other: Self) -> __mmask16 {
        // SAFETY: a vector argument exists, so the processor has AVX-512.
        unsafe { _mm512_cmp_ps_mask::<_CMP_LT_OQ>(self.0, other.0) }
    }

    #[inline(always)]
    fn is_nan(self) -> __mmask16 {
        // SAFETY: a vector argument exists, so the processor has AVX-512.
        unsafe { _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(self.0, self.0) }
    }

    #[inline(always)]
    fn first_lanes(self, count: usize) -> __mmask16 {
        first(count)
    }

    #[inline(always)]
    fn sign_mask(self) -> __mmask16 {
        // SAFETY: a vector argument exists, so the processor has AVX-512 DQ.
        unsafe { _mm512_movepi32_mask(_mm512_castps_si512(self.0)) }
    }

    #[inline(always)]
    fn any(mask: __mmask16) -> bool {
        mask != 0
    }

    #[inline(always)]
    fn select(mask: __mmask16, yes: Self, no: Self) -> Self {
        lanes!(_mm512_mask_blend_ps(mask, no.0, yes.0))
    }

    #[inline(always)]
    fn and_bits(self, other: Self) -> Self {
        lanes!(_mm512_and_ps(self.0, other.0))
    }

    #[inline(always)]
    fn or_bits(self, other: Self) -> Self {
        lanes!(_mm512_or_ps(self.0, other.0))
    }

    #[inline(always)]
    fn xor_bits(self, other: Self) -> Self {
        lanes!(_mm512_xor_ps(self.0, other.0))
    }

    #[inline(always)]
    fn add_bits(self, other: Self) -> Self {
        bits!(_mm512_add_epi32(self.0, other.0))
    }

    #[inline(always)]
    fn sub_bits(self, other: Self) -> Self {
        bits!(_mm512_sub_epi32(self.0, other.0))
    }

    #[inline(always)]
    fn shift_left_bits<const N: u32>(self) -> Self {
        lanes!(_mm512_castsi512_ps(_mm512_slli_epi32::<N>(
            _mm512_castps_si512(self.0)
        )))
    }

    #[inline(always)]
    fn shift_right_bits<const N: u32>(self) -> Self {
        lanes!(_mm512_castsi512_ps(_mm512_srai_epi32::<N>(
            _mm512_castps_si512(self.0)
        )))
    }

    #[inline(always)]
    fn bits_to_float(self) -> Self {
        lanes!(_mm512_cvtepi32_ps(_mm512_castps_si512(self.0)))
    }

    #[inline(always)]
    fn exp2(self) -> Self {
        self.set(1.0).scale(self)
    }

    /// `vscalefps` rounds once as the two multiplications do.
    #[inline(always)]
    fn scale(self, n: Self) -> Self {
        lanes!(_mm512_scalef_ps(self.0, n.0))
    }

    #[inline(always)]
    fn sum_lanes(self) -> f32 {
        // SAFETY: a vector argument exists, so the processor has AVX-512 DQ and AVX2.
        unsafe {
            let eight = _mm256_add_ps(
                _mm512_castps512_ps256(self.0),
                _mm512_extractf32x8_ps::<1>(self.0),
            );
            let four = _mm_add_ps(
                _mm256_castps256_ps128(eight),
                _mm256_extractf128_ps::<1>(eight),
            );
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
        }
    }
    #[inline(always)]
    fn max_lanes(self) -> f32 {
        // SAFETY: a vector argument exists, so the processor has AVX-512 DQ and AVX2.
        unsafe {
            let eight = _mm256_max_ps(
                _mm512_castps512_ps256(self.0),
                _mm512_extractf32x8_ps::<1>(self.0),
            );
            let four = _mm_max_ps(
                _mm256_castps256_ps128(eight),
                _mm256_extractf128_ps::<1>(eight),
            );
            let two = _mm_max_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps::<1>(two, two)))
        }
    }
}
