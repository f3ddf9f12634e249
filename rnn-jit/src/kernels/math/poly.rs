//! The algorithms of the mathematical functions, step by step and with every constant, over one vector of lanes.
//!
//! A code generator that emits the same steps gets the same bits (as long as it fuses `mul_add`). Conventions used in
//! the steps: `fma(a, b, c)` is `mul_add`; `min(a, b)` is `a < b ? a : b` and `max(a, b)` is `a > b ? a : b`, which
//! keep a NaN in `b`; `bits` are integer operations on the lane.
//!
//! # `exp`, at most 1 ulp
//!
//! 1. `v = max(EXP_LOW, min(EXP_HIGH, x))`: beyond, the result is infinite or rounds to zero.
//! 2. `z = fma(v, LOG2_E, ROUND)`, `n = z - ROUND`: `n = round(v / ln 2)`; the low bits of `z` hold `n` too.
//! 3. `u = fma(n, -LN2_HIGH, v)`, which is exact, and `r = fma(n, -LN2_LOW, u)`, `|r| <= 0.3475`.
//! 4. `s = E6; s = fma(s, r, E5); ... s = fma(s, r, E2)`, `t = fma(n, -LN2_LOW, r * r * s)` and `q = u + t`, so that
//!    `1 + q` is `exp(r)` to 0.8 ulp.
//! 5. Result `(1 + q) * 2^n`, rounded once: `h = round(n / 2)` by the same trick, `p * 2^h * 2^(n - h)`, each power made as
//!    `bits(1.0) + (bits(z) << 23)`, or the one instruction of AVX-512, which gives the same.
//!
//! # `sigmoid`, at most 3 ulp down to 2^-126
//!
//! 1. `v = max(-SIGMOID_LIMIT, min(SIGMOID_LIMIT, x))`, so that `1 + e^-v` is finite.
//! 2. `z = fma(v, -LOG2_E, ROUND)`, `n = z - ROUND`, `w = fma(n, LN2_LOW, fma(n, LN2_HIGH, v))`: `e^-v = 2^n e^-w`.
//! 3. `p = E6; p = fma(p, w, -E5); ... p = fma(p, w, -1); p = fma(p, w, 1)`, which is `e^-w`.
//! 4. Result `1 / (p * 2^n + 1)`, the power by step 5 of `exp`. What lies below `1 / (1 + e^SIGMOID_LIMIT) = 2^-128` is that
//!    number, which is zero where subnormal numbers are.
//!
//! # `tanh`, at most 3 ulp
//!
//! `tanh |x| = -expm1(-2|x|) / (exp(-2|x|) + 1)`, which is as good for small arguments as for large ones:
//!
//! 1. `a = min(TANH_HIGH, |x|)`, `z = fma(a, -2 LOG2_E, ROUND)`, `n = z - ROUND`, `-27 <= n <= 0`, and
//!    `w = fma(n, ln(2) / 2, a)`: `e^-2a = 2^n e^-2w`. Where `n` is large enough for the rounding of `ln(2) / 2` to count, the power
//!    is too small to.
//! 2. `p = -64 E6; p = fma(p, w, 32 E5); ... p = fma(p, w, -4 E2); p = fma(p, w, 2)`, `q = w * p`, which is `-expm1(-2w)`.
//! 3. `g = 2^n`, `e = fma(q, g, 1 - g)`, `d = 2 - e`. Result `e / d` with the sign bit of `x`.
//!
//! Half an ulp less would take two more operations, of 17 and a division; the clusters of recurrent cells are bound by their number.
//!
//! # Sources
//!
//! Range reduction after Cody and Waite 1980; rounding by adding `1.5 * 2^23`. The polynomial of `exp` is minimax (Remez,
//! coefficients rounded to `f32` one after the other), with a relative error of 2^-28.2. `ln`, `sin` and `cos`
//! use the polynomials of Cephes (Moshier 1989, `logf.c`, `sinf.c`).
//!
//! **Invariant:** each function acts on every lane alone and by the same operations, so a result does not depend on the lane.

use crate::kernels::vector::Vector;

