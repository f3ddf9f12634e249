//! `feedback` in all its modes: teacher forcing, scheduled sampling, free running.

use ndarray::{Array2, Array3, Axis, s};
use rnn::cells::Gru;
use rnn::prelude::*;

rnn! {
    /// A decoder that attends to what an encoder read.
    model Recite<V, E, H> {
        time j in 1..=J;
        time t in 1..=T;
        input src[j]: token<V>;
        target tgt[t]: token<V>;
        param embed: [V, E] ~ normal(0.0, 1.0);
        param W_s: [V, H] ~ normal(0.0, 2.0);
        param W_a: [H, H] ~ glorot_uniform;
        layer enc = Gru<E, H>;
        layer dec = Gru<E + H, H>;

        m[j]      = enc(embed[src[j]]);
        dec.h[0]  = m[J];
        a[t, j]   = softmax[j](dec.h[t-1] @ (W_a @ m[j]));
        c[t]      = sum[j](a[t, j] * m[j]);
        y[t]      = feedback(tgt[t-1], argmax(logits[t-1]));
        tgt[0]    = 1;
        s[t]      = dec([embed[y[t]], c[t]]);
        logits[t] = W_s @ s[t];
        output logits, y;
        loss mean[t](cross_entropy(logits[t], tgt[t]));
    }

    /// A series that reads itself.
    model Series<H> {
        time t in 1..=T;
        input x[t]: [2];
        target y[t]: [2];
        param W: [H, 2] ~ glorot_uniform;
        param U: [H, H] ~ orthogonal;
        param V: [H, 2] ~ glorot_uniform;
        param R: [2, H] ~ glorot_uniform;
        y[0]   = 0.5;
        p[t]   = feedback(y[t-1], o[t-1]);
        h[t]   = tanh(W @ p[t] + V @ x[t] + U @ h[t-1]);
        o[t]   = R @ h[t];
        output o, p;
        loss mean[t](squared_error(o[t], y[t]));
    }

    /// The same, whose last value is an input.
    model Driven<H> {
        time t in 1..=T;
        input x[t]: [2], p[t]: [2];
        param W: [H, 2] ~ glorot_uniform;
        param U: [H, H] ~ orthogonal;
        param V: [H, 2] ~ glorot_uniform;
        param R: [2, H] ~ glorot_uniform;
        h[t]   = tanh(W @ p[t] + V @ x[t] + U @ h[t-1]);
        o[t]   = R @ h[t];
        output o;
    }
}

const RECITE: Recite = Recite { V: 7, E: 3, H: 5 };

fn tokens(shape: (usize, usize), limit: u32, seed: u32) -> Array2<u32> {
    let mut next = seed;
    Array2::from_shape_simple_fn(shape, || {
        next = next.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (next >> 16) % limit
    })
}

fn reals(shape: (usize, usize, usize), seed: u32) -> Array3<f32> {
    let mut next = seed;
    Array3::from_shape_simple_fn(shape, || {
        next = next.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (next >> 8) as f32 / (1 << 23) as f32 - 1.0
    })
}

type Batched<'a, 'b> = Batch<'b, ReciteInputs<'a>, ReciteState>;

struct Example {
    src: Array2<u32>,
    tgt: Array2<u32>,
    source: Vec<usize>,
    lengths: Vec<usize>,
}

impl Example {
    fn new() -> Self {
        Self {
            src: tokens((4, 5), 7, 3),
            tgt: tokens((6, 5), 7, 9),
            source: vec![2, 4, 1, 3, 4],
            lengths: vec![3, 6, 5, 1, 4],
        }
    }
    fn batch(&self, feedback: Feedback) -> Batched<'_, '_> {
        let inputs = ReciteInputs {
            src: self.src.view(),
        };
        let batch: Batched<'_, '_> = inputs.lengths_of("j", &self.source);
        batch.lengths_of("t", &self.lengths).feedback(feedback)
    }
    fn targets(&self) -> ReciteTargets<'_> {
        ReciteTargets {
            tgt: self.tgt.view(),
        }
    }
}

