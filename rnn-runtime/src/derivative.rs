//! Programs of further derivatives, compiled when they are first asked for.
//!
//! ```text
//!         +--keep outputs---> linearize-----------------------------> outputs, tangents of outputs
//! model --+--weigh losses---> linearize-----------------------------> loss, slope
//!         +--differentiate by parameters--> linearize---------------> loss, product with the Hessian
//!         +--differentiate by inputs--------------------------------> loss, gradients of inputs
//!         +--differentiate by states--------------------------------> loss, gradients of states
//! ```
//!
//! The Hessian is not built: its product with a direction is the derivative of the gradient along it (Pearlmutter 1994), which
//! takes a few times as long as the gradient.
//!
//! **Invariant:** a program is compiled once for what it differentiates by; those of [`crate::pipeline`] do not change.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rnn_ir::autodiff::{DiffError, Wrt, differentiate, differentiate_by_states, linearize};
use rnn_ir::graph::{Graph, ResultKind, Verified};
use rnn_ir::node::DType;
use rnn_ir::passes::FORWARD;
use rnn_ir::passes::pipeline::Settings;

use crate::error::CompileError;
use crate::options::Options;
use crate::pipeline::{Fed, Program, derived, keep, passed, with_states};
use crate::report::Times;
use crate::routine::Routine;
use crate::signature::{Port, Signature};

/// The slope of the batch loss along the directions, as [`linearize`] calls it.
pub(crate) const SLOPE: &str = "t_batch_loss";

/// What is differentiated, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Outputs along directions.
    Outputs,
    /// The batch loss along directions.
    Loss,
    /// The gradient by the parameters along a direction of the parameters.
    Hessian,
    /// The batch loss by inputs.
    Inputs,
    /// The batch loss by carried states.
    States,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Outputs => "jvp",
            Self::Loss => "loss_jvp",
            Self::Hessian => "hvp",
            Self::Inputs => "input_gradients",
            Self::States => "state_gradients",
        }
    }
}

/// A compiled derivative.
#[derive(Debug)]
pub(crate) struct Derivative {
    pub(crate) routine: Routine,
    /// Of the model, and after its inputs the directions, after its outputs the derivatives.
    pub(crate) signature: Signature,
    /// What is moved, in the order of the directions.
    pub(crate) moved: Vec<Moved>,
}

/// What a direction is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Moved {
    Param(String),
    Input(String),
}

type Known = (Kind, Wrt, Arc<Derivative>);

/// The derivatives that were asked for.
#[derive(Default)]
pub(crate) struct Derivatives(Mutex<Vec<Known>>);

impl fmt::Debug for Derivatives {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Derivatives")
    }
}

impl Derivatives {
    /// The program of a derivative of a model: with carried states, or for [`Kind::States`] as it is written. Who asks for one
    /// while another is compiled waits.
    pub(crate) fn get(
        &self,
        (model, signature): (&Verified, &Signature),
        options: &Options,
        kind: Kind,
        wrt: Wrt,
    ) -> Result<Arc<Derivative>, CompileError> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.iter().find(|(own, by, _)| *own == kind && *by == wrt);
        if let Some((.., derivative)) = found {
            return Ok(Arc::clone(derivative));
        }
        let derivative = Arc::new(compiled(model, signature, options, kind, &wrt)?);
        known.push((kind, wrt, Arc::clone(&derivative)));
        Ok(derivative)
    }
}

