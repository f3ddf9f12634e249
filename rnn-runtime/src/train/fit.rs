//! A whole run: epochs, validation, reports, checkpoints, and when it ends.
//!
//! **Invariant:** a run that is interrupted and resumed does the steps of one that is not, bit for bit, and reports the same
//! figures.

use std::fmt;
use std::time::Instant;

use super::checkpoints::Checkpoints;
use super::interrupt::Interrupt;
use super::record::{EpochRecord, FlowRecord, Observer, StepRecord};
use super::settings::{OnNonFinite, Rate};
use super::source::Source;
use super::trainer::{Learnt, Trainer};
use super::watch::Verdict;
use crate::compiled::Compiled;
use crate::error::{AnyError, CallError, NonFiniteError, TrainError};
use crate::metrics::Mean;
use crate::model::Model;
use crate::optim::Optimizer;
use crate::state_gradient::{StateGradient, StateGradients};

/// The end of an epoch, to be looked at and added to.
pub struct EpochEnd<'t, M: Model> {
    /// The model.
    pub model: &'t Compiled<M>,
    /// Its parameters after the epoch.
    pub params: &'t M::Params,
    /// The figures, to which more can be added; those that are watched are read after.
    pub record: &'t mut EpochRecord,
}

type Probe<'o, M> =
    Box<dyn FnMut(&Compiled<M>, &<M as Model>::Params) -> Result<StateGradients, CallError> + 'o>;

type Hook<'o, M> = Box<dyn FnMut(EpochEnd<'_, M>) -> Result<(), AnyError> + 'o>;

/// What goes with a run: how long it is, who is told, where it is saved.
///
/// ```no_run
/// # use rnn_runtime::progress::Progress;
/// # use rnn_runtime::train::{AnyError, Checkpoints, Interrupt, Source};
/// # use rnn_runtime::{Model, Run, Trainer};
/// # fn example<M: Model>(trainer: &mut Trainer<M>, training: &mut dyn Source<M>, held_back: &mut dyn Source<M>) -> Result<(), AnyError> {
/// let mut progress = Progress::stderr(10);
/// let run = Run::epochs(10)
///     .observer(&mut progress)
///     .checkpoints(Checkpoints::folder("runs/7").keep(3))
///     .interrupt(Interrupt::on_signals()?);
/// let outcome = trainer.fit(training, Some(held_back), run)?;
/// # Ok(())
/// # }
/// ```
pub struct Run<'o, M: Model> {
    epochs: u64,
    observers: Vec<Box<dyn Observer + 'o>>,
    hooks: Vec<Hook<'o, M>>,
    /// After every so many steps.
    flow: Option<(u64, Probe<'o, M>)>,
    checkpoints: Option<Checkpoints>,
    interrupt: Interrupt,
}

impl<M: Model> fmt::Debug for Run<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("epochs", &self.epochs)
            .field("observers", &self.observers.len())
            .field("hooks", &self.hooks.len())
            .field("checkpoints", &self.checkpoints)
            .finish_non_exhaustive()
    }
}

impl<'o, M: Model> Run<'o, M> {
    /// So many epochs, those before a resume included.
    pub fn epochs(epochs: u64) -> Self {
        Self {
            epochs,
            observers: Vec::new(),
            hooks: Vec::new(),
            flow: None,
            checkpoints: None,
            interrupt: Interrupt::default(),
        }
    }

    /// Tells `observer` of the run.
    #[must_use]
    pub fn observer(mut self, observer: impl Observer + 'o) -> Self {
        self.observers.push(Box::new(observer));
        self
    }

