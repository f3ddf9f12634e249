//! Expressions: the right sides of equations, index lists, and constants.
//!
//! **Invariant:** [`Expr::height`] is one more than the highest child, and is set by the constructor alone.

use proc_macro2::Ident;

use crate::diagnostics::Extent;

/// Highest tree the parser builds. A chain such as `a + b + c + ..` is as high as it has terms, so this bounds chains too.
pub(crate) const MAX_HEIGHT: u16 = 256;

/// An expression and where it was written.
#[derive(Clone, Debug)]
pub(crate) struct Expr {
    pub(crate) kind: ExprKind,
    pub(crate) extent: Extent,
    height: u16,
}

/// What an expression is.
#[derive(Clone, Debug)]
pub(crate) enum ExprKind {
    /// `0.5`
    Number(Number),
    /// `h`, `enc.backward.h`: a name without its indices.
    Name(NamePath),
    /// `h[t-1]`, `W[l]`, `embed[now[t]]`: a base and the list in the brackets, not yet told apart.
    Index(Box<Expr>, Vec<Expr>),
    /// `W.T`
    Transpose(Box<Expr>),
    /// `-x`
    Negate(Box<Expr>),
    /// `a + b`
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
    /// `[a, b]`
    Concat(Vec<Expr>),
    /// `tanh(x)`, `lstm(x)`, `sum[j](x)`, `dropout(v, 0.5, per = sequence)`
    Call {
        /// The function, operator or layer.
        callee: NamePath,
        /// The names in brackets between callee and arguments; empty without brackets.
        axes: Vec<Expr>,
        /// What is in the parentheses.
        arguments: Vec<Argument>,
    },
    /// Stands where a reported error was; whatever reads it keeps silent.
    Error,
}

/// A dotted name: `h`, `enc.backward.h`.
#[derive(Clone, Debug)]
pub(crate) struct NamePath {
    /// At least one identifier.
    pub(crate) segments: Vec<Ident>,
}

/// A name and its index list, as on the left of an equation.
#[derive(Clone, Debug)]
pub(crate) struct Indexed {
    pub(crate) name: NamePath,
    /// Empty without brackets.
    pub(crate) indices: Vec<Expr>,
    pub(crate) extent: Extent,
}

/// A number literal.
#[derive(Clone, Debug)]
pub(crate) struct Number {
    pub(crate) value: f64,
    /// The value as an integer, when it was written as one (`2`, not `2.0`).
    pub(crate) integer: Option<u64>,
}

/// One argument of a call, `x` or `per = sequence`.
#[derive(Clone, Debug)]
pub(crate) struct Argument {
    pub(crate) name: Option<Ident>,
    pub(crate) value: Expr,
}

/// A binary operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BinaryOp {
    Add,
    Sub,
    Mul,
    Div,
    /// `@`: contracts the last axis of the left with the first of the right.
    Contract,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Equal,
    NotEqual,
}

impl Expr {
    /// An expression over children that are already built.
    pub(crate) fn new(kind: ExprKind, extent: Extent) -> Self {
        let height = 1 + kind.children().map(|child| child.height).max().unwrap_or(0);
        Self {
            kind,
            extent,
            height,
        }
    }

    /// The number of nodes on the longest path to a leaf.
    pub(crate) fn height(&self) -> u16 {
        self.height
    }

    /// The name itself, if this is one without dots and indices.
    pub(crate) fn as_ident(&self) -> Option<&Ident> {
        match &self.kind {
            ExprKind::Name(path) => path.as_ident(),
            _ => None,
        }
    }

    /// Whether a reported error is anywhere below.
    pub(crate) fn has_error(&self) -> bool {
        matches!(self.kind, ExprKind::Error) || self.kind.children().any(Expr::has_error)
    }
}

impl ExprKind {
    /// Direct sub-expressions in source order.
    pub(crate) fn children(&self) -> impl Iterator<Item = &Expr> {
        let (first, second, list, arguments): (Option<&Expr>, Option<&Expr>, &[Expr], &[Argument]) =
            match self {
                Self::Number(_) | Self::Name(_) | Self::Error => (None, None, &[], &[]),
                Self::Transpose(inner) | Self::Negate(inner) => (Some(inner), None, &[], &[]),
                Self::Index(base, indices) => (Some(base), None, indices, &[]),
                Self::Binary(_, left, right) => (Some(left), Some(right), &[], &[]),
                Self::Concat(parts) => (None, None, parts, &[]),
                Self::Call {
                    axes, arguments, ..
                } => (None, None, axes, arguments),
            };
        first
            .into_iter()
            .chain(second)
            .chain(list)
            .chain(arguments.iter().map(|argument| &argument.value))
    }
}

impl NamePath {
    /// The identifier, if there is only one.
    pub(crate) fn as_ident(&self) -> Option<&Ident> {
        match self.segments.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }

    /// From the first identifier to the last.
    pub(crate) fn extent(&self) -> Extent {
        Extent::over(self.segments.iter().map(Ident::span))
    }
}

impl BinaryOp {
    /// As written.
    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Contract => "@",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
            Self::Equal => "==",
            Self::NotEqual => "!=",
        }
    }

    /// How tightly it binds, larger is tighter.
    ///
    /// `@` binds tighter than `*` and `/`, unlike in Python, where they are equals: a textbook's `f ⊙ Wx` is
    /// `f * W @ x`, and the equal-precedence reading `(f * W) @ x` is never meant.
    pub(crate) fn precedence(self) -> u8 {
        match self {
            Self::Less
            | Self::LessEqual
            | Self::Greater
            | Self::GreaterEqual
            | Self::Equal
            | Self::NotEqual => 1,
            Self::Add | Self::Sub => 2,
            Self::Mul | Self::Div => 3,
            Self::Contract => 5,
        }
    }

    /// Whether it compares, and so makes a condition for `where`.
    pub(crate) fn is_comparison(self) -> bool {
        self.precedence() == 1
    }
}

/// Precedence of a minus sign in front: looser than `@` (`-W @ x` negates a vector, not a matrix), tighter than `*`.
pub(crate) const NEGATE_PRECEDENCE: u8 = 4;
