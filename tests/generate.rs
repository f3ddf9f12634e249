//! Generation from language models and from decoders that attend: greedy, drawn, beams.

use std::collections::BTreeMap;

use ndarray::{Array2, Axis, s};
use rnn::cells::Gru;
use rnn::prelude::*;

rnn! {
    /// The next token from all before it.
    model Lm<V, E, H> {
        time t in 1..=T;
        input now[t]: token<V>;
        param embed: [V, E] ~ normal(0.0, 1.0);
        param W_y: [V, H] ~ normal(0.0, 2.0);
        layer gru = Gru<E, H>;
        h[t] = gru(embed[now[t]]);
        logits[t] = W_y @ h[t];
        output logits;
    }

    /// A decoder that attends to what an encoder of two directions read.
    model Translate<V, E, H> {
        time j in 1..=J;
        time t in 1..=T;
        input src[j]: token<V>;
        target tgt[t]: token<V>;
        param embed: [V, E] ~ normal(0.0, 1.0);
        param W_s: [V, H] ~ normal(0.0, 2.0);
        param W_a: [H, 2*H] ~ glorot_uniform;
        param W_0: [H, H] ~ glorot_uniform;
        layer enc = bi(Gru<E, H>);
        layer dec = Gru<E + 2*H, H>;
        m[j]      = enc(embed[src[j]]);
        dec.h[0]  = tanh(W_0 @ enc.backward.h[1]);
        a[t, j]   = softmax[j](dec.h[t-1] @ (W_a @ m[j]));
        c[t]      = sum[j](a[t, j] * m[j]);
        y[t]      = feedback(tgt[t-1], argmax(logits[t-1]));
        tgt[0]    = 1;
        s[t]      = dec([embed[y[t]], c[t]]);
        logits[t] = W_s @ s[t];
        output logits;
        loss mean[t](cross_entropy(logits[t], tgt[t]));
    }

    /// Tags that depend on the tag before and on all words.
    model Tag<I, K, H> {
        time t in 1..=T;
        input x[t]: [I];
        target tag[t]: token<K>;
        param E_k: [K, H] ~ normal(0.0, 1.0);
        param W_y: [K, H] ~ normal(0.0, 2.0);
        param W, R: [H, I] ~ glorot_uniform;
        param U: [H, H] ~ orthogonal;
        b[t] = tanh(R @ x[t] + U @ b[t+1]);
        last[t] = feedback(tag[t-1], argmax(logits[t-1]));
        tag[0] = 0;
        h[t] = tanh(W @ x[t] + b[t] + E_k[last[t]]) + 0.5 * h[t-1];
        logits[t] = W_y @ h[t];
        output logits;
        loss mean[t](cross_entropy(logits[t], tag[t]));
    }

    /// Logits that are parameters.
    model Urn<V> {
        time t in 1..=T;
        input now[t]: token<V>;
        param table: [V, V] = 0;
        logits[t] = table[now[t]];
        output logits;
    }

    /// What is fed back has no distribution.
    model Series {
        time t in 1..=T;
        target y[t]: [2];
        param a: [2] = 1;
        o[t] = a * feedback(y[t-1], o[t-1]) + 1;
        output o;
        loss mean[t](squared_error(o[t], y[t]));
    }
}

const LM: Lm = Lm { V: 4, E: 3, H: 5 };
const TRANSLATE: Translate = Translate { V: 6, E: 3, H: 5 };

fn tokens(shape: (usize, usize), limit: u32, seed: u32) -> Array2<u32> {
    let mut next = seed;
    Array2::from_shape_simple_fn(shape, || {
        next = next.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (next >> 16) % limit
    })
}

fn log_softmax(logits: &[f32]) -> Vec<f64> {
    let total: f64 = logits.iter().map(|x| f64::from(*x).exp()).sum();
    logits.iter().map(|x| f64::from(*x) - total.ln()).collect()
}

fn best(logits: &[f32]) -> u32 {
    let mut best = 0;
    for (at, x) in logits.iter().enumerate() {
        if *x > logits[best] {
            best = at;
        }
    }
    u32::try_from(best).expect("a token")
}

