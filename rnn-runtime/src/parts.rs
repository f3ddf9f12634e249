//! A call in parts: examples do not see each other, so each part runs the whole program on its own examples, on a thread of
//! its own where there is one. Where there are fewer parts than threads, these may take branches of the program.
//!
//! A part has about [`EXAMPLES`] examples: enough for the product kernels to run at their full speed, few enough that what
//! a step hands to the next stays in the caches. How a batch is divided depends on its size alone, never on the number of
//! threads, and the parts are added up in order; so results do not depend on the number of threads, bit for bit.
//!
//! **Invariant:** each part has memory of its own while it runs.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use rnn_ir::axis::AxisId;
use rnn_ir::graph::Graph;
use rnn_ir::op::Op;
use rnn_jit::profile::Stage;
use rnn_jit::{CallShape, Helpers, Pool, Workspace};

use crate::call::{Call, Data};
use crate::error::CallError;
use crate::routine::Routine;
use crate::share::{Division, part_shape};
use crate::signature::{Port, Signature};

/// Examples in a part of a larger batch, at least.
const EXAMPLES: usize = 16;

/// Most parts of a batch.
const PARTS: usize = 16;

/// Parameters times examples times steps from which another thread is worth its start: about 0.1 ms of work.
const WORK: usize = 4_000_000;

/// Whether examples can be computed apart from each other.
pub(crate) fn examples_are_independent(model: &Graph) -> bool {
    !model.nodes.iter().any(
        |(_, node)| matches!(node.op, Op::AxisReduce { axes, .. } if axes.contains(AxisId::BATCH)),
    )
}

/// Parts of a batch whose examples are summed.
fn parts_of(batch: usize) -> usize {
    (batch / EXAMPLES).clamp(1, PARTS)
}

/// The examples of each part.
fn ranges(batch: usize, parts: usize) -> Vec<Range<usize>> {
    let start = |part: usize| part * batch / parts;
    (0..parts)
        .map(|part| start(part)..start(part + 1))
        .collect()
}

/// Memory of parts that have run, for those that come: it is as large as a batch, and fresh pages of that size cost a
/// training step several per cent of its time.
#[derive(Debug, Default)]
pub(crate) struct Spare {
    buffers: Mutex<Vec<Vec<f32>>>,
}

impl Spare {
    /// An empty vector with room for exactly so many elements. Where there is none, one of another size goes for it.
    pub(crate) fn take(&self, len: usize) -> Vec<f32> {
        let mut buffers = self.buffers.lock().unwrap_or_else(PoisonError::into_inner);
        match buffers.iter().position(|buffer| buffer.capacity() == len) {
            Some(at) => buffers.swap_remove(at),
            None => {
                drop(buffers.pop());
                Vec::with_capacity(len)
            }
        }
    }

    /// Gives all memory back.
    pub(crate) fn clear(&self) {
        let mut buffers = self.buffers.lock().unwrap_or_else(PoisonError::into_inner);
        buffers.clear();
    }

    pub(crate) fn give(&self, mut buffer: Vec<f32>) {
        buffer.clear();
        let mut buffers = self.buffers.lock().unwrap_or_else(PoisonError::into_inner);
        buffers.push(buffer);
    }
}

/// How a program runs a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Team<'s> {
    pub(crate) signature: &'s Signature,
    pub(crate) pool: &'s Pool,
    /// Most threads, the caller's included.
    pub(crate) threads: usize,
    /// Whether the batch may be divided.
    pub(crate) divide: bool,
    /// Whether results are sums over examples, which depend on how they are divided; rows of outputs do not, so without
    /// sums there are as many parts as threads.
    pub(crate) sums: bool,
    /// Memory in which weights were packed for the parameters of all calls; `None` packs them for each call.
    pub(crate) frozen: Option<&'s Mutex<Vec<Workspace>>>,
}

