//! Loop programs in segments of steps: what runs in them, what is computed again, and what has to stay whole.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use rnn_ir::autodiff::{Wrt, differentiate};
use rnn_ir::bind::bind;
use rnn_ir::graph::{Graph, Verified};
use rnn_ir::passes::pipeline::{Settings, run_passes};
use rnn_ir::passes::{BACKWARD, FORWARD};
use rnn_ir::samples;
use rnn_ir::schedule::Schedule;
use rnn_ir::verify::verify;

fn passed(graph: Verified, list: &[rnn_ir::passes::Pass]) -> Verified {
    run_passes(graph, list, Settings::default()).unwrap().graph
}

// The loop program of a training step.
fn training(model: Graph) -> Schedule {
    let forward = passed(verify(model).unwrap(), FORWARD);
    let derived = differentiate(&forward, &Wrt::params()).unwrap();
    let graph = passed(derived, BACKWARD);
    let sizes: Vec<(&str, usize)> = (graph.sizes.iter().map(String::as_str))
        .zip([5, 3, 7, 4, 2, 6, 8, 9])
        .collect();
    Schedule::in_segments(bind(&graph, &sizes).unwrap()).unwrap()
}

#[test]
fn loop_programs_in_segments() {
    let models = [
        ("lstm", samples::lstm()),
        ("stacked", samples::stacked()),
        ("bidirectional", samples::bidirectional()),
        ("attention", samples::attention()),
        ("pooling", samples::pooling()),
    ];
    for (name, model) in models {
        insta::assert_snapshot!(name, training(model).to_string());
    }
}
