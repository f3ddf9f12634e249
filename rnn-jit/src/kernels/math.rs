//! Elementwise mathematical functions on contiguous floats.
//!
//! | function | largest error | notes |
//! |---|---|---|
//! | `exp` | 1 ulp | over all inputs; subnormal results are rounded once |
//! | `tanh`, `sigmoid` | 3 ulp | over all inputs; `tanh` within [-1, 1]; `sigmoid` below 2^-126 is off by less than 2^-126 |
//! | `ln` | 2 ulp | over all inputs; NaN below 0, `-inf` at 0 |
//! | `softplus` | 4 ulp | over all inputs |
//! | `sin`, `cos` | 2 ulp | for magnitudes up to 1e5; beyond, the mathematical library of the target |
//!
//! NaN gives NaN. With flush-to-zero on, subnormal inputs count as zero and subnormal results become zero. The steps are in
//! [`poly`].
//!
//! **Invariant:** a result depends on its input alone, not on its position or on `n`: the last elements run through the same
//! instructions in a partial vector. AVX2 and AVX-512 agree bit for bit.

pub mod poly;

use crate::kernels::Isa;
use crate::kernels::table::variants;
use crate::kernels::vector::Vector;

/// A function of one real variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Function {
    /// `e^x`.
    Exp,
    /// Hyperbolic tangent.
    Tanh,
    /// `1 / (1 + e^-x)`.
    Sigmoid,
    /// Natural logarithm.
    Ln,
    /// `ln(1 + e^x)`.
    Softplus,
    /// Sine of radians.
    Sin,
    /// Cosine of radians.
    Cos,
}

impl Function {
    /// Every function.
    pub const ALL: [Function; 7] = [
        Function::Exp,
        Function::Tanh,
        Function::Sigmoid,
        Function::Ln,
        Function::Softplus,
        Function::Sin,
        Function::Cos,
    ];
}

/// `y[i] = function(x[i])`.
///
/// # Panics
/// If `isa` is not available or the lengths differ.
pub fn map(isa: Isa, function: Function, x: &[f32], y: &mut [f32]) {
    assert!(
        isa.is_available(),
        "instruction set {} is not available",
        isa.name()
    );
    assert_eq!(x.len(), y.len(), "x and y differ in length");
    // SAFETY: the instruction set is available and both slices hold `x.len()` floats.
    unsafe { entry(function, isa)(x.as_ptr(), y.as_mut_ptr(), x.len()) }
}

/// The kernel behind [`map`]: `(x, y, n)`, where `x == y` is allowed and other overlap is not.
pub(super) fn entry(
    function: Function,
    isa: Isa,
) -> unsafe extern "C" fn(*const f32, *mut f32, usize) {
    match function {
        Function::Exp => exp(isa),
        Function::Tanh => tanh(isa),
        Function::Sigmoid => sigmoid(isa),
        Function::Ln => ln(isa),
        Function::Softplus => softplus(isa),
        Function::Sin => sin(isa),
        Function::Cos => cos(isa),
    }
}

variants! { fn exp = exp_slice(x: *const f32, y: *mut f32, n: usize) }
variants! { fn tanh = tanh_slice(x: *const f32, y: *mut f32, n: usize) }
variants! { fn sigmoid = sigmoid_slice(x: *const f32, y: *mut f32, n: usize) }
variants! { fn ln = ln_slice(x: *const f32, y: *mut f32, n: usize) }
variants! { fn softplus = softplus_slice(x: *const f32, y: *mut f32, n: usize) }
variants! { fn sin = sin_slice(x: *const f32, y: *mut f32, n: usize) }
variants! { fn cos = cos_slice(x: *const f32, y: *mut f32, n: usize) }

/// Defines the loop over a slice for one function of a vector, the last elements through a partial vector.
///
/// A macro and not a generic function: a function passed as a value is called through a shim without the features of the
/// variant, into which its instructions cannot be inlined.
macro_rules! slices {
    ($($name:ident = $f:path;)*) => {$(
        /// # Safety
        /// The instruction set is available and `n` floats are valid at `x` and `y`, which are equal or disjoint.
        #[inline(always)]
        unsafe fn $name<V: Vector>(x: *const f32, y: *mut f32, n: usize) {
            let mut i = 0;
            // SAFETY: every access stays below `n`.
            unsafe {
                while i + V::LANES <= n {
                    $f(V::load(x.add(i))).store(y.add(i));
                    i += V::LANES;
                }
                if i < n {
                    $f(V::load_first(x.add(i), n - i)).store_first(y.add(i), n - i);
                }
            }
        }
    )*};
}
slices! {
    exp_slice = poly::exp;
    tanh_slice = poly::tanh;
    sigmoid_slice = poly::sigmoid;
    ln_slice = poly::ln;
    softplus_slice = poly::softplus;
    sin_slice = sin_anywhere;
    cos_slice = cos_anywhere;
}

/// Sine of any float.
#[inline(always)]
fn sin_anywhere<V: Vector>(x: V) -> V {
    beyond_limit(x, poly::sin(x), f32::sin)
}

/// Cosine of any float.
#[inline(always)]
fn cos_anywhere<V: Vector>(x: V) -> V {
    beyond_limit(x, poly::cos(x), f32::cos)
}

/// `near`, with the lanes beyond the range of the reduction replaced by `far` of the library.
#[inline(always)]
fn beyond_limit<V: Vector>(x: V, near: V, far: fn(f32) -> f32) -> V {
    let beyond = x.set(poly::TRIGONOMETRIC_LIMIT).less(x.abs());
    if !V::any(beyond) {
        return near;
    }
    let (mut inputs, mut outputs) = ([0.0; 16], [0.0; 16]);
    // SAFETY: no vector has more than 16 lanes, and one exists.
    unsafe {
        x.store(inputs.as_mut_ptr());
        near.store(outputs.as_mut_ptr());
        for (y, x) in outputs.iter_mut().zip(inputs) {
            if x.abs() > poly::TRIGONOMETRIC_LIMIT {
                *y = far(x);
            }
        }
        V::load(outputs.as_ptr())
    }
}

#[cfg(test)]
#[path = "math/tests.rs"]
mod tests;
