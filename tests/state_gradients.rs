//! The derivative of a loss by every carried state at every step: against a closed form, against states that are moved, and
//! against the derivative by what moves them.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a test that fails says where"
)]

use ndarray::{Array1, Array2, Array3, ArrayD, Axis};
use rand::RngExt;
use rnn::prelude::*;
use rnn::{CallError, StateGradient};

rnn! {
    /// Every unit forgets at its own rate: `dL/dh[t] = w (1 + a + .. + a^(T-t))`.
    model Linear<H> {
        time   t in 1..=T;
        input  x[t]: [H];
        target y[t]: [];
        param a, w: [H] ~ uniform(0.3, 0.9);
        h[t] = a * h[t-1] + x[t];
        output h;
        loss   sum[t](w @ h[t]) + 0 * sum[t](y[t]);
    }

    /// Two states, of which one is read two steps later, and a state that the loss does not see.
    model Plain<I, H> {
        time   t in 1..=T;
        input  x[t]: [I];
        target y[t]: [H];
        param W, V: [H, I] ~ glorot_uniform;
        param U, R: [H, H] ~ glorot_uniform;
        c[t] = 0.7 * c[t-1] + tanh(V @ x[t] + R @ h[t-1]);
        h[t] = tanh(W @ x[t] + U @ h[t-1] + 0.5 * h[t-2]) * c[t];
        m[t] = m[t-1] + sum(h[t]);
        output h, m;
        loss   mean[t](squared_error(h[t], y[t]));
    }

    /// The same with what moves its states.
    model Moved<I, H> {
        time   t in 1..=T;
        input  x[t]: [I];
        input  e_c[t], e_h[t]: [H];
        target y[t]: [H];
        param W, V: [H, I] ~ glorot_uniform;
        param U, R: [H, H] ~ glorot_uniform;
        c[t] = 0.7 * c[t-1] + tanh(V @ x[t] + R @ h[t-1]) + e_c[t];
        h[t] = tanh(W @ x[t] + U @ h[t-1] + 0.5 * h[t-2]) * c[t] + e_h[t];
        output h;
        loss   mean[t](squared_error(h[t], y[t]));
    }

    /// A token goes from step to step beside the state.
    model Says<V, H> {
        time   t in 1..=T;
        input  v: [H];
        target tgt[t]: token<V>;
        param E: [V, H] ~ normal(0.0, 0.5);
        param U: [H, H] ~ orthogonal;
        param W: [V, H] ~ normal(0.0, 0.5);
        h[0] = v;
        h[t] = tanh(U @ h[t-1] + E[feedback(tgt[t-1], argmax(logits[t-1]))]);
        tgt[0] = 1;
        logits[t] = W @ h[t];
        output logits;
        loss   mean[t](cross_entropy(logits[t], tgt[t]));
    }
}

/// Sums of some dozens of products in f32.
const ROUNDING: f32 = 1e-5;

/// Of differences in f32 at a distance of 2^-5: a rounding of the loss over it, and its square.
const DIFFERENCE: f32 = 2e-3;

const STEPS: usize = 6;
const PLAIN: Plain = Plain { I: 3, H: 5 };

fn drawn(dims: (usize, usize, usize), label: &str) -> Array3<f32> {
    let mut rng = rnn::rng::stream(7, "state_gradients", label);
    Array3::from_shape_simple_fn(dims, || rng.random_range(-1.0..1.0))
}

// Examples of every length, and 49 are three parts.
fn lengths(batch: usize) -> Vec<usize> {
    (0..batch).map(|row| (row * 5 + 2) % (STEPS + 1)).collect()
}

#[track_caller]
fn assert_near(what: &str, found: f32, expected: f32, tolerance: f32) {
    let error = (found - expected).abs();
    assert!(
        error <= tolerance * expected.abs().max(1.0),
        "{what}: expected {expected}, found {found}"
    );
}

