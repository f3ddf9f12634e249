#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use super::*;
use crate::axis::Extent;
use crate::interp::{Env, Tensor, evaluate};
use crate::node::Loc;
use crate::op::{Init, Op, ParamKind, Unary};
use crate::samples;
use crate::textbook::equations;

fn verified(graph: Graph) -> Verified {
    verify(graph).unwrap()
}

fn init() -> Init {
    Init {
        kind: "zeros".into(),
        args: Vec::new(),
    }
}

// loss = x * x of each example, by `build` from a trained parameter of this name.
fn scalar_model(param: &str, uses_param: bool) -> Verified {
    let mut b = Builder::new("Scalar");
    let ty = Type::real(Domain::BATCH, Shape::scalar());
    let x = b.input("x", Role::Input, ty).unwrap();
    let w = b
        .param(param, Shape::scalar(), init(), ParamKind::Trained)
        .unwrap();
    let y = if uses_param { b.mul(w, x).unwrap() } else { x };
    let loss = b.mul(y, y).unwrap();
    b.result(ResultKind::Loss, "loss", loss);
    verified(b.finish())
}

#[test]
fn the_adjoint_of_the_vanilla_network_is_that_of_the_textbook() {
    let graph = differentiate(&verified(samples::vanilla()), &Wrt::params()).unwrap();
    let text = equations(&graph);
    for line in [
        "d_h[t] = W_hy.T @ d_o[t] + W_hh.T @ d_a[t+1]",
        "d_a[t] = d_h[t] * (1 - h[t] * h[t])",
        "d_W_hy = sum[t, batch](outer(d_o[t], h[t]))",
        "d_W_hh = sum[t, batch](outer(d_a[t], h[t-1]))",
        "d_W_xh = sum[t, batch](outer(d_a[t], x[t]))",
        "d_b_h = sum[t, batch](d_a[t])",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
}

#[test]
fn the_equations_of_the_model_stay_as_they_are() {
    let model = verified(samples::lstm());
    let graph = differentiate(&model, &Wrt::params()).unwrap();
    for (id, node) in model.nodes.iter() {
        assert_eq!(&graph.nodes[id], node);
    }
    assert_eq!(graph.results[..model.results.len()], model.results[..]);
}

#[test]
fn gradients_have_the_name_and_the_type_of_what_they_are_by() {
    let model = verified(samples::char_lm());
    let graph = differentiate(&model, &Wrt::everything(&model)).unwrap();
    let gradients: Vec<_> = graph.results_of(ResultKind::Gradient).collect();
    let params: Vec<_> = model.trained_params().collect();
    assert_eq!(gradients.len(), params.len());
    for (gradient, (param, name)) in gradients.iter().zip(params) {
        assert_eq!(gradient.name, name);
        assert_eq!(graph.nodes[gradient.node].ty, model.nodes[param].ty);
    }
}

#[test]
fn each_example_counts_by_its_weight() {
    let model = scalar_model("w", true);
    let graph = differentiate(&model, &Wrt::params().and_input("x")).unwrap();
    let env = Env::new(2)
        .with_input("x", Tensor::real([2], [3.0, 5.0]))
        .with_input(WEIGHT, Tensor::real([2], [1.0, 10.0]))
        .with_param("w", Tensor::scalar(2.0));
    let results = evaluate(&graph, &env).unwrap();
    let value = |kind, name| results.get(&kind, name).unwrap().reals().to_vec();
    // (2 * 3)^2 + 10 * (2 * 5)^2;  by w: 2 * 2 * (9 + 10 * 25);  by x: 2 * 4 * (3, 10 * 5)
    assert_eq!(value(ResultKind::BatchLoss, LOSS), [1036.0]);
    assert_eq!(value(ResultKind::Gradient, "w"), [1036.0]);
    assert_eq!(value(ResultKind::Gradient, "x"), [24.0, 400.0]);
}

#[test]
fn what_the_loss_does_not_depend_on_has_gradient_zero() {
    let graph = differentiate(&scalar_model("w", false), &Wrt::params()).unwrap();
    let result = graph.results_of(ResultKind::Gradient).next().unwrap();
    let zero = &graph.nodes[result.node].op;
    assert!(matches!(zero, Op::Const(value) if value.0 == 0.0));
}

#[test]
fn a_name_that_is_taken_is_not_taken_again() {
    let graph = differentiate(&scalar_model("weight", true), &Wrt::params()).unwrap();
    assert!(graph.inputs().any(|(_, name, _)| name == "weight2"));
    let again = differentiate(&graph, &Wrt::params()).unwrap();
    assert!(again.inputs().any(|(_, name, _)| name == "weight3"));
    assert_eq!(again.results_of(ResultKind::Gradient).count(), 1);
    assert!(again.named("d_weight").is_some() && again.named("d2_weight").is_none());
    let twice = linearize(&again, &Wrt::params()).unwrap();
    let outputs = twice.results_of(ResultKind::Output);
    let outputs: Vec<_> = outputs.map(|result| result.name.as_str()).collect();
    assert_eq!(outputs, ["t_loss", "t_batch_loss", "t_d_weight"]);
}

#[test]
fn what_cannot_be_differentiated_is_an_error() {
    let model = verified(samples::char_lm());
    let error = |wrt: Wrt| differentiate(&model, &wrt).unwrap_err().to_string();
    assert_eq!(
        error(Wrt::default().and_input("z")),
        "model `CharLm` has no input `z`"
    );
    assert_eq!(
        error(Wrt::default().and_input("now")),
        "input `now` has no derivative: expected kind real, found index"
    );
    let mut graph = samples::vanilla();
    graph
        .results
        .retain(|result| result.kind != ResultKind::Loss);
    assert_eq!(
        differentiate(&verified(graph), &Wrt::params())
            .unwrap_err()
            .to_string(),
        "model `Vanilla` has no loss to differentiate"
    );
}

#[test]
fn a_cotangent_of_another_type_is_an_error() {
    let mut b = Builder::new("Seeds");
    let t = b.axis("t", Extent::Length("T".into()));
    let step = b.step(t).unwrap();
    let w = b
        .param("w", Shape::scalar(), init(), ParamKind::Trained)
        .unwrap();
    let y = b.mul(w, step).unwrap();
    let shared = gradient(&mut b, &[(y, step)], &[w]);
    assert!(matches!(shared, Err(TypeError::MissingAxis { .. })));
    let vector = b.constant(1.0, Shape::vector(2.into()));
    let misshapen = gradient(&mut b, &[(y, vector)], &[w]);
    assert!(matches!(misshapen, Err(TypeError::ShapeMismatch { .. })));
}

#[test]
fn adjoint_equations_come_from_the_line_of_the_equation() {
    let mut b = Builder::new("Lines");
    let ty = Type::real(Domain::BATCH, Shape::scalar());
    let x = b.input("x", Role::Input, ty).unwrap();
    let loc = Some(Loc {
        file: None,
        line: 7,
        column: 3,
    });
    b.set_loc(loc);
    let y = b.unary(Unary::Tanh, x).unwrap();
    b.set_loc(None);
    b.result(ResultKind::Loss, "loss", y);
    let graph = differentiate(&verified(b.finish()), &Wrt::default().and_input("x")).unwrap();
    let gradient = graph.results_of(ResultKind::Gradient).next().unwrap();
    assert_eq!(graph.nodes[gradient.node].loc, loc);
}

#[test]
fn values_that_are_only_compared_have_no_adjoint_equations() {
    let graph = differentiate(&verified(samples::greedy()), &Wrt::params()).unwrap();
    let adjoints = graph
        .nodes
        .iter()
        .filter(|(_, node)| node.name.as_deref() == Some("d_y") && node.ty.dtype != DType::Real);
    assert_eq!(adjoints.count(), 0);
}
