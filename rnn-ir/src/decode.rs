//! Decoding: the step of a loop whose last token somebody else chooses.
//!
//! [`split`] divides a system with carried states in two. What depends on the last token is computed anew at each step
//! ([`Decoding::step`]); all else is known before the first one ([`Decoding::before`]) and becomes an input of the step: an encoder
//! runs once, however many steps its decoder takes.
//!
//! **Invariant:** the step has carried states as [`carry_state`](crate::state::carry_state) makes them, and reads the last
//! token as an input.

use crate::axis::{AxisId, Domain, Extent};
use crate::feedback::{Choice, decided, feedbacks};
use crate::graph::{Graph, GraphResult, ResultKind};
use crate::id::SideTable;
use crate::node::{DType, Node, NodeId};
use crate::op::{Binary, Op, Role};
use crate::rewrite::{Rebuild, drop_unreachable};
use crate::typing::TypeError;

/// The name of the output of [`Decoding::step`] that the next token is drawn from.
pub const LOGITS: &str = "logits";
/// The name of the output of [`Decoding::before`] that is the first token.
pub const FIRST: &str = "first";
/// What the names of values start with that are known before the first step.
pub const BEFORE: &str = "before.";

/// A system divided by what depends on the last token.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoding {
    /// What is known before the first step.
    pub before: Graph,
    /// One step: from the last token, the states and what is known, to logits and states.
    pub step: Graph,
    /// The input of the step that is the last token.
    pub token: String,
    /// The axis of the loop.
    pub axis: AxisId,
}

/// Why a system cannot be decoded step by step.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DecodeError {
    /// More than one value is fed back.
    #[error("{count} values are fed back, and one token is chosen at a time")]
    Several {
        /// How many.
        count: usize,
    },
    /// What is fed back is no token that has a distribution.
    #[error(
        "`{name}` feeds back a value that is no `argmax(..)`, so there is no distribution to draw it from"
    )]
    NoDistribution {
        /// What is fed back.
        name: String,
    },
    /// A step does not suffice.
    #[error("equation `{equation}` needs more than one step of `{axis}` at a time")]
    NotCausal {
        /// The equation.
        equation: String,
        /// The axis.
        axis: String,
    },
    /// A rewrite broke a type rule: an error of this crate.
    #[error(transparent)]
    Type(#[from] TypeError),
}

/// What a step reads of the one before, and what the next token is drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed {
    /// The last token.
    pub token: NodeId,
    /// Logits over all tokens.
    pub logits: NodeId,
    /// The axis of the loop.
    pub axis: AxisId,
}

/// The seed of a system that feeds back a token of its own; `None` if it feeds back nothing.
///
/// # Errors
/// Several values that are fed back, or one that is not drawn from a distribution.
pub fn seed(graph: &Graph) -> Result<Option<Seed>, DecodeError> {
    let fed = feedbacks(graph);
    let feedback = match fed.as_slice() {
        [] => return Ok(None),
        [one] => one,
        more => return Err(DecodeError::Several { count: more.len() }),
    };
    let nothing = || DecodeError::NoDistribution {
        name: (graph.nodes[feedback.value].name.clone())
            .unwrap_or_else(|| feedback.value.to_string()),
    };
    let mut own = feedback.own;
    while let Op::Broadcast { x, .. } = graph.nodes[own].op {
        own = x;
    }
    let logits = match graph.nodes[own].op {
        Op::ArgMax(logits) if graph.nodes[logits].ty.shape.rank() == 1 => logits,
        _ => return Err(nothing()),
    };
    let mut shifts = graph.nodes.iter().filter_map(|(id, node)| match node.op {
        Op::Shift { x, axis, .. } if x == feedback.value => Some((id, axis)),
        _ => None,
    });
    let (token, axis) = shifts.next().ok_or_else(nothing)?;
    Ok(Some(Seed {
        token,
        logits,
        axis,
    }))
}

/// Divides a system with carried states.
///
/// # Errors
/// What the step needs of later steps, or of all of them.
pub fn split(graph: &Graph, seed: Seed) -> Result<Decoding, DecodeError> {
    let is_fed = matches!(graph.nodes[seed.token].op, Op::Shift { .. });
    let mut depends = depends_on(graph, seed.token);
    if !is_fed {
        // How many steps there will be is not known beforehand: all but what is given is computed as they come.
        for (id, node) in graph.nodes.iter() {
            let given = matches!(node.op, Op::Input { .. });
            depends[id] |= !given && node.ty.domain.contains(seed.axis);
        }
    }
    let in_step = step_nodes(graph, seed, &depends, is_fed)?;
    let token = match &graph.nodes[seed.token].op {
        Op::Input { name, .. } => name.clone(),
        Op::Shift { x, .. } => (graph.nodes[*x].name.clone()).unwrap_or_else(|| "token".to_owned()),
        _ => "token".to_owned(),
    };
    let mut old = graph.clone();
    let state_is_in =
        |result: &GraphResult| result.kind == ResultKind::State && in_step[result.node];
    old.results.retain(state_is_in);
    old.results.insert(0, output(LOGITS, seed.logits));
    if let Extent::Fixed(_) = old.axes[seed.axis].extent {
        let length = format!("T_{}", old.axes[seed.axis].name);
        old.axes[seed.axis].extent = Extent::Length(length);
    }
    let mut known = Vec::new();
    let mut r = Rebuild::new(&old);
    for (id, node) in old.nodes.iter() {
        let new = if id == seed.token && is_fed {
            r.new.input(token.clone(), Role::Input, node.ty.clone())?
        } else if in_step[id] {
            r.keep(id)?
        } else if is_read(&old, id, &in_step, seed.token) {
            known.push(id);
            let name = format!("{BEFORE}{}", known.len());
            r.new.input(name, Role::Input, node.ty.clone())?
        } else {
            continue;
        };
        r.put(id, new)?;
    }
    r.close()?;
    let step = r.finish();
    let mut before = graph.clone();
    before.results.clear();
    for (at, id) in known.into_iter().enumerate() {
        before
            .results
            .push(output(&format!("{BEFORE}{}", at + 1), id));
    }
    if let Op::Shift {
        boundary: Some(first),
        ..
    } = graph.nodes[seed.token].op
    {
        before.results.push(output(FIRST, first));
    }
    Ok(Decoding {
        before: decided(&drop_unreachable(before), Choice::Own)?,
        step,
        token,
        axis: seed.axis,
    })
}

