//! Checkpoints: safetensors files whose keys are parameter names.
//!
//! ```text
//! lstm.W_i                        a parameter
//! optimizer/first_moment/lstm.W_i a state tensor of the optimiser
//! run/carried/lstm.h              any other tensor that the run needs
//! __metadata__                    rnn.format, rnn.optimizer, rnn.steps, rnn.rng.<purpose>, and the caller's own keys
//! ```
//!
//! Any safetensors file whose `F32` tensors have the names and shapes of the model loads, whoever wrote it; one saved
//! here opens in any safetensors reader, with the same bytes for the same content.
//!
//! **Invariant:** a save leaves the old or the new file, never less, whenever the process dies; a load changes all
//! parameters or none, and allocates at most the header, nine times the size of the model, and as much as the tensors of a run may
//! have ([`RUN_SCALARS`]), whatever the file claims.

mod file;
mod format;
mod statistics;

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufReader;
use std::path::Path;

use ndarray::{ArrayD, ArrayViewD, IxDyn};

pub use self::format::{HEADER_LIMIT, TensorSummary};
pub use self::statistics::{Statistics, statistics};

use self::format::{Entry, Header};
use crate::error::{CheckpointError, DtypeMismatch, NameMismatch, ShapeMismatch};
use crate::optim::{OptimizerState, StateTensor};
use crate::rng::RngState;
use crate::tensors::Tensors;

/// First part of the keys of state tensors.
const OPTIMIZER: &str = "optimizer/";
/// First part of the keys of other tensors of a run.
const RUN: &str = "run/";
/// First part of the metadata keys that belong to this format.
const RESERVED: &str = "rnn.";
const FORMAT_KEY: &str = "rnn.format";
const FORMAT: &str = "1";
const OPTIMIZER_KEY: &str = "rnn.optimizer";
const STEPS_KEY: &str = "rnn.steps";
const RNG_KEY: &str = "rnn.rng.";

/// State tensors per parameter that are read; with the shapes checked, this bounds the memory of a load by the size of
/// the model.
const MAX_SLOTS: usize = 8;

/// Numbers that the other tensors of a run may have beside those of the model: 256 MiB of them.
pub const RUN_SCALARS: usize = 1 << 26;

/// What a run needs beside its parameters to continue bit for bit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrainingState {
    /// State of the optimiser, from [`Optimizer::export`](crate::optim::Optimizer::export).
    pub optimizer: Option<OptimizerState>,
    /// Other tensors of the run, of any shape: carried states, the best parameters. Together they have at most as many numbers
    /// as the model and [`RUN_SCALARS`].
    pub tensors: Vec<StateTensor>,
    /// Random generators by purpose.
    pub rngs: BTreeMap<String, RngState>,
    /// Anything else as text: the data cursor, the vocabulary, the epoch. Keys may not start with `rnn.`.
    pub metadata: BTreeMap<String, String>,
}

/// What a checkpoint holds, from its header alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// All tensors in file order, state tensors included.
    pub tensors: Vec<TensorSummary>,
    /// All metadata, including the keys of this format.
    pub metadata: BTreeMap<String, String>,
}

/// Saves `params` alone.
///
/// # Errors
/// As [`save`].
pub fn save_params<P: Tensors>(path: impl AsRef<Path>, params: &P) -> Result<(), CheckpointError> {
    save(path, params, &TrainingState::default())
}

