//! The reference interpreter: evaluates the equations by definition, in `f64`, slowly.
//!
//! It is the first of the project's oracles: everything that compiled code computes is compared with it, so it stays as
//! close to the equations as it can be and is never optimised. A value is asked for by node, step and example; what it
//! is computed from (`reads`) is asked for first; what it is then (`apply`) is remembered. Time is not iterated:
//! `h[t-1]` is asked for because `h[t]` reads it.
//!
//! **Invariant:** a value that no result depends on is not computed, nor is one beyond an example's own length.

mod apply;
mod env;
mod nonfinite;
mod reads;
mod tensor;

pub use env::{Env, EvalError, Place};
pub use nonfinite::{NonFinite, equation_of, nonfinite};
pub use tensor::{Data, Tensor};

use crate::axis::AxisId;
use crate::graph::{ResultKind, Verified};
use crate::id::{Id, SideTable};
use crate::node::{DType, NodeId};
use crate::op::Op;
use env::{Extents, features, name_of, outer_axes};
use reads::{Instance, instances, reads};
use std::collections::HashSet;

/// The results of a system.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Results {
    /// Kind, name and value of each result, in the order of the graph.
    pub all: Vec<(ResultKind, String, Tensor)>,
}

impl Results {
    /// The result of a kind and a name.
    pub fn get(&self, kind: &ResultKind, name: &str) -> Option<&Tensor> {
        self.all
            .iter()
            .find(|(found, found_name, _)| found == kind && found_name == name)
            .map(|(.., value)| value)
    }

    /// The first result of a kind.
    pub fn first(&self, kind: &ResultKind) -> Option<&Tensor> {
        self.all
            .iter()
            .find(|(found, ..)| found == kind)
            .map(|(.., value)| value)
    }
}

/// Evaluates every result. Sizes must be bound.
///
/// A result is a tensor `[time axes.., B if it varies over the batch, features..]`, zero beyond an example's length.
///
/// # Errors
/// Something missing or of other dims than declared, or a token out of range.
pub fn evaluate(graph: &Verified, env: &Env) -> Result<Results, EvalError> {
    let mut interpreter = Interpreter::new(graph, env)?;
    let mut results = Results::default();
    for result in &graph.results {
        let value = interpreter.value(result.node)?;
        results
            .all
            .push((result.kind.clone(), result.name.clone(), value));
    }
    Ok(results)
}

/// The dims that the tensor of a node has: time axes, `B` if it varies over the batch, features.
///
/// # Errors
/// A length without a value, or a size that is not bound.
pub fn dims(graph: &Verified, env: &Env, node: NodeId) -> Result<Vec<usize>, EvalError> {
    let lengths = Env {
        batch: env.batch,
        lengths: env.lengths.clone(),
        ..Env::default()
    };
    Extents::new(graph, &lengths)?.dims(&name_of(graph, node), &graph.nodes[node].ty)
}

/// Evaluates nodes of one graph in one environment, each instance once.
pub struct Interpreter<'g> {
    graph: &'g Verified,
    env: &'g Env,
    extents: Extents,
    // By node, then by position along the axes of its domain.
    known: SideTable<NodeId, Vec<Option<Tensor>>>,
    // What was computed, in order.
    order: Vec<Instance>,
}

impl<'g> Interpreter<'g> {
    /// Checks what is given; computes nothing yet.
    ///
    /// # Errors
    /// Lengths that are missing, and tensors of other dims than declared.
    pub fn new(graph: &'g Verified, env: &'g Env) -> Result<Self, EvalError> {
        Ok(Self {
            graph,
            env,
            extents: Extents::new(graph, env)?,
            known: SideTable::filled(Vec::new(), graph.nodes.len()),
            order: Vec::new(),
        })
    }

    /// The value of a node for the whole batch, at all steps.
    ///
    /// # Errors
    /// An input or parameter it depends on is missing, or a token is out of range.
    pub fn value(&mut self, node: NodeId) -> Result<Tensor, EvalError> {
        let ty = &self.graph.nodes[node].ty;
        let dims = self.extents.dims(&name_of(self.graph, node), ty)?;
        let mut out = Tensor::zeros(ty.dtype, dims);
        let origin = Instance {
            node,
            index: vec![0; self.graph.axes.len()],
        };
        let per_example = ty.domain.contains(AxisId::BATCH);
        let (graph, extents) = (self.graph, &self.extents);
        for instance in instances(graph, extents, node, ty.domain, &origin, per_example) {
            self.demand(&instance)?;
            let position = self.position(&instance);
            let value = self.known[node][position].as_ref();
            out.set_block(position, value.expect("what was demanded is known"));
        }
        Ok(out)
    }

