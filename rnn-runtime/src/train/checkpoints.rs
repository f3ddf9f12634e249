//! Checkpoints of runs: what they hold, and which are kept.
//!
//! ```text
//! lstm.W_i ..                      parameters, as in any checkpoint
//! optimizer/first_moment/lstm.W_i  state of the optimiser
//! run/best/lstm.W_i                parameters of the best epoch, where the watch restores them
//! run/carried/lstm.h               the state that the next batch continues from
//! __metadata__                     train.steps, train.cursor, .. : everything else, exactly
//!                                  train.setting.rate, .. : what it was made with
//! ```
//!
//! **Invariant:** a resumed run does what the one saved would have done, bit for bit; a checkpoint that does not fit changes
//! nothing.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::compared::{CLIP, RATE, SETTING, differences, settings_of};
use super::settings::{Clip, Rate};
use super::source::Source;
use super::trainer::{State, Trainer};
use crate::checkpoint::{TrainingState, load, save};
use crate::error::{CheckpointError, ResumeError, TrainError};
use crate::model::Model;
use crate::optim::{Optimizer, StateTensor};
use crate::states::HandedOn;
use crate::tensors::Tensors;

/// The largest count that a run takes up: no run counts so far.
const MOST: u64 = 1 << 60;
/// First part of the metadata keys of a run.
const RUN: &str = "train.";
/// Comes after all keys of settings.
const SETTING_END: &str = "setting/";
const BEST: &str = "best";
const CARRIED: &str = "carried";
const SUFFIX: &str = "safetensors";

/// Where a run is saved, when, and how many of its checkpoints are kept.
///
/// A run saves at the end of each epoch and when it is interrupted, and also every so many steps if asked to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoints {
    place: Place,
    keep: usize,
    every: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    File(PathBuf),
    Folder(PathBuf),
}

impl Checkpoints {
    /// The last one alone, in this file.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self {
            place: Place::File(path.into()),
            keep: 0,
            every: None,
        }
    }

    /// `last.safetensors` and `best.safetensors` in a folder, which is made if it is not there.
    pub fn folder(path: impl Into<PathBuf>) -> Self {
        Self {
            place: Place::Folder(path.into()),
            keep: 0,
            every: None,
        }
    }

    /// Keeps so many older ones in the folder too: `step-0000001200.safetensors`.
    #[must_use]
    pub fn keep(mut self, count: usize) -> Self {
        self.keep = count;
        self
    }

    /// Saves every so many steps too.
    #[must_use]
    pub fn every(mut self, steps: u64) -> Self {
        self.every = Some(steps);
        self
    }

    /// The last checkpoint; it may not be there yet.
    pub fn last(&self) -> PathBuf {
        match &self.place {
            Place::File(path) => path.clone(),
            Place::Folder(folder) => folder.join("last").with_extension(SUFFIX),
        }
    }

    /// The checkpoint of the best epoch in a folder; it may not be there yet.
    pub fn best(&self) -> Option<PathBuf> {
        match &self.place {
            Place::File(_) => None,
            Place::Folder(folder) => Some(folder.join(BEST).with_extension(SUFFIX)),
        }
    }

    /// Those that are kept, the oldest first.
    ///
    /// # Errors
    /// [`CheckpointError::Io`], when the folder cannot be read.
    pub fn kept(&self) -> Result<Vec<PathBuf>, CheckpointError> {
        Ok(self.numbered()?.into_values().collect())
    }

    pub(super) fn prepare(&self) -> Result<(), CheckpointError> {
        match &self.place {
            Place::File(_) => Ok(()),
            Place::Folder(folder) => {
                fs::create_dir_all(folder).map_err(failed("make the folder", folder))
            }
        }
    }

    pub(super) fn is_due(&self, steps: u64) -> bool {
        (self.every).is_some_and(|every| every > 0 && steps.is_multiple_of(every))
    }

    pub(super) fn save<M: Model, O: Optimizer>(
        &self,
        trainer: &Trainer<M, O>,
        source: &dyn Source<M>,
    ) -> Result<(), TrainError> {
        let last = self.last();
        trainer.save(&last, source)?;
        let Place::Folder(folder) = &self.place else {
            return Ok(());
        };
        if self.keep == 0 {
            return Ok(());
        }
        let name = format!("step-{:010}.{SUFFIX}", trainer.steps());
        let path = folder.join(name);
        // The next save puts another file into the place of the last, so a link to this one stays as it is. The end of an epoch
        // comes after a save of its last step, of which it takes the place.
        let linked = match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => fs::hard_link(&last, &path),
        };
        if linked.is_err() {
            // A file system without links.
            trainer.save(&path, source)?;
        }
        let known = self.numbered()?;
        let until_now = known.range(..=trainer.steps()).map(|(_, path)| path);
        let older: Vec<&PathBuf> = until_now.rev().skip(self.keep).collect();
        for path in older {
            fs::remove_file(path).map_err(failed("remove", path))?;
        }
        Ok(())
    }

    pub(super) fn save_best<M: Model, O: Optimizer>(
        &self,
        trainer: &Trainer<M, O>,
        source: &dyn Source<M>,
    ) -> Result<(), TrainError> {
        match self.best() {
            Some(path) => trainer.save(path, source),
            None => Ok(()),
        }
    }

    // Those that are kept, by step.
    fn numbered(&self) -> Result<BTreeMap<u64, PathBuf>, CheckpointError> {
        let mut known = BTreeMap::new();
        let Place::Folder(folder) = &self.place else {
            return Ok(known);
        };
        for entry in fs::read_dir(folder).map_err(failed("read the folder", folder))? {
            let entry = entry.map_err(failed("read the folder", folder))?;
            let name = entry.file_name();
            let digits = (name.to_str())
                .and_then(|name| name.strip_prefix("step-")?.strip_suffix(".safetensors"))
                .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
            if let Some(step) = digits.and_then(|digits| digits.parse().ok()) {
                known.insert(step, entry.path());
            }
        }
        Ok(known)
    }
}

