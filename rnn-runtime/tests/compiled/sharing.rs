//! One model in many threads gives equal bits.

use std::thread;

use rnn_runtime::{Compiled, Inputs, Options, Tensors, compile, init_params};

use crate::models::*;

const THREADS: usize = 8;

#[test]
fn eight_threads_give_equal_bits() {
    let model = compile(CHAR_LM, Options::default()).expect("compiles");
    let params = init_params(&CHAR_LM, 3).expect("draws");
    let run = |seed: u32| {
        let shape = (3 + seed as usize % 4, 1 + seed as usize % 5);
        let (now, next) = (tokens(shape, 11, seed), tokens(shape, 11, seed + 1));
        let lengths: Vec<usize> = (0..shape.1).map(|row| shape.0 - row % 3).collect();
        let inputs = || CharLmInputs { now: now.view() }.lengths(&lengths);
        let mut grads = params.zeros_like();
        let targets = CharLmTargets { next: next.view() };
        let value = model
            .loss_and_grad(&params, inputs(), targets, &mut grads)
            .expect("runs");
        (
            value.loss,
            grads,
            model.forward(&params, inputs()).expect("runs"),
        )
    };
    let alone: Vec<_> = (0..20).map(run).collect();
    thread::scope(|scope| {
        for offset in 0..THREADS as u32 {
            let (alone, run) = (&alone, &run);
            scope.spawn(move || {
                for at in 0..20 {
                    let seed = (at + 3 * offset) % 20;
                    assert_eq!(run(seed), alone[seed as usize], "thread {offset}");
                }
            });
        }
    });
}

#[test]
fn streams_move_between_threads() {
    let model = compile(CHAR_LM, Options::default()).expect("compiles");
    let params = init_params(&CHAR_LM, 3).expect("draws");
    let mut stream = model.stream(&params).expect("is causal");
    drop((model, params));
    let now = tokens((1, 1), 11, 1);
    let logits = thread::spawn(move || {
        let outputs = stream.step(CharLmInputs { now: now.view() }).expect("runs");
        outputs.logits.clone()
    });
    assert_eq!(logits.join().expect("no panic").shape(), [1, 1, 11]);
}

#[test]
fn the_same_model_is_compiled_once_while_someone_has_it() {
    // Of sizes that no other test has.
    let spec = CharLm { V: 13, ..CHAR_LM };
    let options = || Options::default().threads(2);
    let addresses = |model: &Compiled<CharLm>| -> Vec<usize> {
        let report = model.compile_report();
        let programs = report.programs.iter();
        programs
            .flat_map(|program| program.functions.iter().map(|own| own.address))
            .collect()
    };
    let first = compile(spec, options()).expect("compiles");
    let again = compile(spec, options()).expect("compiles");
    assert_eq!(addresses(&first), addresses(&again));
    // What differs in anything is another model, and so is what is measured for itself.
    let sized = CharLm { V: 14, ..CHAR_LM };
    for other in [
        compile(sized, options()),
        compile(spec, options().threads(1)),
        compile(spec, options().fixed("embed")),
        compile(spec, options().reuse(false)),
        compile(spec, options().profile(true)),
    ] {
        assert_ne!(addresses(&first), addresses(&other.expect("compiles")));
    }
    let [one, two] = [0, 1].map(|_| compile(spec, options().profile(true)).expect("compiles"));
    assert_ne!(addresses(&one), addresses(&two));
    // The code is theirs alone.
    let params = init_params(&spec, 3).expect("draws");
    let now = tokens((4, 2), 13, 1);
    let run = |model: &Compiled<CharLm>| {
        model
            .forward(&params, CharLmInputs { now: now.view() })
            .expect("runs")
    };
    let before = run(&first);
    drop(first);
    assert_eq!(run(&again), before);
}
