//! The smallest models that once went wrong in compiled code.

mod oracle;

use rnn_ir::axis::{AxisId, Domain, Extent};
use rnn_ir::builder::Builder;
use rnn_ir::dim::Dim;
use rnn_ir::generate::{Draw, surroundings};
use rnn_ir::graph::{ResultKind, Verified};
use rnn_ir::node::{DType, NodeId, Shape, Type};
use rnn_ir::op::{Binary, Compare, Init, Op, Over, Position, Reduction, Role, Unary};
use rnn_ir::typing::TypeError;
use rnn_ir::verify::verify;
use rnn_jit::Executable;
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
        rnn_ir::op::ParamKind::Trained,
    )
}

fn agree(b: Builder, lengths: &[usize]) {
    agree_along(b, &[("T", lengths.to_vec())]);
}

fn agree_along(b: Builder, lengths: &[(&str, Vec<usize>)]) {
    let graph: Verified = verify(b.finish()).expect("valid");
    for isa in Isa::available() {
        let mut draw = Draw::new(3);
        let env = surroundings(&graph, &mut draw, lengths[0].1.len(), lengths).expect("bound");
        oracle::compare(&graph, &env, isa, &Executable::run).expect("agrees");
    }
}

fn weight(b: &mut Builder, name: &str, rows: i64, columns: i64) -> Result<NodeId, TypeError> {
    let shape = Shape::matrix(Dim::constant(rows), Dim::constant(columns));
    param(b, name, shape)
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

#[test]
fn a_value_of_two_loops_read_one_turn_of_the_outer_back_is_kept_for_every_turn_of_the_inner()
-> Result<(), TypeError> {
    let mut b = Builder::new("Model");
    let t = b.axis("t", Extent::Length("T".into()));
    let s = b.axis("s", Extent::Length("S".into()));
    let domain = Domain::BATCH.with(t).with(s);
    let ty = Type::real(domain, Shape::vector(Dim::constant(3)));
    let x = b.input("x", Role::Input, ty.clone())?;
    // a is read one turn of t back alone, and lies on the cycle along s.
    let a_above = b.open_shift(&ty, t, -1, None)?;
    let c_left = b.open_shift(&ty, s, -1, None)?;
    let h = b.add(a_above, c_left)?;
    let h = b.add(h, x)?;
    let a = b.unary(Unary::Tanh, h)?;
    let c = b.unary(Unary::Sin, a)?;
    b.close(a_above, a)?;
    b.close(c_left, c)?;
    let last = b.at(c, t, Position::Last, None)?;
    let last = b.at(last, s, Position::Last, None)?;
    b.result(ResultKind::Output, "last", last);
    agree_along(b, &[("T", vec![3, 2]), ("S", vec![2, 4])]);
    Ok(())
}

#[test]
fn what_depends_on_parameters_alone_may_meet_the_rest_in_a_cluster() -> Result<(), TypeError> {
    let mut b = Builder::new("Model");
    let shape = Shape::vector(Dim::constant(5));
    let x = b.input("x", Role::Input, Type::real(Domain::NONE, shape.clone()))?;
    let w = param(&mut b, "w", shape)?;
    let squared = b.mul(w, w)?;
    let scaled = b.mul(x, squared)?;
    let bent = b.unary(Unary::Tanh, scaled)?;
    let y = b.add(bent, squared)?;
    b.result(ResultKind::Output, "y", y);
    agree(b, &[1, 1]);
    Ok(())
}

#[test]
fn a_stopped_gradient_shows_the_result_of_a_function() -> Result<(), TypeError> {
    let Model { mut b, x, .. } = model(6)?;
    let y = b.unary(Unary::Tanh, x)?;
    let stopped = b.stop_gradient(y)?;
    b.result(ResultKind::Output, "stopped", stopped);
    agree(b, &[2, 3]);
    Ok(())
}

#[test]
fn a_constant_truth_value_is_a_mask() -> Result<(), TypeError> {
    let Model { mut b, t, x } = model(6)?;
    let ty = Type {
        domain: Domain::NONE,
        shape: Shape::vector(Dim::constant(6)),
        dtype: DType::Bool,
    };
    let yes = b.push(Op::Const(rnn_ir::op::Number(1.0)), Some(&ty))?;
    let zero = b.constant(0.0, Shape::vector(Dim::constant(6)));
    let kept = b.select(yes, x, zero)?;
    b.result(ResultKind::Output, "kept", kept);
    let positive = b.compare(Compare::Gt, x, zero)?;
    let before = b.shift(positive, t, -1, Some(yes))?;
    let late = b.select(before, x, zero)?;
    b.result(ResultKind::Output, "late", late);
    b.result(ResultKind::Output, "yes", yes);
    agree(b, &[2, 3]);
    Ok(())
}

#[test]
fn tokens_are_compared_without_a_sign() -> Result<(), TypeError> {
    let Model { mut b, x, .. } = model(1)?;
    let x = b.reduce_last(Reduction::Sum, x)?;
    let (large, small) = (b.token(3_000_000_000), b.token(7));
    let nothing = b.constant(9.0, Shape::scalar());
    let high = b.compare(Compare::Lt, x, nothing)?;
    let (first, second) = (b.select(high, large, small)?, b.select(high, small, large)?);
    b.result(ResultKind::Output, "first", first);
    let above = b.compare(Compare::Gt, first, second)?;
    let (one, two) = (
        b.constant(1.0, Shape::scalar()),
        b.constant(2.0, Shape::scalar()),
    );
    let y = b.select(above, one, two)?;
    b.result(ResultKind::Output, "y", y);
    agree(b, &[2]);
    Ok(())
}

#[test]
fn a_step_past_a_fixed_axis_is_the_boundary_in_a_product() -> Result<(), TypeError> {
    let mut b = Builder::new("Model");
    let t = b.axis("t", Extent::Fixed(3));
    let wide = Shape::vector(Dim::constant(5));
    let domain = Domain::BATCH.with(t);
    let x = b.input("x", Role::Input, Type::real(domain, wide.clone()))?;
    let start = param(&mut b, "start", wide)?;
    let w = weight(&mut b, "w", 4, 5)?;
    for (name, boundary) in [("bounded", Some(start)), ("free", None)] {
        let beyond = b.at(x, t, Position::Step(7), boundary)?;
        let y = b.matmul(w, beyond)?;
        b.result(ResultKind::Output, name, y);
    }
    agree(b, &[3; 40]);
    Ok(())
}

#[test]
fn a_batch_of_nothing_runs() -> Result<(), TypeError> {
    let mut b = Builder::new("Model");
    let t = b.axis("t", Extent::Fixed(3));
    let domain = Domain::BATCH.with(t);
    let ty = Type::real(domain, Shape::vector(Dim::constant(5)));
    let x = b.input("x", Role::Input, ty.clone())?;
    let w = weight(&mut b, "w", 5, 5)?;
    let next = b.shift(x, t, 1, None)?;
    let y = b.matmul(w, next)?;
    let before = b.open_shift(&ty, t, 1, None)?;
    let h = b.matmul(w, before)?;
    let h = b.add(h, y)?;
    b.close(before, h)?;
    let second = b.at(h, t, Position::Step(2), None)?;
    let z = b.matmul(w, second)?;
    b.result(ResultKind::Output, "z", z);
    b.result(ResultKind::Output, "h", h);
    let sum = b.axis_reduce(Over::Sum, h, domain)?;
    b.result(ResultKind::Output, "sum", sum);
    agree(b, &[]);
    Ok(())
}

#[test]
fn a_sum_of_outer_products_without_a_batch_is_each_examples_own() -> Result<(), TypeError> {
    let mut b = Builder::new("Model");
    let t = b.axis("t", Extent::Length("T".into()));
    let vector = |width| Type::real(Domain::of(t), Shape::vector(Dim::constant(width)));
    let (p, q) = (
        b.input("p", Role::Input, vector(3))?,
        b.input("q", Role::Input, vector(4))?,
    );
    let outer = b.outer(p, q)?;
    let sum = b.axis_reduce(Over::Sum, outer, Domain::of(t))?;
    b.result(ResultKind::Output, "sum", sum);
    agree(b, &[3, 1, 2]);
    Ok(())
}

#[test]
fn the_largest_over_the_batch_is_no_sum() -> Result<(), TypeError> {
    let Model { mut b, t, x } = model(5)?;
    for (name, axes) in [
        ("all", Domain::BATCH.with(t)),
        ("batch", Domain::BATCH),
        ("time", Domain::of(t)),
    ] {
        let most = b.axis_reduce(Over::Max, x, axes)?;
        b.result(ResultKind::Output, name, most);
    }
    agree(b, &[3, 1, 2]);
    Ok(())
}

#[test]
fn a_sum_over_the_batch_leaves_out_examples_that_have_ended() -> Result<(), TypeError> {
    for kind in Over::ALL {
        let mut b = Builder::new("Model");
        let t = b.axis("t", Extent::Length("T".into()));
        let s = b.axis("s", Extent::Length("S".into()));
        let vector = |domain| Type::real(domain, Shape::vector(Dim::constant(3)));
        let x = b.input("x", Role::Input, vector(Domain::BATCH.with(s)))?;
        let y = b.input("y", Role::Input, vector(Domain::BATCH.with(t).with(s)))?;
        for (name, value, axes) in [
            ("x over batch", x, Domain::BATCH),
            ("y over batch", y, Domain::BATCH),
            ("y over batch and t", y, Domain::BATCH.with(t)),
            ("y over batch and s", y, Domain::BATCH.with(s)),
            ("y over s", y, Domain::of(s)),
            ("y over t", y, Domain::of(t)),
            ("y over all", y, Domain::BATCH.with(s).with(t)),
        ] {
            let total = b.axis_reduce(kind, value, axes)?;
            b.result(ResultKind::Output, name, total);
        }
        // Kept along one axis by a loop.
        let ty = vector(Domain::BATCH.with(t));
        let before = b.open_shift(&ty, t, -1, None)?;
        let both = b.add(before, y)?;
        let own = b.axis_reduce(kind, both, Domain::BATCH.with(s))?;
        let own = b.unary(Unary::Sin, own)?;
        let own = b.broadcast(own, Domain::BATCH)?;
        b.close(before, own)?;
        b.result(ResultKind::Output, "own", own);
        agree_along(b, &[("T", vec![3, 1, 2]), ("S", vec![1, 2, 2])]);
    }
    Ok(())
}

#[test]
fn a_loop_keeps_only_its_own_examples_in_a_sum_over_a_full_axis() -> Result<(), TypeError> {
    let mut b = Builder::new("Model");
    let t = b.axis("t", Extent::Length("T".into()));
    let s = b.axis("s", Extent::Length("S".into()));
    let vector = |domain| Type::real(domain, Shape::vector(Dim::constant(3)));
    let y = b.input("y", Role::Input, vector(Domain::BATCH.with(t).with(s)))?;
    let ty = vector(Domain::BATCH.with(s));
    let _ = ty;
    let before = b.open_shift(&vector(Domain::BATCH.with(t)), t, -1, None)?;
    let both = b.add(before, y)?;
    let own = b.axis_reduce(Over::Sum, both, Domain::BATCH.with(s))?;
    let own = b.unary(Unary::Sin, own)?;
    let own = b.broadcast(own, Domain::BATCH)?;
    b.close(before, own)?;
    b.result(ResultKind::Output, "own", own);
    agree_along(b, &[("T", vec![3, 1, 2]), ("S", vec![2, 2, 2])]);
    Ok(())
}

#[test]
fn a_log_sum_exp_over_rows_of_a_matrix_is_within_bounds() -> Result<(), TypeError> {
    let Model { mut b, x, .. } = model(4)?;
    let w = weight(&mut b, "w", 3, 4)?;
    let rows = b.expand(x, 0, Dim::constant(3))?;
    let m = b.add(rows, w)?;
    for kind in Reduction::ALL {
        for at in 0..2 {
            let y = b.reduce(kind, m, at)?;
            b.result(ResultKind::Output, format!("{} {at}", kind.name()), y);
        }
    }
    agree(b, &[2, 1]);
    Ok(())
}

#[test]
fn shifts_of_several_steps_and_shifts_of_shifts_look_where_they_say() -> Result<(), TypeError> {
    let Model { mut b, t, x } = model(4)?;
    let w = weight(&mut b, "w", 4, 4)?;
    for by in [-3, -2, 2, 3] {
        let y = b.shift(x, t, by, None)?;
        let y = b.matmul(w, y)?;
        let back = b.shift(y, t, -1, None)?;
        let ahead = b.shift(back, t, 2, None)?;
        let z = b.matmul(w, ahead)?;
        b.result(ResultKind::Output, format!("y{by}"), y);
        b.result(ResultKind::Output, format!("z{by}"), z);
    }
    agree(b, &[5, 0, 1, 7]);
    Ok(())
}

#[test]
fn a_recurrence_of_lag_two_and_ahead_runs() -> Result<(), TypeError> {
    for by in [-3, -2, 2, 3] {
        let Model { mut b, t, x } = model(4)?;
        let w = weight(&mut b, "w", 4, 4)?;
        let ty = b.ty(x).clone();
        let before = b.open_shift(&ty, t, by, None)?;
        let h = b.matmul(w, before)?;
        let h = b.add(h, x)?;
        let h = b.unary(Unary::Tanh, h)?;
        let g = b.concat(vec![h, x, h], 0)?;
        let g = b.slice(g, 0, Dim::constant(3), Dim::constant(4))?;
        b.close(before, g)?;
        b.result(ResultKind::Output, "h", h);
        agree(b, &[5, 0, 1, 7]);
    }
    Ok(())
}

#[test]
fn values_of_three_feature_axes_work_or_are_refused() -> Result<(), TypeError> {
    let Model { mut b, x, .. } = model(2)?;
    let deep = param(
        &mut b,
        "deep",
        Shape(vec![Dim::constant(3), Dim::constant(2), Dim::constant(4)]),
    )?;
    let x = b.expand(x, 1, Dim::constant(4))?;
    let x = b.expand(x, 0, Dim::constant(3))?;
    let sum = b.add(x, deep)?;
    b.result(ResultKind::Output, "sum", sum);
    let joined = b.concat(vec![sum, deep], 1)?;
    b.result(ResultKind::Output, "joined", joined);
    let soft = b.softmax(sum)?;
    b.result(ResultKind::Output, "soft", soft);
    let part = b.slice(sum, 2, Dim::constant(1), Dim::constant(2))?;
    let part = b.unary(Unary::Tanh, part)?;
    b.result(ResultKind::Output, "part", part);
    let padded = b.pad(part, 1, Dim::constant(1), Dim::constant(2))?;
    b.result(ResultKind::Output, "padded", padded);
    for at in 0..3 {
        let y = b.reduce(Reduction::Max, sum, at)?;
        b.result(ResultKind::Output, format!("max {at}"), y);
    }
    agree(b, &[2, 1]);
    Ok(())
}

#[test]
fn views_of_views_of_matrices_lie_where_they_should() -> Result<(), TypeError> {
    let Model { mut b, t, x } = model(4)?;
    let w = weight(&mut b, "w", 4, 6)?;
    let outer = b.outer(x, x)?;
    let turned = b.transpose(outer)?;
    let before = b.shift(turned, t, -1, None)?;
    let part = b.slice(before, 0, Dim::constant(1), Dim::constant(2))?;
    let y = b.matmul(part, w)?;
    b.result(ResultKind::Output, "y", y);
    let part = b.slice(part, 1, Dim::constant(1), Dim::constant(3))?;
    let bent = b.unary(Unary::Tanh, part)?;
    let twice = b.add(bent, part)?;
    b.result(ResultKind::Output, "twice", twice);
    let joined = b.concat(vec![part, bent], 0)?;
    b.result(ResultKind::Output, "joined", joined);
    let beside = b.concat(vec![bent, part], 1)?;
    b.result(ResultKind::Output, "beside", beside);
    let last = b.at(part, t, Position::Last, None)?;
    let last = b.transpose(last)?;
    let v = b.reduce(Reduction::Sum, w, 1)?;
    let v = b.slice(v, 0, Dim::constant(0), Dim::constant(2))?;
    let z = b.matmul(last, v)?;
    b.result(ResultKind::Output, "z", z);
    agree(b, &[3, 0, 2]);
    Ok(())
}

#[test]
fn tokens_and_truths_share_clusters_with_reals() -> Result<(), TypeError> {
    let Model { mut b, t, x } = model(5)?;
    let table = weight(&mut b, "table", 5, 5)?;
    let first = b.argmax(x)?;
    let nought = b.token(0);
    let last = b.shift(first, t, -1, Some(nought))?;
    let ahead = b.shift(first, t, 1, None)?;
    let same = b.compare(Compare::Eq, first, last)?;
    let chosen = b.select(same, ahead, first)?;
    let row = b.gather(table, chosen)?;
    let pick = b.gather(x, chosen)?;
    b.result(ResultKind::Output, "row", row);
    b.result(ResultKind::Output, "pick", pick);
    b.result(ResultKind::Output, "chosen", chosen);
    b.result(ResultKind::Output, "same", same);
    let spread = b.scatter(chosen, x, Dim::constant(5))?;
    b.result(ResultKind::Output, "spread", spread);
    let later = b.shift(same, t, 2, None)?;
    b.result(ResultKind::Output, "later", later);
    let bound = b.binary(Binary::Max, row, x)?;
    b.result(ResultKind::Output, "bound", bound);
    agree(b, &[3, 0, 5]);
    Ok(())
}

#[test]
fn squares_under_sums_over_steps_are_sums_of_products() -> Result<(), TypeError> {
    let Model { mut b, t, x } = model(5)?;
    let j = b.axis("j", Extent::Length("J".into()));
    let domain = Domain::BATCH.with(j);
    let m = b.input(
        "m",
        Role::Input,
        Type::real(domain, Shape::vector(Dim::constant(5))),
    )?;
    let bent = b.unary(Unary::Tanh, x)?;
    let before = b.shift(x, t, -1, None)?;
    let scalar = b.reduce(Reduction::Max, x, 0)?;
    let repeated = b.expand(scalar, 0, Dim::constant(5))?;
    let both = b.add(x, m)?;
    for (name, value, axis) in [
        ("given", x, t),
        ("computed", bent, t),
        ("before", before, t),
        ("repeated", repeated, t),
        ("beside", m, j),
        ("both", both, j),
    ] {
        let square = b.mul(value, value)?;
        let sum = b.sum_over(square, axis)?;
        b.result(ResultKind::Output, name, sum);
    }
    agree_along(b, &[("T", vec![3, 0, 5, 1]), ("J", vec![2, 4, 0, 7])]);
    Ok(())
}
