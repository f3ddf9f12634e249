//! Batch normalisation through the facade: what training takes from a batch, and that inference takes nothing.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod oracles;

use rnn::BatchSize;
use rnn::prelude::*;

rnn! {
    /// Both statistics: of all steps in front of a loop, of each step inside it.
    pub model Normal<I, H> {
        time   t in 1..=T;
        input  x[t]: [I];
        target y[t]: [H];
        param W: [H, I] ~ glorot_uniform;
        param U: [H, H] ~ orthogonal;
        param gain, bias: [H] = 0.5;
        running mean_x: [H] = 0;
        running variance_x: [H] = 1;
        running mean_h: [H] = 0;
        running variance_h: [H] = 1;
        a[t] = batch_norm(W @ x[t], mean_x, variance_x, momentum = 0.25, per = sequence);
        b[t] = batch_norm(U @ h[t-1], mean_h, variance_h);
        h[t] = tanh(gain * b[t] + a[t] + bias);
        output h;
        loss   mean[t](squared_error(h[t], y[t]));
    }

    /// The same in inference, by its formula.
    pub model Plain<I, H> {
        time   t in 1..=T;
        input  x[t]: [I];
        target y[t]: [H];
        param W: [H, I] ~ glorot_uniform;
        param U: [H, H] ~ orthogonal;
        param gain, bias: [H] = 0.5;
        fixed mean_x, mean_h: [H] = 0;
        fixed variance_x, variance_h: [H] = 1;
        a[t] = (W @ x[t] - mean_x) / sqrt(variance_x + 0.00001);
        b[t] = (U @ h[t-1] - mean_h) / sqrt(variance_h + 0.00001);
        h[t] = tanh(gain * b[t] + a[t] + bias);
        output h;
        loss   mean[t](squared_error(h[t], y[t]));
    }
}

const STEPS: usize = 6;
const BATCH: usize = 35;
const SPEC: Normal = Normal { I: 4, H: 7 };

fn values(width: usize, salt: usize) -> Array3<f32> {
    Array3::from_shape_fn((STEPS, BATCH, width), |(t, b, i)| {
        ((t * 31 + b * 17 + i * 7 + salt) % 23) as f32 / 23.0 - 0.3
    })
}

fn lengths() -> Vec<usize> {
    (0..BATCH).map(|b| b * 5 % (STEPS + 1)).collect()
}

struct Step {
    loss: f32,
    grads: NormalParams,
    /// Parameters after the statistics of the batch were applied.
    after: NormalParams,
}

fn step(options: Options, params: &NormalParams, x: &Array3<f32>, lengths: &[usize]) -> Step {
    let model = SPEC.compile(options).unwrap();
    let mut grads = NormalParams::zeros(&SPEC).unwrap();
    let y = values(7, 3);
    let inputs = NormalInputs { x: x.view() }.lengths(lengths);
    let targets = NormalTargets { y: y.view() };
    let value = model
        .loss_and_grad(params, inputs, targets, &mut grads)
        .unwrap();
    let mut after = params.clone();
    value.apply_running(&mut after).unwrap();
    Step {
        loss: value.loss,
        grads,
        after,
    }
}

#[test]
fn statistics_of_a_batch_are_kept_and_nothing_else_changes() {
    let params = NormalParams::init(&SPEC, 3).unwrap();
    let (x, own) = (values(4, 0), lengths());
    let Step { grads, after, .. } = step(Options::default(), &params, &x, &own);
    // Of the steps that examples have.
    let mut rows = Vec::new();
    for (b, length) in own.iter().enumerate() {
        for t in 0..*length {
            let row = x.slice(ndarray::s![t, b, ..]).mapv(f64::from);
            rows.push(params.W.mapv(f64::from).dot(&row));
        }
    }
    let count = rows.len() as f64;
    for unit in 0..7 {
        let mean = rows.iter().map(|row| row[unit]).sum::<f64>() / count;
        let squares = rows.iter().map(|row| (row[unit] - mean).powi(2));
        let variance = squares.sum::<f64>() / (count - 1.0);
        let kept = f64::from(after.mean_x[unit]);
        assert!((kept - 0.25 * mean).abs() < 1e-5, "{kept} {mean}");
        let kept = f64::from(after.variance_x[unit]);
        assert!((kept - (0.75 + 0.25 * variance)).abs() < 1e-5, "{kept}");
    }
    assert_eq!(after.W, params.W);
    assert_eq!(after.gain, params.gain);
    for none in [
        &grads.mean_x,
        &grads.variance_x,
        &grads.mean_h,
        &grads.variance_h,
    ] {
        assert!(none.iter().all(|gradient| *gradient == 0.0));
    }
    assert!(grads.U.iter().any(|gradient| *gradient != 0.0));
}

