//! What kind of recurrence each cell is: the verdicts by the equations of its paper, and the verdicts against numbers.

use super::drawn::{of_mode, params, surroundings, values};
use super::loops::loops;
use super::models::Sample;
use super::table::{Cell, Visitor, visit};
use rnn::ir::generate::Draw;
use rnn::ir::random::mode::Mode;
use rnn::ir::recurrence::check::{Checked, check_recurrences};

/// A line for each cell: the verdicts on its loops at the small sizes, in an order of evaluation, and why, of its paper.
#[rustfmt::skip]
const VERDICTS: [(&str, &[&str], &str); 46] = [
    ("Elman", &["nonlinear, dense"], "tanh of `W_hh h'`"),
    ("Jordan", &["nonlinear, dense"], "`W_sh s` in the tanh; `s` itself is linear, but `y'` is not"),
    ("Irnn", &["nonlinear, dense"], "relu of `W_hh h'`"),
    ("IndRnn", &["nonlinear, diagonal"], "relu of `u * h'`: eq. 2, the independence of the name"),
    ("SkipElman", &["nonlinear, dense"], "tanh of `W_hh h'`"),
    ("Scrn", &["linear, diagonal, invertible unless `alpha` is 0", "nonlinear, dense"], "the context's matrix is `alpha I`; the hidden layer is Elman's"),
    ("Lstm", &["nonlinear, dense"], "gates read `h'`"),
    ("PeepholeLstm", &["nonlinear, dense"], "gates read `h'`"),
    ("CoupledLstm", &["nonlinear, dense"], "gates read `h'`"),
    ("ProjectedLstm", &["nonlinear, diagonal and rank 8"], "four numbers are fed back, and four are read of the cell; five cells on the diagonal"),
    ("LayerNormLstm", &["nonlinear, diagonal and rank 7"], "gates read five numbers of `h'`, and the norm a mean and a variance of the cell; ten units"),
    ("BatchNormLstm", &["nonlinear, diagonal", "nonlinear, diagonal", "nonlinear, diagonal", "nonlinear, dense"], "of three statistics a step is counted, up to the last row; gates read `h'`"),
    ("MultiplicativeLstm", &["nonlinear, dense"], "gates read `m`, which reads `h'`"),
    ("MogrifierLstm", &["nonlinear, dense"], "gates read `v`, which reads `h'`"),
    ("Gru", &["nonlinear, dense"], "gates read `h'`"),
    ("GruResetAfter", &["nonlinear, dense"], "gates read `h'`"),
    ("LayerNormGru", &["nonlinear, dense"], "gates read `h'`"),
    ("Mgu", &["nonlinear, dense"], "gates read `h'`"),
    ("Ugrnn", &["nonlinear, dense"], "gates read `h'`"),
    ("LiGru", &["nonlinear, dense"], "gates read `h'`"),
    ("Rhn", &["nonlinear, dense"], "gates of the first layer read `s_L'`"),
    ("LinearStateSpace", &["linear, dense"], "`A x'`"),
    ("Sru", &["nonlinear, diagonal"], "gates read `v * c'`, unit by unit: eq. 1"),
    ("QrnnF", &["linear, diagonal, invertible"], "the gate reads inputs alone, and is above zero: eq. 3"),
    ("QrnnFo", &["linear, diagonal, invertible"], "the gate reads inputs alone, and is above zero: eq. 4"),
    ("MinGru", &["linear, diagonal, invertible"], "`1 - z` reads inputs alone, and is above zero"),
    ("MinLstm", &["linear, diagonal, invertible"], "`f / (f + i)` reads inputs alone, and is above zero"),
    ("Lru", &["linear, diagonal across states"], "a complex eigenvalue is a rotation of `p` and `q`"),
    ("RgLru", &["linear, diagonal, invertible"], "`a` is an exponential, and reads inputs alone: eq. 3 and 4"),
    ("Slstm", &["nonlinear, dense"], "gates read `h'`"),
    ("Mlstm", &["linear over (max, +), diagonal", "linear, diagonal, invertible", "linear, diagonal, invertible"], "no gate reads the memory: `m` is a maximum, `C` and `n` are scaled by an exponential"),
    ("Antisymmetric", &["nonlinear, dense"], "tanh of `(W - W.T) h'`"),
    ("GatedAntisymmetric", &["nonlinear, dense"], "tanh of `(W - W.T) h'`"),
    ("CoRnn", &["nonlinear, diagonal and rank 5"], "all goes through the tanh of `W y' + W_z z'`; `z'` is in the tanh and beside it, so only `y'` follows from the step after"),
    ("Unicornn", &["nonlinear, diagonal across states, invertible"], "symplectic Euler: `y' = y - dt z`, then `z'`"),
    ("Lem", &["nonlinear, dense"], "gates read `y'`"),
    ("Cfc", &["nonlinear, diagonal and rank 4"], "all goes through a backbone of four units"),
    ("LeakyEsn", &["nonlinear, dense"], "tanh of `W x'`"),
    ("Clockwork", &["linear, diagonal, invertible", "nonlinear, dense"], "the clock counts; groups read slower ones"),
    ("PhasedLstm", &["nonlinear, dense"], "gates read `h'`"),
    ("Ntm", &["nonlinear, diagonal and rank 22"], "4 + 2 into the controller, 2 + 2 of `e` and `a`, 5 + 5 weights, 2 of `r`: see below; 30 units"),
    ("HmmForward", &["linear over (logsumexp, +), dense"], "eq. 20: a sum of products of probabilities"),
    ("BahdanauDecoder", &["nonlinear, dense"], "gates read `s'`"),
    ("LuongDotDecoder", &["nonlinear, dense"], "gates read `h'` and `s'`"),
    ("LuongGeneralDecoder", &["nonlinear, dense"], "gates read `h'` and `s'`"),
    ("ScaledDotDecoder", &["nonlinear, dense"], "gates read `h'` and `s'`"),
];

