//! Outputs, losses and gradients are those of the reference interpreter, whatever the arrangement of the batch.

use ndarray::Array1;
use rnn_ir::graph::ResultKind;
use rnn_runtime::Tensors;
use rnn_runtime::{
    Batch, BatchFirst, Inputs, Options, Reduction, compile, init_params, param_specs, zero_params,
    zero_state,
};

use crate::models::*;
use crate::oracle::{assert_close, assert_gradients, results};

fn weights(reduction: Reduction, lengths: &[usize]) -> Vec<f32> {
    let total: usize = lengths.iter().sum();
    let weight = |length: &usize| match reduction {
        Reduction::Mean => 1.0 / lengths.len() as f32,
        Reduction::Sum => 1.0,
        Reduction::Tokens => *length as f32 / total as f32,
    };
    lengths.iter().map(weight).collect()
}

#[test]
fn char_lm_agrees_with_the_interpreter() {
    let params = init_params(&CHAR_LM, 3).expect("draws");
    for reduction in [Reduction::Mean, Reduction::Sum, Reduction::Tokens] {
        let model = compile(CHAR_LM, Options::default().reduction(reduction)).expect("compiles");
        for lengths in [vec![1], vec![4, 4], vec![3, 5, 2], vec![0, 2, 6, 1, 6]] {
            let what = format!("{reduction:?} {lengths:?}");
            let shape = (*lengths.iter().max().expect("some"), lengths.len());
            let (mut now, next) = (tokens(shape, 11, 1), tokens(shape, 11, 2));
            let expected = results(
                &CHAR_LM,
                &params,
                &CharLmInputs { now: now.view() },
                &CharLmTargets { next: next.view() },
                &[("T", lengths.clone())],
                &weights(reduction, &lengths),
            );
            // Padding is not read: it may hold anything.
            for (row, length) in lengths.iter().enumerate() {
                now.column_mut(row)
                    .iter_mut()
                    .skip(*length)
                    .for_each(|token| *token = u32::MAX);
            }
            let inputs = || CharLmInputs { now: now.view() };
            let targets = || CharLmTargets { next: next.view() };
            let outputs = model
                .forward(&params, inputs().lengths(&lengths))
                .expect("runs");
            assert_close(
                &what,
                &expected,
                ResultKind::Output,
                "logits",
                &outputs.logits,
            );
            let mut grads = zero_params(&CHAR_LM).expect("zeros");
            grads.fill(7.0);
            let value = model
                .loss_and_grad(
                    &params,
                    Batch::new(inputs()).lengths(&lengths),
                    targets(),
                    &mut grads,
                )
                .expect("runs");
            assert_gradients(&what, &expected, value.loss, &grads);
            let loss = model
                .loss(&params, inputs().lengths(&lengths), targets())
                .expect("runs");
            assert_close(&what, &expected, ResultKind::BatchLoss, "loss", &[loss]);
            let losses = model
                .losses(&params, inputs().lengths(&lengths), targets())
                .expect("runs");
            assert_close(&what, &expected, ResultKind::Loss, "loss", &losses);
        }
    }
}

#[test]
fn two_axes_of_different_lengths_agree_with_the_interpreter() {
    let model = compile(TRANSLATE, Options::default()).expect("compiles");
    let params = init_params(&TRANSLATE, 5).expect("draws");
    let (source, target) = (vec![2, 4, 3], vec![5, 1, 3]);
    let (src, tgt) = (tokens((4, 3), 7, 3), tokens((5, 3), 9, 4));
    let inputs = || TranslateInputs { src: src.view() };
    let targets = || TranslateTargets { tgt: tgt.view() };
    let expected = results(
        &TRANSLATE,
        &params,
        &inputs(),
        &targets(),
        &[("S", source.clone()), ("T", target.clone())],
        &[1.0 / 3.0; 3],
    );
    let batch = || {
        Batch::new(inputs())
            .lengths_of("t", &target)
            .lengths_of("j", &source)
    };
    let mut grads = params.zeros_like();
    let value = model
        .loss_and_grad(&params, batch(), targets(), &mut grads)
        .expect("runs");
    assert_gradients("translate", &expected, value.loss, &grads);
    let forward = model
        .forward_with_targets(&params, batch(), targets())
        .expect("runs");
    for (name, found) in [
        ("logits", &forward.outputs.logits),
        ("a", &forward.outputs.a),
    ] {
        assert_close("translate", &expected, ResultKind::Output, name, found);
    }
}

