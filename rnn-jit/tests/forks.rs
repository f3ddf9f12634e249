//! Branches of forks on several threads: the bits of one thread, on every sample and on generated models, forward and
//! gradient.

#[path = "oracle/corpus.rs"]
mod corpus;
mod oracle;
#[path = "oracle/states.rs"]
mod states;

use rnn_ir::autodiff::{Wrt, differentiate};
use rnn_ir::generate::{Draw, Generated, Settings, generate};
use rnn_ir::graph::Verified;
use rnn_ir::interp::Env;
use rnn_ir::schedule::Item;
use rnn_jit::{Executable, Helpers, JitOptions, Pool};

const MODELS: u64 = 60;

// How many forks a program has whose results are the same bits with helpers as without.
fn forks_of(name: &str, graph: &Verified, env: &Env, pool: &Pool) -> usize {
    let options = JitOptions {
        checks: true,
        fork_work: 0,
        ..JitOptions::default()
    };
    let executable = oracle::compile_with(graph, options);
    let items = executable.schedule().items.iter();
    let forks = items.filter(|item| matches!(item, Item::Fork(_))).count();
    if forks == 0 {
        return 0;
    }
    let env = &oracle::rounded(env);
    let alone = oracle::run(&executable, env, &Executable::run);
    for most in [1, 2, 7] {
        let helpers = Some(Helpers { pool, most });
        let together = oracle::run(
            &executable,
            env,
            &|executable, ws, params, inputs, shape| {
                executable.run_with(helpers, ws, params, inputs, shape)
            },
        );
        for ((result, alone), (_, together)) in alone.iter().zip(together) {
            let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            assert!(
                bits(alone) == bits(&together),
                "{name}, {result}, {most} helpers"
            );
        }
    }
    forks
}

#[test]
fn branches_of_every_sample_give_the_bits_of_one_thread() {
    let pool = Pool::default();
    let mut forks = 0;
    for (name, graph) in corpus::graphs() {
        for shape in corpus::SHAPES {
            forks += forks_of(&name, &graph, &corpus::env(&graph, shape), &pool);
        }
    }
    println!("{forks} forks");
    assert!(forks >= 8, "two directions, and their gradients: {forks}");
    assert!(pool.threads() > 0);
}

#[test]
fn branches_of_generated_models_give_the_bits_of_one_thread() {
    let pool = Pool::default();
    let mut forks = 0;
    for seed in 0..MODELS {
        let Generated { model, env } = generate(seed, &Settings::small());
        let gradient = differentiate(&model, &Wrt::params()).expect("differentiable");
        let mut draw = Draw::new(seed);
        for graph in [&model, &gradient] {
            let env = states::with_states(graph, &env, &mut draw);
            forks += forks_of(&format!("seed {seed}"), graph, &env, &pool);
        }
    }
    println!("{forks} forks");
    assert!(forks > 0);
}
