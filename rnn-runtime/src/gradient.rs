//! Losses and gradients: the training programs, their parts added up in order, and the check that all is finite.
//!
//! **Invariant:** gradients are written only when everything has been computed and checked.

use std::borrow::Cow;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ndarray::{ArrayViewMut1, ArrayViewMutD};
use rnn_ir::graph::ResultKind;
use rnn_jit::profile::Stage;
use rnn_jit::{JitError, Workspace};

use crate::batch::Batch;
use crate::call::Call;
use crate::compiled::{Carried, Compiled, Inner, LossValue};
use crate::diagnose;
use crate::error::{CallError, NonFiniteError, Origin, Place};
use crate::model::Model;
use crate::options::NonFinite;
use crate::parts::{Parts, Team};
use crate::pipeline::Program;
use crate::routine::{Routine, flat_params_in};
use crate::running::Running;
use crate::signature::Signature;
use crate::states::{self, WriteState};
use crate::tensors::{ParamSpec, Tensors, check_specs};

/// Elements of a gradient that are added up at a time: 16 KiB, which stay in the first cache.
const PIECE: usize = 4096;

/// What a part of a batch leaves before all are added up.
#[derive(Debug, Default)]
pub(crate) struct PartShare {
    loss: f32,
    /// The result that is not finite, by its position among those of the program.
    wrong: Option<usize>,
    /// Of all trained parameters, one after the other.
    grads: Vec<f32>,
    /// Of all states, one after the other.
    states: Vec<f32>,
    tokens: Vec<u32>,
}

impl PartShare {
    // Reads what the part has computed, with or without the gradients.
    fn read(
        &mut self,
        routine: &Routine,
        signature: &Signature,
        (workspace, part): (&Workspace, &Call<'_>),
        gradients: bool,
    ) -> Result<(), CallError> {
        self.loss = routine.batch_loss(workspace)?;
        states::read_all(
            routine,
            signature,
            (workspace, part),
            &mut self.tokens,
            &mut self.states,
        )?;
        if !gradients {
            return Ok(());
        }
        let size = |spec: &ParamSpec| spec.shape.iter().product::<usize>();
        let all: usize = signature.trained().map(size).sum();
        if self.grads.len() != all {
            self.grads = vec![0.0; all];
        }
        let mut rest = self.grads.as_mut_slice();
        for spec in signature.trained() {
            let (own, after) = rest.split_at_mut(size(spec));
            let view = ArrayViewMut1::from(own).into_dyn();
            routine.gradient(workspace, &spec.name, view)?;
            rest = after;
        }
        Ok(())
    }
}

impl<M: Model> Compiled<M> {
    pub(crate) fn loss_from<'a, 'b, 't>(
        &self,
        params: &M::Params,
        batch: Batch<'b, M::Inputs<'a>, M::State>,
        targets: &M::Targets<'t>,
        carried: Carried<'_, M>,
        value: &mut LossValue<M>,
    ) -> Result<(), CallError> {
        let inner = &*self.inner;
        let fed = inner.fed_in_training(batch.beside.feedback)?;
        let routine = inner.program(Program::Loss, fed)?;
        let _running = routine.start();
        let mut call = inner.call_in(inner.rooms.take(), &batch, Some(targets), carried, fed)?;
        let flat = flat_params_in(&mut call.room, &inner.signature, params)?;
        let team = inner.team(Program::Loss);
        let (all, parts) = inner.run_parts(team, routine, &flat, &call, false)?;
        let shares = &all[..parts];
        let loss = shares.iter().map(|share| locked(share).loss).sum();
        inner.check_loss(loss, &flat, &call)?;
        let examples = call.shape.batch;
        let own = Parts::new(examples, parts);
        states::write(
            &inner.signature,
            examples,
            &mut value.state,
            &mut |at, to| {
                inner.state_of_parts(shares, &own, at, to);
                Ok(())
            },
        )?;
        (value.loss, value.weight) = (loss, call.weight);
        value.running = Running::default();
        call.room.keep_params(flat);
        routine.shares.give(all);
        inner.rooms.give(call.into_room());
        Ok(())
    }

