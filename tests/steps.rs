//! Models that read the number of the step: the same values at once, in pieces, step by step, and after rows start anew.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use ndarray::{Axis, concatenate, s};
use rnn::prelude::*;

rnn! {
    /// Numbers of steps in a recurrence, in a running mean, and alone.
    model Counted<I, H> {
        time   t in 1..=T;
        input  x[t]: [I];
        target d[t]: [H];
        param  W: [H, I] ~ glorot_uniform;
        param  U: [H, H] ~ orthogonal;
        param  w: [H]    ~ normal(0.0, 1.0);
        h[t] = tanh(W @ x[t] + U @ h[t-1] + where(mod(t, 3) == 0, 1, 0.1 * (t - 1)) * w);
        m[t] = m[t-1] + (x[t] - m[t-1]) / t;
        p[t] = sin(w * t);
        y[t] = h[t] + 0.5 * dropout(h[t], 0.2) + p[t];
        output y, m, p;
        loss   mean[t](squared_error(y[t], d[t]));
    }

    /// The number of the step is all that is carried.
    model Weighed<I> {
        time  t in 1..=T;
        input x[t]: [I];
        y[t] = where(t == 1, 0, x[t] / (t - 1));
        output y;
    }

    /// What is said with the length is of the piece.
    model Ends<I> {
        time  t in 1..=T;
        input x[t]: [I];
        last[t] = where(t == T, x[t], 0 * x[t]);
        left[t] = (T - t) * x[t];
        at[t]   = t * x[t];
        output last, left, at;
    }

    /// The next token, by those before it and by its place.
    model Placed<V, H> {
        time  t in 1..=T;
        input now[t]: token<V>;
        param E: [V, H] ~ normal(0.0, 1.0);
        param W: [V, H] ~ normal(0.0, 2.0);
        param w: [H]    ~ normal(0.0, 1.0);
        h[t] = tanh(E[now[t]] + sin(w * t) + 0.5 * h[t-1]);
        logits[t] = W @ h[t];
        output logits;
    }

    /// Says tokens for a vector, each by its place and by the one before.
    model Told<I, V> {
        time   t in 1..=T;
        input  v: [I];
        target tgt[t]: token<V>;
        param  E: [V, V] ~ normal(0.0, 2.0);
        param  W: [V, I] ~ glorot_uniform;
        param  w: [V]    ~ normal(0.0, 1.0);
        tgt[0]    = 1;
        last[t]   = feedback(tgt[t-1], argmax(logits[t-1]));
        logits[t] = E[last[t]] + W @ v + 3 * sin(w * t);
        output logits;
        loss   mean[t](cross_entropy(logits[t], tgt[t]));
    }

    /// A state that starts anew where an input says so.
    model Anew<I, H> {
        time  t in 1..=T;
        input x[t]: [I], reset[t]: [];
        param W: [H, I] ~ glorot_uniform;
        param U: [H, H] ~ orthogonal;
        param start: [H] ~ normal(0.0, 1.0);
        h[0] = start;
        k[t] = where(reset[t] > 0, start, h[t-1]);
        n[t]: [] = where(reset[t] > 0, 0, n[t-1]) + 1;
        h[t] = tanh(W @ x[t] + U @ k[t]) / n[t];
        output h, n;
    }

    /// How much of the sequence is left.
    model Left<V> {
        time  t in 1..=T;
        input now[t]: token<V>;
        param E: [V, V] ~ normal(0.0, 1.0);
        logits[t] = E[now[t]] * (T - t);
        output logits;
    }

    /// A mask at every step is drawn by the step, and carries nothing.
    model Masked<I> {
        time   t in 1..=T;
        input  x[t]: [I];
        target d[t]: [I];
        param  w: [I] = 1;
        y[t] = w * dropout(x[t], 0.5);
        output y;
        loss   mean[t](squared_error(y[t], d[t]));
    }
}

const SPEC: Counted = Counted { I: 3, H: 5 };

fn reals(shape: (usize, usize, usize), salt: usize) -> Array3<f32> {
    Array3::from_shape_fn(shape, |(t, b, i)| {
        ((t * 13 + b * 29 + i * 7 + salt) % 17) as f32 / 8.0 - 1.0
    })
}

