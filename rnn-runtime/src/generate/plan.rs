//! The compiled halves of a model that generates: what is known before the first step, and a step.
//!
//! **Invariant:** a step takes its last token from outside and answers with logits for the next one.

use rnn_ir::axis::AxisId;
use rnn_ir::decode::{Seed, seed, split};
use rnn_ir::graph::{Graph, ResultKind, Verified};
use rnn_ir::id::Id;
use rnn_ir::node::{DType, NodeId};
use rnn_ir::op::{Op, Role};
use rnn_ir::passes::FORWARD;
use rnn_ir::passes::pipeline::Settings;
use rnn_ir::verify::verify;
use rnn_jit::{CallShape, Carried};

use crate::compiled::Inner;
use crate::error::{CompileError, GenerateError, ModelError};
use crate::pipeline::{Fed, fed_model, passed};
use crate::report::Times;
use crate::routine::{Routine, Source};
use crate::signature::Signature;

/// The compiled halves of a model that generates.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Its outputs, and the program.
    pub(super) before: Option<(Signature, Routine)>,
    pub(super) signature: Signature,
    pub(super) step: Routine,
    /// The input of the step that is the last token, by position in its signature.
    pub(super) token: usize,
    /// The prompt, by position in the inputs of the model; none with feedback.
    pub(super) prompt: Option<usize>,
    /// The axis of the loop, by position.
    pub(super) axis: usize,
    pub(super) vocabulary: usize,
}

impl Plan {
    pub(crate) fn new(inner: &Inner) -> Result<Self, GenerateError> {
        let name = inner.signature.model;
        let model = || name.to_owned();
        let decode = |source| GenerateError::Decode {
            model: model(),
            source,
        };
        let graph =
            fed_model(&inner.inferred, Fed::Mixed).map_err(|source| decode(source.into()))?;
        let graph = checked(name, graph)?;
        let fed = seed(&graph).map_err(decode)?;
        let seed = match fed {
            Some(seed) => seed,
            None => last_token(inner, &graph)?,
        };
        let decoding = split(&graph, seed).map_err(decode)?;
        let params = || inner.signature.params.clone();
        let (before, step) = (
            checked(name, decoding.before)?,
            checked(name, decoding.step)?,
        );
        let axis = seed.axis.index() - 1;
        if fed.is_none() {
            let mut known = before.results_of(ResultKind::Output);
            let open = known.find_map(|result| reads_along(&before, result.node, seed.axis));
            if let Some(input) = open {
                return Err(GenerateError::OpenInput {
                    model: model(),
                    input,
                });
            }
        }
        let signature = Signature::new(name, &step, params());
        let find = |name: &str| signature.inputs.iter().position(|port| port.name == name);
        let token = find(&decoding.token).ok_or_else(|| GenerateError::Decode {
            model: model(),
            source: rnn_ir::decode::DecodeError::NoDistribution {
                name: decoding.token.clone(),
            },
        })?;
        let vocabulary = signature.outputs.first().map_or(0, |port| port.width());
        let compiled = |signature: &Signature, graph: Verified, name: &'static str| {
            let outcome = passed(graph, FORWARD, Settings::default())?;
            let options = inner.options.jit(name);
            Routine::new(signature, outcome.graph, options, false, Times::start())
        };
        let before = match before.results.is_empty() {
            true => None,
            false => {
                let signature = Signature::new(name, &before, params());
                // It is called with what the model is called with.
                let routine = compiled(&inner.signature, before, "before").map_err(Box::new)?;
                Some((signature, routine))
            }
        };
        let step = compiled(&signature, step, "step").map_err(Box::new)?;
        let prompt = match fed {
            Some(_) => None,
            None => (inner.signature.inputs.iter()).position(|port| port.name == decoding.token),
        };
        Ok(Self {
            before,
            step,
            token,
            prompt,
            axis,
            vocabulary,
            signature,
        })
    }
}

