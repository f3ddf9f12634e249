//! The tree as text for snapshots: one line per declared name, every parenthesis written out.
//!
//! **Invariant:** two different trees have different outlines.

use std::fmt::{self, Display, Formatter};

use super::*;

/// Wraps a program to print it.
pub(crate) struct Outline<'a>(pub(crate) &'a Program);

impl Display for Outline<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for item in &self.0.items {
            item_outline(f, item)?;
        }
        Ok(())
    }
}

fn item_outline(f: &mut Formatter<'_>, item: &Item) -> fmt::Result {
    for attribute in &item.attributes {
        writeln!(f, "{}", attribute.tokens)?;
    }
    match &item.visibility {
        Visibility::Private => {}
        Visibility::Restricted(tokens) | Visibility::Public(tokens) => write!(f, "{tokens} ")?,
    }
    let word = if matches!(item.kind, ItemKind::Cell(_)) {
        "cell"
    } else {
        "model"
    };
    write!(f, "{word} {}<{}>", item.name, joined(&item.sizes))?;
    if let ItemKind::Cell(cell) = &item.kind {
        let inputs: Vec<String> = cell
            .inputs
            .iter()
            .map(|input| format!("{}{}: {}", input.name, axes(&input.axes), input.ty))
            .collect();
        let outputs: Vec<String> = cell
            .outputs
            .iter()
            .map(|output| format!("{}: {}", output.name, output.shape))
            .collect();
        write!(f, "({}) -> {}", inputs.join(", "), outputs.join(", "))?;
    }
    writeln!(f, "{}", if item.broken { " (broken)" } else { "" })?;
    for statement in &item.body {
        for attribute in &statement.attributes {
            writeln!(f, "  {}", attribute.tokens)?;
        }
        statement_outline(f, &statement.kind)?;
    }
    Ok(())
}

fn statement_outline(f: &mut Formatter<'_>, statement: &StatementKind) -> fmt::Result {
    match statement {
        StatementKind::Axis(axis) => {
            writeln!(f, "  {:?} {} 1..={}", axis.kind, axis.name, axis.end)
        }
        StatementKind::Inputs(inputs) => inputs.iter().try_for_each(|input| {
            writeln!(
                f,
                "  {:?} {}{}: {}",
                input.kind,
                input.name,
                axes(&input.axes),
                input.ty
            )
        }),
        StatementKind::Params(params) => params.iter().try_for_each(|param| {
            write!(
                f,
                "  {:?} {}{}: {} ",
                param.kind,
                param.name,
                axes(&param.axes),
                param.shape
            )?;
            match &param.init {
                Init::Draw { name, arguments } => writeln!(f, "~ {name}({})", joined(arguments)),
                Init::Fill(value) => writeln!(f, "= {value:#}"),
                Init::Missing => writeln!(f, "?"),
            }
        }),
        StatementKind::Layer(layer) => {
            write!(f, "  Layer {}{} = ", layer.name, axes(&layer.axes))?;
            cell_outline(f, &layer.cell)?;
            writeln!(f)
        }
        StatementKind::Equation(equation) => {
            write!(f, "  {:#}", equation.left)?;
            if let Some(shape) = &equation.shape {
                write!(f, ": {shape}")?;
            }
            writeln!(f, " = {:#}", equation.right)
        }
        StatementKind::Outputs(outputs) => writeln!(f, "  Output {}", joined(outputs)),
        StatementKind::Loss(loss) => writeln!(f, "  Loss {loss:#}"),
    }
}

fn cell_outline(f: &mut Formatter<'_>, cell: &CellExpr) -> fmt::Result {
    match &cell.kind {
        CellExprKind::Instance { path, sizes } => write!(f, "{path}<{}>", joined(sizes)),
        CellExprKind::Combined {
            combinator, inner, ..
        } => {
            match combinator {
                Combinator::Reverse => write!(f, "Reverse(")?,
                Combinator::Bi => write!(f, "Bi(")?,
                Combinator::Stack(count) => write!(f, "Stack({count}, ")?,
                Combinator::Residual => write!(f, "Residual(")?,
            }
            cell_outline(f, inner)?;
            f.write_str(")")
        }
        CellExprKind::Error => f.write_str("?"),
    }
}

fn axes(names: &[proc_macro2::Ident]) -> String {
    if names.is_empty() {
        String::new()
    } else {
        format!("[{}]", joined(names))
    }
}

fn joined<T: Display>(items: &[T]) -> String {
    items
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}
