//! What scheduled sampling and generation take is what was said beforehand, and what a step takes once it was done: nothing.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a test that fails says where"
)]

#[path = "../rnn-runtime/tests/counting/mod.rs"]
mod counting;

use counting::{most, requests};
use rnn::prelude::*;
use rnn::schedule::Constant;
use rnn::train::{Clip, TrainingBatch};
use rnn::{BatchSize, Settings, Trainer};

rnn! {
    /// So little a step that the coins are a part of it that shows.
    model Sparse<V> {
        time   t in 1..=T;
        input  x[t]: [];
        target tgt[t]: token<V>;
        param  E: [V, V] ~ normal(0.0, 0.5);
        tgt[0]    = 1;
        logits[t] = x[t] * E[feedback(tgt[t-1], argmax(logits[t-1]))];
        output logits;
        loss mean[t](cross_entropy(logits[t], tgt[t]));
    }
}

rnn! {
    /// A decoder over a memory that is long beside what is said of it.
    model Tell<V, I, H> {
        time   j in 1..=J;
        time   t in 1..=T;
        input  x[j]: [I];
        target tgt[t]: token<V>;
        param  W: [H, I] ~ glorot_uniform;
        param  U: [H, H] ~ orthogonal;
        param  E: [V, H] ~ normal(0.0, 0.5);
        param  W_y: [V, H] ~ glorot_uniform;
        m[j]      = tanh(W @ x[j]);
        a[t, j]   = softmax[j](h[t-1] @ m[j]);
        c[t]      = sum[j](a[t, j] * m[j]);
        tgt[0]    = 1;
        h[t]      = tanh(U @ h[t-1] + c[t] + E[feedback(tgt[t-1], argmax(logits[t-1]))]);
        logits[t] = W_y @ h[t];
        output logits;
        loss mean[t](cross_entropy(logits[t], tgt[t]));
    }

    /// A language model: what is known before a step is nothing, and its states are large.
    model Go<V, H> {
        time  t in 1..=T;
        input now[t]: token<V>;
        param U: [H, H] ~ orthogonal;
        param E: [V, H] ~ normal(0.0, 0.5);
        param W_y: [V, H] ~ glorot_uniform;
        h[t]      = tanh(U @ h[t-1] + E[now[t]]);
        logits[t] = W_y @ h[t];
        output logits;
    }

    /// Draws masks for examples, steps and weights, and carries a token.
    model Drawn<V, H> {
        time   t in 1..=T;
        input  x[t]: [H];
        target y[t]: token<V>;
        param  E: [V, H] ~ normal(0.0, 0.5);
        param  W: [H, H] ~ orthogonal;
        param  W_y: [V, H] ~ glorot_uniform;
        said[0]   = 2;
        U         = dropout(W, 0.1);
        h[t]      = tanh(U @ dropout(h[t-1], 0.3, per = sequence) + x[t] + E[said[t-1]]);
        logits[t] = W_y @ dropout(h[t], 0.2);
        said[t]   = argmax(logits[t]);
        output logits;
        loss mean[t](cross_entropy(logits[t], y[t]));
    }

    /// Keeps statistics of its batches.
    model Kept<V, H> {
        time   t in 1..=T;
        input  x[t]: [H];
        target y[t]: token<V>;
        param  W: [H, H] ~ orthogonal;
        param  W_y: [V, H] ~ glorot_uniform;
        running mean_x: [H] = 0;
        running variance_x: [H] = 1;
        n[t]      = batch_norm(x[t], mean_x, variance_x);
        h[t]      = tanh(W @ h[t-1] + n[t]);
        logits[t] = W_y @ h[t];
        output logits;
        loss mean[t](cross_entropy(logits[t], y[t]));
    }
}

/// Bookkeeping beside the bytes that are said: tables with an entry for each value of a program, weights of examples and
/// states.
const BOOKKEEPING: usize = 300_000;

// Debug builds replay the plan of each new shape over a table with 8 bytes for each line of the arena.
fn beside(said: usize) -> usize {
    match cfg!(debug_assertions) {
        true => BOOKKEEPING + said / 8,
        false => BOOKKEEPING,
    }
}

#[track_caller]
fn check(what: &str, taken: usize, said: usize) {
    assert!(
        said <= taken && taken <= said + beside(said),
        "{what}: {said} bytes were said, {taken} taken"
    );
}

const V: usize = 7;
const STEPS: usize = 8000;

fn training() {
    let spec = Sparse { V };
    let params = SparseParams::init(&spec, 3).unwrap();
    let sampled = Feedback::sampled(0.5, 7, 1);
    // In one part, and in four.
    for examples in [8, 64] {
        let model = spec
            .compile(Options::default().threads(1).reuse(false))
            .unwrap();
        let size = BatchSize::new(examples).steps("t", STEPS);
        let plain = model.bytes(Program::Gradient, &size).unwrap();
        assert_eq!(plain.coins, 0);
        let size = size.feedback(sampled);
        let said = model.bytes(Program::Gradient, &size).unwrap();
        assert_eq!(said.coins, STEPS * examples);
        let sum = said.workspace * said.workspaces + said.gradients + said.coins;
        assert_eq!(said.total, sum, "{said:?}");
        let x = Array2::<f32>::ones((STEPS, examples));
        let tgt = Array2::from_elem((STEPS, examples), 3);
        let mut grads = params.zeros_like();
        // What leads to the program is compiled now.
        let step = |model: &Compiled<Sparse>, grads: &mut SparseParams| {
            let inputs = SparseInputs { x: x.view() }.feedback(sampled);
            let targets = SparseTargets { tgt: tgt.view() };
            model.loss_and_grad(&params, inputs, targets, grads)
        };
        let taken = most(|| {
            step(&model, &mut grads).unwrap();
        });
        check(&format!("sampling, {examples} examples"), taken, said.total);

        // The coins are within a limit too.
        let limit = said.total / 2;
        let limited = spec
            .compile(
                Options::default()
                    .threads(1)
                    .reuse(false)
                    .memory_limit(limit),
            )
            .unwrap();
        let within = limited.bytes(Program::Gradient, &size).unwrap();
        assert!(
            within.total <= limit && within.coins == said.coins,
            "{within:?}"
        );
        let taken = most(|| {
            step(&limited, &mut grads).unwrap();
        });
        check(
            &format!("sampling in half, {examples} examples"),
            taken,
            within.total,
        );
    }
}

