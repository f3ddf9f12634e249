//! Running a loop back: the states before a step from those after it, and what the step read.
//!
//! Equations are solved one at a time for a state that is not known yet. All but that state has to be known in it: given to
//! the loop, the value of a state after the step, or a state that was solved for before. So the leapfrog of an oscillator
//!
//! ```text
//! z[t] = z[t-1] - dt * f(y[t-1])        y[t-1] = y[t] - dt * z[t]
//! y[t] = y[t-1] + dt * z[t]             z[t-1] = z[t] + dt * f(y[t-1])
//! ```
//!
//! is solved from the bottom. In its equation a state may be added to, multiplied and divided by known values, and go through
//! `tanh`, `sigmoid`, `exp`, `ln` and `softplus`, each element for itself. What it is multiplied with is divided by; where
//! that cannot be shown never to be zero, it is a condition.
//!
//! The inverse is exact for real numbers. In floating point, dividing by a gate below one loses what the gate forgot.
//!
//! **Invariant:** an inverse is a graph whose recurrence runs the other way, and nothing in it depends on the loop.

use crate::autodiff::Terms;
use crate::axis::Domain;
use crate::bounds::is_never_zero;
use crate::builder::{Builder, Built};
use crate::components::Direction;
use crate::graph::{Graph, ResultKind, Verified};
use crate::id::SideTable;
use crate::node::{DType, NodeId, Type};
use crate::op::{Binary, Op, Role, Unary};
use crate::passes::counts::Counts;
use crate::passes::simplify::simplify;
use crate::recurrence::loops::Loop;
use crate::rewrite::drop_unreachable;
use crate::textbook::Expressions;
use crate::typing::TypeError;
use crate::verify::verify;

/// Whether the states before a step can be computed from those after it.
#[derive(Clone, Debug, PartialEq)]
pub enum Inverse {
    /// They can.
    Found {
        /// The equations: for each state an input `after.<state>`, its value after the last step, and an output
        /// `before.<state>`, its value before every step. What the loop read is computed as in the model.
        graph: Box<Verified>,
        /// What must not be zero, as it is written.
        nonzero: Vec<String>,
    },
    /// Not in closed form.
    Missing(Stop),
}

/// Where solving for the states before a step stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// At an operation that cannot be undone, or is not of known values but for one.
    At {
        /// The state that is not solved for, by its position.
        state: usize,
        /// The operation.
        at: NodeId,
    },
    /// Two states are all that an equation is left for: it cannot be solved for both.
    Lost {
        /// The state that is not solved for, by its position.
        state: usize,
    },
    /// A state is a token or a truth value.
    Kind {
        /// Its position.
        state: usize,
    },
    /// The loop is one over several axes, or looks back more than one step at once.
    Axes,
}

pub(super) fn inverse(graph: &Verified, of: &Loop) -> Inverse {
    let flat = |node: NodeId| {
        let time = graph.nodes[node].ty.domain.without(of.axis);
        time.time_axes().next().is_none()
    };
    for (state, carried) in of.states.iter().enumerate() {
        let Op::Shift { by, .. } = graph.nodes[carried.before].op else {
            unreachable!("states are read by shifts");
        };
        if by.abs() != 1 || !flat(carried.before) || !of.around.is_empty() {
            return Inverse::Missing(Stop::Axes);
        }
        if graph.nodes[carried.before].ty.dtype != DType::Real {
            return Inverse::Missing(Stop::Kind { state });
        }
    }
    match Solver::new(graph, of).and_then(Solver::solve) {
        Ok(found) => found,
        Err(error) => unreachable!("equations that are solved stay well typed: {error}"),
    }
}

// `factor * state + rest`.
struct Affine {
    /// Nothing where it is one.
    factor: Option<NodeId>,
    negative: bool,
    rest: Option<NodeId>,
}

struct Solver<'g> {
    graph: &'g Verified,
    of: &'g Loop,
    b: Builder,
    names: Vec<String>,
    /// Values on the way back, by the node of the model.
    known: SideTable<NodeId, Option<NodeId>>,
    /// Values after the step, by state.
    after: Vec<NodeId>,
    /// Values before the step, of states that are solved for.
    before: Vec<Option<NodeId>>,
    divisors: Vec<NodeId>,
    /// How many more nodes are looked at: sums of shared sums are looked at once for each path.
    patience: usize,
}

/// Nodes that are looked at before a loop counts as one that is not solved.
const PATIENCE: usize = 1 << 16;

