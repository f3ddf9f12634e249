//! What cells compute where it is known in closed form, and forms of one cell that are equal.

use super::drawn::{Noise, params, values};
use super::models::*;
use ndarray::{ArrayView1, ArrayView2, concatenate, s};
use rnn::cells::*;
use rnn::prelude::*;

/// Of numbers near one after a few dozen operations in f32, 2^-24 each.
const TOLERANCE: f32 = 1e-5;

fn assert_near<'f>(
    what: &str,
    expected: impl IntoIterator<Item = &'f f32>,
    found: impl IntoIterator<Item = &'f f32>,
) {
    let (expected, found): (Vec<&f32>, Vec<&f32>) =
        (expected.into_iter().collect(), found.into_iter().collect());
    assert_eq!(expected.len(), found.len(), "{what}");
    for (at, (expected, found)) in expected.iter().zip(&found).enumerate() {
        let bound = TOLERANCE * expected.abs().max(1.0);
        assert!(
            (*expected - *found).abs() <= bound,
            "{what}[{at}]: expected {expected}, found {found}"
        );
    }
}

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

rnn! {
    /// The LSTM with one weight matrix over the joined state and input: `W [h[t-1], x[t]] + b`.
    model JoinedLstm<I, H> {
        time t in 1..=T;
        input x[t]: [I];
        param W_i, W_f, W_g, W_o: [H, H + I] ~ glorot_uniform;
        param b_i, b_f, b_g, b_o: [H] = 0;
        i[t] = sigmoid(W_i @ [h[t-1], x[t]] + b_i);
        f[t] = sigmoid(W_f @ [h[t-1], x[t]] + b_f);
        g[t] = tanh(W_g @ [h[t-1], x[t]] + b_g);
        o[t] = sigmoid(W_o @ [h[t-1], x[t]] + b_o);
        c[t] = f[t] * c[t-1] + i[t] * g[t];
        h[t] = o[t] * tanh(c[t]);
        output h;
    }

    /// The GRU with one weight matrix over the joined state and input; the candidate's state is reset before it is joined.
    model JoinedGru<I, H> {
        time t in 1..=T;
        input x[t]: [I];
        param W_z, W_r, W_n: [H, H + I] ~ glorot_uniform;
        param b_z, b_r, b_n: [H] = 0;
        z[t] = sigmoid(W_z @ [h[t-1], x[t]] + b_z);
        r[t] = sigmoid(W_r @ [h[t-1], x[t]] + b_r);
        n[t] = tanh(W_n @ [r[t] * h[t-1], x[t]] + b_n);
        h[t] = (1 - z[t]) * h[t-1] + z[t] * n[t];
        output h;
    }

    /// The scalar LSTM of xLSTM as it is defined, without dividing its weights by the largest.
    model PlainSlstm<I, H> {
        time t in 1..=T;
        input x[t]: [I];
        param W_z, W_i, W_f, W_o: [H, I] ~ glorot_uniform;
        param R_z, R_i, R_f, R_o: [H, H] ~ orthogonal;
        param b_z, b_i, b_f, b_o: [H] = 0;
        i[t] = exp(W_i @ x[t] + R_i @ h[t-1] + b_i);
        f[t] = sigmoid(W_f @ x[t] + R_f @ h[t-1] + b_f);
        c[t] = f[t] * c[t-1] + i[t] * tanh(W_z @ x[t] + R_z @ h[t-1] + b_z);
        n[t] = f[t] * n[t-1] + i[t];
        h[t] = sigmoid(W_o @ x[t] + R_o @ h[t-1] + b_o) * c[t] / n[t];
        output h;
    }

    /// The matrix LSTM as it is defined.
    model PlainMlstm<I, D> {
        time t in 1..=T;
        input x[t]: [I];
        param W_q, W_k, W_v, W_o: [D, I] ~ glorot_uniform;
        param b_q, b_k, b_v, b_o: [D] = 0;
        param w_i, w_f: [I] ~ normal(0.0, 0.1);
        param b_i, b_f: [] = 0;
        q[t] = W_q @ x[t] + b_q;
        k[t] = (W_k @ x[t]) / sqrt(D) + b_k;
        i[t] = exp(w_i @ x[t] + b_i);
        f[t] = sigmoid(w_f @ x[t] + b_f);
        C[t] = f[t] * C[t-1] + i[t] * outer(W_v @ x[t] + b_v, k[t]);
        n[t] = f[t] * n[t-1] + i[t] * k[t];
        h[t] = sigmoid(W_o @ x[t] + b_o) * (C[t] @ q[t]) / max(abs(n[t] @ q[t]), 1);
        output h;
    }
}

