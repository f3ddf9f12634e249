//! A call in parts: examples do not see each other, so each part runs the whole program on its own examples, on a thread of
//! its own where there is one. Where there are fewer parts than threads, these may take branches of the program.
//!
//! A part has about [`EXAMPLES`] examples: enough for the product kernels to run at their full speed, few enough that what
//! a step hands to the next stays in the caches; fewer, where a step of each reads much that is its own, as a memory or a
//! matrix (`Storage::examples_in_cache`). How a batch is divided whose examples are summed depends on its shape and the program
//! alone, never on the number of threads, and the parts are added up in order; so results do not depend on the number of
//! threads, bit for bit.
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
use rnn_jit::{CallShape, Helpers, PartOf, Pool, Workspace};

use crate::call::{Call, Data, Room, Shelf};
use crate::error::CallError;
use crate::routine::Routine;
use crate::share::{Division, gradients, part_shape_in};
use crate::signature::Signature;

/// Examples in a part of a larger batch, at least, where a step of so many stays in the caches.
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

/// Parts of a batch with so many examples in each, at least.
fn parts_of(batch: usize, examples: usize) -> usize {
    (batch / examples.max(1)).clamp(1, PARTS)
}

/// How a batch is divided: into parts that differ by one example at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parts {
    batch: usize,
    count: usize,
}

impl Parts {
    pub(crate) fn new(batch: usize, count: usize) -> Self {
        Self { batch, count }
    }

    pub(crate) fn count(self) -> usize {
        self.count
    }

    /// The examples of a part.
    pub(crate) fn get(self, part: usize) -> Option<Range<usize>> {
        let start = |part: usize| part * self.batch / self.count;
        (part < self.count).then(|| start(part)..start(part + 1))
    }

    /// The examples of each part.
    pub(crate) fn iter(self) -> impl Iterator<Item = Range<usize>> {
        (0..self.count).filter_map(move |part| self.get(part))
    }
}

fn put<A>(place: &Mutex<Option<A>>, own: A) {
    *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(own);
}