#[test]
fn steps_count_on_in_a_stream() {
    let model = SPEC.compile(Options::default()).unwrap();
    let params = CountedParams::init(&SPEC, 3).unwrap();
    for batch in [1, 3, 40] {
        let x = reals((9, batch, 3), 1);
        let inputs = CountedInputs { x: x.view() };
        let whole = model.forward_with_state(&params, inputs).unwrap();
        let mut stream = model.stream_batch(&params, batch).unwrap();
        for t in 0..9 {
            let x = x.slice(s![t..=t, .., ..]);
            let found = stream.step(CountedInputs { x }).unwrap();
            let at = s![t..=t, .., ..];
            assert_eq!(found.y, whole.outputs.y.slice(at), "step {t} of {batch}");
            assert_eq!(found.m, whole.outputs.m.slice(at), "step {t} of {batch}");
            assert_eq!(found.p.row(0), whole.outputs.p.row(t), "step {t}");
        }
        assert_eq!(stream.state(), whole.state);
        assert!(whole.state.t.iter().all(|steps| *steps == 9.0));
    }
}

#[test]
fn a_row_that_starts_anew_counts_anew() {
    let model = SPEC.compile(Options::default()).unwrap();
    let params = CountedParams::init(&SPEC, 3).unwrap();
    let x = reals((8, 2, 3), 2);
    let step = |t: usize| CountedInputs {
        x: x.slice(s![t..=t, .., ..]),
    };
    let mut stream = model.stream_batch(&params, 2).unwrap();
    for t in 0..3 {
        stream.step(step(t)).unwrap();
    }
    stream.reset_row(1).unwrap();
    let mut other = model.stream_batch(&params, 2).unwrap();
    let before = model
        .forward(&params, CountedInputs { x: x.view() })
        .unwrap();
    for t in 3..8 {
        let found = stream.step(step(t)).unwrap().y.clone();
        let fresh = other.step(step(t)).unwrap();
        assert_eq!(found.slice(s![0, 1, ..]), fresh.y.slice(s![0, 1, ..]));
        assert_eq!(found.slice(s![0, 0, ..]), before.y.slice(s![t, 0, ..]));
    }
    assert_eq!(stream.state().t.to_vec(), [8.0, 5.0]);

    // Moved to another stream.
    let mut moved = model.stream_batch(&params, 2).unwrap();
    moved.set_state(&stream.state()).unwrap();
    let (a, b) = (moved.step(step(0)).unwrap(), stream.step(step(0)).unwrap());
    assert_eq!(a.y, b.y);
}

#[test]
fn steps_count_on_from_piece_to_piece() {
    let model = SPEC.compile(Options::default()).unwrap();
    let params = CountedParams::init(&SPEC, 3).unwrap();
    let x = reals((9, 3, 3), 3);
    let lengths = [9, 3, 6];
    let whole = Batch::new(CountedInputs { x: x.view() }).lengths(&lengths);
    let whole = model.forward_with_state(&params, whole).unwrap();
    let piece = |from: usize, to: usize| x.slice(s![from..to, .., ..]);
    let first = Batch::new(CountedInputs { x: piece(0, 4) }).lengths(&[4, 3, 4]);
    let first = model.forward_with_state(&params, first).unwrap();
    let second = Batch::new(CountedInputs { x: piece(4, 9) }).lengths(&[5, 0, 2]);
    let second = second.state(&first.state);
    let second = model.forward_with_state(&params, second).unwrap();
    let y = concatenate![Axis(0), first.outputs.y, second.outputs.y];
    for (row, length) in lengths.into_iter().enumerate() {
        let at = s![..length, row, ..];
        assert_eq!(y.slice(at), whole.outputs.y.slice(at), "example {row}");
    }
    assert_eq!(second.state, whole.state);
    assert_eq!(second.state.t.to_vec(), [9.0, 3.0, 6.0]);
}

#[test]
fn a_piece_is_differentiated_at_its_own_steps() {
    // Without dropout in the way: the loss of inference.
    let model = SPEC.compile(Options::default()).unwrap();
    let params = CountedParams::init(&SPEC, 3).unwrap();
    let (x, d) = (reals((6, 2, 3), 3), reals((6, 2, 5), 4));
    let loss = |from: usize, to: usize, state: Option<&CountedState>| {
        let inputs = CountedInputs {
            x: x.slice(s![from..to, .., ..]),
        };
        let targets = CountedTargets {
            d: d.slice(s![from..to, .., ..]),
        };
        let batch = Batch::new(inputs);
        let batch = match state {
            Some(state) => batch.state(state),
            None => batch,
        };
        model.loss_with_state(&params, batch, targets).unwrap()
    };
    let whole = loss(0, 6, None);
    let first = loss(0, 3, None);
    let second = loss(3, 6, Some(&first.state));
    let mean = (first.loss + second.loss) / 2.0;
    assert!((whole.loss - mean).abs() < 1e-5 * whole.loss, "{mean}");
    assert_eq!(second.state, whole.state);

    // The number of the step has no derivative.
    let batch = Batch::new(CountedInputs { x: x.view() }).seed(1);
    let targets = CountedTargets { d: d.view() };
    let by = model.state_gradients(&params, batch, targets).unwrap();
    assert!(by.get("h").is_some() && by.get("t").is_none());
}

