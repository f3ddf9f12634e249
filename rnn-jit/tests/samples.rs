//! Compiled code against the interpreter on every sample model, forward and gradient, for every variant of the kernels.

#[path = "oracle/among.rs"]
mod among;
#[path = "oracle/corpus.rs"]
mod corpus;
mod oracle;

use rnn_jit::kernels::Isa;
use rnn_jit::profile::Kind;
use rnn_jit::{Executable, JitOptions};

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

#[test]
fn some_examples_of_a_batch_are_read_where_they_are() {
    for (name, graph) in corpus::graphs() {
        for shape in corpus::SHAPES {
            let env = corpus::env(&graph, shape);
            if let Err(error) = oracle::compare(&graph, &env, Isa::detect(), &among::run) {
                panic!("{name}, {shape:?}: {error}");
            }
        }
    }
}

#[test]
fn wide_clusters_give_the_bits_of_narrow_ones() {
    let mut clusters = 0;
    for (name, graph) in corpus::graphs() {
        for shape in corpus::SHAPES {
            let env = oracle::rounded(&corpus::env(&graph, shape));
            let [wide, narrow] = [true, false].map(|wide| {
                let options = JitOptions {
                    isa: Some(Isa::detect()),
                    wide,
                    quick: wide,
                    ..JitOptions::default()
                };
                oracle::compile_with(&graph, options)
            });
            assert_eq!(narrow.wide_clusters(), 0);
            clusters += wide.wide_clusters();
            let results = oracle::run(&wide, &env, &Executable::run);
            let narrow = oracle::run(&narrow, &env, &Executable::run);
            for ((result, wide), (_, narrow)) in results.iter().zip(narrow) {
                for (at, (wide, narrow)) in wide.iter().zip(narrow).enumerate() {
                    let same = wide.to_bits() == narrow.to_bits();
                    assert!(
                        same || (wide.is_nan() && narrow.is_nan()),
                        "{name}, {result}[{at}], {shape:?}: {wide:e} wide, {narrow:e} narrow"
                    );
                }
            }
        }
    }
    assert_eq!(
        clusters > 0,
        Isa::detect() == Isa::Avx512,
        "{clusters} wide clusters"
    );
}

#[test]
fn profiled_programs_give_the_same_bits_and_count_every_kernel() {
    let mut kernels = 0;
    for (name, graph) in corpus::graphs() {
        for shape in corpus::SHAPES {
            let env = oracle::rounded(&corpus::env(&graph, shape));
            let [plain, profiled] = [false, true].map(|profile| {
                let options = JitOptions {
                    profile,
                    block_steps: Some(graph.nodes.len() % 4).filter(|steps| *steps > 0),
                    ..JitOptions::default()
                };
                oracle::compile_with(&graph, options)
            });
            assert!(!plain.is_profiled() && plain.code_bytes() < profiled.code_bytes());
            let counted = std::cell::RefCell::new(Vec::new());
            let found = oracle::run(
                &profiled,
                &env,
                &|executable, workspace, params, inputs, shape| {
                    executable.run(workspace, params, inputs, shape)?;
                    let laps = executable.laps([&*workspace]).expect("profiled");
                    *counted.borrow_mut() = laps.meters;
                    Ok(())
                },
            );
            let expected = oracle::run(&plain, &env, &Executable::run);
            for ((result, found), (_, expected)) in found.iter().zip(&expected) {
                let bits = |values: &[f64]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                assert_eq!(bits(found), bits(expected), "{name}, {result}, {shape:?}");
            }
            // Loops over no steps run no kernel; nothing is done that does not run.
            let (_, longest, _) = shape;
            for meter in counted.borrow().iter() {
                assert!(
                    meter.calls > 0 || longest == 0 || meter.kind == Kind::CopyOut,
                    "{name}: {meter:?}"
                );
                assert!(
                    meter.calls > 0 || meter.work.flops == 0,
                    "{name}: {meter:?}"
                );
                kernels += 1;
            }
        }
    }
    assert!(kernels > 1000, "{kernels} rows");
}
