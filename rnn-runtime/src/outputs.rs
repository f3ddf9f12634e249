//! The outputs of a call, in the memory that the caller gets: each part of a batch writes its own rows there, on its own
//! thread. What one part computes all of is taken as it lies.
//!
//! **Invariant:** examples keep their order; what does not vary over them is written by the first part.

use std::ops::Range;
use std::slice;

use ndarray::{ArrayD, IxDyn};
use rnn_ir::graph::ResultKind;
use rnn_ir::node::{DType, NodeId};
use rnn_jit::{CallShape, JitError, Workspace};

use crate::model::OutputValue;
use crate::routine::Routine;
use crate::signature::{Port, Signature};

/// Memory for the outputs of a call, by position in the signature; `None` for those that the program does not compute.
#[derive(Default)]
pub(crate) struct OutputMemory(Vec<Option<Memory>>);

struct Memory {
    dims: Vec<usize>,
    node: NodeId,
    elements: Elements,
}

enum Elements {
    Real(Vec<f32>),
    Index(Vec<u32>),
}

/// Where a part writes an output: a slice for each step.
pub(crate) struct Rows<'m> {
    node: NodeId,
    steps: Steps<'m>,
}

enum Steps<'m> {
    Real(Vec<&'m mut [f32]>),
    Index(Vec<&'m mut [u32]>),
}

impl OutputMemory {
    /// Zeros for all outputs of a program.
    pub(crate) fn new(signature: &Signature, routine: &Routine, shape: &CallShape) -> Self {
        let ports = signature.outputs.iter();
        Self(
            ports
                .map(|port| {
                    let node = routine.result(&ResultKind::Output, &port.name)?;
                    Some(Memory::new(port, node, shape))
                })
                .collect(),
        )
    }

    /// The outputs of a call in one part, after it has run.
    pub(crate) fn of_whole(
        signature: &Signature,
        routine: &Routine,
        workspace: &mut Workspace,
        shape: &CallShape,
    ) -> Result<Self, JitError> {
        let executable = &routine.executable;
        let ports = signature.outputs.iter();
        let outputs = ports.map(|port| {
            let Some(node) = routine.result(&ResultKind::Output, &port.name) else {
                return Ok(None);
            };
            let dims = dims(port, shape);
            let elements = executable.elements(workspace, node)?;
            let dtype = executable.graph().nodes[node].ty.dtype;
            let elements = match (
                elements == dims.iter().product::<usize>(),
                port.dtype,
                dtype,
            ) {
                (true, DType::Index, _) => Elements::Index(executable.take(workspace, node)?),
                (true, DType::Real, DType::Real) => {
                    Elements::Real(executable.take_reals(workspace, node)?)
                }
                _ => {
                    let mut memory = Memory::new(port, node, shape);
                    let all = 0..shape.batch;
                    let rows = memory.elements.of_parts(port, node, slice::from_ref(&all));
                    for rows in rows {
                        rows.write(routine, workspace)?;
                    }
                    return Ok(Some(memory));
                }
            };
            Ok(Some(Memory {
                dims,
                node,
                elements,
            }))
        });
        Ok(Self(outputs.collect::<Result<_, JitError>>()?))
    }

    /// Where each part writes each output.
    pub(crate) fn of_parts(
        &mut self,
        signature: &Signature,
        parts: &[Range<usize>],
    ) -> Vec<Vec<Option<Rows<'_>>>> {
        let mut out: Vec<Vec<Option<Rows<'_>>>> = parts.iter().map(|_| Vec::new()).collect();
        for (port, memory) in signature.outputs.iter().zip(&mut self.0) {
            let Some(Memory { node, elements, .. }) = memory else {
                out.iter_mut().for_each(|own| own.push(None));
                continue;
            };
            let own = elements.of_parts(port, *node, parts).into_iter();
            let own = own.map(Some).chain(std::iter::repeat_with(|| None));
            for (out, rows) in out.iter_mut().zip(own) {
                out.push(rows);
            }
        }
        out
    }

    /// The outputs, when all parts have written theirs.
    pub(crate) fn into_values(self) -> Vec<Option<OutputValue>> {
        let value = |memory: Memory| match memory.elements {
            Elements::Real(data) => OutputValue::Real(shaped(&memory.dims, data)),
            Elements::Index(data) => OutputValue::Index(shaped(&memory.dims, data)),
        };
        self.0.into_iter().map(|memory| memory.map(value)).collect()
    }
}

