//! One step of a loop as a map: the states before it are inputs, those after it are outputs.
//!
//! **Invariant:** everything else that the step reads is computed as in the model, so at every step, and for every example,
//! this is the step that the model takes from those states.

use crate::graph::{Graph, GraphResult, ResultKind, Verified};
use crate::op::Role;
use crate::recurrence::loops::Loop;
use crate::rewrite::rebuild;
use crate::typing::TypeError;
use crate::verify::{Violation, verify};

/// Why there is no map.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TransitionError {
    /// The rewritten equations break a type rule.
    #[error(transparent)]
    Type(#[from] TypeError),
    /// The verifier does not accept them.
    #[error("the step is not valid: {}", violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Invalid {
        /// What it found.
        violations: Vec<Violation>,
    },
}

/// The step of a loop of `graph`: for each state an input `before.<state>` and an output `after.<state>`, both for every
/// step, so that there are as many steps from states of one's choice as the sequence is long.
///
/// # Errors
/// None for a loop of this graph.
pub fn transition(graph: &Verified, of: &Loop) -> Result<Verified, TransitionError> {
    let names = of.names(graph);
    let mut model = Graph::clone(graph);
    model.results.clear();
    for (state, name) in of.states.iter().zip(&names) {
        model.results.push(GraphResult {
            kind: ResultKind::Output,
            name: format!("after.{name}"),
            node: state.after,
        });
    }
    let mut given = vec![None; names.len()];
    let step = rebuild(&model, |r, id| {
        let Some(state) = of.state(graph, id) else {
            return r.keep(id);
        };
        if let Some(input) = given[state] {
            return Ok(input);
        }
        let ty = graph.nodes[id].ty.clone();
        let input = r
            .new
            .input(format!("before.{}", names[state]), Role::Input, ty)?;
        given[state] = Some(input);
        Ok(input)
    })?;
    verify(step).map_err(|violations| TransitionError::Invalid { violations })
}
