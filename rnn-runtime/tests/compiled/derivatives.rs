//! Derivatives along directions, by inputs and of the gradient: against the interpreter, against differences, and against each
//! other.

use ndarray::Array3;
use rnn_ir::autodiff::{Wrt, differentiate, differentiate_by_states, linearize};
use rnn_ir::graph::ResultKind;
use rnn_ir::interp::{Env, Results, Tensor, evaluate};
use rnn_ir::state::carry_state;
use rnn_ir::verify::verify;
use rnn_jit::JitError;
use rnn_runtime::{
    CallError, Compiled, Direction, InputView, Inputs, Model, NonFinite, Options, Tensors, compile,
    init_params,
};

use crate::models::*;
use crate::oracle::{TOLERANCE, assert_close, bound};

/// Of differences in f32 at a distance of 2^-6: their own error is of second order in it.
const DIFFERENCE: f32 = 2e-3;

/// Two orders of summation of some hundred products in f32.
const ROUNDING: f32 = 1e-4;

const STEPS: usize = 5;

/// One part, and three of them.
const BATCHES: [usize; 2] = [3, 49];

fn lengths(batch: usize) -> Vec<usize> {
    (0..batch).map(|row| (row * 7 + 3) % (STEPS + 1)).collect()
}

fn wide(view: InputView<'_>) -> Tensor {
    match view {
        InputView::Real(view) => {
            let data: Vec<f64> = view.iter().map(|value| f64::from(*value)).collect();
            Tensor::real(view.shape(), data)
        }
        InputView::Index(view) => {
            Tensor::index(view.shape(), view.iter().copied().collect::<Vec<_>>())
        }
    }
}

struct Case {
    x: Array3<f32>,
    y: ndarray::Array2<u32>,
    lengths: Vec<usize>,
    params: BidirectionalParams,
}

impl Case {
    fn new(batch: usize) -> Self {
        Self {
            x: reals((STEPS, batch, 3), 1),
            y: tokens((STEPS, batch), 6, 2),
            lengths: lengths(batch),
            params: init_params(&BIDIRECTIONAL, 3).expect("draws"),
        }
    }

    fn inputs(&self) -> rnn_runtime::Batch<'_, BidirectionalInputs<'_>, BidirectionalState> {
        BidirectionalInputs { x: self.x.view() }.lengths(&self.lengths)
    }

    fn targets(&self) -> BidirectionalTargets<'_> {
        BidirectionalTargets { y: self.y.view() }
    }

    fn direction(&self, seed: u64) -> BidirectionalParams {
        init_params(&BIDIRECTIONAL, seed).expect("draws")
    }

    // Inputs, targets, weights of a mean, and parameters.
    fn env(&self) -> Env {
        let batch = self.lengths.len();
        let weights = vec![1.0 / batch as f64; batch];
        let mut env = Env::new(batch)
            .with_lengths("T", self.lengths.clone())
            .with_input("x", wide(InputView::Real(self.x.view().into_dyn())))
            .with_input("y", wide(InputView::Index(self.y.view().into_dyn())))
            .with_input("weight", Tensor::real([batch], weights));
        self.params.visit(&mut |name, view| {
            env.params
                .insert(name.to_owned(), wide(InputView::Real(view)));
        });
        env
    }

    // What the interpreter finds, with these directions.
    fn expected(
        &self,
        graph: &rnn_ir::graph::Verified,
        directions: &BidirectionalParams,
        moved: Option<&Array3<f32>>,
    ) -> Results {
        let mut env = self.env();
        if let Some(moved) = moved {
            env = env.with_input("v_x", wide(InputView::Real(moved.view().into_dyn())));
        }
        directions.visit(&mut |name, view| {
            env.inputs
                .insert(format!("v_{name}"), wide(InputView::Real(view)));
        });
        evaluate(graph, &env).expect("evaluates")
    }
}

fn model() -> Compiled<Bidirectional> {
    compile(BIDIRECTIONAL, Options::default()).expect("compiles")
}

// The sum of products, and that of their sizes.
fn dot(a: &impl Tensors, b: &impl Tensors) -> (f32, f32) {
    let (mut sum, mut size) = (0.0, 1.0);
    a.visit(&mut |name, left| {
        let right = b.tensor(name).expect("of the same names");
        for (left, right) in left.iter().zip(right.iter()) {
            sum += left * right;
            size += (left * right).abs();
        }
    });
    (sum, size)
}

