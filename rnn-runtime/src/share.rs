//! How a call shares memory and threads between its parts, and the bytes that this takes.
//!
//! A limit covers all parts that run at once. As many run at once as fit beside each other, in segments of steps where they
//! have to; where they do not fit, half as many with twice the memory each; then half as many parts, and at last the batch as a whole,
//! which has no gradients of parts. How a call is divided depends on its shape, the program and
//! its limit alone: on fewer threads the parts run one after the other, in the same segments, to the same bits.
//!
//! **Invariant:** the workspaces, coins and gradients of the parts that run at once take no more bytes than the limit.

use std::ops::Range;

use rnn_ir::graph::ResultKind;
use rnn_jit::{CallShape, JitError};

use crate::call::{Room, check_lengths};
use crate::compiled::{Compiled, Inner};
use crate::error::CallError;
use crate::feedback::Feedback;
use crate::model::Model;
use crate::parts::{Parts, Team};
use crate::pipeline::{Fed, Program};
use crate::routine::{Routine, Source};
use crate::signature::Signature;

/// Bytes of an element.
const ELEMENT: usize = 4;

/// How large a batch is: what [`Compiled::bytes`] needs to know of one.
#[derive(Clone, Debug, Default)]
pub struct BatchSize<'b> {
    examples: usize,
    steps: Vec<(&'b str, usize)>,
    lengths: Vec<(&'b str, &'b [usize])>,
    feedback: Option<Feedback>,
}

impl<'b> BatchSize<'b> {
    /// So many examples.
    pub fn new(examples: usize) -> Self {
        Self {
            examples,
            ..Self::default()
        }
    }

    /// With so many steps along a time axis: those of the inputs.
    #[must_use]
    pub fn steps(mut self, axis: &'b str, steps: usize) -> Self {
        self.steps.push((axis, steps));
        self
    }

    /// With the length of each example along a time axis. Examples that do not come longest first are copied into that
    /// order.
    #[must_use]
    pub fn lengths(mut self, axis: &'b str, lengths: &'b [usize]) -> Self {
        self.lengths.push((axis, lengths));
        self
    }

    /// With what its steps read through `feedback`, of a call with targets; as each program does where nothing is said.
    #[must_use]
    pub fn feedback(mut self, feedback: Feedback) -> Self {
        self.feedback = Some(feedback);
        self
    }

    fn shape(&self, signature: &Signature) -> Result<CallShape, CallError> {
        self.shape_with(signature, None)
    }

    /// As the shape of a call, in which the steps of an axis by its position may be said by something else.
    pub(crate) fn shape_with(
        &self,
        signature: &Signature,
        open: Option<(usize, usize)>,
    ) -> Result<CallShape, CallError> {
        let given = |name: &str| self.steps.iter().find(|(axis, _)| *axis == name);
        let lengths = |name: &str| self.lengths.iter().find(|(axis, _)| *axis == name);
        let mut named = (self.steps.iter().map(|(axis, _)| *axis))
            .chain(self.lengths.iter().map(|(axis, _)| *axis));
        if let Some(unknown) =
            named.find(|name| signature.axes.iter().all(|axis| axis.name != *name))
        {
            return Err(CallError::UnknownAxis {
                model: signature.model.to_owned(),
                axis: unknown.to_owned(),
                axes: signature.variable_axes(),
            });
        }
        let mut shape = CallShape {
            batch: self.examples,
            ..CallShape::default()
        };
        for (position, axis) in signature.axes.iter().enumerate() {
            let open = open.filter(|(at, _)| *at == position);
            let own = lengths(&axis.name).map(|(_, own)| *own);
            let steps = (given(&axis.name).map(|(_, steps)| *steps))
                .or(axis.fixed)
                .or_else(|| own.and_then(|own| own.iter().copied().max()))
                .or(open.map(|(_, steps)| steps));
            let steps = steps.ok_or_else(|| CallError::MissingLengths {
                axis: axis.name.clone(),
            })?;
            shape.steps.push(steps);
            if !self.lengths.is_empty() {
                shape.lengths.push(match own {
                    None => Vec::new(),
                    Some(own) => {
                        let (mut out, steps) = (Vec::new(), Some((steps, "steps")));
                        check_lengths(axis.fixed, &axis.name, own, steps, self.examples, &mut out)?;
                        out
                    }
                });
            }
        }
        match self.examples {
            0 => Err(CallError::EmptyBatch),
            _ => Ok(shape),
        }
    }
}