#[test]
fn a_linear_recurrence_has_a_geometric_series() {
    let spec = Linear { H: 4 };
    let model = spec
        .compile(Options::default().reduction(Reduction::Sum))
        .unwrap();
    let params = LinearParams::init(&spec, 3).unwrap();
    for batch in [3, 49] {
        let lengths = lengths(batch);
        let (x, y) = (drawn((STEPS, batch, 4), "x"), Array2::zeros((STEPS, batch)));
        let inputs = LinearInputs { x: x.view() }.lengths(&lengths);
        let targets = LinearTargets { y: y.view() };
        let by = model.state_gradients(&params, inputs, targets).unwrap();
        assert_eq!(by.states.len(), 1);
        let by = by.get("h").unwrap();
        assert_eq!(
            (by.axis.as_str(), by.values.shape()),
            ("t", &[STEPS, batch, 4][..])
        );
        for ((at, found), t) in by
            .values
            .indexed_iter()
            .zip((0..STEPS).flat_map(|t| vec![t; batch * 4]))
        {
            let (example, unit) = (at[1], at[2]);
            let left = lengths[example].saturating_sub(t);
            let series: f32 = (0..left)
                .map(|power| params.a[unit].powi(power as i32))
                .sum();
            match left {
                0 => assert_eq!(*found, 0.0, "past the end"),
                _ => assert_near("dL/dh", *found, params.w[unit] * series, ROUNDING),
            }
        }
    }
}

struct Case {
    lengths: Vec<usize>,
    x: Array3<f32>,
    y: Array3<f32>,
    params: PlainParams,
}

impl Case {
    fn new(batch: usize) -> Self {
        Self {
            lengths: lengths(batch),
            x: drawn((STEPS, batch, 3), "x"),
            y: drawn((STEPS, batch, 5), "y"),
            params: PlainParams::init(&PLAIN, 5).unwrap(),
        }
    }

    fn inputs(&self) -> Batch<'_, PlainInputs<'_>, PlainState> {
        PlainInputs { x: self.x.view() }.lengths(&self.lengths)
    }

    fn targets(&self) -> PlainTargets<'_> {
        PlainTargets { y: self.y.view() }
    }

    // Of the model that can be moved: its parameters and states have the same names.
    fn moved<'c>(
        &'c self,
        e: [&'c Array3<f32>; 2],
    ) -> (MovedParams, MovedInputs<'c>, MovedTargets<'c>) {
        let PlainParams { W, V, U, R } = self.params.clone();
        let [e_c, e_h] = e.map(|e| e.view());
        (
            MovedParams { W, V, U, R },
            MovedInputs {
                x: self.x.view(),
                e_c,
                e_h,
            },
            MovedTargets { y: self.y.view() },
        )
    }
}

#[test]
fn it_is_the_derivative_by_what_moves_a_state() {
    let model = PLAIN.compile(Options::default()).unwrap();
    let moved = Moved { I: 3, H: 5 }.compile(Options::default()).unwrap();
    for batch in [3, 49] {
        let case = Case::new(batch);
        let by = model
            .state_gradients(&case.params, case.inputs(), case.targets())
            .unwrap();
        let loss = model
            .loss(&case.params, case.inputs(), case.targets())
            .unwrap();
        assert_near("loss", by.loss, loss, ROUNDING);
        let none = Array3::zeros((STEPS, batch, 5));
        let (params, inputs, targets) = case.moved([&none, &none]);
        let inputs = inputs.lengths(&case.lengths);
        let expected = moved
            .input_gradients(&params, inputs, targets, &["e_c", "e_h"])
            .unwrap();
        let c = &by.get("c").unwrap().values;
        for (found, expected) in c.iter().zip(expected.get("e_c").unwrap()) {
            assert_near("dL/dc", *found, *expected, ROUNDING);
        }
        let h = &by.get("h").unwrap().values;
        for (found, expected) in h.iter().zip(expected.get("e_h").unwrap()) {
            assert_near("dL/dh", *found, *expected, ROUNDING);
        }
        assert!(
            by.get("h_lag2").is_none(),
            "what two steps read is one state"
        );
        assert!(
            by.get("m")
                .unwrap()
                .values
                .iter()
                .all(|value| *value == 0.0)
        );
    }
}

