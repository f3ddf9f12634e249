//! Forms of one cell that are equal: joined and split, by the definition and without overflow, one cell as another.

use super::assert_near;
use crate::drawn::{params, values};
use crate::models::*;
use ndarray::concatenate;
use rnn::prelude::*;

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
