//! Second derivatives: the gradients of a model, squared and summed, are a loss like any other.

use crate::cells;
use rnn_ir::autodiff::check::{check_direction, with_weights};
use rnn_ir::autodiff::{Wrt, differentiate, linearize};
use rnn_ir::builder::Builder;
use rnn_ir::generate::{Draw, Settings, generate, surroundings};
use rnn_ir::graph::{Graph, ResultKind, Verified};
use rnn_ir::interp::{Env, evaluate};
use rnn_ir::op::Over;
use rnn_ir::verify::verify;

/// A model whose loss is the sum of the squares of all gradients that a graph has.
pub(crate) fn squared_gradients(graph: &Verified) -> Verified {
    let mut start = Graph::clone(graph);
    start.results.clear();
    let mut b = Builder::extend(start);
    let mut total = b.constant(0.0, Default::default());
    for result in graph.results_of(ResultKind::Gradient) {
        let square = b.mul(result.node, result.node).unwrap();
        let sum = b.sum_features(square).unwrap();
        let time = b.ty(sum).domain.time_axes().collect();
        let sum = b.axis_reduce(Over::Sum, sum, time).unwrap();
        total = b.add(total, sum).unwrap();
    }
    b.result(ResultKind::Loss, "loss", total);
    verify(b.finish()).unwrap()
}

/// The gradient of the squares of all gradients of a model.
pub(crate) fn twice(model: &Verified) -> Verified {
    let once = differentiate(model, &Wrt::everything(model)).unwrap();
    let squares = squared_gradients(&once);
    differentiate(&squares, &Wrt::everything(&squares)).unwrap()
}

#[test]
fn second_derivatives_of_generated_models() {
    for seed in 0..150 {
        let drawn = generate(seed, &Settings::small());
        let graph = twice(&drawn.model);
        let env = with_weights(&graph, &drawn.env);
        check_direction(&graph, &env, seed).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
    }
}

// The sum over all parameters of direction * (H @ v), v the directions in `env`.
fn along(graph: &Verified, env: &Env, direction: &Env) -> f64 {
    let results = evaluate(graph, env).unwrap();
    let mut total = 0.0;
    for (_, name) in graph.trained_params() {
        let product = results.get(&ResultKind::Output, &format!("t_d_{name}"));
        let along = direction.inputs[&format!("v_{name}")].reals();
        let pairs = product.unwrap().reals().iter().zip(along);
        total += pairs.map(|(a, b)| a * b).sum::<f64>();
    }
    total
}

// Relative to values of the order of one to a hundred, over some hundred parameters.
const SYMMETRY: f64 = 1e-11;

#[test]
fn the_hessian_is_symmetric() {
    for (name, model) in cells::models() {
        let graph = differentiate(&model, &Wrt::params()).unwrap();
        let graph = linearize(&graph, &Wrt::params()).unwrap();
        let lengths = [("T", vec![3, 1, 2])];
        let first = surroundings(&graph, &mut Draw::new(1), 3, &lengths).unwrap();
        let other = surroundings(&graph, &mut Draw::new(2), 3, &lengths).unwrap();
        let mut second = first.clone();
        for (input, value) in other.inputs {
            if input.starts_with("v_") {
                second.inputs.insert(input, value);
            }
        }
        let (one, two) = (
            along(&graph, &first, &second),
            along(&graph, &second, &first),
        );
        let error = (one - two).abs();
        assert!(error <= SYMMETRY * (1.0 + one.abs()), "{name}: {one} {two}");
    }
}
