//! Batch and layer normalisation: their definitions, and their gradients against finite differences.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use rnn_ir::autodiff::Wrt;
use rnn_ir::autodiff::check::check_model;
use rnn_ir::axis::{Domain, Extent};
use rnn_ir::builder::Builder;
use rnn_ir::dim::Dim;
use rnn_ir::generate::Draw;
use rnn_ir::generate::surroundings;
use rnn_ir::graph::{ResultKind, Verified};
use rnn_ir::interp::{Env, Tensor, evaluate};
use rnn_ir::node::{NodeId, Shape, Type};
use rnn_ir::normalise::{BatchNorm, Running};
use rnn_ir::op::{Init, ParamKind, Role, Unary};
use rnn_ir::random::draw::Per;
use rnn_ir::random::mode::{Mode, in_mode};
use rnn_ir::verify::verify;

const UNITS: i64 = 3;
const MOMENTUM: f64 = 0.25;

fn param(b: &mut Builder, name: &str, dims: &[i64], kind: ParamKind) -> NodeId {
    let shape = Shape(dims.iter().map(|dim| Dim::constant(*dim)).collect());
    let init = Init {
        kind: "zeros".into(),
        args: Vec::new(),
    };
    b.param(name, shape, init, kind).unwrap()
}

fn norm(b: &mut Builder, x: NodeId, rows: Option<i64>, per: Per, reversed: bool) -> NodeId {
    let dims: Vec<i64> = rows.into_iter().chain([UNITS]).collect();
    let running = Running {
        mean: param(b, "mean", &dims, ParamKind::Running),
        variance: param(b, "variance", &dims, ParamKind::Running),
    };
    let how = BatchNorm {
        per,
        momentum: MOMENTUM,
        epsilon: 1e-3,
        reversed,
    };
    b.batch_norm(x, running, &how).unwrap()
}

/// `y[t]` is normalised, of the input alone or of a state, and the loss is not even.
fn model(rows: Option<i64>, per: Per, looped: bool, mode: Mode) -> Verified {
    let mut b = Builder::new("Normal");
    let t = b.axis("t", Extent::Length("T".into()));
    let ty = Type::real(Domain::BATCH.with(t), Shape::vector(Dim::constant(UNITS)));
    let x = b.input("x", Role::Input, ty.clone()).unwrap();
    let w = param(&mut b, "W", &[UNITS, UNITS], ParamKind::Trained);
    let z = b.matmul(w, x).unwrap();
    let y = if looped {
        let before = b.open_shift(&ty, t, -1, None).unwrap();
        let u = param(&mut b, "U", &[UNITS, UNITS], ParamKind::Trained);
        let z2 = b.matmul(u, before).unwrap();
        let z = b.add(z, z2).unwrap();
        let z = b.name(z, "z");
        let y = norm(&mut b, z, rows, per, false);
        let h = b.unary(Unary::Tanh, y).unwrap();
        b.close(before, h).unwrap();
        h
    } else {
        b.name(z, "z");
        norm(&mut b, z, rows, per, false)
    };
    let y = b.name(y, "y");
    b.result(ResultKind::Output, "y", y);
    b.result(ResultKind::Output, "z", z);
    let c = param(&mut b, "c", &[UNITS], ParamKind::Trained);
    let read = b.matmul(c, y).unwrap();
    let read = b.unary(Unary::Sin, read).unwrap();
    let loss = b.sum_over(read, t).unwrap();
    b.result(ResultKind::Loss, "loss", loss);
    verify(in_mode(&b.finish(), mode).unwrap()).unwrap()
}

const LENGTHS: [usize; 4] = [3, 1, 5, 2];

fn env(graph: &Verified) -> Env {
    let mut draw = Draw::new(5);
    let lengths = [("T", LENGTHS.to_vec())];
    surroundings(graph, &mut draw, LENGTHS.len(), &lengths).unwrap()
}

#[test]
fn gradients_go_through_the_statistics_of_the_batch() {
    for (rows, per, looped) in [
        (None, Per::Sequence, false),
        (None, Per::Step, false),
        (None, Per::Step, true),
        (Some(2), Per::Step, true),
        (Some(8), Per::Step, false),
    ] {
        let graph = model(rows, per, looped, Mode::Training);
        let checked = check_model(&graph, &env(&graph), &Wrt::params()).unwrap();
        assert_eq!(
            checked as i64,
            UNITS * (UNITS * (1 + i64::from(looped)) + 1)
        );
    }
}

// Values of `z` at the steps of a row, example by example.
fn at_row(z: &Tensor, rows: usize, row: usize) -> Vec<Vec<Vec<f64>>> {
    let units = UNITS as usize;
    let mut steps = Vec::new();
    for t in 0..5 {
        if t.min(rows - 1) != row {
            continue;
        }
        let alive = (0..LENGTHS.len()).filter(|b| t < LENGTHS[*b]);
        let values = alive.map(|b| {
            let start = (t * LENGTHS.len() + b) * units;
            z.reals()[start..start + units].to_vec()
        });
        steps.push(values.collect());
    }
    steps
}

