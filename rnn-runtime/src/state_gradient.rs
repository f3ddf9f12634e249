//! How much of the gradient reaches each step: the derivative of the loss by every carried state, at every step.
//!
//! ```no_run
//! # use rnn_runtime::{CallError, Compiled, Model, StateGradient};
//! # fn example<M: Model>(model: &Compiled<M>, params: M::Params, inputs: M::Inputs<'_>, targets: M::Targets<'_>) -> Result<(), CallError> {
//! let by = model.state_gradients(&params, inputs, targets)?;
//! for (t, norm) in by.get("lstm.h").map(StateGradient::norms).into_iter().flatten().enumerate() {
//!     println!("|dL/dh[{}]| = {norm}", t + 1);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! For `h[t] = f(h[t-1], x[t])` it is what back-propagation through time hands from step to step,
//!
//! ```text
//! dL/dh[t] = (dh[t+1]/dh[t])' dL/dh[t+1] + (what the loss reads of h[t] itself)
//! ```
//!
//! the derivative through all later steps. Its norm against `t` shows whether gradients vanish or explode (Bengio, Simard & Frasconi
//! 1994; Pascanu, Mikolov & Bengio 2013, eq. 5).
//!
//! **Invariant:** it is the derivative of what [`Compiled::loss`] computes, at the same lengths, states and weights of
//! examples, when the value of one state at one step moves.

use ndarray::{Array1, Array2, ArrayD, Axis};
use rnn_ir::autodiff::Wrt;

use crate::batch::IntoBatch;
use crate::compiled::Compiled;
use crate::derivative::Kind;
use crate::error::CallError;
use crate::model::{Model, OutputValue};
use crate::plot::Panel;
use crate::routine::flat_params;
use crate::train::StateNorms;

/// The derivative of a batch loss by carried states.
#[derive(Clone, Debug)]
pub struct StateGradients {
    /// The batch loss.
    pub loss: f32,
    /// For each carried state of real numbers the derivative by it, in the order of the states.
    pub states: Vec<StateGradient>,
}

impl StateGradients {
    /// The derivative by a state, under the name that it has in the model's state: `lstm.h`.
    pub fn get(&self, name: &str) -> Option<&StateGradient> {
        self.states.iter().find(|state| state.name == name)
    }

    /// `|dL/dh[t]|` of all states against `t`, on a scale of powers of ten, as [`plot::curves`](crate::plot::curves) draws it: a panel for
    /// each time axis. Gradients that vanish or explode are straight lines there.
    pub fn panels(&self) -> Vec<Panel> {
        let mut panels: Vec<(&str, Panel)> = Vec::new();
        for state in &self.states {
            let own = state.to_norms();
            let axis = state.axis.as_str();
            let at = panels.iter().position(|(known, _)| *known == axis);
            let (_, before) = match at {
                Some(at) => panels.remove(at),
                None => {
                    let title = format!("norm of the loss's derivative by each state at {axis}");
                    (axis, Panel::new(title, axis).logarithmic())
                }
            };
            let panel = before.curve(own.name, own.norms);
            panels.insert(at.unwrap_or(panels.len()), (axis, panel));
        }
        panels.into_iter().map(|(_, panel)| panel).collect()
    }
}

/// The derivative of a batch loss by one carried state, at every step.
#[derive(Clone, Debug, PartialEq)]
pub struct StateGradient {
    /// The state.
    pub name: String,
    /// The time axis along which it is carried.
    pub axis: String,
    /// `dL/dh[t]`, `[T, B, features..]`; zeros past each example's length.
    pub values: ArrayD<f32>,
}

impl StateGradient {
    /// `|dL/dh[t]|` for each step, `[T]`: the Euclidean norm over all examples and features, from the first step on.
    pub fn norms(&self) -> Array1<f32> {
        let steps = self.values.axis_iter(Axis(0));
        steps.map(|step| norm(step.iter())).collect()
    }

    /// Its norms with their names, for a log.
    pub fn to_norms(&self) -> StateNorms {
        StateNorms {
            name: self.name.clone(),
            axis: self.axis.clone(),
            norms: self.norms().iter().map(|norm| f64::from(*norm)).collect(),
        }
    }

    /// `|dL/dh[t]|` of each example at each step, `[T, B]`: the Euclidean norm over features.
    pub fn norms_of_examples(&self) -> Array2<f32> {
        let shape = self.values.shape();
        Array2::from_shape_fn((shape[0], shape[1]), |(step, example)| {
            let row = self.values.index_axis(Axis(0), step);
            norm(row.index_axis(Axis(0), example).iter())
        })
    }
}

fn norm<'v>(values: impl Iterator<Item = &'v f32>) -> f32 {
    let squares: f64 = values.map(|value| f64::from(*value).powi(2)).sum();
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a norm as precise as its elements"
    )]
    let norm = squares.sqrt() as f32;
    norm
}

impl<M: Model> Compiled<M> {
    /// The loss of a batch, and its derivative by every carried state of real numbers at every step.
    ///
    /// States that are tokens have none, and a value that is read several steps later is one state. Nothing is drawn, as in [`loss`](Self::loss). The program is compiled when it is first
    /// asked for; a [memory limit](crate::Options::memory_limit) holds for it.
    ///
    /// # Errors
    /// As [`loss`](Self::loss).
    pub fn state_gradients<'a, 'b, 't>(
        &self,
        params: &M::Params,
        batch: impl IntoBatch<'a, 'b, M>,
        targets: M::Targets<'t>,
    ) -> Result<StateGradients, CallError> {
        let inner = &*self.inner;
        inner.training()?;
        let derivative = inner.derivative(Kind::States, Wrt::default())?;
        let call = inner.forced_call(batch.into_batch(), &targets)?;
        let flat = flat_params(&inner.signature, params)?;
        let (loss, mut values) = inner.rows(&derivative, &flat, &call)?;
        inner.check_loss(loss, &flat, &call)?;
        let own = inner.signature.outputs.len();
        let ports = derivative.signature.outputs[own..].iter();
        let values = values.split_off(own).into_iter();
        let states = ports.zip(values).filter_map(|(port, value)| {
            let axis = &inner.signature.axes[*port.axes.first()?];
            Some(StateGradient {
                name: port.name.strip_prefix("d_")?.to_owned(),
                axis: axis.name.clone(),
                values: value.map(OutputValue::into_real)?,
            })
        });
        Ok(StateGradients {
            loss,
            states: states.collect(),
        })
    }
}