    pub(crate) fn gradient_from<'a, 'b, 't>(
        &self,
        params: &M::Params,
        batch: Batch<'b, M::Inputs<'a>, M::State>,
        targets: &M::Targets<'t>,
        carried: Carried<'_, M>,
        grads: &mut M::Params,
        value: &mut LossValue<M>,
    ) -> Result<(), CallError> {
        let inner = &*self.inner;
        let fed = inner.fed_in_training(batch.beside.feedback)?;
        let routine = inner.program(Program::Gradient, fed)?;
        let _running = routine.start();
        let mut call = inner.call_in(inner.rooms.take(), &batch, Some(targets), carried, fed)?;
        inner.check_seed(&call)?;
        let team = inner.team(Program::Gradient);
        inner.gradient_into(team, routine, params, &mut call, grads, value)?;
        inner.rooms.give(call.into_room());
        Ok(())
    }
}

/// Writes a gradient by its name.
type EachGradient<'e> = dyn FnMut(&str, ArrayViewMutD<'_, f32>) + 'e;

/// Where a training step writes, without the types of its model.
struct Sink<'s> {
    /// Visits the gradients.
    grads: &'s mut dyn FnMut(&mut EachGradient<'_>),
    /// Writes the states of so many examples, each by its position in the signature.
    state: &'s mut dyn FnMut(usize, &mut WriteState<'_>) -> Result<(), JitError>,
    running: &'s mut Running,
}

fn locked(share: &Mutex<PartShare>) -> MutexGuard<'_, PartShare> {
    share.lock().unwrap_or_else(PoisonError::into_inner)
}

// The sum of what the parts have from an element on, in their order; piece by piece, so that a sum is written to memory once.
fn add_up(shares: &[Mutex<PartShare>], first: usize, sum: &mut [f32]) {
    for (piece, to) in sum.chunks_mut(PIECE).enumerate() {
        to.fill(0.0);
        for share in shares {
            let share = locked(share);
            let own = &share.grads[first + piece * PIECE..];
            to.iter_mut().zip(own).for_each(|(sum, own)| *sum += own);
        }
    }
}

impl Inner {
    /// Runs a program with gradients, and writes them when all is known to be finite.
    pub(crate) fn gradient_into<M: Model>(
        &self,
        team: Team<'_>,
        routine: &Routine,
        params: &M::Params,
        call: &mut Call<'_>,
        grads: &mut M::Params,
        value: &mut LossValue<M>,
    ) -> Result<(), CallError> {
        let flat = flat_params_in(&mut call.room, &self.signature, params)?;
        check_specs(grads, &self.signature.params).map_err(|source| CallError::Params {
            what: "gradients",
            source,
        })?;
        let (signature, state) = (&self.signature, &mut value.state);
        let mut sink = Sink {
            grads: &mut |each| grads.visit_mut(&mut |name, view| each(name, view)),
            state: &mut |examples, write| states::write(signature, examples, state, write),
            running: &mut value.running,
        };
        let loss = match team.division(routine, call)?.parts.count() {
            1 => self.gradient_of_one(team, routine, &flat, call, &mut sink)?,
            _ => self.gradient_of_parts(team, routine, &flat, call, &mut sink)?,
        };
        (value.loss, value.weight) = (loss, call.weight);
        call.room.keep_params(flat);
        Ok(())
    }