#[test]
fn other_directions_and_no_time_agree_with_the_interpreter() {
    let model = compile(BIDIRECTIONAL, Options::default()).expect("compiles");
    let params = init_params(&BIDIRECTIONAL, 5).expect("draws");
    let (mut x, y) = (reals((6, 3, 3), 1), tokens((6, 3), 6, 2));
    let lengths = vec![2, 6, 5];
    let expected = results(
        &BIDIRECTIONAL,
        &params,
        &BidirectionalInputs { x: x.view() },
        &BidirectionalTargets { y: y.view() },
        &[("T", lengths.clone())],
        &[1.0 / 3.0; 3],
    );
    x.slice_mut(ndarray::s![2.., 0, ..]).fill(f32::NAN);
    let inputs = BidirectionalInputs { x: x.view() }.lengths(&lengths);
    let mut grads = params.zeros_like();
    let value = model
        .loss_and_grad(
            &params,
            inputs,
            BidirectionalTargets { y: y.view() },
            &mut grads,
        )
        .expect("runs");
    assert_gradients("bidirectional", &expected, value.loss, &grads);

    let model = compile(POOLING, Options::default()).expect("compiles");
    let params = init_params(&POOLING, 5).expect("draws");
    let words = tokens((6, 3), 7, 2);
    let label = Array1::from(vec![2, 0, 1]);
    let inputs = || PoolingInputs {
        words: words.view(),
    };
    let targets = || PoolingTargets {
        label: label.view(),
    };
    let lengths_of = [("T", lengths.clone())];
    let expected = results(
        &POOLING,
        &params,
        &inputs(),
        &targets(),
        &lengths_of,
        &[1.0 / 3.0; 3],
    );
    let mut grads = params.zeros_like();
    let value = model
        .loss_and_grad(&params, inputs().lengths(&lengths), targets(), &mut grads)
        .expect("runs");
    assert_gradients("pooling", &expected, value.loss, &grads);
    let outputs = model
        .forward(&params, inputs().lengths(&lengths))
        .expect("runs");
    assert_close("pooling", &expected, ResultKind::Output, "y", &outputs.y);
}

#[test]
fn views_of_any_strides_are_read() {
    let model = compile(CHAR_LM, Options::default()).expect("compiles");
    let params = init_params(&CHAR_LM, 3).expect("draws");
    let now = tokens((5, 3), 11, 1);
    let plain = model
        .forward(&params, CharLmInputs { now: now.view() })
        .expect("runs");
    let batch_first = now.t().as_standard_layout().into_owned();
    let now = BatchFirst(batch_first.view()).into();
    assert_eq!(
        model.forward(&params, CharLmInputs { now }).expect("runs"),
        plain
    );
    let mut doubled = tokens((10, 6), 11, 9);
    let mut every_other = doubled.slice_mut(ndarray::s![..;2, ..;-2]);
    every_other.assign(&batch_first.t());
    let now = doubled.slice(ndarray::s![..;2, ..;-2]);
    assert_eq!(
        model.forward(&params, CharLmInputs { now }).expect("runs"),
        plain
    );

    let mut transposed = params.clone();
    transposed.w_i = params
        .w_i
        .t()
        .as_standard_layout()
        .into_owned()
        .reversed_axes();
    assert!(!transposed.w_i.is_standard_layout());
    let now = BatchFirst(batch_first.view()).into();
    assert_eq!(
        model
            .forward(&transposed, CharLmInputs { now })
            .expect("runs"),
        plain
    );
}

#[test]
fn parameters_are_described_in_the_order_of_their_struct() {
    let params = init_params(&CHAR_LM, 3).expect("draws");
    let specs = param_specs(&CHAR_LM).expect("valid");
    let names: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
    assert_eq!(params.names(), names);
    let model = compile(CHAR_LM, Options::default()).expect("compiles");
    assert_eq!(model.param_specs(), specs);
    assert_eq!(init_params(&CHAR_LM, 3).expect("draws"), params);
    assert_ne!(init_params(&CHAR_LM, 4).expect("draws"), params);
    assert_eq!(zero_params(&CHAR_LM).expect("zeros"), params.zeros_like());
    assert_eq!(zero_state(&CHAR_LM, 4).h.shape(), [4, 7]);
}