#[test]
fn teacher_forcing_reads_targets_and_free_running_its_own_tokens() {
    let model = RECITE.compile(Options::default()).expect("compiles");
    let params = ReciteParams::init(&RECITE, 5).expect("draws");
    let example = Example::new();
    let forced = model
        .forward_with_targets(&params, example.batch(Feedback::Targets), example.targets())
        .expect("runs")
        .outputs;
    let free = model
        .forward(&params, example.batch(Feedback::Targets))
        .expect("runs");
    let best = |row: ndarray::ArrayView1<'_, f32>| {
        let mut best = 0;
        for (at, value) in row.iter().enumerate() {
            if *value > row[best] {
                best = at;
            }
        }
        u32::try_from(best).expect("a token")
    };
    let mut differs = false;
    for (row, length) in example.lengths.iter().enumerate() {
        for t in 0..*length {
            let before = t.checked_sub(1);
            let target = before.map_or(1, |before| example.tgt[[before, row]]);
            let own = before.map_or(1, |before| best(free.logits.slice(s![before, row, ..])));
            assert_eq!(forced.y[[t, row]], target);
            assert_eq!(free.y[[t, row]], own);
            differs |= target != own;
        }
    }
    assert!(differs);
    // What runs freely is what is taught its own tokens.
    let mut said = Array2::zeros(example.tgt.dim());
    for t in 0..6 {
        for row in 0..5 {
            said[[t, row]] = best(free.logits.slice(s![t, row, ..]));
        }
    }
    let taught = ReciteTargets { tgt: said.view() };
    let again = model
        .forward_with_targets(&params, example.batch(Feedback::Targets), taught)
        .expect("runs")
        .outputs;
    for (row, length) in example.lengths.iter().enumerate() {
        let part = s![..*length, row, ..];
        let (a, b) = (again.logits.slice(part), free.logits.slice(part));
        assert!(
            a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5),
            "{a} {b}"
        );
    }
}

#[test]
fn scheduled_sampling_ends_at_both_of_them() {
    let model = RECITE.compile(Options::default()).expect("compiles");
    let params = ReciteParams::init(&RECITE, 5).expect("draws");
    let example = Example::new();
    let outputs = |feedback| {
        let batch = example.batch(feedback);
        (model.forward_with_targets(&params, batch, example.targets()))
            .expect("runs")
            .outputs
    };
    assert_eq!(
        outputs(Feedback::sampled(1.0, 7, 0)),
        outputs(Feedback::Targets)
    );
    assert_eq!(
        outputs(Feedback::sampled(0.0, 7, 0)),
        outputs(Feedback::Own)
    );
    let free = model
        .forward(&params, example.batch(Feedback::Targets))
        .expect("runs");
    assert_eq!(outputs(Feedback::Own), free);
    let half = outputs(Feedback::sampled(0.5, 7, 0));
    assert_eq!(half, outputs(Feedback::sampled(0.5, 7, 0)));
    assert_ne!(half, outputs(Feedback::Targets));
    assert_ne!(half, outputs(Feedback::Own));
    assert_ne!(half, outputs(Feedback::sampled(0.5, 7, 1)));
    assert_ne!(half, outputs(Feedback::sampled(0.5, 8, 0)));
    let loss = |feedback| {
        let batch = example.batch(feedback);
        model.loss(&params, batch, example.targets()).expect("runs")
    };
    let (targets, own) = (loss(Feedback::Targets), loss(Feedback::Own));
    assert_eq!(loss(Feedback::sampled(1.0, 7, 0)), targets);
    assert_eq!(loss(Feedback::sampled(0.0, 7, 0)), own);
    assert_ne!(targets, own);
}

#[test]
fn which_steps_read_targets_depends_on_no_thread_and_on_no_limit() {
    let spec = Series { H: 4 };
    let params = SeriesParams::init(&spec, 2).expect("draws");
    let (x, y) = (reals((9, 70, 2), 1), reals((9, 70, 2), 2));
    let lengths: Vec<usize> = (0..70).map(|row| 1 + (row * 5) % 9).collect();
    let run = |options: Options| {
        let model = spec.compile(options).expect("compiles");
        let inputs: Batch<'_, _, SeriesState> = SeriesInputs { x: x.view() }.lengths(&lengths);
        let batch = inputs.feedback(Feedback::sampled(0.4, 3, 11));
        let targets = SeriesTargets { y: y.view() };
        (model.forward_with_targets(&params, batch, targets))
            .expect("runs")
            .outputs
    };
    let one = run(Options::default().threads(1));
    assert_eq!(one, run(Options::default().threads(4)));
    assert_eq!(one, run(Options::default().memory_limit(1 << 20)));
    // The share of steps that read the target.
    let (mut read, mut all) = (0, 0);
    for (row, length) in lengths.iter().enumerate() {
        for t in 1..*length {
            all += 1;
            read += usize::from(one.p[[t, row, 0]] == y[[t - 1, row, 0]]);
        }
    }
    let share = read as f64 / f64::from(all);
    assert!(
        (share - 0.4).abs() < 6.0 * (0.24 / f64::from(all)).sqrt(),
        "{share}"
    );
}