    // Where an instance is among those of its node: the block of the tensor that holds them all.
    fn position(&self, at: &Instance) -> usize {
        outer_axes(self.graph.nodes[at.node].ty.domain).fold(0, |position, axis| {
            position * self.extents.longest(axis) + at.index[axis.index()]
        })
    }

    fn is_known(&self, at: &Instance) -> bool {
        let position = self.position(at);
        matches!(self.known[at.node].get(position), Some(Some(_)))
    }

    // Computes an instance after what it reads, with an explicit stack: a sequence may be long.
    fn demand(&mut self, wanted: &Instance) -> Result<(), EvalError> {
        let mut work = vec![(wanted.clone(), false)];
        let mut begun = HashSet::new();
        while let Some((at, reads_are_known)) = work.pop() {
            if self.is_known(&at) {
                continue;
            }
            let reads = reads(self.graph, &self.extents, &at);
            if reads_are_known {
                self.compute(&at, &reads)?;
                continue;
            }
            if !begun.insert((at.node, self.position(&at))) {
                return Err(EvalError::Cycle {
                    name: name_of(self.graph, at.node),
                    at: at.place(self.graph),
                });
            }
            work.push((at, true));
            // The last pushed is computed first: operands in order.
            for read in reads.into_iter().rev() {
                if self.is_known(&read) {
                    continue;
                }
                work.push((read, false));
            }
        }
        Ok(())
    }

    fn compute(&mut self, at: &Instance, reads: &[Instance]) -> Result<(), EvalError> {
        let node = &self.graph.nodes[at.node];
        let dims = features(&name_of(self.graph, at.node), &node.ty)?;
        let value = match &node.op {
            Op::Input { name, .. } => self.given(name, self.env.inputs.get(name), at, dims)?,
            Op::Param { name, .. } => self.given(name, self.env.params.get(name), at, dims)?,
            Op::Const(number) => constant(node.ty.dtype, dims, number.0),
            Op::Entries => {
                let len = dims.iter().product();
                let position = |at| u32::try_from(at).expect("a size is below 2^32");
                Tensor::index(dims, (0..len).map(position).collect::<Vec<_>>())
            }
            Op::Step(axis) => Tensor::scalar(at.step(*axis) as f64),
            Op::Length(axis) => {
                Tensor::scalar(self.extents.length(*axis, at.example(self.graph)) as f64)
            }
            op => {
                let from: Vec<&Tensor> = reads
                    .iter()
                    .map(|read| {
                        let value = self.known[read.node][self.position(read)].as_ref();
                        value.expect("what is read is computed first")
                    })
                    .collect();
                apply::apply(op, node.ty.dtype, dims, &from)
                    .map_err(|bad| self.out_of_range(bad, at))?
            }
        };
        let blocks = outer_axes(node.ty.domain)
            .map(|axis| self.extents.longest(axis))
            .product();
        let position = self.position(at);
        let known = &mut self.known[at.node];
        known.resize(blocks, None);
        known[position] = Some(value);
        self.order.push(at.clone());
        Ok(())
    }

    fn given(
        &self,
        name: &str,
        given: Option<&Tensor>,
        at: &Instance,
        dims: Vec<usize>,
    ) -> Result<Tensor, EvalError> {
        let given = given.ok_or_else(|| EvalError::Missing {
            name: name.to_owned(),
        })?;
        Ok(given.block(dims, self.position(at)))
    }

    // Says where a bad token came from: back through what only moves it in time.
    fn out_of_range(&self, bad: apply::OutOfRange, at: &Instance) -> EvalError {
        let index = |node| match self.graph.nodes[node].op {
            Op::Gather { index, .. } | Op::Scatter { index, .. } => Some(index),
            _ => None,
        };
        let mut source = at.clone();
        loop {
            let reads = reads(self.graph, &self.extents, &source);
            let next = match &self.graph.nodes[source.node].op {
                Op::Gather { .. } | Op::Scatter { .. } if source == *at => reads
                    .into_iter()
                    .find(|read| Some(read.node) == index(at.node)),
                Op::Shift { .. } | Op::At { .. } | Op::Broadcast { .. } => reads.into_iter().next(),
                _ => None,
            };
            match next {
                Some(next) => source = next,
                None => break,
            }
        }
        EvalError::TokenOutOfRange {
            name: name_of(self.graph, source.node),
            at: source.place(self.graph),
            value: bad.value,
            limit: bad.limit,
        }
    }
}

fn constant(dtype: DType, dims: Vec<usize>, value: f64) -> Tensor {
    let len = dims.iter().product();
    match dtype {
        DType::Real => Tensor::real(dims, vec![value; len]),
        DType::Index => Tensor::index(dims, vec![value as u32; len]),
        DType::Bool => Tensor::bool(dims, vec![value != 0.0; len]),
    }
}

#[cfg(test)]
mod tests;
