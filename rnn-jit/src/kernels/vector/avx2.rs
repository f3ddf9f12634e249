//! Eight lanes with AVX2 and FMA.
//!
//! **Invariant:** a value of [`Avx2`] exists only where [`Isa::Avx2`](crate::kernels::Isa) is available.

use std::arch::x86_64::*;

use crate::kernels::vector::Vector;

/// Eight lanes.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Avx2(__m256);

/// Evaluates intrinsics that need no more than the instruction set.
macro_rules! lanes {
    ($value:expr) => {
        // SAFETY: a vector argument exists, so the processor has AVX2 and FMA (invariant of `Vector`).
        Avx2(unsafe { $value })
    };
}

/// Evaluates integer intrinsics on the lanes of vectors.
macro_rules! bits {
    ($f:ident($a:expr $(, $b:expr)?)) => {
        lanes!(_mm256_castsi256_ps($f(_mm256_castps_si256($a) $(, _mm256_castps_si256($b))?)))
    };
}

/// A mask whose first `count` lanes are on.
#[inline(always)]
unsafe fn first(count: usize) -> __m256i {
    const WINDOW: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];
    debug_assert!(count <= 8);
    // SAFETY: `count <= 8` by the contract of `load_first` and `store_first`, so eight integers lie inside the window.
    unsafe { _mm256_loadu_si256(WINDOW.as_ptr().add(8 - count).cast()) }
}

impl Vector for Avx2 {
    const LANES: usize = 8;
    type Mask = Avx2;

