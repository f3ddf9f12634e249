//! The results of the parts of a batch, as those of the batch.
//!
//! **Invariant:** examples keep their order; what does not vary over them is the first part's.

use ndarray::{ArrayD, ArrayViewD, Axis, concatenate};

use crate::model::OutputValue;
use crate::signature::Signature;
use crate::tensors::Tensors;

/// Outputs by position in the signature.
pub(crate) fn joined_outputs(
    signature: &Signature,
    mut parts: Vec<Vec<Option<OutputValue>>>,
) -> Vec<Option<OutputValue>> {
    if parts.len() == 1 {
        return parts.remove(0);
    }
    let ports = signature.outputs.iter().enumerate();
    ports
        .map(|(at, port)| {
            let mut own: Vec<OutputValue> = Vec::with_capacity(parts.len());
            for part in &mut parts {
                own.push(part[at].take()?);
            }
            if !port.batch {
                return Some(own.remove(0));
            }
            // Time axes come before the examples.
            let axis = Axis(port.axes.len());
            let (mut reals, mut tokens) = (Vec::new(), Vec::new());
            for value in &own {
                match value {
                    OutputValue::Real(value) => reals.push(value.view()),
                    OutputValue::Index(value) => tokens.push(value.view()),
                }
            }
            Some(match reals.is_empty() {
                true => OutputValue::Index(along(axis, &tokens)),
                false => OutputValue::Real(along(axis, &reals)),
            })
        })
        .collect()
}

/// The carried states of all examples.
pub(crate) fn joined_states<S: Tensors>(mut parts: Vec<S>) -> S {
    if parts.len() == 1 {
        return parts.remove(0);
    }
    S::from_tensors(&mut |name| {
        let own: Vec<ArrayViewD<'_, f32>> = (parts.iter())
            .filter_map(|part| part.tensor(name))
            .collect();
        along(Axis(0), &own)
    })
}

fn along<A: Clone>(axis: Axis, parts: &[ArrayViewD<'_, A>]) -> ArrayD<A> {
    concatenate(axis, parts)
        .unwrap_or_else(|_| unreachable!("parts differ in their examples alone"))
}