#[test]
fn running_values_are_brought_to_what_is_found_at_the_steps_of_their_row() {
    for (rows, looped) in [
        (None, true),
        (Some(2), true),
        (Some(3), false),
        (Some(8), false),
    ] {
        let graph = model(rows, Per::Step, looped, Mode::Training);
        let env = env(&graph);
        let results = evaluate(&graph, &env).unwrap();
        let next = |name: &str| {
            results
                .get(&ResultKind::Running, name)
                .unwrap()
                .reals()
                .to_vec()
        };
        let z = graph.named("z").unwrap();
        let z = rnn_ir::interp::Interpreter::new(&graph, &env)
            .unwrap()
            .value(z)
            .unwrap();
        let count = rows.unwrap_or(1) as usize;
        for row in 0..count {
            let steps = at_row(&z, count, row);
            for unit in 0..UNITS as usize {
                let at = row * UNITS as usize + unit;
                let (mut sum, mut number, mut squares, mut free) = (0.0, 0.0, 0.0, 0.0);
                for step in &steps {
                    let values: Vec<f64> = step.iter().map(|z| z[unit]).collect();
                    let n = values.len() as f64;
                    let mean = values.iter().sum::<f64>() / n;
                    squares += values.iter().map(|z| (z - mean).powi(2)).sum::<f64>();
                    (sum, number, free) = (sum + mean * n, number + n, free + n - 1.0);
                }
                let expected = |kept: f64, found: f64, any: bool| match any {
                    true => kept + MOMENTUM * (found - kept),
                    false => kept,
                };
                let mean = expected(env.params["mean"].reals()[at], sum / number, number > 0.0);
                assert!(
                    (next("mean")[at] - mean).abs() < 1e-12,
                    "{rows:?} {row} {unit}"
                );
                let kept = env.params["variance"].reals()[at];
                let variance = expected(kept, squares / free, free > 0.5);
                assert!(
                    (next("variance")[at] - variance).abs() < 1e-12,
                    "{rows:?} {row} {unit}"
                );
            }
        }
    }
}

#[test]
fn inference_reads_the_row_of_its_step() {
    let graph = model(Some(2), Per::Step, false, Mode::Inference);
    assert_eq!(graph.results_of(ResultKind::Running).count(), 0);
    let mut env = env(&graph);
    let variance = env.params["variance"].reals().iter().map(|v| v.abs() + 0.1);
    let variance = Tensor::real([2, UNITS as usize], variance.collect::<Vec<_>>());
    env = env.with_param("variance", variance);
    let results = evaluate(&graph, &env).unwrap();
    let output = |name: &str| {
        results
            .get(&ResultKind::Output, name)
            .unwrap()
            .reals()
            .to_vec()
    };
    let (y, z) = (output("y"), output("z"));
    let units = UNITS as usize;
    for t in 0..5 {
        for (b, length) in LENGTHS
            .iter()
            .enumerate()
            .filter(|(_, length)| t < **length)
        {
            assert!(t < *length);
            for unit in 0..units {
                let (at, row) = (
                    (t * LENGTHS.len() + b) * units + unit,
                    t.min(1) * units + unit,
                );
                let mean = env.params["mean"].reals()[row];
                let variance = env.params["variance"].reals()[row];
                let expected = (z[at] - mean) / (variance + 1e-3).sqrt();
                assert!((y[at] - expected).abs() < 1e-12);
            }
        }
    }
}

#[test]
fn statistics_that_do_not_fit_are_refused() {
    let refused = |dims: &[i64], kind, per, batch| {
        let mut b = Builder::new("Refused");
        let t = b.axis("t", Extent::Length("T".into()));
        let domain = if batch {
            Domain::BATCH.with(t)
        } else {
            Domain::NONE
        };
        let shape = Shape::vector(Dim::constant(UNITS));
        let x = match batch {
            true => b
                .input("x", Role::Input, Type::real(domain, shape))
                .unwrap(),
            false => param(&mut b, "x", &[UNITS], ParamKind::Trained),
        };
        let mean = param(&mut b, "mean", dims, kind);
        let variance = param(&mut b, "variance", dims, kind);
        let how = BatchNorm {
            per,
            momentum: 0.1,
            epsilon: 0.0,
            reversed: false,
        };
        let error = b.batch_norm(x, Running { mean, variance }, &how);
        error.unwrap_err().to_string()
    };
    let running = ParamKind::Running;
    assert!(refused(&[2], running, Per::Step, true).contains("found [3] and [2]"));
    assert!(refused(&[4, 3], running, Per::Sequence, true).contains("rows for the steps"));
    assert!(refused(&[3], ParamKind::Fixed, Per::Step, true).contains("running parameters"));
    assert!(refused(&[3], running, Per::Step, false).contains("varies over its axis"));
}

#[test]
fn rows_of_a_matrix_are_normalised() {
    let mut b = Builder::new("Rows");
    let shape = Shape::matrix(Dim::constant(2), Dim::constant(4));
    let x = b
        .input("x", Role::Input, Type::real(Domain::BATCH, shape))
        .unwrap();
    let y = b.layer_norm(x, 0.0).unwrap();
    b.result(ResultKind::Output, "y", y);
    let graph = verify(b.finish()).unwrap();
    let rows = [1.0, 2.0, 3.0, 6.0, -1.0, 0.0, 1.0, 8.0];
    let env = Env::new(1).with_input("x", Tensor::real([1, 2, 4], rows));
    let results = evaluate(&graph, &env).unwrap();
    let y = results.first(&ResultKind::Output).unwrap().reals();
    for (x, y) in rows.chunks(4).zip(y.chunks(4)) {
        let mean = x.iter().sum::<f64>() / 4.0;
        let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 4.0;
        for (x, y) in x.iter().zip(y) {
            assert!((y - (x - mean) / variance.sqrt()).abs() < 1e-12);
        }
    }
}
