//! Calls that do not fit the model.

use ndarray::Array3;
use rnn::{CallError, CompileError, Direction, Feedback, Program, StreamError};

use crate::*;

#[test]
fn numbers_of_examples_and_steps_that_nothing_says() {
    let spec = Count { H: 3 };
    let model = spec.compile(Options::default()).unwrap();
    let params = CountParams::init(&spec, 1).unwrap();
    fails!(
        model.forward(&params, CountInputs::default()),
        CallError::NoExamples { .. },
        "model `Count`",
        "by giving their lengths"
    );
    let spec = Unfold { H: 3 };
    let model = spec.compile(Options::default()).unwrap();
    let params = UnfoldParams::init(&spec, 1).unwrap();
    let c = Array2::zeros((2, 3));
    fails!(
        model.forward(&params, UnfoldInputs { c: c.view() }),
        CallError::MissingLengths { .. },
        "runs over `t`",
        "`lengths_of(\"t\", ..)`"
    );
    let spec = Five { H: 3 };
    let model = spec.compile(Options::default()).unwrap();
    let params = FiveParams::init(&spec, 1).unwrap();
    let x = Array3::zeros((4, 2, 3));
    fails!(
        model.forward(&params, FiveInputs { x: x.view() }),
        CallError::FixedAxis { .. },
        "axis `t` has 5 steps",
        "found 4 in `x`"
    );
    fails!(
        model.stream(&params),
        StreamError::Axes { .. },
        "model `Five`",
        "one time axis",
        "t in 1..=5"
    );
}

#[test]
fn losses_that_there_are_not() {
    let spec = Unfold { H: 3 };
    let model = spec.compile(Options::default()).unwrap();
    let params = UnfoldParams::init(&spec, 1).unwrap();
    let c = Array2::zeros((2, 3));
    let inputs = UnfoldInputs { c: c.view() }.lengths(&[1, 1]);
    fails!(
        model.loss(&params, inputs, UnfoldTargets::default()),
        CallError::NoLoss { .. },
        "model `Unfold` has no loss",
        "add a `loss`"
    );
    fails!(
        model.clif(Program::Gradient),
        CompileError::NoLoss { .. },
        "model `Unfold` has no loss",
        "gradient"
    );
    fails!(
        model.ir_after(Program::Forward, "shrink"),
        CompileError::UnknownPass { .. },
        "`shrink`",
        "fuse_gates"
    );
}

#[test]
fn feedback_that_a_call_cannot_have() {
    let (model, params) = follow();
    let x = Array3::<f32>::zeros((4, 2, 2));
    let inputs = || FollowInputs { x: x.view() };
    let targets = || FollowTargets { y: x.view() };
    let own = Batch::new(inputs()).feedback(Feedback::Own);
    fails!(
        model.loss(&params, own, targets()),
        CallError::NoFeedback { .. },
        "model `Follow` has no `feedback`",
        "leave `Batch::feedback` out"
    );
    let direction = Direction::params(&params);
    let own = Batch::new(inputs()).feedback(Feedback::Own);
    fails!(
        model.loss_jvp(&params, own, targets(), &direction),
        CallError::OnlyForced { .. },
        "without `.feedback(..)`",
        "model `Follow`"
    );
    let model = RECITE.compile(Options::default()).unwrap();
    let params = ReciteParams::init(&RECITE, 1).unwrap();
    let about = Array2::zeros((2, 3));
    let next = tokens(4, 2);
    let batch = |probability: f32| {
        let inputs = ReciteInputs {
            about: about.view(),
        };
        let feedback = Feedback::sampled(probability, 1, 0);
        inputs.lengths(&[4, 4]).feedback(feedback)
    };
    fails!(
        model.forward(&params, batch(0.5)),
        CallError::FeedbackWithoutTargets { .. },
        "model `Recite`",
        "use `forward_with_targets`"
    );
    let targets = ReciteTargets { next: next.view() };
    fails!(
        model.loss(&params, batch(1.5), targets),
        CallError::Probability { .. },
        "is 1.5",
        "in 0..=1"
    );
}

#[test]
fn streams_of_other_rows_and_parameters() {
    let (model, params) = say();
    let mut stream = model.stream_batch(&params, 2).unwrap();
    fails!(
        stream.reset_row(2),
        CallError::Row { .. },
        "row 2",
        "a batch of 2"
    );
    let other = SayParams::init(&Say { H: 4, ..SAY }, 1).unwrap();
    fails!(
        model.stream(&other),
        StreamError::Call(CallError::Params { .. }),
        "`E`",
        "expected [3, 5], found [4, 5]"
    );
}

#[test]
fn what_a_later_compilation_says_is_what_the_call_says() {
    // No model is known whose first programs compile and whose later ones do not.
    let (model, _) = follow();
    let error = model.ir_after(Program::Forward, "shrink").unwrap_err();
    let told = error.to_string();
    let of_call = CallError::from(Box::new(error));
    assert!(matches!(&of_call, CallError::Compile(_)));
    assert_eq!(of_call.to_string(), told);
}