impl<'g> Solver<'g> {
    fn new(graph: &'g Verified, of: &'g Loop) -> Result<Self, TypeError> {
        let mut start = Graph::clone(graph);
        start.results.clear();
        let mut b = Builder::extend(start);
        let names = of.names(graph);
        let by = match of.direction {
            Direction::Forward => 1,
            Direction::Reverse => -1,
        };
        let mut known = SideTable::filled(None, graph.nodes.len());
        let mut after = Vec::new();
        for (state, name) in of.states.iter().zip(&names) {
            let ty = &graph.nodes[state.after].ty;
            // Examples end at different steps, so on the way back they differ.
            let ty = Type {
                domain: ty.domain.union(Domain::BATCH),
                ..ty.clone()
            };
            let last = Type {
                domain: Domain::BATCH,
                ..ty.clone()
            };
            let last = b.input(format!("after.{name}"), Role::Input, last)?;
            let value = b.open_shift(&ty, of.axis, by, Some(last))?;
            known[state.after] = Some(value);
            after.push(value);
        }
        Ok(Self {
            graph,
            of,
            b,
            names,
            known,
            after,
            before: vec![None; of.states.len()],
            divisors: Vec::new(),
            patience: PATIENCE,
        })
    }

    fn solve(mut self) -> Result<Inverse, TypeError> {
        let states = 0..self.of.states.len();
        let mut used = vec![false; states.len()];
        let mut stops = vec![None; states.len()];
        let mut changed = true;
        while std::mem::take(&mut changed) {
            for equation in states
                .clone()
                .filter(|equation| !used[*equation])
                .collect::<Vec<_>>()
            {
                let start = self.of.states[equation].after;
                for state in states.clone() {
                    // What a failed attempt divided by is no condition.
                    let divisors = self.divisors.len();
                    if self.before[state].is_some() {
                        continue;
                    }
                    match self.free(start, self.after[equation], state)? {
                        Ok(value) => {
                            self.before[state] = Some(value);
                            used[equation] = true;
                            changed = true;
                            break;
                        }
                        Err(at) => {
                            self.divisors.truncate(divisors);
                            if equation == state {
                                stops[state] = Some(at);
                            }
                        }
                    }
                }
            }
        }
        match self.before.iter().position(Option::is_none) {
            None => self.finish(),
            Some(state) => Ok(Inverse::Missing(match stops[state] {
                Some(at) => Stop::At { state, at },
                None => Stop::Lost { state },
            })),
        }
    }

    fn finish(self) -> Result<Inverse, TypeError> {
        let Self {
            of, mut b, names, ..
        } = self;
        for ((value, after), name) in self.before.iter().flatten().zip(self.after).zip(&names) {
            let ty = b.ty(after).clone();
            let value = b.broadcast(*value, ty.domain)?;
            b.close(after, value)?;
            b.result(ResultKind::Output, format!("before.{name}"), value);
        }
        let conditions: Vec<NodeId> = {
            let divisors = self.divisors.into_iter();
            divisors
                .filter(|divisor| !is_never_zero(b.graph(), *divisor))
                .collect()
        };
        let graph = b.finish();
        let expressions = Expressions::of(&graph);
        let mut nonzero: Vec<String> = Vec::new();
        for condition in conditions {
            let text = expressions.value(condition);
            if !nonzero.contains(&text) {
                nonzero.push(text);
            }
        }
        drop(expressions);
        let graph = simplify(&drop_unreachable(graph), &mut Counts::default())?;
        let graph = verify(graph).unwrap_or_else(|violations| {
            unreachable!("an inverse along axis {} is valid: {violations:?}", of.axis)
        });
        Ok(Inverse::Found {
            graph: Box::new(graph),
            nonzero,
        })
    }

    /// The value of a node of the model on the way back, if it depends on what is known alone.
    fn value(&mut self, id: NodeId) -> Result<Option<NodeId>, TypeError> {
        if !self.of.contains(id) {
            return Ok(Some(id));
        }
        if let Some(known) = self.known[id] {
            return Ok(Some(known));
        }
        if let Some(state) = self.of.state(self.graph, id) {
            return Ok(self.before[state]);
        }
        let node = &self.graph.nodes[id];
        let mut values = Vec::new();
        for operand in node.op.operands() {
            match self.value(operand)? {
                Some(value) => values.push(value),
                None => return Ok(None),
            }
        }
        let mut op = node.op.clone();
        let mut next = values.into_iter();
        op.map_operands(&mut |operand| next.next().unwrap_or(operand));
        let value = match &op {
            // Values on the way back vary over the batch, and may do so already.
            Op::Broadcast { x, axes } => self.b.broadcast(*x, *axes)?,
            _ => self.b.push(op, None)?,
        };
        self.known[id] = Some(value);
        Ok(Some(value))
    }

