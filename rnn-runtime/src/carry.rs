//! Truncated back-propagation through time: one long sequence in chunks, the state carried over.
//!
//! The forward pass is that of the whole sequence; gradients stop at the start of each chunk (Williams & Peng 1990, with
//! `k1 = k2`).
//!
//! ```no_run
//! # use ndarray::ArrayView2;
//! # use rnn_runtime::{CallError, Carry, Compiled, ContinuousText, Inputs, Model};
//! # fn example<M: Model>(
//! #     model: &Compiled<M>, params: M::Params, mut grads: M::Params, mut text: ContinuousText,
//! #     inputs: impl for<'a> Fn(ArrayView2<'a, u32>) -> M::Inputs<'a>, targets: impl for<'a> Fn(ArrayView2<'a, u32>) -> M::Targets<'a>,
//! # ) -> Result<(), CallError> {
//! let mut carry = Carry::new();
//! while let Some(chunk) = text.next_chunk() {
//!     if chunk.starts_pass {
//!         carry.restart();
//!     }
//!     let batch = inputs(chunk.inputs).lengths(chunk.lengths);
//!     let loss = carry.loss_and_grad(model, &params, batch, targets(chunk.targets), &mut grads)?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! **Invariant:** a call that fails leaves the state as it was.

use crate::batch::IntoBatch;
use crate::compiled::{Compiled, LossValue};
use crate::error::CallError;
use crate::model::Model;
use crate::states::HandedOn;

/// The state that chunks of one sequence hand on.
#[derive(Clone, Debug)]
pub struct Carry<M: Model> {
    state: HandedOn<M::State>,
    /// Memory of what a chunk returns.
    value: Option<LossValue<M>>,
}

impl<M: Model> Default for Carry<M> {
    fn default() -> Self {
        Self {
            state: HandedOn::default(),
            value: None,
        }
    }
}

impl<M: Model> Carry<M> {
    /// At the start of a sequence.
    pub fn new() -> Self {
        Self::default()
    }

    /// After an earlier chunk.
    pub fn from_state(state: M::State) -> Self {
        Self {
            state: HandedOn::new(Some(state)),
            value: None,
        }
    }

    /// Starts another sequence with the next chunk.
    pub fn restart(&mut self) {
        self.state.restart();
    }

    /// The state after the last chunk; `None` at the start of a sequence.
    pub fn state(&self) -> Option<&M::State> {
        self.state.get()
    }

    /// The outputs of the next chunk.
    ///
    /// # Errors
    /// As [`Compiled::forward`]. A state in the batch is not used: that of the chunk before is.
    pub fn forward<'a, 'b>(
        &mut self,
        model: &Compiled<M>,
        params: &M::Params,
        batch: impl IntoBatch<'a, 'b, M>,
    ) -> Result<M::Outputs, CallError> {
        let carried = Some(self.state.get());
        let result = model.forward_from(params, batch.into_batch(), None, carried)?;
        self.state = HandedOn::new(Some(result.state));
        Ok(result.outputs)
    }

    /// The loss of the next chunk.
    ///
    /// # Errors
    /// As [`Compiled::loss`]. A state in the batch is not used: that of the chunk before is.
    pub fn loss<'a, 'b, 't>(
        &mut self,
        model: &Compiled<M>,
        params: &M::Params,
        batch: impl IntoBatch<'a, 'b, M>,
        targets: M::Targets<'t>,
    ) -> Result<f32, CallError> {
        let value = self.value.get_or_insert_with(|| LossValue::new(model));
        let carried = Some(self.state.get());
        model.loss_from(params, batch.into_batch(), &targets, carried, value)?;
        self.state.take(&mut value.state);
        Ok(value.loss)
    }

    /// The loss of the next chunk, and its gradient within the chunk.
    ///
    /// # Errors
    /// As [`Compiled::loss_and_grad`]. A state in the batch is not used: that of the chunk before is.
    pub fn loss_and_grad<'a, 'b, 't>(
        &mut self,
        model: &Compiled<M>,
        params: &M::Params,
        batch: impl IntoBatch<'a, 'b, M>,
        targets: M::Targets<'t>,
        grads: &mut M::Params,
    ) -> Result<f32, CallError> {
        let value = self.value.get_or_insert_with(|| LossValue::new(model));
        let carried = Some(self.state.get());
        model.gradient_from(params, batch.into_batch(), &targets, carried, grads, value)?;
        self.state.take(&mut value.state);
        Ok(value.loss)
    }
}
