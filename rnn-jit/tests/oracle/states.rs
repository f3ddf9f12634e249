//! What generated surroundings lack for a graph whose states are explicit.

use rnn_ir::autodiff::check::with_weights;
use rnn_ir::generate::Draw;
use rnn_ir::graph::Verified;
use rnn_ir::interp::{Env, Tensor, dims};
use rnn_ir::node::DType;
use rnn_ir::op::Role;

/// The weights of a derivative, states and the flags of examples that start anew.
pub(crate) fn with_states(graph: &Verified, env: &Env, draw: &mut Draw) -> Env {
    let mut env = with_weights(graph, env);
    for (id, name, role) in graph.inputs() {
        if env.inputs.contains_key(name) {
            continue;
        }
        let dims = dims(graph, &env, id).expect("bound");
        let len = dims.iter().product();
        let value = match (role, graph.nodes[id].ty.dtype) {
            (Role::Fresh, _) => {
                Tensor::bool(dims, (0..len).map(|_| !draw.once_in(3)).collect::<Vec<_>>())
            }
            (_, DType::Index) => Tensor::index(dims, vec![0; len]),
            _ => Tensor::real(dims, draw.reals(len, -1.0, 1.0)),
        };
        env.inputs.insert(name.to_owned(), value);
    }
    env
}
