//! Second derivatives: the gradients of a model, squared and summed, are a loss like any other.

use rnn_ir::autodiff::{Wrt, differentiate};
use rnn_ir::builder::Builder;
use rnn_ir::graph::{Graph, ResultKind, Verified};
use rnn_ir::op::Over;
use rnn_ir::verify::verify;

/// A model whose loss is the sum of the squares of all gradients that a graph has.
pub(crate) fn squared_gradients(graph: &Verified) -> Verified {
    let mut start = Graph::clone(graph);
    start.results.clear();
    let mut b = Builder::extend(start);
    let mut total = b.constant(0.0, Default::default());
    for result in graph.results_of(ResultKind::Gradient) {
        let square = b.mul(result.node, result.node).unwrap();
        let sum = b.sum_features(square).unwrap();
        let time = b.ty(sum).domain.time_axes().collect();
        let sum = b.axis_reduce(Over::Sum, sum, time).unwrap();
        total = b.add(total, sum).unwrap();
    }
    b.result(ResultKind::Loss, "loss", total);
    verify(b.finish()).unwrap()
}

/// The gradient of the squares of all gradients of a model.
pub(crate) fn twice(model: &Verified) -> Verified {
    let once = differentiate(model, &Wrt::everything(model)).unwrap();
    let squares = squared_gradients(&once);
    differentiate(&squares, &Wrt::everything(&squares)).unwrap()
}
