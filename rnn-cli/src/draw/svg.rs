//! The layout as SVG, light or dark as its reader's machine is.
//!
//! **Invariant:** texts are escaped, and fit into their boxes in a font of 7.3 units a letter.

use std::fmt::Write;

use rnn::ir::textbook::FigureKind;

use super::layers::Layout;
use super::{Kind, Shown};

/// Width of a letter, for a monospace font of 12 units; wider fonts are squeezed into it.
const LETTER: f64 = 7.3;
/// Height of a line of text.
const LINE: f64 = 17.0;

const STYLE: &str = "\
text { font: 12px ui-monospace, Menlo, Consolas, monospace; fill: #1d1d1f; text-anchor: middle; }
.head { font-weight: 600; }
.box { stroke-width: 1.4; }
.input { fill: #e3effa; stroke: #2f7fc1; }
.target { fill: #f3e6f0; stroke: #a0568a; }
.param { fill: #f1f1ee; stroke: #8d8d86; }
.equation { fill: #ffffff; stroke: #55555c; }
.result { fill: #e2f4ec; stroke: #12855f; stroke-width: 2.2; }
.elsewhere { fill: none; stroke: #b0620a; stroke-dasharray: 5 3; }
.arrow { fill: none; stroke: #8a8a92; stroke-width: 1.3; }
.time { stroke: #b0620a; stroke-dasharray: 5 3; }
@media (prefers-color-scheme: dark) {
  text { fill: #ececef; }
  .input { fill: #16324a; stroke: #5aa9e6; } .target { fill: #3a2434; stroke: #cf8cba; }
  .param { fill: #2a2a28; stroke: #9a9a94; } .equation { fill: #222226; stroke: #a0a0a8; }
  .result { fill: #133629; stroke: #3cc79a; } .elsewhere { stroke: #f0a04b; } .time { stroke: #f0a04b; }
}
";

/// The width and height of a box around some lines.
pub(super) fn size(lines: &[String]) -> (f64, f64) {
    let longest = lines.iter().map(|line| line.chars().count()).max();
    let width = LETTER * longest.unwrap_or(0) as f64 + 24.0;
    (width.max(44.0), LINE * lines.len() as f64 + 14.0)
}

pub(super) fn write(name: &str, shown: &[Shown], layout: &Layout) -> String {
    let (width, height) = (layout.width.ceil(), layout.height.ceil());
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"img\">\n<title>{}</title>\n<style>{STYLE}</style>\n\
         <defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7.5\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" markerUnits=\"userSpaceOnUse\" orient=\"auto\">\
         <path d=\"M0,0.8 L7.5,4 L0,7.2 z\" fill=\"#8a8a92\"/></marker></defs>\n",
        escaped(name)
    );
    for path in &layout.arrows {
        write_arrow(&mut out, path, elsewhere_at(shown, layout, path));
    }
    for (shown, place) in shown.iter().zip(&layout.boxes) {
        write_box(&mut out, shown, *place);
    }
    out.push_str("</svg>\n");
    out
}

// Whether an arrow comes from a figure of another step: it begins at its lower edge.
fn elsewhere_at(shown: &[Shown], layout: &Layout, path: &[(f64, f64)]) -> bool {
    let mut boxes = shown.iter().zip(&layout.boxes);
    boxes.any(|(shown, (x, y, _, height))| {
        let start = (*x, y + height / 2.0);
        shown.kind == Kind::Elsewhere && path.first() == Some(&start)
    })
}

fn write_arrow(out: &mut String, path: &[(f64, f64)], time: bool) {
    let class = if time { "arrow time" } else { "arrow" };
    let mut line = String::new();
    for (position, (x, y)) in path.iter().enumerate() {
        // Writing to a string does not fail.
        let _ = match position.checked_sub(1) {
            None => write!(line, "M{x:.1},{y:.1}"),
            Some(before) => {
                let (from_x, from_y) = path[before];
                let half = (y - from_y) / 2.0;
                write!(
                    line,
                    " C{from_x:.1},{:.1} {x:.1},{:.1} {x:.1},{y:.1}",
                    from_y + half,
                    y - half
                )
            }
        };
    }
    let _ = writeln!(
        out,
        "<path class=\"{class}\" d=\"{line}\" marker-end=\"url(#tip)\"/>"
    );
}

fn write_box(out: &mut String, shown: &Shown, (x, y, width, height): (f64, f64, f64, f64)) {
    let (class, round) = match shown.kind {
        Kind::Figure(FigureKind::Input) => ("input", height / 2.0),
        Kind::Figure(FigureKind::Target) => ("target", height / 2.0),
        Kind::Figure(FigureKind::Param) => ("param", 0.0),
        Kind::Figure(FigureKind::Equation) => ("equation", 6.0),
        Kind::Figure(FigureKind::Result) => ("result", 6.0),
        Kind::Elsewhere => ("elsewhere", height / 2.0),
    };
    let (left, top) = (x - width / 2.0, y - height / 2.0);
    // Writing to a string does not fail.
    let _ = writeln!(
        out,
        "<rect class=\"box {class}\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"{round:.1}\"/>"
    );
    for (at, line) in shown.lines.iter().enumerate() {
        let baseline = top + 7.0 + LINE * (at as f64 + 0.75);
        let head = if at == 0 { " class=\"head\"" } else { "" };
        let length = LETTER * line.chars().count() as f64;
        let _ = writeln!(
            out,
            "<text{head} x=\"{x:.1}\" y=\"{baseline:.1}\" textLength=\"{length:.1}\" lengthAdjust=\"spacingAndGlyphs\">{}</text>",
            escaped(line)
        );
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            letter if letter.is_control() => out.push('\u{fffd}'),
            letter => out.push(letter),
        }
    }
    out
}