// The rank of what mixes units in `Ntm`, at four units of the controller (H) and five rows (N) of two numbers (D). States are `h` and
// `c` (H each), `M` (N D), the weights of two heads (N each) and `r` (D): 8 + 10 + 10 + 2 = 30 units. On the diagonal are `f * c'` in
// `c`, from there `o * tanh(c)` in `h`, and `M' * (1 - outer(w_write, e))` in `M`. The rest of a step, as a linear map, is
//
//     dc, dh     by (dh', dr') through the gates, whose matrices read them alone        H + D = 6
//     dw_write   N numbers, whatever they are of                                        N     = 5
//     dM         outer(dw_write, ..), which adds nothing to those, and (de, da)         2 D   = 4
//     dw_read    N numbers                                                              N     = 5
//     dr         D numbers                                                              D     = 2
//
// and none of these can be had for less: `(de, da)` follow `h`, which follows `c'` too and not `(dh', dr')` alone, and to cut at `h`
// instead would take H = 4, as many; `M` has more elements than the N + 2 D numbers that move it. Together 22.
struct Verdicts(Vec<String>);

impl Visitor for Verdicts {
    #[inline(never)]
    fn cell<M: Sample>(&mut self, cell: &Cell, small: M, _: fn(usize) -> M) {
        let found: Vec<String> = loops(&small)
            .into_iter()
            .map(|(_, verdict)| verdict)
            .collect();
        let expected = VERDICTS.iter().find(|(name, ..)| *name == cell.name);
        match expected {
            Some((_, expected, _)) if found == *expected => {}
            expected => self.0.push(format!(
                "{}: expected {expected:?}, found {found:?}",
                cell.name
            )),
        }
    }
}

#[test]
fn verdicts_are_those_of_the_papers() {
    let mut verdicts = Verdicts(Vec::new());
    visit(&mut verdicts);
    assert!(verdicts.0.is_empty(), "{}", verdicts.0.join("\n"));
}

struct Numbers(Checked, Vec<String>);

impl Visitor for Numbers {
    #[inline(never)]
    fn cell<M: Sample>(&mut self, cell: &Cell, small: M, _: fn(usize) -> M) {
        let lengths = [3, 2, 4];
        let (params, values) = (params(&small, 7), values(&small, 4, 3, 8));
        let env = surroundings(&small, &params, &values, &lengths);
        match check_recurrences(&of_mode(&small, Mode::Inference), &env, &mut Draw::new(9)) {
            Ok(checked) => self.0.add(checked),
            Err(error) => self.1.push(format!("{}: {error}", cell.name)),
        }
    }
}

#[test]
fn verdicts_hold_for_jacobians_and_on_the_way_back() {
    let mut numbers = Numbers(Checked::default(), Vec::new());
    visit(&mut numbers);
    assert!(numbers.1.is_empty(), "{}", numbers.1.join("\n"));
    let all = numbers.0;
    assert!(
        all.loops > 45 && all.linear > 10 && all.diagonal > 10 && all.inverted > 8,
        "{all:?}"
    );
}
