//! The closed table of kernels and their addresses.
//!
//! **Invariant:** compiled code imports kernels by [`Kernel`], never by a name, so nothing outside this table can be called.

use crate::kernels::{Function, Isa, math, pack, product};

/// A kernel that compiled code may call.
///
/// Every parameter of every kernel is a pointer or a `usize`, in the order given here, and no kernel returns a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kernel {
    /// `(source, rows, cols, row_stride, col_stride, dst_row, dst_col, packed, m, k)`: see [`crate::kernels::pack`].
    PackBlock,
    /// `(x, x_row_stride, rows, packed, m, k, y, y_row_stride, accumulate)`: see [`crate::kernels::product`].
    Product,
    /// `(x, y, n)`, `x` and `y` equal or disjoint: see [`crate::kernels::map`].
    Map(Function),
}

impl Kernel {
    /// Number of 64-bit integer parameters.
    #[must_use]
    pub const fn parameters(self) -> usize {
        match self {
            Kernel::PackBlock => 10,
            Kernel::Product => 9,
            Kernel::Map(_) => 3,
        }
    }

    /// Address of the variant for `isa`, an `extern "C"` function.
    ///
    /// Calling it is sound when `isa` is available and the memory named by the arguments is valid for the documented accesses.
    #[must_use]
    pub fn address(self, isa: Isa) -> *const u8 {
        match self {
            Kernel::PackBlock => pack::entry(isa) as *const u8,
            Kernel::Product => product::entry(isa) as *const u8,
            Kernel::Map(function) => math::entry(function, isa) as *const u8,
        }
    }
}

/// Defines `fn name(isa) -> extern "C" fn`, instantiating the generic `body` for every instruction set.
///
/// `body` must be an `unsafe fn` that is `#[inline(always)]`, so that its vectors compile under the features of the variant.
macro_rules! variants {
    ($(#[$doc:meta])* $vis:vis fn $name:ident = $body:ident($($arg:ident: $ty:ty),* $(,)?)) => {
        $(#[$doc])*
        $vis fn $name(isa: $crate::kernels::Isa) -> unsafe extern "C" fn($($ty),*) {
            use $crate::kernels::vector;

            unsafe extern "C" fn portable($($arg: $ty),*) {
                // SAFETY: the portable vector needs no feature; the memory is the caller's promise.
                unsafe { $body::<vector::portable::Portable>($($arg),*) }
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            unsafe extern "C" fn avx2($($arg: $ty),*) {
                // SAFETY: the features are enabled here; the memory is the caller's promise.
                unsafe { $body::<vector::avx2::Avx2>($($arg),*) }
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
            unsafe extern "C" fn avx512($($arg: $ty),*) {
                // SAFETY: the features are enabled here; the memory is the caller's promise.
                unsafe { $body::<vector::avx512::Avx512>($($arg),*) }
            }

            match isa {
                $crate::kernels::Isa::Portable => portable,
                #[cfg(target_arch = "x86_64")]
                $crate::kernels::Isa::Avx2 => avx2,
                #[cfg(target_arch = "x86_64")]
                $crate::kernels::Isa::Avx512 => avx512,
                #[cfg(not(target_arch = "x86_64"))]
                $crate::kernels::Isa::Avx2 | $crate::kernels::Isa::Avx512 => portable,
            }
        }
    };
}
pub(crate) use variants;
