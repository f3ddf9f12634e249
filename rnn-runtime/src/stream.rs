//! One step at a time: serving.
//!
//! A stream owns its parameters in packed order, its carried state and its buffers; a step allocates nothing, takes no
//! lock and does not panic. It runs the forward program of the model on sequences of one step, so step by step gives the
//! bits of the whole sequence.
//!
//! **Invariant:** after `n` steps the state is that of a whole sequence of `n` steps; a step that fails leaves it as it was.

use std::fmt;
use std::sync::Arc;

use ndarray::{ArrayD, IxDyn};
use rnn_ir::graph::ResultKind;
use rnn_ir::node::{DType, NodeId};
use rnn_jit::{Arguments, CallShape, Value, Workspace};

use crate::call::{Data, check_port, given_states, place_of};
use crate::causal::check_causal;
use crate::compiled::{Compiled, Inner};
use crate::error::{CallError, StreamError};
use crate::model::{InputView, Inputs, Model, OutputValue, OutputViewMut, Outputs};
use crate::routine::{Routine, Source, copy_state, flat_params};
use crate::signature::{Port, Signature};
use crate::tensors::Tensors;

/// Elements owned by a stream.
#[derive(Clone, Debug)]
enum Words {
    Real(Vec<f32>),
    Index(Vec<u32>),
}

impl Words {
    fn zeros(port: &Port, batch: usize) -> Self {
        let len = if port.batch { batch } else { 1 } * port.width();
        match port.dtype {
            DType::Index => Self::Index(vec![0; len]),
            DType::Real | DType::Bool => Self::Real(vec![0.0; len]),
        }
    }

    fn value(&self) -> Value<'_> {
        match self {
            Self::Real(values) => Value::Real(values),
            Self::Index(values) => Value::Index(values),
        }
    }
}

/// What a step is called with.
struct Memory {
    params: Vec<Vec<f32>>,
    inputs: Vec<Words>,
    seen: Vec<bool>,
    states: Vec<Words>,
    fresh: Vec<bool>,
    shape: CallShape,
}

/// A model that runs step by step, for a fixed number of examples side by side.
///
/// Made by [`Compiled::stream`]. It shares no memory with the model or other streams but the code, so it can be moved to
/// another thread.
pub struct Stream<M: Model> {
    inner: Arc<Inner<M>>,
    workspace: Workspace,
    memory: Memory,
    outputs: M::Outputs,
}

impl<M: Model> fmt::Debug for Stream<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream")
            .field("model", &M::NAME)
            .field("batch", &self.batch())
            .finish_non_exhaustive()
    }
}

impl<M: Model> Compiled<M> {
    /// A stream of one example, which starts at step 1. Parameters are copied into packed order.
    ///
    /// # Errors
    /// [`StreamError`] for a model with an output that depends on later steps, naming the equation, and for parameters that
    /// do not fit.
    pub fn stream(&self, params: &M::Params) -> Result<Stream<M>, StreamError> {
        self.stream_batch(params, 1)
    }

    /// A stream of `batch` examples side by side.
    ///
    /// # Errors
    /// As [`stream`](Self::stream), and for a batch of none.
    pub fn stream_batch(&self, params: &M::Params, batch: usize) -> Result<Stream<M>, StreamError> {
        let inner = Arc::clone(&self.inner);
        let signature = &inner.signature;
        check_causal(M::NAME, &inner.bound)?;
        if let Some((output, target)) = &inner.needs {
            return Err(StreamError::Call(CallError::NeedsTargets {
                model: M::NAME.to_owned(),
                output: output.clone(),
                target: target.clone(),
            }));
        }
        if batch == 0 {
            return Err(StreamError::Call(CallError::EmptyBatch));
        }
        let params = flat_params(signature, params)?;
        let memory = Memory {
            params: params.into_iter().map(|data| data.into_owned()).collect(),
            inputs: (signature.inputs.iter())
                .map(|port| Words::zeros(port, batch))
                .collect(),
            seen: vec![false; signature.inputs.len()],
            states: (signature.states.iter())
                .map(|port| Words::zeros(port, batch))
                .collect(),
            fresh: vec![true; batch],
            shape: CallShape {
                batch,
                steps: vec![1; signature.axes.len()],
                lengths: Vec::new(),
            },
        };
        let executable = &inner.forward.executable;
        let mut workspace = executable.workspace().map_err(CallError::from)?;
        let arguments = Step {
            routine: &inner.forward,
            memory: &memory,
        };
        executable
            .prepare(&mut workspace, &arguments)
            .map_err(CallError::from)?;
        let outputs = M::Outputs::from_values(&mut |name| blank(signature, name, batch));
        Ok(Stream {
            inner,
            workspace,
            memory,
            outputs,
        })
    }
}

