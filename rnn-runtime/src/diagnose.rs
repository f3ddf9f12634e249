//! Where a loss that is not finite comes from.
//!
//! The equations are compiled once more, as they were written and with every value kept, and run on the first example
//! whose loss is not finite. The culprit is the first value that is not finite although all it is computed from is. The
//! reference interpreter would not do: it computes in `f64`, where `f32` overflows it does not.
//!
//! **Invariant:** this runs on the failing path alone, and changes nothing.

use std::borrow::Cow;

use rnn_ir::autodiff::LOSS;
use rnn_ir::axis::AxisId;
use rnn_ir::graph::{Graph, GraphResult, ResultKind};
use rnn_ir::id::{Id, SideTable};
use rnn_ir::interp::equation_of;
use rnn_ir::node::{DType, NodeId};
use rnn_ir::op::{Op, Over};
use rnn_ir::random::mode::Mode;
use rnn_ir::rewrite::drop_unreachable;
use rnn_ir::schedule::Schedule;
use rnn_ir::verify::verify;
use rnn_jit::CallShape;

use crate::call::{Call, Data, Room, Seeds, place_of};
use crate::compiled::Inner;
use crate::error::{CallError, NonFiniteError, Origin, Place};
use crate::pipeline::{Program, fed_model, of_mode};
use crate::routine::Routine;
use crate::signature::{Port, Signature};

/// Finds the first value that is not finite.
pub(crate) fn diagnose(
    inner: &Inner,
    params: &[Cow<'_, [f32]>],
    call: &Call<'_>,
    loss: f32,
) -> Result<NonFiniteError, CallError> {
    let signature = &inner.signature;
    let report = |origin, name: &str, place, value: f32| NonFiniteError {
        loss,
        origin,
        name: name.to_owned(),
        written: None,
        place,
        value: f64::from(value),
    };
    for (spec, values) in signature.params.iter().zip(params) {
        if let Some(bad) = values.iter().find(|value| !value.is_finite()) {
            return Ok(report(Origin::Param, &spec.name, Place::default(), *bad));
        }
    }
    for (port, data) in signature.inputs.iter().zip(&call.inputs) {
        if let Some((place, bad)) = data
            .as_ref()
            .and_then(|data| first(signature, port, data, call))
        {
            return Ok(report(Origin::Input, &port.name, place, bad));
        }
    }
    for (port, data) in signature.states.iter().zip(&call.states) {
        let found = first(signature, port, data, call);
        let continues = |place: &Place| place.example.is_some_and(|example| !call.fresh[example]);
        if let Some((place, bad)) = found.filter(|(place, _)| continues(place)) {
            return Ok(report(Origin::State, &port.name, place, bad));
        }
    }
    let routine = inner.program(Program::Loss, call.fed())?;
    let losses = routine.with_workspace(|workspace| {
        routine.run(workspace, params, call)?;
        inner.example_losses(routine, workspace, call)
    })?;
    let unknown = || report(Origin::Unknown, LOSS, Place::default(), loss);
    let Some(example) = losses.iter().position(|loss| !loss.is_finite()) else {
        return Ok(unknown());
    };
    let one = only(signature, call, example);
    let Some(trace) = Trace::run(inner, params, &one)? else {
        return Ok(unknown());
    };
    let Some((node, steps, value)) = trace.origin() else {
        return Ok(unknown());
    };
    let equation = equation_of(&trace.graph, node);
    let written = trace.graph.nodes[node]
        .loc
        .or(trace.graph.nodes[equation].loc);
    let name = trace.graph.nodes[equation].name.clone();
    let axes = trace.graph.nodes[node].ty.domain.time_axes();
    let named = axes.zip(&steps).map(|(axis, step)| {
        let name = trace.graph.axes[axis].name.clone();
        (name, step + 1)
    });
    let place = Place {
        steps: named.collect(),
        example: Some(example),
    };
    Ok(NonFiniteError {
        written: written.map(|loc| trace.graph.place(loc)),
        ..report(
            Origin::Equation,
            &name.unwrap_or_else(|| equation.to_string()),
            place,
            value,
        )
    })
}

// The first element of a value that is given and is not finite, within the length of its example.
fn first(
    signature: &Signature,
    port: &Port,
    data: &Data<'_>,
    call: &Call<'_>,
) -> Option<(Place, f32)> {
    let Data::Real(values) = data else {
        return None;
    };
    let width = port.width().max(1);
    let bad = values
        .iter()
        .enumerate()
        .filter(|(_, value)| !value.is_finite());
    bad.map(|(at, value)| (place_of(signature, port, at / width, &call.shape), *value))
        .find(|(place, _)| {
            let example = place.example.unwrap_or(0);
            let mut steps = port.axes.iter().zip(&place.steps);
            steps.all(|(axis, (_, step))| !port.batch || *step <= call.length(*axis, example))
        })
}

// The call of one example alone.
fn only<'c>(signature: &Signature, call: &Call<'c>, example: usize) -> Call<'c> {
    let batch = call.shape.batch;
    let row = |port: &Port, data: &Data<'c>| match data {
        _ if !port.batch => data.clone(),
        Data::Real(values) => Data::Real(Cow::Owned(column(values, batch, port.width(), example))),
        Data::Index(values) => {
            Data::Index(Cow::Owned(column(values, batch, port.width(), example)))
        }
        Data::Bool(values) => Data::Bool(Cow::Owned(column(values, batch, port.width(), example))),
    };
    let inputs = signature.inputs.iter().zip(&call.inputs);
    let states = signature.states.iter().zip(&call.states);
    let teachers = signature.teachers.iter().zip(&call.teachers);
    let axes = 0..signature.axes.len();
    Call {
        shape: CallShape {
            batch: 1,
            steps: call.shape.steps.clone(),
            lengths: axes
                .map(|axis| vec![u32::try_from(call.length(axis, example)).unwrap_or(u32::MAX)])
                .collect(),
            limit: None,
        },
        inputs: inputs
            .map(|(port, data)| data.as_ref().map(|data| row(port, data)))
            .collect(),
        states: states.map(|(port, data)| row(port, data)).collect(),
        fresh: vec![call.fresh[example]],
        teachers: teachers.map(|(port, data)| row(port, data)).collect(),
        weights: vec![1.0],
        weight: 1,
        seeds: (call.seeds.as_ref()).map(|all| all.of(example..example + 1, Seeds::default())),
        among: None,
        room: Room::default(),
    }
}

