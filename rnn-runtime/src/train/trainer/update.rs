//! What a step does: the gradient of a batch, those that wait for others, and the update by all of them.
//!
//! **Invariant:** parameters change only by gradients that are finite.

use std::time::Instant;

use super::{Learnt, Trainer};
use crate::clip::{clip_global_norm, clip_values, global_norm, sum_of_squares};
use crate::compiled::{Carried, Compiled, LossValue};
use crate::error::{CallError, ClipError, NonFiniteError, Origin, Place, TrainError};
use crate::feedback::Feedback;
use crate::model::Model;
use crate::optim::Optimizer;
use crate::options::Reduction;
use crate::rng::{fnv1a64, fnv1a64_from};
use crate::states::HandedOn;
use crate::tensors::Tensors;
use crate::train::settings::{Clip, OnNonFinite};
use crate::train::source::{Next, Steps, TrainingBatch};

impl<M: Model, O: Optimizer> Trainer<M, O> {
    // The gradient of a batch, the loss and its weight; carries the state on.
    pub(super) fn gradient(
        &mut self,
        item: TrainingBatch<'_, M>,
        losses: bool,
    ) -> Result<(f32, u64), CallError> {
        let mut batch = item.batch;
        if batch.beside.seed.is_none() && self.model.inner.draws() {
            batch.beside.seed = Some(self.batch_seed());
        }
        if let (Some(sampling), Feedback::Targets) =
            (&self.settings.sampling, batch.beside.feedback)
        {
            let probability = sampling.0.at(self.state.steps);
            batch.beside.feedback =
                Feedback::sampled(probability, self.settings.seed, self.state.batches);
        }
        self.state.batches += 1;
        if !item.continues {
            self.state.carry.restart();
        }
        let (model, params) = (&self.model, &self.params);
        let (carry, value) = (&mut self.state.carry, &mut self.value);
        if let Some(lead_in) = item.lead_in {
            run_through(model, params, lead_in, carry, value)?;
        }
        let own = batch.state.is_some();
        let carried: Carried<'_, M> = (!own).then_some(carry.get());
        let (targets, grads) = (&item.targets, &mut self.grads);
        if losses {
            self.losses = model.losses_from(params, &batch, targets, carried)?;
        }
        model.gradient_from(params, batch, targets, carried, grads, value)?;
        if !value.loss.is_finite() {
            // Of a model that was compiled to return such numbers.
            return Err(CallError::NonFinite(Box::new(unknown(
                value.loss,
                Origin::Unknown,
                "loss",
            ))));
        }
        let seen = (value.loss, value.weight);
        match item.next {
            Next::AfterAll => carry.take(&mut value.state),
            Next::AtItsStart => {}
            Next::After(steps) => run_through(model, params, steps, carry, value)?,
        }
        Ok(seen)
    }

    // Another seed for every batch of the run.
    fn batch_seed(&self) -> u64 {
        let hash = fnv1a64(&self.settings.seed.to_le_bytes());
        fnv1a64_from(hash, &self.state.batches.to_le_bytes())
    }

    // Adds the gradient of a batch to those that wait.
    pub(super) fn accumulate(&mut self, weight: u64) {
        if let Some(sum) = &mut self.pending.grads {
            let weight = match self.model.options().reduction {
                Reduction::Sum => 1.0,
                Reduction::Mean | Reduction::Tokens => weight as f32,
            };
            sum.zip_mut(&self.grads, &mut |_, mut sum, own| {
                sum.zip_mut_with(&own, |sum, own| *sum += weight * own);
            });
        }
    }

