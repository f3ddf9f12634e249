//! Random numbers through the facade: what they depend on, and that inference has none.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use rnn::BatchSize;
use rnn::prelude::*;

rnn! {
    /// Everything that draws, in a recurrence.
    pub model Drawn<I, H> {
        time   t in 1..=T;
        input  x[t]: [I];
        target y[t]: [H];
        param W, V: [H, I] ~ glorot_uniform;
        param U: [H, H] ~ orthogonal;
        v[t] = dropout(x[t], 0.2, per = sequence);
        R    = dropout(U, 0.3);
        i[t] = sigmoid(V @ noise(v[t], 0.1));
        g[t] = tanh(W @ v[t] + R @ h[t-1]);
        n[t] = i[t] * dropout(g[t], 0.25) + h[t-1];
        h[t] = zoneout(n[t], h[t-1], 0.1);
        output h;
        loss   mean[t](squared_error(h[t], y[t]));
    }

    /// The same, with what inference makes of it.
    pub model Plain<I, H> {
        time   t in 1..=T;
        input  x[t]: [I];
        target y[t]: [H];
        param W, V: [H, I] ~ glorot_uniform;
        param U: [H, H] ~ orthogonal;
        i[t] = sigmoid(V @ x[t]);
        g[t] = tanh(W @ x[t] + U @ h[t-1]);
        n[t] = i[t] * g[t] + h[t-1];
        h[t] = 0.1 * h[t-1] + 0.9 * n[t];
        output h;
        loss   mean[t](squared_error(h[t], y[t]));
    }
}

rnn! {
    /// Candidates of a recurrence are dropped at every step.
    pub model Candidates<H> {
        time   t in 1..=T;
        input  x[t]: [H];
        target y[t]: [H];
        param U: [H, H] ~ orthogonal;
        g[t] = tanh(x[t] + U @ h[t-1]);
        h[t] = 0.5 * h[t-1] + dropout(g[t], 0.25);
        output h;
        loss   mean[t](squared_error(h[t], y[t]));
    }

    /// None are.
    pub model Kept<H> {
        time   t in 1..=T;
        input  x[t]: [H];
        target y[t]: [H];
        param U: [H, H] ~ orthogonal;
        g[t] = tanh(x[t] + U @ h[t-1]);
        h[t] = 0.5 * h[t-1] + g[t];
        output h;
        loss   mean[t](squared_error(h[t], y[t]));
    }
}

#[test]
fn masks_of_a_recurrence_are_drawn_again_and_take_no_memory() {
    const H: usize = 48;
    let (examples, steps) = (16, 500);
    let size = BatchSize::new(examples).steps("t", steps);
    let taken = |drops: bool| {
        let options = Options::default().threads(1);
        let bytes = match drops {
            true => Candidates { H }
                .compile(options)
                .unwrap()
                .bytes(Program::Gradient, &size),
            false => Kept { H }
                .compile(options)
                .unwrap()
                .bytes(Program::Gradient, &size),
        };
        bytes.unwrap().workspace
    };
    // Two key words a row, and not a word an element.
    let (dropped, kept) = (taken(true), taken(false));
    let keys = 4 * 2 * examples * steps;
    assert!(dropped <= kept + 2 * keys, "{dropped}, {kept} without");
}

const STEPS: usize = 7;
const BATCH: usize = 37;
const SPEC: Drawn = Drawn { I: 5, H: 19 };

fn values(width: usize, salt: usize) -> Array3<f32> {
    Array3::from_shape_fn((STEPS, BATCH, width), |(t, b, i)| {
        ((t * 31 + b * 17 + i * 7 + salt) % 23) as f32 / 23.0 - 0.4
    })
}

fn lengths() -> Vec<usize> {
    (0..BATCH).map(|b| b * 5 % (STEPS + 1)).collect()
}

fn gradient(options: Options, lengths: &[usize], seed: u64) -> (f32, DrawnParams) {
    let model = SPEC.compile(options).unwrap();
    let params = DrawnParams::init(&SPEC, 3).unwrap();
    let mut grads = DrawnParams::zeros(&SPEC).unwrap();
    let (x, y) = (values(5, 0), values(19, 3));
    let inputs = DrawnInputs { x: x.view() }.lengths(lengths).seed(seed);
    let targets = DrawnTargets { y: y.view() };
    let value = model
        .loss_and_grad(&params, inputs, targets, &mut grads)
        .unwrap();
    (value.loss, grads)
}