    #[inline(always)]
    fn prefetch(address: *const f32) {
        // SAFETY: a prefetch touches no memory, and every x86-64 processor has the instruction.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) }
    }

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        // SAFETY: the caller vouches for AVX2.
        Avx2(unsafe { _mm256_set1_ps(x) })
    }

    #[inline(always)]
    unsafe fn load(source: *const f32) -> Self {
        // SAFETY: the caller vouches for AVX2 and eight floats.
        Avx2(unsafe { _mm256_loadu_ps(source) })
    }

    #[inline(always)]
    unsafe fn load_first(source: *const f32, count: usize) -> Self {
        // SAFETY: the caller vouches for AVX2 and `count` floats; masked lanes are not touched.
        Avx2(unsafe { _mm256_maskload_ps(source, first(count)) })
    }

    #[inline(always)]
    unsafe fn transpose(source: *const f32, row: usize, target: *mut f32, column: usize) {
        // SAFETY: the caller vouches for AVX2, eight rows of eight floats, and eight columns.
        unsafe {
            let mut rows = [_mm256_setzero_ps(); 8];
            for (r, own) in rows.iter_mut().enumerate() {
                *own = _mm256_loadu_ps(source.add(r * row));
            }
            // Of each four rows: columns `c` and `4 + c`, one in each half. Loops and no closures, which would be functions of their
            // own, without the instructions.
            let mut fours = [_mm256_setzero_ps(); 8];
            for at in [0, 4] {
                let first = _mm256_castps_pd(_mm256_unpacklo_ps(rows[at], rows[at + 1]));
                let second = _mm256_castps_pd(_mm256_unpacklo_ps(rows[at + 2], rows[at + 3]));
                fours[at] = _mm256_castpd_ps(_mm256_unpacklo_pd(first, second));
                fours[at + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(first, second));
                let first = _mm256_castps_pd(_mm256_unpackhi_ps(rows[at], rows[at + 1]));
                let second = _mm256_castps_pd(_mm256_unpackhi_ps(rows[at + 2], rows[at + 3]));
                fours[at + 2] = _mm256_castpd_ps(_mm256_unpacklo_pd(first, second));
                fours[at + 3] = _mm256_castpd_ps(_mm256_unpackhi_pd(first, second));
            }
            for c in 0..4 {
                let (above, below) = (fours[c], fours[4 + c]);
                let low = _mm256_permute2f128_ps::<0x20>(above, below);
                let high = _mm256_permute2f128_ps::<0x31>(above, below);
                _mm256_storeu_ps(target.add(c * column), low);
                _mm256_storeu_ps(target.add((4 + c) * column), high);
            }
        }
    }

    #[inline(always)]
    unsafe fn store(self, target: *mut f32) {
        // SAFETY: the caller vouches for eight floats.
        unsafe { _mm256_storeu_ps(target, self.0) }
    }

    #[inline(always)]
    unsafe fn store_first(self, target: *mut f32, count: usize) {
        // SAFETY: the caller vouches for `count` floats; masked lanes are not touched.
        unsafe { _mm256_maskstore_ps(target, first(count), self.0) }
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        lanes!(_mm256_add_ps(self.0, other.0))
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        lanes!(_mm256_sub_ps(self.0, other.0))
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        lanes!(_mm256_mul_ps(self.0, other.0))
    }

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        lanes!(_mm256_div_ps(self.0, other.0))
    }

    #[inline(always)]
    fn mul_add(self, b: Self, c: Self) -> Self {
        lanes!(_mm256_fmadd_ps(self.0, b.0, c.0))
    }

    #[inline(always)]
    fn exact_mul_add(self, b: Self, c: Self) -> Self {
        self.mul_add(b, c)
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        lanes!(_mm256_min_ps(self.0, other.0))
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        lanes!(_mm256_max_ps(self.0, other.0))
    }

    #[inline(always)]
    fn less(self, other: Self) -> Self {
        lanes!(_mm256_cmp_ps::<_CMP_LT_OQ>(self.0, other.0))
    }

    #[inline(always)]
    fn is_nan(self) -> Self {
        lanes!(_mm256_cmp_ps::<_CMP_UNORD_Q>(self.0, self.0))
    }

    #[inline(always)]
    fn first_lanes(self, count: usize) -> Self {
        lanes!(_mm256_castsi256_ps(first(count)))
    }

    #[inline(always)]
    fn sign_mask(self) -> Self {
        self
    }

    #[inline(always)]
    fn any(mask: Self) -> bool {
        // SAFETY: a vector argument exists, so the processor has AVX2.
        unsafe { _mm256_movemask_ps(mask.0) != 0 }
    }

    #[inline(always)]
    fn select(mask: Self, yes: Self, no: Self) -> Self {
        lanes!(_mm256_blendv_ps(no.0, yes.0, mask.0))
    }

    #[inline(always)]
    fn and_bits(self, other: Self) -> Self {
        lanes!(_mm256_and_ps(self.0, other.0))
    }

    #[inline(always)]
    fn or_bits(self, other: Self) -> Self {
        lanes!(_mm256_or_ps(self.0, other.0))
    }

    #[inline(always)]
    fn xor_bits(self, other: Self) -> Self {
        lanes!(_mm256_xor_ps(self.0, other.0))
    }

    #[inline(always)]
    fn add_bits(self, other: Self) -> Self {
        bits!(_mm256_add_epi32(self.0, other.0))
    }

    #[inline(always)]
    fn sub_bits(self, other: Self) -> Self {
        bits!(_mm256_sub_epi32(self.0, other.0))
    }

    #[inline(always)]
    fn shift_left_bits<const N: u32>(self) -> Self {
        lanes!(_mm256_castsi256_ps(_mm256_sll_epi32(
            _mm256_castps_si256(self.0),
            _mm_cvtsi32_si128(N as i32)
        )))
    }

    #[inline(always)]
    fn shift_right_bits<const N: u32>(self) -> Self {
        lanes!(_mm256_castsi256_ps(_mm256_sra_epi32(
            _mm256_castps_si256(self.0),
            _mm_cvtsi32_si128(N as i32)
        )))
    }

    #[inline(always)]
    fn bits_to_float(self) -> Self {
        lanes!(_mm256_cvtepi32_ps(_mm256_castps_si256(self.0)))
    }

    #[inline(always)]
    fn sum_lanes(self) -> f32 {
        // SAFETY: a vector argument exists, so the processor has AVX2.
        unsafe {
            let four = _mm_add_ps(
                _mm256_castps256_ps128(self.0),
                _mm256_extractf128_ps::<1>(self.0),
            );
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
        }
    }
    #[inline(always)]
    fn max_lanes(self) -> f32 {
        // SAFETY: a vector argument exists, so the processor has AVX2.
        unsafe {
            let four = _mm_max_ps(
                _mm256_castps256_ps128(self.0),
                _mm256_extractf128_ps::<1>(self.0),
            );
            let two = _mm_max_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps::<1>(two, two)))
        }
    }
}