    // Updates the parameters by the gradients of all batches that wait.
    pub(super) fn update(&mut self) -> Result<Learnt, TrainError> {
        let started = Instant::now();
        if let Some(sum) = &self.pending.grads {
            let scale = match self.model.options().reduction {
                Reduction::Sum => 1.0,
                Reduction::Mean | Reduction::Tokens => {
                    1.0 / self.pending.loss.count().max(1) as f32
                }
            };
            self.grads.zip_mut(sum, &mut |_, mut own, sum| {
                own.zip_mut_with(&sum, |own, sum| *own = scale * sum);
            });
        }
        let loss = self.pending.loss.value().unwrap_or(0.0);
        let norm = match self.clip() {
            Ok(norm) => norm,
            Err(ClipError::NonFinite { name }) => {
                #[expect(clippy::cast_possible_truncation, reason = "a mean of f32")]
                let source = unknown(loss as f32, Origin::Gradient, &name);
                return self.nonfinite(Box::new(source));
            }
            Err(error) => return Err(error.into()),
        };
        let rate = self.learning_rate();
        self.optimizer.step(&mut self.params, &self.grads, rate)?;
        self.state.steps += 1;
        self.state.skipped = 0;
        self.state.loss.add(loss, self.pending.loss.count());
        self.pending.seconds += started.elapsed().as_secs_f64();
        self.note(loss, rate, Some(norm));
        Ok(Learnt::Updated)
    }

    // Limits the gradients; the norm before.
    fn clip(&mut self) -> Result<f64, ClipError> {
        let specs = self.model.param_specs();
        if self.settings.parameter_norms {
            let norms = &mut self.record.parameter_norms;
            let (mut at, mut next) = (0, 0);
            self.grads.visit(&mut |_, view| {
                if specs[at].is_trained() {
                    norms[next].1 = sum_of_squares(&view).sqrt();
                    next += 1;
                }
                at += 1;
            });
        }
        match &mut self.settings.clip {
            Clip::None => global_norm(&self.grads, specs),
            Clip::Norm(limit) => clip_global_norm(&mut self.grads, specs, *limit),
            Clip::Value(limit) => {
                let norm = global_norm(&self.grads, specs)?;
                clip_values(&mut self.grads, specs, *limit)?;
                Ok(norm)
            }
            Clip::Adaptive(clip) => clip.clip(&mut self.grads, specs),
        }
    }

    // Does as the settings say about numbers that are not finite.
    pub(super) fn nonfinite(&mut self, source: Box<NonFiniteError>) -> Result<Learnt, TrainError> {
        let step = self.state.steps + 1;
        match self.settings.on_nonfinite {
            OnNonFinite::Error => Err(TrainError::NonFinite { step, source }),
            OnNonFinite::Stop => Ok(Learnt::Stop(source)),
            OnNonFinite::Skip { in_a_row } => {
                self.state.skipped += 1;
                if self.state.skipped > in_a_row {
                    return Err(TrainError::Skipped {
                        step,
                        count: self.state.skipped,
                        allowed: in_a_row,
                        source,
                    });
                }
                self.state.carry.restart();
                let rate = self.learning_rate();
                self.state.steps = step;
                self.note(f64::from(source.loss), rate, None);
                Ok(Learnt::Skipped)
            }
        }
    }

    fn note(&mut self, loss: f64, rate: f32, norm: Option<f64>) {
        let record = &mut self.record;
        record.step = self.state.steps;
        record.epoch = self.state.epochs + 1;
        record.loss = loss;
        record.learning_rate = f64::from(rate);
        record.gradient_norm = norm;
        record.seen = self.pending.seen;
        record.seconds = self.pending.seconds;
    }
}

// Brings the state on by some steps, in the memory of what a batch returns.
pub(super) fn run_through<M: Model>(
    model: &Compiled<M>,
    params: &M::Params,
    steps: Steps<'_, M>,
    carry: &mut HandedOn<M::State>,
    value: &mut LossValue<M>,
) -> Result<(), CallError> {
    let own = steps.batch.state.is_some();
    let carried: Carried<'_, M> = (!own).then_some(carry.get());
    model.loss_from(params, steps.batch, &steps.targets, carried, value)?;
    carry.take(&mut value.state);
    Ok(())
}

// What is known of numbers that a model was compiled to return.
fn unknown(loss: f32, origin: Origin, name: &str) -> NonFiniteError {
    NonFiniteError {
        loss,
        origin,
        name: name.to_owned(),
        written: None,
        place: Place::default(),
        value: f64::from(loss),
    }
}