/// Saves `params` and `state` to `path`, replacing the file there in one step.
///
/// The bytes go to a temporary file in the same directory, which is synced and renamed; then the directory is synced.
/// A symbolic link at `path` is replaced, not followed.
///
/// # Errors
/// [`CheckpointError::Io`] when the system refuses, [`CheckpointError::Name`] for a name or key that the format
/// reserves. The file at `path` is untouched then.
pub fn save<P: Tensors>(
    path: impl AsRef<Path>,
    params: &P,
    state: &TrainingState,
) -> Result<(), CheckpointError> {
    let path = path.as_ref();
    let mut tensors: Vec<(String, ArrayViewD<'_, f32>)> = Vec::new();
    params.visit(&mut |name, view| tensors.push((name.to_owned(), view)));
    for (name, _) in &tensors {
        let reserved = |reason| {
            Err(CheckpointError::Name {
                name: name.clone(),
                reason,
            })
        };
        if name.contains('/') {
            return reserved("`/` separates the parts of state tensors, rename the parameter");
        }
        if name == format::METADATA {
            return reserved("it is the key of the metadata, rename the parameter");
        }
    }
    let mut metadata = state.metadata.clone();
    if let Some(key) = metadata.keys().find(|key| key.starts_with(RESERVED)) {
        return Err(CheckpointError::Name {
            name: key.clone(),
            reason: "keys starting with `rnn.` are reserved",
        });
    }
    metadata.insert(FORMAT_KEY.to_owned(), FORMAT.to_owned());
    metadata.extend(
        state
            .rngs
            .iter()
            .map(|(purpose, rng)| (format!("{RNG_KEY}{purpose}"), rng.to_string())),
    );
    if let Some(optimizer) = &state.optimizer {
        metadata.insert(OPTIMIZER_KEY.to_owned(), optimizer.algorithm.clone());
        metadata.insert(STEPS_KEY.to_owned(), optimizer.steps.to_string());
        for tensor in &optimizer.tensors {
            tensors.push((key_of(OPTIMIZER, tensor)?, tensor.values.view()));
        }
    }
    for tensor in &state.tensors {
        tensors.push((key_of(RUN, tensor)?, tensor.values.view()));
    }
    let run = state.tensors.iter().map(|tensor| tensor.values.len());
    check_run(params.count(), run).map_err(|reason| CheckpointError::State {
        path: path.to_owned(),
        reason,
    })?;
    let mut names: Vec<&str> = tensors.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(CheckpointError::Name {
            name: pair[0].to_owned(),
            reason: "two tensors have this name",
        });
    }
    let header = format::header_bytes(&tensors, &metadata).map_err(|reason| reason.at(path))?;
    file::replace(path, |file| format::write(file, &header, &tensors))
}

fn key_of(part: &str, tensor: &StateTensor) -> Result<String, CheckpointError> {
    let StateTensor { slot, name, .. } = tensor;
    if slot.contains('/') {
        return Err(CheckpointError::Name {
            name: slot.clone(),
            reason: "a slot may not contain `/`",
        });
    }
    Ok(format!("{part}{slot}/{name}"))
}

/// Refuses more tensors of a run than are read.
fn check_run(model: usize, mut sizes: impl Iterator<Item = usize>) -> Result<(), String> {
    let total = sizes.try_fold(0_usize, usize::checked_add);
    let limit = model.saturating_add(RUN_SCALARS);
    match total {
        Some(total) if total <= limit => Ok(()),
        _ => Err(format!(
            "expected at most {limit} numbers in the tensors of a run, found {}",
            total.map_or_else(
                || "more than can be counted".to_owned(),
                |total| total.to_string()
            )
        )),
    }
}

/// Loads `params` alone; the state of an optimiser beside them is not read.
///
/// # Errors
/// As [`load`].
pub fn load_params<P: Tensors>(
    path: impl AsRef<Path>,
    params: &mut P,
) -> Result<(), CheckpointError> {
    let path = path.as_ref();
    let (mut file, header) = open(path)?;
    check_format(path, &header)?;
    let parts = Parts::split(&header);
    let plan = plan_params(path, params, &parts)?;
    let values = format::read_all(&mut file, &header, &plan).map_err(|error| error.at(path))?;
    assign(params, values);
    Ok(())
}