fn column<T: Copy>(values: &[T], batch: usize, width: usize, example: usize) -> Vec<T> {
    let blocks = values.chunks_exact((batch * width).max(1));
    blocks
        .flat_map(|block| block[example * width..(example + 1) * width].to_vec())
        .collect()
}

/// Every value of one example.
struct Trace {
    graph: Graph,
    shape: CallShape,
    /// `[steps.., features..]` of each node that was kept.
    values: SideTable<NodeId, Option<Vec<f32>>>,
}

type Bad = fn(f32) -> bool;

impl Trace {
    fn run(
        inner: &Inner,
        params: &[Cow<'_, [f32]>],
        call: &Call<'_>,
    ) -> Result<Option<Self>, CallError> {
        // A graph that was compiled before can be compiled again; if not, there is nothing to trace.
        let mode = match call.seeds {
            Some(_) => Mode::Training,
            None => Mode::Inference,
        };
        let bound = of_mode(&inner.bound, mode);
        let Some(mut graph) = bound
            .ok()
            .and_then(|bound| fed_model(&bound, call.fed()).ok())
        else {
            return Ok(None);
        };
        graph
            .results
            .retain(|result| result.kind == ResultKind::Loss);
        let mut graph = drop_unreachable(graph);
        let kept = |id: &NodeId| {
            let node = &graph.nodes[*id];
            node.ty.dtype == DType::Real && !matches!(node.op, Op::Input { .. } | Op::Param { .. })
        };
        let kept: Vec<NodeId> = graph.nodes.ids().filter(kept).collect();
        let result = |node: &NodeId| GraphResult {
            kind: ResultKind::Output,
            name: node.to_string(),
            node: *node,
        };
        graph.results = kept.iter().map(result).collect();
        let Ok(schedule) = verify(graph).map(Schedule::new) else {
            return Ok(None);
        };
        let Ok(schedule) = schedule else {
            return Ok(None);
        };
        let mut options = inner.options.jit("diagnosis");
        options.profile = false;
        let routine = Routine::traced(&inner.signature, schedule, options)?;
        let graph = Graph::clone(routine.executable.graph());
        let mut values = SideTable::filled(None, graph.nodes.len());
        routine.with_workspace(|workspace| {
            routine.run(workspace, params, call)?;
            for node in &kept {
                if routine.executable.has_memory(*node) {
                    let mut out = vec![0.0; routine.executable.elements(workspace, *node)?];
                    routine.executable.read_reals(workspace, *node, &mut out)?;
                    values[*node] = Some(out);
                }
            }
            Ok(())
        })?;
        Ok(Some(Self {
            graph,
            shape: call.shape.clone(),
            values,
        }))
    }

    // The first value that is not finite and made of values that are; of numbers that are not NaN, failing that.
    fn origin(&self) -> Option<(NodeId, Vec<usize>, f32)> {
        let infinite: Bad = |value| !value.is_finite();
        self.made(infinite).or_else(|| self.made(f32::is_nan))
    }

    fn made(&self, bad: Bad) -> Option<(NodeId, Vec<usize>, f32)> {
        let mut found: Option<(NodeId, Vec<usize>, f32)> = None;
        for (id, node) in self.graph.nodes.iter() {
            let Some(values) = &self.values[id] else {
                continue;
            };
            let by_definition = match node.op {
                Op::Const(_) => true,
                Op::AxisReduce {
                    kind: Over::Max, ..
                } => values.contains(&f32::NEG_INFINITY),
                _ => false,
            };
            if by_definition {
                continue;
            }
            let axes: Vec<AxisId> = node.ty.domain.time_axes().collect();
            for (row, block) in values.chunks_exact(self.width(id)).enumerate() {
                let Some(value) = block.iter().copied().find(|value| bad(*value)) else {
                    continue;
                };
                let steps = self.steps_of(&axes, row);
                let fixed: Vec<_> = axes.iter().copied().zip(steps.iter().copied()).collect();
                let good = node.op.operands().into_iter().all(|operand| {
                    !self.is_bad(operand, &self.at_operand(&node.op, operand, &fixed), bad)
                });
                // Of several culprits, the one at the earliest step.
                let earlier = found.as_ref().is_none_or(|(_, known, _)| steps < *known);
                if good && earlier {
                    found = Some((id, steps, value));
                    break;
                }
            }
        }
        found
    }

    fn width(&self, id: NodeId) -> usize {
        let sizes = self.graph.nodes[id].ty.shape.sizes().unwrap_or_default();
        sizes.iter().product::<usize>().max(1)
    }

    fn steps_of(&self, axes: &[AxisId], row: usize) -> Vec<usize> {
        let mut rest = row;
        let mut steps = vec![0; axes.len()];
        for (step, axis) in steps.iter_mut().zip(axes).rev() {
            let size = self.shape.steps[axis.index() - 1].max(1);
            *step = rest % size;
            rest /= size;
        }
        steps
    }

    // The steps at which an operand is read: those of its reader, but for what a shift shifts.
    fn at_operand(
        &self,
        op: &Op,
        operand: NodeId,
        fixed: &[(AxisId, usize)],
    ) -> Option<Vec<(AxisId, usize)>> {
        let Op::Shift {
            axis,
            by,
            x,
            boundary,
        } = op
        else {
            return Some(fixed.to_vec());
        };
        let mut fixed = fixed.to_vec();
        let at = fixed.iter().position(|(known, _)| known == axis)?;
        let length = self.shape.lengths[axis.index() - 1]
            .first()
            .map_or(0, |length| *length as usize);
        let step = fixed[at].1.checked_add_signed(*by as isize);
        match step.filter(|step| *step < length) {
            Some(step) if operand == *x => fixed[at].1 = step,
            None if Some(operand) == *boundary => {}
            _ => return None,
        }
        Some(fixed)
    }

    // Whether a value has a bad element at these steps; at any step of the axes that are not among them.
    fn is_bad(&self, id: NodeId, fixed: &Option<Vec<(AxisId, usize)>>, bad: Bad) -> bool {
        let Some(fixed) = fixed else {
            return false;
        };
        let node = &self.graph.nodes[id];
        let Some(values) = &self.values[id] else {
            return node.op.operands().into_iter().any(|operand| {
                self.is_bad(operand, &self.at_operand(&node.op, operand, fixed), bad)
            });
        };
        let axes: Vec<AxisId> = node.ty.domain.time_axes().collect();
        let rows = values.chunks_exact(self.width(id)).enumerate();
        rows.filter(|(_, block)| block.iter().any(|value| bad(*value)))
            .any(|(row, _)| {
                let steps = self.steps_of(&axes, row);
                axes.iter().zip(steps).all(|(axis, step)| {
                    let wanted = fixed.iter().find(|(known, _)| known == axis);
                    wanted.is_none_or(|(_, wanted)| *wanted == step)
                })
            })
    }
}