fn compiled(
    model: &Verified,
    signature: &Signature,
    options: &Options,
    kind: Kind,
    wrt: &Wrt,
) -> Result<Derivative, CompileError> {
    let mut times = Times::start();
    let failed = |source: DiffError| CompileError::compiler(model.name.as_str(), source);
    let mut signature = signature.clone();
    let (graph, moved) = match kind {
        Kind::Inputs => {
            let graph = differentiate(model, wrt).map_err(failed)?;
            for name in &wrt.inputs {
                if let Some(port) = input(&signature, name) {
                    let port = renamed(port, format!("d_{name}"));
                    signature.outputs.push(port);
                }
            }
            (rows(graph.into_graph())?, Vec::new())
        }
        Kind::States => {
            // By the states that the equations have as they are written: passes may read others in their place.
            let model = with_states(model, Fed::Targets)?;
            let graph = differentiate_by_states(&model).map_err(failed)?;
            let found = graph.results_of(ResultKind::Gradient);
            let ports = found.map(|state| {
                let name = format!("d_{}", state.name);
                Port::new(&name, &graph.nodes[state.node].ty)
            });
            signature.outputs.extend(ports);
            let graph = rows(graph.into_graph())?;
            let outcome = passed(graph, FORWARD, Settings::default())?;
            times.passes(&outcome.steps);
            (outcome.graph, Vec::new())
        }
        Kind::Outputs | Kind::Loss | Kind::Hessian => {
            let base = match kind {
                Kind::Outputs => Graph::clone(model),
                Kind::Loss => derived(model, Program::Loss)?.into_graph(),
                _ => derived(model, Program::Gradient)?.into_graph(),
            };
            let base = keep(base, &|result| match result.kind {
                ResultKind::Output => kind == Kind::Outputs,
                ResultKind::BatchLoss => true,
                ResultKind::Gradient => kind == Kind::Hessian,
                ResultKind::Loss | ResultKind::State | ResultKind::Running => false,
            })?;
            let graph = linearize(&base, wrt).map_err(failed)?;
            let moved = directions(&mut signature, &base, &graph, wrt);
            if kind == Kind::Outputs {
                for at in 0..signature.outputs.len() {
                    let port = &signature.outputs[at];
                    if port.dtype == DType::Real {
                        let port = renamed(port, format!("t_{}", port.name));
                        signature.outputs.push(port);
                    }
                }
            }
            let graph = match kind {
                Kind::Hessian => products(graph.into_graph())?,
                _ => graph,
            };
            (graph, moved)
        }
    };
    times.end("differentiate");
    let jit = options.jit(kind.name());
    let limited = options.memory_limit.is_some();
    let routine = Routine::new(&signature, graph, jit, limited, times)?;
    Ok(Derivative {
        routine,
        signature,
        moved,
    })
}

fn input<'s>(signature: &'s Signature, name: &str) -> Option<&'s Port> {
    signature.inputs.iter().find(|port| port.name == name)
}

fn renamed(port: &Port, name: String) -> Port {
    Port {
        name,
        limit: None,
        target: false,
        ..port.clone()
    }
}

// Puts the directions behind the inputs: those of the parameters, then those of the inputs, as they are in the graph.
fn directions(signature: &mut Signature, base: &Graph, graph: &Graph, wrt: &Wrt) -> Vec<Moved> {
    let trained = base.trained_params().filter(|_| wrt.params);
    let params = trained.map(|(_, name)| Moved::Param(name.to_owned()));
    let inputs = wrt.inputs.iter().map(|name| Moved::Input(name.clone()));
    let moved: Vec<Moved> = params.chain(inputs).collect();
    let given = graph.inputs().map(|(_, name, _)| name);
    let new = given.filter(|name| base.inputs().all(|(_, known, _)| known != *name));
    for (moved, name) in moved.iter().zip(new) {
        let port = match moved {
            Moved::Param(param) => {
                let mut specs = signature.params.iter();
                specs.find(|spec| spec.name == *param).map(|spec| Port {
                    name: name.to_owned(),
                    axes: Vec::new(),
                    batch: false,
                    features: spec.shape.clone(),
                    dtype: DType::Real,
                    limit: None,
                    target: false,
                })
            }
            Moved::Input(of) => input(signature, of).map(|port| renamed(port, name.to_owned())),
        };
        signature.inputs.extend(port);
    }
    moved
}

// Products with the Hessian have the place of the gradients.
fn products(mut graph: Graph) -> Result<Verified, CompileError> {
    graph
        .results
        .retain(|result| result.kind != ResultKind::Gradient);
    for result in &mut graph.results {
        if let Some(name) = result.name.strip_prefix("t_d_") {
            result.name = name.to_owned();
            result.kind = ResultKind::Gradient;
        }
    }
    keep(graph, &|result| result.kind != ResultKind::Output)
}

// Gradients of inputs and states are rows like outputs.
fn rows(mut graph: Graph) -> Result<Verified, CompileError> {
    graph
        .results
        .retain(|result| matches!(result.kind, ResultKind::Gradient | ResultKind::BatchLoss));
    for result in &mut graph.results {
        if result.kind == ResultKind::Gradient {
            result.name = format!("d_{}", result.name);
            result.kind = ResultKind::Output;
        }
    }
    keep(graph, &|_| true)
}
