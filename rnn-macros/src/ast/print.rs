//! Source form of expressions, sizes and names, for messages.
//!
//! **Invariant:** `{}` has the fewest parentheses that read back as the same tree, `{:#}` has all of them.

use std::fmt::{self, Display, Formatter};

use super::{
    Argument, BinaryOp, Dim, DimKind, Expr, ExprKind, Indexed, NEGATE_PRECEDENCE, NamePath, Number,
    Path, Shape, SizeOp, Type, TypeKind,
};

/// Precedence of what needs no parentheses anywhere.
const ATOM: u8 = u8::MAX;

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ExprKind::Number(number) => number.fmt(f),
            ExprKind::Name(path) => path.fmt(f),
            ExprKind::Index(base, indices) => {
                operand(f, base, ATOM)?;
                index_list(f, indices)
            }
            ExprKind::Transpose(inner) => {
                operand(f, inner, ATOM)?;
                f.write_str(".T")
            }
            ExprKind::Negate(inner) => {
                f.write_str("-")?;
                operand(f, inner, NEGATE_PRECEDENCE)
            }
            ExprKind::Binary(op, left, right) => {
                operand(f, left, op.precedence())?;
                write!(f, " {} ", op.symbol())?;
                operand(f, right, op.precedence() + 1)
            }
            ExprKind::Concat(parts) => bracketed(f, parts),
            ExprKind::Call {
                callee,
                axes,
                arguments,
            } => {
                callee.fmt(f)?;
                if !axes.is_empty() {
                    bracketed(f, axes)?;
                }
                f.write_str("(")?;
                separated(f, arguments)?;
                f.write_str(")")
            }
            ExprKind::Error => f.write_str("?"),
        }
    }
}

impl Expr {
    fn precedence(&self) -> u8 {
        match &self.kind {
            ExprKind::Binary(op, ..) => op.precedence(),
            ExprKind::Negate(_) => NEGATE_PRECEDENCE,
            _ => ATOM,
        }
    }
}

fn operand(f: &mut Formatter<'_>, expr: &Expr, least: u8) -> fmt::Result {
    let compound = expr.precedence() != ATOM;
    if expr.precedence() < least || (f.alternate() && compound) {
        f.write_str("(")?;
        expr.fmt(f)?;
        f.write_str(")")
    } else {
        expr.fmt(f)
    }
}

/// `[t-1, j]`: an index reads better without spaces.
fn index_list(f: &mut Formatter<'_>, indices: &[Expr]) -> fmt::Result {
    f.write_str("[")?;
    for (at, index) in indices.iter().enumerate() {
        f.write_str(if at > 0 { ", " } else { "" })?;
        match &index.kind {
            ExprKind::Binary(op @ (BinaryOp::Add | BinaryOp::Sub), left, right)
                if left.as_ident().is_some() && matches!(right.kind, ExprKind::Number(_)) =>
            {
                write!(f, "{left}{}{right}", op.symbol())?;
            }
            _ => index.fmt(f)?,
        }
    }
    f.write_str("]")
}

fn bracketed(f: &mut Formatter<'_>, exprs: &[Expr]) -> fmt::Result {
    f.write_str("[")?;
    separated(f, exprs)?;
    f.write_str("]")
}

fn separated<T: Display>(f: &mut Formatter<'_>, items: &[T]) -> fmt::Result {
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            f.write_str(", ")?;
        }
        item.fmt(f)?;
    }
    Ok(())
}

impl Display for Number {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.integer {
            Some(integer) => write!(f, "{integer}"),
            None => write!(f, "{:?}", self.value),
        }
    }
}

impl Display for Argument {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            write!(f, "{name} = ")?;
        }
        self.value.fmt(f)
    }
}

impl Display for NamePath {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (at, segment) in self.segments.iter().enumerate() {
            write!(f, "{}{segment}", if at > 0 { "." } else { "" })?;
        }
        Ok(())
    }
}

impl Display for Indexed {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)?;
        if self.indices.is_empty() {
            Ok(())
        } else {
            index_list(f, &self.indices)
        }
    }
}

impl Display for Path {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (at, segment) in self.segments.iter().enumerate() {
            write!(
                f,
                "{}{segment}",
                if at > 0 || self.leading.is_some() {
                    "::"
                } else {
                    ""
                }
            )?;
        }
        Ok(())
    }
}

impl Display for Dim {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let factor = |f: &mut Formatter<'_>, dim: &Dim, wrap: bool| {
            if wrap {
                write!(f, "({dim})")
            } else {
                dim.fmt(f)
            }
        };
        let is_sum = |dim: &Dim| matches!(dim.kind, DimKind::Binary(SizeOp::Add | SizeOp::Sub, ..));
        match &self.kind {
            DimKind::Int(value) => write!(f, "{value}"),
            DimKind::Name(name) => write!(f, "{name}"),
            DimKind::Binary(SizeOp::Mul, left, right) => {
                factor(f, left, is_sum(left))?;
                f.write_str("*")?;
                factor(f, right, matches!(right.kind, DimKind::Binary(..)))
            }
            DimKind::Binary(op, left, right) => {
                write!(f, "{left} {} ", op.symbol())?;
                factor(f, right, is_sum(right))
            }
            DimKind::Error => f.write_str("?"),
        }
    }
}

impl Display for Shape {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        separated(f, &self.dims)?;
        f.write_str("]")
    }
}

impl Display for Type {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            TypeKind::Real(shape) => shape.fmt(f),
            TypeKind::Token(dim) => write!(f, "token<{dim}>"),
        }
    }
}
