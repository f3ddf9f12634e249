//! Every kernel at every small size, its operands between inaccessible pages: each ends, then begins, at one.
//!
//! No kernel may touch a float that its documentation does not name, not even to load and ignore it: memory plans
//! provide no room beyond a slot. Gaps between rows hold poison, so one that is read shows as NaN in a result, and one
//! that is written is no longer poison.

use super::guard::{Guarded, POISON, Side};
use super::{
    Block, Contraction, Function, Isa, RowReduction, Steps, argmax, column_sum, contract, map,
    outer_accumulate, pack, packed_len, product, reduce_rows, softmax, span, strided,
};

/// Sizes of each dimension: below, at and beyond the vectors and tiles of every instruction set.
const SIZES: std::ops::RangeInclusive<usize> = 1..=40;

/// Words between two rows that belong to neither.
const GAP: usize = 1;

/// Room for the largest operand.
const ROOM: usize = 64 * 64 * 3;

/// An operand: rows of some width with gaps, all of it at an inaccessible page.
struct Operand {
    memory: Guarded,
    side: Side,
    first: usize,
    rows: usize,
    width: usize,
}

impl Operand {
    fn new(side: Side) -> Self {
        let memory = Guarded::new(ROOM, side);
        Self {
            memory,
            side,
            first: 0,
            rows: 0,
            width: 0,
        }
    }

    fn stride(&self) -> usize {
        self.width + GAP
    }

    // Takes another size, with a value in every element and poison in the gaps.
    fn resize(&mut self, rows: usize, width: usize) -> &mut Self {
        let len = span(rows, width + GAP, width).expect("small");
        (self.rows, self.width) = (rows, width);
        self.first = match self.side {
            Side::Start => 0,
            Side::End => ROOM - len,
        };
        let stride = self.stride();
        for (at, word) in self.words_mut().iter_mut().enumerate() {
            let value = (at * 7 % 13) as f32 * 0.25 - 1.0;
            *word = if at % stride < width {
                value.to_bits()
            } else {
                POISON
            };
        }
        self
    }

    fn len(&self) -> usize {
        span(self.rows, self.stride(), self.width).expect("small")
    }

    fn words_mut(&mut self) -> &mut [u32] {
        let (first, len) = (self.first, self.len());
        &mut self.memory.words_mut()[first..][..len]
    }

    fn reals(&self) -> &[f32] {
        &self.memory.reals()[self.first..][..self.len()]
    }

    fn reals_mut(&mut self) -> &mut [f32] {
        let (first, len) = (self.first, self.len());
        &mut self.memory.reals_mut()[first..][..len]
    }

    fn poison(&mut self) {
        self.words_mut().fill(POISON);
    }

    // Every element is a number, every gap still poison.
    fn check(&self, what: std::fmt::Arguments<'_>) {
        let words = &self.memory.words()[self.first..][..self.len()];
        for (at, word) in words.iter().enumerate() {
            if at % self.stride() < self.width {
                assert!(
                    !f32::from_bits(*word).is_nan(),
                    "{what}: element {at} read or left poison"
                );
            } else {
                assert_eq!(*word, POISON, "{what}: wrote into the gap at {at}");
            }
        }
    }
}

fn cube() -> impl Iterator<Item = [usize; 3]> {
    let square = || SIZES.flat_map(|a| SIZES.map(move |b| [a, b]));
    square().flat_map(|[a, b]| SIZES.map(move |c| [a, b, c]))
}

fn square() -> impl Iterator<Item = [usize; 2]> {
    SIZES.flat_map(|a| SIZES.map(move |b| [a, b]))
}

fn variants() -> impl Iterator<Item = (Isa, Side)> {
    let isas = Isa::available().into_iter();
    isas.flat_map(|isa| Side::ALL.map(|side| (isa, side)))
}

// A dense matrix is rows without gaps: one row.
fn pack_all(isa: Isa, source: &mut Operand, packed: &mut Operand, [m, k]: [usize; 2], turn: bool) {
    source.resize(1, m * k);
    packed
        .resize(1, packed_len(m, k, isa).expect("small"))
        .poison();
    let (row_stride, col_stride) = if turn { (1, m) } else { (k, 1) };
    let block = Block {
        source: source.reals(),
        rows: m,
        cols: k,
        row_stride,
        col_stride,
        dst_row: 0,
        dst_col: 0,
    };
    pack(isa, block, packed.reals_mut(), m, k);
}

#[test]
fn packing_defines_every_float_and_touches_no_other() {
    for (isa, side) in variants() {
        let [mut source, mut packed] = [0, 1].map(|_| Operand::new(side));
        for [m, k] in square() {
            for turn in [false, true] {
                pack_all(isa, &mut source, &mut packed, [m, k], turn);
                packed.check(format_args!("pack {m} {k} {turn} on {}", isa.name()));
            }
        }
    }
}

