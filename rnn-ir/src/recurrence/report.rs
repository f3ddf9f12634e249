//! Says what was found, and where.
//!
//! **Invariant:** every verdict that is not the strongest has the operation behind it, its equation, and its line where that
//! is known.

use crate::components::Direction;
use crate::graph::Verified;
use crate::interp::equation_of;
use crate::node::NodeId;
use crate::recurrence::{Inverse, Linearity, Recurrence, Semiring, Stop, Structure, recurrences};
use crate::textbook::Expressions;

impl Linearity {
    /// In a word or a few.
    pub fn name(self) -> &'static str {
        match self {
            Self::Linear(Semiring::Real) => "linear",
            Self::Linear(Semiring::Log) => "linear over (logsumexp, +)",
            Self::Linear(Semiring::Max) => "linear over (max, +)",
            Self::Nonlinear { .. } => "nonlinear",
        }
    }
}

impl Structure {
    /// In a word or a few.
    pub fn name(self) -> String {
        match self {
            Self::Diagonal => "diagonal".into(),
            Self::Units => "diagonal across states".into(),
            Self::Rows { .. } => "block diagonal".into(),
            Self::LowRank { rank, .. } => format!("diagonal and rank {rank}"),
            Self::Dense { .. } => "dense".into(),
        }
    }
}

/// A recurrence in a few words: `linear, diagonal, invertible`.
pub fn verdict(recurrence: &Recurrence) -> String {
    let invertible = match &recurrence.inverse {
        Inverse::Found { nonzero, .. } if nonzero.is_empty() => ", invertible".to_owned(),
        Inverse::Found { nonzero, .. } => {
            let nonzero: Vec<String> = nonzero.iter().map(|text| format!("`{text}`")).collect();
            format!(", invertible unless {} is 0", nonzero.join(" or "))
        }
        Inverse::Missing(_) => String::new(),
    };
    let (linearity, structure) = (recurrence.linearity.name(), recurrence.structure.name());
    format!("{linearity}, {structure}{invertible}")
}

/// Every loop of a model with its verdict and what stands behind it; empty for a model without loops.
pub fn report(graph: &Verified) -> String {
    let expressions = Expressions::of(graph);
    let mut out = String::new();
    for found in recurrences(graph) {
        let axis = &graph.axes[found.cycle.axis].name;
        let way = match found.cycle.direction {
            Direction::Forward => "forward",
            Direction::Reverse => "reverse",
        };
        let inside = "  ".repeat(found.cycle.around.axes().count());
        let names = found.cycle.names(graph).join(", ");
        out.push_str(&format!(
            "{inside}{names} along {axis} {way}: {}\n",
            verdict(&found)
        ));
        for line in reasons(graph, &expressions, &found) {
            out.push_str(&format!("{inside}  {line}\n"));
        }
    }
    out
}

// A line for each verdict that has something behind it.
fn reasons(graph: &Verified, expressions: &Expressions<'_>, of: &Recurrence) -> Vec<String> {
    let site = |at: NodeId| {
        let equation = equation_of(graph, at);
        let formula = expressions.formula(at);
        let mut text = format!("`{formula}`");
        if let Some(name) = &graph.nodes[equation].name {
            text.push_str(&format!(" in `{name}`"));
        }
        if let Some(loc) = graph.nodes[at].loc.or(graph.nodes[equation].loc) {
            text.push_str(&format!(", line {}", loc.line));
            // What is inside a layer is written where its cell is, which may be another file than that of the model.
            if let Some(file) = graph.file(loc) {
                text.push_str(&format!(" of {file}"));
            }
        }
        text
    };
    let before = |state: usize| expressions.value(of.cycle.states[state].before);
    let mut lines = Vec::new();
    match of.linearity {
        Linearity::Linear(_) => {
            lines.push("linear: steps compose, so a scan computes them in parallel".into());
        }
        Linearity::Nonlinear { at } => lines.push(format!("nonlinear: {}", site(at))),
    }
    match of.structure {
        Structure::Diagonal => lines.push("diagonal: a unit depends on its own past alone".into()),
        Structure::Units => lines.push(format!(
            "diagonal: a unit of a state depends on that unit of {} states",
            of.cycle.states.len()
        )),
        Structure::Rows { at } => lines.push(format!("blocks: mixed within a row by {}", site(at))),
        Structure::LowRank { rank, units, at } => lines.push(format!(
            "rank {rank}: all that is mixed of {units} units goes through {rank} numbers, first by {}",
            site(at)
        )),
        Structure::Dense { at } => lines.push(format!("dense: {}", site(at))),
    }
    match &of.inverse {
        Inverse::Found { .. } => {
            lines.push("invertible: the step before is computed from the step after".into());
        }
        Inverse::Missing(stop) => lines.push(match *stop {
            Stop::At { state, at } => format!(
                "not invertible in closed form: `{}` cannot be had from {}",
                before(state),
                site(at)
            ),
            Stop::Lost { state } => format!(
                "not invertible: no equation is left to solve for `{}`",
                before(state)
            ),
            Stop::Kind { state } => {
                format!("not invertible: `{}` is not a real number", before(state))
            }
            Stop::Axes => "not invertible: it looks further than one step of one axis".into(),
        }),
    }
    lines
}
