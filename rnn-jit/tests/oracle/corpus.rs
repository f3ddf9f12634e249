//! The sample models, in the forms and the surroundings in which they are compared.

use rnn_ir::autodiff::{Wrt, differentiate};
use rnn_ir::axis::Extent;
use rnn_ir::bind::bind;
use rnn_ir::generate::{Draw, surroundings};
use rnn_ir::graph::Verified;
use rnn_ir::interp::Env;
use rnn_ir::passes::pipeline::{Settings, run_passes};
use rnn_ir::passes::{BACKWARD, FORWARD, Pass};
use rnn_ir::samples;
use rnn_ir::state::carry_state;
use rnn_ir::verify::verify;

/// Examples, steps of the longest, and whether the others are shorter.
pub(crate) const SHAPES: [(usize, usize, bool); 4] =
    [(1, 1, false), (3, 2, false), (3, 7, true), (5, 3, true)];

const PRIMES: [usize; 8] = [5, 3, 7, 4, 11, 2, 13, 6];

// A graph with its sizes bound to different numbers.
fn bound(graph: &Verified) -> Verified {
    let sizes: Vec<(&str, usize)> = graph.sizes.iter().map(String::as_str).zip(PRIMES).collect();
    bind(graph, &sizes).expect("sizes are positive")
}

// Lengths of the examples on every axis that has no length of its own.
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

/// Random surroundings of a shape.
pub(crate) fn env(graph: &Verified, (batch, longest, ragged): (usize, usize, bool)) -> Env {
    let mut draw = Draw::new(7 + batch as u64);
    let lengths = lengths(graph, batch, longest, ragged, &mut draw);
    let lengths: Vec<(&str, Vec<usize>)> = lengths
        .iter()
        .map(|(name, own)| (name.as_str(), own.clone()))
        .collect();
    surroundings(graph, &mut draw, batch, &lengths).expect("sizes are bound")
}

fn rewritten(graph: Verified, passes: &[Pass]) -> Verified {
    let outcome = run_passes(graph, passes, Settings::default());
    outcome.expect("passes keep the contract").graph
}

/// Every sample as it is, with its states made explicit, and differentiated; the latter also after all passes.
pub(crate) fn graphs() -> Vec<(String, Verified)> {
    let mut out = Vec::new();
    for (name, graph) in samples::all() {
        let bound = bound(&verify(graph).expect("samples are valid"));
        let carried = verify(carry_state(&bound).expect("carries")).expect("is valid");
        if carried.loss().is_some() {
            let fused = rewritten(bound.clone(), FORWARD);
            let derived = differentiate(&fused, &Wrt::everything(&fused));
            let derived = rewritten(derived.expect("is differentiable"), BACKWARD);
            out.push((format!("{name}, gradient after all passes"), derived));
            let gradient = differentiate(&carried, &Wrt::everything(&carried));
            out.push((
                format!("{name}, gradient"),
                gradient.expect("is differentiable"),
            ));
        }
        out.push((format!("{name}, carried"), carried));
        out.push((name.to_owned(), bound));
    }
    out
}