/// `1.5 * 2^23`: adding it rounds a float below `2^22` to an integer and leaves the integer in the low bits.
pub const ROUND: f32 = 12_582_912.0;
/// `1 / ln 2`.
pub const LOG2_E: f32 = std::f32::consts::LOG2_E;
/// `ln 2` to 16 bits, so that its product with an exponent is exact.
pub const LN2_HIGH: f32 = 0.693_145_75;
/// `ln 2 - LN2_HIGH`.
pub const LN2_LOW: f32 = 1.428_606_8e-6;
/// Below, `exp` rounds to zero.
pub const EXP_LOW: f32 = -104.0;
/// Above, `exp` is infinite.
pub const EXP_HIGH: f32 = 89.0;
/// `e^x` is finite up to here.
pub const SIGMOID_LIMIT: f32 = 88.722_83;
/// Coefficients of `r^6, r^5, r^4, r^3, r^2` of `exp(r)`, `|r| <= 0.3475`; those of `r` and 1 are 1.
pub const EXP: [f32; 5] = [
    0.001_383_828_2,
    0.008_369_298,
    0.041_668_087,
    0.166_665_15,
    0.499_999_94,
];
/// `tanh(x) = 1` to half an ulp from here on.
pub const TANH_HIGH: f32 = 9.25;
/// Coefficients of `f^8, ..., f, 1` of `(ln(1 + f) - f + f^2 / 2) / f^3`, `sqrt(1/2) <= 1 + f < sqrt(2)`.
const LN: [f32; 9] = [
    7.037_683_6e-2,
    -1.151_461e-1,
    1.167_699_9e-1,
    -1.242_014_1e-1,
    1.424_932_3e-1,
    -1.666_805_8e-1,
    2.000_071_5e-1,
    -2.499_999_4e-1,
    3.333_333e-1,
];
/// Bits of `sqrt(1/2)`.
const SQRT_HALF_BITS: u32 = 0x3f35_04f3;
/// `sqrt(2) - 1`.
const SQRT_2_MINUS_1: f32 = 0.414_213_57;
/// `2^23`, which makes a subnormal normal.
const TWO_23: f32 = 8_388_608.0;

/// Largest magnitude whose sine and cosine are computed here; beyond, [`super`] asks the mathematical library.
pub const TRIGONOMETRIC_LIMIT: f32 = 1e5;
/// `2 / pi`.
const TWO_OVER_PI: f32 = std::f32::consts::FRAC_2_PI;
/// `pi / 2` in three parts, whose sum has 72 bits.
const HALF_PI: [f32; 3] = [1.570_796_4, -4.371_139e-8, -1.715_124_5e-15];
/// Coefficients of `z^2, z, 1` of `(sin(r) - r) / r^3`, `z = r^2`, `|r| <= pi / 4`.
const SIN: [f32; 3] = [-1.951_529_6e-4, 8.332_161e-3, -1.666_665_5e-1];
/// Coefficients of `z^2, z, 1` of `(cos(r) - 1 + r^2 / 2) / r^4`, `z = r^2`, `|r| <= pi / 4`.
const COS: [f32; 3] = [2.443_315_7e-5, -1.388_731_6e-3, 4.166_664_6e-2];

/// `c[0] x^(n-1) + ... + c[n-1]`.
#[inline(always)]
fn horner<V: Vector, const N: usize>(x: V, coefficients: [f32; N]) -> V {
    let mut sum = x.set(coefficients[0]);
    for c in &coefficients[1..] {
        sum = sum.mul_add(x, x.set(*c));
    }
    sum
}

/// `v = n ln 2 + r`: `n`, `u`, which is `v` less the exact part of `n ln 2`, and `r`.
#[inline(always)]
fn reduced<V: Vector>(v: V) -> [V; 3] {
    let magic = v.set(ROUND);
    let n = v.mul_add(v.set(LOG2_E), magic).sub(magic);
    let u = n.mul_add(v.set(-LN2_HIGH), v);
    [n, u, n.mul_add(v.set(-LN2_LOW), u)]
}

/// `exp(v)`, steps 2 to 5.
#[inline(always)]
fn exp_reduced<V: Vector>(v: V) -> V {
    let [n, u, r] = reduced(v);
    let tail = n.mul_add(v.set(-LN2_LOW), r.mul(r).mul(horner(r, EXP)));
    v.set(1.0).add(u.add(tail)).scale(n)
}

/// `e^x`.
#[inline(always)]
pub(crate) fn exp<V: Vector>(x: V) -> V {
    exp_reduced(x.set(EXP_LOW).max(x.set(EXP_HIGH).min(x)))
}

/// `e^x` for `x <= 0` or NaN.
#[inline(always)]
fn exp_negative<V: Vector>(x: V) -> V {
    exp_reduced(x.set(EXP_LOW).max(x))
}

/// `1 / (1 + e^-x)`.
#[inline(always)]
pub(crate) fn sigmoid<V: Vector>(x: V) -> V {
    let [e6, e5, e4, e3, e2] = EXP;
    let one = x.set(1.0);
    let magic = x.set(ROUND);
    let v = x.set(-SIGMOID_LIMIT).max(x.set(SIGMOID_LIMIT).min(x));
    let n = v.mul_add(x.set(-LOG2_E), magic).sub(magic);
    let u = n.mul_add(x.set(LN2_HIGH), v);
    let w = n.mul_add(x.set(LN2_LOW), u);
    let power = horner(w, [e6, -e5, e4, -e3, e2, -1.0, 1.0]).scale(n);
    one.div(power.add(one))
}

