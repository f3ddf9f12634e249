//! A system of equations as a picture: inputs and equations as figures, and which reads which as arrows.
//!
//! ```text
//! x[t] ----> h[t] <--t-1-- h[t]        an arrow that passes time says how much
//! ```
//!
//! [`Diagram::dot`] and [`Diagram::mermaid`] write it in the languages of Graphviz and Mermaid. Parameters are in the formulas,
//! and are figures of their own where one asks for them.
//!
//! **Invariant:** arrows without a label form no cycle, for every cycle of a system passes through time; each pair of figures has
//! at most one arrow of a label.

mod dot;
mod mermaid;
#[cfg(test)]
mod tests;

use super::naming::Naming;
use super::render::{Scope, Strength};
use super::view::resolve;
use crate::graph::Graph;
use crate::id::SideTable;
use crate::node::NodeId;
use crate::op::{Op, Position, Role};
use std::collections::{BTreeMap, BTreeSet};

/// What a figure stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FigureKind {
    /// Something given when the model runs.
    Input,
    /// Something that only the loss reads.
    Target,
    /// A parameter.
    Param,
    /// An equation.
    Equation,
    /// An equation that is a result.
    Result,
}

/// Something that is drawn as a box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    /// What it stands for.
    pub kind: FigureKind,
    /// Its name with the indices of its axes: `h[t]`.
    pub name: String,
    /// Its features: `[H]`.
    pub shape: String,
    /// How it is computed, of an equation.
    pub formula: Option<String>,
}

/// One figure is read by another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arrow {
    /// The position of the one that is read.
    pub from: usize,
    /// The position of the one that reads it.
    pub to: usize,
    /// What lies between: `t-1`, `t=T`; nothing for a value of the same step.
    pub label: Option<String>,
}

/// A picture of a system of equations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagram {
    /// The name of the system.
    pub name: String,
    /// What is drawn.
    pub figures: Vec<Figure>,
    /// What reads what.
    pub arrows: Vec<Arrow>,
}

impl Diagram {
    /// Inputs and equations of a verified graph.
    pub fn of(graph: &Graph) -> Self {
        Self::new(graph, false)
    }

    /// As [`of`](Self::of), with a figure for each parameter.
    pub fn with_params(graph: &Graph) -> Self {
        Self::new(graph, true)
    }

    fn new(graph: &Graph, params: bool) -> Self {
        let naming = Naming::of(graph);
        let mut diagram = Self {
            name: graph.name.clone(),
            figures: Vec::new(),
            arrows: Vec::new(),
        };
        let mut places: SideTable<NodeId, Option<usize>> =
            SideTable::filled(None, graph.nodes.len());
        let results: BTreeSet<NodeId> = (graph.results.iter())
            .map(|result| resolve(graph, result.node))
            .collect();
        for (id, node) in graph.nodes.iter() {
            let kind = match &node.op {
                Op::Param { .. } if !params => continue,
                Op::Param { .. } => FigureKind::Param,
                Op::Input { role, .. } => match role {
                    Role::Target | Role::Weight => FigureKind::Target,
                    _ => FigureKind::Input,
                },
                _ if !naming.is_equation(id) => continue,
                _ if results.contains(&id) => FigureKind::Result,
                _ => FigureKind::Equation,
            };
            places[id] = Some(diagram.figures.len());
            let is_equation = matches!(kind, FigureKind::Equation | FigureKind::Result);
            let scope = Scope::default();
            diagram.figures.push(Figure {
                kind,
                name: naming.reference(id, &scope),
                shape: node.ty.shape.to_string(),
                formula: is_equation.then(|| naming.expression(id, &scope, Strength::Loosest)),
            });
        }
        let mut arrows = BTreeSet::new();
        for id in graph.nodes.ids() {
            if let Some(to) = places[id]
                && naming.is_equation(id)
            {
                read_by(&naming, id, &mut |from, label| {
                    if let Some(from) = places[from] {
                        arrows.insert(Arrow { from, to, label });
                    }
                });
            }
        }
        diagram.arrows = arrows.into_iter().collect();
        diagram
    }
}

/// What lies between a value and where it is read.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Between {
    shifts: BTreeMap<String, i64>,
    places: BTreeSet<String>,
}

impl Between {
    fn label(&self) -> Option<String> {
        let shifts = self.shifts.iter().filter(|(_, by)| **by != 0);
        let shifts = shifts.map(|(axis, by)| format!("{axis}{by:+}"));
        let all: Vec<String> = shifts.chain(self.places.iter().cloned()).collect();
        (!all.is_empty()).then(|| all.join(", "))
    }
}

// Calls `found` with everything of a name that an equation reads, and what lies between.
fn read_by(naming: &Naming<'_>, equation: NodeId, found: &mut dyn FnMut(NodeId, Option<String>)) {
    let graph = naming.graph;
    let axis_name = |axis| graph.axes[axis].name.clone();
    let mut seen: BTreeSet<(NodeId, Between)> = BTreeSet::new();
    let mut work = vec![(equation, Between::default())];
    while let Some((id, between)) = work.pop() {
        if !seen.insert((id, between.clone())) {
            continue;
        }
        let named = naming.name(id).is_some();
        if named && (id != equation || seen.len() > 1) {
            found(id, between.label());
            continue;
        }
        match &graph.nodes[id].op {
            Op::Shift {
                axis,
                by,
                x,
                boundary,
            } => {
                let mut moved = between.clone();
                *moved.shifts.entry(axis_name(*axis)).or_insert(0) += i64::from(*by);
                work.push((*x, moved));
                if let Some(boundary) = boundary {
                    let mut start = between;
                    start.places.insert("boundary".to_owned());
                    work.push((*boundary, start));
                }
            }
            Op::At {
                axis,
                position,
                x,
                boundary,
            } => {
                let step = match position {
                    Position::First => "1".to_owned(),
                    Position::Last => "last".to_owned(),
                    Position::Step(step) => step.to_string(),
                };
                let mut there = between.clone();
                there
                    .places
                    .insert(format!("{} = {step}", axis_name(*axis)));
                work.push((*x, there));
                work.extend(boundary.map(|boundary| (boundary, between)));
            }
            op => {
                work.extend((op.operands().into_iter()).map(|operand| (operand, between.clone())))
            }
        }
    }
}
