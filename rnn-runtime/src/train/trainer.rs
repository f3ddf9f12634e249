//! One step after the other: gradient, clipping, update, and all that a run carries on.
//!
//! **Invariant:** what a step does is a function of the parameters, the state of the trainer and the batch; whatever of it the
//! next step needs is in a checkpoint.

mod update;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Instant;

use self::update::run_through;
use super::record::StepRecord;
use super::settings::{Clip, Rate, Settings};
use super::source::{Next, Source, TrainingBatch};
use super::watch::Judged;
use crate::batch::IntoBatch;
use crate::compiled::{Compiled, LossValue};
use crate::error::{CallError, ClipError, NonFiniteError, TrainError};
use crate::metrics::Mean;
use crate::model::Model;
use crate::optim::{AnyOptimizer, Optimizer, OptimizerConfig};
use crate::states::HandedOn;
use crate::tensors::{Tensors, check_specs};

/// A model in training.
///
/// ```no_run
/// # use rnn_runtime::train::{AnyError, Clip, Rate};
/// # use rnn_runtime::{Compiled, Model, Settings, Trainer};
/// # fn example<'a, M: Model>(
/// #     model: Compiled<M>, params: M::Params, batches: Vec<(M::Inputs<'a>, M::Targets<'a>)>,
/// # ) -> Result<(), AnyError> {
/// let mut trainer = Trainer::new(model, params, Settings::default().rate(Rate::constant(3e-3)).clip(Clip::Norm(1.0)))?;
/// for (inputs, targets) in batches {
///     trainer.step(inputs, targets)?;
///     println!("{:.3}", trainer.record().loss);
/// }
/// # Ok(())
/// # }
/// ```
///
/// or all of a run at once, with [`fit`](Self::fit).
pub struct Trainer<M: Model, O: Optimizer = AnyOptimizer> {
    pub(super) model: Compiled<M>,
    pub(super) params: M::Params,
    pub(super) optimizer: O,
    pub(super) settings: Settings,
    pub(super) state: State<M>,
    /// What a checkpoint holds beside, for the caller.
    pub(super) metadata: BTreeMap<String, String>,
    grads: M::Params,
    /// What the last batch returned.
    value: LossValue<M>,
    /// Of each example of the last batch, if its source asked for them.
    losses: Vec<f32>,
    pending: Pending<M>,
    record: StepRecord,
}

impl<M: Model, O: Optimizer> fmt::Debug for Trainer<M, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trainer")
            .field("model", &self.model)
            .field("settings", &self.settings)
            .field("steps", &self.state.steps)
            .field("epochs", &self.state.epochs)
            .finish_non_exhaustive()
    }
}

/// What steps and epochs change beside parameters, optimiser and settings.
pub(super) struct State<M: Model> {
    /// Updates asked for.
    pub(super) steps: u64,
    /// Epochs completed.
    pub(super) epochs: u64,
    /// Batches seen, of which each has random numbers of its own.
    pub(super) batches: u64,
    /// Steps skipped since the last update.
    pub(super) skipped: u64,
    /// The state that the next batch continues from.
    pub(super) carry: HandedOn<M::State>,
    /// The loss of the epoch so far.
    pub(super) loss: Mean,
    pub(super) judged: Judged,
    /// Parameters of the best epoch.
    pub(super) best: Option<M::Params>,
}

impl<M: Model> Default for State<M> {
    fn default() -> Self {
        Self {
            steps: 0,
            epochs: 0,
            batches: 0,
            skipped: 0,
            carry: HandedOn::default(),
            loss: Mean::default(),
            judged: Judged::default(),
            best: None,
        }
    }
}

/// Batches since the last update.
struct Pending<M: Model> {
    batches: u64,
    loss: Mean,
    /// Sum of the gradients, each as often as its batch weighs; none where an update has one batch.
    grads: Option<M::Params>,
    seen: u64,
    seconds: f64,
}

impl<M: Model> Pending<M> {
    fn clear(&mut self) {
        self.batches = 0;
        self.loss = Mean::default();
        self.seen = 0;
        self.seconds = 0.0;
        if let Some(grads) = &mut self.grads {
            grads.fill(0.0);
        }
    }
}