    /// The state, from the value of a node that is computed from it. Otherwise the operation at which that ends.
    fn free(
        &mut self,
        start: NodeId,
        value: NodeId,
        state: usize,
    ) -> Result<Result<NodeId, NodeId>, TypeError> {
        let (mut at, mut value) = (start, value);
        loop {
            if let Some(Affine {
                factor,
                negative,
                rest,
            }) = self.affine(at, state, at == start)?
            {
                let mut found = match rest {
                    Some(rest) => self.b.sub(value, rest)?,
                    None => value,
                };
                if negative {
                    found = self.b.minus(found)?;
                }
                return Ok(Ok(match factor {
                    Some(factor) => self.divided(found, factor)?,
                    None => found,
                }));
            }
            let op = self.graph.nodes[at].op.clone();
            (at, value) = match op {
                Op::Unary(unary, x) => match self.undone(unary, value)? {
                    Some(value) => (x, value),
                    None => return Ok(Err(at)),
                },
                Op::StopGradient(x) => (x, value),
                Op::Transpose(x) => (x, self.b.transpose(value)?),
                Op::Binary(binary, a, b) => {
                    let (left, right) = (self.value(a)?, self.value(b)?);
                    match (binary, left, right) {
                        (Binary::Add, Some(known), None) => (b, self.b.sub(value, known)?),
                        (Binary::Add, None, Some(known)) => (a, self.b.sub(value, known)?),
                        (Binary::Sub, Some(known), None) => (b, self.b.sub(known, value)?),
                        (Binary::Sub, None, Some(known)) => (a, self.b.add(value, known)?),
                        (Binary::Mul, Some(known), None) => (b, self.divided(value, known)?),
                        (Binary::Mul, None, Some(known)) => (a, self.divided(value, known)?),
                        (Binary::Div, None, Some(known)) => (a, self.b.mul(value, known)?),
                        _ => return Ok(Err(at)),
                    }
                }
                _ => return Ok(Err(at)),
            };
        }
    }

    fn divided(&mut self, value: NodeId, by: NodeId) -> Built {
        self.divisors.push(by);
        self.b.div(value, by)
    }

    // `x` of `f(x)`, for a function that takes no value twice.
    fn undone(&mut self, unary: Unary, value: NodeId) -> Result<Option<NodeId>, TypeError> {
        let b = &mut self.b;
        let one = b.constant(1.0, b.shape(value).clone());
        Ok(Some(match unary {
            Unary::Neg => b.minus(value)?,
            // ln((1 + y) / (1 - y)) / 2
            Unary::Tanh => {
                let (above, below) = (b.add(one, value)?, b.sub(one, value)?);
                let ratio = b.div(above, below)?;
                let ln = b.unary(Unary::Ln, ratio)?;
                let half = b.constant(0.5, b.shape(value).clone());
                b.mul(half, ln)?
            }
            // ln(y / (1 - y))
            Unary::Sigmoid => {
                let below = b.sub(one, value)?;
                let ratio = b.div(value, below)?;
                b.unary(Unary::Ln, ratio)?
            }
            Unary::Exp => b.unary(Unary::Ln, value)?,
            Unary::Ln => b.unary(Unary::Exp, value)?,
            // ln(e^y - 1)
            Unary::Softplus => {
                let exp = b.unary(Unary::Exp, value)?;
                let less = b.sub(exp, one)?;
                b.unary(Unary::Ln, less)?
            }
            Unary::Abs
            | Unary::Sign
            | Unary::Floor
            | Unary::Sqrt
            | Unary::Sin
            | Unary::Cos
            | Unary::Relu => return Ok(None),
        }))
    }

    // A node as an affine function of a state, each element for itself, all else in it known. `open` is a node whose value is
    // known, and which is looked into nevertheless.
    fn affine(
        &mut self,
        id: NodeId,
        state: usize,
        open: bool,
    ) -> Result<Option<Affine>, TypeError> {
        Ok(self
            .affine_parts(id, state, open)?
            .filter(|parts| parts.reads)
            .map(|parts| parts.of))
    }

