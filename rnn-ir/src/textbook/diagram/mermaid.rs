//! The language of Mermaid.

use super::{Diagram, Figure, FigureKind};
use std::fmt::Write;

/// Letters of a formula that are shown.
const MOST: usize = 72;

impl Figure {
    /// What stands in its box: its name with its shape, and how it is computed, cut where it is long.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("{} : {}", self.name, self.shape)];
        if let Some(formula) = &self.formula {
            lines.push(match formula.chars().count() > MOST {
                true => formula.chars().take(MOST - 2).chain("..".chars()).collect(),
                false => formula.clone(),
            });
        }
        lines
    }
}

impl Diagram {
    /// The diagram as a Mermaid flowchart: arrows through time are dotted.
    pub fn mermaid(&self) -> String {
        let mut out = String::from("flowchart TB\n");
        for (at, figure) in self.figures.iter().enumerate() {
            let label = quoted(&figure.lines().join("\n"));
            let (open, close) = match figure.kind {
                FigureKind::Input | FigureKind::Target => ("([", "])"),
                FigureKind::Param => ("[/", "/]"),
                FigureKind::Equation => ("[", "]"),
                FigureKind::Result => ("[[", "]]"),
            };
            // Writing to a string does not fail.
            let _ = writeln!(out, "  n{at}{open}{label}{close}");
        }
        for arrow in &self.arrows {
            let line = match &arrow.label {
                Some(label) => format!("-.->|{}|", quoted(label)),
                None => "-->".to_owned(),
            };
            let _ = writeln!(out, "  n{} {line} n{}", arrow.from, arrow.to);
        }
        out
    }
}

// A string of the language: what has a meaning in it or in HTML is written by its number.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for letter in text.chars() {
        match letter {
            '\n' => out.push_str("<br/>"),
            '"' | '#' | '&' | '<' | '>' | '`' => {
                // Writing to a string does not fail.
                let _ = write!(out, "#{};", u32::from(letter));
            }
            letter => out.push(letter),
        }
    }
    out.push('"');
    out
}
