//! What a user does with a model written in `rnn!`: train it, stream it, save it, look inside.

use rnn::cells::Lstm;
use rnn::optim::AdamConfig;
use rnn::prelude::*;
use rnn::{ContinuousText, load_params, save_params};

rnn! {
    /// Character language model.
    pub model CharLm<V, E, H> {
        time   t in 1..=T;
        input  now[t]:  token<V>;
        target next[t]: token<V>;

        param embed: [V, E] ~ normal(0.0, 0.1);
        param W_y:   [V, H] ~ glorot_uniform;
        param b_y:   [V]    = 0;
        layer lstm = Lstm<E, H>;

        h[t]      = lstm(embed[now[t]]);
        logits[t] = W_y @ h[t] + b_y;

        output logits;
        loss   mean[t](cross_entropy(logits[t], next[t]));
    }
}

const SPEC: CharLm = CharLm { V: 6, E: 5, H: 16 };

fn train(model: &Compiled<CharLm>, params: &mut CharLmParams, passes: usize) -> f32 {
    let tokens = (0..601u32).map(|at| at * at % 7 % 6).collect();
    let mut text = ContinuousText::new(tokens, 4, 20).expect("long enough");
    let mut adam = Adam::new(model.param_specs(), AdamConfig::default()).expect("valid settings");
    let mut grads = params.zeros_like();
    let mut carry = Carry::new();
    let mut last = f32::INFINITY;
    for _ in 0..passes {
        while let Some(chunk) = text.next_chunk() {
            if chunk.starts_pass {
                carry.restart();
            }
            let inputs = CharLmInputs { now: chunk.inputs }.lengths(chunk.lengths);
            let targets = CharLmTargets {
                next: chunk.targets,
            };
            last = carry
                .loss_and_grad(model, params, inputs, targets, &mut grads)
                .expect("finite");
            clip_global_norm(&mut grads, model.param_specs(), 1.0).expect("finite");
            adam.step(params, &grads, 0.01).expect("same shapes");
        }
    }
    last
}

#[test]
fn a_language_model_learns_streams_and_is_saved() {
    let model = SPEC.compile(Options::default()).expect("compiles");
    let mut params = CharLmParams::init(&SPEC, 42).expect("draws");
    let loss = train(&model, &mut params, 30);
    assert!(loss < 0.3, "{loss}");

    // Squares modulo 7: 0 1 4 2 2 4 1.
    let mut stream = model.stream(&params).expect("is causal");
    let mut token = 0;
    let mut seen = Vec::new();
    for _ in 0..14 {
        seen.push(token);
        let now = Array2::from_elem((1, 1), token);
        let outputs = stream.step(CharLmInputs { now: now.view() }).expect("runs");
        let logits = outputs.logits.iter().enumerate();
        let best = logits.max_by(|a, b| a.1.total_cmp(b.1));
        token = best.map_or(0, |(at, _)| at as u32);
    }
    assert_eq!(seen[7..], [0, 1, 4, 2, 2, 4, 1]);

    let directory = tempfile::tempdir().expect("a directory for the test");
    let path = directory.path().join("lm.safetensors");
    save_params(&path, &params).expect("saves");
    let mut loaded = CharLmParams::zeros(&SPEC).expect("zeros");
    load_params(&path, &mut loaded).expect("loads");
    assert_eq!(loaded, params);
}

#[test]
fn a_step_reads_views_of_any_strides() {
    let model = SPEC.compile(Options::default()).expect("compiles");
    let params = CharLmParams::init(&SPEC, 42).expect("draws");
    let tokens = |row: usize, t: usize| (row * 5 + t * 7) as u32 % 6;
    let now = Array2::from_shape_fn((4, 2), |(t, row)| tokens(row, t));
    // The examples of a step lie four tokens apart.
    let apart = Array2::from_shape_fn((2, 4), |(row, t)| tokens(row, t));
    let apart = apart.t();
    let whole = model.forward(&params, CharLmInputs { now: now.view() });
    let whole = whole.expect("runs").logits;
    let mut streams = [0; 2].map(|_| model.stream_batch(&params, 2).expect("is causal"));
    for t in 0..4 {
        for (stream, now) in streams.iter_mut().zip([now.view(), apart]) {
            let now = now.slice_move(ndarray::s![t..=t, ..]);
            let found = stream.step(CharLmInputs { now }).expect("runs");
            let found = found.logits.index_axis(ndarray::Axis(0), 0);
            assert_eq!(found, whole.index_axis(ndarray::Axis(0), t), "step {t}");
        }
    }
}

