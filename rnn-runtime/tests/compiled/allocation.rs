//! What runs once per step allocates nothing.

use allocation_counter::measure;
use ndarray::s;
use rnn_runtime::{
    BatchFirst, Carry, Inputs, LossValue, Options, Reduction, Tensors, compile, init_params,
};

use crate::models::*;

#[test]
fn a_stream_step_allocates_nothing() {
    let model = compile(CHAR_LM, Options::default().reuse(false)).expect("compiles");
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

/// Steps before those that allocate nothing.
const FIRST: usize = 3;

fn ragged(steps: usize, examples: usize, seed: usize) -> Vec<usize> {
    (0..examples)
        .map(|example| steps - (example + seed) % 3)
        .collect()
}

#[test]
fn a_training_step_allocates_nothing() {
    let params = init_params(&CHAR_LM, 3).expect("draws");
    let mut grads = params.zeros_like();
    // In one part, in parts of one size, and in parts of two.
    for examples in [3, 32, 45] {
        for reduction in [Reduction::Mean, Reduction::Tokens] {
            let options = Options::default()
                .threads(1)
                .reduction(reduction)
                .reuse(false);
            let model = compile(CHAR_LM, options).expect("compiles");
            let (now, next) = (tokens((8, examples), 11, 1), tokens((8, examples), 11, 2));
            let mut value = LossValue::new(&model);
            for step in 0..FIRST + 5 {
                let lengths = ragged(8, examples, step);
                let info = measure(|| {
                    let inputs = CharLmInputs { now: now.view() }.lengths(&lengths);
                    let targets = CharLmTargets { next: next.view() };
                    let done =
                        model.loss_and_grad_into(&params, inputs, targets, &mut grads, &mut value);
                    done.expect("runs");
                });
                assert!(
                    step < FIRST || info.count_total == 0,
                    "{examples} examples, step {step}: {info:?}"
                );
            }
            // What it writes over is what a call of its own returns.
            let lengths = ragged(8, examples, FIRST + 4);
            let inputs = CharLmInputs { now: now.view() }.lengths(&lengths);
            let targets = CharLmTargets { next: next.view() };
            let mut own = params.zeros_like();
            let whole = model
                .loss_and_grad(&params, inputs, targets, &mut own)
                .expect("runs");
            assert_eq!((value.loss, value.weight), (whole.loss, whole.weight));
            assert_eq!(value.state, whole.state);
            assert_eq!(grads, own);
        }
    }
}

#[test]
fn a_chunk_of_a_sequence_allocates_nothing() {
    let model = compile(CHAR_LM, Options::default().threads(1).reuse(false)).expect("compiles");
    let params = init_params(&CHAR_LM, 3).expect("draws");
    let mut grads = params.zeros_like();
    let (now, next) = (tokens((60, 3), 11, 1), tokens((60, 3), 11, 2));
    let mut carry = Carry::new();
    for chunk in 0..10 {
        let rows = s![6 * chunk..6 * (chunk + 1), ..];
        let info = measure(|| {
            if chunk == 7 {
                carry.restart();
            }
            let inputs = CharLmInputs {
                now: now.slice(rows),
            };
            let next = next.slice(rows);
            let loss =
                carry.loss_and_grad(&model, &params, inputs, CharLmTargets { next }, &mut grads);
            loss.expect("runs");
        });
        assert!(chunk < FIRST || info.count_total == 0, "{chunk}: {info:?}");
    }
}

#[test]
fn views_in_another_order_are_copied_into_memory_that_is_there() {
    let model = compile(GREEDY, Options::default().threads(1).reuse(false)).expect("compiles");
    let params = init_params(&GREEDY, 3).expect("draws");
    let mut grads = params.zeros_like();
    let mut value = LossValue::new(&model);
    // Examples first.
    let x = reals((5, 7, 3), 1);
    let next = tokens((7, 5), 6, 2);
    for step in 0..FIRST + 3 {
        let info = measure(|| {
            let x = BatchFirst(x.view()).time_major();
            let (inputs, targets) = (GreedyInputs { x }, GreedyTargets { next: next.view() });
            let done = model.loss_and_grad_into(&params, inputs, targets, &mut grads, &mut value);
            done.expect("runs");
        });
        assert!(step < FIRST || info.count_total == 0, "{step}: {info:?}");
    }
}

#[test]
fn a_value_of_a_batch_of_another_size_is_written_over() {
    let model = compile(CHAR_LM, Options::default().reuse(false)).expect("compiles");
    let params = init_params(&CHAR_LM, 3).expect("draws");
    let mut grads = params.zeros_like();
    let mut value = LossValue::new(&model);
    assert_eq!(value.state.h.dim(), (0, 7));
    for examples in [4, 2, 2, 35, 4] {
        let (now, next) = (tokens((5, examples), 11, 1), tokens((5, examples), 11, 2));
        let inputs = || CharLmInputs { now: now.view() };
        let targets = || CharLmTargets { next: next.view() };
        let done = model.loss_and_grad_into(&params, inputs(), targets(), &mut grads, &mut value);
        done.expect("runs");
        let own = model.loss_with_state(&params, inputs(), targets());
        assert_eq!(value.state, own.expect("runs").state);
        // What does not fit leaves all as it was.
        let before = (value.loss, value.state.clone(), grads.clone());
        let short = tokens((4, examples), 11, 2);
        let targets = CharLmTargets { next: short.view() };
        let failed = model.loss_and_grad_into(&params, inputs(), targets, &mut grads, &mut value);
        assert!(failed.is_err());
        assert_eq!((value.loss, value.state.clone(), grads.clone()), before);
    }
}

/// Plans, tables and copies of the calls before, of the same size or another, in order of length or not.
#[test]
fn memory_that_is_used_again_gives_the_bits_of_new_memory() {
    let params = init_params(&CHAR_LM, 3).expect("draws");
    let options = || Options::default().threads(1).reuse(false);
    let used = compile(CHAR_LM, options()).expect("compiles");
    let mut value = LossValue::new(&used);
    let mut grads = params.zeros_like();
    for (at, (steps, examples)) in [
        (5, 4),
        (5, 4),
        (5, 3),
        (5, 4),
        (7, 4),
        (5, 3),
        (5, 45),
        (5, 33),
    ]
    .into_iter()
    .cycle()
    .take(16)
    .enumerate()
    {
        let (now, next) = (
            tokens((steps, examples), 11, 1),
            tokens((steps, examples), 11, 2),
        );
        // Rising, falling, and all as long as the arrays are.
        let mut lengths = ragged(steps, examples, at);
        match at % 4 {
            0 => lengths.sort_unstable(),
            1 => lengths.sort_unstable_by_key(|length| std::cmp::Reverse(*length)),
            2 => lengths.fill(steps),
            _ => {}
        }
        let inputs = || CharLmInputs { now: now.view() }.lengths(&lengths);
        let targets = || CharLmTargets { next: next.view() };
        let done = used.loss_and_grad_into(&params, inputs(), targets(), &mut grads, &mut value);
        done.expect("runs");
        let mut own = params.zeros_like();
        let new = compile(CHAR_LM, options()).expect("compiles");
        let expected = new.loss_and_grad(&params, inputs(), targets(), &mut own);
        let expected = expected.expect("runs");
        assert_eq!(value.loss.to_bits(), expected.loss.to_bits(), "call {at}");
        assert_eq!((&value.state, &grads), (&expected.state, &own), "call {at}");
    }
}
