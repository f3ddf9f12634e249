//! Where the inputs and outputs of a stream lie, found once, and what is copied there and from there at each step.
//!
//! **Invariant:** an input is written only when all of it has been checked.

use ndarray::{ArrayViewD, ArrayViewMutD};
use rnn_ir::graph::ResultKind;
use rnn_ir::node::DType;
use rnn_jit::{CallShape, Computed, Given, Stepper};

use crate::call::{check_port, place_of, shape_error};
use crate::error::CallError;
use crate::model::{InputSlice, InputView, Inputs, OutputSliceMut, OutputViewMut, Outputs};
use crate::routine::{Routine, Source};
use crate::signature::{Port, Signature};

/// The places of a stream's values.
#[derive(Debug)]
pub(crate) struct Ports {
    /// In the order of the signature, without targets.
    inputs: Vec<InputPort>,
    /// In the order of the signature.
    outputs: Vec<OutputPort>,
    fresh: Option<Given>,
}

#[derive(Debug)]
struct InputPort {
    name: String,
    /// Its position in the signature.
    at: usize,
    /// The shape of one step.
    shape: Vec<usize>,
    dtype: DType,
    limit: usize,
    /// `None` if the program does not read it.
    place: Option<Given>,
    seen: bool,
}

#[derive(Debug)]
struct OutputPort {
    name: String,
    place: Computed,
    /// Examples in the array: one, where the model says that it does not vary over the batch.
    rows: usize,
}

impl Ports {
    pub(crate) fn new(
        signature: &Signature,
        routine: &Routine,
        stepper: &Stepper,
    ) -> Result<Self, CallError> {
        let executable = &routine.executable;
        let batch = stepper.batch();
        let inputs = signature.inputs.iter().enumerate();
        let inputs = inputs.filter(|(_, port)| !port.target).map(|(at, port)| {
            let mut shape = vec![1; port.axes.len()];
            shape.extend(port.batch.then_some(batch));
            shape.extend(&port.features);
            let here = |source| matches!(source, Source::Input(input) if input == at);
            let node = routine.input(here);
            InputPort {
                name: port.name.clone(),
                at,
                shape,
                dtype: port.dtype,
                limit: port.limit.unwrap_or(usize::MAX),
                place: node.and_then(|node| stepper.input(executable, node)),
                seen: false,
            }
        });
        let mut outputs = Vec::new();
        for port in &signature.outputs {
            let Some(node) = routine.result(&ResultKind::Output, &port.name) else {
                continue;
            };
            outputs.push(OutputPort {
                name: port.name.clone(),
                place: stepper.result(executable, node)?,
                rows: if port.batch { batch } else { 1 },
            });
        }
        let fresh = routine.input(|source| matches!(source, Source::Fresh));
        Ok(Self {
            inputs: inputs.collect(),
            outputs,
            fresh: fresh.and_then(|node| stepper.input(executable, node)),
        })
    }

    /// Copies the inputs of a step in, checked.
    pub(crate) fn take<'a>(
        &mut self,
        signature: &Signature,
        stepper: &mut Stepper,
        inputs: &impl Inputs<'a>,
    ) -> Result<(), CallError> {
        let mut failed = None;
        let mut next = 0;
        let ports = &mut self.inputs;
        let mut copy = |name: &str, input: Input<'_>| {
            let found = position(next, name, ports, |port| &port.name);
            next += 1;
            if let (Some(at), None) = (found, &failed) {
                let port = &mut ports[at];
                port.seen = true;
                failed = port.copy(signature, stepper, input).err();
            }
        };
        let slices = inputs.visit_slices(&mut |name, slice| {
            copy(
                name,
                match slice {
                    InputSlice::Real(shape, elements) => {
                        Input::Real(shape, Elements::Slice(elements))
                    }
                    InputSlice::Index(shape, elements) => {
                        Input::Index(shape, Elements::Slice(elements))
                    }
                },
            );
        });
        if !slices {
            inputs.visit(&mut |name, view| {
                copy(
                    name,
                    match &view {
                        InputView::Real(view) => Input::Real(view.shape(), Elements::of(view)),
                        InputView::Index(view) => Input::Index(view.shape(), Elements::of(view)),
                    },
                );
            });
        }
        let mut missing = None;
        for port in &mut self.inputs {
            if !std::mem::replace(&mut port.seen, false) {
                missing = missing.or(Some(port.at));
            }
        }
        match (failed, missing) {
            (Some(error), _) => Err(error),
            (None, Some(at)) => Err(CallError::MissingInput {
                name: signature.inputs[at].name.clone(),
            }),
            (None, None) => Ok(()),
        }
    }

    /// Copies the outputs of a step out.
    pub(crate) fn write(&self, stepper: &Stepper, outputs: &mut impl Outputs) {
        let mut next = 0;
        let mut port = |name: &str| {
            let found = position(next, name, &self.outputs, |port| &port.name);
            next += 1;
            found.map(|at| &self.outputs[at])
        };
        let slices = outputs.visit_slices_mut(&mut |name, slice| {
            if let Some(port) = port(name) {
                match slice {
                    OutputSliceMut::Real(out) => port.copy(stepper, out, |value| value),
                    OutputSliceMut::Index(out) => port.copy(stepper, out, f32::to_bits),
                }
            }
        });
        if !slices {
            outputs.visit_mut(&mut |name, view| {
                if let Some(port) = port(name) {
                    match view {
                        OutputViewMut::Real(view) => port.scatter(stepper, view, |value| value),
                        OutputViewMut::Index(view) => port.scatter(stepper, view, f32::to_bits),
                    }
                }
            });
        }
    }

    /// Says which examples are fresh.
    pub(crate) fn mark(&self, stepper: &mut Stepper, fresh: &[bool]) {
        let Some(place) = self.fresh else { return };
        for (to, fresh) in stepper.given_mut(place).iter_mut().zip(fresh) {
            *to = f32::from_bits(if *fresh { u32::MAX } else { 0 });
        }
    }
}

