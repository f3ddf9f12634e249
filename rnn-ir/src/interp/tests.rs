#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use super::*;
use crate::axis::{Domain, Extent};
use crate::builder::Builder;
use crate::dim::Dim;
use crate::node::{Shape, Type};
use crate::op::{Init, Over, ParamKind, Position, Role, Unary};
use crate::verify::verify;

fn init() -> Init {
    Init {
        kind: "zeros".into(),
        args: Vec::new(),
    }
}

fn vector(size: i64) -> Shape {
    Shape::vector(Dim::constant(size))
}

// x[t] over one ragged axis, and whatever `f` makes of it as output `y`.
fn over_time(f: impl FnOnce(&mut Builder, AxisId, NodeId) -> NodeId) -> Verified {
    let mut b = Builder::new("test");
    let t = b.axis("t", Extent::Length("T".into()));
    let ty = Type::real(Domain::of(t).with(AxisId::BATCH), Shape::scalar());
    let x = b.input("x", Role::Input, ty).unwrap();
    let y = f(&mut b, t, x);
    b.result(ResultKind::Output, "y", y);
    verify(b.finish()).unwrap()
}

// x = 1, 2, 3 | 10, 20 | nothing, padded with NaN.
fn ragged() -> Env {
    let nan = f64::NAN;
    Env::new(3).with_lengths("T", [3, 2, 0]).with_input(
        "x",
        Tensor::real([3, 3], [1.0, 10.0, nan, 2.0, 20.0, nan, 3.0, nan, nan]),
    )
}

fn output(graph: &Verified, env: &Env) -> Vec<f64> {
    let results = evaluate(graph, env).unwrap();
    results.first(&ResultKind::Output).unwrap().reals().to_vec()
}

// s[t] = s[t-1] + x[t]
fn prefix_sums(b: &mut Builder, t: AxisId, x: NodeId, by: i32) -> NodeId {
    let ty = b.ty(x).clone();
    let before = b.open_shift(&ty, t, by, None).unwrap();
    let s = b.add(before, x).unwrap();
    b.close(before, s).unwrap();
    s
}

#[test]
fn prefix_sums_run_to_each_examples_own_end() {
    let forward = over_time(|b, t, x| prefix_sums(b, t, x, -1));
    assert_eq!(
        output(&forward, &ragged()),
        [1.0, 10.0, 0.0, 3.0, 30.0, 0.0, 6.0, 0.0, 0.0]
    );
    let reverse = over_time(|b, t, x| prefix_sums(b, t, x, 1));
    assert_eq!(
        output(&reverse, &ragged()),
        [6.0, 30.0, 0.0, 5.0, 20.0, 0.0, 3.0, 0.0, 0.0]
    );
}

#[test]
fn means_and_ends_are_over_the_examples_own_length() {
    let mean = over_time(|b, t, x| b.mean_over(x, t).unwrap());
    assert_eq!(output(&mean, &ragged()), [2.0, 15.0, 0.0]);
    let largest = over_time(|b, t, x| b.max_over(x, t).unwrap());
    assert_eq!(output(&largest, &ragged()), [3.0, 20.0, f64::NEG_INFINITY]);
    let last = over_time(|b, t, x| {
        let otherwise = b.constant(-1.0, Shape::scalar());
        b.at(x, t, Position::Last, Some(otherwise)).unwrap()
    });
    assert_eq!(output(&last, &ragged()), [3.0, 20.0, -1.0]);
    let third = over_time(|b, t, x| b.at(x, t, Position::Step(3), None).unwrap());
    assert_eq!(output(&third, &ragged()), [3.0, 0.0, 0.0]);
    let placed = over_time(|b, t, x| {
        let first = b.at(x, t, Position::First, None).unwrap();
        b.place(first, t, Position::Last).unwrap()
    });
    assert_eq!(
        output(&placed, &ragged()),
        [0.0, 0.0, 0.0, 0.0, 10.0, 0.0, 1.0, 0.0, 0.0]
    );
}

#[test]
fn sums_over_the_batch_take_the_examples_that_are_still_running() {
    let per_step = over_time(|b, _, x| b.axis_reduce(Over::Sum, x, Domain::BATCH).unwrap());
    assert_eq!(output(&per_step, &ragged()), [11.0, 22.0, 3.0]);
    let all = over_time(|b, t, x| {
        let axes = Domain::BATCH.with(t);
        b.axis_reduce(Over::Sum, x, axes).unwrap()
    });
    assert_eq!(output(&all, &ragged()), [36.0]);
    // 1 + 2 + .. + T, of a value that is the same for every example.
    let steps = over_time(|b, t, _| {
        let step = b.step(t).unwrap();
        b.sum_over(step, t).unwrap()
    });
    assert_eq!(output(&steps, &ragged()), [6.0, 3.0, 0.0]);
}

