//! Models and prompts that nothing can be generated from.

use ndarray::Array3;
use rnn::error::{GenerateError, SampleError};
use rnn::{CallError, Program};

use crate::*;

#[test]
fn models_that_say_no_tokens() {
    let (model, params) = follow();
    let x = Array3::zeros((2, 1, 2));
    fails!(
        model.generate(
            &params,
            FollowInputs { x: x.view() },
            Generate::greedy().max_steps(3)
        ),
        GenerateError::NoToken { .. },
        "model `Follow` has no `feedback`",
        "one input must hold the last token"
    );
    let spec = Series { H: 3 };
    let model = spec.compile(Options::default()).unwrap();
    let params = SeriesParams::init(&spec, 1).unwrap();
    fails!(
        model.generate(
            &params,
            SeriesInputs { x: x.view() },
            Generate::greedy().max_steps(3)
        ),
        GenerateError::Decode { .. },
        "model `Series` cannot generate tokens",
        "no `argmax(..)`",
        "run it freely with `forward`"
    );
    let spec = Beside { V: 2 };
    let model = spec.compile(Options::default()).unwrap();
    let params = BesideParams::init(&spec, 1).unwrap();
    let now = Array2::zeros((2, 1));
    let inputs = BesideInputs {
        now: now.view(),
        x: x.view(),
    };
    fails!(
        model.generate(&params, inputs, Generate::greedy().max_steps(3)),
        GenerateError::OpenInput { .. },
        "model `Beside` reads input `x` at every step"
    );
}

#[test]
fn prompts_and_logits_that_are_none() {
    let (model, mut params) = say();
    let generate = |params: &SayParams, now: &Array2<u32>, how: Generate| {
        model.generate(params, SayInputs { now: now.view() }, how.max_steps(3))
    };
    fails!(
        generate(&params, &tokens(0, 2), Generate::greedy()),
        GenerateError::EmptyPrompt { .. },
        "prompt of example 0 is empty",
        "start token"
    );
    fails!(
        generate(&params, &Array2::from_elem((2, 1), 5), Generate::greedy()),
        GenerateError::Call(CallError::Token { .. }),
        "`now`",
        "below 5, found 5"
    );
    fails!(
        generate(&params, &tokens(2, 1), Generate::beam(0)),
        GenerateError::Setting { .. },
        "beam",
        "0"
    );
    params.E.fill(f32::NAN);
    fails!(
        generate(&params, &tokens(2, 1), Generate::sampled()),
        GenerateError::Sample(SampleError::NonFinite { .. }),
        "logit 0 is NaN",
        "finite"
    );
}

#[test]
fn what_the_compilation_of_a_step_says_is_what_generation_says() {
    // No model is known whose step does not compile where the model does.
    let (model, _) = say();
    let error = model.ir_after(Program::Forward, "shrink").unwrap_err();
    let told = error.to_string();
    let of_generation = GenerateError::from(Box::new(error));
    assert!(matches!(&of_generation, GenerateError::Compile(_)));
    assert_eq!(of_generation.to_string(), told);
}
