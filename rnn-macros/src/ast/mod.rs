//! The syntax tree of `rnn!`: what was written, before any name is looked up.
//!
//! [`crate::parse`] makes it, [`crate::elaborate`] reads it. The tree says nothing about meaning: `E[x]` is the same node
//! whether `x` is an axis, an end of one, or a token that gathers a row.
//!
//! **Invariant:** every identifier keeps the span it was written with and every expression, size and shape its extent; the
//! height of an expression is at most [`MAX_HEIGHT`], so the tree can be walked by recursion.

mod declaration;
mod expression;
mod item;
mod mention;
#[cfg(test)]
pub(crate) mod outline;
mod print;
mod size;
mod source;

pub(crate) use declaration::{
    AxisDecl, AxisKind, CellExpr, CellExprKind, Combinator, Init, Input, InputKind, Layer, Param,
    Path,
};
pub(crate) use expression::{
    Argument, BinaryOp, Expr, ExprKind, Indexed, MAX_HEIGHT, NEGATE_PRECEDENCE, NamePath, Number,
};
pub(crate) use item::{
    Attribute, Cell, CellInput, CellOutput, Equation, Item, ItemKind, Model, Program, Statement,
    StatementKind, Visibility,
};
/// What changes a parameter: `param`, `fixed` or `running`.
pub(crate) use rnn_ir::op::ParamKind;
pub(crate) use size::{Dim, DimKind, Shape, SizeOp, Type, TypeKind};
