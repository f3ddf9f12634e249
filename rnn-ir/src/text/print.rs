//! Prints a graph in its text form.
//!
//! **Invariant:** the text depends on the graph alone, and every line can be read without the others' types.

use super::is_word;
use crate::axis::{AxisId, Domain, Extent};
use crate::graph::Graph;
use crate::node::{DType, Node, Type};
use crate::op::{Number, Op, Position, Role, Word};
use std::fmt::{self, Write};

/// The graph as text.
pub fn print(graph: &Graph) -> String {
    let mut out = String::new();
    // Writing into a string does not fail.
    let _ = write_graph(&mut out, graph);
    out
}

fn write_graph(out: &mut String, graph: &Graph) -> fmt::Result {
    write!(out, "model {}", Name(&graph.name))?;
    if !graph.sizes.is_empty() {
        let sizes: Vec<String> = graph
            .sizes
            .iter()
            .map(|size| Name(size).to_string())
            .collect();
        write!(out, "<{}>", sizes.join(", "))?;
    }
    out.push('\n');
    for (_, axis) in graph.axes.iter() {
        write!(out, "axis {}: 1..=", Name(&axis.name))?;
        match &axis.extent {
            Extent::Length(length) => writeln!(out, "{}", Name(length))?,
            Extent::Fixed(steps) => writeln!(out, "{steps}")?,
        }
    }
    for (id, file) in graph.files.iter() {
        writeln!(out, "{id} = {}", Quoted(file))?;
    }
    for (id, node) in graph.nodes.iter() {
        write!(out, "{id}")?;
        write_name(out, node)?;
        out.push_str(" = ");
        write_op(out, graph, &node.op)?;
        write!(out, " : {}", TypeText::of(graph, &node.ty))?;
        if let Some(loc) = node.loc {
            write!(out, " @ {loc}")?;
        }
        out.push('\n');
    }
    for result in &graph.results {
        let (kind, name) = (result.kind.name(), Name(&result.name));
        writeln!(out, "{kind} {name} = {}", result.node)?;
    }
    Ok(())
}

fn write_name(out: &mut String, node: &Node) -> fmt::Result {
    let implied = match &node.op {
        Op::Input { name, .. } | Op::Param { name, .. } => Some(name),
        _ => None,
    };
    match (&node.name, implied) {
        (None, Some(_)) => out.write_str(" _"),
        (name, implied) if name.as_ref() == implied => Ok(()),
        (Some(name), _) => write!(out, " {}", Quoted(name)),
        (None, None) => Ok(()),
    }
}

fn write_op(out: &mut String, graph: &Graph, op: &Op) -> fmt::Result {
    let axis = |id: AxisId| AxisText(graph, id);
    match op {
        Op::Input { name, role } => write!(out, "{} {}", role_word(*role), Name(name)),
        Op::Param { name, init, kind } => {
            let word = kind.name();
            write!(out, "{word} {} ~ {}", Name(name), Name(&init.kind))?;
            if init.args.is_empty() {
                return Ok(());
            }
            let args: Vec<String> = init
                .args
                .iter()
                .map(|arg| NumberText(*arg).to_string())
                .collect();
            write!(out, "({})", args.join(", "))
        }
        Op::Const(number) => write!(out, "const {}", NumberText(*number)),
        Op::Step(id) => write!(out, "step {}", axis(*id)),
        Op::Length(id) => write!(out, "length {}", axis(*id)),
        Op::Entries => out.write_str("entries"),

        Op::Unary(unary, x) => write!(out, "{} {x}", unary.name()),
        Op::Binary(binary, a, b) => write!(out, "{} {a}, {b}", binary.name()),
        Op::Compare(compare, a, b) => write!(out, "{} {a}, {b}", compare.name()),
        Op::Select(condition, then, otherwise) => {
            write!(out, "where {condition}, {then}, {otherwise}")
        }
        Op::StopGradient(x) => write!(out, "stop {x}"),
        Op::Mix(a, b) => write!(out, "mix {a}, {b}"),
        Op::Uniform(x) => write!(out, "random {x}"),
        Op::Token(x) => write!(out, "token {x}"),

        Op::MatMul(a, b) => write!(out, "matmul {a}, {b}"),
        Op::Outer(a, b) => write!(out, "outer {a}, {b}"),
        Op::Transpose(x) => write!(out, "transpose {x}"),

        Op::Expand { x, at, dim } => write!(out, "expand {x} at {at} to {dim}"),
        Op::Reduce { kind, x, at } => write!(out, "{} {x} at {at}", kind.name()),
        Op::Softmax(x) => write!(out, "softmax {x}"),
        Op::Concat { parts, at } => {
            let parts: Vec<String> = parts.iter().map(ToString::to_string).collect();
            write!(out, "concat ({}) at {at}", parts.join(", "))
        }
        Op::Slice { x, at, start, len } => {
            write!(out, "slice {x} at {at} from {start} take {len}")
        }
        Op::Pad {
            x,
            at,
            before,
            after,
        } => write!(out, "pad {x} at {at} by {before}, {after}"),

        Op::Gather { table, index } => write!(out, "gather {table}, {index}"),
        Op::Scatter { index, x, dim } => write!(out, "scatter {index}, {x} to {dim}"),
        Op::ArgMax(x) => write!(out, "argmax {x}"),

        Op::Broadcast { x, axes } => write!(out, "broadcast{} {x}", Axes(graph, *axes)),
        Op::AxisReduce { kind, x, axes } => {
            write!(out, "{}{} {x}", kind.name(), Axes(graph, *axes))
        }
        Op::Shift {
            axis: along,
            by,
            x,
            boundary,
        } => {
            write!(out, "shift {}{by:+} {x}", axis(*along))?;
            boundary.map_or(Ok(()), |boundary| write!(out, " else {boundary}"))
        }
        Op::At {
            axis: along,
            position,
            x,
            boundary,
        } => {
            write!(out, "at {}={} {x}", axis(*along), Step(*position))?;
            boundary.map_or(Ok(()), |boundary| write!(out, " else {boundary}"))
        }
        Op::Place {
            axis: along,
            position,
            x,
        } => write!(out, "place {}={} {x}", axis(*along), Step(*position)),
    }
}

