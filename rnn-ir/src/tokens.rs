//! Tokens, and the sizes that they index.
//!
//! A token that a caller gives is checked against [`token_limits`] when it is given. One that the equations make is checked by
//! [`verify`](crate::verify) where it is written: a number, and the position of a largest element.
//!
//! **Invariant:** no token of a verified graph whose sizes are known, and whose inputs are below their limits, is beyond what it indexes.

use crate::dim::Dim;
use crate::graph::Graph;
use crate::id::SideTable;
use crate::node::{DType, NodeId};
use crate::op::Op;

/// The smallest size that a token indexes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit {
    /// How many entries there are.
    pub(crate) entries: usize,
    /// What has them: a table, or the vector that is put together.
    pub(crate) of: NodeId,
}

/// The size that each token has to be below: the smallest that it indexes, itself or as what computes another token;
/// `None` when it indexes nothing of a known size.
pub fn token_limits(graph: &Graph) -> SideTable<NodeId, Option<usize>> {
    let limits = limits(graph);
    let mut sizes = SideTable::filled(None, graph.nodes.len());
    for id in graph.nodes.ids() {
        sizes[id] = limits[id].map(|limit| limit.entries);
    }
    sizes
}

/// As [`token_limits`], with what is indexed. Operands that do not exist are passed over.
pub(crate) fn limits(graph: &Graph) -> SideTable<NodeId, Option<Limit>> {
    let mut limits: SideTable<NodeId, Option<Limit>> = SideTable::filled(None, graph.nodes.len());
    let mut changed = true;
    while std::mem::take(&mut changed) {
        for (id, node) in graph.nodes.iter().rev() {
            let (operands, limit) = match &node.op {
                Op::Gather { table, index } => {
                    let entries =
                        (graph.nodes.get(*table)).and_then(|node| node.ty.shape.0.first());
                    (vec![*index], of(entries, *table))
                }
                Op::Scatter { index, dim, .. } => (vec![*index], of(Some(dim), id)),
                op if node.ty.dtype == DType::Index => (op.operands(), limits[id]),
                _ => continue,
            };
            let Some(limit) = limit else { continue };
            for operand in operands {
                let token = (graph.nodes.get(operand))
                    .is_some_and(|operand| operand.ty.dtype == DType::Index);
                if token && limits[operand].is_none_or(|old| limit.entries < old.entries) {
                    limits[operand] = Some(limit);
                    changed = true;
                }
            }
        }
    }
    limits
}

/// The largest token that a node makes itself; `None` where it makes none, or sizes are not known.
pub(crate) fn largest_made(graph: &Graph, id: NodeId) -> Option<usize> {
    let node = &graph.nodes[id];
    match &node.op {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the verifier has found a whole number of 32 bits"
        )]
        Op::Const(number) if node.ty.dtype == DType::Index => Some(number.0 as usize),
        Op::ArgMax(x) => {
            let entries = graph.nodes[*x].ty.shape.0.last().and_then(size)?;
            entries.checked_sub(1)
        }
        _ => None,
    }
}

fn of(entries: Option<&Dim>, table: NodeId) -> Option<Limit> {
    let entries = entries.and_then(size)?;
    Some(Limit { entries, of: table })
}

fn size(dim: &Dim) -> Option<usize> {
    dim.as_constant()
        .and_then(|value| usize::try_from(value).ok())
}