    /// Calls `hook` at the end of each epoch, before it is judged and reported. It may fail with any error.
    ///
    /// ```no_run
    /// # use rnn_runtime::train::AnyError;
    /// # use rnn_runtime::{Model, Run};
    /// # fn example<M: Model>(inputs: impl Fn() -> M::Inputs<'static>, accuracy: impl Fn(&M::Outputs) -> f64) {
    /// let run = Run::<M>::epochs(10).hook(|end| {
    ///     let outputs = end.model.forward(end.params, inputs())?;
    ///     end.record.figures.push(("accuracy".to_owned(), accuracy(&outputs)));
    ///     Ok(())
    /// });
    /// # }
    /// ```
    #[must_use]
    pub fn hook(mut self, hook: impl FnMut(EpochEnd<'_, M>) -> Result<(), AnyError> + 'o) -> Self {
        self.hooks.push(Box::new(hook));
        self
    }

    /// Looks after every so many steps at how far gradients reach, and tells observers: a [`RunLog`](crate::log::RunLog) keeps it, and a
    /// page draws `|dL/dh[t]|` against `t`. `probe` says of which batch, of the same one each time so that the curves can be compared; it
    /// takes about as long as a step.
    ///
    /// ```no_run
    /// # use rnn_runtime::log::{RunInfo, RunLog};
    /// # use rnn_runtime::{Model, Run};
    /// # fn example<M: Model>(info: RunInfo, inputs: impl Fn() -> M::Inputs<'static>, targets: impl Fn() -> M::Targets<'static>) {
    /// let run = Run::<M>::epochs(10)
    ///     .state_gradients(500, |model, params| model.state_gradients(params, inputs(), targets()))
    ///     .observer(RunLog::new("runs/7", info));
    /// # }
    /// ```
    #[must_use]
    pub fn state_gradients(
        mut self,
        every: u64,
        probe: impl FnMut(&Compiled<M>, &M::Params) -> Result<StateGradients, CallError> + 'o,
    ) -> Self {
        self.flow = Some((every, Box::new(probe)));
        self
    }

    /// Saves the run on its way.
    #[must_use]
    pub fn checkpoints(mut self, checkpoints: Checkpoints) -> Self {
        self.checkpoints = Some(checkpoints);
        self
    }

    /// Ends the run after the step in which `interrupt` is requested.
    #[must_use]
    pub fn interrupt(mut self, interrupt: Interrupt) -> Self {
        self.interrupt = interrupt;
        self
    }

    // After so many steps.
    fn tell(
        &mut self,
        step: u64,
        mut what: impl FnMut(&mut dyn Observer) -> Result<(), AnyError>,
    ) -> Result<(), TrainError> {
        for observer in &mut self.observers {
            what(observer.as_mut()).map_err(|source| TrainError::Observer { step, source })?;
        }
        Ok(())
    }
}

/// Why a run ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum End {
    /// All epochs are done.
    Finished,
    /// The watched figure had not become better for as long as was to be waited.
    StoppedEarly,
    /// A signal, or the program, asked for it.
    Interrupted,
    /// A loss or a gradient is not finite, and the settings say to stop then.
    NonFinite(Box<NonFiniteError>),
}

/// How a run ended.
#[derive(Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// Why.
    pub end: End,
    /// Epochs completed.
    pub epochs: u64,
    /// Steps done.
    pub steps: u64,
    /// The best epoch and its watched figure.
    pub best: Option<(u64, f64)>,
}

impl<M: Model, O: Optimizer> Trainer<M, O> {
    /// Learns from `source` for as many epochs as the run has, and judges each by `validation`.
    ///
    /// Where the watch restores the best, the parameters are those of the best epoch when a run has finished or stopped early.
    /// Every validation takes the same batches.
    ///
    /// # Errors
    /// [`TrainError`] of the step, the source, an observer or a checkpoint that failed.
    pub fn fit(
        &mut self,
        source: &mut dyn Source<M>,
        validation: Option<&mut dyn Source<M>>,
        mut run: Run<'_, M>,
    ) -> Result<Outcome, TrainError> {
        if let Some(checkpoints) = &run.checkpoints {
            checkpoints.prepare()?;
        }
        let steps = self.steps();
        let ended = run
            .tell(steps, |observer| observer.start(steps))
            .and_then(|()| self.run(source, validation, &mut run));
        // Whatever happened, observers write what they have.
        let told = run.tell(self.steps(), |observer| observer.end());
        let end = ended?;
        told?;
        if let (End::Finished | End::StoppedEarly, Some(best)) = (&end, &self.state.best) {
            self.params = best.clone();
        }
        Ok(Outcome {
            end,
            epochs: self.epochs(),
            steps: self.steps(),
            best: self.settings.watch.best(&self.state.judged),
        })
    }

    fn run(
        &mut self,
        source: &mut dyn Source<M>,
        mut validation: Option<&mut dyn Source<M>>,
        run: &mut Run<'_, M>,
    ) -> Result<End, TrainError> {
        let held_back = validation.as_deref().map(|source| source.cursor());
        while self.epochs() < run.epochs {
            if self.settings.watch.is_over(&self.state.judged) {
                return Ok(End::StoppedEarly);
            }
            let started = Instant::now();
            let batches = source.batches();
            let steps = batches.map(|batches| batches.div_ceil(self.settings.accumulate));
            let epoch = self.epochs() + 1;
            run.tell(self.steps(), |observer| observer.start_epoch(epoch, steps))?;
            if let Some(end) = self.epoch(source, run)? {
                return Ok(end);
            }
            let loss = self.state.loss.value();
            let mut record = EpochRecord {
                epoch,
                steps: self.steps(),
                figures: vec![("loss".to_owned(), loss.unwrap_or(f64::NAN))],
                slices: Vec::new(),
                seconds: 0.0,
            };
            if let (Some(source), Some(start)) = (validation.as_deref_mut(), &held_back) {
                source.resume(start)?;
                let loss = self.validate(source)?;
                record.figures.push(("validation".to_owned(), loss));
            }
            for hook in &mut run.hooks {
                hook(EpochEnd {
                    model: &self.model,
                    params: &self.params,
                    record: &mut record,
                })
                .map_err(|source| TrainError::Hook { epoch, source })?;
            }
            self.state.epochs = epoch;
            self.state.loss = Mean::default();
            let best = self.judge(&record)?;
            record.seconds = started.elapsed().as_secs_f64();
            // A log that is told first repeats an epoch after a crash in between; told later, it would lack one.
            run.tell(record.steps, |observer| observer.epoch(&record))?;
            if let Some(checkpoints) = &run.checkpoints {
                checkpoints.save(self, source)?;
                if best {
                    checkpoints.save_best(self, source)?;
                }
            }
            if run.interrupt.is_requested() && self.epochs() < run.epochs {
                return Ok(End::Interrupted);
            }
        }
        Ok(match self.settings.watch.is_over(&self.state.judged) {
            true => End::StoppedEarly,
            false => End::Finished,
        })
    }

