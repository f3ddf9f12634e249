//! What goes into a model and what comes out: the names and types that become Rust structs.
//!
//! **Invariant:** tensors are in the order of declaration, and a name is the same here, in the graph and in a checkpoint.

use rnn_ir::axis::AxisId;
use rnn_ir::id::Id;
use rnn_ir::node::{DType, Type};
use rnn_ir::op::{ParamKind, Role};

use super::evaluate::Known;
use super::system::{DefKind, System};
use crate::ast::{Attribute, Init, Item, StatementKind};
use crate::diagnostics::Extent;

/// The tensors of a model.
#[derive(Debug, Default)]
pub(crate) struct Interface {
    pub(crate) tensors: Vec<Tensor>,
}

/// One tensor that the caller holds.
#[derive(Debug)]
pub(crate) struct Tensor {
    /// Dotted: `lstm.W_i`.
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// Number of axes, with time and batch, if it is known.
    pub(crate) rank: Option<usize>,
    /// The axes as they are written: `[T, B, H]`.
    pub(crate) shape: String,
    /// Tokens rather than real numbers.
    pub(crate) is_token: bool,
    /// How a parameter starts: `~ orthogonal`.
    pub(crate) note: String,
    /// What the user wrote above its declaration.
    pub(crate) docs: Vec<Attribute>,
    pub(crate) extent: Extent,
}

/// What a tensor is to the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Param,
    Input,
    Target,
    Output,
}

impl Interface {
    /// Parameters and inputs of a system.
    pub(super) fn of(system: &System<'_>, item: &Item, known: &[Option<Known>]) -> Self {
        let mut tensors = Vec::new();
        for (id, def) in system.defs.iter() {
            let Some(ty) = known[id.index()].as_ref().map(|known| &known.ty) else {
                continue;
            };
            let (kind, note) = match &def.kind {
                DefKind::Param { init, changed } => {
                    let args: Vec<String> = init.args.iter().map(ToString::to_string).collect();
                    let how = match (init.kind.as_str(), args.as_slice()) {
                        ("constant", [value]) => format!("= {value}"),
                        (kind, []) => format!("~ {kind}"),
                        (kind, args) => format!("~ {kind}({})", args.join(", ")),
                    };
                    (
                        Kind::Param,
                        match changed {
                            ParamKind::Trained => how,
                            ParamKind::Orthonormal => format!("{how}, stays orthonormal"),
                            ParamKind::Fixed | ParamKind::Running => {
                                format!("{how}, {}", changed.name())
                            }
                        },
                    )
                }
                DefKind::Input {
                    role: Role::Target, ..
                } => (Kind::Target, String::new()),
                DefKind::Input { .. } => (Kind::Input, String::new()),
                DefKind::Equation { .. } => continue,
            };
            let docs = if def.name.contains('.') {
                Vec::new()
            } else {
                docs_of(item, &def.name)
            };
            let (rank, shape) = layout(system, ty);
            tensors.push(Tensor {
                name: def.name.clone(),
                kind,
                rank: Some(rank),
                shape,
                is_token: ty.dtype == DType::Index,
                note,
                docs,
                extent: def.extent,
            });
        }
        Self { tensors }
    }

    /// Adds an output; its type is unknown if it has an error.
    pub(super) fn add_output(
        &mut self,
        name: &str,
        ty: Option<&Type>,
        system: &System<'_>,
        extent: Extent,
    ) {
        let layout = ty.map(|ty| layout(system, ty));
        self.tensors.push(Tensor {
            name: name.to_owned(),
            kind: Kind::Output,
            rank: layout.as_ref().map(|(rank, _)| *rank),
            shape: layout.map(|(_, shape)| shape).unwrap_or_default(),
            is_token: ty.is_some_and(|ty| ty.dtype == DType::Index),
            note: String::new(),
            docs: Vec::new(),
            extent,
        });
    }
}

/// Number of axes and how they read: time axes, batch, features.
fn layout(system: &System<'_>, ty: &Type) -> (usize, String) {
    let mut names: Vec<String> = ty
        .domain
        .time_axes()
        .map(|axis| match &system.axis(axis).length {
            rnn_ir::axis::Extent::Length(name) => name.clone(),
            rnn_ir::axis::Extent::Fixed(steps) => steps.to_string(),
        })
        .collect();
    if ty.domain.contains(AxisId::BATCH) {
        names.push("B".to_owned());
    }
    names.extend(ty.shape.0.iter().map(ToString::to_string));
    (names.len(), format!("[{}]", names.join(", ")))
}

/// The documentation of the statement that declares a name.
fn docs_of(item: &Item, name: &str) -> Vec<Attribute> {
    let declares = |kind: &StatementKind| match kind {
        StatementKind::Params(params) => params
            .iter()
            .any(|param| param.name == *name && !matches!(param.init, Init::Missing)),
        StatementKind::Inputs(inputs) => inputs.iter().any(|input| input.name == *name),
        _ => false,
    };
    let statement = item.body.iter().find(|statement| declares(&statement.kind));
    statement
        .map(|statement| {
            statement
                .attributes
                .iter()
                .filter(|it| it.is_doc())
                .cloned()
                .collect()
        })
        .unwrap_or_default()
}