/// The word that declares an input of a role.
pub(super) fn role_word(role: Role) -> &'static str {
    match role {
        Role::Input => "input",
        Role::Target => "target",
        Role::State => "state",
        Role::Fresh => "fresh",
        Role::Teacher => "teacher",
        Role::Weight => "weight",
        Role::Seed(Word::First) => "seed_first",
        Role::Seed(Word::Second) => "seed_second",
        Role::Training => "training",
    }
}

/// A type in the text form: `[batch, t] [H]`, `[] [] index`.
pub struct TypeText;

impl TypeText {
    /// Prints a type with the names of a graph's axes.
    pub fn of(graph: &Graph, ty: &Type) -> String {
        let Type {
            domain,
            shape,
            dtype,
        } = ty;
        let kind = match dtype {
            DType::Real => String::new(),
            DType::Index | DType::Bool => format!(" {dtype}"),
        };
        format!("{} {shape}{kind}", Axes(graph, *domain))
    }
}

struct AxisText<'g>(&'g Graph, AxisId);

impl fmt::Display for AxisText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.axes.get(self.1) {
            Some(axis) => write!(f, "{}", Name(&axis.name)),
            None => write!(f, "{}", self.1),
        }
    }
}

struct Axes<'g>(&'g Graph, Domain);

impl fmt::Display for Axes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (position, axis) in self.1.axes().enumerate() {
            if position > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{}", AxisText(self.0, axis))?;
        }
        f.write_str("]")
    }
}

struct Step(Position);

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Position::First => f.write_str("first"),
            Position::Last => f.write_str("last"),
            Position::Step(step) => write!(f, "{step}"),
        }
    }
}

/// A number whose text gives back its bits.
pub(crate) struct NumberText(pub(crate) Number);

impl fmt::Display for NumberText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.0.0;
        if value.is_nan() && value.to_bits() != f64::NAN.to_bits() {
            return write!(f, "nan({:016x})", value.to_bits());
        }
        if value.is_nan() {
            return f.write_str("nan");
        }
        let text = format!("{value:?}");
        f.write_str(text.strip_suffix(".0").unwrap_or(&text))
    }
}

struct Name<'a>(&'a str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_word(self.0) {
            f.write_str(self.0)
        } else {
            write!(f, "{}", Quoted(self.0))
        }
    }
}

struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for letter in self.0.chars() {
            match letter {
                '"' | '\\' => write!(f, "\\{letter}")?,
                '\n' => f.write_str("\\n")?,
                letter if letter.is_control() => write!(f, "\\u{{{:x}}}", u32::from(letter))?,
                letter => f.write_char(letter)?,
            }
        }
        f.write_char('"')
    }
}
