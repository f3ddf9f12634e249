//! In which order a kernel runs over the axes that no loop around it binds.
//!
//! The axes of the result come before those that are summed: `sum[t](a[t, j] * d[t])` is done with one `j` before it begins the next,
//! so that a result is added to while it is near. The other way round every step of `t` would read and write the results of all `j`.
//! In which order a model declares its axes says nothing about it.
//!
//! **Invariant:** the order among the axes of the result, and among those that are summed, is that of their ids, so each result is the
//! same sum of the same terms in the same order as in any other.

use super::Schedule;
use crate::axis::{AxisId, Domain};
use crate::node::NodeId;

impl Schedule {
    /// The time axes of a domain that a kernel with this last node runs over, the outermost first.
    pub fn order(&self, id: NodeId, over: Domain) -> Vec<AxisId> {
        let result = self.graph.nodes[id].ty.domain;
        let kept = over.intersect(result).time_axes();
        kept.chain(over.minus(result).time_axes()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Schedule;
    use crate::autodiff::{Wrt, differentiate};
    use crate::axis::{AxisId, Domain};
    use crate::bind::bind;
    use crate::op::Op;
    use crate::passes::pipeline::{Settings, run_passes};
    use crate::passes::{BACKWARD, FORWARD};
    use crate::samples;
    use crate::text::{parse, print};
    use crate::verify::verify;

    // The loop program of the gradient of a model, with the axes of each kernel by name and in alphabetical order, and for each
    // sum over time of what varies over another axis how it runs.
    fn program(text: &str) -> (String, Vec<String>) {
        let model = verify(parse(text).expect("parses")).expect("is valid");
        let forward = run_passes(model, FORWARD, Settings::default()).expect("passes");
        let derived = differentiate(&forward.graph, &Wrt::params()).expect("differentiable");
        let backward = run_passes(derived, BACKWARD, Settings::default()).expect("passes");
        let sizes: Vec<(&str, usize)> = (backward.graph.sizes.iter().map(String::as_str))
            .zip([5, 3, 7, 4, 2, 6, 8])
            .collect();
        let schedule = Schedule::new(bind(&backward.graph, &sizes).expect("sizes"));
        let schedule = schedule.expect("an order of evaluation");
        let lines = schedule.to_string();
        let sorted = lines.lines().map(|line| {
            let Some((before, rest)) = line.split_once('[') else {
                return line.to_owned();
            };
            let (axes, after) = rest.split_once(']').expect("closed");
            let mut axes: Vec<&str> = axes.split(", ").collect();
            axes.sort_unstable();
            format!("{before}[{}]{after}", axes.join(", "))
        });
        let name = |axis: &AxisId| schedule.graph.axes[*axis].name.clone();
        let mut orders = Vec::new();
        for (around, kernel) in schedule.kernels() {
            let id = *kernel.nodes.last().expect("computes something");
            let Op::AxisReduce { x, axes, .. } = schedule.graph.nodes[id].op else {
                continue;
            };
            let whole = schedule.graph.nodes[x].ty.domain.union(axes);
            // A sum over all axes goes through memory, where the axes are in the order of their declaration.
            if schedule.graph.nodes[id]
                .ty
                .domain
                .time_axes()
                .next()
                .is_none()
            {
                continue;
            }
            let bound: Domain = around.iter().copied().collect();
            let order = schedule.order(id, whole.minus(bound));
            let order: Vec<String> = order.iter().map(name).collect();
            orders.push(format!("{}: {}", schedule.label(kernel), order.join(", ")));
        }
        (sorted.collect::<Vec<_>>().join("\n"), orders)
    }

    #[test]
    fn the_order_in_which_axes_are_declared_changes_no_program() {
        let text = print(&samples::attention());
        let (j, t) = ("axis j: 1..=S\n", "axis t: 1..=T\n");
        let both = format!("{j}{t}");
        assert!(text.contains(&both));
        let swapped = text
            .replace(&both, &format!("{t}{j}"))
            .replace("[batch, j, t]", "[batch, t, j]");
        assert_ne!(text, swapped);
        let (program_1, orders_1) = program(&text);
        let (program_2, orders_2) = program(&swapped);
        assert_eq!(program_1, program_2);
        assert_eq!(orders_1, orders_2);
        // The gradient of the memory is a sum over the steps of the decoder, for one step of the memory after the other.
        assert!(
            orders_1.iter().any(|order| order.ends_with(": j, t")),
            "{orders_1:#?}"
        );
    }
}
