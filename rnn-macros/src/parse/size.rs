//! Sizes, shapes and types.
//!
//! **Invariant:** sizes nest only through parentheses, so [`Parser::enter`] bounds their height, and a chain is bounded by
//! [`MAX_TERMS`].

use proc_macro2::{Delimiter, TokenTree};

use super::name::meant;
use super::parser::{Parsed, Parser};
use crate::ast::{Dim, DimKind, Shape, SizeOp, Type, TypeKind};
use crate::diagnostics::Diagnostic;

/// Most operators in one chain.
const MAX_TERMS: usize = 16;

impl Parser<'_> {
    /// `E + 2*H`
    pub(super) fn dim(&mut self) -> Parsed<Dim> {
        let mut sum = self.dim_product()?;
        for _ in 0..MAX_TERMS {
            let op = if self.eat("+").is_some() {
                SizeOp::Add
            } else if self.eat("-").is_some() {
                SizeOp::Sub
            } else {
                return Ok(sum);
            };
            let right = self.dim_product()?;
            sum = join(op, sum, right);
        }
        Err(self.error(Diagnostic::new(
            sum.extent,
            format!("more than {MAX_TERMS} terms in a size"),
        )))
    }

    fn dim_product(&mut self) -> Parsed<Dim> {
        let mut product = self.dim_factor()?;
        for _ in 0..MAX_TERMS {
            if self.at("/") {
                let error = Diagnostic::new(self.cursor.here(), "a size cannot be divided");
                return Err(self.error(error.help("name the quotient as a size of its own and write the product: `2*D` for the whole")));
            }
            if self.eat("*").is_none() {
                return Ok(product);
            }
            let right = self.dim_factor()?;
            product = join(SizeOp::Mul, product, right);
        }
        Err(self.error(Diagnostic::new(
            product.extent,
            format!("more than {MAX_TERMS} factors in a size"),
        )))
    }

    fn dim_factor(&mut self) -> Parsed<Dim> {
        match self.cursor.peek(0) {
            Some(TokenTree::Ident(_)) => {
                let name = self.name("a size")?;
                Ok(Dim {
                    extent: (&name).into(),
                    kind: DimKind::Name(name),
                })
            }
            Some(TokenTree::Literal(_)) => {
                let extent = self.cursor.here();
                let number = self.number()?;
                match number.integer {
                    Some(value) => Ok(Dim {
                        kind: DimKind::Int(value),
                        extent,
                    }),
                    None => Err(self.error(Diagnostic::new(extent, "a size is a whole number"))),
                }
            }
            Some(TokenTree::Group(group))
                if matches!(group.delimiter(), Delimiter::Parenthesis | Delimiter::None) =>
            {
                let group = group.clone();
                self.cursor.advance();
                self.enter_whole(&group, Parser::dim)
            }
            _ => Err(self.expected("a size")),
        }
    }

    /// `[H, I]`
    pub(super) fn shape(&mut self) -> Parsed<Shape> {
        let extent = self.cursor.here();
        let Some(group) = self.eat_group(Delimiter::Bracket) else {
            let error = self.expectation("a shape in brackets");
            return Err(
                self.error(error.help("a vector is `[H]`, a matrix `[H, I]`, a scalar `[]`"))
            );
        };
        let dims = self.enter(&group, |inner| {
            inner.list(Parser::dim, |extent| Some(Dim::error(extent)))
        })?;
        Ok(Shape {
            dims,
            extent: self.since(extent),
        })
    }

    /// `[I]`, `token<V>`
    pub(super) fn ty(&mut self) -> Parsed<Type> {
        let extent = self.cursor.here();
        if self.at_group(Delimiter::Bracket) {
            let shape = self.shape()?;
            return Ok(Type {
                extent: shape.extent,
                kind: TypeKind::Real(shape),
            });
        }
        if self.eat_word("token").is_some() {
            let open = self.eat("<");
            if open.is_none() {
                let error = self.expectation("`<`");
                return Err(
                    self.error(error.help("a token has the size of its vocabulary: `token<V>`"))
                );
            }
            let dim = self.dim()?;
            self.require(">")?;
            return Ok(Type {
                kind: TypeKind::Token(dim),
                extent: self.since(extent),
            });
        }
        let near = self
            .ident(0)
            .map(ToString::to_string)
            .and_then(|word| meant(&word, ["token"]));
        let error = self.expectation("a type").help_if(near);
        Err(self.error(
            error.help(
                "real numbers are `[I]`, a scalar is `[]`, an integer below `V` is `token<V>`",
            ),
        ))
    }
}

fn join(op: SizeOp, left: Dim, right: Dim) -> Dim {
    let extent = left.extent.to(right.extent);
    Dim {
        kind: DimKind::Binary(op, Box::new(left), Box::new(right)),
        extent,
    }
}
