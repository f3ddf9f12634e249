//! Reverse accumulation over a system of equations.
//!
//! Nodes are visited from last to first; the cotangent of one is the sum of what its users contribute, and all of them
//! have been visited, save for shifts, whose operand may come later than they do. What `s[t] = x[t+by]` contributes to
//! `x` is `ds[t-by]`, zero outside the axis; it is opened before the walk and closed with `ds` after it. So the adjoint
//! of a recurrence is a recurrence in the other direction, found by no rule of its own.
//!
//! The cotangent of a value has its type, but for one thing: that of a value which varies over time and not over the
//! batch is kept per example (summing it over the batch first would lose which example's steps it belongs to). It is
//! summed over the batch when it reaches a value without time, or is asked for.
//!
//! **Invariant:** every cotangent that is stored has the type [`cotangent_type`] says.

use crate::autodiff::activity::Activity;
use crate::autodiff::derivative_name;
use crate::autodiff::terms::Terms;
use crate::autodiff::vjp::vjp;
use crate::axis::{AxisId, Domain};
use crate::builder::Builder;
use crate::id::SideTable;
use crate::node::{NodeId, Type};
use crate::op::{Op, Over};
use crate::typing::TypeError;

/// The type of a value's cotangent: its own, per example where it varies over time.
pub fn cotangent_type(ty: &Type) -> Type {
    let own = if ty.domain.without(AxisId::BATCH).is_empty() {
        Domain::NONE
    } else {
        Domain::BATCH
    };
    Type::real(ty.domain.union(own), ty.shape.clone())
}

/// The derivatives by `wrt` of the outputs, contracted with their cotangents and summed: for output `y` with cotangent
/// `dy`, `sum over all elements of dy * dy/dwrt`. `None` where no output depends on it.
///
/// Appends to the graph; nothing in it is changed. The cotangent of each equation with a name is named `d_<name>`.
///
/// # Errors
/// A cotangent whose shape is not that of its output, or that does not differ between examples though the output
/// varies over time.
pub fn gradient(
    b: &mut Builder,
    outputs: &[(NodeId, NodeId)],
    wrt: &[NodeId],
) -> Result<Vec<Option<NodeId>>, TypeError> {
    let primal: Vec<NodeId> = b.ids().collect();
    let nodes: Vec<NodeId> = outputs.iter().map(|(output, _)| *output).collect();
    let activity = Activity::new(b.graph(), &nodes, wrt);
    let mut walk = Walk {
        contributions: SideTable::filled(Vec::new(), primal.len()),
        shifted: SideTable::filled(Vec::new(), primal.len()),
        cotangents: SideTable::filled(None, primal.len()),
        opened: Vec::new(),
        activity,
        b,
    };
    for (output, cotangent) in outputs {
        walk.seed(*output, *cotangent)?;
    }
    for id in &primal {
        walk.open(*id)?;
    }
    for id in primal.iter().rev() {
        if walk.activity.active[*id] {
            walk.visit(*id)?;
        }
    }
    for (shift, of) in std::mem::take(&mut walk.opened) {
        let value = walk.cotangents[of].expect("an active value has a cotangent");
        walk.b.close(shift, value)?;
    }
    walk.b.set_loc(None);
    wrt.iter().map(|id| walk.asked(*id)).collect()
}

struct Walk<'b> {
    b: &'b mut Builder,
    activity: Activity,
    // What users have contributed so far, the last user first.
    contributions: SideTable<NodeId, Vec<NodeId>>,
    // What comes from other steps.
    shifted: SideTable<NodeId, Vec<NodeId>>,
    cotangents: SideTable<NodeId, Option<NodeId>>,
    // A shift of a cotangent, and whose.
    opened: Vec<(NodeId, NodeId)>,
}

impl Walk<'_> {
    fn seed(&mut self, output: NodeId, cotangent: NodeId) -> Result<(), TypeError> {
        let (own, given) = (self.b.ty(output).clone(), self.b.ty(cotangent).clone());
        if own.shape != given.shape {
            return Err(TypeError::ShapeMismatch {
                op: "gradient",
                left: own.shape,
                right: given.shape,
            });
        }
        let wanted = cotangent_type(&own).domain;
        if wanted != own.domain && !given.domain.contains(AxisId::BATCH) {
            return Err(TypeError::MissingAxis {
                op: "gradient",
                axis: AxisId::BATCH,
            });
        }
        if self.activity.active[output] {
            self.contribute(output, cotangent)?;
        }
        Ok(())
    }

    // Opens what a shift contributes to the value it shifts.
    fn open(&mut self, id: NodeId) -> Result<(), TypeError> {
        let node = &self.b.graph().nodes[id];
        let Op::Shift { axis, by, x, .. } = node.op else {
            return Ok(());
        };
        if !self.activity.active[id] || !self.activity.varied[x] {
            return Ok(());
        }
        let (loc, ty) = (node.loc, cotangent_type(&node.ty));
        self.b.set_loc(loc);
        let moved = self.b.open_shift(&ty, axis, -by, None)?;
        self.opened.push((moved, id));
        let moved = self.fit(x, moved)?;
        self.shifted[x].push(moved);
        Ok(())
    }

    fn visit(&mut self, id: NodeId) -> Result<(), TypeError> {
        let node = &self.b.graph().nodes[id];
        let (op, name) = (node.op.clone(), node.name.clone());
        self.b.set_loc(node.loc);
        let mut terms = std::mem::take(&mut self.contributions[id]);
        terms.reverse();
        terms.append(&mut self.shifted[id]);
        let mut terms = terms.into_iter();
        let first = terms.next().expect("an active value has a cotangent");
        let total = terms.try_fold(first, |total, term| self.b.plus(total, term))?;
        self.cotangents[id] = Some(total);
        if let Some(name) = name {
            let name = derivative_name(self.b.graph(), "d", &name);
            self.b.name(total, name);
        }
        let shifted = match op {
            Op::Shift { x, .. } => Some(x),
            _ => None,
        };
        let varied = &self.activity.varied;
        let wants = |operand: NodeId| varied[operand] && Some(operand) != shifted;
        for (operand, contribution) in vjp(self.b, id, total, &wants)? {
            if self.activity.varied[operand] {
                self.contribute(operand, contribution)?;
            }
        }
        Ok(())
    }

    fn contribute(&mut self, to: NodeId, contribution: NodeId) -> Result<(), TypeError> {
        let contribution = self.fit(to, contribution)?;
        self.contributions[to].push(contribution);
        Ok(())
    }

    // Sums over the axes that the value does not vary over.
    fn fit(&mut self, to: NodeId, contribution: NodeId) -> Result<NodeId, TypeError> {
        let wanted = cotangent_type(self.b.ty(to)).domain;
        let full = self.b.broadcast(contribution, wanted)?;
        let extra = self.b.ty(full).domain.minus(wanted);
        self.b.axis_reduce(Over::Sum, full, extra)
    }

    // The cotangent with the very type of the value.
    fn asked(&mut self, id: NodeId) -> Result<Option<NodeId>, TypeError> {
        let Some(cotangent) = self.cotangents[id] else {
            return Ok(None);
        };
        let extra = self.b.ty(cotangent).domain.minus(self.b.ty(id).domain);
        self.b.axis_reduce(Over::Sum, cotangent, extra).map(Some)
    }
}
