//! Loops of one program on several threads: two directions, an encoder in both. The same bits on any number of threads.

use rnn_runtime::{Batch, Compiled, Model, Options, Reduction, Tensors, compile, init_params};

use crate::models::*;

// Enough work in each direction for another thread, with an example or a few.
#[rustfmt::skip]
const LARGE: Bidirectional = Bidirectional { I: 61, F: 127, R: 131, V: 6 };
#[rustfmt::skip]
const TRANSLATOR: Translate = Translate { Vs: 7, Vt: 9, D: 63, E: 129, H: 130, G: 66, A: 12 };

fn on<M: Model>(spec: M, threads: usize) -> Compiled<M> {
    let options = Options::default()
        .threads(threads)
        .reduction(Reduction::Tokens);
    compile(spec, options).expect("compiles")
}

fn lengths(examples: usize, steps: usize) -> Vec<usize> {
    (0..examples).map(|row| steps - row * 7 % steps).collect()
}

type Directions = (
    f32,
    BidirectionalParams,
    BidirectionalState,
    BidirectionalOutputs,
);

fn directions(model: &Compiled<Bidirectional>, examples: usize) -> Directions {
    let steps = 60;
    let params = init_params(&LARGE, 3).expect("draws");
    let (x, y) = (
        reals((steps, examples, LARGE.I), 1),
        tokens((steps, examples), 6, 2),
    );
    let lengths = lengths(examples, steps);
    let batch = || Batch::new(BidirectionalInputs { x: x.view() }).lengths(&lengths);
    let mut grads = params.zeros_like();
    let targets = BidirectionalTargets { y: y.view() };
    let value = model
        .loss_and_grad(&params, batch(), targets, &mut grads)
        .expect("runs");
    let outputs = model.forward(&params, batch()).expect("runs");
    (value.loss, grads, value.state, outputs)
}

#[test]
fn two_directions_give_the_bits_of_one_thread() {
    let alone = on(LARGE, 1);
    assert_eq!(alone.explain().matches("\nbranch").count(), 8, "two a fork");
    // With 33 examples each of two parts has branches.
    for examples in [1, 4, 33] {
        let expected = directions(&alone, examples);
        for threads in [2, 3, 8] {
            let model = on(LARGE, threads);
            for _ in 0..5 {
                let found = directions(&model, examples);
                assert!(found == expected, "{threads} threads, {examples} examples");
            }
        }
    }
}

type Translation = (f32, TranslateParams, TranslateState, TranslateOutputs);

fn translation(model: &Compiled<Translate>, examples: usize) -> Translation {
    let steps = [40, 30];
    let params = init_params(&TRANSLATOR, 3).expect("draws");
    let src = tokens((steps[0], examples), 7, 1);
    let tgt = tokens((steps[1], examples), 9, 2);
    let own = steps.map(|steps| lengths(examples, steps));
    let batch = || {
        let batch = Batch::new(TranslateInputs { src: src.view() });
        batch.lengths_of("j", &own[0]).lengths_of("t", &own[1])
    };
    let targets = || TranslateTargets { tgt: tgt.view() };
    let mut grads = params.zeros_like();
    let value = model
        .loss_and_grad(&params, batch(), targets(), &mut grads)
        .expect("runs");
    let forward = model
        .forward_with_targets(&params, batch(), targets())
        .expect("runs");
    (value.loss, grads, value.state, forward.outputs)
}

#[test]
fn an_encoder_in_both_directions_gives_the_bits_of_one_thread() {
    let alone = on(TRANSLATOR, 1);
    for examples in [1, 5] {
        let expected = translation(&alone, examples);
        for threads in [2, 3, 8] {
            let model = on(TRANSLATOR, threads);
            for _ in 0..5 {
                let found = translation(&model, examples);
                assert!(found == expected, "{threads} threads, {examples} examples");
            }
        }
    }
}