#[test]
fn the_lstm_is_the_same_joined_and_split() {
    let spec = OverLstm { I: 3, H: 5 };
    let (split, values) = (params(&spec, 1), values(&spec, 6, 2, 2));
    let join = |u: &Array2<f32>, w: &Array2<f32>| {
        concatenate(ndarray::Axis(1), &[u.view(), w.view()]).expect("as many rows")
    };
    let cell = &split.unit;
    let joined = JoinedLstmParams {
        W_i: join(&cell.U_i, &cell.W_i),
        W_f: join(&cell.U_f, &cell.W_f),
        W_g: join(&cell.U_g, &cell.W_g),
        W_o: join(&cell.U_o, &cell.W_o),
        b_i: cell.b_i.clone(),
        b_f: cell.b_f.clone(),
        b_g: cell.b_g.clone(),
        b_o: cell.b_o.clone(),
    };
    let x = &values.reals["x"]
        .view()
        .into_dimensionality()
        .expect("[T, B, I]");
    let expected = JoinedLstm { I: 3, H: 5 }
        .compile(Options::default())
        .expect("compiles");
    let expected = expected
        .forward(&joined, JoinedLstmInputs { x: *x })
        .expect("runs")
        .h;
    let found = spec.compile(Options::default()).expect("compiles");
    let found = found
        .forward(&split, OverLstmInputs { x: *x })
        .expect("runs")
        .h;
    assert_near("h", &expected, &found);
}

#[test]
fn the_gru_is_the_same_joined_and_split() {
    let spec = OverGru { I: 3, H: 5 };
    let (split, values) = (params(&spec, 1), values(&spec, 6, 2, 2));
    let join = |u: &Array2<f32>, w: &Array2<f32>| {
        concatenate(ndarray::Axis(1), &[u.view(), w.view()]).expect("as many rows")
    };
    let cell = &split.unit;
    let joined = JoinedGruParams {
        W_z: join(&cell.U_z, &cell.W_z),
        W_r: join(&cell.U_r, &cell.W_r),
        W_n: join(&cell.U_n, &cell.W_n),
        b_z: cell.b_z.clone(),
        b_r: cell.b_r.clone(),
        b_n: cell.b_n.clone(),
    };
    let x = &values.reals["x"]
        .view()
        .into_dimensionality()
        .expect("[T, B, I]");
    let expected = JoinedGru { I: 3, H: 5 }
        .compile(Options::default())
        .expect("compiles");
    let expected = expected
        .forward(&joined, JoinedGruInputs { x: *x })
        .expect("runs")
        .h;
    let found = spec.compile(Options::default()).expect("compiles");
    let found = found
        .forward(&split, OverGruInputs { x: *x })
        .expect("runs")
        .h;
    assert_near("h", &expected, &found);
}

