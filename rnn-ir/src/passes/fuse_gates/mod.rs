//! Makes one large product out of several small ones: the gates of a cell, and their adjoints.
//!
//! Three identities, one file each:
//!
//! ```text
//! W @ x, U @ x                               ->   slices of [W; U] @ x                        products
//! sum(outer(a, x)), sum(outer(b, x))         ->   slices of sum(outer([a; b], x))             outers
//! W.T @ a + U.T @ b                          ->   [W; U].T @ [a; b]                           sums
//! ```
//!
//! with `[a; b]` joined along the first feature axis. The stacked matrix is a layout of the parameters
//! ([`Weights`](crate::passes::weights::Weights)), not a copy per run.
//!
//! **Invariant:** nothing is fused across a recurrence: a product outside of a loop is never pulled into it, no operand of a
//! fused product depends on its result, and no product is fused of those that two recurrences need or make.

mod outers;
mod products;
mod sums;

use crate::graph::Graph;
use crate::passes::counts::Counts;
use crate::typing::TypeError;

/// The rules of this pass.
pub const RULES: &[&str] = &["fuse_products", "fuse_outers", "fuse_sums"];

/// Fuses products of one right operand, sums of outer products of one right operand, and sums of transposed products.
///
/// # Errors
/// None for a verified graph.
pub fn fuse_gates(graph: &Graph, counts: &mut Counts) -> Result<Graph, TypeError> {
    let graph = products::fuse_products(graph, counts)?;
    let graph = sums::fuse_sums(&graph, counts)?;
    outers::fuse_outers(&graph, counts)
}
