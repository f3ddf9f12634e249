//! Declarations: axes, inputs, parameters and layers.
//!
//! **Invariant:** one value per declared name: `param A, B: [H] = 0;` is two [`Param`]s of one statement.

use proc_macro2::{Ident, Span};

use super::{Argument, Dim, Expr, ParamKind, Shape, Type};
use crate::diagnostics::Extent;

/// `time t in 1..=T;`, `index l in 1..=3;`
#[derive(Clone, Debug)]
pub(crate) struct AxisDecl {
    pub(crate) kind: AxisKind,
    pub(crate) name: Ident,
    /// What follows `1..=`.
    pub(crate) end: Dim,
}

/// What an axis ranges over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AxisKind {
    /// Time steps, each example with its own number unless the end is an integer.
    Time,
    /// A static family, always expanded.
    Index,
}

/// `now[t]: token<V>` of an `input` or `target`.
#[derive(Clone, Debug)]
pub(crate) struct Input {
    pub(crate) kind: InputKind,
    pub(crate) name: Ident,
    /// The names in brackets.
    pub(crate) axes: Vec<Ident>,
    pub(crate) ty: Type,
}

/// Who may read an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InputKind {
    /// Any equation.
    Input,
    /// Only the loss and `feedback`.
    Target,
}

/// `W[l]: [H, H] ~ orthogonal` of a `param`, `fixed` or `running`.
#[derive(Clone, Debug)]
pub(crate) struct Param {
    pub(crate) kind: ParamKind,
    pub(crate) name: Ident,
    /// The names in brackets.
    pub(crate) axes: Vec<Ident>,
    pub(crate) shape: Shape,
    pub(crate) init: Init,
}

/// How a parameter starts.
#[derive(Clone, Debug)]
pub(crate) enum Init {
    /// `~ normal(0.0, 0.1)`
    Draw {
        name: Ident,
        arguments: Vec<Argument>,
    },
    /// `= 0`
    Fill(Expr),
    /// Nothing was written, or a reported error.
    Missing,
}

/// `layer enc = bi(Gru<E, H>);`
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    pub(crate) name: Ident,
    /// The names in brackets.
    pub(crate) axes: Vec<Ident>,
    pub(crate) cell: CellExpr,
}

/// A cell with its sizes, or a combination of such.
#[derive(Clone, Debug)]
pub(crate) struct CellExpr {
    pub(crate) kind: CellExprKind,
    pub(crate) extent: Extent,
}

/// What a [`CellExpr`] is.
#[derive(Clone, Debug)]
pub(crate) enum CellExprKind {
    /// `cells::Lstm<E, H>`
    Instance { path: Path, sizes: Vec<Dim> },
    /// `bi(c)`, `reverse(c)`, `residual(c)`, `stack(n, c)`
    Combined {
        combinator: Combinator,
        inner: Box<CellExpr>,
    },
    /// Stands where a reported error was.
    Error,
}

/// How a cell is run.
#[derive(Clone, Debug)]
pub(crate) enum Combinator {
    /// Against time.
    Reverse,
    /// Along and against time, outputs concatenated.
    Bi,
    /// `n` of it, each fed by the one before.
    Stack(Dim),
    /// Its input added to its output.
    Residual,
}

/// A Rust path to a cell: `Lstm`, `crate::cells::Lstm`.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    /// Span of a `::` in front.
    pub(crate) leading: Option<Span>,
    /// At least one identifier.
    pub(crate) segments: Vec<Ident>,
}

impl Path {
    /// From the first token to the last.
    pub(crate) fn extent(&self) -> Extent {
        Extent::over(
            self.leading
                .into_iter()
                .chain(self.segments.iter().map(Ident::span)),
        )
    }
}
