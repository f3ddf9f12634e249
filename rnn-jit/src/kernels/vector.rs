//! One vector of `f32` lanes: the only layer that names instructions.
//!
//! Products, mathematical functions and row kernels are written once over [`Vector`] and instantiated for each [`Isa`](super::Isa).
//! Every method is `#[inline(always)]`, so that inside an entry point with `#[target_feature]` it becomes the bare instruction.
//!
//! **Invariant:** a value of a `Vector` type exists only on a processor that has its instructions. The functions that make one
//! from nothing ([`Vector::splat`], [`Vector::load`], [`Vector::load_first`]) are `unsafe` for that reason; all methods that take
//! `self` rely on it and are safe.

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
pub(crate) mod portable;

/// Lanes of `f32`.
///
/// `min`, `max`, `less` and `select` follow the x86 rules on NaN, which [`super::math::poly`] depends on. Methods ending in
/// `_bits` act on the lanes as 32-bit integers that wrap.
pub(crate) trait Vector: Copy {
    /// Number of lanes.
    const LANES: usize;
    /// One truth value a lane.
    type Mask: Copy;

    /// `x` in every lane.
    ///
    /// # Safety
    /// The processor has the instructions of this vector type.
    unsafe fn splat(x: f32) -> Self;

    /// The lanes at `source`, which needs no alignment.
    ///
    /// # Safety
    /// As [`Vector::splat`], and `LANES` floats at `source` are readable.
    unsafe fn load(source: *const f32) -> Self;

    /// The first `count` lanes from `source`, `0 <= count <= LANES`, the others zero.
    ///
    /// # Safety
    /// As [`Vector::splat`], and `count` floats at `source` are readable; nothing beyond them is touched.
    unsafe fn load_first(source: *const f32, count: usize) -> Self;

    /// Writes every lane.
    ///
    /// # Safety
    /// `LANES` floats at `target` are writable.
    unsafe fn store(self, target: *mut f32);

    /// Writes the first `count` lanes, `0 <= count <= LANES`.
    ///
    /// # Safety
    /// `count` floats at `target` are writable; nothing beyond them is touched.
    unsafe fn store_first(self, target: *mut f32, count: usize);

    /// Writes `LANES` rows of `LANES` floats, one every `row` floats from `source` on, as columns: element `c` of row `r` to
    /// `target[c * column + r]`.
    ///
    /// # Safety
    /// As [`Vector::splat`]; the rows are readable, and `LANES` floats every `column` from `target` on are writable.
    unsafe fn transpose(source: *const f32, row: usize, target: *mut f32, column: usize);

    /// Asks for the cache line at an address, which need not be valid.
    #[inline(always)]
    fn prefetch(_address: *const f32) {}

    /// `x` in every lane, witnessed by an existing vector.
    #[inline(always)]
    fn set(self, x: f32) -> Self {
        // SAFETY: `self` exists, so the processor has the instructions.
        unsafe { Self::splat(x) }
    }

    /// `self + other`.
    fn add(self, other: Self) -> Self;
    /// `self - other`.
    fn sub(self, other: Self) -> Self;
    /// `self * other`.
    fn mul(self, other: Self) -> Self;
    /// `self / other`, correctly rounded.
    fn div(self, other: Self) -> Self;
    /// `self * b + c`, rounded once where the hardware multiplies and adds in one instruction, otherwise twice.
    fn mul_add(self, b: Self, c: Self) -> Self;
    /// `self * b + c` with an exact product, on every variant; may be slow.
    fn exact_mul_add(self, b: Self, c: Self) -> Self;
    /// `if self < other { self } else { other }`: a NaN in `other` is kept, a NaN in `self` is dropped.
    fn min(self, other: Self) -> Self;
    /// `if self > other { self } else { other }`: a NaN in `other` is kept, a NaN in `self` is dropped.
    fn max(self, other: Self) -> Self;
    /// `self < other`, false on NaN.
    fn less(self, other: Self) -> Self::Mask;
    /// Whether each lane is NaN.
    fn is_nan(self) -> Self::Mask;
    /// The first `count` lanes true, `0 <= count <= LANES`.
    fn first_lanes(self, count: usize) -> Self::Mask;
    /// The sign bit of each lane as a truth value.
    fn sign_mask(self) -> Self::Mask;
    /// Whether any lane is true.
    fn any(mask: Self::Mask) -> bool;
    /// `if mask { yes } else { no }`.
    fn select(mask: Self::Mask, yes: Self, no: Self) -> Self;
    /// Bitwise and.
    fn and_bits(self, other: Self) -> Self;
    /// Bitwise or.
    fn or_bits(self, other: Self) -> Self;
    /// Bitwise exclusive or.
    fn xor_bits(self, other: Self) -> Self;
    /// Integer addition.
    fn add_bits(self, other: Self) -> Self;
    /// Integer subtraction.
    fn sub_bits(self, other: Self) -> Self;
    /// Left shift.
    fn shift_left_bits<const N: u32>(self) -> Self;
    /// Right shift that repeats the sign.
    fn shift_right_bits<const N: u32>(self) -> Self;
    /// Each lane read as a signed integer, converted to `f32`.
    fn bits_to_float(self) -> Self;

    /// `bits` in every lane.
    #[inline(always)]
    fn set_bits(self, bits: u32) -> Self {
        self.set(f32::from_bits(bits))
    }

    /// `|self|`.
    #[inline(always)]
    fn abs(self) -> Self {
        self.and_bits(self.set_bits(0x7fff_ffff))
    }

    /// The sign bit alone.
    #[inline(always)]
    fn sign(self) -> Self {
        self.and_bits(self.set_bits(0x8000_0000))
    }

    /// `self * 2^n` rounded once, for integers `-252 <= n <= 254` and `1/4 < |self| < 4`.
    ///
    /// Two multiplications by powers of two, of which the first is exact.
    #[inline(always)]
    fn scale(self, n: Self) -> Self {
        let magic = self.set(super::math::poly::ROUND);
        let one = self.set(1.0);
        let half = n.mul_add(self.set(0.5), magic);
        let rest = n.sub(half.sub(magic)).add(magic);
        let first = half.shift_left_bits::<23>().add_bits(one);
        let second = rest.shift_left_bits::<23>().add_bits(one);
        self.mul(first).mul(second)
    }

    /// `2^self` for integers `-126 <= self <= 127`.
    #[inline(always)]
    fn exp2(self) -> Self {
        let exponent = self.add(self.set(super::math::poly::ROUND));
        exponent.shift_left_bits::<23>().add_bits(self.set(1.0))
    }

    /// Sum of the lanes in the fixed order of a halving tree.
    fn sum_lanes(self) -> f32;
    /// The largest lane of a vector without NaN.
    fn max_lanes(self) -> f32;
}
