//! Samples and generated models between inaccessible pages, against the interpreter.

use super::*;
use crate::exec::{corpus, oracle, states};
use crate::kernels::Isa;
use rnn_ir::autodiff::{Wrt, differentiate};
use rnn_ir::generate::{Draw, Settings, generate};
use rnn_ir::graph::Verified;
use rnn_ir::interp::Env;
use rnn_ir::passes::pipeline::{self, run_passes};
use rnn_ir::passes::{BACKWARD, FORWARD};

/// How many random models are drawn.
const MODELS: u64 = 100;

// A stopped process says nothing: `RNN_TRACE=1` and `--nocapture` say what ran last.
fn compare(what: &str, graph: &Verified, env: &Env, isa: Isa, side: Side) {
    if std::env::var_os("RNN_TRACE").is_some() {
        eprintln!("{what} on {}, {side:?}", isa.name());
    }
    let call = move |executable: &Executable,
                     workspace: &mut Workspace,
                     params: &dyn Arguments,
                     inputs: &dyn Arguments,
                     shape: &CallShape| {
        executable.run_guarded(side, workspace, params, inputs, shape)
    };
    if let Err(error) = oracle::compare(graph, env, isa, &call) {
        panic!("{what} on {}, {side:?}: {error}", isa.name());
    }
}

#[test]
fn samples_stay_inside_their_slots_and_read_what_they_wrote() {
    for (name, graph) in corpus::graphs() {
        for isa in Isa::available() {
            for (at, shape) in corpus::SHAPES.into_iter().enumerate() {
                let env = corpus::env(&graph, shape);
                let what = format!("{name} {shape:?}");
                compare(&what, &graph, &env, isa, Side::ALL[at % 2]);
                compare(&what, &graph, &env, isa, Side::End);
            }
        }
    }
}

#[test]
fn generated_models_stay_inside_their_slots_and_read_what_they_wrote() {
    for seed in 0..MODELS {
        let settings = if seed % 2 == 0 {
            Settings::kernels()
        } else {
            Settings::small()
        };
        let generated = generate(seed + 1_000, &settings);
        let passes = |graph: Verified, list| {
            run_passes(graph, list, pipeline::Settings::default())
                .expect("passes keep the contract")
                .graph
        };
        let forward = passes(generated.model.clone(), FORWARD);
        let gradient = differentiate(&forward, &Wrt::everything(&forward)).expect("differentiable");
        let gradient = passes(gradient, BACKWARD);
        let mut draw = Draw::new(seed);
        for (what, graph) in [("forward", &forward), ("gradient", &gradient)] {
            let env = states::with_states(graph, &generated.env, &mut draw);
            let what = format!("seed {seed}, {what}");
            for isa in Isa::available() {
                compare(&what, graph, &env, isa, Side::End);
            }
            let isas = Isa::available();
            let isa = isas[seed as usize % isas.len()];
            compare(&what, graph, &env, isa, Side::Start);
        }
    }
}
