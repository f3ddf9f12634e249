//! Sizes, shapes and element types, as written.
//!
//! **Invariant:** a [`Dim`] holds only what can be part of a polynomial; division is refused by the parser.

use proc_macro2::Ident;

use crate::diagnostics::Extent;

/// A size: `H`, `4*H`, `E + 2*H`.
#[derive(Clone, Debug)]
pub(crate) struct Dim {
    pub(crate) kind: DimKind,
    pub(crate) extent: Extent,
}

/// What a size is.
#[derive(Clone, Debug)]
pub(crate) enum DimKind {
    /// `4`
    Int(u64),
    /// `H`
    Name(Ident),
    /// `E + 2*H`
    Binary(SizeOp, Box<Dim>, Box<Dim>),
    /// Stands where a reported error was.
    Error,
}

/// An operator between sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SizeOp {
    Add,
    Sub,
    Mul,
}

/// The feature axes of a value: `[H, I]`, or `[]` for a scalar.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub(crate) dims: Vec<Dim>,
    pub(crate) extent: Extent,
}

/// What an input holds per step.
#[derive(Clone, Debug)]
pub(crate) struct Type {
    pub(crate) kind: TypeKind,
    pub(crate) extent: Extent,
}

/// Kinds of [`Type`].
#[derive(Clone, Debug)]
pub(crate) enum TypeKind {
    /// `[I]`: real numbers.
    Real(Shape),
    /// `token<V>`: an integer below `V`.
    Token(Dim),
}

impl Dim {
    /// What stands where a reported error was.
    pub(crate) fn error(extent: Extent) -> Self {
        Self {
            kind: DimKind::Error,
            extent,
        }
    }
}

impl Shape {
    /// What stands where a reported error was: a shape of which not even the rank is known.
    pub(crate) fn error(extent: Extent) -> Self {
        Self {
            dims: vec![Dim::error(extent)],
            extent,
        }
    }
}

impl SizeOp {
    /// As written.
    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
        }
    }
}
