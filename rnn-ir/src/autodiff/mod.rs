//! Symbolic differentiation: the adjoint of a system of recurrence equations is such a system, with time reversed.
//!
//! ```text
//! y[t] = x[t-1]       dx[t] = dy[t+1]
//! y    = x[T]         dx    = dy placed at T
//! y    = sum[t](x)    dx[t] = dy
//! y[t] = x            dx    = sum[t](dy)
//! ```
//!
//! So backpropagation through time (Werbos 1990) is not a special case: [`vjp`] holds a formula for each primitive,
//! [`gradient`] walks the equations from last to first and adds up, and what comes out is an ordinary graph that is
//! simplified, printed, scheduled, interpreted and differentiated again like any other.
//!
//! Forward mode, [`linearize`], has a formula for each primitive beside it.
//!
//! **Invariant:** differentiation appends equations; those of the model stay as they are.

mod activity;
pub mod check;
mod forward;
mod jvp;
mod reverse;
mod terms;
mod vjp;

pub use forward::tangents;
pub use reverse::{cotangent_type, gradient};
pub(crate) use terms::Terms;

use crate::axis::{AxisId, Domain};
use crate::builder::Builder;
use crate::graph::{Graph, ResultKind, Verified};
use crate::node::{DType, NodeId, Shape, Type};
use crate::op::{Op, Over, Role};
use crate::rewrite::drop_unreachable;
use crate::typing::TypeError;
use crate::verify::{Violation, verify};

/// The name of the input that holds the weight of each example's loss.
pub const WEIGHT: &str = "weight";

/// The name of the batch loss.
pub const LOSS: &str = "loss";

/// What a loss is differentiated by.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Wrt {
    /// All trained parameters.
    pub params: bool,
    /// These real inputs, by name.
    pub inputs: Vec<String>,
}

impl Wrt {
    /// All trained parameters.
    pub fn params() -> Self {
        Self {
            params: true,
            inputs: Vec::new(),
        }
    }

    /// All trained parameters, and every real input of the graph but the weights of examples: carried states too.
    pub fn everything(graph: &Graph) -> Self {
        let inputs = graph.inputs().filter(|(id, _, role)| {
            graph.nodes[*id].ty.dtype == DType::Real && *role != Role::Weight
        });
        Self {
            params: true,
            inputs: inputs.map(|(_, name, _)| name.to_owned()).collect(),
        }
    }

    /// With an input.
    #[must_use]
    pub fn and_input(mut self, name: impl Into<String>) -> Self {
        self.inputs.push(name.into());
        self
    }
}

/// Why a model cannot be differentiated.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DiffError {
    /// The model has no loss.
    #[error("model `{model}` has no loss to differentiate")]
    NoLoss {
        /// The model.
        model: String,
    },
    /// The loss is not one real number for each example.
    #[error("the loss of `{model}` is expected to be a real scalar per example, found {shape}")]
    LossType {
        /// The model.
        model: String,
        /// The shape of its loss.
        shape: Shape,
    },
    /// The model has no such input.
    #[error("model `{model}` has no input `{name}`")]
    UnknownInput {
        /// The model.
        model: String,
        /// The name asked for.
        name: String,
    },
    /// The input is not real.
    #[error("input `{name}` has no derivative: expected kind real, found {found}")]
    NotReal {
        /// The input.
        name: String,
        /// Its kind.
        found: DType,
    },
    /// A derivative formula that is not well typed.
    #[error(transparent)]
    Type(#[from] TypeError),
    /// Adjoint equations that the verifier does not accept.
    #[error("the adjoint equations are not valid: {}", violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Invalid {
        /// What the verifier found.
        violations: Vec<Violation>,
    },
}

