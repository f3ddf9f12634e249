//! Surroundings that differ only in what must not matter: other examples of the batch, their order, the padding.
//!
//! **Invariant:** an example has the same inputs, at each of its steps, before and after.

use crate::axis::AxisId;
use crate::graph::Verified;
use crate::interp::{Data, Env, EvalError, Tensor, dims};
use crate::node::{NodeId, Type};
use crate::op::Op;

fn inputs(graph: &Verified) -> impl Iterator<Item = (NodeId, &str, &Type)> {
    graph.nodes.iter().filter_map(|(id, node)| match &node.op {
        Op::Input { name, .. } => Some((id, name.as_str(), &node.ty)),
        _ => None,
    })
}

// The steps along each time axis and the example of the `position`-th block.
fn place(outer: &[usize], position: usize) -> Vec<usize> {
    let mut rest = position;
    let mut place = vec![0; outer.len()];
    for (index, dim) in place.iter_mut().zip(outer).rev() {
        (*index, rest) = (rest % dim, rest / dim);
    }
    place
}

fn position(outer: &[usize], place: &[usize]) -> usize {
    let pairs = outer.iter().zip(place);
    pairs.fold(0, |position, (dim, index)| position * dim + index)
}

/// The surroundings with these examples, in this order.
///
/// # Errors
/// The surroundings do not fit the graph.
pub fn examples(graph: &Verified, env: &Env, chosen: &[usize]) -> Result<Env, EvalError> {
    let mut out = Env::new(chosen.len());
    out.params.clone_from(&env.params);
    for (name, lengths) in &env.lengths {
        let lengths: Vec<usize> = chosen.iter().map(|example| lengths[*example]).collect();
        out = out.with_lengths(name.clone(), lengths);
    }
    for (id, name, ty) in inputs(graph) {
        let Some(given) = env.inputs.get(name) else {
            continue;
        };
        let (old, new) = (dims(graph, env, id)?, dims(graph, &out, id)?);
        let count = ty.domain.axes().count();
        let mut value = Tensor::zeros(ty.dtype, new.clone());
        for to in 0..new[..count].iter().product() {
            let mut from = place(&new[..count], to);
            if ty.domain.contains(AxisId::BATCH) {
                let example = from.last_mut().expect("the batch is the last outer axis");
                *example = chosen[*example];
            }
            let from = position(&old[..count], &from);
            value.set_block(to, &given.block(new[count..].to_vec(), from));
        }
        out = out.with_input(name, value);
    }
    Ok(out)
}

/// The surroundings with NaN, and tokens that are out of range, wherever an example has no step.
///
/// # Errors
/// The surroundings do not fit the graph.
pub fn poison_padding(graph: &Verified, env: &Env) -> Result<Env, EvalError> {
    let mut out = env.clone();
    for (id, name, ty) in inputs(graph) {
        let Some(given) = env.inputs.get(name) else {
            continue;
        };
        if !ty.domain.contains(AxisId::BATCH) {
            continue;
        }
        let dims = dims(graph, env, id)?;
        let count = ty.domain.axes().count();
        let len = dims[count..].iter().product();
        let block = match given.data() {
            Data::Real(_) => Tensor::real([len], vec![f64::NAN; len]),
            Data::Index(_) => Tensor::index([len], vec![u32::MAX; len]),
            Data::Bool(_) => Tensor::bool([len], vec![true; len]),
        };
        let mut value = given.clone();
        for at in 0..dims[..count].iter().product() {
            let place = place(&dims[..count], at);
            let example = place[count - 1];
            let mut steps = ty.domain.time_axes().zip(&place);
            if steps.any(|(axis, step)| *step >= length(graph, env, axis, example)) {
                value.set_block(at, &block);
            }
        }
        out = out.with_input(name, value);
    }
    Ok(out)
}

/// How many steps an example has along an axis, as far as the surroundings say.
pub fn length(graph: &Verified, env: &Env, axis: AxisId, example: usize) -> usize {
    match &graph.axes[axis].extent {
        crate::axis::Extent::Fixed(steps) => *steps as usize,
        crate::axis::Extent::Length(name) => env
            .lengths
            .get(name)
            .and_then(|lengths| lengths.get(example))
            .copied()
            .unwrap_or(0),
    }
}
