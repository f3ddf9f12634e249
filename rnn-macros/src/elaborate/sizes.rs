//! Sizes, shapes and constants as written, to polynomials and numbers.
//!
//! **Invariant:** a size that is a number is at least one.

use std::borrow::Borrow;

use proc_macro2::Ident;
use rnn_ir::dim::Dim;
use rnn_ir::node::Shape;

use super::Elaborator;
use super::function::OptionDecl;
use super::scope::{Entity, ScopeId};
use crate::ast::{self, Argument, BinaryOp, Expr, ExprKind, SizeOp};
use crate::diagnostics::{Diagnostic, counted};

impl Elaborator<'_, '_> {
    /// A size in the names of a scope, outside of any family.
    pub(super) fn dim(&mut self, scope: ScopeId, dim: &ast::Dim) -> Option<Dim> {
        self.dim_of_member(scope, dim, &[])
    }

    /// A size in the names of a scope, in which an index of a family is the number of the member.
    fn dim_of_member(
        &mut self,
        scope: ScopeId,
        dim: &ast::Dim,
        statics: &[(String, i64)],
    ) -> Option<Dim> {
        let value = self.polynomial(scope, dim, statics)?;
        if value.as_constant().is_some_and(|value| value < 1) {
            self.report(Diagnostic::new(
                dim.extent,
                format!("a size is at least 1, found {value}"),
            ));
            return None;
        }
        Some(value)
    }

    fn polynomial(
        &mut self,
        scope: ScopeId,
        dim: &ast::Dim,
        statics: &[(String, i64)],
    ) -> Option<Dim> {
        match &dim.kind {
            ast::DimKind::Error => None,
            ast::DimKind::Int(value) => match i64::try_from(*value) {
                Ok(value) => Some(Dim::constant(value)),
                Err(_) => self.too_large(dim),
            },
            ast::DimKind::Name(name) => self.size_named(scope, name, statics),
            ast::DimKind::Binary(op, left, right) => {
                let (left, right) = (
                    self.polynomial(scope, left, statics),
                    self.polynomial(scope, right, statics),
                );
                let (left, right) = (left?, right?);
                let value = match op {
                    SizeOp::Add => left.checked_add(&right),
                    SizeOp::Sub => left.checked_sub(&right),
                    SizeOp::Mul => left.checked_mul(&right),
                };
                value.or_else(|| self.too_large(dim))
            }
        }
    }

    fn too_large(&mut self, dim: &ast::Dim) -> Option<Dim> {
        self.report(Diagnostic::new(
            dim.extent,
            format!("size `{dim}` is too large"),
        ));
        None
    }

    fn size_named(
        &mut self,
        scope: ScopeId,
        name: &Ident,
        statics: &[(String, i64)],
    ) -> Option<Dim> {
        let text = name.to_string();
        if let Some((_, member)) = statics.iter().find(|(known, _)| *known == text) {
            return Some(Dim::constant(*member));
        }
        let item = self.system.scopes[scope].item;
        let error = match self.system.scopes[scope].lookup(&text) {
            Some(Entity::Size(dim)) => return Some(dim.clone()),
            Some(Entity::Broken) => return None,
            Some(Entity::Length(_)) => Diagnostic::new(
                name,
                format!("`{text}` is the length of an axis, not a size"),
            )
            .help("features have sizes that are known before the data: declare one in `<..>`"),
            Some(Entity::Static(_)) => {
                Diagnostic::new(name, format!("`{text}` has no value here")).help(format!(
                    "a size may depend on an index of what it is the size of: `W[{text}]: [{text}*H]`"
                ))
            }
            _ => {
                if !self.is_news(scope, &text) {
                    return None;
                }
                let near = self.system.scopes[scope]
                    .nearest(&text, |entity| matches!(entity, Entity::Size(_)));
                let word = if matches!(item.kind, ast::ItemKind::Cell(_)) {
                    "cell"
                } else {
                    "model"
                };
                let help = match near {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("declare it: `{word} {}<.., {text}>`", item.name),
                };
                Diagnostic::new(name, format!("unknown size `{text}`")).help(help)
            }
        };
        self.report(error);
        None
    }

    /// A shape in the names of a scope, outside of any family.
    pub(super) fn shape(&mut self, scope: ScopeId, shape: &ast::Shape) -> Option<Shape> {
        self.shape_of_member(scope, shape, &[])
    }

    /// The shape of the member of a family, which may depend on its number: `U[g]: [H, g*H]`.
    pub(super) fn shape_of_member(
        &mut self,
        scope: ScopeId,
        shape: &ast::Shape,
        statics: &[(String, i64)],
    ) -> Option<Shape> {
        let dims = shape.dims.iter();
        let dims: Vec<Option<Dim>> = dims
            .map(|dim| self.dim_of_member(scope, dim, statics))
            .collect();
        if dims.len() > 2 {
            let error = Diagnostic::new(
                shape.extent,
                format!("a value has at most two feature axes, found {}", dims.len()),
            );
            self.report(
                error.help(
                    "write the third as an `index` family, or join two of them into one size",
                ),
            );
            return None;
        }
        Some(Shape(dims.into_iter().collect::<Option<_>>()?))
    }

