//! Losses and gradients: the training programs, their parts added up in order, and the check that all is finite.
//!
//! **Invariant:** gradients are written only when everything has been computed and checked.

use std::borrow::Cow;

use ndarray::ArrayViewMutD;
use rnn_ir::graph::ResultKind;
use rnn_jit::Workspace;
use rnn_jit::profile::Stage;

use crate::batch::Batch;
use crate::call::Call;
use crate::compiled::{Carried, Compiled, Inner, LossValue};
use crate::diagnose;
use crate::error::{CallError, NonFiniteError, Origin, Place};
use crate::join::joined_states;
use crate::model::Model;
use crate::options::NonFinite;
use crate::parts::Team;
use crate::pipeline::Program;
use crate::routine::{Routine, flat_params};
use crate::running::Running;
use crate::tensors::{Tensors, check_specs};

impl<M: Model> Compiled<M> {
    pub(crate) fn loss_from<'a, 'b, 't>(
        &self,
        params: &M::Params,
        batch: Batch<'b, M::Inputs<'a>, M::State>,
        targets: &M::Targets<'t>,
        carried: Carried<'_, M>,
    ) -> Result<LossValue<M>, CallError> {
        let inner = &*self.inner;
        let fed = inner.fed_in_training(batch.feedback)?;
        let routine = inner.program(Program::Loss, fed)?;
        let _running = routine.start();
        let call = inner.call(batch, Some(targets), carried, fed)?;
        let flat = flat_params(&inner.signature, params)?;
        let parts =
            inner
                .team(Program::Loss)
                .run(routine, &flat, &call, |workspace, part, _| {
                    Ok((
                        routine.batch_loss(workspace)?,
                        routine.state(&inner.signature, workspace, part)?,
                    ))
                })?;
        let (losses, states): (Vec<f32>, Vec<_>) = parts.into_iter().unzip();
        let loss = losses.into_iter().sum();
        inner.check_loss(loss, &flat, &call)?;
        Ok(LossValue {
            loss,
            weight: call.weight,
            state: joined_states(states),
            running: Running::default(),
        })
    }

    pub(crate) fn gradient_from<'a, 'b, 't>(
        &self,
        params: &M::Params,
        batch: Batch<'b, M::Inputs<'a>, M::State>,
        targets: &M::Targets<'t>,
        carried: Carried<'_, M>,
        grads: &mut M::Params,
    ) -> Result<LossValue<M>, CallError> {
        let inner = &*self.inner;
        let fed = inner.fed_in_training(batch.feedback)?;
        let routine = inner.program(Program::Gradient, fed)?;
        let _running = routine.start();
        let call = inner.call(batch, Some(targets), carried, fed)?;
        inner.check_seed(&call)?;
        inner.gradient_into(inner.team(Program::Gradient), routine, params, &call, grads)
    }
}

impl<M: Model> Inner<M> {
    /// Runs a program with gradients, and writes them when all is known to be finite.
    pub(crate) fn gradient_into(
        &self,
        team: Team<'_>,
        routine: &Routine,
        params: &M::Params,
        call: &Call<'_>,
        grads: &mut M::Params,
    ) -> Result<LossValue<M>, CallError> {
        let flat = flat_params(&self.signature, params)?;
        check_specs(grads, &self.signature.params).map_err(|source| CallError::Params {
            what: "gradients",
            source,
        })?;
        if team.division(routine, call)?.ranges.len() > 1 {
            return self.gradient_of_parts(team, routine, &flat, call, grads);
        }
        routine.with_workspace(|workspace| {
            workspace.params_changed();
            routine.run_prepared(workspace, &flat, call, team.branch_helpers(0))?;
            let loss = routine.batch_loss(workspace)?;
            self.check_loss(loss, &flat, call)?;
            self.check_gradients(loss, self.wrong_gradient(routine, workspace)?)?;
            let state = routine.state(&self.signature, workspace, call)?;
            let running = Running::read(routine, workspace, &self.signature)?;
            let mut failed = None;
            grads.visit_mut(&mut |name, view| {
                let written = routine.gradient(workspace, name, view);
                failed = failed.take().or(written.err());
            });
            workspace.end_lap(Stage::CopyOut);
            match failed {
                Some(error) => Err(error.into()),
                None => Ok(LossValue {
                    loss,
                    weight: call.weight,
                    state,
                    running,
                }),
            }
        })
    }

    fn gradient_of_parts(
        &self,
        team: Team<'_>,
        routine: &Routine,
        params: &[Cow<'_, [f32]>],
        call: &Call<'_>,
        grads: &mut M::Params,
    ) -> Result<LossValue<M>, CallError> {
        struct Part<S> {
            loss: f32,
            state: S,
            wrong: Option<String>,
            /// By position in the signature.
            grads: Vec<Vec<f32>>,
        }
        let parts = team.run(routine, params, call, |workspace, part, _| {
            let mut grads = Vec::with_capacity(self.signature.params.len());
            for spec in &self.signature.params {
                let len = spec.shape.iter().product();
                let mut own = routine.spare.take(len);
                own.resize(len, 0.0);
                let to = ArrayViewMutD::from_shape(spec.shape.as_slice(), &mut own)
                    .unwrap_or_else(|_| unreachable!("as many elements as the shape says"));
                routine.gradient(workspace, &spec.name, to)?;
                grads.push(own);
            }
            Ok(Part {
                loss: routine.batch_loss(workspace)?,
                state: routine.state(&self.signature, workspace, part)?,
                wrong: self.wrong_gradient(routine, workspace)?,
                grads,
            })
        })?;
        let loss = parts.iter().map(|part| part.loss).sum();
        self.check_loss(loss, params, call)?;
        let wrong = parts.iter().find_map(|part| part.wrong.clone());
        self.check_gradients(loss, wrong)?;
        let mut at = 0;
        grads.visit_mut(&mut |_, mut view| {
            view.fill(0.0);
            for part in &parts {
                let own = part.grads[at].iter();
                match view.as_slice_mut() {
                    Some(sum) => sum.iter_mut().zip(own).for_each(|(sum, own)| *sum += own),
                    None => view.iter_mut().zip(own).for_each(|(sum, own)| *sum += own),
                }
            }
            at += 1;
        });
        let mut states = Vec::with_capacity(parts.len());
        for part in parts {
            states.push(part.state);
            (part.grads.into_iter()).for_each(|buffer| routine.spare.give(buffer));
        }
        Ok(LossValue {
            loss,
            weight: call.weight,
            state: joined_states(states),
            // Statistics are over a batch that is not divided.
            running: Running::default(),
        })
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
    ) -> Result<Option<String>, CallError> {
        if self.options.nonfinite == NonFinite::Return {
            return Ok(None);
        }
        for result in &routine.results {
            let finite = result.kind != ResultKind::Gradient
                || routine.executable.is_finite(workspace, result.node)?;
            if !finite {
                return Ok(Some(result.name.clone()));
            }
        }
        Ok(None)
    }

    fn check_gradients(&self, loss: f32, wrong: Option<String>) -> Result<(), CallError> {
        let Some(name) = wrong else {
            return Ok(());
        };
        Err(CallError::NonFinite(Box::new(NonFiniteError {
            loss,
            origin: Origin::Gradient,
            name,
            written: None,
            place: Place::default(),
            value: f64::NAN,
        })))
    }
}