#[test]
fn shifts_take_the_boundary_outside_the_axis() {
    let back = over_time(|b, t, x| {
        let boundary = b.constant(7.0, Shape::scalar());
        b.shift(x, t, -1, Some(boundary)).unwrap()
    });
    assert_eq!(
        output(&back, &ragged()),
        [7.0, 7.0, 0.0, 1.0, 10.0, 0.0, 2.0, 0.0, 0.0]
    );
    let ahead = over_time(|b, t, x| {
        let boundary = b.constant(7.0, Shape::scalar());
        b.shift(x, t, 1, Some(boundary)).unwrap()
    });
    assert_eq!(
        output(&ahead, &ragged()),
        [2.0, 20.0, 0.0, 3.0, 7.0, 0.0, 7.0, 0.0, 0.0]
    );
    let far = over_time(|b, t, x| b.shift(x, t, -2, None).unwrap());
    assert_eq!(
        output(&far, &ragged()),
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0]
    );
}

// h[t] = tanh(W_xh @ x[t] + W_hh @ h[t-1] + b_h), h[0] = h0, worked out by hand for T = 2, H = 2, I = 1.
#[test]
fn a_recurrent_network_agrees_with_its_textbook_evaluation() {
    let mut b = Builder::new("rnn");
    let t = b.axis("t", Extent::Length("T".into()));
    let both = Domain::of(t).with(AxisId::BATCH);
    let x = b
        .input("x", Role::Input, Type::real(both, vector(1)))
        .unwrap();
    let matrix = |rows, columns| Shape::matrix(Dim::constant(rows), Dim::constant(columns));
    let w_xh = b
        .param("W_xh", matrix(2, 1), init(), ParamKind::Trained)
        .unwrap();
    let w_hh = b
        .param("W_hh", matrix(2, 2), init(), ParamKind::Trained)
        .unwrap();
    let b_h = b
        .param("b_h", vector(2), init(), ParamKind::Trained)
        .unwrap();
    let h0 = b
        .param("h0", vector(2), init(), ParamKind::Trained)
        .unwrap();
    let before = b
        .open_shift(&Type::real(both, vector(2)), t, -1, Some(h0))
        .unwrap();
    let input = b.matmul(w_xh, x).unwrap();
    let state = b.matmul(w_hh, before).unwrap();
    let a = b.add(input, state).unwrap();
    let a = b.add(a, b_h).unwrap();
    let h = b.unary(Unary::Tanh, a).unwrap();
    b.close(before, h).unwrap();
    b.result(ResultKind::Output, "h", h);
    let env = Env::new(1)
        .with_lengths("T", [2])
        .with_input("x", Tensor::real([2, 1, 1], [0.5, -1.0]))
        .with_param("W_xh", Tensor::real([2, 1], [1.0, -2.0]))
        .with_param("W_hh", Tensor::real([2, 2], [0.1, 0.2, 0.3, 0.4]))
        .with_param("b_h", Tensor::real([2], [0.01, 0.02]))
        .with_param("h0", Tensor::real([2], [1.0, -1.0]));
    let (p, q) = (
        (0.5f64 + (0.1 - 0.2) + 0.01).tanh(),
        (-1.0f64 + (0.3 - 0.4) + 0.02).tanh(),
    );
    let expected = [
        p,
        q,
        (-1.0 + (0.1 * p + 0.2 * q) + 0.01).tanh(),
        (2.0 + (0.3 * p + 0.4 * q) + 0.02).tanh(),
    ];
    for (found, expected) in output(&verify(b.finish()).unwrap(), &env)
        .iter()
        .zip(expected)
    {
        assert!((found - expected).abs() < 1e-15, "{found} {expected}");
    }
}

#[test]
fn long_sequences_do_not_overflow_the_stack() {
    let steps = 5_000;
    let graph = over_time(|b, t, x| prefix_sums(b, t, x, -1));
    let env = Env::new(1)
        .with_lengths("T", [steps])
        .with_input("x", Tensor::real([steps, 1], vec![1.0; steps]));
    assert_eq!(output(&graph, &env).last(), Some(&(steps as f64)));
}

#[test]
fn an_empty_batch_and_empty_sequences_have_values() {
    let sum = over_time(|b, t, x| b.axis_reduce(Over::Sum, x, Domain::BATCH.with(t)).unwrap());
    let nothing = Env::new(0)
        .with_lengths("T", [])
        .with_input("x", Tensor::real([0, 0], []));
    assert_eq!(output(&sum, &nothing), [0.0]);
    let empty = Env::new(2)
        .with_lengths("T", [0, 0])
        .with_input("x", Tensor::real([0, 2], []));
    assert_eq!(output(&sum, &empty), [0.0]);
}