#[test]
fn the_step_may_be_all_that_is_carried() {
    let spec = Weighed { I: 2 };
    let model = spec.compile(Options::default()).unwrap();
    let params = WeighedParams::init(&spec, 1).unwrap();
    let x = reals((4, 2, 2), 5);
    let whole = model
        .forward(&params, WeighedInputs { x: x.view() })
        .unwrap();
    let mut stream = model.stream_batch(&params, 2).unwrap();
    for t in 0..4 {
        let x = x.slice(s![t..=t, .., ..]);
        let found = stream.step(WeighedInputs { x }).unwrap();
        assert_eq!(found.y, whole.y.slice(s![t..=t, .., ..]), "step {t}");
    }
    assert_eq!(
        stream.state(),
        WeighedState {
            t: Array1::from_elem(2, 4.0)
        }
    );
}

#[test]
fn what_reads_the_length_is_of_the_piece_and_does_not_stream() {
    let spec = Ends { I: 2 };
    let model = spec.compile(Options::default()).unwrap();
    let params = EndsParams::init(&spec, 1).unwrap();
    let x = reals((5, 2, 2), 6);
    let first = EndsInputs {
        x: x.slice(s![..2, .., ..]),
    };
    let first = model.forward_with_state(&params, first).unwrap();
    let second = EndsInputs {
        x: x.slice(s![2.., .., ..]),
    };
    let second = Batch::new(second).state(&first.state);
    let second = model.forward(&params, second).unwrap();
    for (t, (left, number)) in [(2.0, 3.0), (1.0, 4.0), (0.0, 5.0)].into_iter().enumerate() {
        let x = x.index_axis(Axis(0), t + 2);
        assert_eq!(second.left.index_axis(Axis(0), t), &x * left);
        assert_eq!(second.at.index_axis(Axis(0), t), &x * number);
        let last = if t == 2 { 1.0 } else { 0.0 };
        assert_eq!(second.last.index_axis(Axis(0), t), &x * last);
    }
    let error = model.stream(&params).unwrap_err().to_string();
    assert!(error.contains("output `last`"), "{error}");
    assert!(
        error.ends_with("which reads the length of axis `t`"),
        "{error}"
    );
}

#[test]
fn masks_are_keyed_by_the_step_of_a_piece_and_carry_nothing() {
    let spec = Masked { I: 4 };
    let model = spec.compile(Options::default()).unwrap();
    let params = MaskedParams::init(&spec, 1).unwrap();
    let (x, d) = (reals((3, 2, 4), 7), reals((3, 2, 4), 8));
    // Nothing to name: a state without fields.
    let state = MaskedState {};
    let mut grads = MaskedParams::zeros(&spec).unwrap();
    let batch = Batch::new(MaskedInputs { x: x.view() })
        .seed(5)
        .state(&state);
    let targets = MaskedTargets { d: d.view() };
    let value = model
        .loss_and_grad(&params, batch, targets, &mut grads)
        .unwrap();
    let inputs = MaskedInputs { x: x.view() }.seed(5);
    let mut again = grads.zeros_like();
    let targets = MaskedTargets { d: d.view() };
    let fresh = model
        .loss_and_grad(&params, inputs, targets, &mut again)
        .unwrap();
    assert_eq!(value.loss, fresh.loss);
    assert_eq!(grads, again);
}