/// Adds to a model with a loss its gradient.
///
/// - input `weight`, `[B]`: how much each example counts, `1/B` for a mean;
/// - result `loss` of kind batch loss: `sum[batch](weight * loss)`, a scalar;
/// - for each thing differentiated by, a result of kind gradient that has its name and its type; zeros where the loss
///   does not depend on it.
///
/// Gradients and batch losses that the model has already are those of another loss: they are not results any more.
///
/// # Errors
/// The model has no loss, or an input asked for is not a real one.
pub fn differentiate(model: &Verified, wrt: &Wrt) -> Result<Verified, DiffError> {
    differentiate_by(model, |graph| targets(graph, wrt))
}

/// Adds to a model with a loss and carried states ([`carry_state`](crate::state::carry_state)) its gradient by every state of
/// real numbers: for the state `h`, read as `h[t-1]`, a result of kind gradient with its name, `dL/dh[t]` at every step.
///
/// It is the whole derivative, through all later steps too: what the loss would change by if `h[t]` were moved by itself,
///
/// ```text
/// h[t] = f(h[t-1], x[t]) + e[t]        dL/dh[t] = dL/de[t] at e = 0
/// ```
///
/// which is the vector that back-propagation through time carries from step to step (Bengio, Simard & Frasconi 1994;
/// Pascanu, Mikolov & Bengio 2013, eq. 5). What `h[t-2]` carries beside it is no value of its own, and has none.
///
/// # Errors
/// The model has no loss.
pub fn differentiate_by_states(model: &Verified) -> Result<Verified, DiffError> {
    differentiate_by(model, |graph| {
        let states = graph.results_of(ResultKind::State);
        let real = states.filter_map(|state| {
            let Op::At { x, .. } = graph.nodes[state.node].op else {
                return None;
            };
            let node = &graph.nodes[x];
            let copy = matches!(node.op, Op::Shift { .. });
            (node.ty.dtype == DType::Real && !copy).then(|| (x, state.name.clone()))
        });
        Ok(real.collect())
    })
}

fn differentiate_by(
    model: &Verified,
    targets: impl FnOnce(&Graph) -> Result<Vec<(NodeId, String)>, DiffError>,
) -> Result<Verified, DiffError> {
    let mut graph = Graph::clone(model);
    graph
        .results
        .retain(|result| !matches!(result.kind, ResultKind::Gradient | ResultKind::BatchLoss));
    let graph = drop_unreachable(graph);
    let wrt = targets(&graph)?;
    let loss = graph.loss().ok_or_else(|| DiffError::NoLoss {
        model: model.name.clone(),
    })?;
    let ty = graph.nodes[loss].ty.clone();
    let per_example = ty.domain.time_axes().next().is_none();
    if !per_example || !ty.shape.is_scalar() || ty.dtype != DType::Real {
        return Err(DiffError::LossType {
            model: model.name.clone(),
            shape: ty.shape,
        });
    }

    let mut b = Builder::extend(graph);
    let per_example = Type::real(Domain::BATCH, Shape::scalar());
    let weight = b.input(unused(model, WEIGHT), Role::Weight, per_example)?;
    let weighted = b.mul(weight, loss)?;
    let batch_loss = b.axis_reduce(Over::Sum, weighted, Domain::of(AxisId::BATCH))?;
    b.result(ResultKind::BatchLoss, LOSS, batch_loss);

    let nodes: Vec<NodeId> = wrt.iter().map(|(node, _)| *node).collect();
    let gradients = gradient(&mut b, &[(loss, weight)], &nodes)?;
    for ((node, name), gradient) in wrt.into_iter().zip(gradients) {
        let gradient = match gradient {
            Some(gradient) => gradient,
            None => zeros(&mut b, node)?,
        };
        b.result(ResultKind::Gradient, name, gradient);
    }
    verify(drop_unreachable(b.finish())).map_err(|violations| DiffError::Invalid { violations })
}

