//! From the equations of a model to the graphs of its programs.
//!
//! ```text
//! equations --FORWARD passes--> model --+--keep outputs----------------> forward
//!   (with sizes)     (carried states)   +--weigh the losses------------> loss
//!                                       +--differentiate by parameters-> gradient
//! ```
//!
//! A model with [`feedback`](rnn_ir::feedback) is several systems of equations, by what its steps read of the step before
//! ([`Fed`]); each has its own programs, made in this way. Before all of it, a model that draws random numbers or takes statistics of its batch is decided
//! to be in training, for its gradient, or in inference, for the others.
//!
//! Each is then simplified once more, scheduled and compiled.
//!
//! **Invariant:** every graph here is verified.

use rnn_ir::autodiff::{Wrt, differentiate};
use rnn_ir::feedback::{Choice, decided, feedbacks};
use rnn_ir::graph::{Graph, GraphResult, ResultKind, Verified};
use rnn_ir::id::SideTable;
use rnn_ir::node::NodeId;
use rnn_ir::op::{Op, Role};
use rnn_ir::passes::pipeline::{Outcome, Settings, run_passes};
use rnn_ir::passes::{BACKWARD, FORWARD, Pass};
use rnn_ir::random::mode::{Mode, has_modes, in_mode};
use rnn_ir::rewrite::drop_unreachable;
use rnn_ir::schedule::Schedule;
use rnn_ir::state::carry_state;
use rnn_ir::typing::TypeError;
use rnn_ir::verify::verify;

use crate::error::{CompileError, ModelError};
use crate::report::Times;

/// A program of a compiled model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Program {
    /// Outputs.
    Forward,
    /// The batch loss.
    Loss,
    /// The batch loss, and its derivative by every trained parameter.
    Gradient,
}

impl Program {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Forward, Self::Loss, Self::Gradient];

    /// Whether random numbers are drawn in it, and statistics taken.
    pub(crate) fn mode(self) -> Mode {
        match self {
            Self::Forward | Self::Loss => Mode::Inference,
            Self::Gradient => Mode::Training,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Loss => "loss",
            Self::Gradient => "gradient",
        }
    }
}

/// What the steps of a program read through `feedback`. All are the same for a model without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Fed {
    /// The targets: teacher forcing.
    Targets,
    /// The model's own values: free running.
    Own,
    /// One or the other, as a call says for each step of each example.
    Mixed,
}

/// The equations with carried states, and what is fed back decided.
pub(crate) fn fed_model(bound: &Graph, fed: Fed) -> Result<Graph, TypeError> {
    // States first: what is carried has one name, whatever it is.
    let graph = carry_state(bound)?;
    match fed {
        Fed::Targets => decided(&graph, Choice::Target),
        Fed::Own => decided(&graph, Choice::Own),
        Fed::Mixed => Ok(graph),
    }
}

/// The equations that the passes of a program start from.
pub(crate) fn start_of(bound: &Verified, fed: Fed) -> Result<Verified, CompileError> {
    if feedbacks(bound).is_empty() {
        return Ok(bound.clone());
    }
    with_states(bound, fed)
}

/// The equations as they are written, with carried states, and what is fed back decided.
pub(crate) fn with_states(bound: &Verified, fed: Fed) -> Result<Verified, CompileError> {
    let graph = fed_model(bound, fed)
        .map_err(|source| CompileError::compiler(bound.name.as_str(), source))?;
    keep(graph, &|_| true)
}

/// Runs a list of passes on a model.
pub(crate) fn passed(
    graph: Verified,
    passes: &[Pass],
    settings: Settings<'_>,
) -> Result<Outcome, CompileError> {
    let model = graph.name.clone();
    run_passes(graph, passes, settings).map_err(|source| CompileError::compiler(model, source))
}

/// The equations of training or of inference.
pub(crate) fn of_mode(graph: &Verified, mode: Mode) -> Result<Verified, CompileError> {
    if !has_modes(graph) {
        return Ok(graph.clone());
    }
    let model = graph.name.clone();
    let chosen =
        in_mode(graph, mode).map_err(|source| CompileError::compiler(model.as_str(), source))?;
    verify(chosen).map_err(|violations| ModelError::Invalid { model, violations }.into())
}

