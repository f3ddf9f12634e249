//! Models through the facade: a task that is learnt, batches of ragged lengths, and what is said of a wrong call.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails where something is missing"
)]

use ndarray::{Array2, Array3, s};
use rnn::cells::Lstm;
use rnn::optim::AdamConfig;
use rnn::prelude::*;
use rnn::{CallError, CharVocab, load_params, save_params};

rnn! {
    /// A character language model.
    model CharLm<V, E, H> {
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

    /// A regression whose loss overflows where a value is large.
    model Growth<I> {
        time   t in 1..=T;
        input  x[t]: [I];
        target y[t]: [I];
        param  a: [I] = 1;
        h[t] = a * exp(x[t]) + h[t-1];
        output h;
        loss   mean[t](squared_error(h[t], y[t]));
    }
}

type Outcome = Result<(), Box<dyn std::error::Error>>;

const SPEC: CharLm = CharLm { V: 5, E: 3, H: 4 };

/// Tokens below `V` in a fixed pattern: `[steps, batch]`.
fn pattern(steps: usize, batch: usize) -> Array2<u32> {
    Array2::from_shape_fn((steps, batch), |(t, b)| {
        ((t * t + 3 * b + t * b) % 5) as u32
    })
}

/// After the first character, the text repeats and can be known exactly; a model that has learnt it is surer than 9 in 10
/// on average, and `-ln(0.9) = 0.105`.
const LEARNT: f32 = 0.1;

#[test]
fn a_character_model_learns_a_repeating_text() -> Outcome {
    let text = "hello, world. ".repeat(6);
    let vocab = CharVocab::from_text(&text);
    let tokens = vocab.encode(&text)?;
    // Not `next[t] = f(now[t])`: `l` and `o` are followed by different characters.
    let (steps, batch) = (20, 4);
    let at = |t: usize, b: usize| tokens[14 + t + 3 * b];
    let now = Array2::from_shape_fn((steps, batch), |(t, b)| at(t, b));
    let next = Array2::from_shape_fn((steps, batch), |(t, b)| at(t + 1, b));

    let spec = CharLm {
        V: vocab.len(),
        E: 8,
        H: 24,
    };
    let model = spec.compile(Options::default())?;
    let mut params = CharLmParams::init(&spec, 7)?;
    let mut grads = CharLmParams::zeros(&spec)?;
    let mut adam = Adam::new(model.param_specs(), AdamConfig::default())?;
    let inputs = || CharLmInputs { now: now.view() };
    let targets = || CharLmTargets { next: next.view() };
    let first = model.loss(&params, inputs(), targets())?;
    let chance = (vocab.len() as f32).ln();
    assert!(
        (first - chance).abs() < 0.1 * chance,
        "{first}, chance is {chance}"
    );
    let mut last = first;
    for _ in 0..150 {
        last = model
            .loss_and_grad(&params, inputs(), targets(), &mut grads)?
            .loss;
        clip_global_norm(&mut grads, model.param_specs(), 1.0)?;
        adam.step(&mut params, &grads, 0.02)?;
    }
    assert!(last < LEARNT, "from {first} to {last}");

    // What was saved predicts as before, bit for bit.
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("model.safetensors");
    save_params(&path, &params)?;
    let mut loaded = CharLmParams::zeros(&spec)?;
    load_params(&path, &mut loaded)?;
    assert_eq!(
        model.forward(&loaded, inputs())?,
        model.forward(&params, inputs())?
    );
    Ok(())
}

/// Rounding of a loss near 1.6 that is summed in another order: a few units of `2^-24`.
const SAME: f32 = 1e-6;

#[test]
fn ragged_examples_in_any_order_have_the_losses_that_they_have_alone() -> Outcome {
    let model = SPEC.compile(Options::default())?;
    let params = CharLmParams::init(&SPEC, 3)?;
    let lengths = [4, 1, 7, 0, 5];
    let (now, next) = (pattern(7, 5), pattern(8, 5).slice(s![1.., ..]).to_owned());

    let mut alone = Vec::new();
    for (b, &length) in lengths.iter().enumerate() {
        let (now, next) = (
            now.slice(s![..length, b..=b]),
            next.slice(s![..length, b..=b]),
        );
        let losses = model.losses(&params, CharLmInputs { now }, CharLmTargets { next })?;
        alone.push(losses[0]);
    }
    assert_eq!(alone[3], 0.0, "a sequence of length 0 adds no loss");
    assert!(alone.iter().filter(|loss| **loss > 0.5).count() == 4);

    for order in [
        [0, 1, 2, 3, 4],
        [2, 4, 0, 1, 3],
        [3, 1, 0, 4, 2],
        [4, 3, 2, 1, 0],
    ] {
        let pick = |array: &Array2<u32>| {
            Array2::from_shape_fn((7, 5), |(t, b)| match t < lengths[order[b]] {
                true => array[[t, order[b]]],
                // Padding is never read: this token does not exist.
                false => u32::MAX,
            })
        };
        let (now, next) = (pick(&now), pick(&next));
        let lengths = order.map(|b| lengths[b]);
        let inputs = || CharLmInputs { now: now.view() }.lengths(&lengths);
        let targets = || CharLmTargets { next: next.view() };
        let losses = model.losses(&params, inputs(), targets())?;
        for (b, loss) in order.iter().zip(&losses) {
            assert!(
                (loss - alone[*b]).abs() <= SAME,
                "{order:?}: {losses:?}, {alone:?}"
            );
        }
        let mean = alone.iter().sum::<f32>() / 5.0;
        assert!((model.loss(&params, inputs(), targets())? - mean).abs() <= SAME);
        let logits = model.forward(&params, inputs())?.logits;
        for (b, &length) in lengths.iter().enumerate() {
            assert!(logits.slice(s![length.., b, ..]).iter().all(|x| *x == 0.0));
        }
    }
    Ok(())
}

/// What a call with these tokens and lengths says.
fn refusal(now: &Array2<u32>, next: &Array2<u32>, lengths: Option<&[usize]>) -> String {
    let model = SPEC.compile(Options::default()).unwrap();
    let params = CharLmParams::init(&SPEC, 0).unwrap();
    let mut batch = Batch::new(CharLmInputs { now: now.view() });
    if let Some(lengths) = lengths {
        batch = batch.lengths(lengths);
    }
    let targets = CharLmTargets { next: next.view() };
    let error = model.loss(&params, batch, targets).unwrap_err();
    error.to_string()
}

#[test]
fn a_wrong_call_is_refused_with_what_was_given_and_what_was_expected() {
    let tokens = pattern(3, 2);
    let mut wrong = tokens.clone();
    wrong[[1, 0]] = 5;
    let messages = [
        refusal(&wrong, &tokens, None),
        refusal(&tokens, &wrong, None),
        refusal(&tokens, &pattern(4, 2), None),
        refusal(&tokens, &pattern(3, 1), None),
        refusal(&tokens, &tokens, Some(&[3, 4])),
        refusal(&tokens, &tokens, Some(&[3])),
        refusal(&pattern(3, 0), &pattern(3, 0), None),
    ];
    insta::assert_snapshot!(messages.join("\n"), @r"
    input `now`, t = 2, example 0: expected a token below 5, found 5
    input `next`, t = 2, example 0: expected a token below 5, found 5
    inputs `now` and `next` both run over `t`: expected 3 steps as in `now`, found 4 in `next`
    `now` and `next` have different batches: expected 2 examples as in `now`, found 1 in `next`
    lengths of `t`: example 1 has length 4, expected at most 3, the steps of input `now`
    lengths of `t`: expected one for each of 2 examples, found 1
    the batch is empty, expected at least 1 example
    ");
}

#[test]
fn an_input_of_another_shape_is_refused() -> Outcome {
    let spec = Growth { I: 3 };
    let model = spec.compile(Options::default())?;
    let params = GrowthParams::init(&spec, 0)?;
    let x = Array3::zeros((4, 2, 5));
    let error = model
        .forward(&params, GrowthInputs { x: x.view() })
        .unwrap_err();
    insta::assert_snapshot!(error, @"input `x`: expected shape [T, B, 3], found [4, 2, 5]");

    let other = GrowthParams::init(&Growth { I: 2 }, 0)?;
    let x = Array3::zeros((4, 2, 3));
    let error = model
        .forward(&other, GrowthInputs { x: x.view() })
        .unwrap_err();
    insta::assert_snapshot!(error, @"parameters do not fit the model: shapes of `a` differ: expected [3], found [2]");

    let error = Growth { I: 0 }.compile(Options::default()).unwrap_err();
    insta::assert_snapshot!(error, @"model `Growth`: size `I` is 0, expected at least 1");
    Ok(())
}

#[test]
fn a_loss_that_is_not_finite_names_the_equation_and_leaves_gradients_alone() -> Outcome {
    let spec = Growth { I: 2 };
    let model = spec.compile(Options::default())?;
    let mut params = GrowthParams::init(&spec, 0)?;
    let mut grads = GrowthParams::init(&spec, 0)?;
    let before = grads.clone();
    let mut x = Array3::zeros((4, 2, 2));
    x[[2, 1, 0]] = 100.0;
    let y = Array3::zeros((4, 2, 2));
    let mut refusal = |x: &Array3<f32>, params: &GrowthParams| {
        let (inputs, targets) = (GrowthInputs { x: x.view() }, GrowthTargets { y: y.view() });
        let error = model.loss_and_grad(params, inputs, targets, &mut grads);
        let error = error.unwrap_err();
        assert!(matches!(error, CallError::NonFinite(_)), "{error}");
        error.to_string()
    };
    let equation = refusal(&x, &params);
    x[[2, 1, 0]] = f32::NAN;
    let input = refusal(&x, &params);
    params.a[1] = f32::INFINITY;
    let param = refusal(&Array3::zeros((4, 2, 2)), &params);
    assert_eq!(grads, before);
    // Where the model is written moves with this file.
    let written = equation.split(" (written at ").next().unwrap();
    let rest = equation.split(')').skip(1).collect::<Vec<_>>().join(")");
    insta::assert_snapshot!(format!("{written}{rest}\n{input}\n{param}"), @r"
    the loss is inf: equation `h`, t = 3, example 1 is the first that is not finite, inf; lower the learning rate or bound its operands
    the loss is NaN: input `x`, t = 3, example 1 is NaN, expected finite numbers
    the loss is inf: parameter `a` holds inf; an earlier update was too large: lower the learning rate or clip gradients
    ");
    Ok(())
}

#[test]
fn a_checkpoint_of_another_model_is_refused_with_all_that_differs() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("model.safetensors");
    save_params(&path, &CharLmParams::init(&SPEC, 1)?)?;
    let explained = |error: rnn::error::CheckpointError| {
        let folder = folder.path().display().to_string();
        error.to_string().replace(&folder, "")
    };

    let mut wider = CharLmParams::zeros(&CharLm { H: 6, ..SPEC })?;
    let before = wider.clone();
    let error = load_params(&path, &mut wider).unwrap_err();
    assert_eq!(wider, before);
    let mut other = GrowthParams::zeros(&Growth { I: 2 })?;
    let stranger = load_params(&path, &mut other).unwrap_err();
    let bytes = std::fs::read(&path)?;
    std::fs::write(&path, &bytes[..bytes.len() - 1])?;
    let cut = load_params(&path, &mut wider).unwrap_err();
    insta::assert_snapshot!(explained(error), @"`/model.safetensors` does not fit the model: shape of `W_y`: expected [5, 6], found [5, 4]; shape of `lstm.W_i`: expected [6, 3], found [4, 3]; shape of `lstm.W_f`: expected [6, 3], found [4, 3]; shape of `lstm.W_g`: expected [6, 3], found [4, 3]; shape of `lstm.W_o`: expected [6, 3], found [4, 3]; shape of `lstm.U_i`: expected [6, 6], found [4, 4]; shape of `lstm.U_f`: expected [6, 6], found [4, 4]; shape of `lstm.U_g`: expected [6, 6], found [4, 4]; shape of `lstm.U_o`: expected [6, 6], found [4, 4]; shape of `lstm.b_i`: expected [6], found [4]; shape of `lstm.b_g`: expected [6], found [4]; shape of `lstm.b_o`: expected [6], found [4]; shape of `lstm.b_f`: expected [6], found [4]");
    insta::assert_snapshot!(explained(stranger), @"`/model.safetensors` does not fit the model: missing `a`; unexpected `embed`, `W_y`, `b_y`, `lstm.W_i`, `lstm.W_f`, `lstm.W_g`, `lstm.W_o`, `lstm.U_i`, `lstm.U_f`, `lstm.U_g`, `lstm.U_o`, `lstm.b_i`, `lstm.b_g`, `lstm.b_o`, `lstm.b_f`");
    insta::assert_snapshot!(explained(cut), @"`/model.safetensors` is not a valid safetensors file: expected at least 1680 bytes, found 1679; the file is truncated");
    Ok(())
}
