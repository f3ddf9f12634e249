//! Expressions, by precedence climbing.
//!
//! Tightest first: brackets and calls, `.T`, `@`, `-` in front, `*` `/`, `+` `-`, comparisons. All binary operators
//! associate to the left; comparisons do not chain. [`BinaryOp::precedence`] says why `@` is tighter than `*`.
//!
//! **Invariant:** an expression of the tree is no higher than [`MAX_HEIGHT`].

use proc_macro2::{Delimiter, Literal, TokenTree};

use super::parser::{Parsed, Parser};
use crate::ast::{Argument, BinaryOp, Expr, ExprKind, MAX_HEIGHT, NEGATE_PRECEDENCE, Number};
use crate::diagnostics::{Diagnostic, Extent};

pub(super) const BINARY: [BinaryOp; 11] = [
    BinaryOp::Add,
    BinaryOp::Sub,
    BinaryOp::Mul,
    BinaryOp::Div,
    BinaryOp::Contract,
    BinaryOp::Less,
    BinaryOp::LessEqual,
    BinaryOp::Greater,
    BinaryOp::GreaterEqual,
    BinaryOp::Equal,
    BinaryOp::NotEqual,
];

impl Parser<'_> {
    /// A whole expression.
    pub(super) fn expr(&mut self) -> Parsed<Expr> {
        self.operators(0)
    }

    /// Operands joined by operators of at least `least` precedence.
    fn operators(&mut self, least: u8) -> Parsed<Expr> {
        let mut left = self.negated(least)?;
        while let Some((op, symbol)) = self.binary_op() {
            if op.precedence() < least {
                break;
            }
            self.cursor.advance_over(symbol);
            let right = self.operators(op.precedence() + 1)?;
            let extent = left.extent.to(right.extent);
            left = self.bounded(
                ExprKind::Binary(op, Box::new(left), Box::new(right)),
                extent,
            )?;
            if op.is_comparison()
                && let Some((next, symbol)) = self.binary_op()
                && next.is_comparison()
            {
                let error = Diagnostic::new(symbol.extent, "comparisons cannot be chained");
                return Err(self.error(error.help("combine two with `*`: `(a < b) * (b < c)`")));
            }
        }
        Ok(left)
    }

    fn binary_op(&self) -> Option<(BinaryOp, super::cursor::Symbol)> {
        let symbol = self.cursor.symbol(0)?;
        BINARY
            .into_iter()
            .find(|op| op.symbol() == symbol.text)
            .map(|op| (op, symbol))
    }

    /// An operand with any number of minus signs in front.
    fn negated(&mut self, least: u8) -> Parsed<Expr> {
        let mut signs = Vec::new();
        while let Some(sign) = self.eat("-") {
            signs.push(sign.extent);
        }
        if signs.is_empty() {
            return self.postfix();
        }
        let mut operand = self.operators(least.max(NEGATE_PRECEDENCE + 1))?;
        for sign in signs.into_iter().rev() {
            let extent = sign.to(operand.extent);
            operand = self.bounded(ExprKind::Negate(Box::new(operand)), extent)?;
        }
        Ok(operand)
    }

    /// An operand with its indices, arguments and `.T`.
    fn postfix(&mut self) -> Parsed<Expr> {
        let mut expr = self.operand()?;
        loop {
            if let Some(group) = self.eat_group(Delimiter::Bracket) {
                let named = matches!(
                    expr.kind,
                    ExprKind::Name(_) | ExprKind::Index(..) | ExprKind::Transpose(_)
                );
                if !named {
                    let error = Diagnostic::new(
                        group.span_open(),
                        "an index follows a name, not an expression",
                    );
                    return Err(self.error(error.help(
                        "give the expression a name by an equation of its own, and index that",
                    )));
                }
                let indices = self.enter(&group, |inner| inner.indices())?;
                let extent = expr.extent.to(group.span_close());
                expr = self.bounded(ExprKind::Index(Box::new(expr), indices), extent)?;
            } else if self.at_group(Delimiter::Parenthesis)
                && !matches!(expr.kind, ExprKind::Number(_))
            {
                expr = self.call(expr)?;
            } else if self.at(".") {
                expr = self.transpose(expr)?;
            } else {
                return Ok(expr);
            }
        }
    }

    /// What an operand starts with.
    fn operand(&mut self) -> Parsed<Expr> {
        let here = self.cursor.here();
        match self.cursor.peek(0) {
            Some(TokenTree::Ident(_)) => {
                let path = self.name_path("an expression")?;
                Ok(Expr::new(ExprKind::Name(path.clone()), path.extent()))
            }
            Some(TokenTree::Literal(_)) => {
                let number = self.number()?;
                Ok(Expr::new(ExprKind::Number(number), here))
            }
            Some(TokenTree::Group(group)) => {
                let group = group.clone();
                match group.delimiter() {
                    Delimiter::Parenthesis | Delimiter::None => {
                        self.cursor.advance();
                        let mut inner = self.enter(&group, Parser::parenthesised)?;
                        inner.extent = self.since(here);
                        Ok(inner)
                    }
                    Delimiter::Bracket => {
                        self.cursor.advance();
                        let parts = self.enter(&group, |inner| {
                            if inner.cursor.at_end() {
                                inner.expected("the parts to concatenate");
                            }
                            inner.exprs()
                        })?;
                        let extent = self.since(here);
                        self.bounded(ExprKind::Concat(parts), extent)
                    }
                    Delimiter::Brace => {
                        let error = self.expectation("an expression");
                        Err(self.error(error.help("group with parentheses")))
                    }
                }
            }
            _ => {
                let error = self.expectation("an expression");
                let help = self.cursor.symbol(0).and_then(|symbol| match symbol.text {
                    "+" => Some("there is no plus sign in front of an operand"),
                    "!" => Some("a negated condition is the opposite comparison, or `where(condition, b, a)`"),
                    _ => None,
                });
                Err(self.error(error.help_if(help.map(str::to_owned))))
            }
        }
    }

    /// The contents of parentheses. An error inside ends there.
    fn parenthesised(&mut self) -> Expr {
        let start = self.cursor.here();
        let parsed = self.expr().and_then(|expr| {
            if self.cursor.at_end() {
                return Ok(expr);
            }
            let error = if self.at(",") {
                self.expectation("`)`")
                    .help("vectors are concatenated with brackets: `[a, b]`")
            } else {
                self.expectation("an operator or `)`")
            };
            Err(self.error(error))
        });
        parsed.unwrap_or_else(|_| Expr::new(ExprKind::Error, start))
    }

    /// `callee(arguments)`, `callee[axes](arguments)`
    fn call(&mut self, callee: Expr) -> Parsed<Expr> {
        let start = callee.extent;
        let (callee, axes) = match callee.kind {
            ExprKind::Name(path) => (path, Vec::new()),
            ExprKind::Index(base, axes) => match base.kind {
                ExprKind::Name(path) => (path, axes),
                _ => return Err(self.not_callable(start)),
            },
            ExprKind::Transpose(_) => {
                let error = Diagnostic::new(start, "`.T` is not called");
                return Err(self.error(error.help("a transpose has no parentheses: `W.T @ x`")));
            }
            _ => return Err(self.not_callable(start)),
        };
        let Some(group) = self.eat_group(Delimiter::Parenthesis) else {
            return Err(self.expected("`(`"));
        };
        let arguments = self.enter(&group, Parser::arguments)?;
        let extent = self.since(start);
        self.bounded(
            ExprKind::Call {
                callee,
                axes,
                arguments,
            },
            extent,
        )
    }

    fn not_callable(&mut self, extent: Extent) -> crate::diagnostics::Reported {
        let error = Diagnostic::new(extent, "only a function or a layer can be called");
        self.error(error.help("a product is written `a * b` or `W @ x`"))
    }

    /// `.T`
    fn transpose(&mut self, inner: Expr) -> Parsed<Expr> {
        let dot = self.require(".")?.extent;
        match self.ident(0) {
            Some(ident) if ident == "T" => {
                self.cursor.advance();
                let extent = self.since(inner.extent);
                self.bounded(ExprKind::Transpose(Box::new(inner)), extent)
            }
            Some(ident) => {
                let (field, ident) = (ident.to_string(), ident.span());
                let error =
                    Diagnostic::new(dot.to(ident), format!("`.{field}` cannot follow here"));
                let is_called = matches!(self.cursor.peek(1), Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis);
                let help = match &inner.kind {
                    ExprKind::Index(..) if is_called => {
                        format!("functions are called by name: `{field}({inner})`")
                    }
                    ExprKind::Index(base, _) => match &base.kind {
                        ExprKind::Name(path) => {
                            format!("the index comes last: write `{path}.{field}[..]`")
                        }
                        _ => "only `.T` follows an index".to_owned(),
                    },
                    _ => format!("functions are called by name: `{field}(x)`"),
                };
                Err(self.error(error.help(help)))
            }
            None => Err(self.expected("`T`")),
        }
    }

    /// An index list, at least one.
    pub(super) fn indices(&mut self) -> Vec<Expr> {
        if self.cursor.at_end() {
            self.expected("an index");
        }
        let index = |inner: &mut Self| {
            let index = inner.expr()?;
            match inner.cursor.symbol(0) {
                Some(symbol) if symbol.text.starts_with("..") => {
                    let error = Diagnostic::new(symbol.extent, "an index is one step, not a range");
                    Err(inner.error(error.help(
                        "an equation over `t` covers the range; reduce one with `sum[t](..)`",
                    )))
                }
                _ => Ok(index),
            }
        };
        self.list(index, |extent| Some(Expr::new(ExprKind::Error, extent)))
    }

    /// Comma-separated expressions.
    fn exprs(&mut self) -> Vec<Expr> {
        self.list(Parser::expr, |extent| {
            Some(Expr::new(ExprKind::Error, extent))
        })
    }

    /// Comma-separated arguments, `x` or `per = sequence`.
    pub(super) fn arguments(&mut self) -> Vec<Argument> {
        let argument = |inner: &mut Self| {
            let named = inner.ident(0).is_some()
                && inner
                    .cursor
                    .symbol(1)
                    .is_some_and(|symbol| symbol.text == "=");
            let name = if named {
                let name = inner.name("the name of an argument")?;
                inner.require("=")?;
                Some(name)
            } else {
                None
            };
            Ok(Argument {
                name,
                value: inner.expr()?,
            })
        };
        self.list(argument, |extent| {
            Some(Argument {
                name: None,
                value: Expr::new(ExprKind::Error, extent),
            })
        })
    }

    /// A number literal.
    pub(super) fn number(&mut self) -> Parsed<Number> {
        let Some(TokenTree::Literal(literal)) = self.cursor.peek(0).cloned() else {
            return Err(self.expected("a number"));
        };
        let here = self.cursor.here();
        let number = read_number(&literal).map_err(|diagnose| self.error(diagnose(here)));
        self.cursor.advance();
        number
    }

    /// A node, unless it would be too high.
    fn bounded(&mut self, kind: ExprKind, extent: Extent) -> Parsed<Expr> {
        let expr = Expr::new(kind, extent);
        if expr.height() <= MAX_HEIGHT {
            return Ok(expr);
        }
        let error = Diagnostic::new(
            extent,
            format!("more than {MAX_HEIGHT} operations in a chain"),
        );
        Err(self.error(error.help("name a part of it by an equation of its own")))
    }
}

