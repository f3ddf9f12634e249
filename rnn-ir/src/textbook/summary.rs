//! A model at a glance: its parameters with their counts, its equations with their shapes.
//!
//! **Invariant:** counts are polynomials in the sizes, exact for all of them.

use super::naming::Naming;
use super::render::Scope;
use super::view::resolve;
use crate::dim::Dim;
use crate::graph::Graph;
use crate::node::{DType, Shape};
use crate::op::{Op, ParamKind, Role};

/// A table of the inputs, parameters and equations of a verified graph.
pub fn summary(graph: &Graph) -> String {
    let naming = Naming::of(graph);
    let mut out = graph.name.clone();
    if !graph.sizes.is_empty() {
        out.push_str(&format!("<{}>", graph.sizes.join(", ")));
    }
    out.push('\n');

    let mut inputs = vec![row(["input", "shape", "role"])];
    let mut params = vec![row(["parameter", "shape", "count"])];
    let mut equations = vec![row(["equation", "shape", "result"])];
    let mut totals = ParamKind::ALL.map(|kind| (kind, Some(Dim::constant(0))));
    for (id, node) in graph.nodes.iter() {
        let shape = shape_text(&node.ty.shape, node.ty.dtype);
        match &node.op {
            Op::Input { role, .. } => {
                let name = naming.reference(id, &Scope::default());
                inputs.push([name, shape, role_text(*role).into()]);
            }
            Op::Param { name, kind, .. } => {
                let count = count(&node.ty.shape);
                for (_, total) in totals.iter_mut().filter(|(of, _)| of == kind) {
                    *total = total
                        .take()
                        .zip(count.as_ref())
                        .and_then(|(total, count)| total.checked_add(count));
                }
                params.push([name.clone(), shape, count_text(count.as_ref())]);
            }
            _ if naming.is_equation(id) => {
                let results: Vec<String> = graph
                    .results
                    .iter()
                    .filter(|result| resolve(graph, result.node) == id)
                    .map(|result| format!("{} {}", result.kind.name(), result.name))
                    .collect();
                let name = naming.reference(id, &Scope::default());
                equations.push([name, shape, results.join(", ")]);
            }
            _ => {}
        }
    }
    if params.len() > 1 {
        for (kind, total) in &totals {
            let word = match kind {
                ParamKind::Trained => "trained",
                ParamKind::Fixed | ParamKind::Running => kind.name(),
            };
            let any = total.as_ref().and_then(Dim::as_constant) != Some(0);
            if any || *kind == ParamKind::Trained {
                params.push(row([word, "", &count_text(total.as_ref())]));
            }
        }
    }
    for table in [inputs, params, equations] {
        if table.len() > 1 {
            write_table(&mut out, &table);
        }
    }
    out
}

fn row(cells: [&str; 3]) -> [String; 3] {
    cells.map(str::to_owned)
}

fn shape_text(shape: &Shape, dtype: DType) -> String {
    match dtype {
        DType::Real => shape.to_string(),
        DType::Index if shape.is_scalar() => "token".into(),
        DType::Index => format!("{shape} of tokens"),
        DType::Bool => format!("{shape} of truth values"),
    }
}

fn role_text(role: Role) -> &'static str {
    match role {
        Role::Input => "input",
        Role::Target => "target",
        Role::State => "carried state",
        Role::Fresh => "whether the example starts here",
        Role::Teacher => "whether the step reads the target",
        Role::Weight => "weight of the example's loss",
        Role::Seed(_) => "what random numbers are drawn from",
        Role::Training => "whether the model is trained",
    }
}

fn count(shape: &Shape) -> Option<Dim> {
    shape
        .0
        .iter()
        .try_fold(Dim::constant(1), |total, dim| total.checked_mul(dim))
}

fn count_text(count: Option<&Dim>) -> String {
    count.map_or("more than 2^63".into(), ToString::to_string)
}

fn write_table(out: &mut String, rows: &[[String; 3]]) {
    let width = |column: usize| {
        let widths = rows.iter().map(|row| row[column].chars().count());
        widths.max().unwrap_or(0)
    };
    let (first, second) = (width(0), width(1));
    out.push('\n');
    for (index, row) in rows.iter().enumerate() {
        let [a, b, c] = row;
        let line = format!("  {a:first$}  {b:second$}  {c}");
        out.push_str(line.trim_end());
        out.push('\n');
        if index == 0 {
            let rule = "-".repeat(first + second + 4 + width(2));
            out.push_str(&format!("  {rule}\n"));
        }
    }
}
