//! A model with parameters that stay as they are.
//!
//! Training changes parameters before every call, so each call of a [`Compiled`] model packs its weights anew. Where
//! parameters are final, packing them once saves reading and writing every weight at each call.
//!
//! **Invariant:** what a call returns is bit-equal to what [`Compiled::forward_with_state`] returns for these parameters.

use std::borrow::Cow;
use std::fmt;
use std::sync::Mutex;

use rnn_jit::Workspace;

use crate::batch::IntoBatch;
use crate::compiled::{Compiled, Forward};
use crate::error::CallError;
use crate::model::Model;
use crate::parts::Team;
use crate::pipeline::{Fed, Program};
use crate::profile::Calls;
use crate::routine::flat_params;

/// A compiled model together with its parameters, for inference on whole sequences.
///
/// Made by [`Compiled::freeze`]. It is shared by reference between threads, as the model is; calls that run side by side
/// each pack the weights once, and later calls find them packed.
pub struct Frozen<M: Model> {
    pub(crate) model: Compiled<M>,
    params: Vec<Cow<'static, [f32]>>,
    pub(crate) pool: Mutex<Vec<Workspace>>,
    /// Of calls that are profiled.
    pub(crate) calls: Calls,
}

impl<M: Model> fmt::Debug for Frozen<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frozen")
            .field("model", &M::NAME)
            .finish_non_exhaustive()
    }
}

impl<M: Model> Compiled<M> {
    /// This model with a copy of `params`, whose weights are packed once and not at each call.
    ///
    /// # Errors
    /// [`CallError::Params`] for parameters that do not fit the model.
    pub fn freeze(&self, params: &M::Params) -> Result<Frozen<M>, CallError> {
        let params = flat_params(&self.inner.signature, params)?;
        Ok(Frozen {
            model: self.clone(),
            params: (params.into_iter())
                .map(|data| Cow::Owned(data.into_owned()))
                .collect(),
            pool: Mutex::default(),
            calls: Calls::default(),
        })
    }
}

impl<M: Model> Frozen<M> {
    /// The outputs for a batch: inputs alone, or a [`Batch`](crate::Batch) with lengths and state.
    ///
    /// # Errors
    /// As [`Compiled::forward`].
    pub fn forward<'a, 'b>(
        &self,
        batch: impl IntoBatch<'a, 'b, M>,
    ) -> Result<M::Outputs, CallError> {
        Ok(self.forward_with_state(batch)?.outputs)
    }

    /// The outputs for a batch, and the carried state after its last steps.
    ///
    /// # Errors
    /// As [`Compiled::forward`].
    pub fn forward_with_state<'a, 'b>(
        &self,
        batch: impl IntoBatch<'a, 'b, M>,
    ) -> Result<Forward<M>, CallError> {
        let inner = &*self.model.inner;
        let _running = self.calls.start(inner.forward.executable.is_profiled());
        inner.check_needs(false)?;
        let (room, batch) = (inner.rooms.take(), batch.into_batch());
        let call = inner.call_in(room, &batch, None::<&M::Targets<'_>>, None, Fed::Own)?;
        let team = Team {
            frozen: Some(&self.pool),
            ..inner.team(Program::Forward)
        };
        let answer = inner.forward_of_parts(&inner.forward, team, &self.params, &call)?;
        inner.rooms.give(call.into_room());
        Ok(answer)
    }
}
