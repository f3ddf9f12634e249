//! What is said of the loops of a model against Jacobians of their steps, and against running them forward and back.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use rnn_ir::axis::Extent;
use rnn_ir::bind::bind;
use rnn_ir::generate::{Draw, Settings, generate, surroundings};
use rnn_ir::graph::Verified;
use rnn_ir::recurrence::check::{Checked, check_recurrences};
use rnn_ir::recurrence::{Inverse, Structure, recurrences, verdict};
use rnn_ir::samples;
use rnn_ir::text::parse;
use rnn_ir::verify::verify;

fn checked(name: &str, graph: &Verified, seed: u64) -> Checked {
    let axes = graph.axes.iter().filter(|(id, _)| id.is_time());
    let lengths: Vec<(&str, Vec<usize>)> = axes
        .filter_map(|(_, axis)| match &axis.extent {
            Extent::Length(name) => Some((name.as_str(), vec![3, 1, 2])),
            Extent::Fixed(_) => None,
        })
        .collect();
    let env = surroundings(graph, &mut Draw::new(seed), 3, &lengths).unwrap();
    check_recurrences(graph, &env, &mut Draw::new(seed + 1))
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn of_samples() {
    let mut all = Checked::default();
    for (name, graph) in samples::all() {
        let graph = verify(graph).unwrap();
        let names = graph.sizes.iter().enumerate();
        let sizes: Vec<(&str, usize)> = names.map(|(i, name)| (name.as_str(), i + 2)).collect();
        all.add(checked(name, &bind(&graph, &sizes).unwrap(), 1));
    }
    assert!(
        all.loops > 10 && all.linear > 0 && all.inverted > 0,
        "{all:?}"
    );
}

#[test]
fn of_generated_models() {
    // On the way back errors grow with every step.
    let settings = Settings {
        steps: vec![1, 2, 3],
        ..Settings::small()
    };
    let mut all = Checked::default();
    for seed in 0..400 {
        let drawn = generate(seed, &settings);
        let found = check_recurrences(&drawn.model, &drawn.env, &mut Draw::new(seed));
        all.add(found.unwrap_or_else(|error| panic!("seed {seed}: {error}")));
    }
    // Their states are bounded by a function, so none is linear.
    let found = all.loops > 100 && all.diagonal > 0 && all.structured > 0 && all.inverted > 0;
    assert!(found, "{all:?}");
}

// A model of one loop from the equations of a step: `%0` is an input of 5 numbers, `%1` a parameter of as many.
fn model(lines: &str, states: &[&str]) -> Verified {
    let outputs: Vec<String> = states
        .iter()
        .map(|at| format!("output o{at} = %{at}"))
        .collect();
    let text = format!(
        "model Loop\naxis batch: 1..=B\naxis t: 1..=T\n%0 = input x : [batch, t] [5] real\n\
         %1 = param a ~ uniform(0.5, 1) : [] [5]\n{lines}\n{}\n",
        outputs.join("\n"),
    );
    verify(parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))).unwrap()
}

fn only(graph: &Verified) -> rnn_ir::recurrence::Recurrence {
    let mut all = recurrences(graph);
    assert_eq!(all.len(), 1);
    all.remove(0)
}

#[test]
fn a_leapfrog_is_invertible_without_conditions() {
    let graph = model(
        "%2 = param W ~ uniform(-1, 1) : [] [5, 5]\n\
         %3 = shift t-1 %8 : [batch, t] [5]\n\
         %4 = shift t-1 %7 : [batch, t] [5]\n\
         %5 = matmul %2, %3 : [batch, t] [5]\n\
         %6 = tanh %5 : [batch, t] [5]\n\
         %7 \"z\" = add %4, %6 : [batch, t] [5]\n\
         %8 \"y\" = add %3, %7 : [batch, t] [5]",
        &["8"],
    );
    let one = only(&graph);
    assert_eq!(verdict(&one), "nonlinear, dense, invertible");
    assert_eq!(checked("leapfrog", &graph, 3).inverted, 1);
}