impl<M: Model> Stream<M> {
    /// Runs one step: inputs with a time axis of length 1, `[1, B, features..]`.
    ///
    /// # Errors
    /// [`CallError`] for inputs of another shape or kind, and tokens out of range; the state is as it was then.
    pub fn step<'a>(&mut self, inputs: M::Inputs<'a>) -> Result<&M::Outputs, CallError> {
        let inner = &*self.inner;
        let (signature, routine) = (&inner.signature, &inner.forward);
        self.memory.take(signature, &inputs)?;
        let arguments = Step {
            routine,
            memory: &self.memory,
        };
        routine.executable.run(
            &mut self.workspace,
            &arguments,
            &arguments,
            &self.memory.shape,
        )?;
        for (port, words) in signature.states.iter().zip(&mut self.memory.states) {
            let Some(node) = routine.result(&ResultKind::State, &port.name) else {
                continue;
            };
            match words {
                Words::Real(out) => routine.executable.read_reals(&self.workspace, node, out)?,
                Words::Index(out) => routine.executable.read(&self.workspace, node, out)?,
            }
        }
        self.memory.fresh.fill(false);
        self.write_outputs()?;
        Ok(&self.outputs)
    }

    /// The outputs of the last step; zeros before the first.
    pub fn outputs(&self) -> &M::Outputs {
        &self.outputs
    }

    /// Examples side by side.
    pub fn batch(&self) -> usize {
        self.memory.shape.batch
    }

    /// Starts every example anew.
    pub fn reset(&mut self) {
        for row in 0..self.batch() {
            self.clear(row);
        }
    }

    /// Starts one example anew.
    ///
    /// # Errors
    /// [`CallError::Row`] for an example that the stream does not have.
    pub fn reset_row(&mut self, row: usize) -> Result<(), CallError> {
        let batch = self.batch();
        if row >= batch {
            return Err(CallError::Row { row, batch });
        }
        self.clear(row);
        Ok(())
    }

    /// Which examples have not stepped since they started.
    pub fn fresh(&self) -> &[bool] {
        &self.memory.fresh
    }

    /// The carried state, `[B, features..]` each; zeros for an example that has not stepped since it started.
    pub fn state(&self) -> M::State {
        let signature = &self.inner.signature;
        M::State::from_tensors(&mut |name| {
            let mut ports = signature.states.iter();
            let Some(at) = ports.position(|port| port.name == name) else {
                return ArrayD::zeros(IxDyn(&[]));
            };
            let mut dims = vec![self.batch()];
            dims.extend(&signature.states[at].features);
            let mut array = ArrayD::zeros(IxDyn(&dims));
            if let Some(out) = array.as_slice_mut() {
                copy_state(self.memory.states[at].value(), out);
            }
            array
        })
    }

    /// Continues every example from a state.
    ///
    /// # Errors
    /// [`CallError`] for a state of another shape, or carried tokens out of range; the state is as it was then.
    pub fn set_state(&mut self, state: &M::State) -> Result<(), CallError> {
        let given = given_states(&self.inner.signature, state, self.batch())?;
        for (words, data) in self.memory.states.iter_mut().zip(given) {
            match (words, data) {
                (Words::Real(words), Data::Real(data)) => words.copy_from_slice(&data),
                (Words::Index(words), Data::Index(data)) => words.copy_from_slice(&data),
                (Words::Real(_), Data::Index(_)) | (Words::Index(_), Data::Real(_)) => {}
            }
        }
        self.memory.fresh.fill(false);
        Ok(())
    }

    fn clear(&mut self, row: usize) {
        let ports = self.inner.signature.states.iter();
        for (port, words) in ports.zip(&mut self.memory.states) {
            let range = row * port.width()..(row + 1) * port.width();
            match words {
                Words::Real(words) => words[range].fill(0.0),
                Words::Index(words) => words[range].fill(0),
            }
        }
        self.memory.fresh[row] = true;
    }

    fn write_outputs(&mut self) -> Result<(), CallError> {
        let inner = &*self.inner;
        let (routine, workspace) = (&inner.forward, &self.workspace);
        let shape = &self.memory.shape;
        let mut failed = None;
        self.outputs.visit_mut(&mut |name, view| {
            let mut ports = inner.signature.outputs.iter();
            let port = ports.find(|port| port.name == name);
            let node = routine.result(&ResultKind::Output, name);
            if let (Some(port), Some(node)) = (port, node) {
                let written = write(routine, workspace, port, node, shape, view);
                failed = failed.take().or(written.err());
            }
        });
        failed.map_or(Ok(()), Err)
    }
}

