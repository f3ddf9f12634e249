//! Whether a model can run one step at a time.
//!
//! **Invariant:** what is accepted needs nothing but the inputs of a step and the carried states.

use rnn_ir::axis::{AxisId, Domain, Extent};
use rnn_ir::graph::{Graph, ResultKind};
use rnn_ir::id::SideTable;
use rnn_ir::interp::equation_of;
use rnn_ir::node::NodeId;
use rnn_ir::op::Op;

use crate::error::StreamError;

/// Checks that no output depends on a later step, or on how many steps there are.
pub(crate) fn check_causal(model: &str, graph: &Graph) -> Result<(), StreamError> {
    let time: Vec<AxisId> = graph.axes.ids().filter(|axis| axis.is_time()).collect();
    let variable = |axis: &AxisId| matches!(graph.axes[*axis].extent, Extent::Length(_));
    if time.len() != 1 || !time.iter().all(variable) {
        let axes = time.iter().map(|axis| match &graph.axes[*axis].extent {
            Extent::Length(_) => graph.axes[*axis].name.clone(),
            Extent::Fixed(steps) => format!("{} in 1..={steps}", graph.axes[*axis].name),
        });
        return Err(StreamError::Axes {
            model: model.to_owned(),
            axes: axes.collect(),
        });
    }
    for output in graph.results_of(ResultKind::Output) {
        if let Some((node, why)) = blocked(graph, output.node) {
            let equation = equation_of(graph, node);
            let loc = graph.nodes[node].loc.or(graph.nodes[equation].loc);
            return Err(StreamError::NotCausal {
                model: model.to_owned(),
                output: output.name.clone(),
                equation: (graph.nodes[equation].name.clone())
                    .unwrap_or_else(|| equation.to_string()),
                written: loc.map_or_else(String::new, |loc| {
                    format!(" (written at {})", graph.place(loc))
                }),
                why,
            });
        }
    }
    Ok(())
}

// The first node that an output depends on and that one step does not suffice for.
fn blocked(graph: &Graph, output: NodeId) -> Option<(NodeId, String)> {
    let mut needed = SideTable::filled(false, graph.nodes.len());
    let mut work = vec![output];
    while let Some(id) = work.pop() {
        if std::mem::replace(&mut needed[id], true) {
            continue;
        }
        work.extend(graph.nodes[id].op.operands());
    }
    let mut nodes = graph.nodes.iter().filter(|(id, _)| needed[*id]);
    nodes.find_map(|(id, node)| Some((id, reason(graph, &node.op)?)))
}

fn reason(graph: &Graph, op: &Op) -> Option<String> {
    let name = |axis: &AxisId| graph.axes[*axis].name.as_str();
    let time = |axes: &Domain| axes.time_axes().next();
    match op {
        Op::Shift { axis, by, .. } if *by > 0 => {
            Some(format!("looks ahead: it reads step {}+{by}", name(axis)))
        }
        Op::Shift { axis, by, .. } if *by < -1 => Some(format!(
            "reads step {}{by} at once; write it as a chain of single steps",
            name(axis)
        )),
        Op::AxisReduce { axes, .. } => {
            time(axes).map(|axis| format!("reduces over the whole axis `{}`", name(&axis)))
        }
        Op::At { axis, .. } | Op::Place { axis, .. } if axis.is_time() => {
            Some(format!("reads one fixed step of axis `{}`", name(axis)))
        }
        Op::Length(axis) => Some(format!("reads the length of axis `{}`", name(axis))),
        _ => None,
    }
}
