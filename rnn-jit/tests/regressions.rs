//! The smallest models that once went wrong in compiled code.

mod oracle;

use rnn_ir::axis::{AxisId, Domain, Extent};
use rnn_ir::builder::Builder;
use rnn_ir::dim::Dim;
use rnn_ir::generate::{Draw, surroundings};
use rnn_ir::graph::{ResultKind, Verified};
use rnn_ir::node::{NodeId, Shape, Type};
use rnn_ir::op::{Init, Role, Unary};
use rnn_ir::typing::TypeError;
use rnn_ir::verify::verify;
use rnn_jit::kernels::Isa;

struct Model {
    b: Builder,
    t: AxisId,
    x: NodeId,
}

fn model(width: i64) -> Result<Model, TypeError> {
    let mut b = Builder::new("Model");
    let t = b.axis("t", Extent::Length("T".into()));
    let domain = Domain::BATCH.with(t);
    let x = b.input(
        "x",
        Role::Input,
        Type::real(domain, Shape::vector(Dim::constant(width))),
    )?;
    Ok(Model { b, t, x })
}

fn param(b: &mut Builder, name: &str, shape: Shape) -> Result<NodeId, TypeError> {
    b.param(
        name,
        shape,
        Init {
            kind: "normal".into(),
            args: Vec::new(),
        },
        true,
    )
}

fn agree(b: Builder, lengths: &[usize]) {
    let graph: Verified = verify(b.finish()).expect("valid");
    for isa in Isa::available() {
        let mut draw = Draw::new(3);
        let env = surroundings(&graph, &mut draw, lengths.len(), &[("T", lengths.to_vec())])
            .expect("bound");
        oracle::compare(&graph, &env, isa).expect("agrees");
    }
}

#[test]
fn a_map_over_an_axis_without_steps_does_nothing() -> Result<(), TypeError> {
    let Model { mut b, x, .. } = model(3)?;
    let y = b.unary(Unary::Tanh, x)?;
    b.result(ResultKind::Output, "y", y);
    agree(b, &[0, 0]);
    Ok(())
}

#[test]
fn a_boundary_that_lies_otherwise_than_what_is_shifted_is_copied() -> Result<(), TypeError> {
    let Model { mut b, t, x } = model(4)?;
    let y = b.unary(Unary::Sin, x)?;
    let y = b.slice(y, 0, Dim::constant(1), Dim::constant(2))?;
    let scale = param(&mut b, "scale", Shape::scalar())?;
    let start = b.expand(scale, 0, Dim::constant(2))?;
    let before = b.shift(y, t, -1, Some(start))?;
    let after = b.shift(y, t, 1, Some(start))?;
    let both = b.mul(before, after)?;
    b.result(ResultKind::Output, "both", both);
    b.result(ResultKind::Output, "before", before);
    agree(b, &[3, 1, 2]);
    Ok(())
}

#[test]
fn an_output_may_be_an_input() -> Result<(), TypeError> {
    let Model { mut b, x, .. } = model(5)?;
    b.result(ResultKind::Output, "x", x);
    agree(b, &[2, 4]);
    Ok(())
}

#[test]
fn a_transposed_matrix_is_added_element_by_element() -> Result<(), TypeError> {
    let Model { mut b, x, .. } = model(4)?;
    let w = param(
        &mut b,
        "w",
        Shape::matrix(Dim::constant(4), Dim::constant(4)),
    )?;
    let w = b.transpose(w)?;
    let rows = b.expand(x, 0, Dim::constant(4))?;
    let sum = b.add(rows, w)?;
    b.result(ResultKind::Output, "sum", sum);
    agree(b, &[2, 1]);
    Ok(())
}
