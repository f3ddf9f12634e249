//! A loss that is not finite is traced to its equation, step and example.

use std::marker::PhantomData;

use ndarray::{Array1, Array3};
use rnn_runtime::error::Origin;
use rnn_runtime::{
    Batch, CallError, NonFinite, NonFiniteError, Options, Tensors, compile, init_params,
};

use crate::models::*;

fn params() -> OverflowParams {
    OverflowParams {
        w: Array1::from(vec![1.0, 0.5]),
        scale: Array1::from(vec![1.0, 1.0]),
    }
}

fn fail(params: &OverflowParams, x: &Array3<f32>, lengths: &[usize]) -> (NonFiniteError, String) {
    let model = compile(OVERFLOW, Options::default()).expect("compiles");
    let inputs = || Batch::new(OverflowInputs { x: x.view() }).lengths(lengths);
    let mut grads = params.zeros_like();
    grads.fill(3.0);
    let before = grads.clone();
    let error = model
        .loss_and_grad(params, inputs(), OverflowTargets(PhantomData), &mut grads)
        .expect_err("overflows");
    assert_eq!(grads, before);
    let text = error.to_string();
    assert_eq!(
        model
            .loss(params, inputs(), OverflowTargets(PhantomData))
            .expect_err("overflows")
            .to_string(),
        text
    );
    match error {
        CallError::NonFinite(found) => (*found, text),
        other => panic!("{other}"),
    }
}

#[test]
fn the_equation_the_step_and_the_example_are_named() {
    // s = exp(x + s[t-1]): with 1, s is 2.7, 41 and more than f32 holds.
    let mut x = Array3::from_elem((6, 3, 2), -2.0);
    x.slice_mut(ndarray::s![.., 1, ..])
        .assign(&ndarray::arr1(&[1.0, 0.0]));
    let (found, text) = fail(&params(), &x, &[6, 5, 2]);
    assert_eq!(found.origin, Origin::Equation);
    assert_eq!(found.name, "s");
    assert_eq!(found.place.steps, [("t".to_owned(), 4)]);
    assert_eq!(found.place.example, Some(1));
    assert_eq!(
        text,
        "the loss is inf: equation `s` (written at 6:9), t = 4, example 1 is the first that is not finite, inf; lower the learning rate or bound its operands"
    );
}

#[test]
fn what_is_given_is_named() {
    let mut x = Array3::from_elem((3, 2, 2), -2.0);
    x[[2, 1, 0]] = f32::NAN;
    let model = compile(OVERFLOW, Options::default()).expect("compiles");
    // In the padding it does not matter.
    let inputs = Batch::new(OverflowInputs { x: x.view() }).lengths(&[3, 2]);
    model
        .loss(&params(), inputs, OverflowTargets(PhantomData))
        .expect("finite");
    let (found, text) = fail(&params(), &x, &[3, 3]);
    assert_eq!(found.origin, Origin::Input);
    assert_eq!(
        text,
        "the loss is NaN: input `x`, t = 3, example 1 is NaN, expected finite numbers"
    );
    let mut bad = params();
    bad.w[1] = f32::INFINITY;
    x.fill(1.0);
    assert_eq!(fail(&bad, &x, &[3, 3]).0.origin, Origin::Param);

    let state = OverflowState {
        s: Array1::from(vec![0.0, f32::NAN]),
    };
    x.fill(-2.0);
    let inputs = || Batch::new(OverflowInputs { x: x.view() }).state(&state);
    let error = model
        .loss(&params(), inputs(), OverflowTargets(PhantomData))
        .expect_err("not finite");
    assert_eq!(
        error.to_string(),
        "the loss is NaN: the carried state `s`, example 1 is NaN; start the example afresh"
    );
    let fresh = [false, true];
    model
        .loss(
            &params(),
            inputs().fresh(&fresh),
            OverflowTargets(PhantomData),
        )
        .expect("finite");
}

#[test]
fn the_numbers_are_returned_on_request() {
    let options = Options::default().nonfinite(NonFinite::Return);
    let model = compile(OVERFLOW, options).expect("compiles");
    let x = Array3::from_elem((6, 1, 2), 1.0);
    let mut grads = params().zeros_like();
    let inputs = OverflowInputs { x: x.view() };
    let value = model
        .loss_and_grad(&params(), inputs, OverflowTargets(PhantomData), &mut grads)
        .expect("as asked");
    assert_eq!(value.loss, f32::INFINITY);
    assert_eq!(grads.scale.as_slice(), Some([0.0, 0.0].as_slice()), "fixed");
    let drawn = init_params(&OVERFLOW, 1).expect("draws");
    assert_eq!(drawn.scale.as_slice(), Some([2.0, 2.0].as_slice()));
}
