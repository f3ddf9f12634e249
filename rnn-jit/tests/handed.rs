//! Outputs that are computed in memory of their own are those that are copied out of the workspace, and are had once.

#[path = "oracle/corpus.rs"]
mod corpus;
mod oracle;

use rnn_ir::graph::ResultKind;
use rnn_ir::node::{DType, NodeId};
use rnn_jit::kernels::Isa;
use rnn_jit::{Arguments, CallShape, Executable, Workspace};
use std::cell::Cell;

// The real outputs of a program, each once.
fn outputs(executable: &Executable) -> Vec<NodeId> {
    let graph = executable.graph();
    let results = graph.results.iter();
    let mut out: Vec<NodeId> = results
        .filter(|result| result.kind == ResultKind::Output)
        .map(|result| result.node)
        .filter(|node| graph.nodes[*node].ty.dtype == DType::Real)
        .collect();
    out.sort_unstable();
    out.dedup();
    out
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn outputs_in_memory_of_their_own_are_the_same_bits_and_stay() {
    let handed = Cell::new(0);
    for (name, graph) in corpus::graphs() {
        for shape in corpus::SHAPES {
            let env = corpus::env(&graph, shape);
            let call = |executable: &Executable,
                        workspace: &mut Workspace,
                        params: &dyn Arguments,
                        inputs: &dyn Arguments,
                        shape: &CallShape| {
                let outputs = outputs(executable);
                let mut run = |hand_on| {
                    workspace.hand_on(hand_on);
                    executable.run(workspace, params, inputs, shape)?;
                    let take = |node: &NodeId| executable.take_reals(workspace, *node);
                    outputs.iter().map(take).collect::<Result<Vec<_>, _>>()
                };
                let copied = run(false)?;
                let first = run(true)?;
                let second = run(true)?;
                for (at, node) in outputs.iter().enumerate() {
                    assert_eq!(bits(&copied[at]), bits(&first[at]), "{name}, {node}");
                    assert_eq!(bits(&copied[at]), bits(&second[at]), "{name}, {node}");
                    // What was handed on is not there again.
                    if executable.take_reals(workspace, *node).is_err() {
                        assert!(executable.is_finite(workspace, *node).is_err());
                        handed.set(handed.get() + 1);
                    }
                }
                // A call that fails leaves nothing to take.
                let wrong = CallShape {
                    batch: shape.batch + 1,
                    ..shape.clone()
                };
                assert!(executable.run(workspace, params, inputs, &wrong).is_err());
                for node in &outputs {
                    assert!(executable.take_reals(workspace, *node).is_err());
                }
                // What is not taken is read like any other result.
                executable.run(workspace, params, inputs, shape)
            };
            if let Err(error) = oracle::compare(&graph, &env, Isa::detect(), &call) {
                panic!("{name}: {error}");
            }
        }
    }
    assert!(
        handed.get() > 20,
        "{} outputs had memory of their own",
        handed.get()
    );
}