    fn gradient_of_one(
        &self,
        team: Team<'_>,
        routine: &Routine,
        params: &[Cow<'_, [f32]>],
        call: &mut Call<'_>,
        sink: &mut Sink<'_>,
    ) -> Result<f32, CallError> {
        let mut tokens = call.room.stash.indices.take(0);
        let loss = routine.with_workspace(|workspace| {
            workspace.params_changed();
            routine.run_prepared(workspace, params, call, team.branch_helpers(0))?;
            let loss = routine.batch_loss(workspace)?;
            self.check_loss(loss, params, call)?;
            self.check_gradients(routine, loss, self.wrong_gradient(routine, workspace)?)?;
            let signature = &self.signature;
            (sink.state)(call.shape.batch, &mut |at, to| {
                states::read(routine, signature, (workspace, call), at, &mut tokens, to)
            })?;
            sink.running.read(routine, workspace, signature)?;
            let mut failed = None;
            (sink.grads)(&mut |name, view| {
                let written = routine.gradient(workspace, name, view);
                failed = failed.take().or(written.err());
            });
            workspace.end_lap(Stage::CopyOut);
            failed.map_or(Ok(loss), |error| Err(error.into()))
        })?;
        call.room.stash.indices.give(tokens);
        Ok(loss)
    }

    fn gradient_of_parts(
        &self,
        team: Team<'_>,
        routine: &Routine,
        params: &[Cow<'_, [f32]>],
        call: &Call<'_>,
        sink: &mut Sink<'_>,
    ) -> Result<f32, CallError> {
        let (all, parts) = self.run_parts(team, routine, params, call, true)?;
        let shares = &all[..parts];
        let loss = shares.iter().map(|share| locked(share).loss).sum();
        self.check_loss(loss, params, call)?;
        let wrong = shares.iter().find_map(|share| locked(share).wrong);
        self.check_gradients(routine, loss, wrong)?;
        let (mut at, mut specs) = (0, self.signature.params.iter());
        (sink.grads)(&mut |_, mut view| {
            if !specs.next().is_some_and(ParamSpec::is_trained) {
                view.fill(0.0);
                return;
            }
            let range = at..at + view.len();
            at = range.end;
            match view.as_slice_mut() {
                Some(sum) => add_up(shares, range.start, sum),
                None => {
                    let mut sum = vec![0.0; view.len()];
                    add_up(shares, range.start, &mut sum);
                    view.iter_mut().zip(sum).for_each(|(to, sum)| *to = sum);
                }
            }
        });
        let examples = call.shape.batch;
        let parts = Parts::new(examples, shares.len());
        (sink.state)(examples, &mut |at, to| {
            self.state_of_parts(shares, &parts, at, to);
            Ok(())
        })?;
        // Statistics are over a batch that is not divided.
        *sink.running = Running::default();
        routine.shares.give(all);
        Ok(loss)
    }

    // What each part of a call leaves, in the order of the examples, and how many parts there are: a call with more may have left
    // memory behind those.
    fn run_parts(
        &self,
        team: Team<'_>,
        routine: &Routine,
        params: &[Cow<'_, [f32]>],
        call: &Call<'_>,
        gradients: bool,
    ) -> Result<(Vec<Mutex<PartShare>>, usize), CallError> {
        let parts = team.division(routine, call)?.parts.count();
        let mut shares = routine.shares.take();
        shares.resize_with(parts.max(shares.len()), Mutex::default);
        team.run(routine, params, call, |workspace, part, at| {
            let mut share = locked(&shares[at]);
            share.read(routine, &self.signature, (workspace, part), gradients)?;
            share.wrong = match gradients {
                true => self.wrong_gradient(routine, workspace)?,
                false => None,
            };
            Ok(())
        })?;
        Ok((shares, parts))
    }

    // A state of all examples, from those of the parts.
    fn state_of_parts(
        &self,
        shares: &[Mutex<PartShare>],
        parts: &Parts,
        at: usize,
        to: &mut [f32],
    ) {
        for (range, share) in parts.iter().zip(shares) {
            let all = &locked(share).states;
            states::of_part(&self.signature, all, &range, at, to);
        }
    }

    pub(crate) fn check_loss(
        &self,
        loss: f32,
        params: &[Cow<'_, [f32]>],
        call: &Call<'_>,
    ) -> Result<(), CallError> {
        if loss.is_finite() || self.options.nonfinite == NonFinite::Return {
            return Ok(());
        }
        Err(CallError::NonFinite(Box::new(diagnose::diagnose(
            self, params, call, loss,
        )?)))
    }

    /// The loss of each example in the last call of the loss program.
    pub(crate) fn example_losses(
        &self,
        routine: &Routine,
        workspace: &Workspace,
        call: &Call<'_>,
    ) -> Result<Vec<f32>, CallError> {
        let Some(node) = routine.first(&ResultKind::Loss) else {
            return Ok(vec![0.0; call.shape.batch]);
        };
        let mut out = vec![0.0; routine.executable.elements(workspace, node)?];
        routine.executable.read_reals(workspace, node, &mut out)?;
        // A loss that is the same for every example.
        if out.len() == 1 {
            out.resize(call.shape.batch, out[0]);
        }
        Ok(out)
    }

    // The first gradient that is not finite, if that is asked for.
    fn wrong_gradient(
        &self,
        routine: &Routine,
        workspace: &Workspace,
    ) -> Result<Option<usize>, CallError> {
        if self.options.nonfinite == NonFinite::Return {
            return Ok(None);
        }
        for (at, result) in routine.results.iter().enumerate() {
            let finite = result.kind != ResultKind::Gradient
                || routine.executable.is_finite(workspace, result.node)?;
            if !finite {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }

    fn check_gradients(
        &self,
        routine: &Routine,
        loss: f32,
        wrong: Option<usize>,
    ) -> Result<(), CallError> {
        let Some(result) = wrong.and_then(|at| routine.results.get(at)) else {
            return Ok(());
        };
        Err(CallError::NonFinite(Box::new(NonFiniteError {
            loss,
            origin: Origin::Gradient,
            name: result.name.clone(),
            written: None,
            place: Place::default(),
            value: f64::NAN,
        })))
    }
}
