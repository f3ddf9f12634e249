//! Every mistake in a call is an error that names both parties, and changes nothing.

use ndarray::{Array1, Array2, Array3};
use rnn_runtime::{Batch, CallError, Inputs, Options, Tensors, compile, init_params, zero_state};

use crate::models::*;

fn check(error: CallError, expected: &str) {
    assert_eq!(error.to_string(), expected);
}

#[test]
fn inputs_and_lengths() {
    let model = compile(CHAR_LM, Options::default()).expect("compiles");
    let params = init_params(&CHAR_LM, 3).expect("draws");
    let (now, next) = (tokens((4, 3), 11, 1), tokens((4, 3), 11, 2));
    let inputs = || CharLmInputs { now: now.view() };
    let targets = || CharLmTargets { next: next.view() };
    let two = zero_state(&CHAR_LM, 2);
    let forward = |batch: Batch<'_, CharLmInputs<'_>, LstmState>| {
        model.forward(&params, batch).expect_err("does not fit")
    };
    check(
        forward(inputs().lengths(&[4, 4])),
        "lengths of `t`: expected one for each of 3 examples, found 2",
    );
    check(
        forward(inputs().lengths(&[4, 5, 1])),
        "lengths of `t`: example 1 has length 5, expected at most 4, the steps of input `now`",
    );
    check(
        forward(inputs().lengths_of("j", &[4, 5, 1])),
        "lengths are given for axis `j`, but model `CharLm` has one axis of variable length, `t`",
    );
    check(
        forward(Batch::new(inputs()).fresh(&[true, false, true])),
        "example 1 does not start here, but no state to continue from is given; add `state`",
    );
    check(
        forward(Batch::new(inputs()).fresh(&[true])),
        "fresh: expected a flag for each of 3 examples, found 1",
    );
    check(
        forward(inputs().state(&two)),
        "state `lstm.h`: expected shape [3, 7], found [2, 7]",
    );
    let empty = Array2::zeros((4, 0));
    check(
        forward(Batch::new(CharLmInputs { now: empty.view() })),
        "the batch is empty, expected at least 1 example",
    );
    let mut bad = now.clone();
    bad[[2, 1]] = 11;
    check(
        forward(Batch::new(CharLmInputs { now: bad.view() })),
        "input `now`, t = 3, example 1: expected a token below 11, found 11",
    );
    let mut grads = params.zeros_like();
    let loss = |targets: CharLmTargets<'_>, grads: &mut CharLmParams| {
        model
            .loss_and_grad(&params, inputs(), targets, grads)
            .expect_err("does not fit")
    };
    let long = tokens((5, 3), 11, 2);
    check(
        loss(CharLmTargets { next: long.view() }, &mut grads),
        "inputs `now` and `next` both run over `t`: expected 4 steps as in `now`, found 5 in `next`",
    );
    let wide = tokens((4, 2), 11, 2);
    check(
        loss(CharLmTargets { next: wide.view() }, &mut grads),
        "`now` and `next` have different batches: expected 3 examples as in `now`, found 2 in `next`",
    );
    bad.fill(12);
    check(
        loss(CharLmTargets { next: bad.view() }, &mut grads),
        "input `next`, t = 1, example 0: expected a token below 11, found 12",
    );
    let mut other = grads.clone();
    other.b_y = Array1::zeros(3);
    check(
        loss(targets(), &mut other),
        "gradients do not fit the model: shapes of `b_y` differ: expected [11], found [3]",
    );
    other = params.clone();
    other.w_i = Array2::zeros((7, 4));
    check(
        model.forward(&other, inputs()).expect_err("does not fit"),
        "parameters do not fit the model: shapes of `lstm.W_i` differ: expected [7, 5], found [7, 4]",
    );
    assert_eq!(grads, params.zeros_like());
}

#[test]
fn features_axes_and_states() {
    let model = compile(GREEDY, Options::default()).expect("compiles");
    let params = init_params(&GREEDY, 3).expect("draws");
    let x = Array3::zeros((2, 3, 4));
    check(
        model
            .forward(&params, GreedyInputs { x: x.view() })
            .expect_err("does not fit"),
        "input `x`: expected shape [T, B, 3], found [2, 3, 4]",
    );
    let x = Array3::zeros((2, 3, 3));
    let mut state = zero_state(&GREEDY, 3);
    for bad in [6.0, 0.5, -1.0, f32::NAN] {
        state.y[2] = bad;
        check(
            model
                .forward(&params, GreedyInputs { x: x.view() }.state(&state))
                .expect_err("does not fit"),
            &format!("state `y`, example 2: expected a token below 6, found {bad}"),
        );
    }
    let model = compile(TRANSLATE, Options::default()).expect("compiles");
    let params = init_params(&TRANSLATE, 3).expect("draws");
    let src = tokens((2, 3), 7, 1);
    let inputs = || TranslateInputs { src: src.view() };
    check(
        model.forward(&params, inputs()).expect_err("reads targets"),
        "output `logits` of model `Translate` reads target `tgt`; use `forward_with_targets`",
    );
    let targets = TranslateTargets { tgt: src.view() };
    check(
        model
            .loss(&params, inputs().lengths(&[1, 2, 2]), targets)
            .expect_err("which axis"),
        "model `Translate` has axes `j` and `t`; name the axis of the lengths with `lengths_of`",
    );
}

#[test]
fn memory_is_limited_with_the_figure() {
    let model = compile(CHAR_LM, Options::default().memory_limit(50_000)).expect("compiles");
    let params = init_params(&CHAR_LM, 3).expect("draws");
    let now = tokens((2, 2), 11, 1);
    model
        .forward(&params, CharLmInputs { now: now.view() })
        .expect("small");
    let now = tokens((200, 30), 11, 1);
    let error = model
        .forward(&params, CharLmInputs { now: now.view() })
        .expect_err("large");
    assert!(
        error
            .to_string()
            .ends_with("bytes for a batch of 30, expected at most 50000"),
        "{error}"
    );
}

#[test]
fn sizes_and_texts_that_do_not_fit() {
    let message = |spec: CharLm| {
        compile(spec, Options::default())
            .expect_err("does not fit")
            .to_string()
    };
    assert_eq!(
        message(CharLm { H: 0, ..CHAR_LM }),
        "model `CharLm`: size `H` is 0, expected at least 1"
    );
    let huge = message(CharLm {
        H: usize::MAX,
        ..CHAR_LM
    });
    assert!(huge.starts_with("model `CharLm`: equation"), "{huge}");
    assert!(init_params(&CharLm { E: 0, ..CHAR_LM }, 1).is_err());
    assert_eq!(zero_state(&CharLm { H: 0, ..CHAR_LM }, 3).h.len(), 0);
}