#[test]
fn a_free_series_is_a_stream_that_is_given_what_it_said() {
    let spec = Series { H: 4 };
    let params = SeriesParams::init(&spec, 2).expect("draws");
    let driven = Driven { H: 4 };
    let own = DrivenParams {
        W: params.W.clone(),
        U: params.U.clone(),
        V: params.V.clone(),
        R: params.R.clone(),
    };
    let x = reals((6, 3, 2), 4);
    let model = spec.compile(Options::default()).expect("compiles");
    let whole = model
        .forward(&params, SeriesInputs { x: x.view() })
        .expect("runs");
    let by_hand = driven.compile(Options::default()).expect("compiles");
    let mut by_hand = by_hand.stream_batch(&own, 3).expect("streams");
    let mut stream = model.stream_batch(&params, 3).expect("streams");
    let mut last = Array3::from_elem((1, 3, 2), 0.5);
    for t in 0..6 {
        let x = x.slice(s![t..=t, .., ..]);
        last = by_hand
            .step(DrivenInputs { x, p: last.view() })
            .expect("steps")
            .o
            .clone();
        let own = stream.step(SeriesInputs { x }).expect("steps").o.clone();
        assert_eq!(own, last);
        assert_eq!(whole.o.index_axis(Axis(0), t), last.index_axis(Axis(0), 0));
    }
}

#[test]
fn gradients_flow_through_an_own_value_that_is_real() {
    let spec = Series { H: 3 };
    let model = spec.compile(Options::default()).expect("compiles");
    let params = SeriesParams::init(&spec, 6).expect("draws");
    let (x, y) = (reals((5, 2, 2), 1), reals((5, 2, 2), 2));
    for feedback in [
        Feedback::Targets,
        Feedback::Own,
        Feedback::sampled(0.5, 1, 0),
    ] {
        let batch = || SeriesInputs { x: x.view() }.feedback::<SeriesState>(feedback);
        let targets = || SeriesTargets { y: y.view() };
        let mut grads = SeriesParams::zeros(&spec).expect("zeros");
        model
            .loss_and_grad(&params, batch(), targets(), &mut grads)
            .expect("runs");
        for (at, derivative) in grads.R.indexed_iter() {
            let moved = |by: f32| {
                let mut params = params.clone();
                params.R[at] += by;
                f64::from(model.loss(&params, batch(), targets()).expect("runs"))
            };
            let finite = (moved(1e-2) - moved(-1e-2)) / 2e-2;
            assert!(
                (finite - f64::from(*derivative)).abs() < 2e-3,
                "{feedback:?} {finite} {derivative}"
            );
        }
    }
}

#[test]
fn gradients_of_tokens_stop_at_argmax() {
    let model = RECITE.compile(Options::default()).expect("compiles");
    let params = ReciteParams::init(&RECITE, 5).expect("draws");
    let example = Example::new();
    for feedback in [
        Feedback::Targets,
        Feedback::Own,
        Feedback::sampled(0.5, 1, 0),
    ] {
        let mut grads = ReciteParams::zeros(&RECITE).expect("zeros");
        model
            .loss_and_grad(
                &params,
                example.batch(feedback),
                example.targets(),
                &mut grads,
            )
            .expect("runs");
        for (at, derivative) in grads.W_a.indexed_iter() {
            let moved = |by: f32| {
                let mut params = params.clone();
                params.W_a[at] += by;
                let loss = model.loss(&params, example.batch(feedback), example.targets());
                f64::from(loss.expect("runs"))
            };
            let finite = (moved(3e-3) - moved(-3e-3)) / 6e-3;
            assert!(
                (finite - f64::from(*derivative)).abs() < 3e-3,
                "{feedback:?} {finite} {derivative}"
            );
        }
    }
}

#[test]
fn logits_leave_the_loop_when_targets_are_fed_back() {
    let model = RECITE.compile(Options::default()).expect("compiles");
    insta::assert_snapshot!("forced", model.schedule(Program::Loss).expect("a program"));
    insta::assert_snapshot!("free", model.schedule(Program::Forward).expect("a program"));
}

#[test]
fn wrong_choices_of_what_is_fed_back_are_named() {
    let spec = Driven { H: 2 };
    let driven = spec.compile(Options::default()).expect("compiles");
    let params = DrivenParams::init(&spec, 1).expect("draws");
    let x = reals((2, 1, 2), 1);
    let inputs = DrivenInputs {
        x: x.view(),
        p: x.view(),
    };
    let error = driven
        .forward(&params, inputs.feedback::<DrivenState>(Feedback::Own))
        .unwrap_err();
    assert!(error.to_string().contains("has no `feedback`"), "{error}");
    let model = RECITE.compile(Options::default()).expect("compiles");
    let params = ReciteParams::init(&RECITE, 5).expect("draws");
    let example = Example::new();
    let error = model
        .forward(&params, example.batch(Feedback::sampled(0.5, 1, 0)))
        .unwrap_err();
    assert!(error.to_string().contains("reads targets"), "{error}");
    let error = model
        .loss(
            &params,
            example.batch(Feedback::sampled(1.5, 1, 0)),
            example.targets(),
        )
        .unwrap_err();
    assert!(error.to_string().contains("is 1.5"), "{error}");
}