#[test]
fn the_grus_are_equal_where_the_reset_gate_is_open() {
    let (before, after) = (OverGru { I: 3, H: 5 }, OverGruResetAfter { I: 3, H: 5 });
    let (mut one, mut two, values) = (
        params(&before, 1),
        params(&after, 1),
        values(&before, 6, 2, 2),
    );
    // The reset gate is one to the last bit, the update gates are each other's rest, and biases are where both have them.
    one.unit.b_r.fill(100.0);
    two.unit.b_r.fill(100.0);
    two.unit.W_z = -&one.unit.W_z;
    two.unit.U_z = -&one.unit.U_z;
    two.unit.b_z = -&one.unit.b_z - &two.unit.c_z;
    two.unit.W_n.clone_from(&one.unit.W_n);
    two.unit.U_n.clone_from(&one.unit.U_n);
    two.unit.b_n = &one.unit.b_n - &two.unit.c_n;
    let x = values.reals["x"]
        .view()
        .into_dimensionality()
        .expect("[T, B, I]");
    let one_of = before.compile(Options::default()).expect("compiles");
    let two_of = after.compile(Options::default()).expect("compiles");
    let expected = one_of.forward(&one, OverGruInputs { x }).expect("runs").h;
    let found = two_of
        .forward(&two, OverGruResetAfterInputs { x })
        .expect("runs")
        .h;
    assert_near("h", &expected, &found);
    // They are not the same cell.
    one.unit.b_r.fill(0.5);
    two.unit.b_r.fill(0.5);
    two.unit.c_r.fill(0.0);
    two.unit.W_r.clone_from(&one.unit.W_r);
    two.unit.U_r.clone_from(&one.unit.U_r);
    let expected = one_of.forward(&one, OverGruInputs { x }).expect("runs").h;
    let found = two_of
        .forward(&two, OverGruResetAfterInputs { x })
        .expect("runs")
        .h;
    assert!((expected - found).iter().any(|error| error.abs() > 1e-3));
}

#[test]
fn exponential_gates_are_those_of_the_definition() {
    let spec = OverSlstm { I: 3, H: 5 };
    let (own, given) = (params(&spec, 1), values(&spec, 6, 2, 2));
    let cell = own.unit.clone();
    let plain = PlainSlstmParams {
        W_z: cell.W_z,
        W_i: cell.W_i,
        W_f: cell.W_f,
        W_o: cell.W_o,
        R_z: cell.R_z,
        R_i: cell.R_i,
        R_f: cell.R_f,
        R_o: cell.R_o,
        b_z: cell.b_z,
        b_i: cell.b_i,
        b_f: cell.b_f,
        b_o: cell.b_o,
    };
    let x = given.reals["x"]
        .view()
        .into_dimensionality()
        .expect("[T, B, I]");
    let expected = PlainSlstm { I: 3, H: 5 }
        .compile(Options::default())
        .expect("compiles");
    let expected = expected
        .forward(&plain, PlainSlstmInputs { x })
        .expect("runs")
        .h;
    let found = spec.compile(Options::default()).expect("compiles");
    assert_near(
        "h",
        &expected,
        &found.forward(&own, OverSlstmInputs { x }).expect("runs").h,
    );

    let spec = OverMlstm { I: 3, D: 4 };
    let (mut own, given) = (params(&spec, 1), values(&spec, 6, 2, 2));
    // Both sides of the bound of `n . q` are seen.
    own.unit.W_q.mapv_inplace(|value| 4.0 * value);
    let cell = own.unit.clone();
    let plain = PlainMlstmParams {
        W_q: cell.W_q,
        W_k: cell.W_k,
        W_v: cell.W_v,
        W_o: cell.W_o,
        b_q: cell.b_q,
        b_k: cell.b_k,
        b_v: cell.b_v,
        b_o: cell.b_o,
        w_i: cell.w_i,
        w_f: cell.w_f,
        b_i: cell.b_i,
        b_f: cell.b_f,
    };
    let x = given.reals["x"]
        .view()
        .into_dimensionality()
        .expect("[T, B, I]");
    let expected = PlainMlstm { I: 3, D: 4 }
        .compile(Options::default())
        .expect("compiles");
    let expected = expected
        .forward(&plain, PlainMlstmInputs { x })
        .expect("runs")
        .h;
    let found = spec.compile(Options::default()).expect("compiles");
    assert_near(
        "h",
        &expected,
        &found.forward(&own, OverMlstmInputs { x }).expect("runs").h,
    );

    // Weights that no f32 holds: of the largest, the others are nothing.
    own.unit.b_i.fill(200.0);
    let large = found.forward(&own, OverMlstmInputs { x }).expect("runs").h;
    assert!(large.iter().all(|value| value.is_finite()));
}

