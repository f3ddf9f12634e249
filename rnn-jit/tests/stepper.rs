//! A stepper gives the bits of calls, and takes only what is its own.

use rnn_ir::axis::{Domain, Extent};
use rnn_ir::builder::Builder;
use rnn_ir::dim::Dim;
use rnn_ir::graph::ResultKind;
use rnn_ir::node::{NodeId, Shape, Type};
use rnn_ir::op::{Init, Role, Unary};
use rnn_ir::schedule::Schedule;
use rnn_ir::typing::TypeError;
use rnn_ir::verify::verify;
use rnn_jit::{
    CallShape, Carried, Executable, Input, JitError, JitOptions, Stepper, Value, Workspace,
};

const WIDTH: usize = 5;
const BATCH: usize = 3;

/// `y[t] = tanh(W @ x[t])`, with what is read and computed.
struct Program {
    executable: Executable,
    w: NodeId,
    x: NodeId,
    y: NodeId,
}

fn program() -> Result<Program, TypeError> {
    let mut b = Builder::new("Program");
    let t = b.axis("t", Extent::Length("T".into()));
    let size = || Dim::constant(WIDTH as i64);
    let domain = Domain::BATCH.with(t);
    let x = b.input("x", Role::Input, Type::real(domain, Shape::vector(size())))?;
    let init = Init {
        kind: "normal".into(),
        args: Vec::new(),
    };
    let w = b.param(
        "w",
        Shape(vec![size(), size()]),
        init,
        rnn_ir::op::ParamKind::Trained,
    )?;
    let product = b.matmul(w, x)?;
    let y = b.unary(Unary::Tanh, product)?;
    b.result(ResultKind::Output, "y", y);
    let graph = verify(b.finish()).expect("valid");
    let schedule = Schedule::new(graph).expect("has an order");
    let executable = Executable::new(schedule, JitOptions::default()).expect("compiles");
    let graph = executable.graph();
    let input = graph.inputs().map(|(id, ..)| id).next().expect("x");
    let param = graph.nodes.ids().find(|id| {
        let name = graph.nodes[*id].name.as_deref();
        name == Some("w")
    });
    Ok(Program {
        w: param.unwrap_or(w),
        x: input,
        y: graph.results[0].node,
        executable,
    })
}

fn numbers(len: usize) -> Vec<f32> {
    (0..len)
        .map(|at| (at * 7 % 11) as f32 / 11.0 - 0.4)
        .collect()
}

fn made(program: &Program, w: &[f32]) -> Result<Stepper, JitError> {
    let value = Value::Real(w);
    let params = vec![Input {
        node: program.w,
        value,
    }];
    // The output of a step is the input of the next.
    let carried = Carried {
        input: Some(program.x),
        result: Some(program.y),
        width: WIDTH,
    };
    program.executable.stepper(BATCH, &params, &[carried])
}

#[test]
fn steps_give_the_bits_of_calls() {
    let program = program().expect("well typed");
    let executable = &program.executable;
    let w = numbers(WIDTH * WIDTH);
    let mut stepper = made(&program, &w).expect("fits");
    let mut x = numbers(BATCH * WIDTH);
    let place = stepper.carried(0).expect("is carried");
    stepper.given_mut(place).copy_from_slice(&x);
    let y = stepper.result(executable, program.y).expect("is computed");
    assert_eq!((y.rows(), y.width()), (BATCH, WIDTH));
    let mut workspace: Workspace = executable.workspace().expect("fits");
    let shape = CallShape {
        batch: BATCH,
        steps: vec![1],
        ..CallShape::default()
    };
    for step in 0..4 {
        let given = vec![
            Input {
                node: program.w,
                value: Value::Real(&w),
            },
            Input {
                node: program.x,
                value: Value::Real(&x),
            },
        ];
        executable
            .run(&mut workspace, &given, &given, &shape)
            .expect("runs");
        let mut expected = vec![0.0; BATCH * WIDTH];
        executable
            .read_reals(&workspace, program.y, &mut expected)
            .expect("is computed");
        // Where the stepper is does not matter.
        let mut moved = Box::new(stepper);
        moved.step(executable).expect("is its own");
        stepper = *moved;
        let found: Vec<f32> = (0..BATCH)
            .flat_map(|row| stepper.row(y, row).to_vec())
            .collect();
        assert_eq!(found, expected, "step {step}");
        assert_eq!(stepper.given(place), expected, "step {step}");
        x = expected;
    }
}

#[test]
fn a_stepper_of_another_program_is_refused() {
    let (one, other) = (
        program().expect("well typed"),
        program().expect("well typed"),
    );
    let mut stepper = made(&one, &numbers(WIDTH * WIDTH)).expect("fits");
    let error = stepper.step(&other.executable).expect_err("is of another");
    assert!(matches!(error, JitError::Argument { .. }), "{error}");
    let error = stepper.result(&other.executable, other.y).expect_err("too");
    assert!(matches!(error, JitError::Argument { .. }), "{error}");
    stepper.step(&one.executable).expect("is its own");
}

#[test]
fn a_parameter_of_another_size_is_refused() {
    let program = program().expect("well typed");
    let error = made(&program, &numbers(WIDTH)).expect_err("does not fit");
    assert!(
        error.to_string().contains("expected 25 elements"),
        "{error}"
    );
    let (params, carried) = (Vec::new(), []);
    let error = program.executable.stepper(BATCH, &params, &carried);
    let error = error.expect_err("has none");
    assert!(error.to_string().contains("found nothing"), "{error}");
}
