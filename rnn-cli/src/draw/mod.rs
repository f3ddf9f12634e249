//! A diagram as a picture: figures in layers, each below all that it reads.
//!
//! What a figure reads of another step is drawn as a figure of its own, dashed: `h[t-1]` stands above `h[t]` as in the drawings of
//! textbooks, so that all arrows point down.
//!
//! **Invariant:** figures of a layer do not overlap; the picture depends on the diagram alone.

mod layers;
mod svg;
#[cfg(test)]
mod tests;

use rnn::ir::textbook::{Diagram, FigureKind};

use crate::error::{CliError, Outcome};

/// Figures that are drawn, those of other steps included.
const MOST: usize = 600;
/// Places of lines between layers.
const MOST_PLACES: usize = 30_000;
/// Letters of a line of text in a box.
const LINE: usize = 42;
/// Lines of a formula.
const LINES: usize = 6;

/// What is drawn of a figure.
struct Shown {
    kind: Kind,
    lines: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Figure(FigureKind),
    /// A figure at another step.
    Elsewhere,
}

/// The text of the picture.
pub(crate) fn draw(diagram: &Diagram) -> Outcome<String> {
    let mut shown: Vec<Shown> = (diagram.figures.iter())
        .map(|figure| {
            let head = format!("{} : {}", figure.name, figure.shape);
            let formula = figure.formula.as_deref().map(wrapped).unwrap_or_default();
            Shown {
                kind: Kind::Figure(figure.kind),
                lines: std::iter::once(head).chain(formula).collect(),
            }
        })
        .collect();
    let mut elsewhere: Vec<(usize, &str)> = Vec::new();
    let mut arrows = Vec::new();
    for arrow in &diagram.arrows {
        let from = match &arrow.label {
            None => arrow.from,
            Some(label) => {
                let key = (arrow.from, label.as_str());
                let at = elsewhere.iter().position(|known| *known == key);
                diagram.figures.len()
                    + at.unwrap_or_else(|| {
                        elsewhere.push(key);
                        elsewhere.len() - 1
                    })
            }
        };
        arrows.push((from, arrow.to));
    }
    shown.extend(elsewhere.into_iter().map(|(from, label)| Shown {
        kind: Kind::Elsewhere,
        lines: vec![at_step(&diagram.figures[from].name, label)],
    }));
    let too_large = |what: String| {
        let reason =
            format!("{what}: too large to be drawn; `--format dot` writes it for Graphviz");
        CliError::Finding(reason)
    };
    if shown.len() > MOST {
        return Err(too_large(format!("{} figures", shown.len())));
    }
    let sizes: Vec<(f64, f64)> = shown.iter().map(|shown| svg::size(&shown.lines)).collect();
    let layout = layers::arrange(&sizes, &arrows, MOST_PLACES);
    let layout = layout.ok_or_else(|| too_large(format!("{} arrows", arrows.len())))?;
    Ok(svg::write(&diagram.name, &shown, &layout))
}

// `h[t]` at `t-1` is `h[t-1]`; what has no such index says where it stands.
fn at_step(name: &str, label: &str) -> String {
    let axis = label.split(['+', '-']).next().unwrap_or(label);
    let is_shift = axis.len() < label.len()
        && axis
            .chars()
            .all(|letter| letter.is_alphanumeric() || letter == '_');
    let indexed = name.rsplit_once('[').and_then(|(head, tail)| {
        let indices: Vec<&str> = tail.strip_suffix(']')?.split(", ").collect();
        let found = indices.contains(&axis);
        let moved: Vec<&str> = indices
            .into_iter()
            .map(|index| if index == axis { label } else { index })
            .collect();
        found.then(|| format!("{head}[{}]", moved.join(", ")))
    });
    match indexed {
        Some(indexed) if is_shift => indexed,
        _ => format!("{name} at {label}"),
    }
}

// A formula in lines, broken at spaces, cut where it is long.
fn wrapped(formula: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in formula.split(' ') {
        let mut word = word;
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > LINE {
            lines.push(std::mem::take(&mut line));
        }
        while let Some((at, _)) = word.char_indices().nth(LINE) {
            lines.push(word[..at].to_owned());
            word = &word[at..];
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    if lines.len() > LINES {
        lines.truncate(LINES - 1);
        lines.push("..".to_owned());
    }
    lines
}
