//! Runs a list of passes, and checks the graph after each of them.
//!
//! **Invariant:** what comes out is verified, after whatever step the run stopped; so the step at which a result changes
//! is found by bisection over [`Settings::stop_after`].

use crate::graph::Verified;
use crate::passes::counts::Counts;
use crate::passes::{Options, Pass};
use crate::typing::TypeError;
use crate::verify::{Violation, verify};
use std::fmt::Write;
use std::time::{Duration, Instant};

/// Sees the graph after a step.
pub type Dump<'d> = &'d mut dyn FnMut(&Step, &Verified);

/// How to run a list of passes.
#[derive(Default)]
pub struct Settings<'d> {
    /// What the passes may be told.
    pub options: Options,
    /// How many steps to run; all when not given.
    pub stop_after: Option<usize>,
    /// Names of passes to leave out.
    pub skip: &'d [&'d str],
    /// Called after each step, as with [`print`](crate::text::print) of the graph.
    pub dump: Option<Dump<'d>>,
}

/// A pass that ran.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its place in the list, from 1.
    pub position: usize,
    /// The pass.
    pub name: &'static str,
    /// How long it took; the check is not counted.
    pub time: Duration,
    /// How many nodes there are after it.
    pub nodes: usize,
    /// Which of its rules fired, and how often.
    pub counts: Counts,
}

/// What came out of a list of passes.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The rewritten graph.
    pub graph: Verified,
    /// The steps, in order.
    pub steps: Vec<Step>,
}

impl Outcome {
    /// The counters of all steps.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for step in &self.steps {
            counts.merge(&step.counts);
        }
        counts
    }
}

/// A pass that broke a graph: an error of this crate, never of the model.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PassError {
    /// A rewrite that is not well typed.
    #[error("step {position} `{pass}`: {source}")]
    Type {
        /// The pass.
        pass: &'static str,
        /// Its place in the list, from 1.
        position: usize,
        /// The type rule.
        source: TypeError,
    },
    /// A graph that breaks the contract.
    #[error("step {position} `{pass}` breaks the graph: {}", listed(.violations))]
    Contract {
        /// The pass.
        pass: &'static str,
        /// Its place in the list, from 1.
        position: usize,
        /// All violations.
        violations: Vec<Violation>,
    },
}

fn listed(violations: &[Violation]) -> String {
    let mut text = String::new();
    for (position, violation) in violations.iter().enumerate() {
        let comma = if position > 0 { "; " } else { "" };
        // Writing to a string does not fail.
        let _ = write!(text, "{comma}{violation}");
    }
    text
}

/// Runs passes in order.
///
/// # Errors
/// A pass that makes an ill-typed graph, or one that breaks the contract.
pub fn run_passes(
    graph: Verified,
    passes: &[Pass],
    mut settings: Settings<'_>,
) -> Result<Outcome, PassError> {
    let limit = settings.stop_after.unwrap_or(passes.len());
    let mut outcome = Outcome {
        graph,
        steps: Vec::new(),
    };
    for (index, pass) in passes.iter().enumerate().take(limit) {
        if settings.skip.contains(&pass.name) {
            continue;
        }
        let (position, name) = (index + 1, pass.name);
        let mut counts = Counts::default();
        let start = Instant::now();
        let graph =
            (pass.run)(&outcome.graph, &settings.options, &mut counts).map_err(|source| {
                PassError::Type {
                    pass: name,
                    position,
                    source,
                }
            })?;
        let time = start.elapsed();
        // Half of the passes of a compilation find nothing to do, and comparing is a tenth of checking.
        if graph != *outcome.graph {
            outcome.graph = verify(graph).map_err(|violations| PassError::Contract {
                pass: name,
                position,
                violations,
            })?;
        }
        let step = Step {
            position,
            name,
            time,
            nodes: outcome.graph.nodes.len(),
            counts,
        };
        if let Some(dump) = &mut settings.dump {
            dump(&step, &outcome.graph);
        }
        outcome.steps.push(step);
    }
    Ok(outcome)
}