fn failed(action: &'static str, path: &Path) -> impl Fn(std::io::Error) -> CheckpointError {
    let path = path.to_owned();
    move |source| CheckpointError::Io {
        action,
        path: path.clone(),
        source,
    }
}

impl<M: Model, O: Optimizer> Trainer<M, O> {
    /// Saves all that the run needs to go on from here, with the place of its source.
    ///
    /// Batches that wait for more to make an update are not part of it; save after an update.
    ///
    /// # Errors
    /// [`TrainError::Checkpoint`], as [`save`]; the file is as it was then.
    pub fn save(&self, path: impl AsRef<Path>, source: &dyn Source<M>) -> Result<(), TrainError> {
        let mut metadata = self.metadata.clone();
        if let Some(key) = metadata.keys().find(|key| key.starts_with(RUN)) {
            return Err(CheckpointError::Name {
                name: key.clone(),
                reason: "keys starting with `train.` are those of the run",
            }
            .into());
        }
        let mut put = |key: &str, value: &dyn Display| {
            metadata.insert(format!("{RUN}{key}"), value.to_string());
        };
        let state = &self.state;
        put("steps", &state.steps);
        put("epochs", &state.epochs);
        put("batches", &state.batches);
        put("skipped", &state.skipped);
        put("loss", &state.loss);
        put("judged", &state.judged);
        put("cursor", &source.cursor());
        for (name, text) in self.compared() {
            put(&format!("{SETTING}{name}"), &text);
        }
        if let Clip::Adaptive(clip) = &self.settings.clip {
            put("clip", clip);
        }
        if let Rate::Plateau(plateau) = &self.settings.rate {
            put("plateau", plateau);
        }
        let mut tensors = Vec::new();
        if let Some(best) = &state.best {
            add(&mut tensors, BEST, best);
        }
        if let Some(carry) = state.carry.get() {
            add(&mut tensors, CARRIED, carry);
        }
        let state = TrainingState {
            optimizer: Some(self.optimizer.export()),
            tensors,
            metadata,
            ..TrainingState::default()
        };
        Ok(save(path, &self.params, &state)?)
    }

    /// Goes on from a checkpoint, as if the run had not ended there; the source takes up its place.
    ///
    /// The settings are those of this trainer, so give it those of the run that was saved: rate, clipping, accumulation, sampling,
    /// seed, reduction of the loss, and those of the optimiser are compared. What watches and reports the run may be another.
    ///
    /// # Errors
    /// [`TrainError::Checkpoint`] for a file that cannot be read or does not fit the model, and [`TrainError::Resume`] for one of another
    /// run: [`ResumeError`] lists each setting that differs, or tells that no trainer saved it, or that its optimiser or its data are
    /// others. Nothing is changed then.
    pub fn resume(
        &mut self,
        path: impl AsRef<Path>,
        source: &mut dyn Source<M>,
    ) -> Result<(), TrainError> {
        self.take_up(path.as_ref(), source, false)
    }