#[test]
fn results_do_not_depend_on_threads() {
    let own = lengths();
    let (loss, grads) = gradient(Options::default().threads(1), &own, 5);
    let (other, others) = gradient(Options::default().threads(2), &own, 5);
    assert_eq!(loss.to_bits(), other.to_bits());
    assert_eq!(grads.W, others.W);
    assert_eq!(grads.U, others.U);
}

#[test]
fn a_memory_limit_keeps_the_numbers() {
    let own = lengths();
    let (loss, grads) = gradient(Options::default(), &own, 5);
    let model = SPEC.compile(Options::default()).unwrap();
    let size = BatchSize::new(BATCH).steps("t", STEPS).lengths("t", &own);
    let whole = model.bytes(Program::Gradient, &size).unwrap().total;
    let limit = whole * 9 / 10;
    let (limited, others) = gradient(Options::default().memory_limit(limit), &own, 5);
    assert_eq!(loss.to_bits(), limited.to_bits());
    // Sums over time in another order.
    let far = |a: &Array2<f32>, b: &Array2<f32>| (a - b).iter().fold(0f32, |m, d| m.max(d.abs()));
    assert!(far(&grads.W, &others.W) < 1e-5 && far(&grads.U, &others.U) < 1e-5);
}

#[test]
fn an_example_draws_the_same_beside_others_of_any_length() {
    let own = lengths();
    let (whole, _) = gradient(Options::default(), &own, 5);
    let alone: f32 = (0..BATCH)
        .map(|example| {
            let only = |at| if at == example { own[at] } else { 0 };
            let lengths: Vec<usize> = (0..BATCH).map(only).collect();
            gradient(Options::default(), &lengths, 5).0
        })
        .sum();
    assert!((whole - alone).abs() < 1e-5 * whole, "{whole} {alone}");
}

#[test]
fn a_seed_repeats_and_two_differ() {
    let own = lengths();
    let of = |seed| gradient(Options::default(), &own, seed).0.to_bits();
    assert_eq!(of(5), of(5));
    assert_ne!(of(5), of(6));
}

#[test]
fn inference_is_the_model_without_random_numbers() {
    let plain = Plain { I: 5, H: 19 };
    let (drawn, plain_model) = (
        SPEC.compile(Options::default()).unwrap(),
        plain.compile(Options::default()).unwrap(),
    );
    let params = DrawnParams::init(&SPEC, 3).unwrap();
    let same = PlainParams {
        W: params.W.clone(),
        V: params.V.clone(),
        U: params.U.clone(),
    };
    let x = values(5, 0);
    let h = drawn
        .forward(&params, DrawnInputs { x: x.view() })
        .unwrap()
        .h;
    let expected = plain_model
        .forward(&same, PlainInputs { x: x.view() })
        .unwrap()
        .h;
    assert_eq!(h, expected);
    let mut stream = drawn.stream(&params).unwrap();
    for t in 0..STEPS {
        let step = x.slice(ndarray::s![t..=t, ..1, ..]);
        let out = stream.step(DrawnInputs { x: step }).unwrap();
        assert_eq!(
            out.h.slice(ndarray::s![0, 0, ..]),
            h.slice(ndarray::s![t, 0, ..])
        );
    }
}

#[test]
fn training_without_a_seed_is_an_error() {
    let model = SPEC.compile(Options::default()).unwrap();
    let params = DrawnParams::init(&SPEC, 3).unwrap();
    let mut grads = DrawnParams::zeros(&SPEC).unwrap();
    let (x, y) = (values(5, 0), values(19, 3));
    let error = model
        .loss_and_grad(
            &params,
            DrawnInputs { x: x.view() },
            DrawnTargets { y: y.view() },
            &mut grads,
        )
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "model `Drawn` draws random numbers in training: give each step a seed of its own, `inputs.seed(step)`"
    );
}

#[test]
fn what_draws_is_computed_by_vectors_as_wide_as_the_machine() {
    // Where they are wider than the code generator's.
    const WIDEST: &str = "kernels of avx512";
    let model = Drawn { I: 128, H: 128 }
        .compile(Options::default())
        .unwrap();
    let text = model.explain();
    let clusters: Vec<_> = text
        .lines()
        .filter(|line| line.trim_start().starts_with("pointwise"))
        .collect();
    assert!(clusters.len() > 10, "{text}");
    for line in clusters {
        let wide = line.ends_with("; 16 lanes");
        assert_eq!(wide, text.contains(WIDEST), "{line} of\n{text}");
    }
}
