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
            // Of each four rows: columns `c`, `4 + c`, `8 + c` and `12 + c`, one in each quarter.
            let mut fours = [_mm512_setzero_pd(); 16];
            for (four, rows) in fours.chunks_exact_mut(4).zip(rows.chunks_exact(4)) {
                let low = [(0, 1), (2, 3)].map(|(a, b)| _mm512_unpacklo_ps(rows[a], rows[b]));
                let high = [(0, 1), (2, 3)].map(|(a, b)| _mm512_unpackhi_ps(rows[a], rows[b]));
                let [low, high] = [low, high].map(|pair| pair.map(|own| _mm512_castps_pd(own)));
                four[0] = _mm512_unpacklo_pd(low[0], low[1]);
                four[1] = _mm512_unpackhi_pd(low[0], low[1]);
                four[2] = _mm512_unpacklo_pd(high[0], high[1]);
                four[3] = _mm512_unpackhi_pd(high[0], high[1]);
            }
            let fours = fours.map(|own| _mm512_castpd_ps(own));
            for c in 0..4 {
                let eights = [0, 8].map(|at| {
                    let (above, below) = (fours[at + c], fours[at + 4 + c]);
                    let even = _mm512_shuffle_f32x4::<0b10_00_10_00>(above, below);
                    let odd = _mm512_shuffle_f32x4::<0b11_01_11_01>(above, below);
                    [even, odd]
                });
                for odd in 0..2 {
                    let (above, below) = (eights[0][odd], eights[1][odd]);
                    let low = _mm512_shuffle_f32x4::<0b10_00_10_00>(above, below);
                    let high = _mm512_shuffle_f32x4::<0b11_01_11_01>(above, below);
                    let at = 4 * odd + c;
                    _mm512_storeu_ps(target.add(at * column), low);
                    _mm512_storeu_ps(target.add((8 + at) * column), high);
                }
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
