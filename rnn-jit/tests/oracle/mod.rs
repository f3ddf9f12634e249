//! Runs a graph compiled and interpreted on the same surroundings, and compares every result.
#![allow(dead_code, reason = "each test uses a part of it")]

use rnn_ir::axis::{AxisId, Extent};
use rnn_ir::graph::Verified;
use rnn_ir::id::Id;
use rnn_ir::interp::{Data, Env, Results, Tensor, evaluate};
use rnn_ir::node::{DType, NodeId};
use rnn_ir::op::Op;
use rnn_ir::schedule::Schedule;
use rnn_jit::kernels::Isa;
use rnn_jit::storage::is_given_with_params;
use rnn_jit::{
    Arguments, CallShape, Executable, Input, JitError, JitOptions, OwnedValue, Workspace,
};

/// Relative to the largest magnitude of a result: sums of a few hundred terms in f32 (2^-24 each), through recurrences
/// that carry an error over a few steps.
const TOLERANCE: f64 = 2e-5;

/// The surroundings with every real rounded to what compiled code is given.
pub(crate) fn rounded(env: &Env) -> Env {
    let mut env = env.clone();
    for tensor in env.inputs.values_mut().chain(env.params.values_mut()) {
        if tensor.dtype() == DType::Real {
            tensor
                .reals_mut()
                .iter_mut()
                .for_each(|value| *value = f64::from(*value as f32));
        }
    }
    env
}

/// The shape of a call in these surroundings.
fn call_shape(graph: &Verified, env: &Env) -> CallShape {
    let mut shape = CallShape {
        batch: env.batch,
        ..CallShape::default()
    };
    for (axis, declared) in graph.axes.iter() {
        if axis == AxisId::BATCH {
            continue;
        }
        let lengths: Vec<usize> = match &declared.extent {
            Extent::Length(name) => env.lengths[name].clone(),
            Extent::Fixed(steps) => vec![*steps as usize; env.batch],
        };
        let steps = match declared.extent {
            Extent::Fixed(steps) => steps as usize,
            Extent::Length(_) => lengths.iter().copied().max().unwrap_or(0),
        };
        shape.steps.push(steps);
        shape
            .lengths
            .push(lengths.into_iter().map(|length| length as u32).collect());
    }
    shape
}

/// A compiled graph, as it is or in segments of some steps.
pub(crate) fn compile(graph: &Verified, isa: Isa, segment_steps: Option<usize>) -> Executable {
    // Blocks of one, two and three steps, and as many as the caches like.
    let block_steps = Some(graph.nodes.len() % 4).filter(|steps| *steps > 0);
    let options = JitOptions {
        block_steps,
        segment_steps,
        isa: Some(isa),
        checks: true,
        // Half of all programs each way.
        quick: (graph.nodes.len() / 4).is_multiple_of(2),
        ..JitOptions::default()
    };
    compile_with(graph, options)
}

/// As [`compile`], with options.
pub(crate) fn compile_with(graph: &Verified, options: JitOptions) -> Executable {
    let schedule = match options.segment_steps {
        None => Schedule::new(graph.clone()),
        Some(_) => Schedule::in_segments(graph.clone()),
    };
    let schedule = schedule.expect("a verified graph has an order of evaluation");
    Executable::new(schedule, options).expect("compiles")
}

/// A way to make a call: [`Executable::run`], or one that watches it.
pub(crate) type Call<'a> = dyn Fn(
        &Executable,
        &mut Workspace,
        &dyn Arguments,
        &dyn Arguments,
        &CallShape,
    ) -> Result<(), JitError>
    + 'a;

/// Runs it compiled: every result as f64, by name.
pub(crate) fn run(executable: &Executable, env: &Env, call: &Call<'_>) -> Vec<(String, Vec<f64>)> {
    let graph = executable.graph();
    let mut stored: Vec<(NodeId, bool, OwnedValue)> = Vec::new();
    for (id, node) in graph.nodes.iter() {
        match &node.op {
            Op::Input { name, role } => {
                let with_params = is_given_with_params(*role, &node.ty);
                stored.push((id, with_params, OwnedValue::new(&env.inputs[name])));
            }
            Op::Param { name, .. } => stored.push((id, true, OwnedValue::new(&env.params[name]))),
            _ => {}
        }
    }
    let give = |params: bool| -> Vec<Input<'_>> {
        let of_kind = stored.iter().filter(|(_, param, _)| *param == params);
        of_kind
            .map(|(node, _, value)| Input {
                node: *node,
                value: value.value(),
            })
            .collect()
    };
    let mut workspace = executable.workspace().expect("small");
    let shape = call_shape(graph, env);
    let (params, inputs) = (give(true), give(false));
    call(executable, &mut workspace, &params, &inputs, &shape).expect("runs");
    let mut out = Vec::new();
    for result in &graph.results {
        let ty = &graph.nodes[result.node].ty;
        let features: usize = rnn_ir::schedule::sizes(ty).iter().product();
        let outer: usize = (ty.domain.axes())
            .map(|axis| {
                if axis == AxisId::BATCH {
                    shape.batch
                } else {
                    shape.steps[axis.index() - 1]
                }
            })
            .product();
        let mut words = vec![0u32; outer * features];
        executable
            .read(&workspace, result.node, &mut words)
            .expect("the result is there");
        let value = |word: u32| match ty.dtype {
            DType::Real => f64::from(f32::from_bits(word)),
            DType::Index => f64::from(word),
            DType::Bool => f64::from(u8::from(word != 0)),
        };
        out.push((
            format!("{} {}", result.kind.name(), result.name),
            words.into_iter().map(value).collect(),
        ));
    }
    out
}

fn reals(tensor: &Tensor) -> Vec<f64> {
    match tensor.data() {
        Data::Real(values) => values.clone(),
        Data::Index(values) => values.iter().map(|value| f64::from(*value)).collect(),
        Data::Bool(values) => values
            .iter()
            .map(|value| f64::from(u8::from(*value)))
            .collect(),
    }
}

/// Compares compiled code, called in some way, with the interpreter: as it is, and in segments of one, two or three steps.
/// Answers the first difference.
pub(crate) fn compare(
    graph: &Verified,
    env: &Env,
    isa: Isa,
    call: &Call<'_>,
) -> Result<(), String> {
    let env = rounded(env);
    let expected = evaluate(graph, &env).map_err(|error| error.to_string())?;
    for steps in [None, Some(1 + graph.nodes.len() / 4 % 3)] {
        let found = run(&compile(graph, isa, steps), &env, call);
        let outcome = near(graph, &expected, &found);
        outcome.map_err(|error| match steps {
            None => error,
            Some(steps) => format!("in segments of {steps}, {error}"),
        })?;
    }
    Ok(())
}

fn near(graph: &Verified, expected: &Results, found: &[(String, Vec<f64>)]) -> Result<(), String> {
    for ((name, found), result) in found.iter().zip(&graph.results) {
        let expected = reals(expected.get(&result.kind, &result.name).expect("evaluated"));
        if expected.len() != found.len() {
            return Err(format!(
                "{name}: expected {} elements, found {}",
                expected.len(),
                found.len()
            ));
        }
        let scale = expected
            .iter()
            .filter(|value| value.is_finite())
            .fold(1.0f64, |most, value| most.max(value.abs()));
        for (at, (expected, found)) in expected.iter().zip(found).enumerate() {
            let same = expected == found || (expected.is_nan() && found.is_nan());
            let near = (expected - found).abs() <= TOLERANCE * scale;
            if !same && !near {
                return Err(format!("{name}[{at}]: expected {expected}, found {found}"));
            }
        }
    }
    Ok(())
}
