//! Items and the statements in their bodies.
//!
//! **Invariant:** statements stand in source order; the tree does not know which of them depend on which.

use proc_macro2::{Ident, TokenStream};

use super::{AxisDecl, Expr, Indexed, Input, Layer, Param, Shape, Type};
use crate::diagnostics::Extent;

/// Everything in one `rnn! { .. }`.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) items: Vec<Item>,
}

/// A cell or a model.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    pub(crate) name: Ident,
    /// `I`, `H` of `<I, H>`.
    pub(crate) sizes: Vec<Ident>,
    pub(crate) kind: ItemKind,
    pub(crate) body: Vec<Statement>,
    /// Every token of the item, spans kept.
    pub(crate) tokens: TokenStream,
    /// An error was reported inside, so what is missing may have been written.
    pub(crate) broken: bool,
}

/// What an item is.
#[derive(Clone, Debug)]
pub(crate) enum ItemKind {
    Cell(Cell),
    Model(Model),
}

/// The signature of a cell, `(x: [I], memory[j]: [M]) -> h: [H]`.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    pub(crate) inputs: Vec<CellInput>,
    pub(crate) outputs: Vec<CellOutput>,
}

/// What a model has besides name, sizes and body: nothing.
#[derive(Clone, Debug)]
pub(crate) struct Model;

/// `memory[j]: [M]`
#[derive(Clone, Debug)]
pub(crate) struct CellInput {
    pub(crate) name: Ident,
    /// Axes the input brings besides the calling equation's.
    pub(crate) axes: Vec<Ident>,
    pub(crate) ty: Type,
}

/// `h: [H]`
#[derive(Clone, Debug)]
pub(crate) struct CellOutput {
    pub(crate) name: Ident,
    pub(crate) shape: Shape,
}

/// `/// text` or `#[name ..]`.
#[derive(Clone, Debug)]
pub(crate) struct Attribute {
    /// First identifier in the brackets.
    pub(crate) name: Ident,
    /// The hash and the brackets.
    pub(crate) tokens: TokenStream,
    pub(crate) extent: Extent,
}

/// Who may use an item.
#[derive(Clone, Debug)]
pub(crate) enum Visibility {
    /// Nothing was written.
    Private,
    /// `pub(crate)`, `pub(in path)`
    Restricted(TokenStream),
    /// `pub`
    Public(TokenStream),
}

/// One statement with the documentation in front of it.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) kind: StatementKind,
    pub(crate) extent: Extent,
}

/// What a statement is.
#[derive(Clone, Debug)]
pub(crate) enum StatementKind {
    /// `time ..;` or `index ..;`
    Axis(AxisDecl),
    /// `input ..;` or `target ..;`
    Inputs(Vec<Input>),
    /// `param ..;`, `fixed ..;` or `running ..;`
    Params(Vec<Param>),
    /// `layer ..;`
    Layer(Layer),
    /// `h[t] = ..;`
    Equation(Equation),
    /// `output ..;`
    Outputs(Vec<Indexed>),
    /// `loss ..;`
    Loss(Expr),
}

/// `c[t]: [H] = f[t] * c[t-1];`
#[derive(Clone, Debug)]
pub(crate) struct Equation {
    pub(crate) left: Indexed,
    pub(crate) shape: Option<Shape>,
    pub(crate) right: Expr,
}

impl Attribute {
    /// Whether this is documentation.
    pub(crate) fn is_doc(&self) -> bool {
        self.name == "doc"
    }
}
