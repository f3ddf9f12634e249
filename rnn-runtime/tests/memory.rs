//! What a call or a stream takes is what was said beforehand, on all threads.

#[expect(dead_code, reason = "other tests use the rest")]
#[path = "compiled/models/mod.rs"]
mod models;

mod counting;

use counting::{most, requests};
use models::*;
use rnn_runtime::{BatchSize, Inputs, LossValue, Options, Program, Tensors, compile, init_params};

/// Bookkeeping beside the bytes that are said: tables with an entry for each value of a program, the threads of a call,
/// its weights and states, and what it returns.
const BOOKKEEPING: usize = 200_000;

const MODEL: CharLm = CharLm {
    V: 11,
    E: 64,
    H: 64,
};

const STEPS: usize = 100;

// Debug builds replay the plan of each new shape over a table with 8 bytes for each line of the arena.
fn beside(said: usize) -> usize {
    match cfg!(debug_assertions) {
        true => BOOKKEEPING + said / 8,
        false => BOOKKEEPING,
    }
}

fn check(what: &str, taken: usize, said: usize) {
    assert!(
        said <= taken && taken <= said + beside(said),
        "{what}: {said} bytes were said, {taken} taken"
    );
}

/// Steps that two threads do, and requests for memory in all of them that are the late ones of a thread: it finds its first part
/// when the other was slow, and takes a workspace and what a part is given then.
const MANY: usize = 300;
const LATE: usize = 400;

// A thread keeps what it took, so steps ask for nothing once both have had a part.
fn steps_of_two_threads_ask_for_nothing_in_the_end() {
    let params = init_params(&MODEL, 3).expect("draws");
    let model = compile(MODEL, Options::default().threads(2).reuse(false)).expect("compiles");
    let (now, next) = (tokens((STEPS, 64), 11, 1), tokens((STEPS, 64), 11, 2));
    let lengths: Vec<usize> = (0..64).map(|row| STEPS - row * 7 % 50).collect();
    let (mut grads, mut value) = (params.zeros_like(), LossValue::new(&model));
    let mut step = || {
        let inputs = CharLmInputs { now: now.view() }.lengths(&lengths);
        let targets = CharLmTargets { next: next.view() };
        let done = model.loss_and_grad_into(&params, inputs, targets, &mut grads, &mut value);
        done.expect("runs");
    };
    step();
    let counts: Vec<usize> = (0..MANY).map(|_| requests(&mut step)).collect();
    let quiet = counts.iter().filter(|count| **count == 0).count();
    let all = counts.iter().sum::<usize>();
    assert!(all <= LATE, "{all}: {counts:?}");
    assert!(quiet >= MANY - 4, "{counts:?}");
}

// One test: the counters are for the whole process.
#[test]
fn what_is_said_beforehand_is_what_is_taken() {
    steps_of_two_threads_ask_for_nothing_in_the_end();
    let params = init_params(&MODEL, 3).expect("draws");
    let said = |options: Options, examples: usize, lengths: &[usize]| {
        let model = compile(MODEL, options.reuse(false)).expect("compiles");
        let size = BatchSize::new(examples).steps("t", STEPS);
        let size = size.lengths("t", lengths);
        (model.bytes(Program::Gradient, &size).expect("fits"), model)
    };
    for examples in [8, 32, 64] {
        let full = vec![STEPS; examples];
        let ragged: Vec<usize> = (0..examples).map(|row| STEPS - row * 7 % 50).collect();
        for lengths in [full, ragged] {
            let now = tokens((STEPS, examples), 11, 1);
            let next = tokens((STEPS, examples), 11, 2);
            for threads in [1, 2] {
                let free = Options::default().threads(threads);
                let (whole, _) = said(free.clone(), examples, &lengths);
                for share in [1, 2, 3] {
                    let options = match share {
                        1 => free.clone(),
                        _ => free.clone().memory_limit(whole.total / share),
                    };
                    let (bytes, model) = said(options, examples, &lengths);
                    assert!(bytes.total <= whole.total / share, "{bytes:?}");
                    let mut grads = params.zeros_like();
                    let mut step = || {
                        let inputs = CharLmInputs { now: now.view() }.lengths(&lengths);
                        let targets = CharLmTargets { next: next.view() };
                        model
                            .loss_and_grad(&params, inputs, targets, &mut grads)
                            .expect("runs");
                    };
                    let what = format!("{examples} examples, {threads} threads, 1/{share}");
                    let first = most(&mut step);
                    let again = most(&mut step);
                    if threads == 1 {
                        check(&what, first, bytes.total);
                        // The memory is there for the next.
                        assert!(
                            again < beside(bytes.total),
                            "{what}: {again} bytes in the next call"
                        );
                    } else {
                        // A thread that comes late finds no part left, and takes its memory in a later call or never.
                        let all = first + again;
                        assert!(
                            all <= bytes.total + 2 * beside(bytes.total),
                            "{what}: {all}, {bytes:?}"
                        );
                    }
                }
            }
        }
    }
    let model = compile(MODEL, Options::default().reuse(false)).expect("compiles");
    for examples in [1, 500] {
        let said = model.stream_bytes(examples).expect("fits");
        let mut stream = None;
        let taken = most(|| stream = Some(model.stream_batch(&params, examples)));
        stream.expect("made").expect("is causal");
        check(&format!("a stream of {examples}"), taken, said);
    }
}