#[test]
fn it_is_a_difference_quotient() {
    let model = PLAIN.compile(Options::default()).unwrap();
    let moved = Moved { I: 3, H: 5 }.compile(Options::default()).unwrap();
    let case = Case::new(3);
    let by = model
        .state_gradients(&case.params, case.inputs(), case.targets())
        .unwrap();
    let none = Array3::zeros((STEPS, 3, 5));
    let distance = 1.0 / 32.0;
    for (state, at) in [("c", 0), ("h", 1)] {
        let found = &by.get(state).unwrap().values;
        for place in [[0, 0, 0], [1, 1, 2], [3, 1, 4], [5, 2, 1], [2, 0, 3]] {
            let loss = |by: f32| {
                let mut e = none.clone();
                e[place] = by;
                let both = if at == 0 { [&e, &none] } else { [&none, &e] };
                let (params, inputs, targets) = case.moved(both);
                moved
                    .loss(&params, inputs.lengths(&case.lengths), targets)
                    .unwrap()
            };
            let expected = (loss(distance) - loss(-distance)) / (2.0 * distance);
            assert_near(state, found[place.as_slice()], expected, DIFFERENCE);
        }
    }
}

#[test]
fn a_chunk_starts_from_its_state_and_the_threads_do_not_matter() {
    let case = Case::new(49);
    let on = |threads| {
        let model = PLAIN.compile(Options::default().threads(threads)).unwrap();
        let first = model
            .forward_with_state(&case.params, case.inputs())
            .unwrap();
        let second = case.inputs().state(&first.state);
        let by = model
            .state_gradients(&case.params, second, case.targets())
            .unwrap();
        (by.loss, by.states)
    };
    assert_eq!(on(1), on(2));
}

#[test]
fn a_memory_limit_holds_or_says_what_would_do() {
    let case = Case::new(49);
    let with = |options: Options| {
        let model = PLAIN.compile(options).unwrap();
        model.state_gradients(&case.params, case.inputs(), case.targets())
    };
    let Err(CallError::Jit(rnn::jit::JitError::MemoryLimit {
        needed, limit: 1, ..
    })) = with(Options::default().memory_limit(1))
    else {
        panic!("a byte is not enough");
    };
    assert!(with(Options::default().memory_limit(needed - 1)).is_err());
    let (least, free) = (
        with(Options::default().memory_limit(needed)).unwrap(),
        with(Options::default()).unwrap(),
    );
    for (least, free) in least.states.iter().zip(&free.states) {
        for (least, free) in least.values.iter().zip(&free.values) {
            assert_near("in segments", *least, *free, ROUNDING);
        }
    }
}

#[test]
fn tokens_have_no_derivative() {
    let spec = Says { V: 7, H: 4 };
    let model = spec.compile(Options::default()).unwrap();
    let params = SaysParams::init(&spec, 3).unwrap();
    let (v, tgt) = (Array2::ones((2, 4)), Array2::from_elem((5, 2), 3));
    let inputs = SaysInputs { v: v.view() };
    let by = model
        .state_gradients(&params, inputs, SaysTargets { tgt: tgt.view() })
        .unwrap();
    let names: Vec<&str> = by.states.iter().map(|state| state.name.as_str()).collect();
    assert_eq!(names, ["h"]);
    // The last step has but the loss of its own logits: of two examples and five steps.
    let out = model
        .forward_with_targets(
            &params,
            SaysInputs { v: v.view() },
            SaysTargets { tgt: tgt.view() },
        )
        .unwrap();
    for example in 0..2 {
        let logits: Array1<f32> = out
            .outputs
            .logits
            .index_axis(Axis(0), 4)
            .row(example)
            .to_owned();
        let mut slope = logits.mapv(f32::exp);
        slope /= slope.sum();
        slope[3] -= 1.0;
        let expected = slope.dot(&params.W) / 10.0;
        for (unit, expected) in expected.iter().enumerate() {
            assert_near(
                "dL/dh[T]",
                by.states[0].values[[4, example, unit]],
                *expected,
                ROUNDING,
            );
        }
    }
}

#[test]
fn norms_are_over_examples_and_features() {
    let values = Array3::from_shape_vec((2, 2, 2), vec![3.0, 0.0, 0.0, 4.0, 0.0, 0.0, -1.0, 0.0]);
    let gradient = StateGradient {
        name: "h".to_owned(),
        axis: "t".to_owned(),
        values: ArrayD::from(values.unwrap().into_dyn()),
    };
    assert_eq!(gradient.norms().to_vec(), [5.0, 1.0]);
    assert_eq!(
        gradient.norms_of_examples(),
        ndarray::arr2(&[[3.0, 4.0], [0.0, 1.0]])
    );
}
