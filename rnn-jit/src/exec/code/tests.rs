//! A compilation that fails frees what it took.

use super::*;
use rnn_ir::bind::bind;
use rnn_ir::samples;
use rnn_ir::verify::verify;
use std::cell::Cell;
use std::process::Command;

thread_local! {
    /// Whether compilation stops when both functions are there, and not yet executable.
    pub(super) static FAIL: Cell<bool> = const { Cell::new(false) };
}

// A program whose functions take more than a page, so that not all of them are in the page that is being filled.
fn schedule() -> Schedule {
    let mut samples = samples::all();
    samples.sort_by_key(|(_, graph)| graph.nodes.len());
    let (_, graph) = samples.pop().expect("there are samples");
    let graph = verify(graph).expect("samples are valid");
    let sizes: Vec<(&str, usize)> = graph.sizes.iter().map(|name| (&**name, 5)).collect();
    Schedule::new(bind(&graph, &sizes).expect("positive")).expect("has an order")
}

// Pages of the process in memory.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("readable");
    let pages = statm.split(' ').nth(1).expect("the second is resident");
    pages.parse().expect("a number")
}

#[test]
fn a_compilation_that_fails_leaves_no_memory_behind() {
    const TIMES: usize = 500;
    const ALONE: &str = "RNN_ALONE";
    // In a process of its own: what other tests take is not counted.
    if std::env::var_os(ALONE).is_none() {
        let this = "a_compilation_that_fails_leaves_no_memory_behind";
        let output = Command::new(std::env::current_exe().expect("a test has a file"))
            .args([this, "--test-threads=1"])
            .env(ALONE, "1")
            .output()
            .expect("starts");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}");
        assert!(said.contains("1 passed"), "{said}");
        return;
    }
    let schedule = schedule();
    let compile = || {
        let storage = Storage::new(&schedule);
        Code::compile(
            &schedule,
            &storage,
            None,
            Isa::detect(),
            &JitOptions::default(),
        )
    };
    assert!(compile().is_ok_and(|code| code.bytes > 4096));
    FAIL.set(true);
    let fail = |times: usize| {
        for _ in 0..times {
            assert!(matches!(
                compile(),
                Err(JitError::UnsupportedMachine { .. })
            ));
        }
    };
    fail(50);
    let before = resident();
    fail(TIMES);
    let more = resident().saturating_sub(before);
    assert!(more < TIMES / 2, "{more} more pages");
}
