//! Compiled code against the interpreter on every sample model, forward and gradient, for every variant of the kernels.

#[path = "oracle/among.rs"]
mod among;
#[path = "oracle/corpus.rs"]
mod corpus;
mod oracle;

use rnn_ir::axis::{Domain, Extent};
use rnn_ir::builder::Builder;
use rnn_ir::dim::Dim;
use rnn_ir::generate::{Draw, surroundings};
use rnn_ir::graph::{ResultKind, Verified};
use rnn_ir::interp::Env;
use rnn_ir::node::{Shape, Type};
use rnn_ir::op::{Binary, Role, Unary};
use rnn_ir::random::draw::Per;
use rnn_ir::typing::TypeError;
use rnn_ir::verify::verify;
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

// The results of wide clusters and of narrow ones, and how many clusters are wide.
fn same_bits(name: &str, graph: &Verified, env: &Env) -> usize {
    let env = oracle::rounded(env);
    let [wide, narrow] = [true, false].map(|wide| {
        let options = JitOptions {
            isa: Some(Isa::detect()),
            wide,
            quick: wide,
            ..JitOptions::default()
        };
        oracle::compile_with(graph, options)
    });
    assert_eq!(narrow.wide_clusters(), 0);
    let clusters = wide.wide_clusters();
    let results = oracle::run(&wide, &env, &Executable::run);
    let narrow = oracle::run(&narrow, &env, &Executable::run);
    for ((result, wide), (_, narrow)) in results.iter().zip(narrow) {
        for (at, (wide, narrow)) in wide.iter().zip(narrow).enumerate() {
            let same = wide.to_bits() == narrow.to_bits();
            assert!(
                same || (wide.is_nan() && narrow.is_nan()),
                "{name}, {result}[{at}]: {wide:e} wide, {narrow:e} narrow"
            );
        }
    }
    clusters
}

#[test]
fn wide_clusters_give_the_bits_of_narrow_ones() {
    let mut clusters = 0;
    for (name, graph) in corpus::graphs() {
        for shape in corpus::SHAPES {
            let env = corpus::env(&graph, shape);
            clusters += same_bits(&format!("{name}, {shape:?}"), &graph, &env);
        }
    }
    assert_eq!(
        clusters > 0,
        Isa::detect() == Isa::Avx512,
        "{clusters} wide clusters"
    );
}

// `sin(a) + cos(a)` of an angle between two limits.
fn angles(limit: f64) -> Result<Verified, TypeError> {
    let mut b = Builder::new("Angles");
    let t = b.axis("t", Extent::Length("T".into()));
    let domain = Domain::BATCH.with(t);
    let ty = Type::real(domain, Shape::vector(Dim::constant(37)));
    let x = b.input("x", Role::Input, ty)?;
    let [high, low, scale] = [limit, -limit, 1e5].map(|x| b.constant(x, Shape::scalar()));
    let noisy = b.noise(x, high, Per::Step)?;
    let far = b.mul(scale, noisy)?;
    let below = b.binary(Binary::Min, far, high)?;
    let angle = b.binary(Binary::Max, below, low)?;
    let (sine, cosine) = (b.unary(Unary::Sin, angle)?, b.unary(Unary::Cos, angle)?);
    let both = b.add(sine, cosine)?;
    b.result(ResultKind::Output, "both", both);
    Ok(verify(b.finish()).expect("valid"))
}

#[test]
fn angles_that_are_known_to_be_small_are_wide_with_the_same_bits() {
    let mut found = Vec::new();
    for limit in [3.0, 9.8e4, 2e5] {
        let graph = angles(limit).expect("typed");
        let lengths = [("T", vec![3, 1, 2])];
        let env = surroundings(&graph, &mut Draw::new(5), 3, &lengths).expect("bound");
        for isa in Isa::available() {
            oracle::compare(&graph, &env, isa, &Executable::run).expect("agrees");
        }
        found.push(same_bits(&limit.to_string(), &graph, &env));
    }
    if Isa::detect() == Isa::Avx512 {
        let [small, near, far] = found[..] else {
            panic!("of three limits: {found:?}");
        };
        assert!(small == near && near > far, "{found:?} wide clusters");
    }
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