impl Plan {
    /// The carried states of a step, by position in its signature.
    pub(super) fn carried(&self) -> Vec<Carried> {
        let routine = &self.step;
        let states = self.signature.states.iter().enumerate();
        let carried = states.map(|(at, port)| Carried {
            input: routine.input(|source| matches!(source, Source::State(state) if state == at)),
            result: routine.result(&ResultKind::State, &port.name),
            width: port.width(),
        });
        carried.collect()
    }

    /// The examples in the order that compiled code takes them in.
    pub(super) fn order(&self, examples: usize, first: impl Fn(usize) -> usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..examples).collect();
        if self.axis != 0 {
            order.sort_by_key(|example| std::cmp::Reverse(first(*example)));
        }
        order
    }

    /// The shape of a step of `width` hypotheses of each example.
    pub(super) fn step_shape(
        &self,
        steps: &[usize],
        order: &[usize],
        width: usize,
        length: impl Fn(usize, usize) -> usize,
    ) -> CallShape {
        let mut shape = CallShape {
            batch: order.len() * width,
            steps: steps.to_vec(),
            ..CallShape::default()
        };
        shape.steps[self.axis] = 1;
        for axis in 0..shape.steps.len() {
            let rows = order.iter().flat_map(|example| {
                let length = match axis == self.axis {
                    true => 1,
                    false => u32::try_from(length(axis, *example)).unwrap_or(u32::MAX),
                };
                std::iter::repeat_n(length, width)
            });
            shape.lengths.push(rows.collect());
        }
        shape
    }
}

fn checked(model: &str, graph: Graph) -> Result<Verified, GenerateError> {
    verify(graph).map_err(|violations| {
        let invalid = ModelError::Invalid {
            model: model.to_owned(),
            violations,
        };
        GenerateError::Compile(Box::new(CompileError::Model(invalid)))
    })
}

// The input along an axis that a value depends on.
fn reads_along(graph: &Graph, from: NodeId, axis: AxisId) -> Option<String> {
    let mut seen = vec![from];
    let mut at = 0;
    while let Some(id) = seen.get(at).copied() {
        at += 1;
        let node = &graph.nodes[id];
        if let Op::Input {
            name,
            role: Role::Input | Role::Target,
        } = &node.op
            && node.ty.domain.contains(axis)
        {
            return Some(name.clone());
        }
        for operand in node.op.operands() {
            if !seen.contains(&operand) {
                seen.push(operand);
            }
        }
    }
    None
}

// The input that is the last token of a model without feedback, and its logits.
fn last_token(inner: &Inner, graph: &Graph) -> Result<Seed, GenerateError> {
    let signature = &inner.signature;
    let inputs: Vec<_> = (signature.inputs.iter())
        .filter(|port| !port.target && port.dtype == DType::Index && port.axes.len() == 1)
        .filter(|port| port.features.is_empty() && port.batch)
        .collect();
    let mut found = Vec::new();
    for input in &inputs {
        for output in &signature.outputs {
            let fits = output.dtype == DType::Real
                && output.axes == input.axes
                && output.features.len() == 1
                && input.limit.is_none_or(|limit| limit == output.features[0]);
            if fits {
                found.push((*input, output));
            }
        }
    }
    let names = |names: Vec<&str>| names.join(", ");
    let [(input, output)] = found.as_slice() else {
        return Err(GenerateError::NoToken {
            model: signature.model.to_owned(),
            inputs: names(inputs.iter().map(|port| port.name.as_str()).collect()),
            outputs: names(found.iter().map(|(_, port)| port.name.as_str()).collect()),
        });
    };
    let token = graph
        .inputs()
        .find(|(_, name, role)| *name == input.name && *role == Role::Input);
    let logits = (graph.results_of(ResultKind::Output)).find(|result| result.name == output.name);
    match (token, logits) {
        (Some((token, ..)), Some(logits)) => Ok(Seed {
            token,
            logits: logits.node,
            axis: AxisId::from_index(input.axes[0] + 1),
        }),
        _ => Err(GenerateError::NoToken {
            model: signature.model.to_owned(),
            inputs: input.name.clone(),
            outputs: output.name.clone(),
        }),
    }
}