impl Team<'_> {
    /// Runs a program on a call in parts, and reads each part's results while its memory is at hand, given its position;
    /// the answers come in the order of the examples.
    pub(crate) fn run<R: Send>(
        &self,
        routine: &Routine,
        params: &[Cow<'_, [f32]>],
        call: &Call<'_>,
        read: impl Fn(&Workspace, &Call<'_>, usize) -> Result<R, CallError> + Sync,
    ) -> Result<Vec<R>, CallError> {
        let division = self.division(routine, call)?;
        let ranges = &division.ranges;
        let beside = division.at_once - 1;
        let helpers = self.branch_helpers(beside);
        if ranges.len() == 1 {
            return self.with_workspace(routine, |workspace| {
                routine.run_prepared(workspace, params, call, helpers)?;
                let answer = read(workspace, call, 0);
                workspace.end_lap(Stage::CopyOut);
                Ok(vec![answer?])
            });
        }
        let next = AtomicUsize::new(0);
        let answers: Mutex<Vec<(usize, Result<R, CallError>)>> = Mutex::default();
        let answer = |at: usize, answer: Result<R, CallError>| {
            let mut answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
            answers.push((at, answer));
        };
        // Takes parts until there are none left; the weights are packed for the first.
        let work = || {
            let taken = self.with_workspace(routine, |workspace| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(range) = ranges.get(at) else {
                        return Ok(());
                    };
                    workspace.start_lap();
                    let part = call.part(self.signature, range, division.limit, &routine.spare);
                    workspace.end_lap(Stage::CopyIn);
                    let ran = routine.run_prepared(workspace, params, &part, helpers);
                    let ran = ran.map_err(CallError::from);
                    answer(at, ran.and_then(|()| read(workspace, &part, at)));
                    for data in part.inputs.into_iter().flatten() {
                        if let Data::Real(Cow::Owned(buffer)) = data {
                            routine.spare.give(buffer);
                        }
                    }
                    workspace.end_lap(Stage::CopyOut);
                }
            });
            if let Err(error) = taken {
                answer(next.fetch_add(1, Ordering::Relaxed), Err(error));
            }
        };
        self.pool.run(beside, &work);
        let mut answers = (answers.into_inner()).unwrap_or_else(PoisonError::into_inner);
        answers.sort_unstable_by_key(|(at, _)| *at);
        answers.into_iter().map(|(_, answer)| answer).collect()
    }

    fn with_workspace<R>(
        &self,
        routine: &Routine,
        body: impl FnOnce(&mut Workspace) -> Result<R, CallError>,
    ) -> Result<R, CallError> {
        match self.frozen {
            Some(pool) => routine.with_workspace_of(pool, body),
            None => routine.with_workspace(|workspace| {
                workspace.params_changed();
                body(workspace)
            }),
        }
    }

    /// Threads that may take branches of the program of a part, when there are so many beside the caller's for parts.
    pub(crate) fn branch_helpers(&self, beside: usize) -> Option<Helpers<'_>> {
        let most = (self.threads / (beside + 1)).checked_sub(1)?;
        let pool = self.pool;
        Some(Helpers { pool, most })
    }

    /// As [`divide`](Self::divide), found anew when the shape is another than that of the call before; what that call left
    /// behind goes then, where there is a limit.
    pub(crate) fn division(
        &self,
        routine: &Routine,
        call: &Call<'_>,
    ) -> Result<Division, CallError> {
        let given = || -> Vec<bool> { call.inputs.iter().map(Option::is_some).collect() };
        if call.shape.limit.is_none() {
            return self.divide(routine, &call.shape, &given());
        }
        let mut known = (routine.division.lock()).unwrap_or_else(PoisonError::into_inner);
        if let Some((shape, division)) = &*known
            && *shape == call.shape
        {
            return Ok(division.clone());
        }
        let division = self.divide(routine, &call.shape, &given())?;
        let before = known.replace((call.shape.clone(), division.clone()));
        drop(known);
        let alike = |(shape, before): (CallShape, Division)| {
            shape.steps == call.shape.steps && before == division
        };
        if before.is_some_and(alike) {
            return Ok(division);
        }
        routine.spare.clear();
        routine.clear();
        if let Some(pool) = self.frozen {
            pool.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
        Ok(division)
    }

    /// The examples of each part of a call.
    pub(crate) fn ranges(&self, shape: &CallShape) -> Vec<Range<usize>> {
        let batch = shape.batch;
        let most = parts_of(batch);
        let parts = match (self.divide, self.sums) {
            (false, _) => 1,
            (true, true) => most,
            (true, false) => 1 + self.helpers(shape, most),
        };
        ranges(batch, parts)
    }

    /// Threads beside the caller's, for so many parts.
    pub(crate) fn helpers(&self, shape: &CallShape, parts: usize) -> usize {
        let scalars = self.signature.params.iter();
        let scalars: usize = scalars
            .map(|spec| spec.shape.iter().product::<usize>())
            .sum();
        let steps = shape.steps.iter().product::<usize>();
        let work = (scalars.saturating_mul(steps)).saturating_mul(shape.batch);
        self.threads.min(parts).min(1 + work / WORK).max(1) - 1
    }
}