    /// A size written as an expression: an argument of `slice` or `one_hot`.
    pub(super) fn dim_of_expr(
        &mut self,
        scope: ScopeId,
        expr: &Expr,
        statics: &[(String, i64)],
    ) -> Option<Dim> {
        let value = match &expr.kind {
            ExprKind::Error => return None,
            ExprKind::Number(number) => number
                .integer
                .and_then(|value| i64::try_from(value).ok())
                .map(Dim::constant),
            ExprKind::Name(path) => match path.as_ident() {
                Some(name) => return self.size_named(scope, name, statics),
                None => None,
            },
            ExprKind::Binary(op @ (BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul), left, right) => {
                let (left, right) = (
                    self.dim_of_expr(scope, left, statics)?,
                    self.dim_of_expr(scope, right, statics)?,
                );
                match op {
                    BinaryOp::Add => left.checked_add(&right),
                    BinaryOp::Sub => left.checked_sub(&right),
                    _ => left.checked_mul(&right),
                }
            }
            _ => None,
        };
        if value.is_none() {
            let error = Diagnostic::new(expr.extent, format!("expected a size, found `{expr}`"));
            self.report(
                error.help("a size is made of numbers and sizes of the model, as in `2*H`"),
            );
        }
        value
    }

    /// A number that is known when the model is written.
    pub(super) fn constant(&mut self, expr: &Expr) -> Option<f64> {
        let value = fold(expr);
        if value.is_none() && !expr.has_error() {
            let error =
                Diagnostic::new(expr.extent, format!("expected a constant, found `{expr}`"));
            self.report(error.help("only numbers and arithmetic on them are known here"));
        }
        value.filter(|value| {
            let finite = value.is_finite();
            if !finite {
                self.report(Diagnostic::new(
                    expr.extent,
                    format!("`{expr}` is no finite number"),
                ));
            }
            finite
        })
    }

    /// Constants by position or by name, with defaults.
    pub(super) fn options(
        &mut self,
        callee: &Ident,
        arguments: &[impl Borrow<Argument>],
        options: &[OptionDecl],
        usage: &str,
    ) -> Option<Vec<f64>> {
        let mut values: Vec<Option<f64>> = vec![None; options.len()];
        let mut failed = false;
        for (position, argument) in arguments.iter().enumerate() {
            let argument: &Argument = argument.borrow();
            let at = match &argument.name {
                None => Some(position).filter(|at| *at < options.len()),
                Some(name) => options.iter().position(|(option, _)| name == option),
            };
            let Some(at) = at else {
                let error = match &argument.name {
                    Some(name) => {
                        Diagnostic::new(name, format!("`{callee}` has no argument `{name}`"))
                    }
                    None => {
                        let takes = counted(options.len(), "argument");
                        Diagnostic::new(
                            argument.value.extent,
                            format!("`{callee}` takes {takes}, found {}", arguments.len()),
                        )
                    }
                };
                self.report(error.help(usage));
                return None;
            };
            match self.constant(&argument.value) {
                Some(value) => values[at] = Some(value),
                None => failed = true,
            }
        }
        if failed {
            return None;
        }
        let mut complete = Vec::new();
        for (value, (name, default)) in values.into_iter().zip(options) {
            let Some(value) = value.or(*default) else {
                self.report(
                    Diagnostic::new(callee, format!("`{callee}` needs `{name}`")).help(usage),
                );
                return None;
            };
            complete.push(value);
        }
        Some(complete)
    }
}

fn fold(expr: &Expr) -> Option<f64> {
    match &expr.kind {
        ExprKind::Number(number) => Some(number.value),
        ExprKind::Negate(inner) => fold(inner).map(|value| -value),
        ExprKind::Binary(op, left, right) => {
            let (left, right) = (fold(left)?, fold(right)?);
            match op {
                BinaryOp::Add => Some(left + right),
                BinaryOp::Sub => Some(left - right),
                BinaryOp::Mul => Some(left * right),
                BinaryOp::Div => Some(left / right),
                _ => None,
            }
        }
        ExprKind::Call {
            callee,
            axes,
            arguments,
        } if axes.is_empty() => {
            let [argument] = arguments.as_slice() else {
                return None;
            };
            let value = fold(&argument.value)?;
            match callee.as_ident()?.to_string().as_str() {
                "sqrt" => Some(value.sqrt()),
                "exp" => Some(value.exp()),
                "ln" | "log" => Some(value.ln()),
                _ => None,
            }
        }
        _ => None,
    }
}
