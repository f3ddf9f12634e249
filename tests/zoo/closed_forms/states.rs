//! States that are known in closed form: those of linear recurrences, of sums over paths, of moving averages.

use super::assert_near;
use crate::drawn::{params, values};
use crate::models::*;
use ndarray::{ArrayView1, ArrayView2, s};
use rnn::prelude::*;

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
