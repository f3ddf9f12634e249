//! Compiled code against the interpreter on the smallest graph of every rewrite rule: as it is written, after the rule's
//! own pass, after all passes, and differentiated.

mod oracle;

use rnn_ir::autodiff::{Wrt, differentiate};
use rnn_ir::axis::{Domain, Extent};
use rnn_ir::bind::bind;
use rnn_ir::builder::Builder;
use rnn_ir::generate::{Draw, surroundings};
use rnn_ir::graph::{ResultKind, Verified};
use rnn_ir::interp::{Env, Tensor};
use rnn_ir::node::{DType, Shape};
use rnn_ir::op::{Over, Reduction, Role, Unary};
use rnn_ir::passes::counts::Counts;
use rnn_ir::passes::pipeline::{Settings, run_passes};
use rnn_ir::passes::{ALL, BACKWARD, FORWARD, Pass, pass};
use rnn_ir::text::{parse, print};
use rnn_ir::typing::TypeError;
use rnn_ir::verify::verify;
use rnn_jit::Executable;
use rnn_jit::kernels::Isa;
use std::path::{Path, PathBuf};

/// Sizes in the order of declaration, all different.
const SIZES: [[usize; 4]; 2] = [[3, 2, 5, 4], [5, 17, 4, 2]];

/// Lengths of the examples on every axis that has no length of its own.
const LENGTHS: [&[usize]; 3] = [&[1], &[3, 3, 3], &[0, 4, 1]];

fn files() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rnn-ir/tests/passes");
    let entries = |path: &Path| {
        let entries = std::fs::read_dir(path).expect("the rules of the passes are there");
        entries.map(|entry| entry.expect("readable").path())
    };
    let mut out: Vec<PathBuf> = entries(&root)
        .filter(|path| path.is_dir())
        .flat_map(|path| entries(&path).collect::<Vec<_>>())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rir"))
        .collect();
    out.sort();
    out
}

// Everything real that the graph puts out, bent and summed: a loss that every result has a part in.
fn with_loss(graph: &Verified) -> Result<Option<Verified>, TypeError> {
    if graph.loss().is_some() {
        return Ok(Some(graph.clone()));
    }
    let outputs: Vec<_> = graph
        .results_of(ResultKind::Output)
        .map(|result| result.node)
        .filter(|node| graph.nodes[*node].ty.dtype == DType::Real)
        .collect();
    if outputs.is_empty() {
        return Ok(None);
    }
    let mut b = Builder::extend(graph.clone().into_graph());
    let mut loss = b.constant(0.0, Shape::scalar());
    for output in outputs {
        let mut part = b.unary(Unary::Sin, output)?;
        while b.shape(part).rank() > 0 {
            part = b.reduce(Reduction::Sum, part, 0)?;
        }
        let domain = b.ty(part).domain;
        for axis in domain.time_axes() {
            part = b.axis_reduce(Over::Sum, part, Domain::NONE.with(axis))?;
        }
        loss = b.add(loss, part)?;
    }
    let loss = b.broadcast(loss, Domain::BATCH)?;
    b.result(ResultKind::Loss, "loss", loss);
    Ok(Some(verify(b.finish()).expect("valid with a loss")))
}

fn rewritten(graph: &Verified, passes: &[Pass], counts: &mut Counts) -> Verified {
    let outcome = run_passes(graph.clone(), passes, Settings::default())
        .unwrap_or_else(|error| panic!("{error}\n{}", print(graph)));
    counts.merge(&outcome.counts());
    outcome.graph
}

fn env_of(graph: &Verified, own: &[usize], seed: u64) -> Env {
    let mut draw = Draw::new(seed);
    let lengths: Vec<(&str, Vec<usize>)> = graph
        .axes
        .iter()
        .filter(|(id, _)| id.is_time())
        .filter_map(|(_, axis)| match &axis.extent {
            Extent::Length(name) => Some((name.as_str(), own.to_vec())),
            Extent::Fixed(_) => None,
        })
        .collect();
    let mut env = surroundings(graph, &mut draw, own.len(), &lengths).expect("bound");
    for (_, name, role) in graph.inputs() {
        if role == Role::Fresh {
            let fresh: Vec<bool> = own.iter().map(|_| !draw.once_in(3)).collect();
            env = env.with_input(name, Tensor::bool([own.len()], fresh));
        }
    }
    env
}

#[test]
fn every_rule_keeps_what_compiled_code_computes() {
    let mut counts = Counts::default();
    let mut failures = Vec::new();
    let mut compared = 0;
    for path in files() {
        let text = std::fs::read_to_string(&path).expect("text");
        let graph = verify(parse(&text).expect("parses")).expect("is valid");
        let own = path.parent().and_then(Path::file_name);
        let own = pass(own.and_then(|name| name.to_str()).expect("a pass")).expect("a pass");
        let mut graphs: Vec<(String, Verified)> = Vec::new();
        let rule = path.file_stem().and_then(|stem| stem.to_str());
        let rule = rule.expect("a rule");
        for given in SIZES {
            let sizes: Vec<(&str, usize)> =
                graph.sizes.iter().map(String::as_str).zip(given).collect();
            let plain = bind(&graph, &sizes).expect("positive sizes");
            let passed = rewritten(&plain, &[own], &mut counts);
            let forward = rewritten(&plain, FORWARD, &mut counts);
            let backward = rewritten(&plain, BACKWARD, &mut counts);
            if let Some(model) = with_loss(&plain).expect("well typed") {
                let gradient = |graph: &Verified| {
                    differentiate(graph, &Wrt::everything(graph)).expect("differentiable")
                };
                let fused = rewritten(&model, FORWARD, &mut counts);
                let derived = rewritten(&gradient(&fused), BACKWARD, &mut counts);
                graphs.push((format!("{rule}, gradient"), gradient(&model)));
                graphs.push((format!("{rule}, gradient after all passes"), derived));
            }
            graphs.push((rule.to_owned(), plain));
            graphs.push((format!("{rule} after {}", own.name), passed));
            graphs.push((format!("{rule} after forward passes"), forward));
            graphs.push((format!("{rule} after backward passes"), backward));
        }
        for (what, graph) in &graphs {
            for (seed, own) in (1..).zip(LENGTHS) {
                let env = env_of(graph, own, seed);
                for isa in Isa::available() {
                    compared += 1;
                    let run = || oracle::compare(graph, &env, isa, &Executable::run);
                    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run))
                        .unwrap_or_else(|_| Err("panicked".to_owned()));
                    if let Err(error) = outcome {
                        failures.push(format!("{what} on {}, {own:?}: {error}", isa.name()));
                    }
                }
            }
        }
    }
    println!("{compared} comparisons, {} rewrites", counts.total());
    assert!(
        failures.is_empty(),
        "{} of {compared} failed:\n{}",
        failures.len(),
        failures.join("\n")
    );
    let rules = ALL.iter().flat_map(|pass| (pass.rules)());
    let idle: Vec<&str> = rules.filter(|rule| counts.of(rule) == 0).collect();
    assert!(idle.is_empty(), "rules that did not fire: {idle:?}");
}
