//! A model as native code.
//!
//! [`Compiled`] owns three programs (outputs, loss, gradient), compiles others when they are asked for
//! ([`crate::tangent`]), and is shared by reference between threads: each call takes
//! a workspace from a pool, so calls run side by side without waiting for each other.
//!
//! **Invariant:** what a call returns is a function of the parameters, the batch and the state given, bit for bit: not of
//! other calls, of the number of threads, or of the calls before.

mod inner;

use std::fmt;
use std::sync::Arc;

pub(crate) use self::inner::{Inner, routine_of};

use crate::batch::{Batch, IntoBatch};
use crate::error::{CallError, CompileError, ParamsError};
use crate::fixing::fixed;
use crate::model::Model;
use crate::options::Options;
use crate::pipeline::Program;
use crate::report::Times;
use crate::reuse::{self, Key};
use crate::routine::flat_params;
use crate::running::Running;
use crate::signature::{Signature, bound_graph, specs_of};
use crate::states;
use crate::tensors::ParamSpec;

/// What inference returns.
#[derive(Clone, Debug)]
pub struct Forward<M: Model> {
    /// The outputs; zeros past each example's length.
    pub outputs: M::Outputs,
    /// The carried state after the last step of each example.
    pub state: M::State,
}

/// What a training step returns.
#[derive(Clone, Debug)]
pub struct LossValue<M: Model> {
    /// The batch loss.
    pub loss: f32,
    /// What the loss weighs in a mean over batches: the examples of this one, its target steps with
    /// [`Reduction::Tokens`](crate::Reduction::Tokens), 1 with [`Reduction::Sum`](crate::Reduction::Sum).
    pub weight: u64,
    /// The carried state after the last step of each example.
    pub state: M::State,
    /// What running parameters become.
    pub(crate) running: Running,
}

impl<M: Model> LossValue<M> {
    /// What no call has written yet, for [`Compiled::loss_and_grad_into`]: a loss of 0 of no examples.
    pub fn new(model: &Compiled<M>) -> Self {
        Self {
            loss: 0.0,
            weight: 0,
            state: states::none(&model.inner.signature),
            running: Running::default(),
        }
    }

    /// Brings the running parameters on, by the statistics of the batch that this is the value of: of a model with
    /// `batch_norm`, after each training step. Other models have none, and nothing changes.
    ///
    /// # Errors
    /// [`ParamsError`] for parameters of other sizes; nothing is changed then.
    pub fn apply_running(&self, params: &mut M::Params) -> Result<(), ParamsError> {
        self.running.apply(params)
    }
}

/// A model as native code for given sizes.
///
/// Cloning it is cheap: clones share the code. The code is freed with the last of them.
pub struct Compiled<M: Model> {
    spec: M,
    pub(crate) inner: Arc<Inner>,
}

impl<M: Model> Clone for Compiled<M> {
    fn clone(&self) -> Self {
        Self {
            spec: self.spec,
            inner: Arc::clone(&self.inner),
        }
    }
}

impl<M: Model> fmt::Debug for Compiled<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compiled")
            .field("model", &M::NAME)
            .field("sizes", &self.spec.sizes())
            .finish_non_exhaustive()
    }
}

/// Compiles a model for its sizes, or takes the code of one that was compiled from the same equations, sizes and options and is still
/// held by someone ([`Options::reuse`]).
///
/// # Errors
/// [`CompileError`] for sizes that do not fit the equations, and for a machine without a code generator.
pub fn compile<M: Model>(spec: M, options: Options) -> Result<Compiled<M>, CompileError> {
    let key = Key::of(&spec, &options);
    if let Some(inner) = key.as_ref().and_then(reuse::find) {
        return Ok(Compiled { spec, inner });
    }
    let times = Times::start();
    let bound = fixed(bound_graph(&spec)?, &options.fixed)?;
    let params = specs_of::<M>(&bound).map_err(|source| CompileError::Init {
        model: M::NAME.to_owned(),
        source: Box::new(source),
    })?;
    let signature = Signature::new(M::NAME, &bound, params);
    let inner = Inner::new(signature, bound, options, times)?;
    let inner = match key {
        Some(key) => reuse::add(key, inner),
        None => Arc::new(inner),
    };
    Ok(Compiled { spec, inner })
}

impl<M: Model> Compiled<M> {
    /// The sizes it was compiled for.
    pub fn spec(&self) -> &M {
        &self.spec
    }

    /// How it was compiled.
    pub fn options(&self) -> &Options {
        &self.inner.options
    }

    /// Name, shape and rule of every parameter, in the order in which their struct visits them: what optimisers take.
    pub fn param_specs(&self) -> &[ParamSpec] {
        &self.inner.signature.params
    }

    /// The outputs for a batch: inputs alone, or a [`Batch`] with lengths and state.
    ///
    /// # Errors
    /// [`CallError`] for values that do not fit the model or each other.
    pub fn forward<'a, 'b>(
        &self,
        params: &M::Params,
        batch: impl IntoBatch<'a, 'b, M>,
    ) -> Result<M::Outputs, CallError> {
        Ok(self.forward_with_state(params, batch)?.outputs)
    }