#[track_caller]
fn assert_near(found: f32, expected: f32, tolerance: f32) {
    let error = (found - expected).abs();
    assert!(error <= tolerance, "expected {expected}, found {found}");
}

#[test]
fn tangents_of_outputs_agree_with_the_interpreter() {
    let model = model();
    let graph = linearize(&bound(&BIDIRECTIONAL), &Wrt::params().and_input("x")).expect("forward");
    for batch in BATCHES {
        let case = Case::new(batch);
        let (v, dx) = (case.direction(5), reals((STEPS, batch, 3), 6));
        let expected = case.expected(&graph, &v, Some(&dx));
        let direction = Direction::params(&v).and_input("x", dx.view());
        let moved = model
            .jvp(&case.params, case.inputs(), &direction)
            .expect("runs");
        assert_close(
            "jvp",
            &expected,
            ResultKind::Output,
            "t_o",
            &moved.tangents.o,
        );
        assert_close("jvp", &expected, ResultKind::Output, "o", &moved.outputs.o);
        let plain = model.forward(&case.params, case.inputs()).expect("runs");
        for (found, expected) in moved.outputs.o.iter().zip(&plain.o) {
            assert_near(*found, *expected, TOLERANCE as f32);
        }
    }
}

#[test]
fn a_slope_is_the_gradient_along_a_direction() {
    let model = model();
    for batch in BATCHES {
        let case = Case::new(batch);
        let (v, dx) = (case.direction(5), reals((STEPS, batch, 3), 6));
        let mut grads = case.params.zeros_like();
        let value = model
            .loss_and_grad(&case.params, case.inputs(), case.targets(), &mut grads)
            .expect("runs");
        let by = model
            .input_gradients(&case.params, case.inputs(), case.targets(), &["x"])
            .expect("runs");
        assert_near(by.loss, value.loss, TOLERANCE as f32);
        let by = by.get("x").expect("asked for");
        let along: f32 = by.iter().zip(&dx).map(|(a, b)| a * b).sum();
        let (sum, size) = dot(&grads, &v);

        let params = Direction::params(&v);
        let all = params.clone().and_input("x", dx.view());
        let slope = |direction: &Direction<'_, BidirectionalParams>| {
            let found = model.loss_jvp(&case.params, case.inputs(), case.targets(), direction);
            let (loss, slope) = found.expect("runs");
            assert_near(loss, value.loss, TOLERANCE as f32);
            slope
        };
        assert_near(slope(&params), sum, ROUNDING * size);
        assert_near(
            slope(&Direction::input("x", dx.view())),
            along,
            ROUNDING * size,
        );
        assert_near(slope(&all), sum + along, ROUNDING * size);
    }
}

#[test]
fn a_slope_is_a_difference_quotient() {
    let model = model();
    let case = Case::new(3);
    let v = case.direction(5);
    let distance = 1.0 / 64.0;
    let at = |by: f32| {
        let mut params = case.params.clone();
        params.zip_mut(&v, &mut |_, mut to, own| to.scaled_add(by, &own));
        let mut grads = params.zeros_like();
        let value = model.loss_and_grad(&params, case.inputs(), case.targets(), &mut grads);
        (value.expect("runs").loss, grads)
    };
    let (above, below) = (at(distance), at(-distance));
    let (_, slope) = model
        .loss_jvp(
            &case.params,
            case.inputs(),
            case.targets(),
            &Direction::params(&v),
        )
        .expect("runs");
    assert_near(slope, (above.0 - below.0) / (2.0 * distance), DIFFERENCE);

    let mut product = case.params.zeros_like();
    product.fill(7.0);
    model
        .hvp(
            &case.params,
            case.inputs(),
            case.targets(),
            &v,
            &mut product,
        )
        .expect("runs");
    product.visit(&mut |name, found| {
        let above = above.1.tensor(name).expect("of the same names");
        let below = below.1.tensor(name).expect("of the same names");
        for ((found, above), below) in found.iter().zip(above.iter()).zip(below.iter()) {
            assert_near(*found, (above - below) / (2.0 * distance), DIFFERENCE);
        }
    });
}

