//! Compiled models leave nothing behind when they are dropped.
#![cfg(target_os = "linux")]

#[path = "oracle/corpus.rs"]
mod corpus;
mod oracle;

use rnn_ir::graph::Verified;
use rnn_jit::Executable;
use rnn_jit::kernels::Isa;

/// Models compiled, run and dropped.
const MODELS: usize = 3_000;

/// What the allocator may keep: less than one page for every two models.
const BOUND: usize = MODELS / 2;

// Pages of the process in memory.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("readable");
    let pages = statm.split(' ').nth(1).expect("the second is resident");
    pages.parse().expect("a number")
}

fn mappings() -> usize {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("readable");
    maps.lines().count()
}

#[test]
fn thousands_of_models_compiled_run_and_dropped_leave_memory_flat() {
    let mut graphs: Vec<(String, Verified)> = corpus::graphs();
    graphs.sort_by_key(|(_, graph)| graph.nodes.len());
    graphs.truncate(4);
    let shape = corpus::SHAPES[1];
    let run = |at: usize| {
        let (name, graph) = &graphs[at % graphs.len()];
        let env = corpus::env(graph, shape);
        if let Err(error) = oracle::compare(graph, &env, Isa::detect(), &Executable::run) {
            panic!("{name}: {error}");
        }
    };
    (0..200).for_each(run);
    let (pages, maps) = (resident(), mappings());
    (0..MODELS).for_each(run);
    let more = resident().saturating_sub(pages);
    assert!(more < BOUND, "{more} more pages after {MODELS} models");
    let more = mappings().saturating_sub(maps);
    assert!(more < 100, "{more} more mappings after {MODELS} models");
}