/// What came of a batch.
#[derive(Debug)]
#[non_exhaustive]
pub enum Learnt {
    /// Its gradient waits for those of more batches.
    Accumulated,
    /// The parameters were updated.
    Updated,
    /// Its loss or gradient is not finite, and the parameters are as they were.
    Skipped,
    /// Its loss or gradient is not finite, and training is to stop.
    Stop(Box<NonFiniteError>),
}

impl<M: Model> Trainer<M> {
    /// Trains `params` with Adam.
    ///
    /// # Errors
    /// As [`with_optimizer`](Trainer::with_optimizer).
    pub fn new(
        model: Compiled<M>,
        params: M::Params,
        settings: Settings,
    ) -> Result<Self, TrainError> {
        let optimizer = OptimizerConfig::default().build(model.param_specs(), &[])?;
        Self::with_optimizer(model, params, optimizer, settings)
    }
}

impl<M: Model, O: Optimizer> Trainer<M, O> {
    /// Trains `params` with an optimiser that was made for [`Compiled::param_specs`].
    ///
    /// # Errors
    /// [`TrainError::Params`] for parameters of another model, [`TrainError::Setting`] for settings outside their range.
    pub fn with_optimizer(
        model: Compiled<M>,
        params: M::Params,
        optimizer: O,
        settings: Settings,
    ) -> Result<Self, TrainError> {
        check_specs(&params, model.param_specs())?;
        if settings.accumulate == 0 {
            return Err(TrainError::Setting {
                setting: "batches of an update",
                expected: "of at least 1",
                found: 0.0,
            });
        }
        if let Clip::Norm(limit) | Clip::Value(limit) = settings.clip
            && !(limit.is_finite() && limit > 0.0)
        {
            return Err(ClipError::Threshold {
                found: f64::from(limit),
            }
            .into());
        }
        let grads = params.zeros_like();
        let trained = model.param_specs().iter().filter(|spec| spec.is_trained());
        let norms = trained.filter(|_| settings.parameter_norms);
        Ok(Self {
            value: LossValue::new(&model),
            losses: Vec::new(),
            record: StepRecord {
                parameter_norms: norms.map(|spec| (spec.name.clone(), 0.0)).collect(),
                ..StepRecord::default()
            },
            pending: Pending {
                batches: 0,
                loss: Mean::default(),
                grads: (settings.accumulate > 1).then(|| grads.clone()),
                seen: 0,
                seconds: 0.0,
            },
            model,
            params,
            optimizer,
            settings,
            state: State::default(),
            metadata: BTreeMap::new(),
            grads,
        })
    }

    /// The model.
    pub fn model(&self) -> &Compiled<M> {
        &self.model
    }

    /// The parameters as they are now.
    pub fn params(&self) -> &M::Params {
        &self.params
    }

    /// The parameters, to be changed between steps.
    pub fn params_mut(&mut self) -> &mut M::Params {
        &mut self.params
    }

    /// The parameters, when training is over.
    pub fn into_params(self) -> M::Params {
        self.params
    }

    /// The gradients of the last update, clipped.
    pub fn grads(&self) -> &M::Params {
        &self.grads
    }

    /// The optimiser.
    pub fn optimizer(&self) -> &O {
        &self.optimizer
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Updates asked for so far, those before a resume and skipped ones included.
    pub fn steps(&self) -> u64 {
        self.state.steps
    }

    /// Epochs completed, those before a resume included.
    pub fn epochs(&self) -> u64 {
        self.state.epochs
    }

    /// The state that the last batch ended with, from which one that continues it starts.
    pub fn carried(&self) -> Option<&M::State> {
        self.state.carry.get()
    }

    /// The last step that was done or skipped.
    pub fn record(&self) -> &StepRecord {
        &self.record
    }

    /// What checkpoints hold beside the run, for the caller: a vocabulary, say. Keys may not start with `rnn.` or `train.`.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// What checkpoints hold beside the run, to be changed.
    pub fn metadata_mut(&mut self) -> &mut BTreeMap<String, String> {
        &mut self.metadata
    }

    /// Learns from a batch that starts anew.
    ///
    /// # Errors
    /// As [`learn`](Self::learn).
    pub fn step<'a>(
        &mut self,
        batch: impl IntoBatch<'a, 'a, M>,
        targets: M::Targets<'a>,
    ) -> Result<Learnt, TrainError> {
        self.learn(TrainingBatch::new(batch.into_batch(), targets, 0))
    }

