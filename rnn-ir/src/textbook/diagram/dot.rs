//! The language of Graphviz.

use super::{Diagram, FigureKind};
use std::fmt::Write;

impl Diagram {
    /// The diagram in the language of Graphviz: arrows through time are dashed.
    pub fn dot(&self) -> String {
        let mut out = format!(
            "digraph {} {{\n  rankdir=TB;\n  node [shape=box, style=rounded, fontname=\"sans-serif\"];\n  edge [fontname=\"sans-serif\"];\n",
            quoted(&self.name)
        );
        for (at, figure) in self.figures.iter().enumerate() {
            let shape = match figure.kind {
                FigureKind::Input | FigureKind::Target => ", shape=ellipse",
                FigureKind::Param => ", shape=box, style=filled",
                FigureKind::Equation => "",
                FigureKind::Result => ", peripheries=2",
            };
            let label = quoted(&figure.lines().join("\n"));
            // Writing to a string does not fail.
            let _ = writeln!(out, "  n{at} [label={label}{shape}];");
        }
        for arrow in &self.arrows {
            let (from, to) = (arrow.from, arrow.to);
            // What passes time does not say which of two figures is above the other.
            let style = match &arrow.label {
                Some(label) => {
                    let label = quoted(label);
                    format!(" [label={label}, style=dashed, constraint=false]")
                }
                None => String::new(),
            };
            let _ = writeln!(out, "  n{from} -> n{to}{style};");
        }
        out.push_str("}\n");
        out
    }
}

// A string of the language, in which a line break is `\n`.
fn quoted(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", text.replace('\n', "\\n"))
}
