//! Compiled code against the interpreter on generated models: as they are and after all passes, forward and gradient.

#[path = "oracle/among.rs"]
mod among;
mod oracle;
#[path = "oracle/states.rs"]
mod states;

use rnn_ir::autodiff::{Wrt, differentiate};
use rnn_ir::generate::{Draw, Generated, Settings, generate, op_histogram};
use rnn_ir::passes::counts::Counts;
use rnn_ir::passes::pipeline::{self, run_passes};
use rnn_ir::passes::{BACKWARD, FORWARD};
use rnn_jit::Executable;
use rnn_jit::kernels::Isa;
use std::collections::BTreeMap;

const MODELS: u64 = 320;

/// Rules whose occasion models are not written with; each is compiled on its own file (`rules.rs`, where none may be
/// silent).
const SHOWN_ELSEWHERE: &[&str] = &[
    "add_padded_twice",
    "at_placed",
    "join_numbers",
    "join_one",
    "join_slices",
    "multiply_minus_one",
    "negate_difference",
    "negate_negated",
    "pad_padded",
    "recompute",
    "share_commuted",
    "share_recurrence",
    "shift_constant",
    "slice_join",
    "stop_constant",
    "subtract_negated",
    "subtract_zero",
    "transpose_transposed",
];

#[test]
fn generated_models_agree_with_the_interpreter() {
    let mut failures = Vec::new();
    let mut ops: BTreeMap<String, usize> = BTreeMap::new();
    let mut rules = Counts::default();
    let isas = Isa::available();
    let only: Option<u64> = std::env::var("RNN_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    for seed in (0..MODELS).filter(|seed| only.is_none_or(|only| only == *seed)) {
        let settings = if seed % 4 == 0 {
            Settings::kernels()
        } else {
            Settings::small()
        };
        let Generated { model, env } = generate(seed, &settings);
        let mut draw = Draw::new(seed);
        let isa = isas[seed as usize % isas.len()];
        let forward = run_passes(model.clone(), FORWARD, pipeline::Settings::default())
            .expect("passes keep the contract");
        let gradient = differentiate(&forward.graph, &Wrt::everything(&forward.graph))
            .expect("differentiable");
        let fused = run_passes(gradient, BACKWARD, pipeline::Settings::default())
            .expect("passes keep the contract");
        rules.merge(&forward.counts());
        rules.merge(&fused.counts());
        let plain = differentiate(&model, &Wrt::params()).expect("differentiable");
        let pass = rnn_ir::passes::ALL[seed as usize / isas.len() % rnn_ir::passes::ALL.len()];
        let alone = run_passes(model.clone(), &[pass], pipeline::Settings::default())
            .expect("passes keep the contract");
        rules.merge(&alone.counts());
        let alone =
            differentiate(&alone.graph, &Wrt::everything(&alone.graph)).expect("differentiable");
        for (what, graph) in [
            ("forward", &forward.graph),
            ("plain gradient", &plain),
            (pass.name, &alone),
            ("gradient", &fused.graph),
        ] {
            for (name, count) in op_histogram(graph) {
                *ops.entry(name).or_default() += count;
            }
            let env = states::with_states(graph, &env, &mut draw);
            if std::env::var_os("RNN_TRACE").is_some() {
                eprintln!("seed {seed} {what} on {}", isa.name());
            }
            // Half of them as some of the examples of a larger batch.
            let call: &oracle::Call<'_> = match seed % 2 {
                0 => &Executable::run,
                _ => &among::run,
            };
            let run = || oracle::compare(graph, &env, isa, call);
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run))
                .unwrap_or_else(|_| Err("panicked".to_owned()));
            if let Err(error) = outcome {
                failures.push(format!(
                    "seed {seed}, {what} on {}, batch {}, lengths {:?}: {error}",
                    isa.name(),
                    env.batch,
                    env.lengths
                ));
            }
        }
    }
    println!("primitives compiled: {ops:?}");
    println!("rules fired: {:?}", rules.iter().collect::<Vec<_>>());
    assert!(
        failures.is_empty(),
        "{} failures:\n{}",
        failures.len(),
        failures.join("\n")
    );
    if only.is_some() {
        return;
    }
    let rules_of = rnn_ir::passes::ALL.iter().flat_map(|pass| (pass.rules)());
    let idle: Vec<&str> = rules_of
        .filter(|rule| rules.of(rule) == 0 && !SHOWN_ELSEWHERE.contains(rule))
        .collect();
    assert!(idle.is_empty(), "rules that did not fire: {idle:?}");
    let missing: Vec<&String> = ops
        .iter()
        .filter(|(_, count)| **count == 0)
        .map(|(name, _)| name)
        .collect();
    assert!(missing.is_empty(), "never compiled: {missing:?}");
}
