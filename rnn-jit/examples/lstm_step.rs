//! Times the compiled forward and training pass of the sample LSTM: `lstm_step [B] [H] [T] [STEPS]`, with the steps
//! in a block for the fourth number; `--show` prints the program.

use rnn_ir::autodiff::{Wrt, differentiate};
use rnn_ir::bind::bind;
use rnn_ir::generate::{Draw, surroundings};
use rnn_ir::graph::{ResultKind, Verified};
use rnn_ir::interp::{Data, Env};
use rnn_ir::op::Op;
use rnn_ir::passes::{
    BACKWARD, FORWARD,
    pipeline::{Settings, run_passes},
};
use rnn_ir::schedule::Schedule;
use rnn_ir::{samples, verify::verify};
use rnn_jit::{CallShape, Executable, Input, JitOptions, Value};
use std::time::{Duration, Instant};

enum Stored {
    Real(Vec<f32>),
    Bool(Vec<bool>),
    Index(Vec<u32>),
}

fn main() {
    let numbers: Vec<usize> = std::env::args()
        .filter_map(|arg| arg.parse().ok())
        .collect();
    let [b, h, t] = [(0, 32), (1, 128), (2, 100)]
        .map(|(at, default)| numbers.get(at).copied().unwrap_or(default));
    let show = std::env::args().any(|arg| arg == "--show");
    let model = verify(samples::lstm()).expect("valid");
    let sizes: Vec<(&str, usize)> = model.sizes.iter().map(|name| (name.as_str(), h)).collect();
    let start = Instant::now();
    let model = bind(&model, &sizes).expect("sizes");
    let forward = run_passes(model, FORWARD, Settings::default())
        .expect("passes")
        .graph;
    let mut inference = forward.clone().into_graph();
    inference
        .results
        .retain(|result| matches!(result.kind, ResultKind::Output | ResultKind::State));
    let gradient = differentiate(&forward, &Wrt::params()).expect("differentiable");
    let gradient = run_passes(gradient, BACKWARD, Settings::default())
        .expect("passes")
        .graph;
    let inference = run_passes(
        verify(inference).expect("valid"),
        BACKWARD,
        Settings::default(),
    )
    .expect("passes")
    .graph;
    let symbolic = start.elapsed();
    for (name, graph) in [("forward", inference), ("training", gradient)] {
        let env = environment(&graph, b, t);
        let start = Instant::now();
        let schedule = Schedule::new(graph).expect("schedules");
        let scheduled = start.elapsed();
        if show {
            println!("{schedule}");
        }
        let options = JitOptions {
            checks: false,
            keep_listing: show,
            block_steps: numbers.get(3).copied(),
            ..JitOptions::default()
        };
        let executable = Executable::new(schedule, options).expect("compiles");
        let compiled = start.elapsed() - scheduled;
        if show {
            println!("{}", executable.describe_memory(b, t).expect("fits"));
        }
        let median = time(&executable, &env, b, t);
        println!(
            "{name}: {:.3} ms; symbolic {symbolic:?}, schedule {scheduled:?}, native {compiled:?}, {} bytes of code",
            median.as_secs_f64() * 1e3,
            executable.code_bytes()
        );
    }
}

fn environment(graph: &Verified, b: usize, t: usize) -> Env {
    let mut draw = Draw::new(1);
    let mut env = surroundings(graph, &mut draw, b, &[("T", vec![t; b])]).expect("sizes");
    for tensor in env.params.values_mut() {
        tensor
            .reals_mut()
            .iter_mut()
            .for_each(|value| *value *= 0.1);
    }
    env
}

fn time(executable: &Executable, env: &Env, b: usize, t: usize) -> Duration {
    let graph = executable.graph();
    let stored: Vec<_> = (graph.nodes.iter())
        .filter_map(|(id, node)| {
            let (param, tensor) = match &node.op {
                Op::Input { name, .. } => (false, &env.inputs[name]),
                Op::Param { name, .. } => (true, &env.params[name]),
                _ => return None,
            };
            let value = match tensor.data() {
                Data::Real(values) => {
                    Stored::Real(values.iter().map(|value| *value as f32).collect())
                }
                Data::Index(values) => Stored::Index(values.clone()),
                Data::Bool(values) => Stored::Bool(vec![true; values.len()]),
            };
            Some((id, param, value))
        })
        .collect();
    let give = |params: bool| -> Vec<Input<'_>> {
        let of_kind = stored.iter().filter(|(_, param, _)| *param == params);
        of_kind
            .map(|(node, _, value)| {
                let value = match value {
                    Stored::Real(values) => Value::Real(values),
                    Stored::Index(values) => Value::Index(values),
                    Stored::Bool(values) => Value::Bool(values),
                };
                Input { node: *node, value }
            })
            .collect()
    };
    let (params, inputs) = (give(true), give(false));
    let mut workspace = executable.workspace().expect("fits");
    let shape = CallShape {
        batch: b,
        steps: vec![t],
        ..CallShape::default()
    };
    let mut times: Vec<Duration> = (0..40)
        .map(|_| {
            let start = Instant::now();
            workspace.params_changed();
            executable
                .run(&mut workspace, &params, &inputs, &shape)
                .expect("runs");
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
}