/// `-|x|`.
#[inline(always)]
fn negative_magnitude<V: Vector>(x: V) -> V {
    x.or_bits(x.set(-0.0))
}

/// Hyperbolic tangent.
#[inline(always)]
pub(crate) fn tanh<V: Vector>(x: V) -> V {
    let [e6, e5, e4, e3, e2] = EXP;
    let one = x.set(1.0);
    let magic = x.set(ROUND);
    let a = x.set(TANH_HIGH).min(x.abs());
    let n = a.mul_add(x.set(-2.0 * LOG2_E), magic).sub(magic);
    let w = n.mul_add(x.set(0.5 * std::f32::consts::LN_2), a);
    let coefficients = [-64.0 * e6, 32.0 * e5, -16.0 * e4, 8.0 * e3, -4.0 * e2, 2.0];
    let q = w.mul(horner(w, coefficients));
    let power = n.exp2();
    let e = q.mul_add(power, one.sub(power));
    let d = x.set(2.0).sub(e);
    e.div(d).or_bits(x.sign())
}

/// `ln(1 + f) + k ln 2` for `sqrt(1/2) <= 1 + f < sqrt(2)`.
#[inline(always)]
fn ln_reduced<V: Vector>(f: V, k: V) -> V {
    let square = f.mul(f);
    let tail = horner(f, LN).mul(f).mul(square);
    let tail = k.mul_add(f.set(LN2_LOW), tail);
    let tail = square.mul_add(f.set(-0.5), tail);
    k.mul_add(f.set(LN2_HIGH), f.add(tail))
}

/// Natural logarithm.
#[inline(always)]
pub(crate) fn ln<V: Vector>(x: V) -> V {
    let zero = x.set(0.0);
    let infinity = x.set(f32::INFINITY);
    let subnormal = x.less(x.set(f32::MIN_POSITIVE));
    let normal = V::select(subnormal, x.mul(x.set(TWO_23)), x);
    let offset = normal
        .sub_bits(x.set_bits(SQRT_HALF_BITS))
        .shift_right_bits::<23>();
    let f = normal
        .sub_bits(offset.shift_left_bits::<23>())
        .sub(x.set(1.0));
    let k = offset
        .bits_to_float()
        .sub(V::select(subnormal, x.set(23.0), zero));
    let finite = ln_reduced(f, k);
    let positive = V::select(x.less(infinity), finite, infinity);
    // NaN below 0, -inf at 0, and adding `x` gives NaN for NaN. What counts as 0 is asked of 0 itself: with flush-to-zero on, no
    // subnormal number is above it, not even in a comparison.
    let special = V::select(x.less(zero), x.set(f32::NAN), x.set(f32::NEG_INFINITY)).add(x);
    V::select(zero.less(x), positive, special)
}

/// `ln(1 + e^x)`, as `max(x, 0) + ln(1 + e^-|x|)`.
#[inline(always)]
pub(crate) fn softplus<V: Vector>(x: V) -> V {
    let one = x.set(1.0);
    let zero = x.set(0.0);
    let e = exp_negative(negative_magnitude(x));
    // `1 + e` lies in [1, 2]: halve it above sqrt(2). For small `e` the polynomial keeps its relative accuracy.
    let low = e.less(x.set(SQRT_2_MINUS_1));
    let f = V::select(low, e, e.sub(one).mul(x.set(0.5)));
    let k = V::select(low, zero, one);
    zero.max(x).add(ln_reduced(f, k))
}

/// `sin(x + quarter * pi / 2)` for `0 <= x <= TRIGONOMETRIC_LIMIT`.
#[inline(always)]
fn sin_shifted<V: Vector>(x: V, quarter: u32) -> V {
    let magic = x.set(ROUND);
    let z = x.mul_add(x.set(TWO_OVER_PI), magic);
    let n = z.sub(magic);
    let mut r = x;
    for part in HALF_PI {
        r = n.exact_mul_add(x.set(-part), r);
    }
    let square = r.mul(r);
    let sine = square.mul(r).mul_add(horner(square, SIN), r);
    let cosine = square
        .mul(square)
        .mul_add(horner(square, COS), square.mul_add(x.set(-0.5), x.set(1.0)));
    let quadrant = z.add_bits(x.set_bits(quarter));
    let odd = quadrant.shift_left_bits::<31>().sign_mask();
    let sign = quadrant.shift_left_bits::<30>().sign();
    V::select(odd, cosine, sine).xor_bits(sign)
}

/// Sine, for `|x| <= TRIGONOMETRIC_LIMIT`.
#[inline(always)]
pub(crate) fn sin<V: Vector>(x: V) -> V {
    sin_shifted(x.abs(), 0).xor_bits(x.sign())
}

/// Cosine, for `|x| <= TRIGONOMETRIC_LIMIT`.
#[inline(always)]
pub(crate) fn cos<V: Vector>(x: V) -> V {
    sin_shifted(x.abs(), 1)
}