#[test]
fn greedy_is_a_stream_that_is_given_its_most_likely_token() {
    let model = LM.compile(Options::default()).expect("compiles");
    let params = LmParams::init(&LM, 3).expect("draws");
    let prompts = tokens((4, 3), 4, 5);
    let lengths = [2, 4, 1];
    let inputs: Batch<'_, _, LmState> = LmInputs {
        now: prompts.view(),
    }
    .lengths(&lengths);
    let settings = Generate::greedy().max_steps(6).stop(2);
    let out = model
        .generate(&params, inputs, settings)
        .expect("generates");
    for (example, length) in lengths.iter().enumerate() {
        let mut stream = model.stream(&params).expect("streams");
        let mut logits = Vec::new();
        let mut step = |token: u32| -> Vec<f32> {
            let now = Array2::from_elem((1, 1), token);
            let out = stream.step(LmInputs { now: now.view() }).expect("steps");
            out.logits.iter().copied().collect()
        };
        for t in 0..*length {
            logits = step(prompts[[t, example]]);
        }
        let (mut said, mut log_probs) = (Vec::new(), Vec::new());
        while said.len() < 6 && said.last() != Some(&2) {
            let token = best(&logits);
            log_probs.push(log_softmax(&logits)[token as usize]);
            said.push(token);
            logits = step(token);
        }
        let found = out.best(example);
        assert_eq!(found.tokens, said);
        assert_eq!(found.stopped, said.last() == Some(&2));
        assert!(
            found
                .log_probs
                .iter()
                .zip(&log_probs)
                .all(|(a, b)| (a - b).abs() < 1e-5)
        );
    }
}

#[test]
fn a_prompt_in_two_pieces_goes_on_from_the_state_of_the_first() {
    let model = LM.compile(Options::default()).expect("compiles");
    let params = LmParams::init(&LM, 3).expect("draws");
    let prompts = tokens((5, 3), 4, 9);
    let piece = |rows: std::ops::Range<usize>| prompts.slice(s![rows, ..]).to_owned();
    let (first, second) = (piece(0..3), piece(3..5));
    let state = model
        .forward_with_state(&params, LmInputs { now: first.view() })
        .expect("runs")
        .state;
    for settings in [
        Generate::greedy(),
        Generate::sampled().seed(5),
        Generate::beam(3),
    ] {
        let settings = settings.max_steps(7).stop(2);
        let said = |batch: Batch<'_, LmInputs<'_>, LmState>| {
            let said = model.generate(&params, batch, settings.clone());
            said.expect("generates").hypotheses
        };
        let whole = said(Batch::new(LmInputs {
            now: prompts.view(),
        }));
        let pieces = said(Batch::new(LmInputs { now: second.view() }).state(&state));
        assert_eq!(whole, pieces, "the same steps, to the bit");
        let fresh = said(Batch::new(LmInputs { now: second.view() }));
        assert_ne!(whole, fresh, "the state matters");
    }
}

#[test]
fn a_decoder_says_what_it_says_when_it_runs_freely() {
    let model = TRANSLATE.compile(Options::default()).expect("compiles");
    let params = TranslateParams::init(&TRANSLATE, 4).expect("draws");
    let src = tokens((5, 4), 6, 8);
    let (sources, lengths) = ([2, 5, 1, 4], [7, 3, 7, 5]);
    let batch = || -> Batch<'_, _, TranslateState> {
        TranslateInputs { src: src.view() }
            .lengths_of("j", &sources)
            .lengths_of("t", &lengths)
    };
    let free = model.forward(&params, batch()).expect("runs").logits;
    let out = model
        .generate(&params, batch(), Generate::greedy().max_steps(7))
        .expect("generates");
    assert_eq!(out.lengths(), lengths);
    for (example, length) in lengths.iter().enumerate() {
        for t in 0..*length {
            let logits: Vec<f32> = free.slice(s![t, example, ..]).to_vec();
            let found = out.best(example);
            assert_eq!(
                found.tokens[t],
                best(&logits),
                "example {example}, step {t}"
            );
            let log_prob = log_softmax(&logits)[found.tokens[t] as usize];
            assert!((found.log_probs[t] - log_prob).abs() < 1e-4);
        }
    }
    // Without lengths, all examples are as long as may be.
    let sources: Batch<'_, _, TranslateState> =
        TranslateInputs { src: src.view() }.lengths_of("j", &sources);
    let out = model
        .generate(&params, sources, Generate::greedy().max_steps(3))
        .expect("generates");
    assert_eq!(out.lengths(), [3; 4]);
}

#[test]
fn inputs_at_every_step_are_read_at_every_step() {
    let spec = Tag { I: 2, K: 4, H: 3 };
    let model = spec.compile(Options::default()).expect("compiles");
    let params = TagParams::init(&spec, 4).expect("draws");
    let x = tokens((6, 6), 100, 3).mapv(|x| x as f32 / 50.0 - 1.0);
    let x = x.into_shape_with_order((6, 3, 2)).expect("as many");
    let lengths = [3, 6, 5];
    let batch = || -> Batch<'_, _, TagState> { TagInputs { x: x.view() }.lengths(&lengths) };
    let free = model.forward(&params, batch()).expect("runs").logits;
    let out = model
        .generate(&params, batch(), Generate::greedy())
        .expect("generates");
    assert_eq!(out.lengths(), lengths);
    for (example, length) in lengths.iter().enumerate() {
        for t in 0..*length {
            let logits: Vec<f32> = free.slice(s![t, example, ..]).to_vec();
            assert_eq!(out.best(example).tokens[t], best(&logits));
        }
    }
}

