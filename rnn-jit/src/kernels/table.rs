//! The closed table of kernels and their addresses.
//!
//! **Invariant:** compiled code imports kernels by [`Kernel`], never by a name, so nothing outside this table can be called.

use crate::kernels::{
    Function, Isa, RowReduction, contract, dot, lap, math, outer, pack, product, rows, strided,
};

/// A kernel that compiled code may call.
///
/// Every parameter of every kernel is a pointer or a `usize`, in the order given here, and no kernel returns a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kernel {
    /// `(source, rows, cols, row_stride, col_stride, dst_row, dst_col, packed, m, k)`: see [`crate::kernels::pack`].
    PackBlock,
    /// `(x, x_row_stride, x_step_rows, x_step_stride, rows, packed, m, k, y, y_row_stride, accumulate)`: see [`crate::kernels::product`].
    Product,
    /// `(y, y_row_stride, x, x_row_stride, x_step_rows, x_step_stride, rows, m, k, dw, dw_row_stride, accumulate)`: see [`crate::kernels::outer_accumulate`].
    OuterAccumulate,
    /// `(x, y, n)`, `x` and `y` equal or disjoint: see [`crate::kernels::map`].
    Map(Function),
    /// `(x, x_row_stride, rows, f, y, y_row_stride)`: see [`crate::kernels::softmax`].
    Softmax,
    /// `(x, x_row_stride, rows, f, y, y_row_stride)`, one float a row: see [`crate::kernels::reduce_rows`].
    Reduce(RowReduction),
    /// `(x, x_row_stride, rows, f, y, y_row_stride)`, one `i32` a row: see [`crate::kernels::argmax`].
    Argmax,
    /// `(x, x_row_stride, rows, f, y, accumulate)`: see [`crate::kernels::column_sum`].
    ColumnSum,
    /// `(a, b, c, contraction)`, the last a pointer to a [`crate::kernels::Contraction`]: see [`crate::kernels::contract`].
    Contract,
    /// `(y, y_row_stride, rows, f)`: zeros.
    ClearRows,
    /// `(y, y_row_stride, rows, f)`: minus infinity, the maximum of nothing.
    LowestRows,
    /// `(x, x_row_stride, rows, f, y, y_row_stride, lengths, step)`: adds each row that is longer than `step`; `lengths` may be 0.
    AddRows,
    /// `(x, x_row_stride, rows, f, y, y_row_stride, lengths, step)`: the larger of each, as `AddRows`.
    MaxRows,
    /// `(a, a_row_stride, b, b_row_stride, rows, f, y, y_row_stride)`: the dot product of each row of `a` with one of `b`.
    Dot,
    /// `(a, a_row_stride, a_step, b, b_row_stride, rows, f, y, y_row_stride, lengths, step)`: adds `a b` of each row that is
    /// longer than `step`, where `a` has a number for all columns (`a_step` 0) or for each; `lengths` may be 0.
    MultiplyAdd,
    /// `(x, x_row_stride, rows, f, y, lengths, step)`: adds each row that is longer than `step` to one row.
    AddColumns,
    /// `(x, x_row_stride, rows, outer, len, inner, y, y_row_stride)`: reduces the middle axis of `[outer, len, inner]`.
    ReduceMiddle(RowReduction),
    /// `(x, line_stride, inner_stride, lines, width, y, y_line_stride)`: copies a strided matrix.
    CopyMatrix,
    /// `(table, table_row_stride, entries, width, index, index_stride, rows, y, y_row_stride)`: one entry of each row's table.
    Gather,
    /// `(index, index_stride, x, x_row_stride, rows, entries, width, y, y_row_stride)`: zeros with `x` at one entry.
    Scatter,
    /// `(index, index_stride, x, x_row_stride, rows, entries, width, y)`: adds each row to one entry of a table.
    ScatterAdd,
    /// `(counters, meter, calls)`: ends a lap of a profiled program.
    Lap,
}

impl Kernel {
    /// Number of 64-bit integer parameters.
    #[must_use]
    pub const fn parameters(self) -> usize {
        match self {
            Kernel::MultiplyAdd => 11,
            Kernel::PackBlock => 10,
            Kernel::OuterAccumulate => 12,
            Kernel::Product => 11,
            Kernel::Gather | Kernel::Scatter => 9,
            Kernel::AddRows
            | Kernel::MaxRows
            | Kernel::ReduceMiddle(_)
            | Kernel::ScatterAdd
            | Kernel::Dot => 8,
            Kernel::AddColumns | Kernel::CopyMatrix => 7,
            Kernel::Softmax | Kernel::Reduce(_) | Kernel::Argmax | Kernel::ColumnSum => 6,
            Kernel::ClearRows | Kernel::LowestRows | Kernel::Contract => 4,
            Kernel::Map(_) | Kernel::Lap => 3,
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
            Kernel::OuterAccumulate => outer::entry(isa) as *const u8,
            Kernel::Map(function) => math::entry(function, isa) as *const u8,
            Kernel::Softmax => rows::softmax_entry(isa) as *const u8,
            Kernel::Reduce(reduction) => rows::reduce_entry(reduction, isa) as *const u8,
            Kernel::Argmax => rows::argmax_entry(isa) as *const u8,
            Kernel::ColumnSum => rows::column_sum_entry(isa) as *const u8,
            Kernel::Contract => contract::entry(isa) as *const u8,
            Kernel::ClearRows => strided::clear_rows as *const u8,
            Kernel::LowestRows => strided::lowest_rows as *const u8,
            Kernel::AddRows => strided::add_rows as *const u8,
            Kernel::MaxRows => strided::max_rows as *const u8,
            Kernel::Dot => dot::dot_entry(isa) as *const u8,
            Kernel::MultiplyAdd => dot::multiply_add_entry(isa) as *const u8,
            Kernel::AddColumns => strided::add_columns as *const u8,
            Kernel::ReduceMiddle(reduction) => strided::reduce_middle_entry(reduction) as *const u8,
            Kernel::CopyMatrix => strided::copy_matrix as *const u8,
            Kernel::Gather => strided::gather as *const u8,
            Kernel::Scatter => strided::scatter as *const u8,
            Kernel::ScatterAdd => strided::scatter_add as *const u8,
            Kernel::Lap => lap::lap_entry as *const u8,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_has_an_address_on_every_instruction_set() {
        let kernels = [
            Kernel::PackBlock,
            Kernel::Product,
            Kernel::OuterAccumulate,
            Kernel::Softmax,
            Kernel::Argmax,
            Kernel::ColumnSum,
            Kernel::Contract,
            Kernel::Dot,
            Kernel::MultiplyAdd,
        ];
        let kernels = kernels
            .into_iter()
            .chain(Function::ALL.map(Kernel::Map))
            .chain(RowReduction::ALL.map(Kernel::Reduce));
        for kernel in kernels {
            assert!((1..=12).contains(&kernel.parameters()));
            for isa in Isa::available() {
                assert!(!kernel.address(isa).is_null(), "{kernel:?}");
            }
        }
    }
}
