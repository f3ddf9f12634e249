//! The equations of a program at some stage, of a model that is known by its equations alone.
//!
//! **Invariant:** every graph here is verified.

use rnn_ir::graph::Verified;
use rnn_ir::passes::pipeline::Settings;
use rnn_ir::passes::{ALL, BACKWARD, FORWARD, Pass};

use crate::error::CompileError;
use crate::pipeline::{Fed, Program, derived, of_mode, passed, start_of};

/// Where the pipeline of a program stops.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Until<'n> {
    /// At its end.
    #[default]
    End,
    /// Before its first pass, for the outputs and the loss alone: states are not carried yet, nothing is differentiated.
    Start,
    /// After the first run of the pass of this name.
    Pass(&'n str),
    /// After the first run of the pass of this name that comes after differentiation.
    Backward(&'n str),
}

/// The equations of a program at some stage of its pipeline, with or without sizes.
///
/// # Errors
/// [`CompileError::UnknownPass`] for a pass that the pipeline does not have there, [`CompileError::NoLoss`] for a program that the
/// model does not have.
pub fn stage(
    model: &Verified,
    program: Program,
    until: Until<'_>,
) -> Result<Verified, CompileError> {
    let chosen = of_mode(model, program.mode())?;
    let fed = match program {
        Program::Forward => Fed::Own,
        Program::Loss | Program::Gradient => Fed::Targets,
    };
    let start = start_of(&chosen, fed)?;
    let run = |graph: Verified, passes: &[Pass], stop_after: Option<usize>| {
        let settings = Settings {
            stop_after,
            ..Settings::default()
        };
        passed(graph, passes, settings).map(|outcome| outcome.graph)
    };
    let place = |passes: &[Pass], name: &str| passes.iter().position(|pass| pass.name == name);
    let backward = match until {
        Until::Start => return Ok(start),
        Until::End => None,
        Until::Pass(name) => {
            if let Some(at) = place(FORWARD, name) {
                return run(start, FORWARD, Some(at + 1));
            }
            Some(name)
        }
        Until::Backward(name) => Some(name),
    };
    let stop_after = match backward {
        None => None,
        Some(name) => Some(1 + place(BACKWARD, name).ok_or_else(|| unknown(name))?),
    };
    let graph = derived(&run(start, FORWARD, None)?, program)?;
    run(graph, BACKWARD, stop_after)
}

/// Runs passes on a graph, one after the other, as if they were a pipeline.
///
/// # Errors
/// [`CompileError::UnknownPass`] for a pass that does not exist.
pub fn run_named(graph: Verified, names: &[String]) -> Result<Verified, CompileError> {
    let passes = names
        .iter()
        .map(|name| rnn_ir::passes::pass(name).ok_or_else(|| unknown(name)));
    let passes: Vec<Pass> = passes.collect::<Result<_, _>>()?;
    passed(graph, &passes, Settings::default()).map(|outcome| outcome.graph)
}

pub(crate) fn unknown(name: &str) -> CompileError {
    let known: Vec<&str> = ALL.iter().map(|pass| pass.name).collect();
    CompileError::UnknownPass {
        name: name.to_owned(),
        known: known.join(", "),
    }
}
