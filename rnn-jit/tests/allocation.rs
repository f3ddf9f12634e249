//! A call with the shape of the call before allocates nothing, and neither does reading its results.

#[path = "oracle/corpus.rs"]
mod corpus;
mod oracle;

use rnn_ir::axis::Domain;
use rnn_ir::builder::Builder;
use rnn_ir::dim::Dim;
use rnn_ir::graph::{ResultKind, Verified};
use rnn_ir::node::{Shape, Type};
use rnn_ir::op::{Reduction, Role};
use rnn_ir::typing::TypeError;
use rnn_ir::verify::verify;
use rnn_jit::kernels::Isa;
use rnn_jit::{Arguments, CallShape, Executable, Workspace};
use std::cell::RefCell;
use std::collections::BTreeMap;

// Every reduction of the middle one of three axes of features, which no sample has.
fn reductions() -> Result<Verified, TypeError> {
    let mut b = Builder::new("Reductions");
    let shape = Shape([3, 2, 4].map(Dim::constant).to_vec());
    let x = b.input("x", Role::Input, Type::real(Domain::BATCH, shape))?;
    for kind in Reduction::ALL {
        for at in 0..3 {
            let y = b.reduce(kind, x, at)?;
            b.result(ResultKind::Output, format!("{} {at}", kind.name()), y);
        }
    }
    Ok(verify(b.finish()).expect("valid"))
}

#[test]
fn a_call_of_the_shape_before_and_reading_it_allocate_nothing() {
    let mut graphs = corpus::graphs();
    graphs.push(("reductions".to_owned(), reductions().expect("well typed")));
    for (name, graph) in graphs {
        for (batch, longest, ragged) in corpus::SHAPES {
            let env = corpus::env(&graph, (batch, longest, ragged));
            let call = |executable: &Executable,
                        workspace: &mut Workspace,
                        params: &dyn Arguments,
                        inputs: &dyn Arguments,
                        shape: &CallShape| {
                executable.run(workspace, params, inputs, shape)?;
                let results = &executable.graph().results;
                let mut out: Vec<Vec<u32>> = results
                    .iter()
                    .map(|result| {
                        let len = executable.elements(workspace, result.node);
                        vec![0; len.expect("there")]
                    })
                    .collect();
                let mut outcome = Ok(());
                let mut again = || {
                    workspace.params_changed();
                    executable.run(workspace, params, inputs, shape)?;
                    for (result, out) in results.iter().zip(&mut out) {
                        executable.elements(workspace, result.node)?;
                        executable.is_finite(workspace, result.node)?;
                        executable.read(workspace, result.node, out)?;
                    }
                    Ok(())
                };
                let measured = allocation_counter::measure(|| outcome = again());
                assert_eq!(
                    (measured.count_total, measured.bytes_total),
                    (0, 0),
                    "{name}, {batch} examples of up to {longest} steps"
                );
                outcome
            };
            if let Err(error) = oracle::compare(&graph, &env, Isa::detect(), &call) {
                panic!("{name}: {error}");
            }
        }
    }
}

// What a workspace keeps after a call, less what is said beforehand.
fn unsaid(
    executable: &Executable,
    params: &dyn Arguments,
    inputs: &dyn Arguments,
    shape: &CallShape,
) -> i64 {
    let said = executable.memory_needed(shape).expect("fits");
    let mut kept = None;
    let measured = allocation_counter::measure(|| {
        let mut workspace = executable.workspace().expect("fits");
        executable
            .run(&mut workspace, params, inputs, shape)
            .expect("runs");
        kept = Some(workspace);
    });
    let bytes = kept.expect("it ran").bytes();
    assert_eq!(bytes, said);
    measured.bytes_current - i64::try_from(said).expect("small")
}

#[test]
fn a_workspace_takes_the_bytes_that_are_said_beforehand() {
    // Beside them is bookkeeping, which is the same for every shape of a program.
    let unsaid_of = RefCell::new(BTreeMap::new());
    for (name, graph) in corpus::graphs() {
        for (batch, longest, ragged) in [corpus::SHAPES[1], corpus::SHAPES[2], (40, 7, true)] {
            let env = corpus::env(&graph, (batch, longest, ragged));
            let call = |executable: &Executable,
                        workspace: &mut Workspace,
                        params: &dyn Arguments,
                        inputs: &dyn Arguments,
                        shape: &CallShape| {
                let segmented = !executable.storage().segmented.is_empty();
                let unsaid = unsaid(executable, params, inputs, shape);
                let slots = executable.storage().slots.len();
                let key = (name.clone(), slots, segmented);
                let before = *unsaid_of.borrow_mut().entry(key).or_insert(unsaid);
                assert_eq!(unsaid, before, "{name}, {batch} examples of {longest}");
                executable.run(workspace, params, inputs, shape)
            };
            if let Err(error) = oracle::compare(&graph, &env, Isa::detect(), &call) {
                panic!("{name}: {error}");
            }
        }
    }
    let segmented = unsaid_of
        .borrow()
        .keys()
        .filter(|(.., segmented)| *segmented)
        .count();
    assert!(segmented > 20, "{segmented} programs in segments");
}
