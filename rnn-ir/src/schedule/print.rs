//! Prints a loop program.
//!
//! **Invariant:** the text depends on the schedule alone, so it can be a snapshot.

use super::forms::Forms;
use super::{Direction, Form, Item, Kernel, Schedule};
use crate::graph::Graph;
use crate::node::NodeId;
use crate::op::Op;
use std::fmt;

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let none = |_: &Kernel| None;
        items(f, &self.graph, &self.forms, &self.items, 0, &none)
    }
}

impl Schedule {
    /// The text with a note behind some kernels.
    pub fn with_notes(&self, note: impl Fn(&Kernel) -> Option<String>) -> String {
        let mut out = String::new();
        // Writing to a string does not fail.
        let _ = items(&mut out, &self.graph, &self.forms, &self.items, 0, &note);
        out
    }

    /// The word for a kernel, by its last operation and what is inlined into it: `product`, `pointwise`, `sum outer`, ...
    pub fn word(&self, kernel: &Kernel) -> &'static str {
        what(&self.graph, &self.forms, kernel)
    }

    /// What a kernel computes, and what it reads unless it is a cluster, as the printed program names it: `i f c h`, or
    /// `%14 <- U h[t-]`.
    pub fn label(&self, kernel: &Kernel) -> String {
        let mut out = String::new();
        // Writing to a string does not fail.
        let _ = label(&mut out, &self.graph, &self.forms, kernel);
        out
    }

    /// The name of a node as the printed program has it: that of its equation, or its number.
    pub fn name_of(&self, id: NodeId) -> String {
        node_name(&self.graph, id)
    }
}

fn items(
    f: &mut dyn fmt::Write,
    graph: &Graph,
    forms: &Forms,
    list: &[Item],
    depth: usize,
    note: &dyn Fn(&Kernel) -> Option<String>,
) -> fmt::Result {
    let indent = "    ".repeat(depth);
    for item in list {
        match item {
            Item::Loop {
                axis,
                direction,
                body,
            }
            | Item::Blocks {
                axis,
                direction,
                body,
                ..
            }
            | Item::Segments {
                axis,
                direction,
                body,
                ..
            } => {
                let word = match direction {
                    Direction::Forward => "forward",
                    Direction::Reverse => "reverse",
                };
                let blocks = match item {
                    Item::Blocks { .. } => " in blocks",
                    Item::Segments { .. } => " in segments",
                    _ => "",
                };
                writeln!(f, "{indent}for {} {word}{blocks}", graph.axes[*axis].name)?;
                if let Item::Segments { again, .. } = item
                    && !again.is_empty()
                {
                    writeln!(f, "{indent}    again")?;
                    items(f, graph, forms, again, depth + 2, note)?;
                }
                items(f, graph, forms, body, depth + 1, note)?;
            }
            Item::Fork(branches) => {
                for body in branches {
                    writeln!(f, "{indent}branch")?;
                    items(f, graph, forms, body, depth + 1, note)?;
                }
            }
            Item::Kernel(kernel) => {
                let axes: Vec<&str> = kernel
                    .domain
                    .axes()
                    .map(|axis| graph.axes[axis].name.as_str())
                    .collect();
                write!(
                    f,
                    "{indent}{:<10} [{}] ",
                    what(graph, forms, kernel),
                    axes.join(", ")
                )?;
                label(f, graph, forms, kernel)?;
                if let Some(note) = note(kernel) {
                    write!(f, "  ; {note}")?;
                }
                writeln!(f)?;
            }
        }
    }
    Ok(())
}

fn label(f: &mut dyn fmt::Write, graph: &Graph, forms: &Forms, kernel: &Kernel) -> fmt::Result {
    for (at, id) in kernel.nodes.iter().enumerate() {
        let space = if at > 0 { " " } else { "" };
        write!(f, "{space}{}", node_name(graph, *id))?;
    }
    if kernel.pointwise {
        return Ok(());
    }
    f.write_str(" <-")?;
    for read in forms.operands(graph, kernel.nodes[0]) {
        write!(f, " {}", node_name(graph, read.node))?;
        for axis in read.back.axes() {
            write!(f, "[{}-]", graph.axes[axis].name)?;
        }
        for axis in read.ahead.axes() {
            write!(f, "[{}+]", graph.axes[axis].name)?;
        }
    }
    Ok(())
}

fn node_name(graph: &Graph, id: NodeId) -> String {
    graph.nodes[id]
        .name
        .clone()
        .unwrap_or_else(|| id.to_string())
}

// The word for a kernel: what its last op is, and for a sum what it is of, where that is not stored.
fn what(graph: &Graph, forms: &Forms, kernel: &Kernel) -> &'static str {
    if kernel.pointwise {
        return "pointwise";
    }
    let inlined = |id: NodeId| forms[id] == Form::Inlined;
    match &graph.nodes[kernel.nodes[0]].op {
        Op::MatMul(..) => "product",
        Op::Outer(..) => "outer",
        Op::Reduce { x, .. } if inlined(*x) => "dot",
        Op::Reduce { kind, .. } => kind.name(),
        Op::Softmax(_) => "softmax",
        Op::Concat { .. } => "concat",
        Op::Pad { .. } => "pad",
        Op::Gather { .. } => "gather",
        Op::Scatter { .. } => "scatter",
        Op::ArgMax(_) => "argmax",
        Op::AxisReduce { x, .. } => match graph.nodes[*x].op {
            Op::Outer(..) => "sum outer",
            Op::Scatter { .. } => "sum scatter",
            Op::Binary(..) if inlined(*x) => "sum product",
            _ => "reduce",
        },
        _ => "kernel",
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source => "source",
            Self::View => "view",
            Self::Pointwise => "pointwise",
            Self::Kernel => "kernel",
            Self::Inlined => "inlined",
        })
    }
}