    fn affine_parts(
        &mut self,
        id: NodeId,
        state: usize,
        open: bool,
    ) -> Result<Option<Parts>, TypeError> {
        if self.of.state(self.graph, id) == Some(state) {
            return Ok(Some(Parts::state()));
        }
        let Some(patience) = self.patience.checked_sub(1) else {
            return Ok(None);
        };
        self.patience = patience;
        if !open && let Some(value) = self.value(id)? {
            return Ok(Some(Parts::known(value)));
        }
        let op = self.graph.nodes[id].op.clone();
        match op {
            Op::StopGradient(x) => self.affine_parts(x, state, false),
            Op::Unary(Unary::Neg, x) => match self.affine_parts(x, state, false)? {
                Some(x) => Ok(Some(x.negated(&mut self.b)?)),
                None => Ok(None),
            },
            Op::Binary(binary @ (Binary::Add | Binary::Sub), a, b) => {
                let left = self.affine_parts(a, state, false)?;
                let right = self.affine_parts(b, state, false)?;
                let (Some(left), Some(right)) = (left, right) else {
                    return Ok(None);
                };
                let right = match binary {
                    Binary::Sub => right.negated(&mut self.b)?,
                    _ => right,
                };
                Ok(Some(left.plus(right, &mut self.b)?))
            }
            Op::Binary(binary @ (Binary::Mul | Binary::Div), a, b) => {
                let (left, right) = (self.value(a)?, self.value(b)?);
                let (x, factor) = match (binary, left, right) {
                    (_, None, Some(factor)) => (a, factor),
                    (Binary::Mul, Some(factor), None) => (b, factor),
                    _ => return Ok(None),
                };
                match self.affine_parts(x, state, false)? {
                    Some(x) => Ok(Some(x.times(binary, factor, &mut self.b)?)),
                    None => Ok(None),
                }
            }
            _ => Ok(None),
        }
    }
}

// `factor * state + rest`, or without the state.
struct Parts {
    reads: bool,
    of: Affine,
}

impl Parts {
    fn state() -> Self {
        Self {
            reads: true,
            of: Affine {
                factor: None,
                negative: false,
                rest: None,
            },
        }
    }

    fn known(value: NodeId) -> Self {
        Self {
            reads: false,
            of: Affine {
                factor: None,
                negative: false,
                rest: Some(value),
            },
        }
    }

    fn negated(mut self, b: &mut Builder) -> Result<Self, TypeError> {
        self.of.negative = !self.of.negative;
        self.of.rest = match self.of.rest {
            Some(rest) => Some(b.minus(rest)?),
            None => None,
        };
        Ok(self)
    }

    fn times(mut self, binary: Binary, by: NodeId, b: &mut Builder) -> Result<Self, TypeError> {
        let one = |b: &mut Builder| b.constant(1.0, b.shape(by).clone());
        let scale = |b: &mut Builder, x: Option<NodeId>| match (binary, x) {
            (Binary::Div, Some(x)) => b.over(x, by),
            (Binary::Div, None) => {
                let one = one(b);
                b.div(one, by)
            }
            (_, Some(x)) => b.times(by, x),
            (_, None) => Ok(by),
        };
        if self.reads {
            self.of.factor = Some(scale(b, self.of.factor)?);
        }
        if let Some(rest) = self.of.rest {
            self.of.rest = Some(scale(b, Some(rest))?);
        }
        Ok(self)
    }

    fn plus(self, other: Self, b: &mut Builder) -> Result<Self, TypeError> {
        let rest = match (self.of.rest, other.of.rest) {
            (Some(left), Some(right)) => Some(b.plus(left, right)?),
            (one, other) => one.or(other),
        };
        let (factor, negative) = match (self.reads, other.reads) {
            (true, false) => (self.of.factor, self.of.negative),
            (false, _) => (other.of.factor, other.of.negative),
            (true, true) => {
                let left = self.signed_factor(b)?;
                let right = other.signed_factor(b)?;
                (Some(b.plus(left, right)?), false)
            }
        };
        Ok(Self {
            reads: self.reads || other.reads,
            of: Affine {
                factor,
                negative,
                rest,
            },
        })
    }

    fn signed_factor(&self, b: &mut Builder) -> Built {
        let factor = match self.of.factor {
            Some(factor) => factor,
            None => b.constant(1.0, Default::default()),
        };
        match self.of.negative {
            true => b.minus(factor),
            false => Ok(factor),
        }
    }
}
