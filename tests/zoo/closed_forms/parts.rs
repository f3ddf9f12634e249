//! What cells are made of: normalisation, clocks, the head of a memory.

use super::assert_near;
use crate::drawn::{Noise, params, values};
use crate::models::*;
use ndarray::s;
use rnn::cells::*;
use rnn::prelude::*;

rnn! {
    /// Root mean square normalisation, weighed.
    model Normalised<H> {
        time   t in 1..=T;
        input  x[t]: [H];
        target w[t]: [H];
        y[t] = rms_norm(x[t]);
        output y;
        loss   sum[t](w[t] @ y[t]);
    }
}

/// `y = x / r`, `r^2 = mean(x^2) + epsilon`; `dL/dx = (w - y (w . y) / H) / r` (Zhang & Sennrich 2019, eq. 4 and 9).
#[test]
fn rms_norm_and_its_derivative_are_those_of_the_paper() {
    const H: usize = 7;
    let value = |salt: usize| {
        move |(t, b, i): (usize, usize, usize)| {
            ((t * 5 + b * 3 + i * 7 + salt) % 11) as f32 / 4.0 - 1.2
        }
    };
    let (x, w) = (
        Array3::from_shape_fn((3, 1, H), value(0)),
        Array3::from_shape_fn((3, 1, H), value(4)),
    );
    let spec = Normalised { H };
    let model = spec.compile(Options::default()).expect("compiles");
    let params = NormalisedParams::init(&spec, 1).expect("draws");
    let inputs = || NormalisedInputs { x: x.view() };
    let y = model.forward(&params, inputs()).expect("runs").y;
    let targets = NormalisedTargets { w: w.view() };
    let by = model.input_gradients(&params, inputs(), targets, &["x"]);
    let by = by.expect("runs");
    let found = by.get("x").expect("asked for");
    for t in 0..3 {
        let (x, w) = (x.slice(s![t, 0, ..]), w.slice(s![t, 0, ..]));
        let r = ((&x * &x).sum() / H as f32 + 1e-5).sqrt();
        let expected = &x / r;
        assert_near("y", &expected, y.slice(s![t, 0, ..]));
        let along = (&w * &expected).sum() / H as f32;
        let slope = (&w - &expected * along) / r;
        assert_near("dx", &slope, found.slice(s![t, 0, ..]));
    }
}

#[test]
fn groups_of_a_clockwork_change_at_their_own_times() {
    let spec = OverClockwork { I: 3, K: 2 };
    let (own, given) = (params(&spec, 1), values(&spec, 20, 1, 2));
    let x = given.reals["x"]
        .view()
        .into_dimensionality()
        .expect("[T, B, I]");
    let model = spec.compile(Options::default()).expect("compiles");
    let h = model
        .forward(&own, OverClockworkInputs { x })
        .expect("runs")
        .h;
    for t in 1..20 {
        for unit in 0..8 {
            let changed = h[[t, 0, unit]] != h[[t - 1, 0, unit]];
            assert_eq!(changed, t % (1 << (unit / 2)) == 0, "unit {unit}, step {t}");
        }
    }
}

#[test]
fn a_phased_unit_is_open_in_its_share_of_its_period_and_keeps_its_state_in_the_rest() {
    let spec = OverPhasedLstm { I: 3, H: 2 };
    let mut own = params(&spec, 1);
    let mut noise = Noise::new(9);
    let x = Array3::from_shape_simple_fn((24, 1, 3), || noise.next());
    own.unit.log_tau.assign(&array![4.0f32.ln(), 8.0f32.ln()]);
    own.unit.shift.fill(0.0);
    own.unit.r_on.fill(0.5);
    own.unit.alpha.fill(0.0);
    // Half a step late, so that no step falls on the edge of a phase.
    let at = Array2::from_shape_fn((24, 1), |(t, _)| t as f32 + 0.5);
    let model = spec.compile(Options::default()).expect("compiles");
    let inputs = OverPhasedLstmInputs {
        x: x.view(),
        at: at.view(),
    };
    let h = model.forward(&own, inputs).expect("runs").h;
    for t in 1..24 {
        for (unit, period) in [4, 8].into_iter().enumerate() {
            let changed = h[[t, 0, unit]] != h[[t - 1, 0, unit]];
            assert_eq!(changed, t % period < period / 2, "unit {unit}, step {t}");
        }
    }
}

#[test]
fn a_shift_of_a_memory_head_rotates_its_weights() {
    let spec = OverNtm {
        I: 3,
        H: 4,
        N: 5,
        D: 2,
    };
    let mut own = params(&spec, 1);
    // The head ignores content, shifts by one row in every step, and starts on the second.
    let head = &mut own.unit.read;
    head.b_g.fill(-100.0);
    head.w_g.fill(0.0);
    head.W_s.fill(0.0);
    head.b_s.assign(&array![-100.0, -100.0, 100.0]);
    head.w_start
        .assign(&array![-100.0, 100.0, -100.0, -100.0, -100.0]);
    rnn! {
        /// The weights of the head that reads.
        model Rotating<I, H, N, D> {
            time t in 1..=T;
            input x[t]: [I];
            layer unit = Ntm<I, H, N, D>;
            y[t] = unit(x[t]);
            w[t] = unit.read.w[t];
            output y, w;
        }
    }
    let rotating = Rotating {
        I: 3,
        H: 4,
        N: 5,
        D: 2,
    };
    let mut same = RotatingParams::zeros(&rotating).expect("zeros");
    use rnn::Tensors;
    same.visit_mut(&mut |name, mut view| {
        view.assign(&own.tensor(name).expect("the same parameters"));
    });
    let model = rotating.compile(Options::default()).expect("compiles");
    let x = Array3::from_elem((7, 1, 3), 0.5);
    let w = model
        .forward(&same, RotatingInputs { x: x.view() })
        .expect("runs")
        .w;
    for t in 0..7 {
        let expected: Vec<f32> = (0..5)
            .map(|row| f32::from(u8::from(row == (t + 2) % 5)))
            .collect();
        assert_near("w", &expected, w.slice(s![t, 0, ..]));
    }
}