#[test]
fn a_beam_of_one_is_greedy() {
    let model = TRANSLATE.compile(Options::default()).expect("compiles");
    let params = TranslateParams::init(&TRANSLATE, 9).expect("draws");
    let src = tokens((5, 4), 6, 8);
    let sources = [2, 5, 1, 4];
    let batch = || -> Batch<'_, _, TranslateState> {
        TranslateInputs { src: src.view() }.lengths_of("j", &sources)
    };
    let run = |settings: Generate| {
        model
            .generate(&params, batch(), settings.max_steps(9).stop(3))
            .expect("generates")
    };
    let (greedy, beam) = (run(Generate::greedy()), run(Generate::beam(1)));
    assert_eq!(greedy, beam);
}

// All sequences of a decoder with their log-probabilities, by teacher forcing.
fn all_sequences(
    example: usize,
    steps: usize,
    src: &Array2<u32>,
    sources: &[usize],
    params: &TranslateParams,
) -> Vec<(Vec<u32>, f64)> {
    let model = TRANSLATE.compile(Options::default()).expect("compiles");
    let count = 6_usize.pow(u32::try_from(steps).expect("few"));
    let digit = |sequence: usize, t: usize| {
        (sequence / 6_usize.pow(u32::try_from(t).expect("few")) % 6) as u32
    };
    let tgt = Array2::from_shape_fn((steps, count), |(t, sequence)| digit(sequence, t));
    let column = src.column(example);
    let src = Array2::from_shape_fn((src.nrows(), count), |(j, _)| column[j]);
    let (lengths, all) = (vec![sources[example]; count], vec![steps; count]);
    let inputs: Batch<'_, _, TranslateState> =
        TranslateInputs { src: src.view() }.lengths_of("j", &lengths);
    let logits = model
        .forward_with_targets(
            params,
            inputs.lengths_of("t", &all),
            TranslateTargets { tgt: tgt.view() },
        )
        .expect("runs")
        .outputs
        .logits;
    let mut found = BTreeMap::new();
    for sequence in 0..count {
        let (mut said, mut total) = (Vec::new(), 0.0);
        for t in 0..steps {
            let token = tgt[[t, sequence]];
            total += log_softmax(&logits.slice(s![t, sequence, ..]).to_vec())[token as usize];
            said.push(token);
            if token == 3 {
                break;
            }
        }
        found.insert(said, total);
    }
    found.into_iter().collect()
}

#[test]
fn a_beam_as_wide_as_all_sequences_finds_the_best() {
    let model = TRANSLATE.compile(Options::default()).expect("compiles");
    let params = TranslateParams::init(&TRANSLATE, 9).expect("draws");
    let src = tokens((5, 3), 6, 8);
    let sources = [2, 5, 1];
    for penalty in [0.0, 1.0] {
        let inputs: Batch<'_, _, TranslateState> =
            TranslateInputs { src: src.view() }.lengths_of("j", &sources);
        let settings = Generate::beam(216)
            .length_penalty(penalty)
            .max_steps(3)
            .stop(3);
        let out = model
            .generate(&params, inputs, settings)
            .expect("generates");
        for example in 0..3 {
            let score =
                |(tokens, total): &(Vec<u32>, f64)| total / (tokens.len() as f64).powf(penalty);
            let mut all = all_sequences(example, 3, &src, &sources, &params);
            all.sort_by(|a, b| score(b).total_cmp(&score(a)));
            let found = &out.hypotheses[example];
            for (found, expected) in found.iter().zip(&all).take(5) {
                assert!(
                    (found.score - score(expected)).abs() < 1e-4,
                    "{found:?} {expected:?}"
                );
            }
            assert_eq!(found[0].tokens, all[0].0);
            assert_eq!(found[0].stopped, all[0].0.last() == Some(&3));
        }
    }
}

