//! Matrices that are declared orthonormal: gradients are those of any parameter, and every optimiser keeps them so.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use rnn::Tensors;
use rnn::optim::{
    Adam, AdamConfig, Optimizer, ParamGroup, RmsProp, RmsPropConfig, Sgd, SgdConfig, WeightDecay,
};
use rnn::prelude::*;

rnn! {
    /// A recurrence over a matrix that stays orthonormal, between one with more rows and one with more columns that do.
    model Kept<I, H, O> {
        time   t in 1..=T;
        input  x[t]: [I];
        target d[t]: [O];
        orthonormal P: [H, I];
        orthonormal U: [H, H];
        orthonormal Q: [O, H] ~ identity;
        param  b: [H] = 0.1;
        h[t] = tanh(U @ h[t-1] + P @ x[t] + b);
        y[t] = Q @ h[t];
        output y;
        loss   mean[t](squared_error(y[t], d[t]));
    }

    /// A turned and mirrored point.
    model Turned<H> {
        input  x: [H];
        target d: [H];
        orthonormal U: [H, H];
        y = U @ x;
        output y;
        loss squared_error(y, d);
    }
}

/// What elements of `X' X` are from those of the identity.
fn defect(x: &Array2<f32>) -> f32 {
    let products = match x.nrows() < x.ncols() {
        true => x.dot(&x.t()),
        false => x.t().dot(x),
    };
    let rest = &products - &Array2::<f32>::eye(products.nrows());
    rest.iter().fold(0.0, |most, error| error.abs().max(most))
}

fn wave(seed: usize) -> impl Fn((usize, usize, usize)) -> f32 {
    move |(t, b, i)| ((t * 7 + b * 5 + i * 3 + seed) as f32).sin()
}

fn stays(name: &str, mut optimizer: impl Optimizer, rate: f32) {
    let spec = Kept { I: 3, H: 8, O: 4 };
    let model = spec.compile(Options::default()).unwrap();
    let mut params = KeptParams::init(&spec, 7).unwrap();
    let start = params.clone();
    let mut grads = params.zeros_like();
    let x = Array3::from_shape_fn((6, 4, 3), wave(1));
    let d = Array3::from_shape_fn((6, 4, 4), wave(2));
    let (mut first, mut last) = (None, 0.0);
    for _ in 0..1000 {
        let targets = KeptTargets { d: d.view() };
        let value = model.loss_and_grad(&params, KeptInputs { x: x.view() }, targets, &mut grads);
        last = value.unwrap().loss;
        first.get_or_insert(last);
        optimizer.step(&mut params, &grads, rate).unwrap();
    }
    for (what, matrix) in [("P", &params.P), ("U", &params.U), ("Q", &params.Q)] {
        let found = defect(matrix);
        assert!(found < 1e-5, "{name}: {what} is off by {found}");
    }
    assert_ne!(start.U, params.U, "{name}");
    assert!(last < 0.8 * first.unwrap(), "{name}: {first:?} {last}");
}

#[test]
fn every_optimiser_keeps_them_orthonormal() {
    let specs = rnn::param_specs(&Kept { I: 3, H: 8, O: 4 }).unwrap();
    let plain = SgdConfig::default();
    let momentum = SgdConfig {
        momentum: 0.9,
        nesterov: true,
        ..plain
    };
    stays("descent", Sgd::new(&specs, plain).unwrap(), 0.05);
    stays("momentum", Sgd::new(&specs, momentum).unwrap(), 0.01);
    stays(
        "rmsprop",
        RmsProp::new(&specs, RmsPropConfig::default()).unwrap(),
        1e-3,
    );
    stays(
        "adam",
        Adam::new(&specs, AdamConfig::default()).unwrap(),
        1e-2,
    );
    stays(
        "adamw",
        Adam::new(&specs, AdamConfig::decoupled(0.5)).unwrap(),
        1e-2,
    );
    // A rate at which steps are as long as the matrices.
    stays(
        "long steps",
        Adam::new(&specs, AdamConfig::default()).unwrap(),
        0.2,
    );
}

#[test]
fn descent_finds_the_rotation_that_points_were_turned_by() {
    let spec = Turned { H: 5 };
    let model = spec.compile(Options::default()).unwrap();
    // Of the component of the start: a step cannot mirror.
    let truth = {
        let start = TurnedParams::init(&spec, 1).unwrap().U;
        let (sin, cos) = 1.2f32.sin_cos();
        let mut turn = Array2::<f32>::eye(5);
        turn[[0, 0]] = cos;
        turn[[0, 3]] = -sin;
        turn[[3, 0]] = sin;
        turn[[3, 3]] = cos;
        turn.dot(&start)
    };
    let mut params = TurnedParams::init(&spec, 1).unwrap();
    let mut grads = params.zeros_like();
    let x = Array2::<f32>::eye(5) * 2.0;
    let d = x.dot(&truth.t());
    let mut descent = Sgd::new(model.param_specs(), SgdConfig::default()).unwrap();
    for _ in 0..500 {
        let targets = TurnedTargets { d: d.view() };
        let inputs = TurnedInputs { x: x.view() };
        model
            .loss_and_grad(&params, inputs, targets, &mut grads)
            .unwrap();
        descent.step(&mut params, &grads, 0.1).unwrap();
    }
    for (found, expected) in params.U.iter().zip(&truth) {
        assert!((found - expected).abs() < 1e-4, "{found} {expected}");
    }
}