/// Loads `params` and returns the state saved with them.
///
/// Loading is strict: the parameters in the file are exactly those of the model, in any order, all `F32`.
///
/// # Errors
/// [`CheckpointError::Mismatch`] lists every missing, unexpected, mis-shaped and mis-typed name at once;
/// [`CheckpointError::Malformed`] tells what is wrong with a damaged file, [`CheckpointError::State`] with the state in
/// it. `params` are unchanged on any error.
pub fn load<P: Tensors>(
    path: impl AsRef<Path>,
    params: &mut P,
) -> Result<TrainingState, CheckpointError> {
    let path = path.as_ref();
    let (mut file, header) = open(path)?;
    check_format(path, &header)?;
    let parts = Parts::split(&header);
    let mut plan = plan_params(path, params, &parts)?;
    let count = plan.len();
    let slots: BTreeSet<&str> = parts.state.iter().map(|(slot, ..)| *slot).collect();
    if slots.len() > MAX_SLOTS {
        let reason = format!(
            "expected at most {MAX_SLOTS} state tensors per parameter, found {}",
            slots.len()
        );
        return Err(CheckpointError::State {
            path: path.to_owned(),
            reason,
        });
    }
    let sizes = parts.run.iter().map(|(_, _, entry)| {
        let axes = entry.shape.iter();
        axes.fold(1_usize, |size, axis| size.saturating_mul(*axis))
    });
    check_run(params.count(), sizes).map_err(|reason| CheckpointError::State {
        path: path.to_owned(),
        reason,
    })?;
    let mut state = state_of(&header).map_err(|reason| CheckpointError::State {
        path: path.to_owned(),
        reason,
    })?;
    plan.extend(parts.state.iter().map(|(_, _, entry)| *entry));
    plan.extend(parts.run.iter().map(|(_, _, entry)| *entry));
    let mut values = format::read_all(&mut file, &header, &plan).map_err(|error| error.at(path))?;
    let run = values.split_off(count + parts.state.len());
    state.tensors = state_tensors(&parts.run, run);
    if let Some(optimizer) = &mut state.optimizer {
        optimizer.tensors = state_tensors(&parts.state, values.split_off(count));
    }
    assign(params, values);
    Ok(state)
}

fn state_tensors(entries: &[(&str, &str, &Entry)], values: Vec<Vec<f32>>) -> Vec<StateTensor> {
    let tensor = |((slot, name, entry), values): (&(&str, &str, &Entry), Vec<f32>)| StateTensor {
        slot: (*slot).to_owned(),
        name: (*name).to_owned(),
        values: ArrayD::from_shape_vec(IxDyn(&entry.shape), values)
            .unwrap_or_else(|_| unreachable!("the reader gives as many values as the shape has")),
    };
    entries.iter().zip(values).map(tensor).collect()
}

/// Reads the header of a checkpoint, to learn sizes or a vocabulary before the model exists.
///
/// # Errors
/// [`CheckpointError::Io`] or [`CheckpointError::Malformed`].
pub fn inspect(path: impl AsRef<Path>) -> Result<Summary, CheckpointError> {
    let (_, header) = open(path.as_ref())?;
    Ok(Summary {
        tensors: header.entries.iter().map(Entry::summary).collect(),
        metadata: header.metadata,
    })
}

fn open(path: &Path) -> Result<(BufReader<std::fs::File>, Header), CheckpointError> {
    let (file, len) = file::open(path)?;
    let mut file = BufReader::new(file);
    let header = format::read_header(&mut file, len).map_err(|error| error.at(path))?;
    Ok((file, header))
}

/// Refuses files of a later format; those without a mark, from other writers, are fine.
fn check_format(path: &Path, header: &Header) -> Result<(), CheckpointError> {
    match header.metadata.get(FORMAT_KEY) {
        Some(found) if found != FORMAT => Err(CheckpointError::State {
            path: path.to_owned(),
            reason: format!(
                "expected format {FORMAT}, found `{found}`; load it with the release that wrote it"
            ),
        }),
        _ => Ok(()),
    }
}

