//! Forward accumulation over a system of equations: tangents are carried along with the values.
//!
//! The tangent of a recurrence is a recurrence in the same direction, `ds[t] = dx[t+by]`, so that derivatives of a
//! sequence can be had while it runs, without looking back at it (real-time recurrent learning, Williams & Zipser
//! 1989): one sweep for each direction that values are moved in, where [`super::reverse`] takes one for each loss.
//!
//! **Invariant:** a tangent that is stored has the type of its value.

use crate::autodiff::activity::Activity;
use crate::autodiff::derivative_name;
use crate::autodiff::jvp::jvp;
use crate::builder::Builder;
use crate::id::SideTable;
use crate::node::NodeId;
use crate::op::Op;
use crate::typing::TypeError;

/// How much the outputs change when values move: for each `(x, dx)`, `x` in direction `dx`. `None` for an output that
/// depends on none of them.
///
/// Appends to the graph; nothing in it is changed. The tangent of each equation with a name is named `t_<name>`. What is moved is not changed by what it is computed from.
///
/// # Errors
/// A direction that has not the shape of its value, or varies over more.
pub fn tangents(
    b: &mut Builder,
    moved: &[(NodeId, NodeId)],
    outputs: &[NodeId],
) -> Result<Vec<Option<NodeId>>, TypeError> {
    let primal: Vec<NodeId> = b.ids().collect();
    let wrt: Vec<NodeId> = moved.iter().map(|(x, _)| *x).collect();
    let activity = Activity::new(b.graph(), outputs, &wrt);
    let mut tangents: SideTable<NodeId, Option<NodeId>> = SideTable::filled(None, primal.len());
    for (x, dx) in moved {
        let (own, given) = (b.ty(*x).clone(), b.ty(*dx).clone());
        if own.shape != given.shape {
            return Err(TypeError::ShapeMismatch {
                op: "tangents",
                left: own.shape,
                right: given.shape,
            });
        }
        if let Some(axis) = given.domain.minus(own.domain).axes().next() {
            return Err(TypeError::ExtraAxis {
                op: "tangents",
                axis,
            });
        }
        tangents[*x] = Some(b.broadcast(*dx, own.domain)?);
    }
    let mut opened = Vec::new();
    for id in primal {
        if !activity.active[id] || tangents[id].is_some() {
            continue;
        }
        let node = b.graph().nodes[id].clone();
        b.set_loc(node.loc);
        let tangent = match node.op {
            Op::Shift {
                axis,
                by,
                x,
                boundary,
            } => {
                let boundary = boundary.and_then(|boundary| tangents[boundary]);
                let moved = b.open_shift(&node.ty, axis, by, boundary)?;
                opened.push((moved, x));
                Some(moved)
            }
            _ => jvp(b, id, &|operand| tangents[operand])?,
        };
        let tangent = tangent.expect("an active value has a tangent");
        let tangent = b.broadcast(tangent, node.ty.domain)?;
        tangents[id] = Some(tangent);
        if let Some(name) = node.name {
            let name = derivative_name(b.graph(), "t", &name);
            b.name(tangent, name);
        }
    }
    for (shift, x) in opened {
        let value = match tangents[x] {
            Some(tangent) => tangent,
            // Only the boundary moves.
            None => {
                let ty = b.ty(x).clone();
                let zero = b.constant(0.0, ty.shape);
                b.broadcast(zero, ty.domain)?
            }
        };
        b.close(shift, value)?;
    }
    b.set_loc(None);
    Ok(outputs.iter().map(|output| tangents[*output]).collect())
}