#[test]
fn products_touch_their_rows_alone() {
    for (isa, side) in variants() {
        let [mut source, mut packed, mut x, mut y] = [0; 4].map(|_| Operand::new(side));
        for [m, k, rows] in cube() {
            if rows == 1 {
                pack_all(isa, &mut source, &mut packed, [m, k], false);
            }
            let accumulate = (m + k + rows) % 2 == 0;
            x.resize(rows, k);
            y.resize(rows, m);
            if !accumulate {
                y.poison();
            }
            let (x_stride, y_stride) = (x.stride(), y.stride());
            let packed = packed.reals();
            product(
                isa,
                x.reals(),
                x_stride,
                Steps::ONE,
                rows,
                packed,
                m,
                k,
                y.reals_mut(),
                y_stride,
                accumulate,
            );
            y.check(format_args!("product {rows} {m} {k} on {}", isa.name()));
        }
    }
}

#[test]
fn weight_gradients_touch_their_rows_alone() {
    for (isa, side) in variants() {
        let [mut y, mut x, mut dw] = [0; 3].map(|_| Operand::new(side));
        for [rows, m, k] in cube() {
            let accumulate = (m + k + rows) % 2 == 0;
            y.resize(rows, m);
            x.resize(rows, k);
            dw.resize(m, k);
            if !accumulate {
                dw.poison();
            }
            let strides = [y.stride(), x.stride(), dw.stride()];
            outer_accumulate(
                isa,
                y.reals(),
                strides[0],
                x.reals(),
                strides[1],
                Steps::ONE,
                rows,
                m,
                k,
                dw.reals_mut(),
                strides[2],
                accumulate,
            );
            dw.check(format_args!("outer {rows} {m} {k} on {}", isa.name()));
        }
    }
}

#[test]
fn contractions_touch_their_elements_alone() {
    for (isa, side) in variants() {
        let [mut a, mut b, mut c] = [0; 3].map(|_| Operand::new(side));
        for [m, k, n] in cube() {
            let pick = m + 2 * k + 3 * n;
            // Two products; each matrix row-major or the other way.
            let strides = |rows: usize, columns: usize, turned: bool| {
                if turned { (1, rows) } else { (columns, 1) }
            };
            let (a_m, a_k) = strides(m, k, pick % 2 == 0);
            let (b_k, b_n) = strides(k, n, pick / 2 % 2 == 0);
            let (c_m, c_n) = strides(m, n, pick / 4 % 2 == 0);
            let accumulate = pick / 8 % 2;
            a.resize(2, m * k);
            b.resize(2, k * n);
            c.resize(2, m * n);
            if accumulate == 0 {
                c.poison();
            }
            let shape = Contraction {
                rows: 2,
                m,
                k,
                n,
                a_row: a.stride(),
                a_m,
                a_k,
                b_row: b.stride(),
                b_k,
                b_n,
                c_row: c.stride(),
                c_m,
                c_n,
                accumulate,
            };
            contract(isa, a.reals(), b.reals(), c.reals_mut(), &shape);
            c.check(format_args!("{shape:?} on {}", isa.name()));
        }
    }
}

#[test]
fn functions_touch_their_elements_alone() {
    for (isa, side) in variants() {
        let [mut x, mut y] = [0, 1].map(|_| Operand::new(side));
        for function in Function::ALL {
            for n in SIZES {
                x.resize(1, n)
                    .reals_mut()
                    .iter_mut()
                    .for_each(|x| *x += 2.5);
                y.resize(1, n).poison();
                map(isa, function, x.reals(), y.reals_mut());
                y.check(format_args!("{function:?} of {n} on {}", isa.name()));
            }
        }
    }
}

#[test]
fn row_kernels_touch_their_rows_alone() {
    for (isa, side) in variants() {
        let [mut x, mut y, mut one, mut columns] = [0; 4].map(|_| Operand::new(side));
        let mut index = vec![0i32; 2 * 40];
        for [rows, f] in square() {
            let what = format!("{rows} {f} on {}", isa.name());
            x.resize(rows, f);
            y.resize(rows, f);
            let stride = x.stride();
            softmax(isa, x.reals(), stride, rows, f, y.reals_mut(), stride);
            y.check(format_args!("softmax {what}"));
            for reduction in RowReduction::ALL {
                one.resize(rows, 1);
                let stride_of_one = one.stride();
                reduce_rows(
                    isa,
                    reduction,
                    x.reals(),
                    stride,
                    rows,
                    f,
                    one.reals_mut(),
                    stride_of_one,
                );
                one.check(format_args!("{reduction:?} {what}"));
            }
            argmax(isa, x.reals(), stride, rows, f, &mut index, 2);
            assert!(index[..2 * rows].iter().all(|at| (*at as usize) < f));
            for accumulate in [false, true] {
                columns.resize(1, f);
                if !accumulate {
                    columns.poison();
                }
                column_sum(
                    isa,
                    x.reals(),
                    stride,
                    rows,
                    f,
                    columns.reals_mut(),
                    accumulate,
                );
                columns.check(format_args!("column sum {what}"));
            }
        }
    }
}

