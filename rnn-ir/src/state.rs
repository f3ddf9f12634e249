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
//! The number of the step is a state too where an equation reads it: `t` becomes `t + where(fresh, 0, state.t)`, and how many
//! steps there were is a result.
//!
//! **Invariant:** with `fresh` true everywhere the results are those of the graph without carried state.

mod steps;

use crate::axis::{AxisId, Domain};
use crate::graph::{Graph, ResultKind};
use crate::id::SideTable;
use crate::node::{DType, NodeId, Shape, Type};
use crate::op::{Op, Position, Role};
use crate::rewrite::Rebuild;
use crate::typing::TypeError;
use steps::Steps;

/// The name of the input that says which examples start here.
pub const FRESH: &str = "fresh";

/// A value that is carried from step to step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    /// The name of the equation, and how many steps back when more than one: `lstm.h`, `x_lag2`. Of a number of steps, that
    /// of its axis: `t`.
    pub name: String,
    /// The time axis along which it is carried.
    pub axis: AxisId,
    /// The node that reads it: a shift, or the number of the step.
    pub node: NodeId,
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

/// The states of a graph, in the order of its shifts, each value once; then the numbers of steps that equations read.
///
/// A value that no equation names (it is an expression of several) is called `carry1`, `carry2`, ...
pub fn carried(graph: &Graph) -> Vec<Carried> {
    carried_with(graph, &Steps::new(graph))
}

fn carried_with(graph: &Graph, steps: &Steps) -> Vec<Carried> {
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
                node: id,
                shape,
                dtype,
            });
        }
    }
    let numbers = steps.counted().iter().map(|(axis, node)| Carried {
        name: graph.axes[*axis].name.clone(),
        axis: *axis,
        node: *node,
        shape: Shape::scalar(),
        dtype: DType::Real,
    });
    states.extend(numbers);
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
    let steps = Steps::new(graph);
    let states = carried_with(graph, &steps);
    if states.is_empty() {
        return Ok(graph.clone());
    }
    let varies = depends_on(graph, &states, &steps);
    let mut carrying = Carrying::new(Rebuild::new(graph), states, steps)?;
    for (id, node) in graph.nodes.iter() {
        let mut ty = node.ty.clone();
        if varies[id] {
            ty.domain = ty.domain.union(Domain::BATCH);
        }
        let new = carrying.node(id, &ty)?;
        carrying.r.put(id, new)?;
    }
    carrying.r.close()?;
    carrying.results()?;
    Ok(carrying.r.finish())
}

// A graph being rebuilt, and what it starts from.
struct Carrying<'g> {
    r: Rebuild<'g>,
    states: Vec<Carried>,
    // What each state that was met starts from.
    starts: Vec<Start>,
    steps: Steps,
    // Numbers of steps as they are in a piece.
    own: SideTable<NodeId, Option<NodeId>>,
    fresh: NodeId,
}

struct Start {
    state: usize,
    given: NodeId,
    start: NodeId,
    // What is shifted; none of a number of steps.
    shifted: Option<NodeId>,
}

impl<'g> Carrying<'g> {
    fn new(mut r: Rebuild<'g>, states: Vec<Carried>, steps: Steps) -> Result<Self, TypeError> {
        let flag = Type {
            domain: Domain::BATCH,
            shape: Shape::scalar(),
            dtype: DType::Bool,
        };
        let fresh = r.new.input(FRESH, Role::Fresh, flag)?;
        Ok(Self {
            own: SideTable::filled(None, r.old.nodes.len()),
            r,
            states,
            starts: Vec::new(),
            steps,
            fresh,
        })
    }

    // The node over carried states; `ty` is the type that it has with them.
    fn node(&mut self, id: NodeId, ty: &Type) -> Result<NodeId, TypeError> {
        let graph = self.r.old;
        match graph.nodes[id].op {
            Op::Shift {
                axis,
                by,
                x,
                boundary,
            } => {
                let state = (self.states.iter()).position(|state| reads(graph, id, state));
                let boundary = boundary.map(|boundary| self.r.at(boundary));
                let boundary = match state {
                    Some(state) => Some(self.start(state, boundary, x, ty)?),
                    None => boundary,
                };
                self.r.keep_shift(ty, (axis, by), x, boundary)
            }
            // What it repeats may vary over the batch by itself now.
            Op::Broadcast { x, axes } if !self.steps.is_number(id) => {
                let x = self.r.at(x);
                self.r.new.broadcast(x, axes)
            }
            _ if self.steps.is_number(id) => self.number(id),
            Op::Mix(a, b) => {
                let [a, b] = [a, b].map(|key| self.own[key].unwrap_or_else(|| self.r.at(key)));
                self.r.new.push(Op::Mix(a, b), None)
            }
            _ => self.r.keep(id),
        }
    }