#[test]
fn a_short_step_is_along_what_of_the_gradient_lies_along_them() {
    let spec = Turned { H: 4 };
    let model = spec.compile(Options::default()).unwrap();
    let start = TurnedParams::init(&spec, 3).unwrap();
    let mut grads = start.zeros_like();
    let x = Array2::from_shape_fn((6, 4), |(b, i)| wave(3)((0, b, i)));
    let d = Array2::from_shape_fn((6, 4), |(b, i)| wave(4)((0, b, i)));
    let targets = TurnedTargets { d: d.view() };
    let inputs = TurnedInputs { x: x.view() };
    model
        .loss_and_grad(&start, inputs, targets, &mut grads)
        .unwrap();
    let mut params = start.clone();
    let rate = 1e-3;
    let mut descent = Sgd::new(model.param_specs(), SgdConfig::default()).unwrap();
    descent.step(&mut params, &grads, rate).unwrap();
    let (u, g) = (&start.U, &grads.U);
    let along = (g - &u.dot(&g.t()).dot(u)) * 0.5;
    let moved = (&params.U - u) / -rate;
    for (found, expected) in moved.iter().zip(&along) {
        // The step bends by its square, and is a difference of numbers near one.
        assert!((found - expected).abs() < 1e-2, "{found} {expected}");
    }
}

#[test]
fn what_is_frozen_or_fixed_does_not_move() {
    let spec = Turned { H: 4 };
    let mut params = TurnedParams::init(&spec, 3).unwrap();
    let start = params.clone();
    let mut grads = params.zeros_like();
    grads.fill(1.0);
    let specs = rnn::param_specs(&spec).unwrap();
    let groups = [ParamGroup::new("U")
        .rate_scale(0.0)
        .weight_decay(WeightDecay::Direct(0.5))];
    let mut frozen = Sgd::with_groups(&specs, SgdConfig::default(), &groups).unwrap();
    frozen.step(&mut params, &grads, 0.1).unwrap();
    assert_eq!(params.U, start.U);

    let model = spec.compile(Options::default().fixed("U")).unwrap();
    let mut fixed = Sgd::new(model.param_specs(), SgdConfig::default()).unwrap();
    fixed.step(&mut params, &grads, 0.1).unwrap();
    assert_eq!(params.U, start.U);
}

/// Bits of a matrix.
fn bits(x: &Array2<f32>) -> Vec<u32> {
    x.iter().map(|x| x.to_bits()).collect()
}

#[test]
fn a_rate_of_zero_leaves_every_bit() {
    let large = Turned { H: 512 };
    let params = TurnedParams::init(&large, 3).unwrap();
    assert!(defect(&params.U) < 1e-5);
    at_rest(&large, params);

    // What is not orthonormal, too.
    let small = Turned { H: 4 };
    let mut params = TurnedParams::init(&small, 3).unwrap();
    params.U *= 3.0;
    params.U[[1, 2]] += 0.5;
    at_rest(&small, params);
}

fn at_rest(spec: &Turned, mut params: TurnedParams) {
    let start = bits(&params.U);
    let mut grads = params.zeros_like();
    grads.fill(1.0);
    let specs = rnn::param_specs(spec).unwrap();
    let mut adam = Adam::new(&specs, AdamConfig::default()).unwrap();
    adam.step(&mut params, &grads, 0.0).unwrap();
    assert!(start == bits(&params.U));
    let groups = [ParamGroup::new("U").rate_scale(0.0)];
    let mut frozen = Sgd::with_groups(&specs, SgdConfig::default(), &groups).unwrap();
    frozen.step(&mut params, &grads, 0.1).unwrap();
    assert!(start == bits(&params.U));
}

#[test]
fn weight_decay_of_a_group_leaves_them_alone() {
    let spec = Turned { H: 4 };
    let specs = rnn::param_specs(&spec).unwrap();
    let mut plain = TurnedParams::init(&spec, 3).unwrap();
    let mut decayed = plain.clone();
    let mut grads = plain.zeros_like();
    grads.U[[0, 1]] = 1.0;
    let mut descent = Sgd::new(&specs, SgdConfig::default()).unwrap();
    descent.step(&mut plain, &grads, 0.1).unwrap();
    let groups = [ParamGroup::new("*").weight_decay(WeightDecay::Penalty(0.5))];
    let mut descent = Sgd::with_groups(&specs, SgdConfig::default(), &groups).unwrap();
    descent.step(&mut decayed, &grads, 0.1).unwrap();
    assert_eq!(bits(&plain.U), bits(&decayed.U));
}

#[test]
fn a_step_from_a_matrix_without_its_full_rank_ends_at_an_orthonormal_one() {
    let spec = Turned { H: 6 };
    let specs = rnn::param_specs(&spec).unwrap();
    let mut params = TurnedParams::init(&spec, 3).unwrap();
    params.U.column_mut(2).fill(0.0);
    let mut grads = params.zeros_like();
    grads.U[[0, 1]] = 1.0;
    let mut descent = Sgd::new(&specs, SgdConfig::default()).unwrap();
    descent.step(&mut params, &grads, 0.1).unwrap();
    assert!(defect(&params.U) < 1e-5, "{}", params.U);
}