    // The batches of an epoch that are left; why the run ends in its middle, if it does.
    fn epoch(
        &mut self,
        source: &mut dyn Source<M>,
        run: &mut Run<'_, M>,
    ) -> Result<Option<End>, TrainError> {
        loop {
            let listens = source.listens();
            let learnt = match source.next()? {
                Some(batch) => Some(self.learn_from(batch, listens)?),
                None => None,
            };
            let learnt = match learnt {
                Some(learnt) => {
                    if listens {
                        source.told(self.losses());
                    }
                    learnt
                }
                None => match self.flush()? {
                    Some(learnt) => {
                        let end = self.after(learnt, run)?;
                        return Ok(end);
                    }
                    None => return Ok(None),
                },
            };
            if matches!(learnt, Learnt::Accumulated) {
                continue;
            }
            if let Some(end) = self.after(learnt, run)? {
                return Ok(Some(end));
            }
            let interrupted = run.interrupt.is_requested();
            if let Some(checkpoints) = &run.checkpoints
                && (interrupted || checkpoints.is_due(self.steps()))
            {
                checkpoints.save(self, source)?;
            }
            if interrupted {
                return Ok(Some(End::Interrupted));
            }
        }
    }

    fn after(&self, learnt: Learnt, run: &mut Run<'_, M>) -> Result<Option<End>, TrainError> {
        if let Learnt::Stop(source) = learnt {
            return Ok(Some(End::NonFinite(source)));
        }
        let record: &StepRecord = self.record();
        run.tell(record.step, |observer| observer.step(record))?;
        let Some((_, probe)) = run.flow.as_mut().filter(|(every, _)| {
            // The first step too: what the parameters were drawn for.
            *every > 0 && (record.step == 1 || record.step.is_multiple_of(*every))
        }) else {
            return Ok(None);
        };
        let by = probe(&self.model, &self.params).map_err(|source| TrainError::Call {
            step: record.step,
            source,
        })?;
        let record = FlowRecord {
            step: record.step,
            epoch: record.epoch,
            states: by.states.iter().map(StateGradient::to_norms).collect(),
        };
        run.tell(record.step, |observer| observer.flow(&record))?;
        Ok(None)
    }

    // A loss that is not finite is one where the settings bear with those of steps.
    fn validate(&self, source: &mut dyn Source<M>) -> Result<f64, TrainError> {
        match self.evaluate(source) {
            Ok(loss) => Ok(loss.unwrap_or(f64::NAN)),
            Err(TrainError::Call {
                source: CallError::NonFinite(found),
                ..
            }) => match self.settings.on_nonfinite {
                OnNonFinite::Error => Err(TrainError::NonFinite {
                    step: self.steps(),
                    source: found,
                }),
                OnNonFinite::Skip { .. } | OnNonFinite::Stop => Ok(f64::NAN),
            },
            Err(error) => Err(error),
        }
    }

    // Whether the epoch is the best so far.
    fn judge(&mut self, record: &EpochRecord) -> Result<bool, TrainError> {
        let figure = self.settings.watch.figure_of(record).map_err(|name| {
            let found: Vec<String> = (record.figures.iter())
                .map(|(name, _)| format!("`{name}`"))
                .collect();
            TrainError::Figure {
                name,
                found: found.join(", "),
            }
        })?;
        let (watch, state) = (&self.settings.watch, &mut self.state);
        let best = watch.judge(&mut state.judged, record.epoch, figure) == Verdict::Best;
        if best && watch.restores() {
            state.best = Some(self.params.clone());
        }
        if let Rate::Plateau(plateau) = &mut self.settings.rate {
            plateau.report(figure);
        }
        Ok(best)
    }
}
