//! Derivatives beside the gradient: along directions, of the gradient itself, and by inputs.
//!
//! ```no_run
//! # use ndarray::ArrayView3;
//! # use rnn_runtime::{CallError, Compiled, Direction, Model};
//! # fn example<M: Model>(
//! #     model: &Compiled<M>, params: M::Params, v: M::Params, mut product: M::Params, dx: ArrayView3<'_, f32>,
//! #     inputs: impl Fn() -> M::Inputs<'static>, targets: impl Fn() -> M::Targets<'static>,
//! # ) -> Result<(), CallError> {
//! let moved = model.jvp(&params, inputs(), &Direction::params(&v))?;          // moved.outputs, moved.tangents
//! let (loss, slope) = model.loss_jvp(&params, inputs(), targets(), &Direction::input("x", dx))?;
//! model.hvp(&params, inputs(), targets(), &v, &mut product)?;                 // H v
//! let by = model.input_gradients(&params, inputs(), targets(), &["x"])?;      // by.loss, by.gradients
//! # Ok(())
//! # }
//! ```
//!
//! **Invariant:** these are derivatives of what [`Compiled::forward`] and [`Compiled::loss`] compute, at the same lengths, states
//! and weights of examples.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use ndarray::{ArrayD, ArrayView, ArrayViewD, Dimension};
use rnn_ir::autodiff::Wrt;
use rnn_ir::graph::ResultKind;
use rnn_ir::node::DType;

use crate::batch::{Batch, IntoBatch};
use crate::call::{Call, Data, shape_error};
use crate::compiled::{Compiled, Inner, LossValue};
use crate::derivative::{Derivative, Kind, Moved, SLOPE};
use crate::error::CallError;
use crate::feedback::Feedback;
use crate::model::{Inputs, Model, OutputValue};
use crate::outputs::OutputMemory;
use crate::parts::Team;
use crate::pipeline::{Fed, Program};
use crate::routine::flat_params;
use crate::signature::Port;
use crate::tensors::{Tensors, check_specs};

/// How parameters and inputs move together; what is not named stays where it is.
#[derive(Clone, Debug)]
pub struct Direction<'d, P> {
    params: Option<&'d P>,
    inputs: Vec<(&'d str, ArrayViewD<'d, f32>)>,
}

impl<'d, P> Direction<'d, P> {
    /// All trained parameters move; what it holds for fixed ones is not read.
    pub fn params(direction: &'d P) -> Self {
        Self {
            params: Some(direction),
            inputs: Vec::new(),
        }
    }

    /// An input or a target of real numbers moves. A direction has the shape of what moves.
    pub fn input<D: Dimension>(name: &'d str, direction: ArrayView<'d, f32, D>) -> Self {
        Self {
            params: None,
            inputs: vec![(name, direction.into_dyn())],
        }
    }

    /// And another input.
    #[must_use]
    pub fn and_input<D: Dimension>(
        mut self,
        name: &'d str,
        direction: ArrayView<'d, f32, D>,
    ) -> Self {
        self.inputs.retain(|(known, _)| *known != name);
        self.inputs.push((name, direction.into_dyn()));
        self
    }

    fn wrt(&self) -> Wrt {
        Wrt {
            params: self.params.is_some(),
            inputs: self
                .inputs
                .iter()
                .map(|(name, _)| (*name).to_owned())
                .collect(),
        }
    }
}

/// Outputs, and how they change.
#[derive(Clone, Debug)]
pub struct Jvp<M: Model> {
    /// The outputs.
    pub outputs: M::Outputs,
    /// The derivative of each output along the direction; zeros for tokens.
    pub tangents: M::Outputs,
}

/// The derivative of a batch loss by inputs.
#[derive(Clone, Debug)]
pub struct InputGradients {
    /// The batch loss.
    pub loss: f32,
    /// For each input asked for, the derivative by it, of its shape; zeros past each example's length.
    pub gradients: Vec<(String, ArrayD<f32>)>,
}

impl InputGradients {
    /// The derivative by an input.
    pub fn get(&self, name: &str) -> Option<&ArrayD<f32>> {
        let mut all = self.gradients.iter();
        all.find(|(known, _)| known == name).map(|(_, own)| own)
    }
}