    /// Goes on from a checkpoint with the settings of this trainer, whatever those of the run that was saved: with a lower rate, say,
    /// or without clipping. A rate or a threshold that follows the run goes on from where it was if its settings are the same, and
    /// starts as it is given here if they are not.
    ///
    /// # Errors
    /// As [`resume`](Self::resume), but for settings that differ. The optimiser has to be of the same kind.
    pub fn resume_with_new_settings(
        &mut self,
        path: impl AsRef<Path>,
        source: &mut dyn Source<M>,
    ) -> Result<(), TrainError> {
        self.take_up(path.as_ref(), source, true)
    }

    // The settings that a step depends on.
    fn compared(&self) -> BTreeMap<String, String> {
        let reduction = self.model.options().reduction;
        settings_of(&self.settings, &self.optimizer, reduction)
    }

    fn take_up(
        &mut self,
        path: &Path,
        source: &mut dyn Source<M>,
        anew: bool,
    ) -> Result<(), TrainError> {
        let mut params = self.params.clone();
        let saved = load(path, &mut params)?;
        self.go_on(params, saved, source, anew)
            .map_err(|source| TrainError::Resume {
                path: path.to_owned(),
                source: Box::new(source),
            })
    }

    // Takes up what a checkpoint holds, or nothing of it.
    fn go_on(
        &mut self,
        params: M::Params,
        saved: TrainingState,
        source: &mut dyn Source<M>,
        anew: bool,
    ) -> Result<(), ResumeError> {
        let mut metadata = saved.metadata;
        let first = format!("{RUN}{SETTING}");
        let mut settings = metadata.split_off(&first);
        metadata.append(&mut settings.split_off(&format!("{RUN}{SETTING_END}")));
        let settings: BTreeMap<String, String> = (settings.into_iter())
            .map(|(key, text)| (key[first.len()..].to_owned(), text))
            .collect();
        let differ = differences(&self.compared(), &settings);
        // A file without any was not saved by a trainer, which is found below.
        if !(anew || differ.is_empty() || settings.is_empty()) {
            return Err(ResumeError::Settings(differ));
        }
        let same = |name: &str| differ.iter().all(|setting| setting.name != name);
        let mut state = State {
            steps: counted(&mut metadata, "steps")?,
            epochs: counted(&mut metadata, "epochs")?,
            batches: counted(&mut metadata, "batches")?,
            skipped: counted(&mut metadata, "skipped")?,
            loss: taken(&mut metadata, "loss")?,
            judged: taken(&mut metadata, "judged")?,
            carry: HandedOn::default(),
            best: None,
        };
        let cursor: String = taken(&mut metadata, "cursor")?;
        let clip = match &self.settings.clip {
            Clip::Adaptive(_) if same(CLIP) => Clip::Adaptive(taken(&mut metadata, "clip")?),
            other => *other,
        };
        let plateau = match &self.settings.rate {
            Rate::Plateau(_) if same(RATE) => Some(taken(&mut metadata, "plateau")?),
            _ => None,
        };
        if anew {
            for key in ["clip", "plateau"] {
                metadata.remove(&format!("{RUN}{key}"));
            }
        }
        if let Some(key) = metadata.keys().find(|key| key.starts_with(RUN)) {
            return Err(ResumeError::Content(format!(
                "it has `{key}`, which the settings given have no use for; give the settings of the run"
            )));
        }
        let mut slots: BTreeMap<String, BTreeMap<String, StateTensor>> = BTreeMap::new();
        for tensor in saved.tensors {
            let slot = slots.entry(tensor.slot.clone()).or_default();
            slot.insert(tensor.name.clone(), tensor);
        }
        if let Some(tensors) = slots.remove(BEST) {
            let mut best = self.params.clone();
            fill(&mut best, tensors)?;
            // Of no use to a watch that does not restore them.
            state.best = self.settings.watch.restores().then_some(best);
        }
        if let Some(tensors) = slots.remove(CARRIED) {
            state.carry = HandedOn::new(Some(self.carried_of(tensors)?));
        }
        if let Some(slot) = slots.keys().next() {
            return Err(ResumeError::Content(format!(
                "it has tensors of `{slot}`, expected `{BEST}` and `{CARRIED}` alone"
            )));
        }
        let optimizer = saved
            .optimizer
            .ok_or_else(|| ResumeError::Content("it holds no optimiser".to_owned()))?;
        let before = self.optimizer.export();
        self.optimizer.import(&optimizer)?;
        if let Err(error) = source.resume(&cursor) {
            self.optimizer.import(&before)?;
            return Err(error.into());
        }
        self.params = params;
        self.state = state;
        self.settings.clip = clip;
        if let (Rate::Plateau(rate), Some(plateau)) = (&mut self.settings.rate, plateau) {
            *rate = plateau;
        }
        self.metadata = metadata;
        self.forget_waiting();
        Ok(())
    }

