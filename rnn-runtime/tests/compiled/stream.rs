//! Step by step gives the bits of the whole sequence.

use ndarray::{Axis, s};
use rnn_runtime::error::StreamError;
use rnn_runtime::{Options, compile, init_params};

use crate::models::*;

#[test]
fn steps_give_the_bits_of_the_sequence() {
    let spec = CharLm {
        V: 37,
        E: 17,
        H: 33,
    };
    let model = compile(spec, Options::default()).expect("compiles");
    let params = init_params(&spec, 3).expect("draws");
    for batch in [1, 2, 5, 9] {
        let now = tokens((20, batch), 37, 1);
        let whole = model
            .forward_with_state(&params, CharLmInputs { now: now.view() })
            .expect("runs");
        let mut stream = model.stream_batch(&params, batch).expect("is causal");
        for (t, expected) in whole.outputs.logits.axis_iter(Axis(0)).enumerate() {
            let now = now.slice(s![t..=t, ..]);
            let found = stream.step(CharLmInputs { now }).expect("runs");
            assert_eq!(
                found.logits.index_axis(Axis(0), 0),
                expected,
                "step {t} of {batch}"
            );
        }
        assert_eq!(stream.state(), whole.state);
    }
}

#[test]
fn carried_tokens_stream() {
    let model = compile(GREEDY, Options::default()).expect("compiles");
    let params = init_params(&GREEDY, 8).expect("draws");
    let x = reals((9, 3, 3), 5);
    let whole = model
        .forward_with_state(&params, GreedyInputs { x: x.view() })
        .expect("runs");
    let mut stream = model.stream_batch(&params, 3).expect("is causal");
    for t in 0..9 {
        // Halfway, in another stream.
        if t == 4 {
            let state = stream.state();
            stream = model.stream_batch(&params, 3).expect("is causal");
            stream.set_state(&state).expect("fits");
        }
        let x = x.slice(s![t..=t, .., ..]);
        let found = stream.step(GreedyInputs { x }).expect("runs");
        assert_eq!(found.y.row(0), whole.outputs.y.row(t), "step {t}");
    }
    assert_eq!(stream.state(), whole.state);
}

#[test]
fn rows_start_anew_alone() {
    let model = compile(GREEDY, Options::default()).expect("compiles");
    let params = init_params(&GREEDY, 8).expect("draws");
    let x = reals((6, 2, 3), 5);
    let step = |t: usize| GreedyInputs {
        x: x.slice(s![t..=t, .., ..]),
    };
    let mut stream = model.stream_batch(&params, 2).expect("is causal");
    for t in 0..3 {
        stream.step(step(t)).expect("runs");
    }
    let before = stream.state();
    stream.reset_row(1).expect("exists");
    assert_eq!(stream.fresh(), [false, true]);
    assert!(stream.reset_row(2).is_err());
    let mut other = model.stream_batch(&params, 2).expect("is causal");
    let mut same = model.stream_batch(&params, 2).expect("is causal");
    same.set_state(&before).expect("fits");
    for t in 3..6 {
        let found = stream.step(step(t)).expect("runs").y.clone();
        let fresh = other.step(step(t)).expect("runs");
        assert_eq!(found[[0, 1]], fresh.y[[0, 1]]);
        let kept = same.step(step(t)).expect("runs");
        assert_eq!(found[[0, 0]], kept.y[[0, 0]]);
    }
    assert_eq!(stream.state().h.row(1), other.state().h.row(1));
    assert_eq!(stream.state().h.row(0), same.state().h.row(0));
    stream.reset();
    assert_eq!(stream.fresh(), [true, true]);
}

