//! Passes keep what a model computes: results and gradients by the reference interpreter, before and after.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use rnn_ir::autodiff::{Wrt, differentiate};
use rnn_ir::axis::Extent;
use rnn_ir::bind::bind;
use rnn_ir::generate::{self, Draw, generate, surroundings};
use rnn_ir::graph::Verified;
use rnn_ir::interp::{Data, Env, Tensor, evaluate};
use rnn_ir::op::Role;
use rnn_ir::passes::counts::Counts;
use rnn_ir::passes::pipeline::{Settings, run_passes};
use rnn_ir::passes::{ALL, BACKWARD, FORWARD, Pass};
use rnn_ir::samples;
use rnn_ir::text::{parse, print};
use rnn_ir::verify::verify;
use std::collections::BTreeSet;

/// Passes reorder sums of a few hundred terms of size one, each with a rounding of 2^-53, and exponentials of them.
const TOLERANCE: f64 = 1e-10;

const LENGTHS: [[usize; 3]; 3] = [[3, 1, 2], [0, 4, 1], [2, 5, 5]];

// Every size different.
fn bound(graph: &Verified) -> Verified {
    let names = graph.sizes.iter().enumerate();
    let sizes: Vec<(&str, usize)> = names.map(|(i, name)| (name.as_str(), i + 2)).collect();
    bind(graph, &sizes).unwrap()
}

// Surroundings of a graph, in which every example starts here.
fn fresh(graph: &Verified, of: [usize; 3], seed: u64) -> Env {
    let axes = graph.axes.iter().filter(|(id, _)| id.is_time());
    let lengths: Vec<(&str, Vec<usize>)> = axes
        .filter_map(|(_, axis)| match &axis.extent {
            Extent::Length(name) => Some((name.as_str(), of.to_vec())),
            Extent::Fixed(_) => None,
        })
        .collect();
    let mut env = surroundings(graph, &mut Draw::new(seed), of.len(), &lengths).unwrap();
    for (_, name, role) in graph.inputs() {
        if role == Role::Fresh {
            env = env.with_input(name, Tensor::bool([of.len()], vec![true; of.len()]));
        }
    }
    env
}

fn close(a: &Tensor, b: &Tensor) -> bool {
    let near = |a: f64, b: f64| {
        a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= TOLERANCE * (1.0 + a.abs())
    };
    a.dims() == b.dims()
        && match (a.data(), b.data()) {
            (Data::Real(a), Data::Real(b)) => a.iter().zip(b).all(|(a, b)| near(*a, *b)),
            (a, b) => a == b,
        }
}

// The results of `before` are results of `after`, of one type and, for examples of these lengths, of one value.
fn same(what: &str, before: &Verified, after: &Verified, lengths: &[[usize; 3]]) {
    for result in &before.results {
        let find = |other: &&rnn_ir::graph::GraphResult| {
            other.kind == result.kind && other.name == result.name
        };
        let other = after.results.iter().find(find).unwrap();
        let (a, b) = (&before.nodes[result.node].ty, &after.nodes[other.node].ty);
        assert_eq!(a, b, "{what}: type of {}", result.name);
    }
    let (before, after) = (bound(before), bound(after));
    for (seed, of) in (1u64..).zip(lengths.iter().copied()) {
        // States are inputs of the later graph alone.
        let mut env = fresh(&before, of, seed);
        for (name, value) in fresh(&after, of, seed).inputs {
            env.inputs.entry(name).or_insert(value);
        }
        let expected = evaluate(&before, &env).unwrap();
        let found = evaluate(&after, &env).unwrap();
        for (kind, name, value) in &expected.all {
            let other = found.get(kind, name).unwrap();
            assert!(
                close(value, other),
                "{what}, lengths {of:?}, seed {seed}: {} {name}\n{value:?}\n{other:?}\n{}\n{}",
                kind.name(),
                print(&before),
                print(&after)
            );
        }
    }
}

fn run(what: &str, graph: &Verified, passes: &[Pass], skip: &[&str]) -> (Verified, Counts) {
    let settings = Settings {
        skip,
        ..Settings::default()
    };
    let outcome = run_passes(graph.clone(), passes, settings);
    let outcome = outcome.unwrap_or_else(|error| panic!("{what}: {error}\n{}", print(graph)));
    let counts = outcome.counts();
    (outcome.graph, counts)
}