#[test]
fn inference_is_the_formula_with_running_statistics() {
    let params = NormalParams::init(&SPEC, 3).unwrap();
    let (x, y) = (values(4, 0), values(7, 3));
    let params = step(Options::default(), &params, &x, &lengths()).after;
    let same = PlainParams {
        W: params.W.clone(),
        U: params.U.clone(),
        gain: params.gain.clone(),
        bias: params.bias.clone(),
        mean_x: params.mean_x.clone(),
        mean_h: params.mean_h.clone(),
        variance_x: params.variance_x.clone(),
        variance_h: params.variance_h.clone(),
    };
    let spec = Plain { I: 4, H: 7 };
    let (model, plain) = (
        SPEC.compile(Options::default()).unwrap(),
        spec.compile(Options::default()).unwrap(),
    );
    let h = model
        .forward(&params, NormalInputs { x: x.view() })
        .unwrap()
        .h;
    assert_eq!(
        h,
        plain.forward(&same, PlainInputs { x: x.view() }).unwrap().h
    );
    assert_eq!(
        model
            .loss(
                &params,
                NormalInputs { x: x.view() },
                NormalTargets { y: y.view() }
            )
            .unwrap(),
        plain
            .loss(
                &same,
                PlainInputs { x: x.view() },
                PlainTargets { y: y.view() }
            )
            .unwrap()
    );
    // Nothing of the batch is left, neither its sums nor what running parameters become.
    let equations = model.ir_after(Program::Forward, "prune").unwrap();
    assert!(
        equations.contains("param") && !equations.contains("sum[batch"),
        "{equations}"
    );
    assert!(!equations.contains("training"));
    let mut stream = model.stream(&params).unwrap();
    for t in 0..STEPS {
        let step = x.slice(ndarray::s![t..=t, ..1, ..]);
        let out = stream.step(NormalInputs { x: step }).unwrap();
        assert_eq!(
            out.h.slice(ndarray::s![0, 0, ..]),
            h.slice(ndarray::s![t, 0, ..])
        );
    }
}

#[test]
fn what_lies_past_the_end_of_an_example_does_not_count() {
    let params = NormalParams::init(&SPEC, 3).unwrap();
    let (x, own) = (values(4, 0), lengths());
    let mut other = x.clone();
    for (b, length) in own.iter().enumerate() {
        other.slice_mut(ndarray::s![*length.., b, ..]).fill(1e6);
    }
    let a = step(Options::default(), &params, &x, &own);
    let b = step(Options::default(), &params, &other, &own);
    assert_eq!(a.loss.to_bits(), b.loss.to_bits());
    assert_eq!(a.grads, b.grads);
    assert_eq!(a.after, b.after);
}

#[test]
fn results_depend_neither_on_threads_nor_on_a_memory_limit() {
    let params = NormalParams::init(&SPEC, 3).unwrap();
    let (x, own) = (values(4, 0), lengths());
    let one = step(Options::default().threads(1), &params, &x, &own);
    let two = step(Options::default().threads(2), &params, &x, &own);
    assert_eq!(one.loss.to_bits(), two.loss.to_bits());
    assert_eq!(one.grads, two.grads);
    assert_eq!(one.after, two.after);
    let model = SPEC.compile(Options::default()).unwrap();
    let size = BatchSize::new(BATCH).steps("t", STEPS).lengths("t", &own);
    let whole = model.bytes(Program::Gradient, &size).unwrap().total;
    let limited = step(
        Options::default().memory_limit(whole * 9 / 10),
        &params,
        &x,
        &own,
    );
    let far = |a: &Array2<f32>, b: &Array2<f32>| (a - b).iter().fold(0f32, |m, d| m.max(d.abs()));
    assert!((limited.loss - one.loss).abs() < 1e-6);
    assert!(far(&limited.grads.W, &one.grads.W) < 1e-5);
    assert!(far(&limited.grads.U, &one.grads.U) < 1e-5);
    let next = |step: &Step| [&step.after.mean_h, &step.after.variance_h].map(Clone::clone);
    for (a, b) in next(&limited).iter().zip(next(&one)) {
        assert!((a - &b).iter().all(|d| d.abs() < 1e-6));
    }
}

#[test]
fn a_batch_without_steps_and_one_of_a_single_example_keep_the_variance() {
    let params = NormalParams::init(&SPEC, 3).unwrap();
    let x = values(4, 0);
    let nothing = step(Options::default(), &params, &x, &[0; BATCH]);
    assert_eq!(nothing.after, params);
    let mut single = [0; BATCH];
    single[4] = 3;
    let one = step(Options::default(), &params, &x, &single);
    // Each step of the loop has one example, which has no variance; in front of it there are three steps.
    assert_eq!(one.after.variance_h, params.variance_h);
    assert_ne!(one.after.variance_x, params.variance_x);
    assert!(one.loss.is_finite() && one.grads.U.iter().all(|gradient| gradient.is_finite()));
}

#[test]
fn optimisers_leave_running_statistics_alone_and_checkpoints_save_them() {
    let mut params = NormalParams::init(&SPEC, 3).unwrap();
    let (x, y) = (values(4, 0), values(7, 3));
    let model = SPEC.compile(Options::default()).unwrap();
    let mut adam = Adam::new(model.param_specs(), Default::default()).unwrap();
    let mut grads = NormalParams::zeros(&SPEC).unwrap();
    let mut losses = Vec::new();
    for _ in 0..60 {
        let inputs = NormalInputs { x: x.view() };
        let value = model
            .loss_and_grad(&params, inputs, NormalTargets { y: y.view() }, &mut grads)
            .unwrap();
        let kept = params.mean_x.clone();
        adam.step(&mut params, &grads, 0.01).unwrap();
        assert_eq!(params.mean_x, kept);
        value.apply_running(&mut params).unwrap();
        assert_ne!(params.mean_x, kept);
        losses.push(value.loss);
    }
    assert!(losses[59] < 0.95 * losses[0], "{losses:?}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    rnn::save_params(&path, &params).unwrap();
    let mut other = NormalParams::init(&SPEC, 4).unwrap();
    rnn::load_params(&path, &mut other).unwrap();
    assert_eq!(other, params);
}
