//! Carried states as a typed struct: read from the memory of a call into arrays that are there already, and handed on from one
//! call to the next.
//!
//! **Invariant:** arrays are made anew only when the number of examples changes.

use std::ops::Range;

use ndarray::{ArrayD, IxDyn};
use rnn_ir::graph::ResultKind;
use rnn_ir::node::DType;
use rnn_jit::{JitError, Value, Workspace};

use crate::call::Call;
use crate::routine::Routine;
use crate::signature::{Port, Signature};
use crate::tensors::Tensors;

/// States of no example.
pub(crate) fn none<S: Tensors>(signature: &Signature) -> S {
    of_zeros(signature, 0)
}

fn of_zeros<S: Tensors>(signature: &Signature, examples: usize) -> S {
    S::from_tensors(&mut |name| {
        let port = signature.states.iter().find(|port| port.name == name);
        let features = port.map(|port| port.features.as_slice());
        let mut dims = vec![examples];
        dims.extend(features.unwrap_or_default());
        ArrayD::zeros(IxDyn(&dims))
    })
}

/// Writes a state by its position in the signature.
pub(crate) type WriteState<'w> = dyn FnMut(usize, &mut [f32]) -> Result<(), JitError> + 'w;

/// Writes all states of a struct by their position in the signature.
pub(crate) fn write<S: Tensors>(
    signature: &Signature,
    examples: usize,
    state: &mut S,
    write: &mut WriteState<'_>,
) -> Result<(), JitError> {
    let position = |name: &str| signature.states.iter().position(|port| port.name == name);
    let mut fits = true;
    state.visit_mut(&mut |name, mut view| {
        let found = view.shape().split_first();
        let alike = position(name)
            .is_some_and(|at| found == Some((&examples, signature.states[at].features.as_slice())));
        fits &= alike && view.as_slice_mut().is_some();
    });
    if !fits {
        *state = of_zeros(signature, examples);
    }
    let mut failed = None;
    state.visit_mut(&mut |name, mut view| {
        if let (Some(at), Some(to), None) = (position(name), view.as_slice_mut(), &failed) {
            failed = write(at, to).err();
        }
    });
    failed.map_or(Ok(()), Err)
}

/// Reads a state after the last step, by its position in the signature; what was given where the program does not compute it.
pub(crate) fn read(
    routine: &Routine,
    signature: &Signature,
    (workspace, call): (&Workspace, &Call<'_>),
    at: usize,
    tokens: &mut Vec<u32>,
    out: &mut [f32],
) -> Result<(), JitError> {
    let port = &signature.states[at];
    match routine.result(&ResultKind::State, &port.name) {
        Some(node) if port.dtype != DType::Index => {
            routine.executable.read_reals(workspace, node, out)
        }
        Some(node) => {
            tokens.clear();
            tokens.resize(out.len(), 0);
            routine.executable.read(workspace, node, tokens)?;
            copy(Value::Index(tokens), out);
            Ok(())
        }
        None => {
            copy(call.state(at, out.len()), out);
            Ok(())
        }
    }
}

/// Reads all states after the last step, one after the other.
pub(crate) fn read_all(
    routine: &Routine,
    signature: &Signature,
    of: (&Workspace, &Call<'_>),
    tokens: &mut Vec<u32>,
    out: &mut Vec<f32>,
) -> Result<(), JitError> {
    let examples = of.1.shape.batch;
    let widths = signature.states.iter().map(Port::width);
    out.resize(widths.sum::<usize>() * examples, 0.0);
    let mut rest = out.as_mut_slice();
    for (at, port) in signature.states.iter().enumerate() {
        let (own, after) = rest.split_at_mut(port.width() * examples);
        read(routine, signature, of, at, tokens, own)?;
        rest = after;
    }
    Ok(())
}

/// Copies a state of some examples, by its position in the signature, from all states of theirs to the state of all examples.
pub(crate) fn of_part(
    signature: &Signature,
    all: &[f32],
    range: &Range<usize>,
    at: usize,
    to: &mut [f32],
) {
    let before: usize = signature.states[..at].iter().map(Port::width).sum();
    let width = signature.states[at].width();
    let first = before * range.len();
    let own = &all[first..first + width * range.len()];
    to[range.start * width..range.end * width].copy_from_slice(own);
}

/// Copies a state into reals; tokens are converted.
pub(crate) fn copy(value: Value<'_>, out: &mut [f32]) {
    match value {
        Value::Real(values) => out.copy_from_slice(values),
        Value::Index(values) => {
            for (to, from) in out.iter_mut().zip(values) {
                *to = *from as f32;
            }
        }
        Value::Bool(values) => {
            for (to, from) in out.iter_mut().zip(values) {
                *to = f32::from(u8::from(*from));
            }
        }
    }
}

/// The state that one call hands to the next, beside the memory of one that is over.
#[derive(Clone, Debug)]
pub(crate) struct HandedOn<S> {
    now: Option<S>,
    over: Option<S>,
}

impl<S> Default for HandedOn<S> {
    fn default() -> Self {
        Self::new(None)
    }
}

impl<S> HandedOn<S> {
    pub(crate) fn new(now: Option<S>) -> Self {
        Self { now, over: None }
    }

    /// The state; `None` at the start of a sequence.
    pub(crate) fn get(&self) -> Option<&S> {
        self.now.as_ref()
    }

    /// Starts another sequence.
    pub(crate) fn restart(&mut self) {
        self.over = self.now.take().or(self.over.take());
    }
}

impl<S: Tensors> HandedOn<S> {
    /// Takes the state that a call has written, and leaves the memory of another in its place.
    pub(crate) fn take(&mut self, written: &mut S) {
        let mut other = (self.now.take().or(self.over.take())).unwrap_or_else(|| written.clone());
        std::mem::swap(&mut other, written);
        self.now = Some(other);
    }
}
