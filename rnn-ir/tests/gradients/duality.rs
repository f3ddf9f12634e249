//! Forward and reverse mode are each other's transpose: what the loss changes by when everything moves is the gradient
//! contracted with the movement, `sum(weight * t_loss) = sum(gradient * v)`. Unlike a difference quotient this holds to
//! rounding.

use crate::{cells, primitives, samples};
use rnn_ir::autodiff::check::with_weights;
use rnn_ir::autodiff::{Wrt, differentiate, linearize};
use rnn_ir::generate::{Draw, Settings, generate, surroundings};
use rnn_ir::graph::{ResultKind, Verified};
use rnn_ir::interp::{Env, evaluate};

// Relative to the sum of the sizes of the terms: 2^10 roundings.
const TOLERANCE: f64 = 1024.0 * f64::EPSILON;

fn check(name: &str, model: &Verified, env: &Env, seed: u64) {
    let wrt = Wrt::everything(model);
    let reverse = differentiate(model, &wrt).unwrap();
    let forward = linearize(model, &wrt).unwrap();
    let lengths: Vec<(&str, Vec<usize>)> = env
        .lengths
        .iter()
        .map(|(name, lengths)| (name.as_str(), lengths.clone()))
        .collect();
    // New directions; the values of the model itself.
    let mut moved = surroundings(&forward, &mut Draw::new(seed), env.batch, &lengths).unwrap();
    moved.params.clone_from(&env.params);
    for (name, value) in &env.inputs {
        moved.inputs.insert(name.clone(), value.clone());
    }
    let env = with_weights(&reverse, env);
    let weights = env.inputs["weight"].reals();
    let results = evaluate(&forward, &moved).unwrap();
    let tangent = results.get(&ResultKind::Output, "t_loss").unwrap();
    // A loss that is one for all examples counts for each of them.
    let changes = tangent.reals().iter().cycle().zip(weights);
    let forward: f64 = changes.map(|(change, weight)| change * weight).sum();
    let (mut backward, mut size) = (0.0, 1.0);
    for (kind, name, gradient) in evaluate(&reverse, &env).unwrap().all {
        if kind == ResultKind::Gradient {
            let direction = moved.inputs[&format!("v_{name}")].reals();
            for (gradient, direction) in gradient.reals().iter().zip(direction) {
                backward += gradient * direction;
                size += (gradient * direction).abs();
            }
        }
    }
    let error = (forward - backward).abs();
    assert!(error <= TOLERANCE * size, "{name}: {forward} {backward}");
}

#[test]
fn of_primitives() {
    for (name, model) in primitives::models() {
        for (seed, lengths) in primitives::LENGTHS.iter().enumerate() {
            let (seed, batch) = (seed as u64, lengths.len());
            let mut draw = Draw::new(seed);
            let env = surroundings(&model, &mut draw, batch, &[("T", lengths.to_vec())]);
            check(&name, &model, &env.unwrap(), seed);
        }
    }
}

#[test]
fn of_cells_and_samples() {
    for (name, model) in cells::models() {
        let env = surroundings(&model, &mut Draw::new(1), 3, &[("T", vec![3, 7, 2])]);
        check(&name, &model, &env.unwrap(), 2);
    }
    for (name, model) in samples::models() {
        let lengths = samples::lengths(&model, [3, 1, 2]);
        let env = surroundings(&model, &mut Draw::new(1), 3, &lengths);
        check(name, &model, &env.unwrap(), 2);
    }
}

#[test]
fn of_generated_models() {
    for seed in 0..200 {
        let settings = [Settings::small(), Settings::kernels()];
        let drawn = generate(seed, &settings[seed as usize % 2]);
        check(&format!("seed {seed}"), &drawn.model, &drawn.env, seed);
    }
}
