//! The reference interpreter on the values of a call.

use rnn_ir::autodiff::{Wrt, differentiate};
use rnn_ir::bind::bind;
use rnn_ir::graph::{ResultKind, Verified};
use rnn_ir::interp::{Env, Results, Tensor, evaluate};
use rnn_ir::text::parse;
use rnn_ir::verify::verify;
use rnn_runtime::{InputView, Inputs, Model, Tensors};

/// Relative to the largest magnitude of a result: sums of a few hundred terms in f32 (2^-24 each), through recurrences
/// that carry an error over a few steps.
pub(crate) const TOLERANCE: f64 = 2e-5;

pub(crate) fn bound<M: Model>(spec: &M) -> Verified {
    let graph = verify(parse(M::IR).expect("a sample")).expect("valid");
    bind(&graph, &spec.sizes()).expect("sizes are positive")
}

fn tensor(view: &InputView<'_>) -> Tensor {
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

/// Outputs, losses, batch loss and gradients, by definition.
pub(crate) fn results<'a, M: Model>(
    spec: &M,
    params: &M::Params,
    inputs: &M::Inputs<'a>,
    targets: &M::Targets<'a>,
    lengths: &[(&str, Vec<usize>)],
    weights: &[f32],
) -> Results {
    let graph = differentiate(&bound(spec), &Wrt::params()).expect("differentiable");
    let mut env = Env::new(weights.len());
    for (name, own) in lengths {
        env = env.with_lengths(*name, own.clone());
    }
    inputs.visit(&mut |name, view| {
        env.inputs.insert(name.to_owned(), tensor(&view));
    });
    targets.visit(&mut |name, view| {
        env.inputs.insert(name.to_owned(), tensor(&view));
    });
    params.visit(&mut |name, view| {
        env.params
            .insert(name.to_owned(), tensor(&InputView::Real(view)));
    });
    let weights: Vec<f64> = weights.iter().map(|weight| f64::from(*weight)).collect();
    env = env.with_input("weight", Tensor::real([weights.len()], weights));
    evaluate(&graph, &env).expect("evaluates")
}

pub(crate) fn assert_close<'f>(
    what: &str,
    results: &Results,
    kind: ResultKind,
    name: &str,
    found: impl IntoIterator<Item = &'f f32>,
) {
    let expected = results.get(&kind, name).expect("evaluated").reals();
    let found: Vec<f64> = found.into_iter().map(|value| f64::from(*value)).collect();
    assert_eq!(expected.len(), found.len(), "{what} {name}");
    let scale = expected
        .iter()
        .fold(1.0f64, |most, value| most.max(value.abs()));
    for (at, (expected, found)) in expected.iter().zip(&found).enumerate() {
        assert!(
            (expected - found).abs() <= TOLERANCE * scale,
            "{what} {name}[{at}]: expected {expected}, found {found}"
        );
    }
}

/// Loss and every gradient.
pub(crate) fn assert_gradients<P: Tensors>(what: &str, results: &Results, loss: f32, grads: &P) {
    assert_close(what, results, ResultKind::BatchLoss, "loss", &[loss]);
    grads.visit(&mut |name, view| {
        if results.get(&ResultKind::Gradient, name).is_some() {
            assert_close(what, results, ResultKind::Gradient, name, &view);
        }
    });
}
