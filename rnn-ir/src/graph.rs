//! A system of recurrence equations in SSA form: one arena of nodes, the axes they vary over, and the results.
//!
//! **Invariant:** operands come before the nodes that use them, save for what a [`Op::Shift`] shifts. So walking the
//! arena in order is an order of evaluation for one step, and a cycle without delay cannot be written down.

use crate::axis::{Axis, AxisId, Domain, Extent};
use crate::id::Arena;
use crate::node::{FileId, Loc, Node, NodeId};
use crate::op::{Op, ParamKind, Role};
use std::ops::Deref;

/// What a result is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ResultKind {
    /// Returned by inference.
    Output,
    /// The scalar per example that is differentiated.
    Loss,
    /// The batch loss: the sum of weighted losses.
    BatchLoss,
    /// The derivative of the batch loss by a parameter or an input.
    Gradient,
    /// The value of a carried state after the last step.
    State,
    /// What a running parameter becomes in training.
    Running,
}

impl ResultKind {
    /// Its name in the text form.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Output => "output",
            Self::Loss => "loss",
            Self::BatchLoss => "batch_loss",
            Self::Gradient => "gradient",
            Self::State => "state",
            Self::Running => "running",
        }
    }
}

/// A result of the system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphResult {
    /// What it is for.
    pub kind: ResultKind,
    /// Its name: of the output, the parameter, the state.
    pub name: String,
    /// Its value.
    pub node: NodeId,
}

/// A system of recurrence equations.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    /// The model's name.
    pub name: String,
    /// Its size parameters, in the order of declaration.
    pub sizes: Vec<String>,
    /// Its axes; the first is the batch.
    pub axes: Arena<AxisId, Axis>,
    /// The source files that its equations come from beside that of the model: those of cells.
    pub files: Arena<FileId, String>,
    /// Its nodes, operands first.
    pub nodes: Arena<NodeId, Node>,
    /// What it computes.
    pub results: Vec<GraphResult>,
}

impl Graph {
    /// A system without equations.
    pub fn new(name: impl Into<String>) -> Self {
        let mut axes = Arena::default();
        axes.push(Axis {
            name: "batch".into(),
            extent: Extent::Length("B".into()),
        });
        Self {
            name: name.into(),
            sizes: Vec::new(),
            axes,
            files: Arena::default(),
            nodes: Arena::default(),
            results: Vec::new(),
        }
    }

    /// A system without equations, of the name, sizes, axes and files of another.
    pub fn like(other: &Self) -> Self {
        Self {
            name: other.name.clone(),
            sizes: other.sizes.clone(),
            axes: other.axes.clone(),
            files: other.files.clone(),
            nodes: Arena::default(),
            results: Vec::new(),
        }
    }

    /// A place as compilers write it: `3:9` in the file of the model, `src/cells/gru.rs:3:9` in another.
    pub fn place(&self, loc: Loc) -> String {
        let (line, column) = (loc.line, loc.column);
        match self.file(loc) {
            Some(file) => format!("{file}:{line}:{column}"),
            None => format!("{line}:{column}"),
        }
    }

    /// The file of a place, if it is another than that of the model.
    pub fn file(&self, loc: Loc) -> Option<&str> {
        let file = loc.file.and_then(|file| self.files.get(file));
        file.map(String::as_str)
    }

    /// The per-example loss, if the model has one.
    pub fn loss(&self) -> Option<NodeId> {
        self.results_of(ResultKind::Loss)
            .next()
            .map(|result| result.node)
    }

    /// The results of one kind, in order.
    pub fn results_of(&self, kind: ResultKind) -> impl Iterator<Item = &GraphResult> {
        self.results
            .iter()
            .filter(move |result| result.kind == kind)
    }

    /// All parameters, in order: node, name, what changes it.
    pub fn params(&self) -> impl Iterator<Item = (NodeId, &str, ParamKind)> {
        self.nodes.iter().filter_map(|(id, node)| match &node.op {
            Op::Param { name, kind, .. } => Some((id, name.as_str(), *kind)),
            _ => None,
        })
    }

    /// The parameters that are trained, in order: node, name.
    pub fn trained_params(&self) -> impl Iterator<Item = (NodeId, &str)> {
        let all = self.params().filter(|(.., kind)| kind.is_trained());
        all.map(|(id, name, _)| (id, name))
    }

    /// All inputs, in order: node, name, role.
    pub fn inputs(&self) -> impl Iterator<Item = (NodeId, &str, Role)> {
        self.nodes.iter().filter_map(|(id, node)| match &node.op {
            Op::Input { name, role } => Some((id, name.as_str(), *role)),
            _ => None,
        })
    }

    /// The axis with an index variable of this name.
    pub fn axis_named(&self, name: &str) -> Option<AxisId> {
        self.axes
            .iter()
            .find(|(_, axis)| axis.name == name)
            .map(|(id, _)| id)
    }

    /// The first node that is the value of an equation of this name.
    pub fn named(&self, name: &str) -> Option<NodeId> {
        self.nodes
            .iter()
            .find(|(_, node)| node.name.as_deref() == Some(name))
            .map(|(id, _)| id)
    }

    /// All time axes of the graph, as a domain.
    pub fn time(&self) -> Domain {
        self.axes.ids().filter(|axis| axis.is_time()).collect()
    }
}

/// A graph that [`crate::verify::verify`] has accepted. Later stages take nothing else, and do not panic on it.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified(pub(crate) Graph);

impl Verified {
    /// Gives the graph back for rewriting.
    pub fn into_graph(self) -> Graph {
        self.0
    }
}

impl Deref for Verified {
    type Target = Graph;
    fn deref(&self) -> &Graph {
        &self.0
    }
}
