#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use super::*;
use crate::autodiff::check::{check_direction, with_weights};
use crate::autodiff::{Wrt, differentiate};
use crate::graph::ResultKind;
use crate::interp::evaluate;
use std::collections::BTreeMap;

#[test]
fn a_seed_gives_one_model() {
    for seed in 0..5 {
        let (one, other) = (
            generate(seed, &Settings::small()),
            generate(seed, &Settings::small()),
        );
        assert_eq!(one.model, other.model);
        assert_eq!(one.env, other.env);
    }
}

#[test]
fn losses_of_generated_models_are_finite_and_no_primitive_is_missing() {
    let mut total: BTreeMap<String, usize> = BTreeMap::new();
    for seed in 0..300 {
        let Generated { model, env } = generate(seed, &Settings::kernels());
        let results = evaluate(&model, &env).unwrap();
        for (kind, name, value) in &results.all {
            if *kind == ResultKind::Loss || *kind == ResultKind::Output {
                let tame = value.reals().iter().all(|x| x.abs() < 1e4);
                assert!(tame, "seed {seed}: {name} = {value:?}");
            }
        }
        let graph = differentiate(&model, &Wrt::everything(&model)).unwrap();
        for (kind, count) in op_histogram(&graph) {
            *total.entry(kind).or_default() += count;
        }
    }
    let without: Vec<_> = total.iter().filter(|(_, count)| **count == 0).collect();
    assert!(without.is_empty(), "never generated: {without:?}");
}

#[test]
fn gradients_of_generated_models_agree_with_differences() {
    for seed in 0..600 {
        let settings = [Settings::small(), Settings::kernels()];
        let Generated { model, env } = generate(seed, &settings[seed as usize % 2]);
        let graph = differentiate(&model, &Wrt::everything(&model)).unwrap();
        let env = with_weights(&graph, &env);
        check_direction(&graph, &env, seed).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
    }
}