/// The model with carried states as inputs and results.
pub(crate) fn carried_model(
    bound: &Verified,
    fed: Fed,
    times: &mut Times,
) -> Result<Verified, CompileError> {
    let outcome = passed(start_of(bound, fed)?, FORWARD, Settings::default())?;
    times.passes(&outcome.steps);
    Ok(outcome.graph)
}

/// The graph of a program before its last passes.
pub(crate) fn derived(model: &Verified, program: Program) -> Result<Verified, CompileError> {
    let wrt = match program {
        Program::Forward => {
            let reads = reads_target(model);
            let outputs = model.results_of(ResultKind::Output);
            let any = outputs
                .filter_map(|output| reads[output.node].as_ref())
                .next()
                .is_some();
            return keep(Graph::clone(model), &|result| match result.kind {
                ResultKind::Output => true,
                ResultKind::State => any || reads[result.node].is_none(),
                _ => false,
            });
        }
        Program::Loss => Wrt::default(),
        Program::Gradient => Wrt::params(),
    };
    if model.loss().is_none() {
        return Err(CompileError::NoLoss {
            model: model.name.clone(),
            program: program.name(),
        });
    }
    let graph = differentiate(model, &wrt)
        .map_err(|source| CompileError::compiler(model.name.as_str(), source))?;
    keep(graph.into_graph(), &|result| match result.kind {
        ResultKind::BatchLoss | ResultKind::State => true,
        ResultKind::Gradient | ResultKind::Running => program == Program::Gradient,
        ResultKind::Loss => program == Program::Loss,
        ResultKind::Output => false,
    })
}

/// The loop program of a derived graph; in segments of steps where memory is limited.
pub(crate) fn scheduled(
    graph: Verified,
    limited: bool,
    times: &mut Times,
) -> Result<Schedule, CompileError> {
    let outcome = passed(graph, BACKWARD, Settings::default())?;
    times.passes(&outcome.steps);
    let model = outcome.graph.name.clone();
    let schedule = match limited {
        true => Schedule::in_segments(outcome.graph),
        false => Schedule::new(outcome.graph),
    };
    times.end("schedule");
    schedule.map_err(|source| CompileError::compiler(model, source))
}

/// The graph with some of its results, and what they need.
pub(crate) fn keep(
    mut graph: Graph,
    wanted: &dyn Fn(&GraphResult) -> bool,
) -> Result<Verified, CompileError> {
    graph.results.retain(wanted);
    let model = graph.name.clone();
    verify(drop_unreachable(graph))
        .map_err(|violations| ModelError::Invalid { model, violations }.into())
}

/// The first target that each node depends on, by name.
pub(crate) fn reads_target(graph: &Graph) -> SideTable<NodeId, Option<String>> {
    let mut reads: SideTable<NodeId, Option<String>> = SideTable::filled(None, graph.nodes.len());
    let mut changed = true;
    while std::mem::take(&mut changed) {
        for (id, node) in graph.nodes.iter() {
            if reads[id].is_some() {
                continue;
            }
            let found = match &node.op {
                Op::Input {
                    name,
                    role: Role::Target,
                } => Some(name.clone()),
                op => op
                    .operands()
                    .iter()
                    .find_map(|operand| reads[*operand].clone()),
            };
            changed |= found.is_some();
            reads[id] = found;
        }
    }
    reads
}

#[cfg(test)]
mod tests {
    use rnn_ir::samples::char_lm;

    use super::*;

    #[test]
    fn a_pass_that_breaks_a_model_is_an_error_of_the_compiler() {
        let bad = Pass {
            name: "tell a result twice",
            rules: Vec::new,
            run: |graph, _, _| {
                let mut graph = Graph::clone(graph);
                graph.results.extend(graph.results.first().cloned());
                Ok(graph)
            },
        };
        let graph = verify(char_lm()).expect("a valid sample");
        match passed(graph, &[bad], Settings::default()) {
            Err(error @ CompileError::Compiler { .. }) => {
                let told = error.to_string();
                for part in ["CharLm", "tell a result twice", "error of the compiler"] {
                    assert!(told.contains(part), "{told}");
                }
            }
            _ => panic!("expected an error of the compiler"),
        }
    }
}