impl Call<'_> {
    // The call of some of the examples.
    fn part(
        &self,
        signature: &Signature,
        range: &Range<usize>,
        limit: Option<usize>,
        spare: &Spare,
    ) -> Call<'_> {
        let inputs = (signature.inputs.iter().zip(&self.inputs))
            .map(|(port, data)| Some(rows(port, data.as_ref()?, self.shape.batch, range, spare)))
            .collect();
        let states = (signature.states.iter().zip(&self.states))
            .map(|(port, data)| rows(port, data, self.shape.batch, range, spare))
            .collect();
        Call {
            shape: part_shape(&self.shape, range, limit),
            inputs,
            states,
            fresh: self.fresh[range.clone()].to_vec(),
            teachers: (signature.teachers.iter().zip(&self.teachers))
                .map(|(port, data)| rows(port, data, self.shape.batch, range, spare))
                .collect(),
            weights: self.weights[range.clone()].to_vec(),
            weight: self.weight,
            seeds: self.seeds.as_ref().map(|seeds| seeds.of(range.clone())),
        }
    }
}

// The rows of some examples at every step, one after the other.
fn rows<'d>(
    port: &Port,
    data: &'d Data<'_>,
    batch: usize,
    range: &Range<usize>,
    spare: &Spare,
) -> Data<'d> {
    fn of<'d, A: Copy>(
        data: &'d [A],
        step: usize,
        part: Range<usize>,
        room: impl FnOnce(usize) -> Vec<A>,
    ) -> Cow<'d, [A]> {
        match data.len() == step {
            true => Cow::Borrowed(&data[part]),
            false => {
                let mut out = room(data.len() / step.max(1) * part.len());
                for step in data.chunks_exact(step.max(1)) {
                    out.extend_from_slice(&step[part.clone()]);
                }
                Cow::Owned(out)
            }
        }
    }
    let width = port.width();
    let (step, part) = match port.batch {
        true => (batch * width, range.start * width..range.end * width),
        false => {
            let all = match data {
                Data::Real(data) => data.len(),
                Data::Index(data) => data.len(),
                Data::Bool(data) => data.len(),
            };
            (all, 0..all)
        }
    };
    match data {
        Data::Real(data) => Data::Real(of(data, step, part, |len| spare.take(len))),
        Data::Index(data) => Data::Index(of(data, step, part, Vec::with_capacity)),
        Data::Bool(data) => Data::Bool(of(data, step, part, Vec::with_capacity)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_a_batch_and_hold_at_least_their_least() {
        for batch in 1..600 {
            let ranges = ranges(batch, parts_of(batch));
            assert_eq!(ranges[0].start, 0);
            assert_eq!(ranges[ranges.len() - 1].end, batch);
            assert!(ranges.windows(2).all(|pair| pair[0].end == pair[1].start));
            let least = ranges.iter().map(Range::len).min();
            assert!(
                ranges.len() == 1 || least >= Some(EXAMPLES),
                "{batch}: {ranges:?}"
            );
            assert!(ranges.len() <= PARTS);
        }
    }
}
