//! First values: parameters drawn by the rules that the equations give, and states of zeros.
//!
//! **Invariant:** the value of a parameter is a function of (seed, name, shape, rule) alone.

use std::collections::BTreeMap;

use ndarray::{ArrayD, IxDyn};
use rnn_ir::node::Shape;
use rnn_ir::state::carried;

use crate::error::{InitError, ModelError};
use crate::init::{Init, draw};
use crate::model::Model;
use crate::signature::{bound_graph, specs_of};
use crate::tensors::{ParamSpec, Tensors};

/// What a model says about its parameters, in the order in which their struct visits them.
///
/// # Errors
/// [`InitError`] for sizes that do not fit the equations, and for an unknown rule.
pub fn param_specs<M: Model>(spec: &M) -> Result<Vec<ParamSpec>, InitError> {
    let graph = bound_graph(spec)?;
    specs_of::<M>(&graph)
}

/// Draws every parameter of a model by its rule.
///
/// # Errors
/// [`InitError`] for sizes that do not fit the equations, and for a rule that does not fit its tensor.
pub fn init_params<M: Model>(spec: &M, seed: u64) -> Result<M::Params, InitError> {
    let specs = param_specs(spec)?;
    build(&specs, &|spec| {
        draw(&spec.init, &spec.name, &spec.shape, seed)
    })
}

/// Every parameter of a model as zeros: what gradients are written to.
///
/// # Errors
/// [`InitError`] for sizes that do not fit the equations.
pub fn zero_params<M: Model>(spec: &M) -> Result<M::Params, InitError> {
    let specs = param_specs(spec)?;
    build(&specs, &|spec| {
        draw(&Init::Zeros, &spec.name, &spec.shape, 0)
    })
}

type Draw<'d> = &'d dyn Fn(&ParamSpec) -> Result<ArrayD<f32>, InitError>;

fn build<P: Tensors>(specs: &[ParamSpec], draw: Draw<'_>) -> Result<P, InitError> {
    let mut drawn = BTreeMap::new();
    for spec in specs {
        drawn.insert(spec.name.clone(), draw(spec)?);
    }
    Ok(from_map(drawn))
}

// A tensor that the equations do not have has no elements; the caller's check of names finds it.
fn from_map<P: Tensors>(mut tensors: BTreeMap<String, ArrayD<f32>>) -> P {
    P::from_tensors(&mut |name| {
        let tensor = tensors.remove(name);
        tensor.unwrap_or_else(|| ArrayD::zeros(IxDyn(&[])))
    })
}

/// The carried state of a model before the first step, for so many examples: zeros, `[batch, features..]` each.
///
/// Where an equation gives a boundary (`h[0] = ..`), an example that starts has that value whatever its state holds.
/// Sizes that do not fit the equations, or more examples than the address space holds, give empty tensors, which no call takes.
pub fn zero_state<M: Model>(spec: &M, batch: usize) -> M::State {
    let mut tensors = BTreeMap::new();
    match bound_graph(spec) {
        Ok(graph) => {
            for state in carried(&graph) {
                let features = state.shape.sizes().unwrap_or_default();
                tensors.insert(state.name, zeros(batch, &features));
            }
        }
        Err(ModelError::Sizes { .. } | ModelError::Parse { .. } | ModelError::Invalid { .. }) => {
            for (name, shape) in unbound_states::<M>() {
                tensors.insert(name, zeros(batch, &vec![0; shape.rank()]));
            }
        }
    }
    from_map(tensors)
}

fn unbound_states<M: Model>() -> Vec<(String, Shape)> {
    let graph = rnn_ir::text::parse(M::IR);
    let states = graph.map(|graph| carried(&graph)).unwrap_or_default();
    states
        .into_iter()
        .map(|state| (state.name, state.shape))
        .collect()
}

fn zeros(batch: usize, features: &[usize]) -> ArrayD<f32> {
    let shape: Vec<usize> = std::iter::once(batch)
        .chain(features.iter().copied())
        .collect();
    let elements = shape
        .iter()
        .try_fold(1_usize, |all, size| all.checked_mul(*size));
    match elements.filter(|elements| *elements <= isize::MAX as usize / size_of::<f32>()) {
        Some(_) => ArrayD::zeros(IxDyn(&shape)),
        None => ArrayD::zeros(IxDyn(&vec![0; shape.len()])),
    }
}
