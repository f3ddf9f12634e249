//! Carried state: what a causal model remembers between one step and the next.
//!
//! Every `x[t-1]` is a state: the value of `x` after the last step so far. [`carry_state`] makes them explicit, so that
//! a long sequence can be run in pieces, one step at a time, or restarted for some rows of the batch. The boundary of
//! each shift becomes
//!
//! ```text
//! x[0] = where(fresh, boundary, state.x)
//! ```
//!
//! with `fresh` true for an example that starts here, and the value after the last step becomes a result. An example of
//! length zero keeps its state.
//!
//! **Invariant:** with `fresh` true everywhere the results are those of the graph without carried state.

use crate::axis::{AxisId, Domain};
use crate::graph::{Graph, ResultKind};
use crate::id::SideTable;
use crate::node::{DType, NodeId, Shape, Type};
use crate::op::{Op, Position, Role};
use crate::rewrite::Rebuild;
use crate::typing::TypeError;

/// The name of the input that says which examples start here.
pub const FRESH: &str = "fresh";

/// A value that is carried from step to step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    /// The name of the equation, and how many steps back when more than one: `lstm.h`, `x_lag2`.
    pub name: String,
    /// The time axis along which it is carried.
    pub axis: AxisId,
    /// The shift that reads it.
    pub shift: NodeId,
    /// Its shape.
    pub shape: Shape,
    /// Its kind of element.
    pub dtype: DType,
}

// The equation that a chain of backward shifts along one axis starts from, and the length of the chain.
fn origin(graph: &Graph, shift: NodeId, along: AxisId) -> (NodeId, usize) {
    let (mut node, mut lag) = (shift, 0);
    while let Op::Shift {
        axis, by: -1, x, ..
    } = graph.nodes[node].op
    {
        if axis != along || lag > graph.nodes.len() {
            break;
        }
        (node, lag) = (x, lag + 1);
    }
    (node, lag)
}

/// The states of a graph, in the order of its shifts; each value once.
///
/// A value that no equation names (it is an expression of several) is called `carry1`, `carry2`, ...
pub fn carried(graph: &Graph) -> Vec<Carried> {
    let mut states: Vec<Carried> = Vec::new();
    let mut anonymous = 0;
    for (id, node) in graph.nodes.iter() {
        let Op::Shift { axis, by: -1, .. } = node.op else {
            continue;
        };
        if node.ty.domain.minus(Domain::BATCH).minus(Domain::of(axis)) != Domain::NONE {
            continue; // varies over another time axis too: not the state of one step
        }
        let (base, lag) = origin(graph, id, axis);
        let name = match graph.nodes[base].name.as_deref() {
            Some(name) if lag == 1 => name.to_owned(),
            Some(name) => format!("{name}_lag{lag}"),
            None => {
                anonymous += 1;
                format!("carry{anonymous}")
            }
        };
        if states.iter().all(|state| state.name != name) {
            let (shape, dtype) = (node.ty.shape.clone(), node.ty.dtype);
            states.push(Carried {
                name,
                axis,
                shift: id,
                shape,
                dtype,
            });
        }
    }
    states
}

/// The equations that look ahead (`b[t+1]`): a model that has one cannot run step by step.
pub fn looks_ahead(graph: &Graph) -> Vec<NodeId> {
    graph
        .nodes
        .iter()
        .filter(|(_, node)| matches!(node.op, Op::Shift { by, .. } if by > 0))
        .map(|(id, _)| id)
        .collect()
}

/// Makes every carried state an input and a result.
///
/// # Errors
/// None for a verified graph.
pub fn carry_state(graph: &Graph) -> Result<Graph, TypeError> {
    let states = carried(graph);
    if states.is_empty() {
        return Ok(graph.clone());
    }
    let varies = depends_on(graph, &states);
    let mut r = Rebuild::new(graph);
    let flag = Type {
        domain: Domain::BATCH,
        shape: Shape::scalar(),
        dtype: DType::Bool,
    };
    let fresh = r.new.input(FRESH, Role::Fresh, flag)?;
    let mut starts: Vec<(String, NodeId, NodeId, NodeId, AxisId)> = Vec::new();
    for (id, node) in graph.nodes.iter() {
        let mut ty = node.ty.clone();
        if varies[id] {
            ty.domain = ty.domain.union(Domain::BATCH);
        }
        let new = match (
            &node.op,
            states.iter().find(|state| reads(graph, id, state)),
        ) {
            (
                Op::Shift {
                    axis,
                    by,
                    x,
                    boundary,
                },
                Some(state),
            ) => {
                let given = match starts.iter().find(|(name, ..)| *name == state.name) {
                    Some((_, given, ..)) => *given,
                    None => {
                        let ty = Type {
                            domain: Domain::BATCH,
                            ..ty.clone()
                        };
                        r.new
                            .input(format!("state.{}", state.name), Role::State, ty)?
                    }
                };
                let start = match boundary {
                    Some(boundary) => r.at(*boundary),
                    None if state.dtype == DType::Index => r.new.token(0),
                    None => r.new.constant(0.0, state.shape.clone()),
                };
                let start = r.new.select(fresh, start, given)?;
                if starts.iter().all(|(name, ..)| *name != state.name) {
                    starts.push((state.name.clone(), given, start, *x, *axis));
                }
                r.keep_shift(&ty, (*axis, *by), *x, Some(start))?
            }
            (
                Op::Shift {
                    axis,
                    by,
                    x,
                    boundary,
                },
                None,
            ) => {
                let boundary = boundary.map(|boundary| r.at(boundary));
                r.keep_shift(&ty, (*axis, *by), *x, boundary)?
            }
            _ => r.keep(id)?,
        };
        r.put(id, new)?;
    }
    r.close()?;
    for (name, _, start, x, axis) in starts {
        let value = r.at(x);
        let last = r.new.at(value, axis, Position::Last, Some(start))?;
        r.new.result(ResultKind::State, name, last);
    }
    Ok(r.finish())
}

// Whether a shift reads this state: the same chain back to the same equation.
fn reads(graph: &Graph, id: NodeId, state: &Carried) -> bool {
    let Op::Shift { axis, by: -1, .. } = graph.nodes[id].op else {
        return false;
    };
    axis == state.axis && origin(graph, id, axis) == origin(graph, state.shift, axis)
}

// The nodes whose value depends on a carried state: they differ between examples from then on.
fn depends_on(graph: &Graph, states: &[Carried]) -> SideTable<NodeId, bool> {
    let mut depends = SideTable::filled(false, graph.nodes.len());
    let mut changed = true;
    while std::mem::take(&mut changed) {
        for (id, node) in graph.nodes.iter() {
            let mut now = states.iter().any(|state| reads(graph, id, state));
            node.op.each_operand(|operand| now |= depends[operand]);
            changed |= now && !depends[id];
            depends[id] |= now;
        }
    }
    depends
}
