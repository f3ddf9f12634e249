//! How many multiply-adds the products of a system of equations take, as it is written.
//!
//! A product of an `[m, k]` with a `[k, n]` takes `m k n`, an outer product one for each element; pointwise work, reductions
//! and tables take none. What a pass or a kernel makes of them is not asked.
//!
//! **Invariant:** counts are polynomials in the sizes, exact for all of them.

use crate::axis::{AxisId, Extent};
use crate::dim::Dim;
use crate::graph::{Graph, ResultKind};
use crate::id::SideTable;
use crate::node::{NodeId, Shape};
use crate::op::Op;

/// The number of elements of a shape; `None` when a coefficient of it overflows.
pub fn elements(shape: &Shape) -> Option<Dim> {
    let one = Some(Dim::constant(1));
    shape
        .0
        .iter()
        .fold(one, |total, dim| total?.checked_mul(dim))
}

/// The multiply-adds of one node, for one example at one place of its axes; `None` when they overflow.
pub fn multiply_adds(graph: &Graph, id: NodeId) -> Option<Dim> {
    let node = &graph.nodes[id];
    match node.op {
        Op::MatMul(a, _) => {
            // A verified product has an axis to contract.
            let contracted = graph.nodes[a].ty.shape.0.last()?;
            elements(&node.ty.shape)?.checked_mul(contracted)
        }
        Op::Outer(..) => elements(&node.ty.shape),
        _ => Some(Dim::constant(0)),
    }
}

/// The multiply-adds of all products that results of some kinds depend on, in a bound graph, for so many examples of so many
/// steps along every axis.
pub fn multiply_adds_of(graph: &Graph, kinds: &[ResultKind], steps: usize, batch: usize) -> f64 {
    let mut needed = SideTable::filled(false, graph.nodes.len());
    let results = graph
        .results
        .iter()
        .filter(|result| kinds.contains(&result.kind));
    let mut work: Vec<NodeId> = results.map(|result| result.node).collect();
    while let Some(id) = work.pop() {
        if !std::mem::replace(&mut needed[id], true) {
            work.extend(graph.nodes[id].op.operands());
        }
    }
    let along = |axis: AxisId| if axis.is_time() { steps } else { batch } as f64;
    let nodes = graph.nodes.iter().filter(|(id, _)| needed[*id]);
    let counts = nodes.map(|(id, node)| {
        let each = multiply_adds(graph, id).and_then(|count| count.as_constant());
        each.unwrap_or(0) as f64 * node.ty.domain.axes().map(along).product::<f64>()
    });
    counts.sum()
}

/// The scalars of all nodes of a bound graph together, for so many examples of so many steps along every axis without a length of
/// its own: what evaluating it by definition takes.
pub fn values_of(graph: &Graph, steps: usize, batch: usize) -> f64 {
    let along = |axis: AxisId| match graph.axes[axis].extent {
        _ if !axis.is_time() => batch as f64,
        Extent::Fixed(steps) => f64::from(steps),
        Extent::Length(_) => steps as f64,
    };
    let sizes = graph.nodes.iter().map(|(_, node)| {
        let each = elements(&node.ty.shape).and_then(|count| count.as_constant());
        let each = each.map_or(f64::INFINITY, |count| count as f64);
        each * node.ty.domain.axes().map(along).product::<f64>()
    });
    sizes.sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bind::bind;
    use crate::samples;
    use crate::verify::verify;

    #[test]
    fn an_lstm_takes_two_products_a_gate_and_one_for_its_logits() {
        let graph = samples::lstm();
        let counts = graph.nodes.ids().map(|id| multiply_adds(&graph, id));
        let mut counts = counts;
        let total = counts.try_fold(Dim::constant(0), |total, count| total.checked_add(&count?));
        assert_eq!(
            total.map(|total| total.to_string()).as_deref(),
            Some("4*H*H + 4*H*I + H*V")
        );
    }

    #[test]
    fn what_no_wanted_result_depends_on_does_not_count() {
        let model = verify(samples::char_lm()).unwrap();
        let bound = bind(&model, &[("V", 7), ("E", 3), ("H", 5)]).unwrap();
        let (steps, batch) = (11, 2);
        let found = multiply_adds_of(&bound, &[ResultKind::Output], steps, batch);
        let each = 4 * 5 * (3 + 5) + 7 * 5;
        assert_eq!(found, f64::from(each * 11 * 2));
        // Each value counts, that of a step for each step and example.
        let more = values_of(&bound, 2 * steps, batch) - values_of(&bound, steps, batch);
        let hidden = bound
            .named("lstm.h")
            .map(|id| bound.nodes[id].ty.domain.axes().count());
        assert!(
            hidden == Some(2) && more > (6 * 5 * steps * batch) as f64,
            "{more}"
        );
        assert_eq!(
            multiply_adds_of(&bound, &[ResultKind::Gradient], steps, batch),
            0.0
        );
    }
}
