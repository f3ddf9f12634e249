//! A memory limit: training in segments of steps gives the gradients of training without, on any number of threads.

use rnn_runtime::error::CallError;
use rnn_runtime::{BatchSize, CallBytes, Inputs, Options, Program, Reduction, Tensors};
use rnn_runtime::{compile, init_params};

use crate::models::*;

const STEPS: usize = 40;

/// Divides into two parts.
const EXAMPLES: usize = 35;

const MODEL: CharLm = CharLm {
    V: 11,
    E: 17,
    H: 61,
};

/// Sums over time are the same sums in another order: some roundings (2^-24 each) of the largest element.
const TOLERANCE: f32 = 1e-5;

type Step = (f32, CharLmParams, LstmState);

// Two steps of training, the second from the state that the first ended with.
fn train(options: Options, lengths: &[usize]) -> Result<Step, CallError> {
    let model = compile(MODEL, options.reduction(Reduction::Tokens)).expect("compiles");
    let params = init_params(&MODEL, 3).expect("draws");
    let now = tokens((STEPS, EXAMPLES), 11, 1);
    let next = tokens((STEPS, EXAMPLES), 11, 2);
    let mut grads = params.zeros_like();
    let inputs = || CharLmInputs { now: now.view() };
    let targets = || CharLmTargets { next: next.view() };
    let first = model.loss_and_grad(&params, inputs().lengths(lengths), targets(), &mut grads)?;
    let second = rnn_runtime::Batch::new(inputs())
        .lengths(lengths)
        .state(&first.state);
    let second = model.loss_and_grad(&params, second, targets(), &mut grads)?;
    Ok((second.loss, grads, second.state))
}

fn bytes(options: Options, lengths: &[usize]) -> CallBytes {
    let model = compile(MODEL, options).expect("compiles");
    let size = BatchSize::new(EXAMPLES).lengths("t", lengths);
    let size = size.steps("t", STEPS);
    model.bytes(Program::Gradient, &size).expect("fits")
}

fn near(found: &CharLmParams, expected: &CharLmParams) {
    let mut expected = expected.clone();
    expected.zip_mut(found, &mut |name, expected, found| {
        let largest = expected
            .iter()
            .fold(0.0f32, |most, value| most.max(value.abs()));
        for (expected, found) in expected.iter().zip(found) {
            let apart = (expected - found).abs();
            assert!(apart <= TOLERANCE * largest, "{name}: {apart} of {largest}");
        }
    });
}

#[test]
fn gradients_in_segments_are_those_at_once() {
    let full = vec![STEPS; EXAMPLES];
    let ragged: Vec<usize> = (0..EXAMPLES).map(|row| row * 7 % (STEPS + 1)).collect();
    for lengths in [full, ragged] {
        let whole = bytes(Options::default().threads(2), &lengths);
        assert_eq!(whole.workspaces, 2);
        let (loss, grads, state) = train(Options::default(), &lengths).expect("runs");
        for share in [2, 3, 4] {
            let limit = whole.total / share;
            let limited = |threads| Options::default().memory_limit(limit).threads(threads);
            let taken = bytes(limited(2), &lengths);
            assert!(taken.total <= limit, "{taken:?} of {limit}");
            let (_, steps, segment) = taken.segments[0].clone();
            assert!(steps == STEPS && segment < STEPS, "{taken:?}");
            let one = train(limited(1), &lengths).expect("runs");
            assert_eq!(one.0.to_bits(), loss.to_bits());
            assert_eq!(one.2, state);
            near(&one.1, &grads);
            for threads in [2, 3] {
                let other = train(limited(threads), &lengths).expect("runs");
                assert!(other == one, "{threads} threads");
            }
        }
    }
}

#[test]
fn a_limit_that_nothing_meets_is_refused_with_the_least_that_would_do() {
    let lengths = vec![STEPS; EXAMPLES];
    let error = train(Options::default().memory_limit(1000), &lengths).expect_err("too little");
    let CallError::Jit(rnn_jit::JitError::MemoryLimit { needed, limit, .. }) = error else {
        panic!("{error}");
    };
    assert_eq!(limit, 1000);
    let outcome = train(Options::default().memory_limit(needed - 1), &lengths);
    outcome.expect_err("one byte too little");
    train(Options::default().memory_limit(needed), &lengths).expect("the least");
}

#[test]
fn enough_memory_runs_in_one_segment() {
    let lengths = vec![STEPS; EXAMPLES];
    let taken = bytes(Options::default().memory_limit(64 << 20), &lengths);
    assert_eq!(taken.segments, [("t".to_owned(), STEPS, STEPS)]);
    let limited = train(Options::default().memory_limit(64 << 20), &lengths).expect("runs");
    let free = train(Options::default(), &lengths).expect("runs");
    assert!(limited == free);
}

#[test]
fn a_decoder_with_attention_runs_in_segments() {
    let params = init_params(&TRANSLATE, 3).expect("draws");
    let (src, tgt) = (tokens((9, 6), 5, 1), tokens((30, 6), 5, 2));
    let step = |options: Options| {
        let model = compile(TRANSLATE, options).expect("compiles");
        let mut grads = params.zeros_like();
        let loss = model.loss_and_grad(
            &params,
            TranslateInputs { src: src.view() },
            TranslateTargets { tgt: tgt.view() },
            &mut grads,
        );
        let size = BatchSize::new(6).steps("j", 9).steps("t", 30);
        let bytes = model.bytes(Program::Gradient, &size).expect("fits");
        (loss.expect("runs").loss, grads, bytes)
    };
    let (loss, grads, whole) = step(Options::default());
    let limit = whole.total * 2 / 3;
    let (limited, mut other, taken) = step(Options::default().memory_limit(limit));
    assert!(taken.total <= limit, "{taken:?}");
    assert_eq!(limited.to_bits(), loss.to_bits());
    other.zip_mut(&grads, &mut |name, other, grads| {
        let largest = grads
            .iter()
            .fold(0.0f32, |most, value| most.max(value.abs()));
        for (other, own) in other.iter().zip(grads) {
            let apart = (other - own).abs();
            assert!(apart <= TOLERANCE * largest, "{name}: {apart} of {largest}");
        }
    });
}