#[test]
fn generation_counts_on_from_the_prompt_and_from_a_state() {
    let spec = Placed { V: 5, H: 6 };
    let model = spec.compile(Options::default()).unwrap();
    let params = PlacedParams::init(&spec, 4).unwrap();
    let prompts = Array2::from_shape_fn((5, 3), |(t, b)| ((t * 3 + b * 7) % 5) as u32);
    let settings = || Generate::greedy().max_steps(6);
    let whole = PlacedInputs {
        now: prompts.view(),
    };
    let whole = model.generate(&params, whole, settings()).unwrap();

    let mut stream = model.stream_batch(&params, 3).unwrap();
    let mut now = Array2::zeros((1, 3));
    let mut said = vec![Vec::new(); 3];
    for t in 0..10 {
        if t < 5 {
            now.assign(&prompts.slice(s![t..=t, ..]));
        }
        let out = stream.step(PlacedInputs { now: now.view() }).unwrap();
        for b in 0..3 {
            let logits = out.logits.slice(s![0, b, ..]);
            let best = (0..5usize)
                .max_by(|a, b| logits[*a].total_cmp(&logits[*b]))
                .unwrap();
            now[[0, b]] = best as u32;
            if t >= 4 {
                said[b].push(best as u32);
            }
        }
    }
    for (b, said) in said.iter().enumerate() {
        assert_eq!(&whole.best(b).tokens, said, "example {b}");
    }

    let first = PlacedInputs {
        now: prompts.slice(s![..3, ..]),
    };
    let state = model.forward_with_state(&params, first).unwrap().state;
    let second = || PlacedInputs {
        now: prompts.slice(s![3.., ..]),
    };
    let pieces = Batch::new(second()).state(&state);
    let pieces = model.generate(&params, pieces, settings()).unwrap();
    assert_eq!(whole.hypotheses, pieces.hypotheses);
}

#[test]
fn what_reads_the_length_is_not_generated() {
    let spec = Left { V: 5 };
    let model = spec.compile(Options::default()).unwrap();
    let params = LeftParams::init(&spec, 4).unwrap();
    let prompts = Array2::zeros((2, 1));
    let inputs = LeftInputs {
        now: prompts.view(),
    };
    let error = model.generate(&params, inputs, Generate::greedy().max_steps(6));
    let error = error.unwrap_err().to_string();
    assert!(error.contains("needs more than one step of `t`"), "{error}");
}

#[test]
fn a_decoder_says_at_each_place_what_it_says_when_it_runs_freely() {
    let spec = Told { I: 2, V: 6 };
    let model = spec.compile(Options::default()).unwrap();
    let params = ToldParams::init(&spec, 4).unwrap();
    let v = Array2::from_shape_fn((3, 2), |(b, i)| (b * 2 + i) as f32 - 2.0);
    let mut state = ToldState::zeros(&spec, 3);
    state.t.assign(&array![0.0, 4.0, 9.0]);
    let mut said = Vec::new();
    for state in [None, Some(&state)] {
        let batch = || {
            let batch = ToldInputs { v: v.view() }.lengths(&[7, 7, 7]);
            match state {
                Some(state) => batch.state(state),
                None => batch,
            }
        };
        let whole = model.forward(&params, batch()).unwrap().logits;
        let settings = Generate::greedy().max_steps(7);
        let found = model.generate(&params, batch(), settings).unwrap();
        for b in 0..3 {
            let best = whole.index_axis(Axis(1), b);
            let best = best.rows().into_iter().map(|logits| {
                (0..6u32).max_by(|a, b| logits[*a as usize].total_cmp(&logits[*b as usize]))
            });
            let best: Option<Vec<u32>> = best.collect();
            assert_eq!(Some(&found.best(b).tokens), best.as_ref(), "example {b}");
        }
        said.push(found.hypotheses);
    }
    assert_ne!(said[0], said[1], "the steps before matter");
}

#[test]
fn a_reset_within_a_sequence_starts_another_one_there() {
    let spec = Anew { I: 3, H: 4 };
    let model = spec.compile(Options::default()).unwrap();
    let params = AnewParams::init(&spec, 4).unwrap();
    let x = reals((8, 3, 3), 9);
    let starts = [vec![0, 3], vec![0, 5, 6], vec![0]];
    let mut reset = Array2::zeros((8, 3));
    for (b, starts) in starts.iter().enumerate() {
        for t in &starts[1..] {
            reset[[*t, b]] = 1.0;
        }
    }
    let inputs = AnewInputs {
        x: x.view(),
        reset: reset.view(),
    };
    let whole = model.forward(&params, inputs).unwrap();
    for (b, starts) in starts.iter().enumerate() {
        let ends = starts[1..].iter().copied().chain([8]);
        for (from, to) in starts.iter().copied().zip(ends) {
            let none = Array2::zeros((to - from, 1));
            let inputs = AnewInputs {
                x: x.slice(s![from..to, b..=b, ..]),
                reset: none.view(),
            };
            let alone = model.forward(&params, inputs).unwrap();
            let here = s![from..to, b..=b, ..];
            assert_eq!(alone.h, whole.h.slice(here), "example {b} from {from}");
            assert_eq!(alone.n, whole.n.slice(s![from..to, b..=b]));
        }
    }
}
