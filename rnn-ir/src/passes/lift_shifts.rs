//! Multiplies before looking ahead: the product with a matrix that does not vary over time moves inside the shift.
//!
//! ```text
//! W @ x[t+1] {x[T+1] = b}   ->   (W @ x)[t+1] {(W @ x)[T+1] = W @ b}
//! W @ x[t+n]                ->   (W @ x)[t+n]                            (W @ 0 = 0)
//! ```
//!
//! Then a loop that runs backward multiplies the rows of one step as they were stored, and the rows that end at that
//! step join after the product.
//!
//! **Invariant:** a product moves at most once per run, so that a purely linear recurrence does not move for ever.

use crate::graph::Graph;
use crate::node::NodeId;
use crate::op::Op;
use crate::passes::counts::Counts;
use crate::rewrite::Rebuild;
use crate::typing::TypeError;
use std::collections::BTreeMap;

/// The rules of this pass.
pub const RULES: &[&str] = &["lift_shift", "lift_shift_boundary"];

struct Lift {
    matrix: NodeId,
    x: NodeId,
    shift: NodeId,
}

/// Moves products with matrices that do not vary over an axis inside of shifts that look ahead along it.
///
/// # Errors
/// None for a verified graph.
pub fn lift_shifts(graph: &Graph, counts: &mut Counts) -> Result<Graph, TypeError> {
    let lifts = plan(graph);
    let mut r = Rebuild::new(graph);
    let mut open = Vec::new();
    for (id, node) in graph.nodes.iter() {
        let new = match lifts.get(&id) {
            None => r.keep(id)?,
            Some(lift) => {
                let Op::Shift {
                    axis, by, boundary, ..
                } = graph.nodes[lift.shift].op
                else {
                    unreachable!("a lift is planned for a shift");
                };
                let matrix = r.at(lift.matrix);
                let boundary = match boundary {
                    None => None,
                    Some(boundary) => {
                        let boundary = r.at(boundary);
                        Some(r.new.matmul(matrix, boundary)?)
                    }
                };
                counts.fire(match boundary {
                    None => "lift_shift",
                    Some(_) => "lift_shift_boundary",
                });
                let shift = r.new.open_shift(&node.ty, axis, by, boundary)?;
                open.push((shift, lift.matrix, lift.x, node.loc));
                shift
            }
        };
        r.put(id, new)?;
    }
    // Every value has its place now, the shifted ones too. Only shifts read these products, so the end is early enough.
    let mut products: BTreeMap<(NodeId, NodeId), NodeId> = BTreeMap::new();
    for (shift, matrix, x, loc) in open {
        let product = match products.get(&(matrix, x)) {
            Some(product) => *product,
            None => {
                r.new.set_loc(loc);
                let (a, b) = (r.at(matrix), r.at(x));
                let product = r.new.matmul(a, b)?;
                products.insert((matrix, x), product);
                product
            }
        };
        r.new.close(shift, product)?;
    }
    r.close()?;
    Ok(r.finish())
}

// Which product is lifted out of which shift. A product with itself one step ahead is left alone.
fn plan(graph: &Graph) -> BTreeMap<NodeId, Lift> {
    let lift = |id: NodeId, op: &Op| {
        let Op::MatMul(matrix, shift) = *op else {
            return None;
        };
        let Op::Shift { axis, by, x, .. } = graph.nodes[shift].op else {
            return None;
        };
        let invariant = !graph.nodes[matrix].ty.domain.contains(axis);
        (by > 0 && invariant && x != id).then_some((id, Lift { matrix, x, shift }))
    };
    let nodes = graph.nodes.iter();
    nodes.filter_map(|(id, node)| lift(id, &node.op)).collect()
}