// Both lists on a model and on its derivative, and one list before differentiation and the other after it. With
// `thorough`, also every pass alone, and every list with each of its passes left out.
fn check(
    name: &str,
    model: &Verified,
    counts: &mut Counts,
    thorough: bool,
    lengths: &[[usize; 3]],
) {
    // States vary over the batch; so must what the others are compared with.
    let carried = run(name, model, &ALL[..1], &[]).0;
    if carried.results.len() == model.results.len() {
        same(&format!("{name}: carry_state"), model, &carried, lengths);
    }
    let mut graphs = vec![carried.clone()];
    if carried.loss().is_some() {
        graphs.push(differentiate(&carried, &Wrt::everything(&carried)).unwrap());
    }
    for graph in &graphs {
        for pass in ALL.iter().filter(|_| thorough) {
            let what = format!("{name}: {}", pass.name);
            let (after, fired) = run(&what, graph, &[*pass], &[]);
            counts.merge(&fired);
            same(&what, graph, &after, lengths);
        }
        let lists = [("forward", FORWARD), ("backward", BACKWARD)];
        for (list, passes) in lists {
            let what = format!("{name}: {list}");
            let (after, fired) = run(&what, graph, passes, &[]);
            counts.merge(&fired);
            same(&what, graph, &after, lengths);
            for left_out in ALL.iter().map(|pass| pass.name).filter(|_| thorough) {
                let what = format!("{name}: {list} without {left_out}");
                let (after, _) = run(&what, graph, passes, &[left_out]);
                same(&what, graph, &after, lengths);
            }
        }
    }
    let Some(plain) = graphs.get(1) else {
        return;
    };
    let (forward, fired) = run(name, &carried, FORWARD, &[]);
    counts.merge(&fired);
    let derived = differentiate(&forward, &Wrt::everything(&forward)).unwrap();
    let (backward, fired) = run(name, &derived, BACKWARD, &[]);
    counts.merge(&fired);
    // What the second list made can be differentiated as well.
    let (again, _) = run(name, &carried, BACKWARD, &[]);
    let again = differentiate(&again, &Wrt::everything(&again)).unwrap();
    same(
        &format!("{name}: backward, then differentiated"),
        plain,
        &again,
        lengths,
    );
    same(&format!("{name}: both lists"), plain, &backward, lengths);
}

/// Rules whose occasion no sample and no generated model may have: each has its own file, on which it fires and values
/// are compared.
const SPECIAL: &[&str] = &[
    "add_padded_twice",
    "at_invariant",
    "at_placed",
    "broadcast_broadcast",
    "join_numbers",
    "join_one",
    "join_zeros",
    "join_slices",
    "multiply_minus_one",
    "negate_difference",
    "negate_negated",
    "pad_padded",
    "share_commuted",
    "share_recurrence",
    "shift_constant",
    "stop_constant",
    "subtract_negated",
    "subtract_zero",
    "transpose_transposed",
    "zero_minus",
];

/// How many random models are drawn.
const GENERATED: u64 = 200;

fn fired(counts: &Counts) -> BTreeSet<&'static str> {
    counts.iter().map(|(rule, _)| rule).collect()
}

#[test]
fn rules_keep_values_on_their_files() {
    insta::glob!("passes/*/*.rir", |path| {
        let text = std::fs::read_to_string(path).unwrap();
        let graph = verify(parse(&text).unwrap()).unwrap();
        let mut counts = Counts::default();
        check(
            &path.display().to_string(),
            &graph,
            &mut counts,
            true,
            &LENGTHS,
        );
    });
}

#[test]
fn passes_keep_values_and_gradients_and_every_rule_fires() {
    let mut counts = Counts::default();
    for (name, graph) in samples::all() {
        check(name, &verify(graph).unwrap(), &mut counts, true, &LENGTHS);
    }
    for seed in 0..GENERATED {
        let model = generate(seed, &generate::Settings::small()).model;
        let thorough = seed % 20 == 0;
        let lengths = &LENGTHS[usize::try_from(seed % 3).unwrap()..][..1];
        check(
            &format!("seed {seed}"),
            &model,
            &mut counts,
            thorough,
            lengths,
        );
    }
    for (rule, times) in counts.iter() {
        println!("{times:6} {rule}");
    }
    let fired = fired(&counts);
    let rules = ALL.iter().flat_map(|pass| (pass.rules)());
    let idle = rules.filter(|rule| !fired.contains(rule) && !SPECIAL.contains(rule));
    let idle: Vec<&str> = idle.collect();
    assert!(idle.is_empty(), "rules that never fire: {idle:?}");
}
