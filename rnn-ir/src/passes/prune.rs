//! Drops equations that no result depends on.
//!
//! **Invariant:** declared inputs and parameters stay, used or not: they are the model's signature.

use crate::graph::Graph;
use crate::passes::counts::Counts;
use crate::rewrite::drop_unreachable;
use crate::typing::TypeError;

/// The rules of this pass.
pub const RULES: &[&str] = &["prune"];

/// Drops what no result depends on.
///
/// # Errors
/// None.
pub fn prune(graph: &Graph, counts: &mut Counts) -> Result<Graph, TypeError> {
    let pruned = drop_unreachable(graph.clone());
    counts.add("prune", graph.nodes.len() - pruned.nodes.len());
    Ok(pruned)
}
