//! Compiled code against the interpreter on every sample model, forward and gradient, for every variant of the kernels.

#[path = "oracle/corpus.rs"]
mod corpus;
mod oracle;

use rnn_jit::Executable;
use rnn_jit::kernels::Isa;

#[test]
fn every_sample_agrees_with_the_interpreter() {
    let mut failures = Vec::new();
    for (name, graph) in corpus::graphs() {
        for isa in Isa::available() {
            for shape in corpus::SHAPES {
                let env = corpus::env(&graph, shape);
                let run = || oracle::compare(&graph, &env, isa, &Executable::run);
                let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run))
                    .unwrap_or_else(|_| Err("panicked".to_owned()));
                if let Err(error) = outcome {
                    failures.push(format!("{name} on {}, {shape:?}: {error}", isa.name()));
                }
            }
        }
    }
    assert!(
        failures.is_empty(),
        "{} failures:\n{}",
        failures.len(),
        failures.join("\n")
    );
}
