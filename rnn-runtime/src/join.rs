//! The carried states of the parts of a batch, as those of the batch.
//!
//! **Invariant:** examples keep their order.

use ndarray::{ArrayViewD, Axis, concatenate};

use crate::tensors::Tensors;

/// The carried states of all examples.
pub(crate) fn joined_states<S: Tensors>(mut parts: Vec<S>) -> S {
    if parts.len() == 1 {
        return parts.remove(0);
    }
    S::from_tensors(&mut |name| {
        let own: Vec<ArrayViewD<'_, f32>> = (parts.iter())
            .filter_map(|part| part.tensor(name))
            .collect();
        concatenate(Axis(0), &own)
            .unwrap_or_else(|_| unreachable!("parts differ in their examples alone"))
    })
}