fn softmax(logits: ArrayView1<'_, f32>) -> Vec<f64> {
    let powers: Vec<f64> = logits.iter().map(|logit| f64::from(*logit).exp()).collect();
    let total: f64 = powers.iter().sum();
    powers.iter().map(|power| power / total).collect()
}

fn rows(logits: ArrayView2<'_, f32>) -> Vec<Vec<f64>> {
    logits.rows().into_iter().map(softmax).collect()
}

#[test]
fn the_likelihood_of_a_hidden_markov_model_is_the_sum_over_all_paths() {
    let (states, steps, batch) = (4, 5, 3);
    let spec = OverHmmForward { S: states, V: 6 };
    let (own, given) = (params(&spec, 1), values(&spec, steps, batch, 2));
    let x = given.tokens["x"]
        .view()
        .into_dimensionality::<ndarray::Ix2>()
        .expect("[T, B]");
    let model = spec.compile(Options::default()).expect("compiles");
    let targets = OverHmmForwardTargets::default();
    let losses = model
        .losses(&own, OverHmmForwardInputs { x }, targets)
        .expect("runs");
    let cell = &own.unit;
    let (pi, a, b) = (
        softmax(cell.pi.view()),
        rows(cell.A.view()),
        rows(cell.B.view()),
    );
    for (row, loss) in losses.iter().enumerate() {
        let mut likelihood = 0.0;
        for path in 0..states.pow(steps as u32) {
            let state = |t: usize| path / states.pow(t as u32) % states;
            let mut probability = pi[state(0)];
            for t in 0..steps {
                if t > 0 {
                    probability *= a[state(t - 1)][state(t)];
                }
                probability *= b[state(t)][x[[t, row]] as usize];
            }
            likelihood += probability;
        }
        assert_near("loss", &[-likelihood.ln() as f32], &[*loss]);
    }
}

#[test]
fn the_impulse_response_of_a_linear_state_space_is_of_powers_of_its_matrix() {
    let spec = OverLinearStateSpace { I: 2, N: 5, O: 3 };
    let own = params(&spec, 1);
    let model = spec.compile(Options::default()).expect("compiles");
    // Example i is an impulse on input i.
    let mut x = Array3::zeros((6, 2, 2));
    x[[0, 0, 0]] = 1.0;
    x[[0, 1, 1]] = 1.0;
    let y = model
        .forward(&own, OverLinearStateSpaceInputs { x: x.view() })
        .expect("runs")
        .h;
    let cell = &own.unit;
    let mut state = cell.B.clone();
    for t in 0..6 {
        let mut expected = cell.C.dot(&state);
        if t == 0 {
            expected += &cell.D;
        }
        assert_near(
            "y",
            &expected.t().as_standard_layout().into_owned(),
            y.slice(s![t, .., ..]),
        );
        state = cell.A.dot(&state);
    }
}

#[test]
fn the_linear_recurrent_unit_multiplies_by_a_complex_number() {
    let spec = OverLru { I: 1, N: 1, O: 1 };
    let mut own = params(&spec, 1);
    let (r, theta) = (0.9f64, 0.7f64);
    own.unit.nu.fill((-r.ln()).ln() as f32);
    own.unit.theta.fill(theta as f32);
    own.unit.B_re.fill(1.0);
    own.unit.B_im.fill(0.0);
    own.unit.C_re.fill(1.0);
    own.unit.C_im.fill(2.0);
    own.unit.D.fill(0.0);
    let mut x = Array3::zeros((20, 1, 1));
    x[[0, 0, 0]] = 1.0;
    let model = spec.compile(Options::default()).expect("compiles");
    let y = model
        .forward(&own, OverLruInputs { x: x.view() })
        .expect("runs")
        .h;
    // Re((1 + 2i) sqrt(1 - r^2) r^t e^(i theta t)).
    let expected: Vec<f32> = (0..20)
        .map(|t| {
            let t = f64::from(t);
            let angle = theta * t;
            ((1.0 - r * r).sqrt() * r.powf(t) * (angle.cos() - 2.0 * angle.sin())) as f32
        })
        .collect();
    assert_near("y", &expected, &y);
}