#[test]
fn strided_kernels_touch_their_rows_alone() {
    for side in Side::ALL {
        let [mut x, mut y, mut lengths, mut tokens] = [0; 4].map(|_| Operand::new(side));
        for [rows, f] in square() {
            let what = format!("{rows} {f}");
            x.resize(rows, f);
            // A row has ended when its length is at most the step.
            lengths.resize(1, rows);
            (lengths.words_mut().iter_mut().enumerate()).for_each(|(row, own)| *own = row as u32);
            tokens.resize(1, rows);
            (tokens.words_mut().iter_mut().enumerate())
                .for_each(|(row, token)| *token = (row * 3 % (f + 1)) as u32);
            let stride = x.stride();
            let (own, token) = (lengths.words_mut().as_ptr(), tokens.words_mut().as_ptr());
            let from = x.reals().as_ptr();
            // SAFETY: operands have as many rows of as many words as each kernel documents; `index` and `lengths` have an
            // entry a row, and a table an entry at least.
            unsafe {
                for fill in [strided::clear_rows, strided::lowest_rows] {
                    y.resize(rows, f);
                    fill(y.reals_mut().as_mut_ptr(), stride, rows, f);
                    y.check(format_args!("fill {what}"));
                }
                for combine in [strided::add_rows, strided::max_rows] {
                    for own in [own, std::ptr::null()] {
                        y.resize(rows, f);
                        let to = y.reals_mut().as_mut_ptr();
                        combine(from, stride, rows, f, to, stride, own, rows / 2);
                        y.check(format_args!("combine {what}"));
                    }
                }
                y.resize(1, f);
                let to = y.reals_mut().as_mut_ptr();
                strided::add_columns(from, stride, rows, f, to, own, rows / 2);
                y.check(format_args!("add columns {what}"));
                y.resize(rows, f);
                let to = y.words_mut().as_mut_ptr();
                strided::copy_matrix(from.cast(), stride, 1, rows, f, to, stride);
                y.check(format_args!("copy {what}"));
                // The other way around: columns of `x` become rows.
                y.resize(f, rows).poison();
                let to_stride = y.stride();
                let to = y.words_mut().as_mut_ptr();
                strided::copy_matrix(from.cast(), 1, stride, f, rows, to, to_stride);
                for (at, word) in y.words_mut().iter().enumerate() {
                    let gap = at % to_stride >= rows;
                    assert_eq!(*word == POISON, gap, "transposed copy {what}");
                }
                y.resize(rows, 1);
                let to = y.words_mut().as_mut_ptr();
                strided::gather(from.cast(), stride, f, 1, token, 1, rows, to, 2);
                y.check(format_args!("gather {what}"));
                let table_stride = 3 * f + GAP;
                y.resize(rows, 3 * f).poison();
                let to = y.reals_mut().as_mut_ptr();
                strided::scatter(token, 1, from, stride, rows, 3, f, to, table_stride);
                for (at, word) in y.words_mut().iter().enumerate() {
                    let gap = at % table_stride >= 3 * f;
                    assert_eq!(*word == POISON, gap, "scatter {what}");
                }
                y.resize(1, 3 * f);
                let to = y.reals_mut().as_mut_ptr();
                strided::scatter_add(token, 1, from, stride, rows, 3, f, to);
                y.check(format_args!("scatter add {what}"));
            }
        }
        for [len, inner] in square() {
            x.resize(2, 2 * len * inner);
            for reduction in RowReduction::ALL {
                y.resize(2, 2 * inner).poison();
                let (x_stride, y_stride) = (x.stride(), y.stride());
                let (from, to) = (x.reals().as_ptr(), y.reals_mut().as_mut_ptr());
                // SAFETY: two rows of `[2, len, inner]`, and of `[2, inner]`.
                unsafe {
                    strided::reduce_middle_entry(reduction)(
                        from, x_stride, 2, 2, len, inner, to, y_stride,
                    );
                }
                for (at, word) in y.words_mut().iter().enumerate() {
                    let gap = at % y_stride >= 2 * inner;
                    assert_eq!(*word == POISON, gap, "{reduction:?} of {len} by {inner}");
                }
            }
        }
    }
}
