//! A long sequence in chunks, the state carried over, is the sequence.

use ndarray::{Axis, concatenate, s};
use rnn_runtime::{
    Batch, Carry, ContinuousText, Inputs, Options, Tensors, compile, init_params, zero_state,
};

use crate::models::*;

#[test]
fn chunks_give_the_bits_of_the_whole() {
    let spec = CharLm { V: 29, E: 9, H: 21 };
    let model = compile(spec, Options::default()).expect("compiles");
    let params = init_params(&spec, 3).expect("draws");
    let now = tokens((17, 4), 29, 1);
    let whole = model
        .forward_with_state(&params, CharLmInputs { now: now.view() })
        .expect("runs");
    let mut carry = Carry::new();
    let mut parts = Vec::new();
    for chunk in [0..5, 5..6, 6..13, 13..17] {
        let now = now.slice(s![chunk, ..]);
        parts.push(
            carry
                .forward(&model, &params, CharLmInputs { now })
                .expect("runs")
                .logits,
        );
    }
    let views: Vec<_> = parts.iter().map(|part| part.view()).collect();
    assert_eq!(
        concatenate(Axis(0), &views).expect("same features"),
        whole.outputs.logits
    );
    assert_eq!(carry.state(), Some(&whole.state));
    carry.restart();
    assert_eq!(carry.state(), None);
}

#[test]
fn flags_start_rows_anew_and_zero_length_keeps_state() {
    let model = compile(CHAR_LM, Options::default()).expect("compiles");
    let params = init_params(&CHAR_LM, 3).expect("draws");
    let now = tokens((4, 3), 11, 1);
    let inputs = || CharLmInputs { now: now.view() };
    let first = model.forward_with_state(&params, inputs()).expect("runs");
    let fresh = [true, false, false];
    let lengths = [4, 4, 0];
    let batch = Batch::new(inputs())
        .state(&first.state)
        .fresh(&fresh)
        .lengths(&lengths);
    let second = model.forward_with_state(&params, batch).expect("runs");
    assert_eq!(
        second.outputs.logits.index_axis(Axis(1), 0),
        first.outputs.logits.index_axis(Axis(1), 0)
    );
    assert_ne!(
        second.outputs.logits.index_axis(Axis(1), 1),
        first.outputs.logits.index_axis(Axis(1), 1)
    );
    assert_eq!(second.state.c.row(2), first.state.c.row(2));
    let zero = zero_state(&CHAR_LM, 3);
    let third = model
        .forward_with_state(&params, inputs().state(&zero))
        .expect("runs");
    assert_eq!(third.outputs, first.outputs);
}

#[test]
fn truncated_training_over_a_text_lowers_the_loss() {
    let spec = CharLm { V: 5, E: 4, H: 12 };
    let model = compile(spec, Options::default()).expect("compiles");
    let mut params = init_params(&spec, 1).expect("draws");
    let mut grads = params.zeros_like();
    let mut text =
        ContinuousText::new((0..401).map(|at| at * at % 5).collect(), 4, 10).expect("long enough");
    let mut carry = Carry::new();
    let mut losses = Vec::new();
    for _ in 0..30 {
        let (mut total, mut chunks) = (0.0, 0.0f32);
        carry.restart();
        while let Some(chunk) = text.next_chunk() {
            if chunk.starts_pass {
                carry.restart();
            }
            let inputs = CharLmInputs { now: chunk.inputs }.lengths(chunk.lengths);
            let targets = CharLmTargets {
                next: chunk.targets,
            };
            total += carry
                .loss_and_grad(&model, &params, inputs, targets, &mut grads)
                .expect("finite");
            chunks += 1.0;
            params.add_scaled(-0.5, &grads).expect("same shapes");
        }
        losses.push(total / chunks);
    }
    assert!(losses[29] < 0.2 * losses[0], "{losses:?}");
}