fn output(name: &str, node: NodeId) -> GraphResult {
    GraphResult {
        kind: ResultKind::Output,
        name: name.to_owned(),
        node,
    }
}

// Whether a node of the step reads a value.
fn is_read(graph: &Graph, id: NodeId, in_step: &SideTable<NodeId, bool>, token: NodeId) -> bool {
    graph
        .nodes
        .iter()
        .any(|(user, node)| in_step[user] && user != token && node.op.operands().contains(&id))
}

fn depends_on(graph: &Graph, token: NodeId) -> SideTable<NodeId, bool> {
    let mut depends = SideTable::filled(false, graph.nodes.len());
    depends[token] = true;
    let mut changed = true;
    while std::mem::take(&mut changed) {
        for (id, node) in graph.nodes.iter() {
            if !depends[id] {
                node.op
                    .each_operand(|operand| depends[id] |= depends[operand]);
                changed |= depends[id];
            }
        }
    }
    depends
}

// The nodes that are computed at each step: what depends on the token, the states that it reads, and what costs less to
// repeat than to keep, or cannot be an input.
fn step_nodes(
    graph: &Graph,
    seed: Seed,
    depends: &SideTable<NodeId, bool>,
    is_fed: bool,
) -> Result<SideTable<NodeId, bool>, DecodeError> {
    // `where(fresh, start, state)`
    let force = |forced: &mut Vec<NodeId>, start: NodeId| {
        forced.push(start);
        if let Op::Select(_, _, state) = graph.nodes[start].op {
            forced.push(state);
        }
    };
    let mut in_step = SideTable::filled(false, graph.nodes.len());
    let mut work = vec![seed.logits];
    let mut forced: Vec<NodeId> = vec![seed.logits];
    while let Some(id) = work.pop() {
        if in_step[id] {
            continue;
        }
        let node = &graph.nodes[id];
        let along = |axis: AxisId| axis == seed.axis;
        let open = !is_fed && matches!(node.op, Op::Length(axis) if along(axis));
        let repeated = node.ty.domain == Domain::NONE
            || node.ty.dtype == DType::Bool
            || matches!(node.op, Op::Broadcast { .. });
        if !depends[id] && !repeated && !forced.contains(&id) && !open {
            continue;
        }
        in_step[id] = true;
        if id == seed.token {
            continue;
        }
        let blocked = match &node.op {
            Op::Shift { axis, by, .. } => along(*axis) && *by != -1,
            Op::AxisReduce { axes, .. } => axes.contains(seed.axis),
            Op::At { axis, .. } | Op::Place { axis, .. } => along(*axis),
            _ => false,
        };
        if (blocked && depends[id]) || open {
            return Err(DecodeError::NotCausal {
                equation: node.name.clone().unwrap_or_else(|| id.to_string()),
                axis: graph.axes[seed.axis].name.clone(),
            });
        }
        if let Op::Shift {
            axis,
            boundary: Some(boundary),
            ..
        } = node.op
            && along(axis)
        {
            force(&mut forced, boundary);
        }
        // `t + where(fresh, 0, state.t)`
        if let Op::Binary(Binary::Add, step, start) = node.op
            && depends[id]
            && matches!(graph.nodes[step].op, Op::Step(axis) if along(axis))
        {
            force(&mut forced, start);
        }
        work.extend(node.op.operands());
    }
    // The last value of each state that the step carries, and how many steps there were.
    for result in graph.results_of(ResultKind::State) {
        match graph.nodes[result.node].op {
            Op::At {
                x,
                boundary: Some(start),
                ..
            } => {
                let read = |(id, node): (NodeId, &Node)| {
                    in_step[id]
                        && id != seed.token
                        && matches!(node.op, Op::Shift { x: shifted, axis, .. } if shifted == x && axis == seed.axis)
                };
                in_step[result.node] |=
                    in_step[x] && in_step[start] && graph.nodes.iter().any(read);
            }
            Op::Binary(Binary::Add, start, length)
                if in_step[start]
                    && matches!(graph.nodes[length].op, Op::Length(axis) if axis == seed.axis) =>
            {
                in_step[length] = true;
                in_step[result.node] = true;
            }
            _ => {}
        }
    }
    Ok(in_step)
}