#[test]
fn training_twice_gives_equal_bits() {
    let model = SPEC.compile(Options::default()).expect("compiles");
    let run = || {
        let mut params = CharLmParams::init(&SPEC, 42).expect("draws");
        (train(&model, &mut params, 2).to_bits(), params)
    };
    assert_eq!(run(), run());
}

// Lifetimes of what is beside the inputs do not meddle with theirs.
fn lengths_may_be_local<'v>(
    model: &Compiled<CharLm>,
    params: &CharLmParams,
    now: ndarray::ArrayView2<'v, u32>,
    next: ndarray::ArrayView2<'_, u32>,
) -> (f32, CharLmState) {
    let lengths = vec![2; now.ncols()];
    let targets = CharLmTargets { next };
    let inputs = CharLmInputs { now };
    let state = CharLmState::zeros(&SPEC, lengths.len());
    let batch = Batch::new(inputs).lengths(&lengths).state(&state);
    let value = model.loss_with_state(params, batch, targets).expect("runs");
    (value.loss, value.state)
}

#[test]
fn a_call_takes_views_of_any_life() {
    let model = SPEC.compile(Options::default()).expect("compiles");
    let params = CharLmParams::init(&SPEC, 1).expect("draws");
    let now = Array2::zeros((3, 2));
    let (loss, state) = lengths_may_be_local(&model, &params, now.view(), now.view());
    assert!(loss > 0.0);
    assert_eq!(state.lstm.h.dim(), (2, 16));
    assert!(model.explain().contains("lstm.c[t]"));
    assert!(
        model
            .schedule(Program::Gradient)
            .expect("has a loss")
            .contains("reverse")
    );
}

rnn! {
    /// An input that is an output as well, and a state that is an input.
    pub model Echo<I> {
        time  t in 1..=T;
        input x[t]: [I];
        y[t] = x[t-1];
        output x, y;
    }
}

#[test]
fn inputs_may_be_outputs() {
    let spec = Echo { I: 2 };
    let model = spec.compile(Options::default()).expect("compiles");
    let params = EchoParams::init(&spec, 1).expect("draws");
    let x = Array3::from_shape_fn((4, 2, 2), |(t, b, i)| (t * 4 + b * 2 + i) as f32);
    let whole = model
        .forward(&params, EchoInputs { x: x.view() })
        .expect("runs");
    assert_eq!(whole.x, x);
    assert_eq!(
        whole.y.slice(ndarray::s![1.., .., ..]),
        x.slice(ndarray::s![..3, .., ..])
    );
}

#[test]
fn frozen_parameters_give_the_bits_of_the_model_whatever_becomes_of_the_original() {
    let model = SPEC.compile(Options::default()).expect("compiles");
    let mut params = CharLmParams::init(&SPEC, 5).expect("draws");
    let frozen = model.freeze(&params).expect("fits");
    let before = params.clone();
    params.fill(0.25);
    // Calls of other shapes in between: the memory is laid out anew, the packed weights stay.
    for (steps, batch) in [(4, 3), (7, 1), (4, 3)] {
        let now = Array2::from_shape_fn((steps, batch), |(t, b)| ((5 * t + b) % 6) as u32);
        let inputs = || CharLmInputs { now: now.view() };
        let expected = model.forward_with_state(&before, inputs()).expect("runs");
        let found = frozen.forward_with_state(inputs()).expect("runs");
        assert_eq!(found.outputs, expected.outputs);
        assert_eq!(found.state.to_map(), expected.state.to_map());
        let changed = model.forward(&params, inputs()).expect("runs");
        assert_ne!(changed, expected.outputs);
    }

    let outside = Array2::from_elem((2, 1), 6u32);
    let error = frozen.forward(CharLmInputs {
        now: outside.view(),
    });
    assert!(error.expect_err("no such token").to_string().contains('6'));
}