#[test]
fn a_product_with_the_hessian_agrees_with_the_interpreter_and_is_symmetric() {
    let model = model();
    let graph = differentiate(&bound(&BIDIRECTIONAL), &Wrt::params()).expect("a loss");
    let graph = linearize(&graph, &Wrt::params()).expect("forward");
    for batch in BATCHES {
        let case = Case::new(batch);
        let (u, v) = (case.direction(5), case.direction(6));
        let product = |of: &BidirectionalParams| {
            let mut product = of.zeros_like();
            let loss = model.hvp(
                &case.params,
                case.inputs(),
                case.targets(),
                of,
                &mut product,
            );
            (loss.expect("runs"), product)
        };
        let (loss, by_u) = product(&u);
        let (_, by_v) = product(&v);
        let expected = case.expected(&graph, &u, None);
        assert_close("hvp", &expected, ResultKind::BatchLoss, "loss", &[loss]);
        by_u.visit(&mut |name, found| {
            let name = format!("t_d_{name}");
            assert_close("hvp", &expected, ResultKind::Output, &name, &found);
        });
        let (left, size) = dot(&by_u, &v);
        let (right, _) = dot(&by_v, &u);
        assert_near(left, right, ROUNDING * size);
    }
}

#[test]
fn gradients_of_inputs_agree_with_the_interpreter_and_are_zero_past_the_end() {
    let model = model();
    let graph = bound(&BIDIRECTIONAL);
    let graph = differentiate(&graph, &Wrt::default().and_input("x")).expect("a loss");
    for batch in BATCHES {
        let case = Case::new(batch);
        let expected = case.expected(&graph, &case.params.zeros_like(), None);
        let found = model
            .input_gradients(&case.params, case.inputs(), case.targets(), &["x", "x"])
            .expect("runs");
        assert_eq!(found.gradients.len(), 1);
        let by = found.get("x").expect("asked for");
        assert_close("input", &expected, ResultKind::Gradient, "x", by);
        for (row, length) in case.lengths.iter().enumerate() {
            let past = (*length..STEPS).flat_map(|t| (0..3).map(move |i| [t, row, i]));
            assert!(past.into_iter().all(|at| by[at.as_slice()] == 0.0));
        }
    }
}

#[test]
fn gradients_of_states_agree_with_the_interpreter_and_are_zero_past_the_end() {
    let model = model();
    let graph = verify(carry_state(&bound(&BIDIRECTIONAL)).expect("carries")).expect("is valid");
    let graph = differentiate_by_states(&graph).expect("a loss");
    for batch in BATCHES {
        let case = Case::new(batch);
        let found = model
            .state_gradients(&case.params, case.inputs(), case.targets())
            .expect("runs");
        // What looks ahead is not carried.
        assert_eq!(found.states.len(), 1);
        let by = found.get("forward.h").expect("is carried");
        let mut env = case.env();
        let fresh = Tensor::bool([batch], vec![true; batch]);
        let nothing = Tensor::real([batch, 4], vec![0.0; batch * 4]);
        env = env.with_input("fresh", fresh);
        env = env.with_input("state.forward.h", nothing);
        let expected = evaluate(&graph, &env).expect("evaluates");
        let name = "forward.h";
        assert_close("states", &expected, ResultKind::Gradient, name, &by.values);
        for (row, length) in case.lengths.iter().enumerate() {
            let past = (*length..STEPS).flat_map(|t| (0..4).map(move |i| [t, row, i]));
            assert!(past.into_iter().all(|at| by.values[at.as_slice()] == 0.0));
        }
    }
}

// What a limit of one byte would have to be.
fn needed<R>(with: impl Fn(usize) -> Result<R, CallError>) -> usize {
    match with(1) {
        Err(CallError::Jit(JitError::MemoryLimit {
            needed, limit: 1, ..
        })) => needed,
        Err(other) => panic!("expected a memory limit, found {other}"),
        Ok(_) => panic!("a byte is not enough"),
    }
}

// A derivative runs in what an error says that it needs, not in a byte less, and is what it is without a limit.
fn holds<R>(what: &str, with: impl Fn(usize) -> Result<R, CallError>, same: impl Fn(&R, &R)) {
    let least = needed(&with);
    assert!(with(least - 1).is_err(), "{what}: less than {least}");
    let (limited, free) = (with(least), with(usize::MAX));
    same(&limited.expect("fits"), &free.expect("fits"));
}