    /// The outputs for a batch, and the carried state after its last steps.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn forward_with_state<'a, 'b>(
        &self,
        params: &M::Params,
        batch: impl IntoBatch<'a, 'b, M>,
    ) -> Result<Forward<M>, CallError> {
        self.forward_from(params, batch.into_batch(), None, None)
    }

    /// As [`forward_with_state`](Self::forward_with_state), for a model whose outputs read its targets: a decoder under
    /// teacher forcing, or as [`Batch::feedback`] says.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn forward_with_targets<'a, 'b, 't>(
        &self,
        params: &M::Params,
        batch: impl IntoBatch<'a, 'b, M>,
        targets: M::Targets<'t>,
    ) -> Result<Forward<M>, CallError> {
        self.forward_from(params, batch.into_batch(), Some(&targets), None)
    }

    /// The loss of a batch, its examples added up by [`Options::reduction`].
    ///
    /// # Errors
    /// [`CallError`] for a model without a loss, for values that do not fit the model or each other, and for a loss that is
    /// not finite.
    pub fn loss<'a, 'b, 't>(
        &self,
        params: &M::Params,
        batch: impl IntoBatch<'a, 'b, M>,
        targets: M::Targets<'t>,
    ) -> Result<f32, CallError> {
        Ok(self.loss_with_state(params, batch, targets)?.loss)
    }

    /// The loss of a batch, and the carried state after its last steps.
    ///
    /// # Errors
    /// As [`loss`](Self::loss).
    pub fn loss_with_state<'a, 'b, 't>(
        &self,
        params: &M::Params,
        batch: impl IntoBatch<'a, 'b, M>,
        targets: M::Targets<'t>,
    ) -> Result<LossValue<M>, CallError> {
        let mut value = LossValue::new(self);
        self.loss_from(params, batch.into_batch(), &targets, None, &mut value)?;
        Ok(value)
    }

    /// The loss of a batch; `grads` becomes its derivative by each trained parameter, and zeros for the others: those that the model
    /// declares `fixed` or `running`, and those that [`Options::fixed`] names.
    ///
    /// This is training: a model that draws random numbers draws them here, from [`Batch::seed`], and nowhere else; and values are
    /// normalised by the statistics of the batch, which [`LossValue::apply_running`] keeps.
    ///
    /// # Errors
    /// As [`loss`](Self::loss), and for a gradient that is not finite. `grads` are as they were on error.
    pub fn loss_and_grad<'a, 'b, 't>(
        &self,
        params: &M::Params,
        batch: impl IntoBatch<'a, 'b, M>,
        targets: M::Targets<'t>,
        grads: &mut M::Params,
    ) -> Result<LossValue<M>, CallError> {
        let mut value = LossValue::new(self);
        self.loss_and_grad_into(params, batch, targets, grads, &mut value)?;
        Ok(value)
    }

    /// As [`loss_and_grad`](Self::loss_and_grad), with what it returns written over the value of an earlier call. A step like the
    /// one before allocates nothing then: of as many examples and steps, of any lengths, with values of at most four axes, and
    /// parameters and gradients in row-major order. Where several threads share a batch, each takes its memory with its first part.
    ///
    /// ```no_run
    /// # use rnn_runtime::train::AnyError;
    /// # use rnn_runtime::{Compiled, LossValue, Model, Optimizer};
    /// # fn example<'a, M: Model>(
    /// #     model: &Compiled<M>, mut params: M::Params, mut grads: M::Params, batches: Vec<(M::Inputs<'a>, M::Targets<'a>)>, mut optimizer: impl Optimizer,
    /// # ) -> Result<(), AnyError> {
    /// let mut value = LossValue::new(model);
    /// for (inputs, targets) in batches {
    ///     model.loss_and_grad_into(&params, inputs, targets, &mut grads, &mut value)?;
    ///     optimizer.step(&mut params, &grads, 1e-3)?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`loss_and_grad`](Self::loss_and_grad). `grads` and `value` are as they were on error.
    pub fn loss_and_grad_into<'a, 'b, 't>(
        &self,
        params: &M::Params,
        batch: impl IntoBatch<'a, 'b, M>,
        targets: M::Targets<'t>,
        grads: &mut M::Params,
        value: &mut LossValue<M>,
    ) -> Result<(), CallError> {
        self.gradient_from(params, batch.into_batch(), &targets, None, grads, value)
    }

    /// The loss of each example, before it is weighted.
    ///
    /// # Errors
    /// As [`loss`](Self::loss), save that losses may be any numbers.
    pub fn losses<'a, 'b, 't>(
        &self,
        params: &M::Params,
        batch: impl IntoBatch<'a, 'b, M>,
        targets: M::Targets<'t>,
    ) -> Result<Vec<f32>, CallError> {
        self.losses_from(params, &batch.into_batch(), &targets, None)
    }

    pub(crate) fn losses_from<'a, 'b, 't>(
        &self,
        params: &M::Params,
        batch: &Batch<'b, M::Inputs<'a>, M::State>,
        targets: &M::Targets<'t>,
        carried: Carried<'_, M>,
    ) -> Result<Vec<f32>, CallError> {
        let inner = &*self.inner;
        let fed = inner.fed_in_training(batch.beside.feedback)?;
        let routine = inner.program(Program::Loss, fed)?;
        let _running = routine.start();
        let call = inner.call(batch, Some(targets), carried, fed)?;
        let flat = flat_params(&inner.signature, params)?;
        let parts =
            inner
                .team(Program::Loss)
                .run(routine, &flat, &call, |workspace, part, _| {
                    inner.example_losses(routine, workspace, part)
                })?;
        Ok(parts.concat())
    }
}

/// The state of the chunk before, instead of the batch's; `Some(None)` at the start of a sequence.
pub(crate) type Carried<'s, M> = Option<Option<&'s <M as Model>::State>>;
