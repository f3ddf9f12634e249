//! Four lanes as an array, which the compiler maps to the 128-bit vectors of the target.
//!
//! **Invariant:** no method calls the mathematical library. [`Vector::mul_add`] is fused only where the target guarantees the
//! instruction at compile time (AArch64, or x86-64 built with `+fma`); elsewhere it multiplies and then adds.

use crate::kernels::vector::Vector;

/// Whether multiplication and addition are one instruction on the compilation target.
pub(crate) const FUSED: bool = cfg!(any(target_feature = "fma", target_arch = "aarch64"));

/// Four lanes.
#[derive(Clone, Copy)]
#[repr(C, align(16))]
pub(crate) struct Portable([f32; 4]);

/// One all-ones or all-zeros integer a lane.
#[derive(Clone, Copy)]
#[repr(C, align(16))]
pub(crate) struct Mask([u32; 4]);

impl Portable {
    #[inline(always)]
    fn map(self, f: impl Fn(f32) -> f32) -> Self {
        let [a, b, c, d] = self.0;
        Portable([f(a), f(b), f(c), f(d)])
    }

    #[inline(always)]
    fn zip(self, other: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        let ([a, b, c, d], [e, g, h, i]) = (self.0, other.0);
        Portable([f(a, e), f(b, g), f(c, h), f(d, i)])
    }

    #[inline(always)]
    fn zip_bits(self, other: Self, f: impl Fn(u32, u32) -> u32) -> Self {
        self.zip(other, |a, b| f32::from_bits(f(a.to_bits(), b.to_bits())))
    }
}

impl Vector for Portable {
    const LANES: usize = 4;
    type Mask = Mask;

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        Portable([x; 4])
    }

    #[inline(always)]
    unsafe fn load(source: *const f32) -> Self {
        // SAFETY: the caller vouches for four floats; the read is unaligned.
        Portable(unsafe { source.cast::<[f32; 4]>().read_unaligned() })
    }

    #[inline(always)]
    unsafe fn load_first(source: *const f32, count: usize) -> Self {
        let mut lanes = [0.0; 4];
        for (i, lane) in lanes.iter_mut().enumerate().take(count) {
            // SAFETY: `i < count`, and the caller vouches for `count` floats.
            *lane = unsafe { source.add(i).read() };
        }
        Portable(lanes)
    }

    #[inline(always)]
    unsafe fn transpose(source: *const f32, row: usize, target: *mut f32, column: usize) {
        for r in 0..Self::LANES {
            for c in 0..Self::LANES {
                // SAFETY: both are below `LANES`; the caller vouches for rows and columns.
                unsafe { *target.add(c * column + r) = *source.add(r * row + c) }
            }
        }
    }

    #[inline(always)]
    unsafe fn store(self, target: *mut f32) {
        // SAFETY: the caller vouches for four floats; the write is unaligned.
        unsafe { target.cast::<[f32; 4]>().write_unaligned(self.0) }
    }

    #[inline(always)]
    unsafe fn store_first(self, target: *mut f32, count: usize) {
        for (i, lane) in self.0.iter().enumerate().take(count) {
            // SAFETY: `i < count`, and the caller vouches for `count` floats.
            unsafe { target.add(i).write(*lane) }
        }
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        self.zip(other, |a, b| a / b)
    }

    #[inline(always)]
    fn mul_add(self, b: Self, c: Self) -> Self {
        if FUSED {
            let ([x, y, z, w], [p, q, r, s], [i, j, k, l]) = (self.0, b.0, c.0);
            Portable([
                x.mul_add(p, i),
                y.mul_add(q, j),
                z.mul_add(r, k),
                w.mul_add(s, l),
            ])
        } else {
            self.mul(b).add(c)
        }
    }

    #[inline(always)]
    fn exact_mul_add(self, b: Self, c: Self) -> Self {
        if FUSED {
            return self.mul_add(b, c);
        }
        // The product of two 24-bit significands is exact in 53 bits.
        let wide = |x: f32, y: f32, z: f32| (f64::from(x) * f64::from(y) + f64::from(z)) as f32;
        let ([x, y, z, w], [p, q, r, s], [i, j, k, l]) = (self.0, b.0, c.0);
        Portable([wide(x, p, i), wide(y, q, j), wide(z, r, k), wide(w, s, l)])
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        self.zip(other, |a, b| if a < b { a } else { b })
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        self.zip(other, |a, b| if a > b { a } else { b })
    }

    #[inline(always)]
    fn less(self, other: Self) -> Mask {
        let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
        let full = |yes: bool| if yes { u32::MAX } else { 0 };
        Mask([full(a < e), full(b < f), full(c < g), full(d < h)])
    }

    #[inline(always)]
    fn is_nan(self) -> Mask {
        Mask(self.0.map(|a| if a.is_nan() { u32::MAX } else { 0 }))
    }

    #[inline(always)]
    fn first_lanes(self, count: usize) -> Mask {
        Mask([0, 1, 2, 3].map(|i| if i < count { u32::MAX } else { 0 }))
    }

    #[inline(always)]
    fn sign_mask(self) -> Mask {
        Mask(self.0.map(|a| ((a.to_bits() as i32) >> 31) as u32))
    }

    #[inline(always)]
    fn any(mask: Mask) -> bool {
        mask.0.iter().fold(0, |all, lane| all | lane) != 0
    }

    #[inline(always)]
    fn select(mask: Mask, yes: Self, no: Self) -> Self {
        let mask = Portable(mask.0.map(f32::from_bits));
        let yes = yes.zip_bits(mask, |a, m| a & m);
        let no = no.zip_bits(mask, |a, m| a & !m);
        yes.zip_bits(no, |a, b| a | b)
    }

    #[inline(always)]
    fn and_bits(self, other: Self) -> Self {
        self.zip_bits(other, |a, b| a & b)
    }

    #[inline(always)]
    fn or_bits(self, other: Self) -> Self {
        self.zip_bits(other, |a, b| a | b)
    }

    #[inline(always)]
    fn xor_bits(self, other: Self) -> Self {
        self.zip_bits(other, |a, b| a ^ b)
    }

    #[inline(always)]
    fn add_bits(self, other: Self) -> Self {
        self.zip_bits(other, u32::wrapping_add)
    }

    #[inline(always)]
    fn sub_bits(self, other: Self) -> Self {
        self.zip_bits(other, u32::wrapping_sub)
    }

    #[inline(always)]
    fn shift_left_bits<const N: u32>(self) -> Self {
        self.map(|a| f32::from_bits(a.to_bits() << N))
    }

    #[inline(always)]
    fn shift_right_bits<const N: u32>(self) -> Self {
        self.map(|a| f32::from_bits(((a.to_bits() as i32) >> N) as u32))
    }

    #[inline(always)]
    fn bits_to_float(self) -> Self {
        self.map(|a| a.to_bits() as i32 as f32)
    }

    #[inline(always)]
    fn sum_lanes(self) -> f32 {
        let [a, b, c, d] = self.0;
        (a + c) + (b + d)
    }
    #[inline(always)]
    fn max_lanes(self) -> f32 {
        self.0.into_iter().fold(f32::NEG_INFINITY, f32::max)
    }
}