/// The value of a literal, or why it is none.
fn read_number(literal: &Literal) -> Result<Number, impl FnOnce(Extent) -> Diagnostic + use<>> {
    let text = literal.to_string();
    let digits: String = text.chars().filter(|c| *c != '_').collect();
    let first = digits.chars().next().unwrap_or(' ');
    let message = if !(first.is_ascii_digit() || first == '-') {
        "expected a number, found text".to_owned()
    } else if let Ok(value) = digits.parse::<f64>() {
        // Integers above 2^53 have no exact f64, so none is silently rounded.
        let integer = digits.parse::<u64>().ok();
        let whole = digits
            .trim_start_matches('-')
            .chars()
            .all(|c| c.is_ascii_digit());
        if value.is_infinite() || (whole && value.abs() > 9_007_199_254_740_992.0) {
            "number is too large".to_owned()
        } else {
            return Ok(Number { value, integer });
        }
    } else {
        "expected a plain decimal number".to_owned()
    };
    let help = plain_prefix(&digits).and_then(|plain| {
        (message.starts_with("expected a plain") && plain.len() < digits.len())
            .then(|| format!("numbers take no suffix: write `{plain}`"))
    });
    Err(move |extent| Diagnostic::new(extent, message).help_if(help))
}

/// The decimal number that `digits` starts with.
fn plain_prefix(digits: &str) -> Option<&str> {
    let end = digits
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(digits.len());
    let plain = &digits[..end];
    (plain.parse::<f64>().is_ok() && !digits[end..].starts_with(['x', 'o', 'b'])).then_some(plain)
}