#[test]
fn a_memory_limit_holds_for_derivatives() {
    let case = Case::new(49);
    let (v, dx) = (case.direction(5), reals((STEPS, 49, 3), 6));
    let model =
        |limit| compile(BIDIRECTIONAL, Options::default().memory_limit(limit)).expect("compiles");
    let near = |found: &[f32], expected: &[f32]| {
        for (found, expected) in found.iter().zip(expected) {
            assert_near(*found, *expected, ROUNDING);
        }
    };
    let direction = Direction::params(&v).and_input("x", dx.view());
    holds(
        "jvp",
        |limit| {
            let moved = model(limit).jvp(&case.params, case.inputs(), &direction)?;
            Ok(moved.tangents.o.into_raw_vec_and_offset().0)
        },
        |found, expected| near(found, expected),
    );
    holds(
        "loss_jvp",
        |limit| model(limit).loss_jvp(&case.params, case.inputs(), case.targets(), &direction),
        |found, expected| near(&[found.0, found.1], &[expected.0, expected.1]),
    );
    holds(
        "hvp",
        |limit| {
            let mut product = v.zeros_like();
            let (inputs, targets) = (case.inputs(), case.targets());
            model(limit).hvp(&case.params, inputs, targets, &v, &mut product)?;
            Ok(product)
        },
        |found, expected| {
            found.visit(&mut |name, found| {
                let expected = expected.tensor(name).expect("of the same names");
                for (found, expected) in found.iter().zip(expected.iter()) {
                    assert_near(*found, *expected, ROUNDING);
                }
            });
        },
    );
    holds(
        "input_gradients",
        |limit| {
            let model = model(limit);
            let by = model.input_gradients(&case.params, case.inputs(), case.targets(), &["x"])?;
            Ok(by
                .get("x")
                .expect("asked for")
                .iter()
                .copied()
                .collect::<Vec<f32>>())
        },
        |found, expected| near(found, expected),
    );
}

#[test]
fn derivatives_do_not_depend_on_threads() {
    let case = Case::new(49);
    let v = case.direction(5);
    let on = |threads: usize| {
        let options = Options::default().threads(threads);
        let model = compile(BIDIRECTIONAL, options).expect("compiles");
        let mut product = v.zeros_like();
        let (inputs, targets) = (case.inputs(), case.targets());
        model
            .hvp(&case.params, inputs, targets, &v, &mut product)
            .expect("runs");
        let direction = Direction::params(&v);
        let slope = model.loss_jvp(&case.params, case.inputs(), case.targets(), &direction);
        (product, slope.expect("runs"))
    };
    assert_eq!(on(1), on(2));
}

#[test]
fn a_model_of_tokens_moves_with_its_parameters() {
    let model = compile(GREEDY, Options::default()).expect("compiles");
    let params = init_params(&GREEDY, 3).expect("draws");
    let v = init_params(&GREEDY, 4).expect("draws");
    let x = reals((4, 2, 3), 1);
    let moved = model
        .jvp(
            &params,
            GreedyInputs { x: x.view() },
            &Direction::params(&v),
        )
        .expect("runs");
    assert!(moved.tangents.y.iter().all(|token| *token == 0));
    let error = model.jvp(
        &params,
        GreedyInputs { x: x.view() },
        &Direction::input("z", x.view()),
    );
    let text = error.expect_err("no such input").to_string();
    assert_eq!(
        text,
        "model `Greedy` has no input `z`; it has derivatives by `x`"
    );
}

#[test]
fn directions_that_do_not_fit_are_refused() {
    let lm = compile(CHAR_LM, Options::default().nonfinite(NonFinite::Error)).expect("compiles");
    let params = init_params(&CHAR_LM, 3).expect("draws");
    let now = tokens((3, 2), CharLm::sizes(&CHAR_LM)[0].1 as u32, 1);
    let dx = reals((3, 2, 1), 1);
    let tokens = Direction::input("now", dx.view());
    let error = lm.jvp(&params, CharLmInputs { now: now.view() }, &tokens);
    assert!(
        matches!(error, Err(CallError::NoDerivative { .. })),
        "{error:?}"
    );

    let model = model();
    let case = Case::new(3);
    let short = reals((STEPS - 1, 3, 3), 1);
    let short = Direction::input("x", short.view());
    let error = model.jvp(&case.params, case.inputs(), &short);
    let text = error.expect_err("too few steps").to_string();
    assert_eq!(
        text,
        "input `v_x`: expected shape [T, B, 3], found [4, 3, 3]"
    );
}
