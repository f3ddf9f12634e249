//! What is documented where a function has no derivative: ties and kinks.

use rnn_ir::autodiff::{Wrt, differentiate};
use rnn_ir::axis::{Domain, Extent};
use rnn_ir::builder::{Builder, Built};
use rnn_ir::dim::Dim;
use rnn_ir::graph::ResultKind;
use rnn_ir::interp::{Env, Tensor, evaluate};
use rnn_ir::node::{NodeId, Shape, Type};
use rnn_ir::op::{Binary, Over, Reduction, Role, Unary};
use rnn_ir::verify::verify;

// The gradients by x and y, vectors [4] over time, of the sum of `build(x, y)`.
fn gradients(
    build: impl Fn(&mut Builder, NodeId, NodeId) -> Built,
    x: [f64; 4],
    y: [f64; 4],
) -> [Vec<f64>; 2] {
    let mut b = Builder::new("Ties");
    let t = b.axis("t", Extent::Length("T".into()));
    let ty = Type::real(Domain::BATCH.with(t), Shape::vector(Dim::constant(2)));
    let first = b.input("x", Role::Input, ty.clone()).unwrap();
    let second = b.input("y", Role::Input, ty).unwrap();
    let value = build(&mut b, first, second).unwrap();
    let sum = b.sum_features(value).unwrap();
    let time = b.ty(sum).domain.time_axes().collect();
    let loss = b.axis_reduce(Over::Sum, sum, time).unwrap();
    b.result(ResultKind::Loss, "loss", loss);
    let model = verify(b.finish()).unwrap();
    let graph = differentiate(&model, &Wrt::everything(&model)).unwrap();
    let env = Env::new(1)
        .with_lengths("T", [2])
        .with_input("x", Tensor::real([2, 1, 2], x))
        .with_input("y", Tensor::real([2, 1, 2], y))
        .with_input("weight", Tensor::real([1], [1.0]));
    let results = evaluate(&graph, &env).unwrap();
    ["x", "y"].map(|name| {
        let gradient = results.get(&ResultKind::Gradient, name).unwrap();
        gradient.reals().to_vec()
    })
}

#[test]
fn a_tie_of_two_goes_to_the_first() {
    let (x, y) = ([1.0, 2.0, 3.0, 4.0], [1.0, 5.0, 2.0, 4.0]);
    let [dx, dy] = gradients(|b, x, y| b.binary(Binary::Max, x, y), x, y);
    assert_eq!(
        (dx, dy),
        (vec![1.0, 0.0, 1.0, 1.0], vec![0.0, 1.0, 0.0, 0.0])
    );
    let [dx, dy] = gradients(|b, x, y| b.binary(Binary::Min, x, y), x, y);
    assert_eq!(
        (dx, dy),
        (vec![1.0, 1.0, 0.0, 1.0], vec![0.0, 0.0, 1.0, 0.0])
    );
}

#[test]
fn a_tie_of_many_is_shared() {
    let (x, y) = ([5.0, 5.0, 5.0, 1.0], [0.0; 4]);
    let [dx, _] = gradients(|b, x, _| b.reduce_last(Reduction::Max, x), x, y);
    assert_eq!(dx, [0.5, 0.5, 1.0, 0.0]);
    let over_time = |b: &mut Builder, x, _| {
        let time = b.ty(x).domain.time_axes().collect();
        b.axis_reduce(Over::Max, x, time)
    };
    let [dx, _] = gradients(over_time, x, y);
    assert_eq!(dx, [0.5, 1.0, 0.5, 0.0]);
}

#[test]
fn kinks_have_slope_zero() {
    let (x, y) = ([0.0, -0.0, 2.0, -3.0], [0.0; 4]);
    let [dx, _] = gradients(|b, x, _| b.unary(Unary::Relu, x), x, y);
    assert_eq!(dx, [0.0, 0.0, 1.0, 0.0]);
    let [dx, _] = gradients(|b, x, _| b.unary(Unary::Abs, x), x, y);
    assert_eq!(dx, [0.0, 0.0, 1.0, -1.0]);
    for flat in [Unary::Sign, Unary::Floor] {
        let [dx, _] = gradients(|b, x, _| b.unary(flat, x), x, y);
        assert_eq!(dx, [0.0; 4]);
    }
}