    // The state of a model from its tensors.
    fn carried_of(
        &self,
        mut tensors: BTreeMap<String, StateTensor>,
    ) -> Result<M::State, ResumeError> {
        let ports = &self.model.inner.signature.states;
        let mut examples = None;
        for port in ports {
            let found = tensors.get(&port.name).map(|tensor| tensor.values.shape());
            let fits = found.is_some_and(|shape| {
                let (first, rest) = (shape.first().copied(), shape.get(1..));
                let batch = *examples.get_or_insert(first);
                first.is_some() && batch == first && rest == Some(port.features.as_slice())
            });
            if !fits {
                return Err(ResumeError::Content(format!(
                    "the carried state `{}` has shape {}, expected {:?} for each example",
                    port.name,
                    found.map_or_else(|| "none".to_owned(), |shape| format!("{shape:?}")),
                    port.features,
                )));
            }
        }
        if let Some(name) = (tensors.keys()).find(|name| !ports.iter().any(|p| p.name == **name)) {
            return Err(ResumeError::Content(format!(
                "it carries `{name}`, which model `{}` does not",
                M::NAME
            )));
        }
        Ok(M::State::from_tensors(&mut |name| {
            let tensor = tensors.remove(name);
            tensor.map_or_else(|| ndarray::ArrayD::zeros(vec![]), |tensor| tensor.values)
        }))
    }
}

fn add<T: Tensors>(tensors: &mut Vec<StateTensor>, slot: &str, own: &T) {
    own.visit(&mut |name, view| {
        tensors.push(StateTensor {
            slot: slot.to_owned(),
            name: name.to_owned(),
            values: view.to_owned(),
        });
    });
}

// Copies tensors by name.
fn fill<T: Tensors>(
    own: &mut T,
    mut tensors: BTreeMap<String, StateTensor>,
) -> Result<(), ResumeError> {
    let mut differs = None;
    own.visit_mut(
        &mut |name, mut view| match tensors.remove(name).map(|tensor| tensor.values) {
            Some(values) if values.shape() == view.shape() => view.assign(&values),
            Some(values) => {
                differs = Some(format!(
                    "the best `{name}` has shape {:?}, expected {:?}",
                    values.shape(),
                    view.shape()
                ));
            }
            None => differs = Some(format!("the best `{name}` is missing")),
        },
    );
    let unexpected = tensors.keys().next();
    let differs = differs.or_else(|| {
        unexpected.map(|name| format!("it has a best `{name}`, which the model has not"))
    });
    differs.map_or(Ok(()), |reason| Err(ResumeError::Content(reason)))
}

// A count that can be counted on from.
fn counted(metadata: &mut BTreeMap<String, String>, key: &str) -> Result<u64, ResumeError> {
    match taken(metadata, key)? {
        count if count <= MOST => Ok(count),
        count => Err(ResumeError::Content(format!(
            "`{RUN}{key}`: expected a count up to {MOST}, found {count}"
        ))),
    }
}

fn taken<T: FromStr>(metadata: &mut BTreeMap<String, String>, key: &str) -> Result<T, ResumeError>
where
    T::Err: Display,
{
    let key = format!("{RUN}{key}");
    let text = metadata.remove(&key).ok_or_else(|| {
        ResumeError::Content(format!(
            "it has no `{key}`; it was not saved by a trainer, or by one with other settings"
        ))
    })?;
    text.parse()
        .map_err(|error| ResumeError::Content(format!("`{key}`: {error}")))
}
