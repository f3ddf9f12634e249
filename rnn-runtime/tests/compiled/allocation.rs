//! What runs once per step allocates nothing.

use allocation_counter::measure;
use ndarray::s;
use rnn_runtime::{Inputs, Options, Tensors, compile, init_params};

use crate::models::*;

#[test]
fn a_stream_step_allocates_nothing() {
    let model = compile(CHAR_LM, Options::default()).expect("compiles");
    let params = init_params(&CHAR_LM, 3).expect("draws");
    let now = tokens((50, 3), 11, 1);
    let mut stream = model.stream_batch(&params, 3).expect("is causal");
    let step = |t: usize| CharLmInputs {
        now: now.slice(s![t..=t, ..]),
    };
    stream.step(step(0)).expect("runs");
    let info = measure(|| {
        for t in 1..50 {
            stream.step(step(t)).expect("runs");
        }
        stream.reset_row(1).expect("exists");
    });
    assert_eq!(info.count_total, 0);
}

#[test]
fn what_a_training_step_allocates_does_not_grow_with_time() {
    let model = compile(CHAR_LM, Options::default()).expect("compiles");
    let params = init_params(&CHAR_LM, 3).expect("draws");
    let mut grads = params.zeros_like();
    let mut bytes = |steps: usize| {
        let (now, next) = (tokens((steps, 3), 11, 1), tokens((steps, 3), 11, 2));
        let lengths = [steps, steps - 1, steps - 2];
        let mut run = || {
            let inputs = CharLmInputs { now: now.view() }.lengths(&lengths);
            let targets = CharLmTargets { next: next.view() };
            model
                .loss_and_grad(&params, inputs, targets, &mut grads)
                .expect("runs");
        };
        run();
        measure(run).bytes_total
    };
    assert_eq!(bytes(200), bytes(4));
}