#[test]
fn a_scaled_identity_forgets_keeps_or_explodes() {
    let spec = OverIrnn { I: 4, H: 4 };
    let drawn = OverIrnnParams::init(&spec, 1).expect("draws");
    assert_eq!(
        drawn.unit.W_hh,
        Array2::<f32>::eye(4),
        "it starts as the identity"
    );
    let model = spec.compile(Options::default()).expect("compiles");
    let mut x = Array3::zeros((10, 1, 4));
    x[[0, 0, 2]] = 3.0;
    for scale in [0.5f32, 1.0, 2.0] {
        let mut own = drawn.clone();
        own.unit.W_xh.assign(&Array2::eye(4));
        own.unit.W_hh.mapv_inplace(|value| scale * value);
        let h = model
            .forward(&own, OverIrnnInputs { x: x.view() })
            .expect("runs")
            .h;
        for t in 0..10 {
            // Powers of two times three are exact.
            assert_eq!(
                h[[t, 0, 2]],
                3.0 * scale.powi(t as i32),
                "scale {scale}, step {t}"
            );
            assert_eq!(h[[t, 0, 1]], 0.0);
        }
    }
    // What is below zero is gone, where tanh would have kept its sign.
    x[[0, 0, 2]] = -3.0;
    let mut own = drawn.clone();
    own.unit.W_xh.assign(&Array2::eye(4));
    let h = model
        .forward(&own, OverIrnnInputs { x: x.view() })
        .expect("runs")
        .h;
    assert!(h.iter().all(|value| *value == 0.0));
}

#[test]
fn the_context_of_a_structurally_constrained_network_is_a_moving_average() {
    let spec = OverScrn { I: 3, H: 5, S: 4 };
    let (mut own, given) = (params(&spec, 1), values(&spec, 7, 2, 2));
    let x = given.reals["x"]
        .view()
        .into_dimensionality::<ndarray::Ix3>()
        .expect("[T, B, I]");
    let model = spec.compile(Options::default()).expect("compiles");
    for alpha in [0.0f32, 0.5, 0.95, 1.0] {
        own.unit.alpha.fill(alpha);
        let y = model.forward(&own, OverScrnInputs { x }).expect("runs").h;
        let mut context = Array2::<f32>::zeros((2, 4));
        for t in 0..7 {
            let seen = x.index_axis(ndarray::Axis(0), t).dot(&own.unit.B.t());
            context = (1.0 - alpha) * seen + alpha * context;
            assert_near("s", &context, y.slice(s![t, .., 5..]));
        }
    }
}

#[test]
fn a_reservoir_without_a_leak_is_an_elman_network_that_is_not_trained() {
    let spec = OverLeakyEsn { I: 3, H: 5, O: 4 };
    let (mut own, given) = (params(&spec, 1), values(&spec, 6, 2, 2));
    own.unit.alpha.fill(1.0);
    let x = given.reals["x"]
        .view()
        .into_dimensionality()
        .expect("[T, B, I]");
    let model = spec.compile(Options::default()).expect("compiles");
    let found = model
        .forward(&own, OverLeakyEsnInputs { x })
        .expect("runs")
        .h;
    let elman = OverElman { I: 3, H: 5 };
    let mut same = params(&elman, 1);
    same.unit.W_xh.clone_from(&own.unit.W_in);
    same.unit.W_hh.clone_from(&own.unit.W);
    same.unit.b_h.clone_from(&own.unit.b);
    let elman = elman.compile(Options::default()).expect("compiles");
    let expected = elman.forward(&same, OverElmanInputs { x }).expect("runs").h;
    assert_near("h", &expected, &found);

    let y = given.reals["y"]
        .view()
        .into_dimensionality()
        .expect("[T, B, O]");
    let mut grads = params(&spec, 1);
    model
        .loss_and_grad(
            &own,
            OverLeakyEsnInputs { x },
            OverLeakyEsnTargets { y },
            &mut grads,
        )
        .expect("runs");
    assert!(grads.W_out.iter().all(|grad| *grad != 0.0));
    assert!(grads.unit.W.iter().all(|grad| *grad == 0.0));
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
