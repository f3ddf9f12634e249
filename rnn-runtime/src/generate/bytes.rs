//! The bytes that generation takes, before it does.

use rnn_jit::CallShape;

use super::Generate;
use super::decoder::check;
use crate::compiled::Compiled;
use crate::error::{CallError, GenerateError};
use crate::model::Model;
use crate::share::BatchSize;
use crate::signature::Port;

/// Bytes of an element.
const ELEMENT: usize = 4;

impl<M: Model> Compiled<M> {
    /// The bytes that [`generate`](Self::generate) takes for a batch of a size: what is computed once before the first step and what
    /// that works in, and a step of all hypotheses with its copy of the parameters. What is said is left out.
    ///
    /// Steps along the axis of the loop are those of the prompts; of a model with `feedback` they are
    /// [`max_steps`](Generate::max_steps) where nothing else is said.
    ///
    /// # Errors
    /// As [`generate`](Self::generate) for a model that it does not apply to and settings out of range; sizes that do not fit the
    /// model or the address space.
    pub fn generate_bytes(
        &self,
        size: &BatchSize<'_>,
        settings: &Generate,
    ) -> Result<usize, GenerateError> {
        check(settings)?;
        let inner = &*self.inner;
        let plan = inner.plan()?;
        let open = plan.prompt.is_none().then_some(settings.max_steps);
        let shape = size.shape_with(&inner.signature, open.map(|steps| (plan.axis, steps)))?;
        let (examples, width) = (shape.batch, settings.width());
        let length = |axis: usize, example: usize| match shape.lengths.get(axis) {
            Some(own) if !own.is_empty() => own[example] as usize,
            _ => shape.steps[axis],
        };
        let order = plan.order(examples, |example| length(0, example));
        let rows = plan.step_shape(&shape.steps, &order, width, length);
        let executable = &plan.step.executable;
        let step = executable.stepper_bytes_of(&rows, &plan.carried());
        let step = step.map_err(CallError::from)?;

        // Values of all steps are read as long as there are steps; the others until they are written into the step.
        let (mut before, mut kept, mut known) = (0, 0, 0);
        if let Some((signature, routine)) = &plan.before {
            let needed = routine.executable.memory_needed(&shape);
            before = needed.map_err(CallError::from)?;
            for port in &signature.outputs {
                let own = bytes(port, &shape);
                known += own;
                if port.axes.contains(&plan.axis) {
                    kept += own;
                }
            }
        }
        let states = plan.signature.states.iter();
        let moved = states.map(|port| port.width() * ELEMENT * rows.batch).max();
        let moved = moved.filter(|_| width > 1).unwrap_or(0);
        let values = known.max(kept + moved);
        Ok(before.saturating_add(step).saturating_add(values))
    }
}

// Of a value, for all its steps.
fn bytes(port: &Port, shape: &CallShape) -> usize {
    let steps: usize = port.axes.iter().map(|axis| shape.steps[*axis]).product();
    let rows = if port.batch { shape.batch } else { 1 };
    steps * rows * port.width() * ELEMENT
}