    /// Learns from a batch; updates the parameters when there are as many as an update has.
    ///
    /// # Errors
    /// [`TrainError::Call`] for a batch that does not fit the model, and [`TrainError::NonFinite`] or
    /// [`TrainError::Skipped`] as the settings say. The parameters are as they were then.
    pub fn learn(&mut self, batch: TrainingBatch<'_, M>) -> Result<Learnt, TrainError> {
        self.learn_from(batch, false)
    }

    /// The loss of each example of the last batch, of those whose source listens.
    pub(super) fn losses(&self) -> &[f32] {
        &self.losses
    }

    /// As [`learn`](Self::learn), with the loss of each example if asked for.
    pub(super) fn learn_from(
        &mut self,
        batch: TrainingBatch<'_, M>,
        losses: bool,
    ) -> Result<Learnt, TrainError> {
        let started = Instant::now();
        let seen = batch.seen;
        let outcome = match self.gradient(batch, losses) {
            Ok((loss, weight)) => {
                let pending = &mut self.pending;
                pending.batches += 1;
                pending.loss.add(f64::from(loss), weight);
                pending.seen += seen;
                self.accumulate(weight);
                self.pending.seconds += started.elapsed().as_secs_f64();
                if self.pending.batches < self.settings.accumulate {
                    return Ok(Learnt::Accumulated);
                }
                self.update()
            }
            Err(CallError::NonFinite(source)) => {
                self.pending.seconds += started.elapsed().as_secs_f64();
                self.nonfinite(source)
            }
            Err(source) => Err(TrainError::Call {
                step: self.state.steps + 1,
                source,
            }),
        };
        self.pending.clear();
        outcome
    }

    /// Updates the parameters with fewer batches than an update has, if any wait: at the end of an epoch.
    ///
    /// # Errors
    /// As [`learn`](Self::learn).
    pub fn flush(&mut self) -> Result<Option<Learnt>, TrainError> {
        if self.pending.batches == 0 {
            return Ok(None);
        }
        let outcome = self.update();
        self.pending.clear();
        outcome.map(Some)
    }

    /// The mean loss of one epoch of a source; `None` of one without batches. Nothing is learnt and nothing drawn.
    ///
    /// # Errors
    /// [`TrainError::Source`], and [`TrainError::Call`] for a batch that does not fit the model or whose loss is not finite.
    pub fn evaluate(&self, source: &mut dyn Source<M>) -> Result<Option<f64>, TrainError> {
        let mut mean = Mean::default();
        let mut carry = HandedOn::default();
        let mut value = LossValue::new(&self.model);
        let at_step = |source| TrainError::Call {
            step: self.state.steps,
            source,
        };
        while let Some(item) = source.next()? {
            if !item.continues {
                carry.restart();
            }
            let (model, params) = (&self.model, &self.params);
            if let Some(lead_in) = item.lead_in {
                run_through(model, params, lead_in, &mut carry, &mut value).map_err(at_step)?;
            }
            let own = item.batch.state.is_some();
            let carried = (!own).then_some(carry.get());
            model
                .loss_from(params, item.batch, &item.targets, carried, &mut value)
                .map_err(at_step)?;
            mean.add(f64::from(value.loss), value.weight);
            match item.next {
                Next::AfterAll => carry.take(&mut value.state),
                Next::AtItsStart => {}
                Next::After(steps) => {
                    run_through(model, params, steps, &mut carry, &mut value).map_err(at_step)?;
                }
            }
        }
        Ok(mean.value())
    }

    /// The learning rate of the next update.
    pub fn learning_rate(&self) -> f32 {
        match &self.settings.rate {
            Rate::PerStep(schedule) => schedule.at(self.state.steps),
            Rate::PerEpoch(schedule) => schedule.at(self.state.epochs),
            Rate::Plateau(plateau) => plateau.rate(),
        }
    }

    /// Drops the gradients that wait for more.
    pub(super) fn forget_waiting(&mut self) {
        self.pending.clear();
    }
}