impl<M: Model> Compiled<M> {
    /// The outputs for a batch, and their derivative along a direction: a product of the Jacobian with a vector.
    ///
    /// The program is compiled when it is first asked for, once for each choice of what moves. A
    /// [memory limit](crate::Options::memory_limit) holds for it, as for the other derivatives: it runs in segments of steps, or
    /// says before it takes memory how much would do.
    ///
    /// # Errors
    /// As [`forward`](Self::forward), and [`CallError`] for directions that do not fit what they move.
    pub fn jvp<'a, 'b>(
        &self,
        params: &M::Params,
        batch: impl IntoBatch<'a, 'b, M>,
        direction: &Direction<'_, M::Params>,
    ) -> Result<Jvp<M>, CallError> {
        let inner = &*self.inner;
        inner.check_needs(false)?;
        let derivative = inner.derivative(Kind::Outputs, direction.wrt())?;
        let call = inner.call(&batch.into_batch(), None::<&M::Targets<'_>>, None, Fed::Own)?;
        let call = inner.moved(call, &derivative, direction)?;
        let flat = flat_params(&inner.signature, params)?;
        let (_, mut values) = inner.rows(&derivative, &flat, &call)?;
        let tangents = values.split_off(inner.signature.outputs.len());
        let mut tangents = tangents.into_iter();
        let of_tokens = |value: &OutputValue| match value {
            OutputValue::Index(tokens) => OutputValue::Index(ArrayD::zeros(tokens.raw_dim())),
            OutputValue::Real(reals) => OutputValue::Real(ArrayD::zeros(reals.raw_dim())),
        };
        let moved = values.iter().zip(&inner.signature.outputs);
        let moved = moved.map(|(value, port)| match port.dtype {
            DType::Real => tangents.next().flatten(),
            DType::Index | DType::Bool => value.as_ref().map(of_tokens),
        });
        let moved: Vec<_> = moved.collect();
        Ok(Jvp {
            outputs: inner.typed_outputs(values)?,
            tangents: inner.typed_outputs(moved)?,
        })
    }

    /// The loss of a batch, and its derivative along a direction.
    ///
    /// # Errors
    /// As [`loss`](Self::loss), and [`CallError`] for directions that do not fit what they move.
    pub fn loss_jvp<'a, 'b, 't>(
        &self,
        params: &M::Params,
        batch: impl IntoBatch<'a, 'b, M>,
        targets: M::Targets<'t>,
        direction: &Direction<'_, M::Params>,
    ) -> Result<(f32, f32), CallError> {
        let inner = &*self.inner;
        inner.training()?;
        let derivative = inner.derivative(Kind::Loss, direction.wrt())?;
        let call = inner.forced_call(batch.into_batch(), &targets)?;
        let call = inner.moved(call, &derivative, direction)?;
        let flat = flat_params(&inner.signature, params)?;
        let routine = &derivative.routine;
        let slope = routine.result(&ResultKind::Output, SLOPE);
        let team = inner.team_of(&derivative);
        let parts = team.run(routine, &flat, &call, |workspace, _, _| {
            let slope = match slope {
                Some(node) => routine.scalar(workspace, node)?,
                None => 0.0,
            };
            Ok((routine.batch_loss(workspace)?, slope))
        })?;
        let loss = parts.iter().map(|(loss, _)| loss).sum();
        inner.check_loss(loss, &flat, &call)?;
        Ok((loss, parts.iter().map(|(_, slope)| slope).sum()))
    }

    /// The loss of a batch; `product` becomes the product of its Hessian by the trained parameters with a direction, and zeros
    /// for fixed ones.
    ///
    /// # Errors
    /// As [`loss_and_grad`](Self::loss_and_grad). `product` is as it was on error.
    pub fn hvp<'a, 'b, 't>(
        &self,
        params: &M::Params,
        batch: impl IntoBatch<'a, 'b, M>,
        targets: M::Targets<'t>,
        direction: &M::Params,
        product: &mut M::Params,
    ) -> Result<f32, CallError> {
        let inner = &*self.inner;
        inner.training()?;
        let derivative = inner.derivative(Kind::Hessian, Wrt::params())?;
        let call = inner.forced_call(batch.into_batch(), &targets)?;
        let mut call = inner.moved(call, &derivative, &Direction::params(direction))?;
        let team = inner.team_of(&derivative);
        let (routine, mut value) = (&derivative.routine, LossValue::new(self));
        inner.gradient_into(team, routine, params, &mut call, product, &mut value)?;
        Ok(value.loss)
    }

    /// The loss of a batch, and its derivative by some of its inputs or targets.
    ///
    /// # Errors
    /// As [`loss`](Self::loss), and [`CallError`] for an input that does not exist or has tokens.
    pub fn input_gradients<'a, 'b, 't>(
        &self,
        params: &M::Params,
        batch: impl IntoBatch<'a, 'b, M>,
        targets: M::Targets<'t>,
        inputs: &[&str],
    ) -> Result<InputGradients, CallError> {
        let inner = &*self.inner;
        inner.training()?;
        let mut wrt = Wrt::default();
        for name in inputs {
            if !wrt.inputs.iter().any(|known| known == name) {
                wrt = wrt.and_input(*name);
            }
        }
        let derivative = inner.derivative(Kind::Inputs, wrt.clone())?;
        let call = inner.forced_call(batch.into_batch(), &targets)?;
        let flat = flat_params(&inner.signature, params)?;
        let (loss, mut values) = inner.rows(&derivative, &flat, &call)?;
        inner.check_loss(loss, &flat, &call)?;
        let rows = values.split_off(inner.signature.outputs.len());
        let rows = rows.into_iter().flatten().map(OutputValue::into_real);
        Ok(InputGradients {
            loss,
            gradients: wrt.inputs.into_iter().zip(rows).collect(),
        })
    }
}