/// The entries of a file by what they are.
struct Parts<'a> {
    /// Parameters by name.
    params: BTreeMap<&'a str, &'a Entry>,
    /// Names of parameters in file order.
    order: Vec<&'a str>,
    /// Slot, parameter and entry of state tensors, in file order.
    state: Vec<(&'a str, &'a str, &'a Entry)>,
    /// Slot, name and entry of other tensors of the run, in file order.
    run: Vec<(&'a str, &'a str, &'a Entry)>,
}

impl<'a> Parts<'a> {
    fn split(header: &'a Header) -> Self {
        let mut parts = Self {
            params: BTreeMap::new(),
            order: Vec::new(),
            state: Vec::new(),
            run: Vec::new(),
        };
        let has_state = header.metadata.contains_key(OPTIMIZER_KEY);
        let is_own = header.metadata.contains_key(FORMAT_KEY);
        for entry in &header.entries {
            let key = |part| entry.name.strip_prefix(part)?.split_once('/');
            match (key(OPTIMIZER), key(RUN)) {
                (Some((slot, name)), _) if has_state => parts.state.push((slot, name, entry)),
                (_, Some((slot, name))) if is_own => parts.run.push((slot, name, entry)),
                _ => {
                    parts.params.insert(&entry.name, entry);
                    parts.order.push(&entry.name);
                }
            }
        }
        parts
    }
}

/// The entries of the parameters in declaration order, or every difference.
fn plan_params<'a, P: Tensors>(
    path: &Path,
    params: &P,
    parts: &Parts<'a>,
) -> Result<Vec<&'a Entry>, CheckpointError> {
    let mut mismatch = NameMismatch::default();
    let mut unused = parts.params.clone();
    let mut plan = Vec::new();
    params.visit(&mut |name, view| {
        let Some(entry) = unused.remove(name) else {
            mismatch.missing.push(name.to_owned());
            return;
        };
        if entry.shape != view.shape() {
            mismatch.misshaped.push(ShapeMismatch {
                name: name.to_owned(),
                expected: view.shape().to_vec(),
                found: entry.shape.clone(),
            });
        }
        if !entry.is_f32() {
            mismatch.mistyped.push(DtypeMismatch {
                name: name.to_owned(),
                found: entry.dtype.to_string(),
            });
        }
        plan.push(entry);
    });
    mismatch.unexpected = parts
        .order
        .iter()
        .filter(|name| unused.contains_key(*name))
        .map(|name| (*name).to_owned())
        .collect();
    check_state(params, parts, &mut mismatch);
    if mismatch.is_empty() {
        Ok(plan)
    } else {
        Err(CheckpointError::Mismatch {
            path: path.to_owned(),
            mismatch,
        })
    }
}

/// Adds to `mismatch` every state tensor that is not `F32` in the shape of a parameter.
fn check_state<P: Tensors>(params: &P, parts: &Parts<'_>, mismatch: &mut NameMismatch) {
    let shapes: BTreeMap<String, Vec<usize>> = params.shapes().into_iter().collect();
    for (_, _, entry) in parts.run.iter().filter(|(_, _, entry)| !entry.is_f32()) {
        mismatch.mistyped.push(DtypeMismatch {
            name: entry.name.clone(),
            found: entry.dtype.to_string(),
        });
    }
    for (_, name, entry) in &parts.state {
        let key = entry.name.clone();
        match shapes.get(*name) {
            None => mismatch.unexpected.push(key.clone()),
            Some(shape) if *shape != entry.shape => {
                let (expected, found) = (shape.clone(), entry.shape.clone());
                mismatch.misshaped.push(ShapeMismatch {
                    name: key.clone(),
                    expected,
                    found,
                });
            }
            Some(_) => {}
        }
        if !entry.is_f32() {
            mismatch.mistyped.push(DtypeMismatch {
                name: key,
                found: entry.dtype.to_string(),
            });
        }
    }
}

/// The state in the metadata, without tensors.
fn state_of(header: &Header) -> Result<TrainingState, String> {
    let mut state = TrainingState::default();
    let mut algorithm = None;
    let mut steps = 0;
    for (key, value) in &header.metadata {
        if let Some(purpose) = key.strip_prefix(RNG_KEY) {
            let rng = value
                .parse()
                .map_err(|error| format!("metadata `{key}`: {error}"))?;
            state.rngs.insert(purpose.to_owned(), rng);
        } else if key == OPTIMIZER_KEY {
            algorithm = Some(value.clone());
        } else if key == STEPS_KEY {
            steps = value
                .parse()
                .map_err(|_| format!("metadata `{key}`: expected a step count, found `{value}`"))?;
        } else if key != FORMAT_KEY {
            state.metadata.insert(key.clone(), value.clone());
        }
    }
    state.optimizer = algorithm.map(|algorithm| OptimizerState {
        algorithm,
        steps,
        tensors: Vec::new(),
    });
    Ok(state)
}

fn assign<P: Tensors>(params: &mut P, values: Vec<Vec<f32>>) {
    let mut values = values.into_iter();
    params.visit_mut(&mut |_, mut view| {
        if let Some(values) = values.next() {
            view.iter_mut()
                .zip(values)
                .for_each(|(place, value)| *place = value);
        }
    });
}

#[cfg(test)]
mod tests;