impl Memory {
    fn new(port: &Port, node: NodeId, shape: &CallShape) -> Self {
        let dims = dims(port, shape);
        let len = dims.iter().product();
        let elements = match port.dtype {
            DType::Index => Elements::Index(vec![0; len]),
            DType::Real | DType::Bool => Elements::Real(vec![0.0; len]),
        };
        Self {
            dims,
            node,
            elements,
        }
    }
}

impl Elements {
    // Where each part that has some writes its own.
    fn of_parts(&mut self, port: &Port, node: NodeId, parts: &[Range<usize>]) -> Vec<Rows<'_>> {
        let steps = match self {
            Self::Real(data) => each_part(port, data, parts, Steps::Real),
            Self::Index(data) => each_part(port, data, parts, Steps::Index),
        };
        let steps = steps.into_iter();
        steps.map(|steps| Rows { node, steps }).collect()
    }
}

// `[time axes.., B if it varies over the batch, features..]`
fn dims(port: &Port, shape: &CallShape) -> Vec<usize> {
    let steps = port.axes.iter().map(|axis| shape.steps[*axis]);
    let examples = port.batch.then_some(shape.batch);
    let features = port.features.iter().copied();
    steps.chain(examples).chain(features).collect()
}

// The steps of an output for each part that has some; of an output that does not vary over examples, for the first.
fn each_part<'m, A>(
    port: &Port,
    data: &'m mut [A],
    parts: &[Range<usize>],
    steps: fn(Vec<&'m mut [A]>) -> Steps<'m>,
) -> Vec<Steps<'m>> {
    let width = port.width();
    let alone = 0..1;
    let (examples, parts) = match port.batch {
        true => (parts.last().map_or(0, |last| last.end), parts),
        false => (1, slice::from_ref(&alone)),
    };
    let mut out: Vec<Vec<&'m mut [A]>> = parts.iter().map(|_| Vec::new()).collect();
    for mut step in data.chunks_exact_mut((examples * width).max(1)) {
        for (out, part) in out.iter_mut().zip(parts) {
            let (own, rest) = step.split_at_mut(part.len() * width);
            out.push(own);
            step = rest;
        }
    }
    out.into_iter().map(steps).collect()
}

impl Rows<'_> {
    /// Writes the output of a part.
    pub(crate) fn write(self, routine: &Routine, workspace: &Workspace) -> Result<(), JitError> {
        let Self { node, steps } = self;
        let executable = &routine.executable;
        let ty = &executable.graph().nodes[node].ty;
        let alike = |steps: usize| {
            let elements = executable.elements(workspace, node)?;
            Ok::<_, JitError>(elements == steps)
        };
        match steps {
            Steps::Real(mut to) if ty.dtype == DType::Real && alike(size(&to))? => {
                executable.read_real_steps(workspace, node, &mut to)
            }
            Steps::Index(mut to) if alike(size(&to))? => {
                executable.read_steps(workspace, node, &mut to)
            }
            Steps::Real(to) => first_rows(routine, workspace, node, to, |bits| match ty.dtype {
                DType::Bool => f32::from(u8::from(bits != 0)),
                DType::Real | DType::Index => f32::from_bits(bits),
            }),
            Steps::Index(to) => first_rows(routine, workspace, node, to, |bits| bits),
        }
    }
}

fn size<A>(steps: &[&mut [A]]) -> usize {
    steps.iter().map(|step| step.len()).sum()
}

// The first elements of each step: the rows of the first example, where the model says that a value does not differ
// between examples and the program computes it for each.
fn first_rows<A>(
    routine: &Routine,
    workspace: &Workspace,
    node: NodeId,
    to: Vec<&mut [A]>,
    convert: impl Fn(u32) -> A,
) -> Result<(), JitError> {
    let mut data = vec![0; routine.executable.elements(workspace, node)?];
    routine.executable.read(workspace, node, &mut data)?;
    let step = data.len().checked_div(to.len()).unwrap_or(0);
    for (to, from) in to.into_iter().zip(data.chunks_exact(step.max(1))) {
        for (to, from) in to.iter_mut().zip(from) {
            *to = convert(*from);
        }
    }
    Ok(())
}

fn shaped<A>(dims: &[usize], data: Vec<A>) -> ArrayD<A> {
    ArrayD::from_shape_vec(IxDyn(dims), data)
        .unwrap_or_else(|_| unreachable!("as many elements as the dims say"))
}