    // The value of a state before the first step.
    fn start(
        &mut self,
        state: usize,
        boundary: Option<NodeId>,
        shifted: NodeId,
        ty: &Type,
    ) -> Result<NodeId, TypeError> {
        let Carried {
            name, shape, dtype, ..
        } = self.states[state].clone();
        let known = self.starts.iter().find(|known| known.state == state);
        let given = match known {
            Some(known) => known.given,
            None => {
                let ty = Type {
                    domain: Domain::BATCH,
                    ..ty.clone()
                };
                (self.r.new).input(format!("state.{name}"), Role::State, ty)?
            }
        };
        let start = match boundary {
            Some(boundary) => boundary,
            None if dtype == DType::Index => self.r.new.tokens(0, shape),
            None => self.r.new.constant(0.0, shape),
        };
        let start = self.r.new.select(self.fresh, start, given)?;
        if self.starts.iter().all(|known| known.state != state) {
            let shifted = Some(shifted);
            self.starts.push(Start {
                state,
                given,
                start,
                shifted,
            });
        }
        Ok(start)
    }

    // An expression of numbers of steps: as it is in a piece, and counted over all pieces where that is another value.
    fn number(&mut self, id: NodeId) -> Result<NodeId, TypeError> {
        let graph = self.r.old;
        let node = &graph.nodes[id];
        let mut op = node.op.clone();
        op.map_operands(&mut |operand| {
            self.own[operand].expect("operands are rebuilt before their users")
        });
        let own = self.r.new.push(op, Some(&node.ty))?;
        self.own[id] = Some(own);
        if !self.steps.differs(graph, id) {
            return Ok(own);
        }
        if let Op::Step(axis) = node.op {
            let start = self.steps_before(axis)?;
            return self.r.new.add(own, start);
        }
        if let Op::Broadcast { x, axes } = node.op {
            let x = self.r.at(x);
            return self.r.new.broadcast(x, axes);
        }
        let mut op = node.op.clone();
        op.map_operands(&mut |operand| self.r.at(operand));
        self.r.new.push(op, None)
    }

    // How many steps of an axis there were before the piece.
    fn steps_before(&mut self, axis: AxisId) -> Result<NodeId, TypeError> {
        let counts = |state: &Carried| {
            state.axis == axis && matches!(self.r.old.nodes[state.node].op, Op::Step(_))
        };
        let state = (self.states.iter().position(counts)).expect("counted axes have a state");
        if let Some(known) = self.starts.iter().find(|known| known.state == state) {
            return Ok(known.start);
        }
        let name = format!("state.{}", self.states[state].name);
        let ty = Type::real(Domain::BATCH, Shape::scalar());
        let given = self.r.new.input(name, Role::State, ty)?;
        let zero = self.r.new.constant(0.0, Shape::scalar());
        let start = self.r.new.select(self.fresh, zero, given)?;
        self.starts.push(Start {
            state,
            given,
            start,
            shifted: None,
        });
        Ok(start)
    }

    // What the next piece starts from.
    fn results(&mut self) -> Result<(), TypeError> {
        for Start {
            state,
            start,
            shifted,
            ..
        } in std::mem::take(&mut self.starts)
        {
            let Carried { name, axis, .. } = self.states[state].clone();
            let last = match shifted {
                Some(x) => {
                    let value = self.r.at(x);
                    (self.r.new).at(value, axis, Position::Last, Some(start))?
                }
                None => {
                    let steps = self.r.new.length(axis)?;
                    self.r.new.add(start, steps)?
                }
            };
            self.r.new.result(ResultKind::State, name, last);
        }
        Ok(())
    }
}

// Whether a shift reads this state: the same chain back to the same equation.
fn reads(graph: &Graph, id: NodeId, state: &Carried) -> bool {
    let Op::Shift { axis, by: -1, .. } = graph.nodes[id].op else {
        return false;
    };
    axis == state.axis && origin(graph, id, axis) == origin(graph, state.node, axis)
}

// The nodes whose value depends on a carried state: they differ between examples from then on.
fn depends_on(graph: &Graph, states: &[Carried], steps: &Steps) -> SideTable<NodeId, bool> {
    let mut depends = SideTable::filled(false, graph.nodes.len());
    let mut changed = true;
    while std::mem::take(&mut changed) {
        for (id, node) in graph.nodes.iter() {
            if steps.is_number(id) {
                depends[id] = steps.differs(graph, id);
                continue;
            }
            let mut now = states.iter().any(|state| reads(graph, id, state));
            // Random numbers are keyed by the step of the piece.
            let drawn = matches!(node.op, Op::Mix(..));
            node.op.each_operand(|operand| {
                now |= depends[operand] && !(drawn && steps.is_number(operand));
            });
            changed |= now && !depends[id];
            depends[id] |= now;
        }
    }
    depends
}
