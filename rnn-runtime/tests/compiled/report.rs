//! What compiling took, and names of functions for `perf`.

use std::time::Duration;

use ndarray::Array2;
use rnn_ir::autodiff::{Wrt, differentiate};
use rnn_ir::bind::bind;
use rnn_ir::passes::pipeline::{Settings, run_passes};
use rnn_ir::passes::{BACKWARD, FORWARD};
use rnn_ir::schedule::Schedule;
use rnn_ir::text::parse;
use rnn_ir::verify::verify;
use rnn_jit::kernels::Isa;
use rnn_jit::{Executable, JitOptions, perf_map_path};
use rnn_runtime::{Model, Options, PERF_MAP_VARIABLE, Program, compile, init_params};

use crate::models::*;

#[test]
fn stages_of_compiling_add_up() {
    let model = compile(CHAR_LM, Options::default().reuse(false)).expect("compiles");
    let report = model.compile_report();
    let sum = |stages: &[rnn_runtime::CompileStage]| -> Duration {
        stages.iter().map(|stage| stage.time).sum()
    };
    assert_eq!(report.programs.len(), 3);
    assert!(sum(&report.shared) <= report.total && sum(&report.shared) * 2 >= report.total);
    for program in &report.programs {
        let named = |name: &str| program.stages.iter().any(|stage| stage.name == name);
        let stages = [
            "differentiate",
            "pass simplify",
            "checks of graphs",
            "schedule",
            "storage",
            "module",
            "lower",
            "generate",
            "finalize",
            "plan",
        ];
        for name in stages {
            assert!(named(name), "{name} in\n{report}");
        }
        // Another process may run in between, where no stage sees it.
        let parts = sum(&program.stages);
        assert!(
            parts <= program.total && parts * 2 >= program.total,
            "{report}"
        );
        let bytes: usize = program
            .functions
            .iter()
            .map(|function| function.bytes)
            .sum();
        assert_eq!(
            bytes,
            model.code_bytes(program.program).expect("has a loss")
        );
        let names: Vec<&str> = program
            .functions
            .iter()
            .map(|function| &*function.name)
            .collect();
        assert!(
            names.contains(&"prepare") && names.contains(&"run"),
            "{names:?}"
        );
        let cluster = names.iter().any(|name| name.contains("lstm.c,lstm.h]"));
        assert_eq!(cluster, Isa::detect() == Isa::Avx512, "{names:?}");
        assert!(
            program
                .kernels
                .iter()
                .any(|(name, _)| name.contains("lstm.h"))
        );
        let function = |function: &rnn_jit::Emitted| function.lower + function.generate;
        let functions: Duration = program.functions.iter().map(function).sum();
        assert!(
            functions > Duration::ZERO && functions <= program.total,
            "{report}"
        );
    }
    let text = report.to_string();
    assert!(
        text.starts_with("CharLm: compiled in ") && text.contains("gradient: "),
        "{text}"
    );
}

// Bytes of code and kernels of a model whose number of steps is known when it is written.
fn compiled_for(steps: usize) -> (usize, usize) {
    let text = CharLm::IR.replace("axis t: 1..=T", &format!("axis t: 1..={steps}"));
    let graph = verify(parse(&text).expect("parses")).expect("valid");
    let graph = bind(&graph, &CHAR_LM.sizes()).expect("positive");
    let graph = run_passes(graph, FORWARD, Settings::default())
        .expect("sound")
        .graph;
    let graph = differentiate(&graph, &Wrt::params()).expect("has a loss");
    let graph = run_passes(graph, BACKWARD, Settings::default())
        .expect("sound")
        .graph;
    let executable = Executable::new(
        Schedule::new(graph).expect("an order"),
        JitOptions::default(),
    );
    let executable = executable.expect("compiles");
    (
        executable.code_bytes(),
        executable.compiling().kernels.len(),
    )
}

#[test]
fn what_is_compiled_does_not_depend_on_the_number_of_steps() {
    assert_eq!(compiled_for(200), compiled_for(20_000));
    // Calls of other numbers of steps compile nothing: one code serves them all.
    let model = compile(CHAR_LM, Options::default().reuse(false)).expect("compiles");
    let params = init_params(&CHAR_LM, 1).expect("small");
    let report = model.compile_report();
    for steps in [1, 7, 300] {
        let tokens = Array2::<u32>::zeros((steps, 2));
        let out = model.forward(&params, CharLmInputs { now: tokens.view() });
        assert_eq!(out.expect("runs").logits.shape()[0], steps);
    }
    assert_eq!(model.compile_report(), report);
}

#[test]
#[cfg(target_os = "linux")]
fn functions_have_names_for_perf() {
    let read = || std::fs::read_to_string(perf_map_path()).unwrap_or_default();
    let before = read()
        .lines()
        .filter(|line| line.contains("CharLm"))
        .count();
    let silent = compile(CHAR_LM, Options::default().reuse(false)).expect("compiles");
    assert_eq!(
        read()
            .lines()
            .filter(|line| line.contains("CharLm"))
            .count(),
        before
    );
    drop(silent);
    let model = compile(CHAR_LM, Options::default().reuse(false).perf_map(true)).expect("compiles");
    let text = read();
    let maps = std::fs::read_to_string("/proc/self/maps").expect("readable");
    for program in Program::ALL {
        let report = model.compile_report();
        let mut programs = report.programs.iter();
        let report = programs
            .find(|report| report.program == program)
            .expect("compiled");
        assert!(report.functions.len() >= 2);
        for function in &report.functions {
            let line = format!(
                "{:x} {:x} rnn::CharLm::{}::{}",
                function.address,
                function.bytes,
                program.name(),
                function.name
            );
            assert!(
                text.lines().any(|known| known == line),
                "{line} is not in\n{text}"
            );
            let executable = maps.lines().any(|map| {
                let (range, rest) = map.split_once(' ').expect("a mapping");
                let (start, end) = range.split_once('-').expect("a range");
                let [start, end] = [start, end]
                    .map(|address| usize::from_str_radix(address, 16).expect("hexadecimal"));
                rest.starts_with("r-x")
                    && (start..end).contains(&function.address)
                    && function.address + function.bytes <= end
            });
            assert!(executable, "{line} in\n{maps}");
        }
    }
    std::fs::remove_file(perf_map_path()).expect("written above");
}

#[test]
fn the_environment_asks_for_names() {
    if std::env::var_os(PERF_MAP_VARIABLE).is_some() {
        compile(CHAR_LM, Options::default().reuse(false)).expect("compiles");
        let text = std::fs::read_to_string(perf_map_path()).expect("written");
        assert!(text.contains("rnn::CharLm::gradient::run"), "{text}");
        return std::fs::remove_file(perf_map_path()).expect("just read");
    }
    let this = "report::the_environment_asks_for_names";
    let output = std::process::Command::new(std::env::current_exe().expect("a test has a file"))
        .args([this, "--exact"])
        .env(PERF_MAP_VARIABLE, "1")
        .output()
        .expect("starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
}
