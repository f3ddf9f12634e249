//! Training or inference: a graph in which that is decided.
//!
//! A model with random numbers or statistics of a batch is one graph for both, in which the input of [`Role::Training`]
//! chooses. A program is for one of them, so the choice is made before it is compiled: what is not chosen is gone, and
//! inference costs what the model costs without random numbers and statistics.
//!
//! **Invariant:** no input of [`Role::Training`] is left; in inference none of [`Role::Seed`] and no next value of a running
//! parameter either.

use crate::graph::{Graph, ResultKind};
use crate::node::NodeId;
use crate::op::{Op, Role};
use crate::rewrite::rebuild;
use crate::typing::TypeError;

/// What a program is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Random numbers are drawn, and statistics are those of the batch.
    Training,
    /// Random numbers have their expectation, and statistics are those that training has kept.
    Inference,
}

/// Whether a model differs between training and inference.
pub fn has_modes(graph: &Graph) -> bool {
    graph.inputs().any(|(.., role)| role == Role::Training)
}

/// Whether a model draws random numbers.
pub fn is_random(graph: &Graph) -> bool {
    let seed = |role| matches!(role, Role::Seed(_));
    graph.inputs().any(|(.., role)| seed(role))
}

/// The equations of a mode.
///
/// # Errors
/// None for a verified graph.
pub fn in_mode(graph: &Graph, mode: Mode) -> Result<Graph, TypeError> {
    let mut graph = graph.clone();
    graph
        .results
        .retain(|result| mode == Mode::Training || result.kind != ResultKind::Running);
    rebuild(&graph, |r, id| match &r.old.nodes[id].op {
        Op::Select(condition, training, inference) if is_choice(r.old, *condition) => {
            Ok(r.at(match mode {
                Mode::Training => *training,
                Mode::Inference => *inference,
            }))
        }
        _ => r.keep(id),
    })
}

// Whether a condition is that the model is trained, for every element.
fn is_choice(graph: &Graph, mut condition: NodeId) -> bool {
    loop {
        match &graph.nodes[condition].op {
            Op::Expand { x, .. } | Op::Broadcast { x, .. } => condition = *x,
            Op::Input { role, .. } => return *role == Role::Training,
            _ => return false,
        }
    }
}
