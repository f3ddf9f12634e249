//! One model in many threads gives equal bits.

use std::thread;

use rnn_runtime::{Inputs, Options, Tensors, compile, init_params};

use crate::models::*;

const THREADS: usize = 8;

#[test]
fn eight_threads_give_equal_bits() {
    let model = compile(CHAR_LM, Options::default()).expect("compiles");
    let params = init_params(&CHAR_LM, 3).expect("draws");
    let run = |seed: u32| {
        let shape = (3 + seed as usize % 4, 1 + seed as usize % 5);
        let (now, next) = (tokens(shape, 11, seed), tokens(shape, 11, seed + 1));
        let lengths: Vec<usize> = (0..shape.1).map(|row| shape.0 - row % 3).collect();
        let inputs = || CharLmInputs { now: now.view() }.lengths(&lengths);
        let mut grads = params.zeros_like();
        let targets = CharLmTargets { next: next.view() };
        let value = model
            .loss_and_grad(&params, inputs(), targets, &mut grads)
            .expect("runs");
        (
            value.loss,
            grads,
            model.forward(&params, inputs()).expect("runs"),
        )
    };
    let alone: Vec<_> = (0..20).map(run).collect();
    thread::scope(|scope| {
        for offset in 0..THREADS as u32 {
            let (alone, run) = (&alone, &run);
            scope.spawn(move || {
                for at in 0..20 {
                    let seed = (at + 3 * offset) % 20;
                    assert_eq!(run(seed), alone[seed as usize], "thread {offset}");
                }
            });
        }
    });
}

#[test]
fn streams_move_between_threads() {
    let model = compile(CHAR_LM, Options::default()).expect("compiles");
    let params = init_params(&CHAR_LM, 3).expect("draws");
    let mut stream = model.stream(&params).expect("is causal");
    drop((model, params));
    let now = tokens((1, 1), 11, 1);
    let logits = thread::spawn(move || {
        let outputs = stream.step(CharLmInputs { now: now.view() }).expect("runs");
        outputs.logits.clone()
    });
    assert_eq!(logits.join().expect("no panic").shape(), [1, 1, 11]);
}
