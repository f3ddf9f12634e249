//! Models written by hand: structs that do not give what the equations read, and texts that are no model.

use ndarray::Array3;
use rnn::{CallError, CompileError, InputView, Inputs, Model, ModelError, Options, Tensors};

use crate::*;

/// Inputs that are never given.
#[derive(Clone, Debug)]
pub(crate) struct Silent<'a>(std::marker::PhantomData<&'a ()>);

impl<'a> Inputs<'a> for Silent<'a> {
    fn visit(&self, _: &mut dyn FnMut(&'static str, InputView<'a>)) {}
    fn from_views(_: &mut dyn FnMut(&'static str) -> Option<InputView<'a>>) -> Option<Self> {
        Some(Self(std::marker::PhantomData))
    }
}

/// Parameters or a state without tensors.
#[derive(Clone, Debug)]
pub(crate) struct Nothing;

impl Tensors for Nothing {
    fn visit<'a>(&'a self, _: &mut dyn FnMut(&str, ndarray::ArrayViewD<'a, f32>)) {}
    fn visit_mut<'a>(&'a mut self, _: &mut dyn FnMut(&str, ndarray::ArrayViewMutD<'a, f32>)) {}
    fn from_tensors(_: &mut dyn FnMut(&str) -> ndarray::ArrayD<f32>) -> Self {
        Self
    }
}

// A model whose equations are those of `Follow`, or others.
macro_rules! by_hand {
    ($name:ident, $ir:expr, $params:ident, $inputs:ident, $state:ident) => {
        #[derive(Clone, Copy, Debug)]
        struct $name;

        impl Model for $name {
            const NAME: &'static str = stringify!($name);
            const IR: &'static str = $ir;
            type Params = $params;
            type Inputs<'a> = $inputs<'a>;
            type Targets<'a> = FollowTargets<'a>;
            type Outputs = FollowOutputs;
            type State = $state;
            fn sizes(&self) -> Vec<(&'static str, usize)> {
                vec![("I", 2), ("H", 3)]
            }
        }
    };
}

by_hand!(Careless, Follow::IR, FollowParams, Silent, FollowState);
by_hand!(Forgetful, Follow::IR, FollowParams, FollowInputs, Nothing);
by_hand!(NoModel, "model", Nothing, FollowInputs, FollowState);
// What is read at the step itself.
by_hand!(
    Circle,
    "model Circle<I, H>\naxis batch: 1..=B\naxis t: 1..=T\n%0 = input x : [batch, t] [I]\n%1 \"h\" = add %0, %2 : [batch, t] [I]\n%2 \"g\" = tanh %1 : [batch, t] [I]\noutput o = %1\n",
    Nothing,
    FollowInputs,
    Nothing
);
by_hand!(
    Drawless,
    "model Drawless<I, H>\naxis batch: 1..=B\naxis t: 1..=T\n%0 = input x : [batch, t] [I]\n%1 = param W ~ xavier : [] [I]\n%2 \"h\" = add %0, %1 : [batch, t] [I]\noutput o = %2\n",
    Nothing,
    FollowInputs,
    Nothing
);

#[test]
fn structs_that_do_not_give_what_equations_read() {
    let params = FollowParams::init(&FOLLOW, 1).unwrap();
    let careless = rnn::compile(Careless, Options::default()).unwrap();
    let silent = Silent(std::marker::PhantomData);
    fails!(
        careless.forward(&params, silent),
        CallError::MissingInput { .. },
        "input `x` is not given",
        "its struct does not visit it"
    );
    let forgetful = rnn::compile(Forgetful, Options::default()).unwrap();
    let x = Array3::zeros((4, 1, 2));
    let inputs = FollowInputs { x: x.view() };
    fails!(
        forgetful.forward(&params, inputs.state(&Nothing)),
        CallError::MissingState { .. },
        "state `h` is not given",
        "its struct does not visit it"
    );
}

#[test]
fn texts_that_are_no_model() {
    fails!(
        rnn::compile(NoModel, Options::default()),
        CompileError::Model(ModelError::Parse { .. }),
        "NoModel",
        "expected"
    );
    fails!(
        rnn::compile(Circle, Options::default()),
        CompileError::Model(ModelError::Invalid { .. }),
        "Circle",
        "h"
    );
    fails!(
        FOLLOW_WITHOUT_UNITS.compile(Options::default()),
        CompileError::Model(ModelError::Sizes { .. }),
        "Follow",
        "size `H` is 0, expected at least 1"
    );
    fails!(
        rnn::compile(Drawless, Options::default()),
        CompileError::Init { .. },
        "Drawless",
        "unknown initialiser `xavier`",
        "orthogonal"
    );
}

const FOLLOW_WITHOUT_UNITS: Follow = Follow { H: 0, ..FOLLOW };
