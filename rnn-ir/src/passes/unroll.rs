//! Unrolls axes of a fixed, small length: one equation per step, and no loop.
//!
//! ```text
//! time k in 1..=2:  h[k] = f(h[k-1], x[k]),  h[0] = b,  y = sum[k](h[k])
//!     ->   h1 = f(b, x[1]),  h2 = f(h1, x[2]),  y = h1 + h2
//! ```
//!
//! Inputs and results keep their axis: an input is read step by step, and a result is put together from its steps.
//!
//! **Invariant:** an axis is unrolled whole or not at all; it is left alone when the steps have no order of evaluation,
//! or when an input or result over it has no batch to vary over.

use crate::axis::{AxisId, Domain, Extent};
use crate::builder::Builder;
use crate::graph::Graph;
use crate::id::Id;
use crate::node::{DType, NodeId, Shape};
use crate::op::{Binary, Op, Over, Position};
use crate::passes::counts::Counts;
use crate::passes::order::declarations_first;
use crate::rewrite::drop_unreachable;
use crate::typing::TypeError;

/// The rules of this pass.
pub const RULES: &[&str] = &["unroll"];

/// Unrolls every axis of a fixed length up to `limit`.
///
/// # Errors
/// None for a verified graph.
pub fn unroll(graph: &Graph, limit: u32, counts: &mut Counts) -> Result<Graph, TypeError> {
    let mut graph = graph.clone();
    for axis in graph.axes.ids() {
        let steps = match graph.axes[axis].extent {
            Extent::Fixed(steps) if (1..=limit).contains(&steps) => steps,
            Extent::Fixed(_) | Extent::Length(_) => continue,
        };
        if !has_loop(&graph, axis) || !keeps_signature(&graph, axis) {
            continue;
        }
        let unrolled = Unroll::new(&graph, axis, steps).run()?;
        if let Some(unrolled) = unrolled {
            counts.fire("unroll");
            graph = unrolled;
        }
    }
    Ok(graph)
}

// Whether anything varies over the axis but inputs, and results put together from their steps.
fn has_loop(graph: &Graph, axis: AxisId) -> bool {
    graph.nodes.iter().any(|(_, node)| {
        let whole = matches!(
            node.op,
            Op::Input { .. } | Op::Place { .. } | Op::Binary(Binary::Add, ..)
        );
        node.ty.domain.contains(axis) && !whole
    })
}

// Whether inputs can be read, and results put together, one step at a time.
fn keeps_signature(graph: &Graph, axis: AxisId) -> bool {
    let batched = |id: NodeId| {
        let domain = graph.nodes[id].ty.domain;
        !domain.contains(axis) || domain.contains(AxisId::BATCH)
    };
    let real = |id: NodeId| {
        let ty = &graph.nodes[id].ty;
        !ty.domain.contains(axis) || ty.dtype == DType::Real || is_input(graph, id)
    };
    graph.inputs().all(|(id, ..)| batched(id))
        && graph
            .results
            .iter()
            .all(|result| batched(result.node) && real(result.node))
}

fn is_input(graph: &Graph, id: NodeId) -> bool {
    matches!(graph.nodes[id].op, Op::Input { .. })
}

/// A node at a step from 1; at step 0 what does not vary over the axis.
type Copy = (NodeId, u32);

struct Unroll<'g> {
    old: &'g Graph,
    axis: AxisId,
    steps: u32,
    new: Builder,
    // By node and step; one entry for a node that does not vary over the axis.
    copies: Vec<Vec<Option<NodeId>>>,
    open: Vec<(NodeId, Copy)>,
}

impl<'g> Unroll<'g> {
    fn new(old: &'g Graph, axis: AxisId, steps: u32) -> Self {
        let slots = |domain: Domain| {
            if domain.contains(axis) {
                steps as usize + 1
            } else {
                1
            }
        };
        let copies = old.nodes.iter();
        let copies = copies
            .map(|(_, node)| vec![None; slots(node.ty.domain)])
            .collect();
        Self {
            old,
            axis,
            steps,
            new: Builder::extend(Graph::like(old)),
            copies,
            open: Vec::new(),
        }
    }