#[test]
fn what_is_missing_or_misshapen_is_named() {
    let graph = over_time(|_, _, x| x);
    let error = |env: &Env| evaluate(&graph, env).unwrap_err().to_string();
    let given = Env::new(1).with_lengths("T", [2]);
    assert_eq!(error(&Env::new(1)), "length `T` has no value");
    assert_eq!(error(&given), "`x` has no value");
    assert_eq!(
        error(&given.clone().with_lengths("T", [2, 3])),
        "length `t`: expected 1 examples, found 2"
    );
    assert_eq!(
        error(
            &given
                .clone()
                .with_input("x", Tensor::real([3, 1], [0.0; 3]))
        ),
        "`x`: expected dims [2, 1], found [3, 1]"
    );
    assert_eq!(
        error(&given.with_input("x", Tensor::index([2, 1], [0; 2]))),
        "`x`: expected elements of kind real, found index"
    );
}

#[test]
fn a_token_out_of_range_is_traced_to_its_input() {
    let mut b = Builder::new("tokens");
    let t = b.axis("t", Extent::Length("T".into()));
    let ty = Type {
        domain: Domain::of(t).with(AxisId::BATCH),
        shape: Shape::scalar(),
        dtype: DType::Index,
    };
    let word = b.input("word", Role::Input, ty).unwrap();
    let table = b.param("E", vector(3), init(), ParamKind::Trained).unwrap();
    let before = b.shift(word, t, -1, None).unwrap();
    let row = b.gather(table, before).unwrap();
    b.result(ResultKind::Output, "row", row);
    let graph = verify(b.finish()).unwrap();
    let env = |words: [u32; 4]| {
        Env::new(2)
            .with_lengths("T", [2, 2])
            .with_input("word", Tensor::index([2, 2], words))
            .with_param("E", Tensor::real([3], [5.0, 6.0, 7.0]))
    };
    // The last words are never looked up.
    assert_eq!(output(&graph, &env([1, 2, 9, 9])), [5.0, 5.0, 6.0, 7.0]);
    assert_eq!(
        evaluate(&graph, &env([1, 3, 0, 0]))
            .unwrap_err()
            .to_string(),
        "`word`, t = 1, example 1: expected a token below 3, found 3"
    );
}

#[test]
fn a_value_that_depends_on_itself_is_an_error() {
    let mut b = Builder::new("cycle");
    let t = b.axis("t", Extent::Length("T".into()));
    let ty = Type::real(Domain::of(t).with(AxisId::BATCH), Shape::scalar());
    let before = b.open_shift(&ty, t, -1, None).unwrap();
    let after = b.shift(before, t, 1, None).unwrap();
    b.close(before, after).unwrap();
    b.result(ResultKind::Output, "y", after);
    assert!(matches!(
        evaluate(&Verified(b.finish()), &ragged()),
        Err(EvalError::Cycle { .. })
    ));
}

#[test]
fn the_first_equation_that_leaves_the_finite_numbers_is_named() {
    let graph = over_time(|b, t, x| {
        let ln = b.unary(Unary::Ln, x).unwrap();
        let twice = b.add(ln, ln).unwrap();
        b.name(twice, "twice");
        b.sum_over(twice, t).unwrap()
    });
    let env = |third: f64| {
        Env::new(1)
            .with_lengths("T", [3])
            .with_input("x", Tensor::real([3, 1], [1.0, 2.0, third]))
    };
    assert_eq!(nonfinite(&graph, &env(3.0)).unwrap(), None);
    let found = nonfinite(&graph, &env(-3.0)).unwrap().unwrap();
    assert_eq!(found.equation, "twice");
    assert_eq!(found.at.steps, [("t".to_owned(), 3)]);
    assert_eq!(found.at.example, Some(0));
    assert!(found.value.is_nan());
    let found = nonfinite(&graph, &env(f64::INFINITY)).unwrap().unwrap();
    assert_eq!(found.equation, "x");
}

#[test]
fn a_matrix_has_a_largest_element_in_each_row() {
    let mut b = Builder::new("test");
    let shape = Shape(vec![Dim::constant(3), Dim::constant(2)]);
    let x = b.input("x", Role::Input, Type::real(Domain::BATCH, shape));
    let k = b.argmax(x.unwrap()).unwrap();
    assert_eq!(b.shape(k), &vector(3));
    // One of the rows, by the token of another: a vector of tokens is a table too.
    let first = b.token(0);
    let first = b.gather(k, first).unwrap();
    let chosen = b.gather(k, first).unwrap();
    b.result(ResultKind::Output, "k", k);
    b.result(ResultKind::Output, "chosen", chosen);
    let graph = verify(b.finish()).unwrap();
    let rows = [1.0, 2.0, 5.0, 5.0, -1.0, -2.0];
    let env = Env::new(1).with_input("x", Tensor::real([1, 3, 2], rows));
    let results = evaluate(&graph, &env).unwrap();
    let tokens = |name: &str| results.get(&ResultKind::Output, name).unwrap().indices();
    assert_eq!(tokens("k"), [1, 0, 0]);
    assert_eq!(tokens("chosen"), [0]);
}
