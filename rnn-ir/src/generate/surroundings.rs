//! Random surroundings for a model: inputs, tokens that are in range, parameters.
//!
//! **Invariant:** what lies beyond an example's length is drawn like everything else, so that reading it would show.

use super::Draw;
use crate::graph::Verified;
use crate::interp::{Env, EvalError, Tensor, dims};
use crate::node::DType;
use crate::op::{Op, Role};
use crate::tokens::token_limits;

/// What a table of unknown size is taken to hold.
const SOME_TOKENS: usize = 4;

/// Draws every input and parameter of a bound graph: reals between -1 and 1, or for matrices `sqrt(1.5 / columns)`; tokens
/// below the size they index; weights of examples between 1/2 and 3/2; in training, so that
/// random numbers are drawn.
///
/// # Errors
/// A length without a value, or a size that is not bound.
pub fn surroundings(
    graph: &Verified,
    draw: &mut Draw,
    batch: usize,
    lengths: &[(&str, Vec<usize>)],
) -> Result<Env, EvalError> {
    let mut env = Env::new(batch);
    for (name, lengths) in lengths {
        env = env.with_lengths(*name, lengths.clone());
    }
    let limits = token_limits(graph);
    for (id, node) in graph.nodes.iter() {
        match &node.op {
            Op::Input { name, role } => {
                let dims = dims(graph, &env, id)?;
                let len = dims.iter().product();
                let value = match (node.ty.dtype, role) {
                    (DType::Real, Role::Weight) => Tensor::real(dims, draw.reals(len, 0.5, 1.5)),
                    (DType::Real, _) => Tensor::real(dims, draw.reals(len, -1.0, 1.0)),
                    (DType::Index, Role::Seed(_)) => {
                        // The high half of each draw.
                        let word = |_| u32::try_from(draw.bits() >> 32).unwrap_or(0);
                        Tensor::index(dims, (0..len).map(word).collect::<Vec<_>>())
                    }
                    (DType::Index, _) => {
                        let limit = limits[id].unwrap_or(SOME_TOKENS);
                        let token = |_| u32::try_from(draw.below(limit)).unwrap_or(0);
                        Tensor::index(dims, (0..len).map(token).collect::<Vec<_>>())
                    }
                    (DType::Bool, Role::Training) => Tensor::bool(dims, vec![true; len]),
                    (DType::Bool, _) => {
                        let truths: Vec<_> = (0..len).map(|_| draw.once_in(2)).collect();
                        Tensor::bool(dims, truths)
                    }
                };
                env = env.with_input(name.clone(), value);
            }
            Op::Param { name, .. } => {
                let dims = dims(graph, &env, id)?;
                let len = dims.iter().product();
                // The variance of a product is half that of the vector: recurrences forget.
                let bound = match dims.as_slice() {
                    [_, columns] => (1.5 / *columns as f64).sqrt().min(1.0),
                    _ => 1.0,
                };
                let value = Tensor::real(dims, draw.reals(len, -bound, bound));
                env = env.with_param(name.clone(), value);
            }
            _ => {}
        }
    }
    Ok(env)
}