impl Inner {
    /// The program of a derivative, if all that it differentiates by exists and is real.
    pub(crate) fn derivative(&self, kind: Kind, wrt: Wrt) -> Result<Arc<Derivative>, CallError> {
        for name in &wrt.inputs {
            let mut ports = self.signature.inputs.iter();
            match ports.find(|port| port.name == *name) {
                None => {
                    return Err(CallError::UnknownInput {
                        model: self.signature.model.to_owned(),
                        name: name.clone(),
                        inputs: real_inputs(&self.signature.inputs),
                    });
                }
                Some(port) if port.dtype != DType::Real => {
                    return Err(CallError::NoDerivative {
                        model: self.signature.model.to_owned(),
                        name: name.clone(),
                        inputs: real_inputs(&self.signature.inputs),
                    });
                }
                Some(_) => {}
            }
        }
        // Without targets, what is fed back is the model's own.
        let model = match kind {
            Kind::Outputs => &self.free,
            Kind::Loss | Kind::Hessian | Kind::Inputs => &self.model,
            Kind::States => &self.inferred,
        };
        let of = (model, &self.signature);
        let found = self.derivatives.get(of, &self.options, kind, wrt);
        found.map_err(|source| CallError::Compile(Box::new(source)))
    }

    /// A call under teacher forcing.
    pub(crate) fn forced_call<
        'c,
        'a: 'c,
        'b: 'c,
        't: 'c,
        I: Inputs<'a>,
        S: Tensors,
        T: Inputs<'t>,
    >(
        &self,
        batch: Batch<'b, I, S>,
        targets: &T,
    ) -> Result<Call<'c>, CallError> {
        if batch.beside.feedback != Feedback::Targets {
            return Err(CallError::OnlyForced {
                model: self.signature.model.to_owned(),
            });
        }
        self.call(&batch, Some(targets), None, Fed::Targets)
    }

    fn team_of<'s>(&'s self, derivative: &'s Derivative) -> Team<'s> {
        Team {
            signature: &derivative.signature,
            ..self.team(Program::Loss)
        }
    }

    // A call with directions behind its inputs.
    fn moved<'c, 'd: 'c, P: Tensors>(
        &self,
        mut call: Call<'c>,
        derivative: &Derivative,
        direction: &Direction<'d, P>,
    ) -> Result<Call<'c>, CallError> {
        if let Some(params) = direction.params {
            check_specs(params, &self.signature.params).map_err(|source| CallError::Params {
                what: "directions",
                source,
            })?;
        }
        let ports = &derivative.signature.inputs[self.signature.inputs.len()..];
        for (moved, port) in derivative.moved.iter().zip(ports) {
            let view = match moved {
                Moved::Param(name) => direction.params.and_then(|params| params.tensor(name)),
                Moved::Input(name) => {
                    let mut inputs = direction.inputs.iter();
                    let found = inputs.find(|(known, _)| known == name);
                    found.map(|(_, view)| view.clone())
                }
            };
            let Some(view) = view else {
                return Err(CallError::MissingInput {
                    name: port.name.clone(),
                });
            };
            let steps = port.axes.iter().map(|axis| call.shape.steps[*axis]);
            let examples = port.batch.then_some(call.shape.batch);
            let features = port.features.iter().copied();
            let expected: Vec<usize> = steps.chain(examples).chain(features).collect();
            if view.shape() != expected {
                return Err(shape_error(&derivative.signature, port, view.shape()));
            }
            let data = match view.to_slice() {
                Some(slice) => Cow::Borrowed(slice),
                None => Cow::Owned(view.iter().copied().collect()),
            };
            call.inputs.push(Some(Data::Real(data)));
        }
        Ok(call)
    }

    /// The batch loss, zero for a program without one, and the outputs, each part's in its rows.
    pub(crate) fn rows(
        &self,
        derivative: &Derivative,
        params: &[Cow<'_, [f32]>],
        call: &Call<'_>,
    ) -> Result<(f32, Vec<Option<OutputValue>>), CallError> {
        let Derivative {
            routine, signature, ..
        } = derivative;
        let team = self.team_of(derivative);
        let mut memory = OutputMemory::new(signature, routine, &call.shape);
        let division = team.division(routine, call)?;
        let parts: Vec<_> = division.parts.iter().collect();
        let rows = memory.of_parts(signature, &parts);
        // Each part takes its own, once.
        let rows: Vec<_> = rows.into_iter().map(Mutex::new).collect();
        let losses = team.run(routine, params, call, |workspace, _, at| {
            let mut own = rows[at].lock().unwrap_or_else(PoisonError::into_inner);
            for rows in std::mem::take(&mut *own).into_iter().flatten() {
                rows.write(routine, workspace)?;
            }
            Ok(routine.batch_loss(workspace)?)
        })?;
        drop(rows);
        Ok((losses.into_iter().sum(), memory.into_values()))
    }
}

fn real_inputs(ports: &[Port]) -> Vec<String> {
    let real = ports.iter().filter(|port| port.dtype == DType::Real);
    real.map(|port| port.name.clone()).collect()
}