fn write(
    routine: &Routine,
    workspace: &Workspace,
    port: &Port,
    node: NodeId,
    shape: &CallShape,
    view: OutputViewMut<'_>,
) -> Result<(), CallError> {
    let executable = &routine.executable;
    match view {
        OutputViewMut::Real(mut view) => {
            let elements = executable.elements(workspace, node)?;
            if let Some(out) = view.as_slice_mut().filter(|out| out.len() == elements) {
                executable.read_reals(workspace, node, out)?;
                return Ok(());
            }
            let value = routine.output(workspace, port, node, shape)?.into_real();
            for (to, from) in view.iter_mut().zip(&value) {
                *to = *from;
            }
        }
        OutputViewMut::Index(mut view) => {
            let elements = executable.elements(workspace, node)?;
            if let Some(out) = view.as_slice_mut().filter(|out| out.len() == elements) {
                executable.read(workspace, node, out)?;
                return Ok(());
            }
            let value = routine.output(workspace, port, node, shape)?.into_index();
            for (to, from) in view.iter_mut().zip(&value) {
                *to = *from;
            }
        }
    }
    Ok(())
}

fn blank(signature: &Signature, name: &str, batch: usize) -> OutputValue {
    let mut ports = signature.outputs.iter();
    let Some(port) = ports.find(|port| port.name == name) else {
        return OutputValue::Real(ArrayD::zeros(IxDyn(&[])));
    };
    let mut dims = vec![1; port.axes.len()];
    dims.extend(port.batch.then_some(batch));
    dims.extend(&port.features);
    match port.dtype {
        DType::Index => OutputValue::Index(ArrayD::zeros(IxDyn(&dims))),
        DType::Real | DType::Bool => OutputValue::Real(ArrayD::zeros(IxDyn(&dims))),
    }
}

impl Memory {
    // Copies inputs in, checked.
    fn take<'a>(
        &mut self,
        signature: &Signature,
        inputs: &impl Inputs<'a>,
    ) -> Result<(), CallError> {
        self.seen.fill(false);
        let mut failed = None;
        inputs.visit(&mut |name, view| {
            let mut ports = signature.inputs.iter();
            let at = ports.position(|port| port.name == name && !port.target);
            if let (Some(at), None) = (at, &failed) {
                self.seen[at] = true;
                failed = self.copy(signature, at, &view).err();
            }
        });
        if let Some(error) = failed {
            return Err(error);
        }
        let ports = signature.inputs.iter().zip(&self.seen);
        match ports
            .into_iter()
            .find(|(port, seen)| !port.target && !**seen)
        {
            Some((port, _)) => Err(CallError::MissingInput {
                name: port.name.clone(),
            }),
            None => Ok(()),
        }
    }

    fn copy(
        &mut self,
        signature: &Signature,
        at: usize,
        view: &InputView<'_>,
    ) -> Result<(), CallError> {
        let port = &signature.inputs[at];
        let found = match view {
            InputView::Real(_) => DType::Real,
            InputView::Index(_) => DType::Index,
        };
        check_port(signature, port, found, view.shape())?;
        let (outer, rest) = view.shape().split_at(port.axes.len());
        if outer.iter().any(|steps| *steps != 1) {
            return Err(CallError::OneStep {
                name: port.name.clone(),
                expected: signature.shape_of(port),
                found: view.shape().to_vec(),
            });
        }
        let batch = self.shape.batch;
        if port.batch && rest.first() != Some(&batch) {
            return Err(CallError::Examples {
                first: "stream".to_owned(),
                expected: batch,
                second: port.name.clone(),
                found: rest.first().copied().unwrap_or(0),
            });
        }
        match (&mut self.inputs[at], view) {
            (Words::Real(words), InputView::Real(view)) => {
                for (to, from) in words.iter_mut().zip(view) {
                    *to = *from;
                }
            }
            (Words::Index(words), InputView::Index(view)) => {
                let limit = port.limit.unwrap_or(usize::MAX);
                for (at, (to, from)) in words.iter_mut().zip(view).enumerate() {
                    if *from as usize >= limit {
                        let row = at / port.width().max(1);
                        return Err(CallError::Token {
                            name: port.name.clone(),
                            place: place_of(signature, port, row, &self.shape),
                            value: *from,
                            limit,
                        });
                    }
                    *to = *from;
                }
            }
            // The kind has been checked.
            (Words::Real(_), InputView::Index(_)) | (Words::Index(_), InputView::Real(_)) => {}
        }
        Ok(())
    }
}

struct Step<'s> {
    routine: &'s Routine,
    memory: &'s Memory,
}

impl Arguments for Step<'_> {
    fn value(&self, node: NodeId) -> Option<Value<'_>> {
        let (routine, memory) = (self.routine, self.memory);
        if let Some((_, at)) = routine.params.iter().find(|(known, _)| *known == node) {
            return memory.params.get(*at).map(|values| Value::Real(values));
        }
        let (_, source) = routine.inputs.iter().find(|(known, _)| *known == node)?;
        match *source {
            Source::Input(at) => memory.inputs.get(at).map(Words::value),
            Source::State(at) => memory.states.get(at).map(Words::value),
            Source::Fresh => Some(Value::Bool(&memory.fresh)),
            Source::Weight => None,
        }
    }
}
