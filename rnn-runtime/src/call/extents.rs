//! How large a call is: its examples, the steps of each axis, and the length of each example, all of which inputs, lengths and
//! states have to agree on.

use rnn_jit::CallShape;

use super::inputs::{Given, check_port};
use crate::batch::Batch;
use crate::error::CallError;
use crate::signature::{Port, Signature};
use crate::tensors::Tensors;

/// Steps and examples, each with the first input that has them.
pub(super) struct Extents<'s> {
    signature: &'s Signature,
    steps: Vec<Option<(usize, &'s str)>>,
    batch: Option<(usize, String)>,
}

impl<'s> Extents<'s> {
    pub(super) fn new(signature: &'s Signature) -> Self {
        Self {
            signature,
            steps: vec![None; signature.axes.len()],
            batch: None,
        }
    }

    pub(super) fn input(&mut self, port: &'s Port, given: &Given<'_>) -> Result<(), CallError> {
        let shape = &given.shape;
        check_port(self.signature, port, given.data.dtype(), shape)?;
        for (at, found) in port.axes.iter().zip(shape) {
            let axis = &self.signature.axes[*at];
            if let Some(expected) = axis.fixed.filter(|expected| expected != found) {
                return Err(CallError::FixedAxis {
                    axis: axis.name.clone(),
                    expected,
                    found: *found,
                    given: port.name.clone(),
                });
            }
            match self.steps[*at] {
                None => self.steps[*at] = Some((*found, &port.name)),
                Some((expected, first)) if expected != *found => {
                    return Err(CallError::Steps {
                        axis: axis.name.clone(),
                        first: first.to_owned(),
                        expected,
                        second: port.name.clone(),
                        found: *found,
                    });
                }
                Some(_) => {}
            }
        }
        if port.batch {
            self.examples(shape[port.axes.len()], &port.name)?;
        }
        Ok(())
    }

    fn examples(&mut self, found: usize, second: &str) -> Result<(), CallError> {
        match &self.batch {
            None => self.batch = Some((found, second.to_owned())),
            Some((expected, first)) if *expected != found => {
                return Err(CallError::Examples {
                    first: first.clone(),
                    expected: *expected,
                    second: second.to_owned(),
                    found,
                });
            }
            Some(_) => {}
        }
        Ok(())
    }

    pub(super) fn finish<I, S: Tensors>(
        mut self,
        batch: &Batch<'_, I, S>,
    ) -> Result<CallShape, CallError> {
        let signature = self.signature;
        let axes = signature.variable_axes();
        let mut lengths: Vec<(&str, &[usize])> = batch.lengths_of.clone();
        if let Some(own) = batch.lengths {
            let [axis] = axes.as_slice() else {
                let model = signature.model.to_owned();
                return Err(CallError::WhichAxis { model, axes });
            };
            lengths.push((axis, own));
        }
        let mut by_axis: Vec<&[usize]> = vec![&[]; signature.axes.len()];
        let mut any = false;
        for (name, own) in &lengths {
            let Some(at) = signature.axes.iter().position(|axis| axis.name == *name) else {
                return Err(CallError::UnknownAxis {
                    model: signature.model.to_owned(),
                    axis: (*name).to_owned(),
                    axes: axes.clone(),
                });
            };
            if self.batch.is_none() {
                self.batch = Some((own.len(), "lengths".to_owned()));
            }
            by_axis[at] = own;
            any = true;
        }
        if self.batch.is_none()
            && let Some(state) = batch.state
        {
            state.visit(&mut |name, view| {
                if let (None, Some(examples)) = (&self.batch, view.shape().first()) {
                    self.batch = Some((*examples, name.to_owned()));
                }
            });
        }
        let Some((examples, _)) = self.batch else {
            return Err(CallError::NoExamples {
                model: signature.model.to_owned(),
            });
        };
        let mut shape = CallShape {
            batch: examples,
            ..CallShape::default()
        };
        for (at, axis) in signature.axes.iter().enumerate() {
            let own = by_axis[at];
            if any && own.is_empty() && !lengths.iter().any(|(name, _)| *name == axis.name) {
                shape.lengths.push(Vec::new());
            } else if any {
                shape.lengths.push(check_lengths(
                    axis.fixed,
                    &axis.name,
                    own,
                    self.steps[at],
                    examples,
                )?);
            }
            let longest = own.iter().copied().max();
            let steps = (self.steps[at].map(|(steps, _)| steps))
                .or(axis.fixed)
                .or(longest)
                .or(batch.open_steps);
            shape
                .steps
                .push(steps.ok_or_else(|| CallError::MissingLengths {
                    axis: axis.name.clone(),
                })?);
        }
        if examples == 0 {
            return Err(CallError::EmptyBatch);
        }
        Ok(shape)
    }
}

/// The lengths of all examples along an axis, none past its steps.
pub(crate) fn check_lengths(
    fixed: Option<usize>,
    axis: &str,
    own: &[usize],
    steps: Option<(usize, &str)>,
    examples: usize,
) -> Result<Vec<u32>, CallError> {
    if own.len() != examples {
        return Err(CallError::LengthCount {
            axis: axis.to_owned(),
            expected: examples,
            found: own.len(),
        });
    }
    let mut out = Vec::with_capacity(own.len());
    for (example, found) in own.iter().enumerate() {
        if let Some(expected) = fixed.filter(|expected| expected != found) {
            return Err(CallError::FixedAxis {
                axis: axis.to_owned(),
                expected,
                found: *found,
                given: "lengths".to_owned(),
            });
        }
        let (steps, input) = steps.unwrap_or((u32::MAX as usize - 1, "none"));
        let length = u32::try_from(*found).ok().filter(|_| *found <= steps);
        out.push(length.ok_or_else(|| CallError::LengthRange {
            axis: axis.to_owned(),
            example,
            found: *found,
            steps,
            input: input.to_owned(),
        })?);
    }
    Ok(out)
}