#[test]
fn what_a_state_is_multiplied_with_is_a_condition_where_it_may_be_zero() {
    let graph = model(
        "%2 = shift t-1 %4 : [batch, t] [5]\n\
         %3 = mul %1, %2 : [batch, t] [5]\n\
         %4 \"h\" = add %3, %0 : [batch, t] [5]",
        &["4"],
    );
    let one = only(&graph);
    assert_eq!(
        verdict(&one),
        "linear, diagonal, invertible unless `a` is 0"
    );
    assert_eq!(checked("integrator", &graph, 3).inverted, 1);
}

#[test]
fn a_function_that_takes_no_value_twice_is_undone() {
    let graph = model(
        "%2 = shift t-1 %4 : [batch, t] [5]\n\
         %3 = add %2, %0 : [batch, t] [5]\n\
         %4 \"h\" = tanh %3 : [batch, t] [5]",
        &["4"],
    );
    let one = only(&graph);
    assert_eq!(verdict(&one), "nonlinear, diagonal, invertible");
    assert_eq!(checked("tanh", &graph, 3).inverted, 1);
}

#[test]
fn a_bottleneck_bounds_the_rank() {
    let graph = model(
        "%2 = param U ~ uniform(-1, 1) : [] [2, 5]\n\
         %3 = param V ~ uniform(-1, 1) : [] [5, 2]\n\
         %4 = shift t-1 %10 : [batch, t] [5]\n\
         %5 = matmul %2, %4 : [batch, t] [2]\n\
         %6 = tanh %5 : [batch, t] [2]\n\
         %7 = matmul %3, %6 : [batch, t] [5]\n\
         %8 = mul %1, %4 : [batch, t] [5]\n\
         %9 = add %7, %8 : [batch, t] [5]\n\
         %10 \"h\" = add %9, %0 : [batch, t] [5]",
        &["10"],
    );
    let one = only(&graph);
    assert!(
        matches!(
            one.structure,
            Structure::LowRank {
                rank: 2,
                units: 5,
                ..
            }
        ),
        "{one:?}"
    );
    assert_eq!(checked("bottleneck", &graph, 3).structured, 1);
}

#[test]
fn rows_of_a_matrix_are_blocks() {
    let graph = model(
        "%2 = outer %0, %1 : [batch, t] [5, 5]\n\
         %3 = shift t-1 %5 : [batch, t] [5, 5]\n\
         %4 = matmul %3, %2 : [batch, t] [5, 5]\n\
         %5 \"M\" = add %3, %4 : [batch, t] [5, 5]",
        &["5"],
    );
    let one = only(&graph);
    assert_eq!(verdict(&one), "linear, block diagonal");
    assert_eq!(checked("rows", &graph, 3).structured, 1);
    assert!(matches!(one.inverse, Inverse::Missing(_)));
}

#[test]
fn a_register_that_moves_is_not_diagonal() {
    let graph = model(
        "%2 = shift t-1 %4 : [batch, t] [5]\n\
         %3 = slice %2 at 0 from 0 take 4 : [batch, t] [4]\n\
         %4 \"h\" = pad %3 at 0 by 1, 0 : [batch, t] [5]",
        &["4"],
    );
    let one = only(&graph);
    // All but the last number is handed on.
    let rank = Structure::LowRank {
        rank: 4,
        units: 5,
        at: one.cycle.states[0].after,
    };
    assert_eq!(one.structure, rank);
    assert_eq!(checked("register", &graph, 3).structured, 1);
}

#[test]
fn a_state_that_two_shifts_read_is_one_state() {
    let graph = model(
        "%2 = param U ~ uniform(-1, 1) : [] [5, 5]\n\
         %3 = shift t-1 %7 : [batch, t] [5]\n\
         %4 = shift t-1 %7 : [batch, t] [5]\n\
         %5 = matmul %2, %4 : [batch, t] [5]\n\
         %6 = mul %1, %3 : [batch, t] [5]\n\
         %7 \"h\" = add %5, %6 : [batch, t] [5]",
        &["7"],
    );
    let one = only(&graph);
    assert_eq!(one.cycle.states.len(), 1);
    assert!(matches!(one.structure, Structure::Dense { .. }), "{one:?}");
    assert_eq!(checked("twice", &graph, 3).linear, 1);
}
