//! One step at a time: serving.
//!
//! A stream owns its parameters in packed order, its carried state and its buffers; a step allocates nothing, takes no
//! lock and does not panic. It runs the forward program of the model on sequences of one step, so step by step gives the
//! bits of the whole sequence. Where each input and output lies is found once ([`Ports`]).
//!
//! **Invariant:** after `n` steps the state is that of a whole sequence of `n` steps; a step that fails leaves it as it was.

use std::fmt;
use std::sync::Arc;

use ndarray::{ArrayD, IxDyn};
use rnn_ir::graph::ResultKind;
use rnn_ir::node::DType;
use rnn_jit::profile::Stage;
use rnn_jit::{Carried, JitError, Stepper};

use crate::call::{Data, Room, given_states};
use crate::causal::check_causal;
use crate::compiled::{Compiled, Inner};
use crate::error::{CallError, StreamError};
use crate::model::{Model, OutputValue, Outputs};
use crate::ports::Ports;
use crate::routine::{Routine, Source, flat_params};
use crate::signature::Signature;
use crate::tensors::Tensors;

/// A model that runs step by step, for a fixed number of examples side by side.
///
/// Made by [`Compiled::stream`]. It shares no memory with the model or other streams but the code, so it can be moved to
/// another thread.
pub struct Stream<M: Model> {
    pub(crate) inner: Arc<Inner>,
    pub(crate) stepper: Stepper,
    ports: Ports,
    fresh: Vec<bool>,
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
        let (signature, routine) = (&inner.signature, &inner.forward);
        check_causal(M::NAME, &inner.free)?;
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
        let carried = carried_of(signature, routine);
        if let Some(limit) = inner.options.memory_limit {
            let needed = self.stream_bytes(batch)?;
            if needed > limit {
                return Err(StreamError::Call(CallError::Jit(JitError::MemoryLimit {
                    needed,
                    limit,
                    batch,
                })));
            }
        }
        let stepper = (routine.executable)
            .stepper(batch, &routine.params_of(&params, None), &carried)
            .map_err(CallError::from)?;
        let ports = Ports::new(signature, routine, &stepper)?;
        let outputs = M::Outputs::from_values(&mut |name| blank(signature, name, batch));
        let mut stream = Stream {
            inner,
            stepper,
            ports,
            fresh: vec![true; batch],
            outputs,
        };
        stream.reset();
        Ok(stream)
    }

    /// The bytes that a stream of so many examples takes, before there is one: its copy of the parameters and its packed
    /// weights, what a step works in, and the outputs.
    ///
    /// # Errors
    /// Sizes beyond the address space.
    pub fn stream_bytes(&self, batch: usize) -> Result<usize, StreamError> {
        let (signature, routine) = (&self.inner.signature, &self.inner.forward);
        let carried = carried_of(signature, routine);
        let stepper =
            (routine.executable.stepper_bytes(batch, &carried)).map_err(CallError::from)?;
        let outputs = signature.outputs.iter().map(|port| {
            let rows = if port.batch { batch } else { 1 };
            rows.saturating_mul(port.width()).saturating_mul(4)
        });
        Ok(outputs.fold(stepper, usize::saturating_add))
    }
}

// The carried states of a stream, by position in the signature.
fn carried_of(signature: &Signature, routine: &Routine) -> Vec<Carried> {
    let states = signature.states.iter().enumerate();
    let carried = states.map(|(at, port)| Carried {
        input: routine.input(|source| matches!(source, Source::State(state) if state == at)),
        result: routine.result(&ResultKind::State, &port.name),
        width: port.width(),
    });
    carried.collect()
}

impl<M: Model> Stream<M> {
    /// Runs one step: inputs with a time axis of length 1, `[1, B, features..]`.
    ///
    /// # Errors
    /// [`CallError`] for inputs of another shape or kind, and tokens out of range; the state is as it was then.
    pub fn step<'a>(&mut self, inputs: M::Inputs<'a>) -> Result<&M::Outputs, CallError> {
        let inner = &*self.inner;
        self.stepper.workspace_mut().start_lap();
        (self.ports).take(&inner.signature, &mut self.stepper, &inputs)?;
        self.stepper.workspace_mut().end_lap(Stage::CopyIn);
        self.stepper.step(&inner.forward.executable)?;
        self.age();
        self.ports.write(&self.stepper, &mut self.outputs);
        self.stepper.workspace_mut().end_lap(Stage::CopyOut);
        Ok(&self.outputs)
    }

    /// The outputs of the last step; zeros before the first.
    pub fn outputs(&self) -> &M::Outputs {
        &self.outputs
    }

    /// Examples side by side.
    pub fn batch(&self) -> usize {
        self.fresh.len()
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
        &self.fresh
    }

    /// The carried state, `[B, features..]` each; zeros for an example that has not stepped since it started.
    pub fn state(&self) -> M::State {
        let signature = &self.inner.signature;
        M::State::from_tensors(&mut |name| {
            let mut ports = signature.states.iter();
            let Some(at) = ports.position(|port| port.name == name) else {
                return ArrayD::zeros(IxDyn(&[]));
            };
            let port = &signature.states[at];
            let mut dims = vec![self.batch()];
            dims.extend(&port.features);
            let mut array = ArrayD::zeros(IxDyn(&dims));
            if let Some(place) = self.stepper.carried(at) {
                for (to, from) in array.iter_mut().zip(self.stepper.given(place)) {
                    *to = match port.dtype {
                        DType::Index => from.to_bits() as f32,
                        DType::Real | DType::Bool => *from,
                    };
                }
            }
            array
        })
    }

    /// Continues every example from a state.
    ///
    /// # Errors
    /// [`CallError`] for a state of another shape, or carried tokens out of range; the state is as it was then.
    pub fn set_state(&mut self, state: &M::State) -> Result<(), CallError> {
        let given = given_states(
            &self.inner.signature,
            &|each| state.visit(&mut |name, view| each(name, view)),
            self.batch(),
            &mut Room::default(),
        )?;
        for (at, data) in given.iter().enumerate() {
            let Some(place) = self.stepper.carried(at) else {
                continue;
            };
            let to = self.stepper.given_mut(place).iter_mut();
            match data {
                Data::Real(data) => to.zip(data.iter()).for_each(|(to, from)| *to = *from),
                Data::Index(data) => {
                    (to.zip(data.iter())).for_each(|(to, from)| *to = f32::from_bits(*from))
                }
                // No state is one of truth values.
                Data::Bool(_) => {}
            }
        }
        self.age();
        Ok(())
    }

    // No example is fresh any more.
    fn age(&mut self) {
        if self.fresh.contains(&true) {
            self.fresh.fill(false);
            self.ports.mark(&mut self.stepper, &self.fresh);
        }
    }

    fn clear(&mut self, row: usize) {
        for (at, port) in self.inner.signature.states.iter().enumerate() {
            let width = port.width();
            if let Some(place) = self.stepper.carried(at) {
                self.stepper.given_mut(place)[row * width..][..width].fill(0.0);
            }
        }
        self.fresh[row] = true;
        self.ports.mark(&mut self.stepper, &self.fresh);
    }
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
