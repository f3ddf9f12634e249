//! What training makes of running parameters: the statistics that inference normalises by.
//!
//! **Invariant:** parameters change by [`LossValue::apply_running`](crate::compiled::LossValue::apply_running) alone, all of
//! them or none.

use ndarray::{ArrayD, IxDyn};
use rnn_ir::graph::ResultKind;
use rnn_jit::{JitError, Workspace};

use crate::error::ParamsError;
use crate::routine::Routine;
use crate::signature::Signature;
use crate::tensors::Tensors;

/// The next values of running parameters, by name; none for a model without.
#[derive(Clone, Debug, Default)]
pub(crate) struct Running(Vec<(String, ArrayD<f32>)>);

impl Running {
    /// What a program has computed, in the place of what an earlier call has.
    pub(crate) fn read(
        &mut self,
        routine: &Routine,
        workspace: &Workspace,
        signature: &Signature,
    ) -> Result<(), JitError> {
        let mut count = 0;
        for result in &routine.results {
            let of = |wanted: &ResultKind| result.kind == *wanted;
            let spec = (signature.params.iter()).find(|spec| spec.name == result.name);
            let Some(spec) = spec.filter(|_| of(&ResultKind::Running)) else {
                continue;
            };
            let known = self.0.get(count);
            if known.is_none_or(|(name, value)| *name != result.name || value.shape() != spec.shape)
            {
                let value = ArrayD::zeros(IxDyn(&spec.shape));
                self.0.truncate(count);
                self.0.push((result.name.clone(), value));
            }
            if let Some(value) = self.0[count].1.as_slice_mut() {
                (routine.executable).read_reals(workspace, result.node, value)?;
            }
            count += 1;
        }
        self.0.truncate(count);
        Ok(())
    }

    pub(crate) fn apply<P: Tensors>(&self, params: &mut P) -> Result<(), ParamsError> {
        if self.0.is_empty() {
            return Ok(());
        }
        let next = |name: &str| self.0.iter().find(|(known, _)| known == name);
        let mut wrong = None;
        params.visit(&mut |name, view| {
            let other = next(name).filter(|(_, next)| next.shape() != view.shape());
            if let (None, Some((name, next))) = (&wrong, other) {
                wrong = Some(ParamsError::Shape {
                    name: name.clone(),
                    expected: next.shape().to_vec(),
                    found: view.shape().to_vec(),
                });
            }
        });
        if let Some(wrong) = wrong {
            return Err(wrong);
        }
        params.visit_mut(&mut |name, mut view| {
            if let Some((_, next)) = next(name) {
                view.assign(next);
            }
        });
        Ok(())
    }
}
