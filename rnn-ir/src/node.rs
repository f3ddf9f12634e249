//! Nodes of a graph: a primitive, the type of its value, and where it came from.
//!
//! **Invariant:** a node's type is what [`crate::typing`] computes from its op and its operands' types.

use crate::axis::Domain;
use crate::define_id;
use crate::dim::Dim;
use crate::op::Op;
use std::fmt;

define_id!(
    /// Names a [`Node`].
    NodeId,
    "%"
);

impl NodeId {
    /// The operand of a shift that is not closed yet. No verified graph holds one.
    pub(crate) const OPEN: Self = Self(u32::MAX);
}

/// What kind of number a value's elements are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DType {
    /// A real number; the only kind that has a derivative.
    Real,
    /// A token: an index below some size.
    Index,
    /// True or false.
    Bool,
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Real => "real",
            Self::Index => "index",
            Self::Bool => "bool",
        })
    }
}

/// The feature axes of a value: `[]` is a scalar, `[H]` a vector, `[H, I]` a matrix.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Shape(pub Vec<Dim>);

impl Shape {
    /// `[]`.
    pub fn scalar() -> Self {
        Self(Vec::new())
    }
    /// `[dim]`.
    pub fn vector(dim: Dim) -> Self {
        Self(vec![dim])
    }
    /// `[rows, columns]`.
    pub fn matrix(rows: Dim, columns: Dim) -> Self {
        Self(vec![rows, columns])
    }
    /// Number of feature axes.
    pub fn rank(&self) -> usize {
        self.0.len()
    }
    /// Whether there are no feature axes.
    pub fn is_scalar(&self) -> bool {
        self.0.is_empty()
    }
    /// The sizes of a bound shape; `None` while one is symbolic.
    pub fn sizes(&self) -> Option<Vec<usize>> {
        self.0
            .iter()
            .map(|dim| {
                dim.as_constant()
                    .and_then(|value| usize::try_from(value).ok())
            })
            .collect()
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (position, dim) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{dim}")?;
        }
        f.write_str("]")
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The type of a value: over which axes it varies, how many features it has, and of which kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Type {
    /// Axes the value varies over.
    pub domain: Domain,
    /// Feature axes, for one example at one step.
    pub shape: Shape,
    /// Kind of element.
    pub dtype: DType,
}

impl Type {
    /// A real value.
    pub fn real(domain: Domain, shape: Shape) -> Self {
        Self {
            domain,
            shape,
            dtype: DType::Real,
        }
    }
}

define_id!(
    /// Names a source file of a graph.
    FileId,
    "file"
);

/// A place in the user's source. [`Graph::place`](crate::graph::Graph::place) names its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Loc {
    /// The file; none for the one that the model is written in.
    pub file: Option<FileId>,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
}

impl fmt::Display for Loc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)?;
        match self.file {
            Some(file) => write!(f, " in {file}"),
            None => Ok(()),
        }
    }
}

/// One value of the system of equations.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// How it is computed.
    pub op: Op,
    /// Its type.
    pub ty: Type,
    /// The left side of the equation it is the value of: `lstm.c`, `d_h`.
    pub name: Option<String>,
    /// Where the user wrote it.
    pub loc: Option<Loc>,
}
