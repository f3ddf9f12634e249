//! A batch in parts: the same bits on any number of threads, and the same numbers as its examples one by one.

use rnn_runtime::{
    Batch, BatchSize, Compiled, Inputs, Model, Options, Program, Reduction, Tensors,
};
use rnn_runtime::{compile, init_params};

use crate::models::*;

const STEPS: usize = 9;

/// Divides into three parts of unequal size.
const EXAMPLES: usize = 49;

// Enough work for another thread to be started, at 11 tokens.
const LARGE: CharLm = CharLm {
    V: 11,
    E: 17,
    H: 61,
};

fn lengths() -> Vec<usize> {
    (0..EXAMPLES).map(|row| row * 7 % (STEPS + 1)).collect()
}

fn on(threads: usize) -> Compiled<CharLm> {
    let options = Options::default()
        .threads(threads)
        .reduction(Reduction::Tokens);
    compile(LARGE, options).expect("compiles")
}

type State = <CharLm as Model>::State;

type Everything = (f32, CharLmParams, State, CharLmOutputs, Vec<f32>, State);

fn everything(model: &Compiled<CharLm>) -> Everything {
    let params = init_params(&LARGE, 3).expect("draws");
    let (now, next) = (
        tokens((STEPS, EXAMPLES), 11, 1),
        tokens((STEPS, EXAMPLES), 11, 2),
    );
    let lengths = lengths();
    let inputs = || CharLmInputs { now: now.view() }.lengths(&lengths);
    let targets = || CharLmTargets { next: next.view() };
    let mut grads = params.zeros_like();
    let first = model
        .loss_and_grad(&params, inputs(), targets(), &mut grads)
        .expect("runs");
    // Some examples go on from where they were, some start anew.
    let fresh: Vec<bool> = (0..EXAMPLES).map(|row| row % 3 == 0).collect();
    let batch = Batch::new(CharLmInputs { now: now.view() })
        .lengths(&lengths)
        .state(&first.state)
        .fresh(&fresh);
    let second = model
        .forward_with_state(&params, batch.clone())
        .expect("runs");
    let losses = model.losses(&params, batch, targets()).expect("runs");
    (
        first.loss,
        grads,
        first.state,
        second.outputs,
        losses,
        second.state,
    )
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let alone = everything(&on(1));
    for threads in [2, 3, 8] {
        let model = on(threads);
        for _ in 0..5 {
            assert!(everything(&model) == alone, "{threads} threads");
        }
    }
}

#[test]
fn a_batch_is_the_sum_of_its_examples() {
    let (loss, grads, state, outputs, losses, _) = everything(&on(2));
    let params = init_params(&LARGE, 3).expect("draws");
    let model = compile(LARGE, Options::default().reduction(Reduction::Sum)).expect("compiles");
    let (now, next) = (
        tokens((STEPS, EXAMPLES), 11, 1),
        tokens((STEPS, EXAMPLES), 11, 2),
    );
    let lengths = lengths();
    let total: usize = lengths.iter().sum();
    let mut sum = 0.0;
    let mut grad_sum = params.zeros_like();
    for (row, length) in lengths.iter().copied().enumerate() {
        let (now, next) = (
            now.slice(ndarray::s![.., row..=row]),
            next.slice(ndarray::s![.., row..=row]),
        );
        let own = [length];
        let inputs = CharLmInputs { now }.lengths(&own);
        let mut grads = params.zeros_like();
        let one = model
            .loss_and_grad(&params, inputs.clone(), CharLmTargets { next }, &mut grads)
            .expect("runs");
        let weight = own[0] as f32 / total as f32;
        sum += one.loss * weight;
        grad_sum.zip_mut(&grads, &mut |_, mut sum, own| sum.scaled_add(weight, &own));
        let same = |a: Option<ndarray::ArrayViewD<'_, f32>>, b: &State| {
            let whole = b.tensor("lstm.h").expect("a state");
            assert_eq!(a.expect("a state").row_of(0), whole.row_of(row), "{row}");
        };
        same(one.state.tensor("lstm.h"), &state);
        let forward = model.forward(&params, inputs).expect("runs");
        for t in 0..own[0] {
            let (one, whole) = (forward.logits.slice(ndarray::s![t, 0, ..]), &outputs.logits);
            if row % 3 == 0 {
                assert_eq!(one, whole.slice(ndarray::s![t, row, ..]), "{row}");
            }
        }
    }
    assert_eq!(losses.len(), EXAMPLES);
    assert!((loss - sum).abs() < 1e-5, "{loss} and {sum}");
    grad_sum.zip_mut(&grads, &mut |name, sum, whole| {
        let largest = sum.iter().fold(0.0f32, |most, value| most.max(value.abs()));
        let apart = (sum.iter().zip(whole)).fold(0.0f32, |most, (a, b)| most.max((a - b).abs()));
        assert!(
            apart <= 2e-5 * largest.max(1e-3),
            "{name}: {apart} of {largest}"
        );
    });
}

trait RowOf {
    fn row_of(&self, row: usize) -> Vec<f32>;
}

impl RowOf for ndarray::ArrayViewD<'_, f32> {
    fn row_of(&self, row: usize) -> Vec<f32> {
        self.index_axis(ndarray::Axis(0), row)
            .iter()
            .copied()
            .collect()
    }
}

#[test]
fn a_memory_limit_keeps_to_one_thread_and_gives_the_same() {
    let options = Options::default()
        .memory_limit(64 << 20)
        .reduction(Reduction::Tokens);
    let limited = compile(LARGE, options).expect("compiles");
    assert!(everything(&limited) == everything(&on(3)));
    assert_eq!(limited.spec().sizes().len(), 3);
}

#[test]
fn a_long_memory_divides_a_batch_further_and_bits_do_not_depend_on_threads() {
    const EXAMPLES: usize = 24;
    const WORDS: usize = 1200;
    let params = init_params(&TRANSLATE, 3).expect("draws");
    let (src, tgt) = (tokens((WORDS, EXAMPLES), 7, 1), tokens((3, EXAMPLES), 9, 2));
    let on = |options: Options| compile(TRANSLATE, options).expect("compiles");
    let parts = |steps| {
        let size = BatchSize::new(EXAMPLES).steps("j", steps).steps("t", 3);
        let bytes = on(Options::default().threads(8)).bytes(Program::Gradient, &size);
        bytes.expect("fits").workspaces
    };
    // Of a short memory, sixteen examples stay in the caches.
    assert_eq!([parts(9), parts(WORDS)], [1, 4]);
    let run = |options: Options| {
        let model = on(options);
        let inputs = || TranslateInputs { src: src.view() };
        let targets = || TranslateTargets { tgt: tgt.view() };
        let mut grads = params.zeros_like();
        let value = model.loss_and_grad(&params, inputs(), targets(), &mut grads);
        let losses = model.losses(&params, inputs(), targets()).expect("runs");
        (value.expect("runs").loss, grads, losses)
    };
    let alone = run(Options::default().threads(1));
    for threads in [2, 3, 8] {
        let other = run(Options::default().threads(threads));
        assert!(other == alone, "{threads} threads");
    }
    // A limit that is none divides as without.
    let (loss, _, losses) = run(Options::default().memory_limit(64 << 20));
    assert_eq!((loss.to_bits(), losses), (alone.0.to_bits(), alone.2));
}