    // The unrolled graph, or `None` when the steps depend on each other in a cycle.
    fn run(mut self) -> Result<Option<Graph>, TypeError> {
        let Some(order) = self.order() else {
            return Ok(None);
        };
        for (id, step) in order {
            let node = &self.old.nodes[id];
            self.new.set_loc(node.loc);
            let made = self.make(id, step)?;
            let made = self
                .new
                .broadcast(made, node.ty.domain.without(self.axis))?;
            if step == 0 {
                self.new.set_origin(made, node.name.clone(), node.loc);
            } else if let Some(name) = &node.name {
                let name = format!("{name}_{}{step}", self.old.axes[self.axis].name);
                self.new.set_origin(made, Some(name), node.loc);
            }
            self.copies[id.index()][step as usize] = Some(made);
        }
        for (shift, (x, step)) in std::mem::take(&mut self.open) {
            let value = self.at(x, step);
            self.new.close(shift, value)?;
        }
        for result in &self.old.results {
            let node = self.whole(result.node)?;
            self.new
                .result(result.kind.clone(), result.name.clone(), node);
        }
        Ok(Some(drop_unreachable(self.new.finish())))
    }

    fn varies(&self, id: NodeId) -> bool {
        self.old.nodes[id].ty.domain.contains(self.axis)
    }

    // The step at which a copy at `step` reads an operand.
    fn step_of(&self, id: NodeId, step: u32) -> u32 {
        if self.varies(id) { step } else { 0 }
    }

    fn at(&self, id: NodeId, step: u32) -> NodeId {
        let step = self.step_of(id, step);
        self.copies[id.index()][step as usize].expect("copies are made in order")
    }

    fn position(&self, position: Position) -> u32 {
        match position {
            Position::First => 1,
            Position::Last => self.steps,
            Position::Step(step) => step,
        }
    }

    fn exists(&self, step: i64) -> Option<u32> {
        let step = u32::try_from(step).ok()?;
        (1..=self.steps).contains(&step).then_some(step)
    }

    // The copies that must be made before a copy.
    fn needs(&self, id: NodeId, step: u32) -> Vec<Copy> {
        let op = &self.old.nodes[id].op;
        let here = |operand: NodeId| (operand, self.step_of(operand, step));
        match op {
            // An input is read from its whole.
            Op::Input { .. } if step > 0 => Vec::new(),
            Op::Shift {
                axis,
                by,
                x,
                boundary,
            } if *axis == self.axis => match self.exists(i64::from(step) + i64::from(*by)) {
                Some(step) => vec![(*x, step)],
                None => boundary.iter().map(|boundary| here(*boundary)).collect(),
            },
            Op::Shift { boundary, .. } => boundary.iter().map(|boundary| here(*boundary)).collect(),
            Op::AxisReduce { x, axes, .. } if axes.contains(self.axis) => {
                (1..=self.steps).map(|step| (*x, step)).collect()
            }
            Op::At {
                axis,
                position,
                x,
                boundary,
            } if *axis == self.axis => match self.exists(i64::from(self.position(*position))) {
                Some(step) => vec![(*x, step)],
                None => boundary.iter().map(|boundary| here(*boundary)).collect(),
            },
            op => op.operands().into_iter().map(here).collect(),
        }
    }

    // An order of all copies, each after what it needs.
    fn order(&self) -> Option<Vec<Copy>> {
        #[derive(Clone, Copy, PartialEq)]
        enum Mark {
            New,
            Open,
            Done,
        }
        let mut marks: Vec<Vec<Mark>> = self
            .copies
            .iter()
            .map(|copies| vec![Mark::New; copies.len()])
            .collect();
        let mut order = Vec::new();
        let mut work: Vec<Copy> = Vec::new();
        for root in declarations_first(self.old) {
            let steps = if self.varies(root) {
                1..=self.steps
            } else {
                0..=0
            };
            for step in steps {
                work.push((root, step));
                while let Some((id, step)) = work.last().copied() {
                    let mark = &mut marks[id.index()][step as usize];
                    match *mark {
                        Mark::Done => {
                            work.pop();
                        }
                        Mark::Open => {
                            *mark = Mark::Done;
                            order.push((id, step));
                            work.pop();
                        }
                        Mark::New => {
                            *mark = Mark::Open;
                            for (need, at) in self.needs(id, step).into_iter().rev() {
                                match marks[need.index()][at as usize] {
                                    Mark::New => work.push((need, at)),
                                    Mark::Open => return None,
                                    Mark::Done => {}
                                }
                            }
                        }
                    }
                }
            }
        }
        Some(order)
    }

