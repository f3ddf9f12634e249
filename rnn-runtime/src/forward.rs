//! Inference: the forward program, its parts, and its outputs as the model declares them.
//!
//! **Invariant:** an output is the same bits however the batch is divided.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use rnn_jit::Workspace;

use crate::batch::Batch;
use crate::call::Call;
use crate::compiled::{Carried, Compiled, Forward, Inner};
use crate::error::CallError;
use crate::model::{Model, OutputValue, Outputs};
use crate::outputs::OutputMemory;
use crate::parts::Team;
use crate::pipeline::{Fed, Program};
use crate::routine::{Routine, flat_params};
use crate::states;

impl<M: Model> Compiled<M> {
    pub(crate) fn forward_from<'a, 'b, 't>(
        &self,
        params: &M::Params,
        batch: Batch<'b, M::Inputs<'a>, M::State>,
        targets: Option<&M::Targets<'t>>,
        carried: Carried<'_, M>,
    ) -> Result<Forward<M>, CallError> {
        let inner = &*self.inner;
        let fed = inner.fed(batch.beside.feedback, targets.is_some())?;
        let routine = inner.program(Program::Forward, fed)?;
        let _running = routine.start();
        if fed != Fed::Own || !inner.feeds_back() {
            inner.check_needs(targets.is_some())?;
        }
        let call = inner.call_in(inner.rooms.take(), &batch, targets, carried, fed)?;
        let flat = flat_params(&inner.signature, params)?;
        let answer = inner.forward_of_parts(routine, inner.team(Program::Forward), &flat, &call)?;
        inner.rooms.give(call.into_room());
        Ok(answer)
    }
}

/// What the parts of a batch have computed.
struct Joined {
    outputs: Vec<Option<OutputValue>>,
    /// By part: its examples, and all their states, one after the other.
    states: Vec<(Range<usize>, Vec<f32>)>,
}

impl Inner {
    /// Runs the forward program, and joins what its parts return.
    pub(crate) fn forward_of_parts<M: Model>(
        &self,
        routine: &Routine,
        team: Team<'_>,
        params: &[Cow<'_, [f32]>],
        call: &Call<'_>,
    ) -> Result<Forward<M>, CallError> {
        let Joined { outputs, states } = self.join_parts(routine, team, params, call)?;
        let mut state = states::none(&self.signature);
        states::write(
            &self.signature,
            call.shape.batch,
            &mut state,
            &mut |at, to| {
                for (range, all) in &states {
                    states::of_part(&self.signature, all, range, at, to);
                }
                Ok(())
            },
        )?;
        Ok(Forward {
            outputs: self.typed_outputs(outputs)?,
            state,
        })
    }

    fn join_parts(
        &self,
        routine: &Routine,
        team: Team<'_>,
        params: &[Cow<'_, [f32]>],
        call: &Call<'_>,
    ) -> Result<Joined, CallError> {
        let team = Team {
            sums: false,
            ..team
        };
        let division = team.division(routine, call)?;
        if division.parts.count() == 1 {
            let mut answers = team.run(routine, params, call, |workspace, whole, _| {
                let shape = &whole.shape;
                let outputs = OutputMemory::of_whole(&self.signature, routine, workspace, shape)?;
                let states = self.states_after(routine, workspace, whole)?;
                Ok((outputs, states))
            })?;
            let (outputs, states) = answers.pop().unwrap_or_default();
            return Ok(Joined {
                outputs: outputs.into_values(),
                states: vec![(0..call.shape.batch, states)],
            });
        }
        let mut memory = OutputMemory::new(&self.signature, routine, &call.shape);
        let parts: Vec<_> = division.parts.iter().collect();
        let rows = memory.of_parts(&self.signature, &parts);
        // Each part takes its own, once.
        let rows: Vec<_> = rows.into_iter().map(Mutex::new).collect();
        let states = team.run(routine, params, call, |workspace, part, at| {
            let mut own = rows[at].lock().unwrap_or_else(PoisonError::into_inner);
            for rows in std::mem::take(&mut *own).into_iter().flatten() {
                rows.write(routine, workspace)?;
            }
            self.states_after(routine, workspace, part)
        })?;
        drop(rows);
        Ok(Joined {
            outputs: memory.into_values(),
            states: parts.into_iter().zip(states).collect(),
        })
    }

    fn states_after(
        &self,
        routine: &Routine,
        workspace: &Workspace,
        part: &Call<'_>,
    ) -> Result<Vec<f32>, CallError> {
        let (mut tokens, mut all) = (Vec::new(), Vec::new());
        let of = (workspace, part);
        states::read_all(routine, &self.signature, of, &mut tokens, &mut all)?;
        Ok(all)
    }

    pub(crate) fn typed_outputs<O: Outputs>(
        &self,
        mut values: Vec<Option<OutputValue>>,
    ) -> Result<O, CallError> {
        let mut failed = None;
        let outputs = O::from_values(&mut |name| {
            let mut ports = self.signature.outputs.iter();
            let at = ports.position(|port| port.name == name);
            match at.and_then(|at| values.get_mut(at)?.take()) {
                Some(value) => value,
                None => {
                    failed = Some(name.to_owned());
                    OutputValue::Real(ndarray::ArrayD::zeros(vec![]))
                }
            }
        });
        match failed {
            Some(name) => Err(CallError::MissingInput { name }),
            None => Ok(outputs),
        }
    }
}