fn generating() {
    let spec = Tell { V: 7, I: 3, H: 16 };
    let params = TellParams::init(&spec, 3).unwrap();
    let (steps, examples) = (3000, 6);
    let x = Array3::<f32>::ones((steps, examples, 3));
    let lengths: Vec<usize> = (0..examples).map(|b| steps - 7 * b).collect();
    let size = BatchSize::new(examples)
        .steps("j", steps)
        .lengths("j", &lengths);
    for settings in [Generate::greedy(), Generate::beam(4)] {
        let settings = settings.max_steps(12);
        // A model that has kept no memory of a call before.
        let model = spec
            .compile(Options::default().threads(1).reuse(false))
            .unwrap();
        let said = model.generate_bytes(&size, &settings).unwrap();
        let taken = most(|| {
            let inputs = TellInputs { x: x.view() }.lengths_of("j", &lengths);
            model.generate(&params, inputs, settings.clone()).unwrap();
        });
        // The workspace of what is known before the first step is kept for the next call.
        let again = most(|| {
            let inputs = TellInputs { x: x.view() }.lengths_of("j", &lengths);
            model.generate(&params, inputs, settings.clone()).unwrap();
        });
        assert!(again <= taken, "{again} after {taken}");
        check(&format!("a memory, {settings:?}"), taken, said);
    }

    let spec = Go { V: 7, H: 1200 };
    let model = spec
        .compile(Options::default().threads(1).reuse(false))
        .unwrap();
    let params = GoParams::init(&spec, 3).unwrap();
    let now = Array2::from_elem((4, 500), 2);
    let size = BatchSize::new(500).steps("t", 4);
    for settings in [Generate::greedy(), Generate::beam(2)] {
        let settings = settings.max_steps(3);
        let said = model.generate_bytes(&size, &settings).unwrap();
        let taken = most(|| {
            let inputs = GoInputs { now: now.view() };
            model.generate(&params, inputs, settings.clone()).unwrap();
        });
        check(&format!("large states, {settings:?}"), taken, said);
    }
}

/// Steps before those that ask for nothing.
const FIRST: u64 = 3;

/// A trainer's steps on one thread, of batches of one size and lengths that differ, once it has done a few.
macro_rules! a_trained_step_asks_for_nothing {
    ($spec:expr, $params:ident, $inputs:ident, $targets:ident) => {
        // Examples in one part, in parts of one size, and in parts of two.
        for examples in [5, 32, 45] {
            let model = $spec
                .compile(Options::default().threads(1).reuse(false))
                .unwrap();
            let params = $params::init(&$spec, 3).unwrap();
            let settings = Settings::default()
                .clip(Clip::Norm(1.0))
                .parameter_norms(true);
            let mut trainer = Trainer::new(model, params, settings).unwrap();
            let x = laid_out(examples);
            let y = Array2::from_elem((6, examples), 3);
            for step in 0..FIRST + 5 {
                let lengths: Vec<usize> = (0..examples)
                    .map(|example| 6 - (example + step as usize) % 4)
                    .collect();
                let asked = requests(|| {
                    let inputs = $inputs { x: x.view() }.lengths(&lengths);
                    trainer.step(inputs, $targets { y: y.view() }).unwrap();
                });
                assert!(
                    step < FIRST || asked == 0,
                    "{} of {examples}: {asked} requests in step {step}",
                    stringify!($params)
                );
            }
        }
    };
}

fn laid_out(examples: usize) -> Array3<f32> {
    Array3::from_shape_fn((6, examples, 4), |(t, b, i)| {
        ((t * 31 + b * 17 + i * 7) % 23) as f32 / 23.0 - 0.3
    })
}

// The same with targets that are fed back, and a state that is handed on.
fn sampled_steps_ask_for_nothing() {
    let spec = Sparse { V };
    let model = spec
        .compile(Options::default().threads(1).reuse(false))
        .unwrap();
    let params = SparseParams::init(&spec, 3).unwrap();
    let settings = Settings::default().sampling(Constant(0.5));
    let mut trainer = Trainer::new(model, params, settings).unwrap();
    let x = Array2::<f32>::ones((6, 40));
    let tgt = Array2::from_elem((6, 40), 3);
    for step in 0..FIRST + 5 {
        let asked = requests(|| {
            let batch = Batch::new(SparseInputs { x: x.view() });
            let targets = SparseTargets { tgt: tgt.view() };
            let batch = TrainingBatch::new(batch, targets, 1).continuing(step > 0);
            trainer.learn(batch).unwrap();
        });
        assert!(
            step < FIRST || asked == 0,
            "{asked} requests in step {step}"
        );
    }
}

// One test: the counters are for the whole process.
#[test]
fn what_is_said_beforehand_is_what_is_taken() {
    training();
    generating();
    a_trained_step_asks_for_nothing!(Drawn { V, H: 4 }, DrawnParams, DrawnInputs, DrawnTargets);
    a_trained_step_asks_for_nothing!(Kept { V, H: 4 }, KeptParams, KeptInputs, KeptTargets);
    sampled_steps_ask_for_nothing();
}
