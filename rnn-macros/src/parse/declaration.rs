//! Declarations behind their keyword.
//!
//! **Invariant:** a declared name reaches the tree even if the rest of its declaration is broken, so that one mistake does
//! not make every use of the name another.

use proc_macro2::{Delimiter, Ident, Span, TokenTree};

use super::name::meant;
use super::parser::{Parsed, Parser};
use crate::ast::{
    AxisDecl, AxisKind, CellExpr, CellExprKind, Combinator, Dim, DimKind, Expr, ExprKind, Indexed,
    Init, Input, InputKind, Layer, Param, ParamKind, Path, Shape, Type, TypeKind,
};
use crate::diagnostics::{Diagnostic, Extent};

pub(super) const COMBINATORS: [&str; 4] = ["bi", "residual", "reverse", "stack"];

impl Parser<'_> {
    /// `t in 1..=T`
    pub(super) fn axis_declaration(&mut self, kind: AxisKind) -> Parsed<AxisDecl> {
        let name = self.name("the name of an axis")?;
        let end = self
            .axis_range()
            .unwrap_or_else(|_| Dim::error((&name).into()));
        Ok(AxisDecl { kind, name, end })
    }

    /// `in 1..=T`
    fn axis_range(&mut self) -> Parsed<Dim> {
        if self.eat_word("in").is_none() {
            let error = self.expectation("`in`");
            return Err(self.error(error.help("an axis is written `time t in 1..=T;`")));
        }
        let start = self.cursor.here();
        let from = self.number()?;
        if from.integer != Some(1) {
            self.error(
                Diagnostic::new(start, "an axis starts at 1")
                    .help("what comes before is the boundary: `h[0]` is the initial condition"),
            );
        }
        if self.at("..") {
            let error = self.expectation("`..=`");
            self.error(error.help("an axis includes its end: `1..=T`"));
            self.eat("..");
        } else {
            self.require("..=")?;
        }
        self.dim()
    }

    /// `now[t]: token<V>, x[t], y[t]: [I]`
    pub(super) fn inputs(&mut self, kind: InputKind) -> Parsed<Vec<Input>> {
        let mut inputs = Vec::new();
        loop {
            let names = self.declared_names()?;
            let ty = self.ascribed(Parser::ty);
            let failed = ty.is_err();
            let ty = ty.unwrap_or_else(|_| {
                let here = self.cursor.here();
                Type {
                    kind: TypeKind::Real(Shape::error(here)),
                    extent: here,
                }
            });
            inputs.extend(names.into_iter().map(|(name, axes)| Input {
                kind,
                name,
                axes,
                ty: ty.clone(),
            }));
            if failed || self.eat(",").is_none() {
                return Ok(inputs);
            }
        }
    }

    /// `A, B[l]: [H, I] ~ init` or `= constant`
    pub(super) fn params(&mut self, kind: ParamKind) -> Parsed<Vec<Param>> {
        let names = self.declared_names()?;
        let shape = self.ascribed(Parser::shape);
        let init = match &shape {
            // What stays orthonormal has one way to be drawn, which need not be said.
            Ok(shape)
                if kind == ParamKind::Orthonormal && (self.cursor.at_end() || self.at(";")) =>
            {
                Init::Draw {
                    name: Ident::new("orthogonal", shape.extent.start),
                    arguments: Vec::new(),
                }
            }
            Ok(shape) => self.init(&names, shape.extent).unwrap_or(Init::Missing),
            Err(_) => Init::Missing,
        };
        let shape = shape.unwrap_or_else(|_| Shape::error(self.cursor.here()));
        let param = |(name, axes)| Param {
            kind,
            name,
            axes,
            shape: shape.clone(),
            init: init.clone(),
        };
        Ok(names.into_iter().map(param).collect())
    }

    fn init(&mut self, names: &[(Ident, Vec<Ident>)], shape: Extent) -> Parsed<Init> {
        if self.eat("~").is_some() {
            let name = self.name("the name of an initialiser")?;
            let arguments = match self.eat_group(Delimiter::Parenthesis) {
                Some(group) => self.enter(&group, Parser::arguments)?,
                None => Vec::new(),
            };
            return Ok(Init::Draw { name, arguments });
        }
        if self.eat("=").is_some() {
            let start = self.cursor.here();
            let value = self
                .expr()
                .unwrap_or_else(|_| Expr::new(ExprKind::Error, start));
            return Ok(Init::Fill(value));
        }
        let error = if self.cursor.at_end() || self.at(";") {
            let name = names
                .first()
                .map(|(name, _)| name.to_string())
                .unwrap_or_default();
            Diagnostic::new(shape, format!("`{name}` has no initial value"))
        } else {
            self.expectation("`~` or `=`")
        };
        Err(self.error(error.help("draw it, as in `~ glorot_uniform`, or fill it, as in `= 0`")))
    }

    /// `A, B[l], C`
    fn declared_names(&mut self) -> Parsed<Vec<(Ident, Vec<Ident>)>> {
        let mut names = Vec::new();
        loop {
            let name = self.name("a name")?;
            names.push((name, self.declared_axes()?));
            if self.eat(",").is_none() {
                return Ok(names);
            }
        }
    }

    /// `: what`
    fn ascribed<T>(&mut self, rule: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.eat(":").is_none() {
            let error = self.expectation("`:`");
            return Err(self.error(error.help(
                "what a name holds stands behind a colon: `b: [H]` is a vector, `s: []` a number",
            )));
        }
        rule(self)
    }

    /// `enc = bi(Gru<E, H>)`
    pub(super) fn layer(&mut self) -> Parsed<Layer> {
        let name = self.name("the name of a layer")?;
        let axes = self.declared_axes()?;
        let start = self.cursor.here();
        let cell = self.require("=").and_then(|_| self.cell_expr());
        let cell = cell.unwrap_or(CellExpr {
            kind: CellExprKind::Error,
            extent: start,
        });
        Ok(Layer { name, axes, cell })
    }

    /// `Lstm<E, H>`, `stack(2, cells::Gru<I, H>)`
    fn cell_expr(&mut self) -> Parsed<CellExpr> {
        let start = self.cursor.here();
        let called = matches!(self.cursor.peek(1), Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis);
        if called && let Some(name) = self.ident(0).cloned() {
            self.cursor.advance();
            let Some(group) = self.eat_group(Delimiter::Parenthesis) else {
                return Err(self.expected("`(`"));
            };
            let kind = self.enter_whole(&group, |inner| inner.combined(&name))?;
            return Ok(CellExpr {
                kind,
                extent: self.since(start),
            });
        }
        let path = self.cell_path()?;
        let mut sizes = Vec::new();
        if self.eat("<").is_some() {
            while !self.at(">") {
                sizes.push(self.dim()?);
                if self.eat(",").is_none() && !self.at(">") {
                    return Err(self.expected("`,` or `>`"));
                }
            }
            self.require(">")?;
        }
        Ok(CellExpr {
            kind: CellExprKind::Instance { path, sizes },
            extent: self.since(start),
        })
    }

    /// The arguments of a combinator.
    fn combined(&mut self, name: &Ident) -> Parsed<CellExprKind> {
        let combinator = if name == "reverse" {
            Combinator::Reverse
        } else if name == "bi" {
            Combinator::Bi
        } else if name == "residual" {
            Combinator::Residual
        } else if name == "stack" {
            if !matches!(self.cursor.peek(0), Some(TokenTree::Literal(_))) {
                let error = self.expectation("the number of cells");
                return Err(self.error(error.help("write `stack(2, Lstm<I, H>)`")));
            }
            let count = self.dim()?;
            if let DimKind::Int(0) = count.kind {
                self.error(Diagnostic::new(
                    count.extent,
                    "a stack has at least one cell",
                ));
            }
            self.require(",")?;
            Combinator::Stack(count)
        } else {
            let error = Diagnostic::new(name, format!("unknown combinator `{name}`"));
            let help = meant(&name.to_string(), COMBINATORS)
                .unwrap_or_else(|| "there are `reverse(c)`, `bi(c)`, `stack(n, c)` and `residual(c)`; sizes go in `<..>`".to_owned());
            return Err(self.error(error.help(help)));
        };
        let inner = Box::new(self.cell_expr()?);
        self.eat(",");
        Ok(CellExprKind::Combined { combinator, inner })
    }

    /// `crate::cells::Lstm`
    fn cell_path(&mut self) -> Parsed<Path> {
        let leading: Option<Span> = self.eat("::").map(|symbol| symbol.extent.start);
        let mut segments = Vec::new();
        loop {
            // `crate`, `self` and `super` are keywords, but in place here.
            let root = segments.iter().all(|segment| *segment == "super");
            match self.ident(0).cloned() {
                Some(word)
                    if root && ["crate", "self", "super"].iter().any(|root| word == root) =>
                {
                    self.cursor.advance();
                    segments.push(word);
                }
                _ => segments.push(self.name("a cell")?),
            }
            if self.eat("::").is_none() {
                return Ok(Path { leading, segments });
            }
        }
    }

    /// `logits, lstm.c`
    pub(super) fn outputs(&mut self) -> Parsed<Vec<Indexed>> {
        let mut outputs = Vec::new();
        loop {
            if self.ident(0).is_none() {
                let error = self.expectation("the name of an output");
                return Err(self.error(error.help(
                    "outputs are names, as in `output h, c;`: give an expression one by an equation, `y[t] = ..;`",
                )));
            }
            outputs.push(self.indexed("the name of an output")?);
            if self.eat(",").is_none() {
                return Ok(outputs);
            }
        }
    }

    /// `dec.h[0]`
    pub(super) fn indexed(&mut self, what: &str) -> Parsed<Indexed> {
        let start = self.cursor.here();
        let name = self.name_path(what)?;
        let indices = match self.eat_group(Delimiter::Bracket) {
            Some(group) => self.enter(&group, Parser::indices)?,
            None => Vec::new(),
        };
        Ok(Indexed {
            name,
            indices,
            extent: self.since(start),
        })
    }
}
