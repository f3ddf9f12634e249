//! Compiled code against the interpreter on every sample model, forward and gradient, for every variant of the kernels.

mod oracle;

use rnn_ir::autodiff::{Wrt, differentiate};
use rnn_ir::axis::Extent;
use rnn_ir::bind::bind;
use rnn_ir::generate::{Draw, surroundings};
use rnn_ir::graph::Verified;
use rnn_ir::samples;
use rnn_ir::state::carry_state;
use rnn_ir::verify::verify;
use rnn_jit::JitOptions;
use rnn_jit::kernels::Isa;

const PRIMES: [usize; 8] = [5, 3, 7, 4, 11, 2, 13, 6];

fn bound(graph: &Verified) -> Verified {
    let sizes: Vec<(&str, usize)> = graph.sizes.iter().map(String::as_str).zip(PRIMES).collect();
    bind(graph, &sizes).expect("sizes are positive")
}

fn lengths(
    graph: &Verified,
    batch: usize,
    longest: usize,
    ragged: bool,
    draw: &mut Draw,
) -> Vec<(String, Vec<usize>)> {
    let mut out: Vec<(String, Vec<usize>)> = Vec::new();
    for (_, axis) in graph.axes.iter().skip(1) {
        let Extent::Length(name) = &axis.extent else {
            continue;
        };
        if out.iter().all(|(known, _)| known != name) {
            let one = |draw: &mut Draw| {
                if ragged {
                    draw.below(longest + 1)
                } else {
                    longest
                }
            };
            out.push((name.clone(), (0..batch).map(|_| one(draw)).collect()));
        }
    }
    out
}

fn check(name: &str, graph: &Verified, failures: &mut Vec<String>) {
    for isa in Isa::available() {
        for (batch, longest, ragged) in [(1, 1, false), (3, 2, false), (3, 7, true), (5, 3, true)] {
            let mut draw = Draw::new(7 + batch as u64);
            let lengths = lengths(graph, batch, longest, ragged, &mut draw);
            let lengths: Vec<(&str, Vec<usize>)> = lengths
                .iter()
                .map(|(name, own)| (name.as_str(), own.clone()))
                .collect();
            let env = surroundings(graph, &mut draw, batch, &lengths).expect("sizes are bound");
            let run = || oracle::compare(graph, &env, isa);
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run))
                .unwrap_or_else(|_| Err("panicked".to_owned()));
            if let Err(error) = outcome {
                failures.push(format!(
                    "{name} on {}, batch {batch}, {longest} steps, ragged {ragged}: {error}",
                    isa.name()
                ));
                return;
            }
        }
    }
}

#[test]
fn every_sample_agrees_with_the_interpreter() {
    let mut failures = Vec::new();
    for (name, graph) in samples::all() {
        let graph = verify(graph).expect("samples are valid");
        let bound = bound(&graph);
        check(name, &bound, &mut failures);
        let carried = verify(carry_state(&bound).expect("carries")).expect("is valid");
        check(&format!("{name}, carried"), &carried, &mut failures);
        if carried.loss().is_some() {
            let wrt = Wrt::everything(&carried);
            let gradient = differentiate(&carried, &wrt).expect("is differentiable");
            check(&format!("{name}, gradient"), &gradient, &mut failures);
        }
    }
    assert!(
        failures.is_empty(),
        "{} failures:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

#[test]
fn wide_clusters_give_the_bits_of_narrow_ones() {
    let mut clusters = 0;
    for (name, graph) in samples::all() {
        let graph = verify(graph).expect("samples are valid");
        let model = verify(carry_state(&bound(&graph)).expect("carries")).expect("is valid");
        let gradient = model
            .loss()
            .map(|_| differentiate(&model, &Wrt::everything(&model)).expect("is differentiable"));
        for graph in std::iter::once(model).chain(gradient) {
            for (batch, longest, ragged) in [(1, 1, false), (5, 7, false), (5, 7, true)] {
                let mut draw = Draw::new(3);
                let lengths = lengths(&graph, batch, longest, ragged, &mut draw);
                let lengths: Vec<(&str, Vec<usize>)> = lengths
                    .iter()
                    .map(|(name, own)| (name.as_str(), own.clone()))
                    .collect();
                let env = surroundings(&graph, &mut draw, batch, &lengths).expect("bound");
                let env = oracle::rounded(&env);
                let [wide, narrow] = [true, false].map(|wide| {
                    let options = JitOptions {
                        isa: Some(Isa::detect()),
                        wide,
                        ..JitOptions::default()
                    };
                    oracle::compile_with(&graph, options)
                });
                assert_eq!(narrow.wide_clusters(), 0);
                clusters += wide.wide_clusters();
                let results = oracle::run(&wide, &env);
                for ((result, wide), (_, narrow)) in results.iter().zip(oracle::run(&narrow, &env))
                {
                    for (at, (wide, narrow)) in wide.iter().zip(narrow).enumerate() {
                        let same = wide.to_bits() == narrow.to_bits();
                        assert!(
                            same || (wide.is_nan() && narrow.is_nan()),
                            "{name}, {result}[{at}], batch {batch}, ragged {ragged}: {wide:e} wide, {narrow:e} narrow"
                        );
                    }
                }
            }
        }
    }
    assert_eq!(
        clusters > 0,
        Isa::detect() == Isa::Avx512,
        "{clusters} wide clusters"
    );
}
