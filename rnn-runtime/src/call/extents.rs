//! How large a call is: its examples, the steps of each axis, and the length of each example, all of which inputs, lengths and
//! states have to agree on.

use std::mem::take;

use ndarray::ArrayViewD;
use rnn_jit::CallShape;

use super::inputs::{Given, check_port};
use super::{Room, Views, filled};
use crate::batch::Beside;
use crate::error::CallError;
use crate::signature::Signature;

/// Steps and examples, each with the first input that has them.
pub(super) struct Extents<'s> {
    signature: &'s Signature,
    /// By axis, with the position of the input.
    steps: Vec<Option<(usize, usize)>>,
    batch: Option<(usize, &'s str)>,
}

impl<'s> Extents<'s> {
    pub(super) fn new(signature: &'s Signature, steps: Vec<Option<(usize, usize)>>) -> Self {
        Self {
            signature,
            steps: filled(steps, signature.axes.len(), None),
            batch: None,
        }
    }

    /// The input at a position of the signature.
    pub(super) fn input(&mut self, input: usize, given: &Given<'_>) -> Result<(), CallError> {
        let port = &self.signature.inputs[input];
        let shape = given.shape();
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
                None => self.steps[*at] = Some((*found, input)),
                Some((expected, first)) if expected != *found => {
                    return Err(CallError::Steps {
                        axis: axis.name.clone(),
                        first: self.signature.inputs[first].name.clone(),
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

    fn examples(&mut self, found: usize, second: &'s str) -> Result<(), CallError> {
        match self.batch {
            None => self.batch = Some((found, second)),
            Some((expected, first)) if expected != found => {
                return Err(CallError::Examples {
                    first: first.to_owned(),
                    expected,
                    second: second.to_owned(),
                    found,
                });
            }
            Some(_) => {}
        }
        Ok(())
    }

    pub(super) fn finish(
        mut self,
        beside: &Beside<'_>,
        state: Option<Views<'_, ArrayViewD<'_, f32>>>,
        targets: bool,
        room: &mut Room,
    ) -> Result<CallShape, CallError> {
        let signature = self.signature;
        let alone = match beside.lengths {
            None => None,
            Some(own) => Some((self.only_axis()?, own)),
        };
        for (name, _) in beside.lengths_of.iter() {
            if signature.axes.iter().all(|axis| axis.name != name) {
                return Err(CallError::UnknownAxis {
                    model: signature.model.to_owned(),
                    axis: name.to_owned(),
                    axes: signature.variable_axes(),
                });
            }
        }
        let mut lengths = (beside.lengths_of.iter().map(|(_, own)| own)).chain(beside.lengths);
        if let (None, Some(own)) = (self.batch, lengths.next()) {
            self.batch = Some((own.len(), "lengths"));
        }
        if let (None, Some(state)) = (self.batch, state) {
            state(&mut |name, view| {
                let port = signature.states.iter().find(|port| port.name == name);
                if let (None, Some(port), Some(examples)) = (self.batch, port, view.shape().first())
                {
                    self.batch = Some((*examples, &port.name));
                }
            });
        }
        let Some((examples, _)) = self.batch else {
            return Err(CallError::NoExamples {
                model: signature.model.to_owned(),
            });
        };
        let mut shape = take(&mut room.shape);
        shape.steps.clear();
        (shape.lengths.drain(..)).for_each(|own| room.stash.indices.give(own));
        shape.batch = examples;
        shape.limit = None;
        let any = beside.lengths.is_some() || beside.lengths_of.iter().next().is_some();
        for (at, axis) in signature.axes.iter().enumerate() {
            let own = match alone {
                Some((only, own)) if only == at => Some(own),
                _ => beside.lengths_of.get(&axis.name),
            };
            let steps =
                self.steps[at].map(|(steps, input)| (steps, signature.inputs[input].name.as_str()));
            if any {
                let mut out = room.stash.indices.take(own.map_or(0, <[usize]>::len));
                if let Some(own) = own {
                    check_lengths(axis.fixed, &axis.name, own, steps, examples, &mut out)?;
                }
                shape.lengths.push(out);
            }
            let longest = own.and_then(|own| own.iter().copied().max());
            let steps = (steps.map(|(steps, _)| steps))
                .or(axis.fixed)
                .or(longest)
                .or(beside.open_steps)
                .or((axis.only_loss && !targets).then_some(1));
            shape
                .steps
                .push(steps.ok_or_else(|| CallError::MissingLengths {
                    axis: axis.name.clone(),
                })?);
        }
        room.steps = self.steps;
        if examples == 0 {
            return Err(CallError::EmptyBatch);
        }
        Ok(shape)
    }

    // The axis that lengths without a name are of.
    fn only_axis(&self) -> Result<usize, CallError> {
        let axes = self.signature.axes.iter().enumerate();
        let mut axes = axes.filter(|(_, axis)| axis.fixed.is_none());
        match (axes.next(), axes.next()) {
            (Some((at, _)), None) => Ok(at),
            _ => Err(CallError::WhichAxis {
                model: self.signature.model.to_owned(),
                axes: self.signature.variable_axes(),
            }),
        }
    }
}

/// Writes the lengths of all examples along an axis, none past its steps.
pub(crate) fn check_lengths(
    fixed: Option<usize>,
    axis: &str,
    own: &[usize],
    steps: Option<(usize, &str)>,
    examples: usize,
    out: &mut Vec<u32>,
) -> Result<(), CallError> {
    if own.len() != examples {
        return Err(CallError::LengthCount {
            axis: axis.to_owned(),
            expected: examples,
            found: own.len(),
        });
    }
    out.clear();
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
    Ok(())
}