    fn zero(&mut self, id: NodeId) -> NodeId {
        let ty = &self.old.nodes[id].ty;
        let shape = ty.shape.clone();
        match ty.dtype {
            DType::Index => self.new.tokens(0, shape),
            DType::Real | DType::Bool => self.new.constant(0.0, shape),
        }
    }

    fn make(&mut self, id: NodeId, step: u32) -> Result<NodeId, TypeError> {
        let node = &self.old.nodes[id];
        let within = |axes: Domain| axes.without(self.axis);
        match &node.op {
            Op::Input { .. } if step > 0 => {
                let whole = self.input(id)?;
                self.new.at(whole, self.axis, Position::Step(step), None)
            }
            Op::Step(axis) if *axis == self.axis => {
                Ok(self.new.constant(f64::from(step), Shape::scalar()))
            }
            Op::Length(axis) if *axis == self.axis => {
                Ok(self.new.constant(f64::from(self.steps), Shape::scalar()))
            }
            Op::Shift {
                axis,
                by,
                x,
                boundary,
            } if *axis == self.axis => {
                match (self.exists(i64::from(step) + i64::from(*by)), boundary) {
                    (Some(step), _) => Ok(self.at(*x, step)),
                    (None, Some(boundary)) => Ok(self.at(*boundary, step)),
                    (None, None) => Ok(self.zero(id)),
                }
            }
            Op::Shift {
                axis,
                by,
                x,
                boundary,
            } => {
                let boundary = boundary.map(|boundary| self.at(boundary, step));
                let mut ty = node.ty.clone();
                ty.domain = within(ty.domain);
                let shift = self.new.open_shift(&ty, *axis, *by, boundary)?;
                self.open.push((shift, (*x, step)));
                Ok(shift)
            }
            Op::AxisReduce { kind, x, axes } if axes.contains(self.axis) => {
                let join = match kind {
                    Over::Sum => Binary::Add,
                    Over::Max => Binary::Max,
                };
                let rest = within(*axes);
                let mut total = self.at(*x, 1);
                for step in 2..=self.steps {
                    let term = self.at(*x, step);
                    total = self.new.binary(join, total, term)?;
                }
                let total = self.new.broadcast(total, rest)?;
                self.new.axis_reduce(*kind, total, rest)
            }
            Op::At {
                axis,
                position,
                x,
                boundary,
            } if *axis == self.axis => {
                match (self.exists(i64::from(self.position(*position))), boundary) {
                    (Some(step), _) => Ok(self.at(*x, step)),
                    (None, Some(boundary)) => Ok(self.at(*boundary, step)),
                    (None, None) => Ok(self.zero(id)),
                }
            }
            Op::Place { axis, position, x } if *axis == self.axis => {
                if self.position(*position) == step {
                    Ok(self.at(*x, step))
                } else {
                    Ok(self.zero(id))
                }
            }
            Op::Broadcast { x, axes } => {
                let (x, axes) = (self.at(*x, step), within(*axes));
                self.new.broadcast(x, axes)
            }
            op => {
                let mut op = op.clone();
                op.map_operands(&mut |operand| self.at(operand, step));
                self.new.push(op, Some(&node.ty))
            }
        }
    }

    // The whole of an input that varies over the axis; the signature keeps it.
    fn input(&mut self, id: NodeId) -> Result<NodeId, TypeError> {
        if let Some(whole) = self.copies[id.index()][0] {
            return Ok(whole);
        }
        let node = &self.old.nodes[id];
        let whole = self.new.push(node.op.clone(), Some(&node.ty))?;
        self.new.set_origin(whole, node.name.clone(), node.loc);
        self.copies[id.index()][0] = Some(whole);
        Ok(whole)
    }

    // A value over all of its axes again: `sum_k place[k](x_k)`.
    fn whole(&mut self, id: NodeId) -> Result<NodeId, TypeError> {
        if !self.varies(id) {
            return Ok(self.at(id, 0));
        }
        if is_input(self.old, id) {
            return self.input(id);
        }
        let mut total: Option<NodeId> = None;
        for step in 1..=self.steps {
            let x = self.at(id, step);
            let placed = self.new.place(x, self.axis, Position::Step(step))?;
            total = Some(match total {
                None => placed,
                Some(total) => self.new.add(total, placed)?,
            });
        }
        Ok(total.expect("an axis has a step"))
    }
}