// The port called `name`; they come in the order of the signature, so it is most often the next.
fn position<P>(
    next: usize,
    name: &str,
    ports: &[P],
    name_of: impl Fn(&P) -> &str,
) -> Option<usize> {
    // Names are a few letters, compared where they are sooner than a function is called for it.
    let is = |known: &str| known.len() == name.len() && known.bytes().eq(name.bytes());
    match ports.get(next) {
        Some(port) if is(name_of(port)) => Some(next),
        _ => ports.iter().position(|port| name_of(port) == name),
    }
}

/// An input, its sizes first.
enum Input<'v> {
    Real(&'v [usize], Elements<'v, f32>),
    Index(&'v [usize], Elements<'v, u32>),
}

/// Elements in row-major order.
enum Elements<'v, T> {
    Slice(&'v [T]),
    View(&'v ArrayViewD<'v, T>),
}

impl<'v, T: Copy> Elements<'v, T> {
    fn of(view: &'v ArrayViewD<'v, T>) -> Self {
        view.as_slice().map_or(Self::View(view), Self::Slice)
    }

    fn position(&self, is: impl Fn(&T) -> bool) -> Option<(usize, T)> {
        match self {
            Self::Slice(from) => from.iter().position(is).map(|at| (at, from[at])),
            Self::View(from) => {
                let mut all = from.iter().copied().enumerate();
                all.find(|(_, value)| is(value))
            }
        }
    }

    fn write(&self, to: &mut [f32], convert: impl Fn(T) -> f32) {
        let to = to.iter_mut();
        match self {
            Self::Slice(from) => to.zip(*from).for_each(|(to, from)| *to = convert(*from)),
            Self::View(from) => to.zip(*from).for_each(|(to, from)| *to = convert(*from)),
        }
    }
}

impl InputPort {
    fn copy(
        &self,
        signature: &Signature,
        stepper: &mut Stepper,
        input: Input<'_>,
    ) -> Result<(), CallError> {
        match input {
            Input::Real(shape, values) if self.dtype == DType::Real && shape == self.shape => {
                if let Some(place) = self.place {
                    values.write(stepper.given_mut(place), |value| value);
                }
                Ok(())
            }
            Input::Index(shape, tokens) if self.dtype == DType::Index && shape == self.shape => {
                if let Some((at, token)) = tokens.position(|token| *token as usize >= self.limit) {
                    return Err(self.token(signature, at, token));
                }
                if let Some(place) = self.place {
                    tokens.write(stepper.given_mut(place), f32::from_bits);
                }
                Ok(())
            }
            Input::Real(shape, _) => {
                Err(self.misfit(signature, stepper.batch(), DType::Real, shape))
            }
            Input::Index(shape, _) => {
                Err(self.misfit(signature, stepper.batch(), DType::Index, shape))
            }
        }
    }

    // Why a value does not fit.
    fn misfit(
        &self,
        signature: &Signature,
        batch: usize,
        dtype: DType,
        shape: &[usize],
    ) -> CallError {
        let port: &Port = &signature.inputs[self.at];
        if let Err(error) = check_port(signature, port, dtype, shape) {
            return error;
        }
        let (outer, rest) = shape.split_at(port.axes.len());
        if outer.iter().any(|steps| *steps != 1) {
            return CallError::OneStep {
                name: port.name.clone(),
                expected: signature.shape_of(port),
                found: shape.to_vec(),
            };
        }
        if port.batch && rest.first() != Some(&batch) {
            return CallError::Examples {
                first: "stream".to_owned(),
                expected: batch,
                second: port.name.clone(),
                found: rest.first().copied().unwrap_or(0),
            };
        }
        shape_error(signature, port, shape)
    }

    fn token(&self, signature: &Signature, at: usize, value: u32) -> CallError {
        let port = &signature.inputs[self.at];
        // The examples of a shape with one step.
        let shape = CallShape {
            batch: if port.batch {
                self.shape[port.axes.len()]
            } else {
                1
            },
            steps: vec![1; signature.axes.len()],
            ..CallShape::default()
        };
        CallError::Token {
            name: port.name.clone(),
            place: place_of(signature, port, at / port.width().max(1), &shape),
            value,
            limit: self.limit,
        }
    }
}

impl OutputPort {
    // Rows of the result that the array has.
    fn rows<'s>(&self, stepper: &'s Stepper) -> impl Iterator<Item = &'s [f32]> + use<'s> {
        let place = self.place;
        (0..self.rows.min(place.rows())).map(move |row| stepper.row(place, row))
    }

    fn copy<T>(&self, stepper: &Stepper, out: &mut [T], convert: impl Fn(f32) -> T) {
        let to = out.chunks_exact_mut(self.place.width().max(1));
        for (to, from) in to.zip(self.rows(stepper)) {
            let to = to.iter_mut();
            to.zip(from).for_each(|(to, from)| *to = convert(*from));
        }
    }

    fn scatter<T>(
        &self,
        stepper: &Stepper,
        mut view: ArrayViewMutD<'_, T>,
        convert: impl Fn(f32) -> T,
    ) {
        let from = self.rows(stepper).flatten();
        let to = view.iter_mut();
        to.zip(from).for_each(|(to, from)| *to = convert(*from));
    }
}
