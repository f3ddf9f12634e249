//! Nothing beyond an example's own length and nothing of another example changes its results.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use rnn_ir::autodiff::{Wrt, differentiate};
use rnn_ir::axis::{AxisId, Extent};
use rnn_ir::bind::bind;
use rnn_ir::generate::{Draw, examples, poison_padding, surroundings};
use rnn_ir::graph::{ResultKind, Verified};
use rnn_ir::interp::{Env, Results, Tensor, evaluate};
use rnn_ir::samples;
use rnn_ir::verify::verify;

const LENGTHS: [[usize; 3]; 3] = [[3, 1, 2], [2, 4, 4], [1, 0, 3]];

fn bound(graph: &Verified) -> Verified {
    let names = graph.sizes.iter().enumerate();
    let sizes: Vec<(&str, usize)> = names.map(|(i, name)| (name.as_str(), i + 2)).collect();
    bind(graph, &sizes).unwrap()
}

fn drawn(graph: &Verified, of: [usize; 3]) -> Env {
    let axes = graph.axes.iter().filter(|(id, _)| id.is_time());
    let lengths: Vec<(&str, Vec<usize>)> = axes
        .filter_map(|(_, axis)| match &axis.extent {
            Extent::Length(name) => Some((name.as_str(), of.to_vec())),
            Extent::Fixed(_) => None,
        })
        .collect();
    surroundings(graph, &mut Draw::new(of[0] as u64), 3, &lengths).unwrap()
}

// A sample with gradients, where it has a loss.
fn models() -> impl Iterator<Item = (&'static str, Verified)> {
    samples::all().into_iter().map(|(name, graph)| {
        let model = bound(&verify(graph).unwrap());
        match differentiate(&model, &Wrt::everything(&model)) {
            Ok(graph) => (name, graph),
            Err(_) => (name, model),
        }
    })
}

fn bits(results: &Results) -> Vec<Vec<u64>> {
    let reals = |value: &Tensor| value.reals().iter().map(|x| x.to_bits()).collect();
    let all = results.all.iter();
    all.filter(|(.., value)| value.dtype() == rnn_ir::node::DType::Real)
        .map(|(.., value)| reals(value))
        .collect()
}

#[test]
fn padding_is_never_read() {
    for (name, graph) in models() {
        for of in LENGTHS {
            let env = drawn(&graph, of);
            let poisoned = poison_padding(&graph, &env).unwrap();
            let expected = bits(&evaluate(&graph, &env).unwrap());
            let found = bits(&evaluate(&graph, &poisoned).unwrap());
            assert_eq!(found, expected, "{name} {of:?}");
        }
    }
}

// One example's part of a result, without padding: blocks at its own steps.
fn row(graph: &Verified, env: &Env, results: &Results, which: usize, example: usize) -> Vec<u64> {
    let node = &graph.nodes[graph.results[which].node];
    let value = &results.all[which].2;
    let axes: Vec<AxisId> = node.ty.domain.time_axes().collect();
    let features: usize = value.dims()[axes.len() + 1..].iter().product();
    let mut row = Vec::new();
    for (position, block) in value.reals().chunks(features).enumerate() {
        let mut rest = position;
        let mut inside = rest % env.batch == example;
        rest /= env.batch;
        for (axis, dim) in axes.iter().zip(value.dims()).rev() {
            inside &= rest % dim < rnn_ir::generate::length(graph, env, *axis, example);
            rest /= dim;
        }
        if inside {
            row.extend(block.iter().map(|x| x.to_bits()));
        }
    }
    row
}

#[test]
fn neighbours_and_their_order_never_change_a_row() {
    for (name, graph) in models() {
        for of in LENGTHS {
            let env = drawn(&graph, of);
            let whole = evaluate(&graph, &env).unwrap();
            for chosen in [&[0][..], &[1], &[2], &[2, 0], &[1, 2, 0]] {
                let part_env = examples(&graph, &env, chosen).unwrap();
                let part = evaluate(&graph, &part_env).unwrap();
                for (which, result) in graph.results.iter().enumerate() {
                    let ty = &graph.nodes[result.node].ty;
                    let is_row = ty.domain.contains(AxisId::BATCH);
                    if !is_row || ty.dtype != rnn_ir::node::DType::Real {
                        continue;
                    }
                    for (now, before) in chosen.iter().enumerate() {
                        let expected = row(&graph, &env, &whole, which, *before);
                        let found = row(&graph, &part_env, &part, which, now);
                        assert_eq!(found, expected, "{name} {of:?} {}", result.name);
                    }
                }
            }
        }
    }
}

// Rounding of a sum of three in another order, over values of the order of ten.
const SUM_TOLERANCE: f64 = 1e-12;

#[test]
fn the_gradient_of_a_batch_is_the_sum_over_its_examples() {
    for (name, graph) in models() {
        for of in LENGTHS {
            let env = drawn(&graph, of);
            let whole = evaluate(&graph, &env).unwrap();
            let alone = [0, 1, 2].map(|example| {
                let env = examples(&graph, &env, &[example]).unwrap();
                evaluate(&graph, &env).unwrap()
            });
            for result in graph.results_of(ResultKind::Gradient) {
                let ty = &graph.nodes[result.node].ty;
                if ty.domain.contains(AxisId::BATCH) {
                    continue;
                }
                let of = |results: &Results| {
                    let value = results.get(&ResultKind::Gradient, &result.name);
                    value.unwrap().reals().to_vec()
                };
                let parts = alone.each_ref().map(of);
                for (element, expected) in of(&whole).iter().enumerate() {
                    let found: f64 = parts.iter().map(|part| part[element]).sum();
                    // The largest of an empty sequence is minus infinity.
                    if !expected.is_finite() && !found.is_finite() {
                        continue;
                    }
                    let tolerance = SUM_TOLERANCE * (1.0 + expected.abs());
                    assert!(
                        (found - expected).abs() < tolerance,
                        "{name} {}",
                        result.name
                    );
                }
            }
        }
    }
}