/// The bytes that a call takes beside what is given to it and what it returns; bookkeeping whose size does not depend on
/// the batch's steps is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallBytes {
    /// All together.
    pub total: usize,
    /// Of one workspace: weights in packed order, values, what is saved between segments, inputs in another order.
    pub workspace: usize,
    /// How many workspaces: parts of the batch that run at once.
    pub workspaces: usize,
    /// Of the gradients of all parts before they are added up.
    pub gradients: usize,
    /// Of what says which steps read a target, for all examples: a byte a step of a call whose
    /// [`Feedback`] is drawn.
    pub coins: usize,
    /// The time axes that run in segments of steps: name, steps, steps in a segment. One segment is all steps at once.
    pub segments: Vec<(String, usize, usize)>,
}

impl<M: Model> Compiled<M> {
    /// The bytes that a call of a program takes for a batch of a size, before there is one.
    ///
    /// Inputs that are not row-major are copied; their bytes are not known here.
    ///
    /// # Errors
    /// [`CallError::NoLoss`] for a program that the model does not have, sizes that do not fit the model or the address
    /// space, and a batch that does not fit the [memory limit](crate::Options::memory_limit).
    pub fn bytes(&self, program: Program, size: &BatchSize<'_>) -> Result<CallBytes, CallError> {
        self.inner.bytes(program, size)
    }
}

impl Inner {
    fn bytes(&self, program: Program, size: &BatchSize<'_>) -> Result<CallBytes, CallError> {
        let fed = match (size.feedback, program) {
            (None, Program::Forward) => Fed::Own,
            (None, Program::Loss | Program::Gradient) => Fed::Targets,
            (Some(feedback), Program::Forward) => self.fed(feedback, true)?,
            (Some(feedback), _) => self.fed_in_training(feedback)?,
        };
        let routine = self.program(program, fed)?;
        let mut shape = size.shape(&self.signature)?;
        shape.limit = self.options.memory_limit;
        let team = Team {
            sums: program != Program::Forward,
            ..self.team(program)
        };
        let division = team.divide(routine, &shape)?;
        let part = division.largest(&shape);
        let executable = &routine.executable;
        let workspace = executable.memory_needed(&part)?;
        let graph = executable.graph();
        let segments = (executable.segments(&part)?.into_iter())
            .map(|(axis, steps, segment)| (graph.axes[axis].name.clone(), steps, segment))
            .collect();
        let parts = division.parts.count();
        let coins = coins(&self.signature, routine, &shape);
        let gradients = bytes_of_gradients(&self.signature, routine, parts);
        Ok(CallBytes {
            total: division.at_once * workspace + gradients + coins,
            workspace,
            workspaces: division.at_once,
            gradients,
            coins,
            segments,
        })
    }
}

/// How a call is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Division {
    pub(crate) parts: Parts,
    /// Parts that run at once, the caller's thread's included.
    pub(crate) at_once: usize,
    /// Bytes that the workspace of each may take.
    pub(crate) limit: Option<usize>,
}

impl Division {
    // The shape of the part with the most examples.
    fn largest(&self, shape: &CallShape) -> CallShape {
        let largest = self.parts.iter().max_by_key(Range::len);
        let range = largest.unwrap_or(0..shape.batch);
        part_shape(shape, &range, self.limit)
    }
}

/// The shape of some of the examples of a call.
pub(crate) fn part_shape(
    shape: &CallShape,
    range: &Range<usize>,
    limit: Option<usize>,
) -> CallShape {
    let mut part = CallShape::default();
    part_shape_in(&mut part, &mut Room::default(), shape, range, limit);
    part
}

