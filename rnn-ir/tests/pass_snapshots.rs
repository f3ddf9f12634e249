//! The graph after every pass, for models that a reviewer can check by eye, and what the lists achieve on them.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use rnn_ir::autodiff::{Wrt, differentiate};
use rnn_ir::bind::bind;
use rnn_ir::graph::{Graph, Verified};
use rnn_ir::node::NodeId;
use rnn_ir::op::{Op, Over};
use rnn_ir::passes::cycles::Cycles;
use rnn_ir::passes::pipeline::{Settings, Step, run_passes};
use rnn_ir::passes::{BACKWARD, FORWARD, Pass};
use rnn_ir::samples;
use rnn_ir::schedule::Schedule;
use rnn_ir::text::print;
use rnn_ir::verify::verify;
use std::fmt::Write;

// Runs a list and writes the graph down after each step that changes it.
fn run(graph: &Verified, passes: &[Pass]) -> (Verified, String) {
    let mut text = String::new();
    let mut last = print(graph);
    let mut dump = |step: &Step, graph: &Verified| {
        let counts = step.counts.iter();
        let fired: Vec<String> = counts
            .map(|(rule, times)| format!("{rule} {times}"))
            .collect();
        let (position, name, fired) = (step.position, step.name, fired.join(", "));
        let now = print(graph);
        writeln!(text, "; {position} {name}: {} nodes; {fired}", step.nodes).unwrap();
        if now != last {
            writeln!(text, "{now}").unwrap();
            last = now;
        }
    };
    let settings = Settings {
        dump: Some(&mut dump),
        ..Settings::default()
    };
    let outcome = run_passes(graph.clone(), passes, settings).unwrap();
    (outcome.graph, text)
}

// A model before and after differentiation.
fn compile(model: Graph) -> (Verified, Verified) {
    let forward = run(&verify(model).unwrap(), FORWARD).0;
    let derived = differentiate(&forward, &Wrt::params()).unwrap();
    let backward = run(&derived, BACKWARD).0;
    (forward, backward)
}

#[test]
fn every_pass_shows_its_work() {
    let models = [
        ("vanilla", samples::vanilla()),
        ("lstm", samples::lstm()),
        ("gru", samples::gru()),
        ("char_lm", samples::char_lm()),
    ];
    for (name, model) in models {
        let (forward, text) = run(&verify(model).unwrap(), FORWARD);
        insta::assert_snapshot!(format!("{name}_forward"), text);
        let derived = differentiate(&forward, &Wrt::params()).unwrap();
        let (backward, text) = run(&derived, BACKWARD);
        insta::assert_snapshot!(format!("{name}_backward"), text);
        let sizes: Vec<(&str, usize)> = (backward.sizes.iter().map(String::as_str))
            .zip([5, 3, 7, 4])
            .collect();
        let loops = Schedule::new(bind(&backward, &sizes).unwrap()).unwrap();
        insta::assert_snapshot!(format!("{name}_loops"), loops.to_string());
    }
}

#[test]
fn a_run_stops_after_any_step() {
    let model = verify(samples::lstm()).unwrap();
    for steps in 0..=FORWARD.len() {
        let settings = Settings {
            stop_after: Some(steps),
            ..Settings::default()
        };
        let outcome = run_passes(model.clone(), FORWARD, settings).unwrap();
        assert_eq!(outcome.steps.len(), steps);
    }
}

// The products of a graph that are part of a recurrence, and how many rows each has.
fn recurrent_products(graph: &Graph) -> Vec<(NodeId, String)> {
    let cycles = Cycles::new(graph);
    let nodes = graph.nodes.iter();
    let recurrent =
        nodes.filter(|(id, node)| matches!(node.op, Op::MatMul(..)) && cycles.of(*id).is_some());
    recurrent
        .map(|(id, node)| (id, node.ty.shape.to_string()))
        .collect()
}

// The sums of outer products, by their shapes.
fn outer_sums(graph: &Graph) -> Vec<String> {
    let nodes = graph.nodes.iter();
    let sums = nodes.filter(|(_, node)| match node.op {
        Op::AxisReduce {
            kind: Over::Sum, x, ..
        } => matches!(graph.nodes[x].op, Op::Outer(..)),
        _ => false,
    });
    sums.map(|(_, node)| node.ty.shape.to_string()).collect()
}

fn shapes(products: &[(NodeId, String)]) -> Vec<&str> {
    products.iter().map(|(_, shape)| shape.as_str()).collect()
}

#[test]
fn an_lstm_has_one_recurrent_product_each_way_and_one_outer_sum_per_stack() {
    for model in [samples::lstm(), samples::char_lm()] {
        let (forward, backward) = compile(model);
        // Four gates in one product with `h[t-1]`; the product with `x[t]` is in no recurrence.
        assert_eq!(shapes(&recurrent_products(&forward)), ["[4*H]"]);
        // And one back to `h[t-1]`.
        assert_eq!(shapes(&recurrent_products(&backward)), ["[4*H]", "[H]"]);
        // One for the matrices of `h[t-1]`, one for those of the input, one for the output layer.
        let sums = outer_sums(&backward);
        assert_eq!(sums.len(), 3, "{sums:?}");
        let stacks = sums.iter().filter(|shape| shape.starts_with("[4*H, "));
        assert_eq!(stacks.count(), 2, "{sums:?}");
    }
}

#[test]
fn a_gru_with_the_reset_before_the_product_has_two_recurrent_products_each_way() {
    let (forward, backward) = compile(samples::gru());
    assert_eq!(recurrent_products(&forward).len(), 2);
    assert_eq!(recurrent_products(&backward).len(), 4);
}

// Differentiated before gates are fused, the adjoints of the gates fuse by themselves.
#[test]
fn gates_fuse_after_differentiation_as_well() {
    let model = verify(samples::lstm()).unwrap();
    let derived = differentiate(&model, &Wrt::params()).unwrap();
    let backward = run(&derived, BACKWARD).0;
    assert_eq!(shapes(&recurrent_products(&backward)), ["[4*H]", "[H]"]);
    assert_eq!(outer_sums(&backward).len(), 3);
}

#[test]
fn lists_are_stable() {
    for (name, model) in samples::all() {
        let (forward, backward) = compile(model);
        for (graph, passes) in [(forward, FORWARD), (backward, BACKWARD)] {
            // Lifting moves a product once per run; everything else has been done.
            let lifts = |pass: &&Pass| pass.name != "lift_shifts";
            let again: Vec<Pass> = passes.iter().filter(lifts).copied().collect();
            let twice = run(&graph, &again).0;
            assert!(twice.nodes.len() <= graph.nodes.len(), "{name}");
        }
    }
}