fn taken<A>(place: Mutex<Option<A>>) -> Option<A> {
    place.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// How a program runs a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Team<'s> {
    pub(crate) signature: &'s Signature,
    pub(crate) pool: &'s Pool,
    /// Memory for what parts are given.
    pub(crate) rooms: &'s Shelf<Room>,
    /// Most threads, the caller's included.
    pub(crate) threads: usize,
    /// Whether the batch may be divided.
    pub(crate) divide: bool,
    /// Whether results are sums over examples, which depend on how they are divided; rows of outputs do not, so without
    /// sums there are as many parts as threads, and more only for the caches.
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
        read: impl Fn(&mut Workspace, &Call<'_>, usize) -> Result<R, CallError> + Sync,
    ) -> Result<Vec<R>, CallError> {
        let division = self.division(routine, call)?;
        let beside = division.at_once - 1;
        let helpers = self.branch_helpers(beside);
        if division.parts.count() == 1 {
            return self.with_workspace(routine, |workspace| {
                // Outputs of all examples are as the caller gets them.
                workspace.hand_on(!self.sums);
                routine.run_prepared(workspace, params, call, helpers)?;
                let answer = read(workspace, call, 0);
                // What nobody has taken is of no use to others.
                workspace.hand_on(false);
                workspace.end_lap(Stage::CopyOut);
                Ok(vec![answer?])
            });
        }
        let next = AtomicUsize::new(0);
        // On the stack, so that nothing is allocated where there is nothing to answer.
        let answers: [Mutex<Option<Result<R, CallError>>>; PARTS] =
            std::array::from_fn(|_| Mutex::new(None));
        let failed = Mutex::new(None);
        // Takes parts until there are none left; the weights are packed for the first.
        let work = || {
            let mut room = self.rooms.take();
            let taken = self.with_workspace(routine, |workspace| {
                workspace.hand_on(false);
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(range) = division.parts.get(at) else {
                        return Ok(());
                    };
                    workspace.start_lap();
                    let given = std::mem::take(&mut room);
                    let part = call.part(&range, division.limit, given);
                    workspace.end_lap(Stage::CopyIn);
                    let ran = routine.run_prepared(workspace, params, &part, helpers);
                    let ran = ran.map_err(CallError::from);
                    put(&answers[at], ran.and_then(|()| read(workspace, &part, at)));
                    room = part.into_room();
                    workspace.end_lap(Stage::CopyOut);
                }
            });
            self.rooms.give(room);
            if let Err(error) = taken {
                put(&failed, error);
            }
        };
        self.pool.run(beside, &work);
        if let Some(failed) = taken(failed) {
            return Err(failed);
        }
        answers.into_iter().filter_map(taken).collect()
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
        if call.shape.limit.is_none() {
            return self.divide(routine, &call.shape);
        }
        let mut known = (routine.division.lock()).unwrap_or_else(PoisonError::into_inner);
        if let Some((shape, division)) = &*known
            && *shape == call.shape
        {
            return Ok(*division);
        }
        let division = self.divide(routine, &call.shape)?;
        let before = known.replace((call.shape.clone(), division));
        drop(known);
        let alike = |(shape, before): (CallShape, Division)| {
            shape.steps == call.shape.steps && before == division
        };
        if before.is_some_and(alike) {
            return Ok(division);
        }
        self.rooms.clear();
        routine.shares.clear();
        routine.clear();
        if let Some(pool) = self.frozen {
            pool.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
        Ok(division)
    }

    /// How a call is divided where there is no limit.
    pub(crate) fn parts(&self, routine: &Routine, shape: &CallShape) -> Parts {
        let batch = shape.batch;
        let gradients = gradients(self.signature, routine);
        let storage = routine.executable.storage();
        let fit = storage.examples_in_cache(&shape.steps, gradients);
        let most = parts_of(batch, fit.min(EXAMPLES));
        let parts = match (self.divide, self.sums) {
            (false, _) => 1,
            (true, false) if fit >= EXAMPLES => 1 + self.helpers(shape, most),
            (true, _) => most,
        };
        Parts::new(batch, parts)
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
    // The call of some of the examples, in the memory of another: values are read where they are.
    fn part<'p>(&'p self, range: &Range<usize>, limit: Option<usize>, room: Room) -> Call<'p> {
        let mut part = Call::of(room);
        part_shape_in(&mut part.shape, &mut part.room, &self.shape, range, limit);
        let inputs = self.inputs.iter();
        (part.inputs).extend(inputs.map(|data| data.as_ref().map(Data::borrowed)));
        part.states.extend(self.states.iter().map(Data::borrowed));
        part.teachers
            .extend(self.teachers.iter().map(Data::borrowed));
        part.fresh.extend_from_slice(&self.fresh);
        part.weights.extend_from_slice(&self.weights);
        part.weight = self.weight;
        part.set_seeds(self.seeds.as_ref());
        part.among = Some(PartOf {
            first: range.start,
            batch: self.shape.batch,
        });
        part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_a_batch_and_hold_at_least_their_least() {
        for (batch, examples) in (1..600).flat_map(|batch| [4, 7, EXAMPLES].map(|own| (batch, own)))
        {
            let parts = Parts::new(batch, parts_of(batch, examples));
            let ranges: Vec<_> = parts.iter().collect();
            assert_eq!(ranges[0].start, 0);
            assert_eq!(ranges[ranges.len() - 1].end, batch);
            assert!(ranges.windows(2).all(|pair| pair[0].end == pair[1].start));
            let least = ranges.iter().map(Range::len).min();
            assert!(
                ranges.len() == 1 || least >= Some(examples),
                "{batch}: {ranges:?}"
            );
            assert!(ranges.len() <= PARTS);
        }
    }
}