/// As [`part_shape`], in an empty one, with the memory of a call.
pub(crate) fn part_shape_in(
    part: &mut CallShape,
    room: &mut Room,
    shape: &CallShape,
    range: &Range<usize>,
    limit: Option<usize>,
) {
    (part.batch, part.limit) = (range.len(), limit);
    part.steps.extend_from_slice(&shape.steps);
    for all in &shape.lengths {
        let own = all.get(range.clone()).unwrap_or_default();
        let mut lengths = room.stash.indices.take(own.len());
        lengths.extend_from_slice(own);
        part.lengths.push(lengths);
    }
}

impl Team<'_> {
    /// How a call of a shape is divided.
    pub(crate) fn divide(
        &self,
        routine: &Routine,
        shape: &CallShape,
    ) -> Result<Division, CallError> {
        let threads = 1 + self.helpers(shape, shape.batch);
        let Some(limit) = shape.limit else {
            let parts = self.parts(routine, shape);
            let at_once = threads.min(parts.count());
            return Ok(Division {
                parts,
                at_once,
                limit: None,
            });
        };
        let all = Team {
            sums: true,
            ..*self
        };
        let coins = coins(self.signature, routine, shape);
        let mut parts = all.parts(routine, shape);
        let mut together = parts.count();
        let mut least = usize::MAX;
        loop {
            let count = parts.count();
            let gradients =
                bytes_of_gradients(self.signature, routine, count).saturating_add(coins);
            let mut division = Division {
                parts,
                at_once: together.min(threads),
                limit: None,
            };
            division.limit = Some(limit.saturating_sub(gradients) / together);
            let mut short = None;
            for range in parts.iter() {
                let part = part_shape(shape, &range, division.limit);
                match routine.executable.memory_needed(&part) {
                    Ok(_) => {}
                    Err(JitError::MemoryLimit { needed, .. }) => short = short.max(Some(needed)),
                    Err(error) => return Err(error.into()),
                }
            }
            let Some(needed) = short else {
                return Ok(division);
            };
            let all = needed.saturating_mul(together);
            least = least.min(all.saturating_add(gradients));
            if together > 1 {
                together = together.div_ceil(2);
            } else if count > 1 {
                // Fewer parts have fewer gradients, and all examples in one have none beside the caller's.
                parts = Parts::new(shape.batch, count / 2);
                together = parts.count();
            } else {
                return Err(CallError::Jit(JitError::MemoryLimit {
                    needed: least,
                    limit,
                    batch: shape.batch,
                }));
            }
        }
    }
}

// Bytes of what says which steps read the target, in a program that is told for each.
fn coins(signature: &Signature, routine: &Routine, shape: &CallShape) -> usize {
    let told =
        |at: usize| routine.input(|source| matches!(source, Source::Teacher(own) if own == at));
    let teachers = signature.teachers.iter().enumerate();
    teachers
        .filter(|(at, _)| told(*at).is_some())
        .map(|(_, port)| {
            let steps = port.axes.iter().map(|axis| shape.steps[*axis]);
            steps.fold(shape.batch, usize::saturating_mul)
        })
        .fold(0, usize::saturating_add)
}

// Bytes of the gradients of several parts; those of one are the caller's.
fn bytes_of_gradients(signature: &Signature, routine: &Routine, parts: usize) -> usize {
    match parts {
        1 => 0,
        _ => (gradients(signature, routine).saturating_mul(parts)).saturating_mul(ELEMENT),
    }
}

/// Elements of the gradients of all parameters, in a program that has them.
pub(crate) fn gradients(signature: &Signature, routine: &Routine) -> usize {
    let derived = |result: &crate::routine::ResultPort| result.kind == ResultKind::Gradient;
    if !routine.results.iter().any(derived) {
        return 0;
    }
    (signature.trained())
        .map(|spec| spec.shape.iter().product::<usize>())
        .sum()
}