#[test]
fn hypotheses_have_the_probabilities_of_their_tokens() {
    let model = LM.compile(Options::default()).expect("compiles");
    let params = LmParams::init(&LM, 3).expect("draws");
    let prompts = tokens((3, 2), 4, 6);
    let lengths = [3, 1];
    let inputs: Batch<'_, _, LmState> = LmInputs {
        now: prompts.view(),
    }
    .lengths(&lengths);
    let out = model
        .generate(&params, inputs, Generate::beam(3).max_steps(5))
        .expect("generates");
    for (example, length) in lengths.iter().enumerate() {
        assert_eq!(out.hypotheses[example].len(), 3);
        for found in &out.hypotheses[example] {
            let mut all: Vec<u32> = prompts
                .column(example)
                .iter()
                .take(*length)
                .copied()
                .collect();
            all.extend(&found.tokens);
            let now = Array2::from_shape_vec((all.len(), 1), all.clone()).expect("as many");
            let logits = model
                .forward(&params, LmInputs { now: now.view() })
                .expect("runs")
                .logits;
            for (at, log_prob) in found.log_probs.iter().enumerate() {
                let row = logits
                    .index_axis(Axis(0), length + at - 1)
                    .iter()
                    .copied()
                    .collect::<Vec<_>>();
                let expected = log_softmax(&row)[found.tokens[at] as usize];
                assert!((expected - log_prob).abs() < 1e-4, "{expected} {log_prob}");
            }
        }
    }
}

#[test]
fn draws_have_the_frequencies_of_the_model() {
    let spec = Urn { V: 4 };
    let model = spec.compile(Options::default()).expect("compiles");
    let mut params = UrnParams::zeros(&spec).expect("zeros");
    let logits = [0.0, 1.0, -1.0, 2.0];
    params
        .table
        .rows_mut()
        .into_iter()
        .for_each(|mut row| row.assign(&ndarray::arr1(&logits)));
    let start = Array2::zeros((1, 50));
    for (temperature, top_k) in [(1.0, 4), (0.5, 4), (2.0, 2)] {
        let settings = Generate::sampled()
            .temperature(temperature)
            .top_k(top_k)
            .seed(7)
            .max_steps(400);
        let out = model
            .generate(&params, UrnInputs { now: start.view() }, settings)
            .expect("generates");
        let mut counts = [0_u32; 4];
        for found in &out.hypotheses {
            found[0]
                .tokens
                .iter()
                .for_each(|token| counts[*token as usize] += 1);
        }
        let kept = |token: usize| top_k == 4 || token == 3 || token == 1;
        let weight = |token: usize| {
            if kept(token) {
                f64::from(logits[token] / temperature).exp()
            } else {
                0.0
            }
        };
        let total: f64 = (0..4).map(weight).sum();
        for (token, count) in counts.into_iter().enumerate() {
            let p = weight(token) / total;
            let share = f64::from(count) / 20_000.0;
            assert!(
                (share - p).abs() <= 6.0 * (p * (1.0 - p) / 20_000.0).sqrt(),
                "{share} {p}"
            );
        }
    }
}

#[test]
fn what_is_drawn_depends_on_seed_and_example_alone() {
    let model = LM.compile(Options::default()).expect("compiles");
    let params = LmParams::init(&LM, 3).expect("draws");
    let prompts = tokens((2, 3), 4, 6);
    let run = |examples: usize, seed: u64| {
        let now = prompts.slice(s![.., ..examples]);
        model
            .generate(
                &params,
                LmInputs { now },
                Generate::sampled().seed(seed).max_steps(12),
            )
            .expect("generates")
            .hypotheses
    };
    let all = run(3, 1);
    assert_eq!(all, run(3, 1));
    assert_eq!(all[..2], run(2, 1)[..]);
    assert_ne!(all, run(3, 2));
}

#[test]
fn what_cannot_generate_says_why() {
    let model = Series {}.compile(Options::default()).expect("compiles");
    let params = SeriesParams::init(&Series {}, 1).expect("draws");
    let inputs: Batch<'_, _, SeriesState> = SeriesInputs::default().lengths(&[3]);
    let error = model
        .generate(&params, inputs, Generate::greedy())
        .unwrap_err();
    assert!(error.to_string().contains("no `argmax(..)`"), "{error}");
    let model = LM.compile(Options::default()).expect("compiles");
    let params = LmParams::init(&LM, 3).expect("draws");
    let now = tokens((2, 2), 4, 6);
    let inputs: Batch<'_, _, LmState> = LmInputs { now: now.view() }.lengths(&[1, 0]);
    let error = model
        .generate(&params, inputs, Generate::greedy())
        .unwrap_err();
    assert!(
        error.to_string().contains("prompt of example 1 is empty"),
        "{error}"
    );
    let error = model
        .generate(&params, LmInputs { now: now.view() }, Generate::beam(0))
        .unwrap_err();
    assert!(
        error.to_string().contains("width of the beam is 0"),
        "{error}"
    );
    let error = model
        .generate(
            &params,
            LmInputs { now: now.view() },
            Generate::sampled().temperature(-1.0),
        )
        .unwrap_err();
    assert!(error.to_string().contains("temperature"), "{error}");
}
