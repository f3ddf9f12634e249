//! Recurrences of one number, whose states and gradients are known.

use ndarray::{Array2, Array3, arr1};
use rnn::cells::Lstm;
use rnn::prelude::*;

rnn! {
    /// A state that is added to, behind one function and behind another.
    model Pulse {
        time  t in 1..=T;
        input x[t]: [1];
        h[t] = tanh(h[t-1] + x[t]);
        r[t] = relu(r[t-1] + x[t]);
        output h, r;
    }

    /// A gated skip through time: each step multiplies the gradient by a sum of two terms.
    model Paths {
        time   t in 1..=T;
        input  g[t]: [];
        target d: [1];
        param  start: [1] = 0;
        param  alpha: [] = 1;
        param  beta: [] = 1;
        h[0] = start;
        h[t] = alpha * h[t-1] + g[t] * beta * tanh(h[t-1]);
        output h;
        loss   sum(h[T] * d);
    }
}

rnn! {
    /// An LSTM whose cell starts from a value, and is given nothing.
    model Leaking<I, H> {
        time  t in 1..=T;
        input x[t]: [I];
        input start: [H];
        layer lstm = Lstm<I, H>;
        lstm.c[0] = start;
        h[t] = lstm(x[t]);
        output h, lstm.c;
    }
}

/// Of a few functions in single precision.
const TOLERANCE: f64 = 1e-5;

#[test]
fn tanh_keeps_the_sign_of_a_pulse_and_relu_has_none() {
    let model = Pulse {}.compile(Options::default()).expect("compiles");
    let params = PulseParams::init(&Pulse {}, 1).expect("draws");
    for pulse in [-3.0f32, -0.5, 0.5, 3.0] {
        let mut x = Array3::zeros((6, 1, 1));
        x[[0, 0, 0]] = pulse;
        let out = model
            .forward(&params, PulseInputs { x: x.view() })
            .expect("runs");
        let mut expected = f64::from(pulse);
        for t in 0..6 {
            expected = expected.tanh();
            assert!((f64::from(out.h[[t, 0, 0]]) - expected).abs() < TOLERANCE);
            assert_eq!(out.h[[t, 0, 0]].is_sign_negative(), pulse < 0.0);
            assert_eq!(out.r[[t, 0, 0]], pulse.max(0.0));
        }
    }
}

#[test]
fn a_gated_skip_has_two_to_the_steps_paths_of_gradient() {
    let model = Paths {}.compile(Options::default()).expect("compiles");
    let gradient = |params: &PathsParams, gates: &[f32]| {
        let g = Array2::from_shape_fn((gates.len(), 1), |(t, _)| gates[t]);
        let d = Array2::ones((1, 1));
        let mut grads = PathsParams::zeros(&Paths {}).expect("zeros");
        model
            .loss_and_grad(
                params,
                PathsInputs { g: g.view() },
                PathsTargets { d: d.view() },
                &mut grads,
            )
            .expect("runs");
        grads.start[0]
    };
    // At zero tanh has slope one, so every path weighs one: the gradient counts the paths.
    let mut params = PathsParams::init(&Paths {}, 1).expect("draws");
    for steps in [1, 2, 5, 20] {
        assert_eq!(
            gradient(&params, &vec![1.0; steps]),
            2f32.powi(steps as i32)
        );
    }
    // A closed gate has one path.
    assert_eq!(gradient(&params, &[1.0, 0.0, 1.0, 0.0, 1.0]), 8.0);

    // Elsewhere it is the product over the steps, which is the sum over all ways through them.
    let (alpha, beta, start) = (0.9, 0.7, 0.4);
    params.start = arr1(&[start as f32]);
    params.alpha.fill(alpha as f32);
    params.beta.fill(beta as f32);
    let gates = [1.0, 0.5, 0.0, 1.0, 2.0, 0.25];
    let mut h: f64 = start;
    let mut terms = Vec::new();
    for gate in gates {
        terms.push([alpha, gate * beta * (1.0 - h.tanh().powi(2))]);
        h = alpha * h + gate * beta * h.tanh();
    }
    let paths = (0..1usize << gates.len()).map(|path| {
        let taken = terms.iter().enumerate();
        taken.map(|(t, ways)| ways[path >> t & 1]).product::<f64>()
    });
    let expected: f64 = paths.sum();
    let found = gradient(&params, &gates.map(|gate| gate as f32));
    assert!((f64::from(found) - expected).abs() < TOLERANCE * expected);
}

/// A forget gate that stays at `f` lets a value decay with the time constant `-dt / ln f`: 0.39 s for 0.95 and steps of 20 ms.
#[test]
fn a_constant_forget_gate_is_a_leaky_integrator() {
    let spec = Leaking { I: 2, H: 3 };
    let model = spec.compile(Options::default()).expect("compiles");
    let mut params = LeakingParams::zeros(&spec).expect("zeros");
    let (f, dt) = (0.95f64, 0.02);
    params.lstm.b_f.fill((f / (1.0 - f)).ln() as f32);
    let x = Array3::zeros((60, 1, 2));
    let start = Array2::from_elem((1, 3), 2.0);
    let out = model.forward(
        &params,
        LeakingInputs {
            x: x.view(),
            start: start.view(),
        },
    );
    let c = out.expect("runs").lstm_c;
    let constant = -dt / f.ln();
    assert!((constant - 0.39).abs() < 0.005);
    for t in 0..60 {
        let expected = 2.0 * (-((t + 1) as f64 * dt) / constant).exp();
        let found = f64::from(c[[t, 0, 1]]);
        // An error of a gate is one of every step.
        assert!(
            (found - expected).abs() < 10.0 * TOLERANCE,
            "{t}: {expected} {found}"
        );
    }
}