#[test]
fn what_needs_the_future_is_named() {
    let message = |error: StreamError| error.to_string();
    let model = compile(BIDIRECTIONAL, Options::default()).expect("compiles");
    let params = init_params(&BIDIRECTIONAL, 1).expect("draws");
    let error = model.stream(&params).expect_err("looks ahead");
    assert_eq!(
        message(error),
        "model `Bidirectional` cannot run step by step: output `o` depends on equation `reverse.a` (written at 12:9), which looks ahead: it reads step t+1"
    );
    let model = compile(POOLING, Options::default()).expect("compiles");
    let params = init_params(&POOLING, 1).expect("draws");
    let error = message(model.stream(&params).expect_err("reads the whole sequence"));
    assert!(error.contains("output `y` depends on equation"), "{error}");
    let model = compile(TRANSLATE, Options::default()).expect("compiles");
    let params = init_params(&TRANSLATE, 1).expect("draws");
    let error = message(model.stream(&params).expect_err("two axes"));
    assert!(
        error.ends_with("expected one time axis, found axes `j` and `t`"),
        "{error}"
    );
}

#[test]
fn a_failed_step_changes_nothing() {
    let model = compile(CHAR_LM, Options::default()).expect("compiles");
    let params = init_params(&CHAR_LM, 3).expect("draws");
    let now = tokens((3, 2), 11, 1);
    let mut stream = model.stream_batch(&params, 2).expect("is causal");
    stream
        .step(CharLmInputs {
            now: now.slice(s![..1, ..]),
        })
        .expect("runs");
    let state = stream.state();
    let mut message = |now| {
        stream
            .step(CharLmInputs { now })
            .expect_err("does not fit")
            .to_string()
    };
    assert_eq!(
        message(now.view()),
        "input `now`: expected shape [T, B], found [3, 2]; a step has one step of time"
    );
    assert_eq!(
        message(now.slice(s![..1, ..1])),
        "`stream` and `now` have different batches: expected 2 examples as in `stream`, found 1 in `now`"
    );
    let bad = ndarray::array![[4, 11]];
    assert_eq!(
        message(bad.view()),
        "input `now`, t = 1, example 1: expected a token below 11, found 11"
    );
    assert_eq!(stream.state(), state);
}

#[test]
fn a_stream_moves_between_threads() {
    let model = compile(GREEDY, Options::default()).expect("compiles");
    let params = init_params(&GREEDY, 8).expect("draws");
    let x = reals((6, 3, 3), 5);
    let mut here = model.stream_batch(&params, 3).expect("is causal");
    let mut there = model.stream_batch(&params, 3).expect("is causal");
    for t in 0..6 {
        let x = x.slice(s![t..=t, .., ..]).to_owned();
        let expected = here
            .step(GreedyInputs { x: x.view() })
            .expect("runs")
            .y
            .clone();
        let (found, back) = std::thread::spawn(move || {
            let found = there
                .step(GreedyInputs { x: x.view() })
                .expect("runs")
                .y
                .clone();
            (found, there)
        })
        .join()
        .expect("does not panic");
        there = back;
        assert_eq!(found, expected, "step {t}");
    }
    assert_eq!(here.state(), there.state());
}

#[test]
fn a_view_that_does_not_fit_is_refused_whatever_its_strides() {
    let model = compile(GREEDY, Options::default()).expect("compiles");
    let params = init_params(&GREEDY, 8).expect("draws");
    let mut stream = model.stream_batch(&params, 3).expect("is causal");
    let before = stream.state();
    let wide = reals((1, 3, 4), 5);
    for x in [wide.view(), wide.slice(s![.., ..;-1, ..])] {
        let error = stream.step(GreedyInputs { x }).expect_err("is too wide");
        assert_eq!(
            error.to_string(),
            "input `x`: expected shape [T, B, 3], found [1, 3, 4]"
        );
    }
    // Reversed rows, which are no slice.
    let x = reals((1, 3, 3), 5);
    let reversed = x.slice(s![.., ..;-1, ..]);
    let packed = reversed.to_owned();
    assert_eq!(stream.state(), before);
    let first = stream
        .step(GreedyInputs { x: reversed })
        .expect("runs")
        .y
        .clone();
    stream.reset();
    let again = stream
        .step(GreedyInputs { x: packed.view() })
        .expect("runs");
    assert_eq!(first, again.y);
}
