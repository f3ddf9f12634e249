//! Source form of statements and signatures, for documentation.
//!
//! **Invariant:** as in [`super::print`], `{:#}` writes every parenthesis.

use std::fmt::{self, Display, Formatter};

use proc_macro2::Ident;

use super::{
    AxisKind, CellExpr, CellExprKind, Combinator, Init, InputKind, Item, ItemKind, StatementKind,
};

impl Display for StatementKind {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Axis(axis) => {
                let word = match axis.kind {
                    AxisKind::Time => "time",
                    AxisKind::Index => "index",
                };
                write!(f, "{word} {} in 1..={};", axis.name, axis.end)
            }
            Self::Inputs(inputs) => {
                let word = match inputs.first().map(|input| input.kind) {
                    Some(InputKind::Target) => "target",
                    _ => "input",
                };
                let all = inputs
                    .iter()
                    .map(|it| format!("{}: {}", indexed(&it.name, &it.axes), it.ty));
                write!(f, "{word} {};", all.collect::<Vec<_>>().join(", "))
            }
            Self::Params(params) => {
                let Some(first) = params.first() else {
                    return Ok(());
                };
                let word = first.kind.name();
                let names = params.iter().map(|param| indexed(&param.name, &param.axes));
                write!(
                    f,
                    "{word} {}: {}",
                    names.collect::<Vec<_>>().join(", "),
                    first.shape
                )?;
                match &first.init {
                    Init::Draw { name, arguments } if arguments.is_empty() => {
                        write!(f, " ~ {name};")
                    }
                    Init::Draw { name, arguments } => {
                        write!(f, " ~ {name}({});", joined(arguments))
                    }
                    Init::Fill(value) => write!(f, " = {value};"),
                    Init::Missing => f.write_str(";"),
                }
            }
            Self::Layer(layer) => {
                write!(
                    f,
                    "layer {} = {};",
                    indexed(&layer.name, &layer.axes),
                    layer.cell
                )
            }
            Self::Equation(equation) => {
                equation.left.fmt(f)?;
                if let Some(shape) = &equation.shape {
                    write!(f, ": {shape}")?;
                }
                f.write_str(" = ")?;
                equation.right.fmt(f)?;
                f.write_str(";")
            }
            Self::Outputs(outputs) => write!(f, "output {};", joined(outputs)),
            Self::Loss(loss) => {
                f.write_str("loss ")?;
                loss.fmt(f)?;
                f.write_str(";")
            }
        }
    }
}

impl Display for CellExpr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            CellExprKind::Instance { path, sizes } if sizes.is_empty() => path.fmt(f),
            CellExprKind::Instance { path, sizes } => write!(f, "{path}<{}>", joined(sizes)),
            CellExprKind::Combined { combinator, inner } => match combinator {
                Combinator::Reverse => write!(f, "reverse({inner})"),
                Combinator::Bi => write!(f, "bi({inner})"),
                Combinator::Stack(count) => write!(f, "stack({count}, {inner})"),
                Combinator::Residual => write!(f, "residual({inner})"),
            },
            CellExprKind::Error => f.write_str("?"),
        }
    }
}

impl Item {
    /// `cell Lstm<I, H>(x: [I]) -> h: [H]`
    pub(crate) fn signature(&self) -> String {
        let word = match self.kind {
            ItemKind::Cell(_) => "cell",
            ItemKind::Model(_) => "model",
        };
        let mut text = format!("{word} {}", self.name);
        if !self.sizes.is_empty() {
            text.push_str(&format!("<{}>", joined(&self.sizes)));
        }
        if let ItemKind::Cell(cell) = &self.kind {
            let inputs = cell
                .inputs
                .iter()
                .map(|it| format!("{}: {}", indexed(&it.name, &it.axes), it.ty));
            let outputs = cell
                .outputs
                .iter()
                .map(|it| format!("{}: {}", it.name, it.shape));
            let (inputs, outputs): (Vec<_>, Vec<_>) = (inputs.collect(), outputs.collect());
            text.push_str(&format!(
                "({}) -> {}",
                inputs.join(", "),
                outputs.join(", ")
            ));
        }
        text
    }
}

/// `x[t]`, `x`
fn indexed(name: &Ident, axes: &[Ident]) -> String {
    if axes.is_empty() {
        name.to_string()
    } else {
        format!("{name}[{}]", joined(axes))
    }
}

fn joined<T: Display>(items: &[T]) -> String {
    items
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}