/// Adds to a model how its results change when parameters and inputs move.
///
/// - for each thing moved, an input `v_<name>` of its type: the direction;
/// - for each real result but running ones, an output of its type, the derivative along all directions together: `t_<name>` for an output
///   or the loss, `t_batch_loss`, `t_d_<name>` for a gradient (so that linearising a gradient gives products with the
///   Hessian, Pearlmutter 1994), `t_state.<name>` for a carried state; zeros for one that depends on nothing moved.
///
/// # Errors
/// An input asked for is not a real one.
pub fn linearize(model: &Verified, wrt: &Wrt) -> Result<Verified, DiffError> {
    let wrt = targets(model, wrt)?;
    let mut b = Builder::extend(Graph::clone(model));
    let mut moved = Vec::new();
    for (node, name) in wrt {
        let ty = b.ty(node).clone();
        let direction = b.input(unused(model, &format!("v_{name}")), Role::Input, ty)?;
        moved.push((node, direction));
    }
    let results = model.results.iter();
    let real = results.filter(|result| {
        result.kind != ResultKind::Running && model.nodes[result.node].ty.dtype == DType::Real
    });
    let results: Vec<_> = real.collect();
    let outputs: Vec<NodeId> = results.iter().map(|result| result.node).collect();
    let tangents = tangents(&mut b, &moved, &outputs)?;
    for (result, tangent) in results.into_iter().zip(tangents) {
        let tangent = match tangent {
            Some(tangent) => tangent,
            None => zeros(&mut b, result.node)?,
        };
        let name = match result.kind {
            ResultKind::Output | ResultKind::Loss => format!("t_{}", result.name),
            ResultKind::BatchLoss => "t_batch_loss".to_owned(),
            ResultKind::Gradient => format!("t_d_{}", result.name),
            ResultKind::State => format!("t_state.{}", result.name),
            // Left out above.
            ResultKind::Running => continue,
        };
        b.result(ResultKind::Output, name, tangent);
    }
    verify(drop_unreachable(b.finish())).map_err(|violations| DiffError::Invalid { violations })
}

// Zeros of the type of a value.
fn zeros(b: &mut Builder, of: NodeId) -> Result<NodeId, TypeError> {
    let ty = b.ty(of).clone();
    let zero = b.constant(0.0, ty.shape);
    b.broadcast(zero, ty.domain)
}

fn targets(model: &Graph, wrt: &Wrt) -> Result<Vec<(NodeId, String)>, DiffError> {
    let mut targets = Vec::new();
    if wrt.params {
        let trained = model.trained_params();
        targets.extend(trained.map(|(node, name)| (node, name.to_owned())));
    }
    for wanted in &wrt.inputs {
        let (node, ..) = model
            .inputs()
            .find(|(_, name, _)| name == wanted)
            .ok_or_else(|| DiffError::UnknownInput {
                model: model.name.clone(),
                name: wanted.clone(),
            })?;
        let found = model.nodes[node].ty.dtype;
        if found != DType::Real {
            return Err(DiffError::NotReal {
                name: wanted.clone(),
                found,
            });
        }
        targets.push((node, wanted.clone()));
    }
    Ok(targets)
}

// `weight`, or `weight2` where the model is a gradient and has one.
fn unused(model: &Graph, name: &str) -> String {
    let inputs = model.inputs().map(|(_, name, _)| name);
    let names: Vec<&str> = inputs
        .chain(model.params().map(|(_, name, _)| name))
        .collect();
    let taken = |wanted: &str| names.contains(&wanted);
    let mut wanted = name.to_owned();
    let mut order = 1;
    while taken(&wanted) {
        order += 1;
        wanted = format!("{name}{order}");
    }
    wanted
}

// `d_h`; when the system is a derivative itself and has one, `d2_h`, and so on.
fn derivative_name(graph: &Graph, prefix: &str, name: &str) -> String {
    let taken = |wanted: &str| graph.named(wanted).is_some();
    let mut wanted = format!("{prefix}_{name}");
    let mut order = 1;
    while taken(&wanted) {
        order += 1;
        wanted = format!("{prefix}{order}_{name}");
    }
    wanted
}

#[cfg(test)]
mod tests;
