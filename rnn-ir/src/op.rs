//! The primitives: one exhaustive `enum`, so that a new one does not compile until the shape rule, the verifier, the
//! derivative, the interpreter, the printer and the lowering all know it.
//!
//! Everything else (`silu`, `cross_entropy`, `mean[t]`, layer normalisation) is a composition of these, written in
//! [`crate::builder`].
//!
//! **Invariant:** operands are named in the order of the textbook formula; [`Op::operands`] lists all of them.

mod functions;
mod given;

use crate::axis::{AxisId, Domain};
use crate::dim::Dim;
use crate::node::NodeId;

pub use functions::{Binary, Compare, Over, Position, Reduction, Unary};
pub use given::{Init, Number, ParamKind, Role, Word};

/// A primitive with its operands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// A value given when the model runs.
    Input {
        /// Its name.
        name: String,
        /// What it is to the model.
        role: Role,
    },
    /// A tensor owned by the caller.
    Param {
        /// Its name everywhere: source, text form, Rust field, checkpoint key.
        name: String,
        /// How it is drawn.
        init: Init,
        /// What changes it; trained ones are differentiated.
        kind: ParamKind,
    },
    /// Every element is this number.
    Const(Number),
    /// The index of the step, from 1, as a real; varies over the axis alone.
    Step(AxisId),
    /// The number of steps of each example, as a real.
    Length(AxisId),
    /// The position of every element in row-major order, from 0.
    Entries,

    /// An elementwise function.
    Unary(Unary, NodeId),
    /// An elementwise function of two operands of one shape.
    Binary(Binary, NodeId, NodeId),
    /// An elementwise comparison.
    Compare(Compare, NodeId, NodeId),
    /// `where(condition, then, otherwise)`, elementwise.
    Select(NodeId, NodeId, NodeId),
    /// Its operand, with no derivative.
    StopGradient(NodeId),
    /// Random bits of two words, elementwise: [`random::mix`](crate::random::mix). A real counts as the bits of its `f32`.
    Mix(NodeId, NodeId),
    /// Random bits as a real in `[0, 1)`, elementwise: [`random::uniform`](crate::random::uniform).
    Uniform(NodeId),
    /// The whole part of a real as an index, elementwise: 0 below 0, and the largest index where there is no such one.
    Token(NodeId),

    /// `a @ b`: contracts the last axis of `a` with the first of `b`; each has one or two axes.
    MatMul(NodeId, NodeId),
    /// `outer(a, b)[i, j] = a[i] * b[j]`, two vectors.
    Outer(NodeId, NodeId),
    /// `W.T`, a matrix.
    Transpose(NodeId),

    /// Repeats along a new feature axis, put at position `at`.
    Expand {
        /// Operand.
        x: NodeId,
        /// Position of the new axis.
        at: usize,
        /// Its size.
        dim: Dim,
    },
    /// Reduces feature axis `at`.
    Reduce {
        /// Which reduction.
        kind: Reduction,
        /// Operand.
        x: NodeId,
        /// The axis that goes.
        at: usize,
    },
    /// `e^x / sum(e^x)` over the last feature axis.
    Softmax(NodeId),
    /// Joins along feature axis `at`.
    Concat {
        /// Operands, in order.
        parts: Vec<NodeId>,
        /// The axis along which they are joined.
        at: usize,
    },
    /// `len` entries from `start` along feature axis `at`.
    Slice {
        /// Operand.
        x: NodeId,
        /// The axis.
        at: usize,
        /// First entry, from 0.
        start: Dim,
        /// How many.
        len: Dim,
    },
    /// Zeros before and after, along feature axis `at`; the adjoint of [`Op::Slice`].
    Pad {
        /// Operand.
        x: NodeId,
        /// The axis.
        at: usize,
        /// Zeros in front.
        before: Dim,
        /// Zeros behind.
        after: Dim,
    },

    /// Row `index` of `table`, whose first axis it drops; of a vector, one element.
    Gather {
        /// The table.
        table: NodeId,
        /// An index below the table's first size.
        index: NodeId,
    },
    /// Zeros with a new first axis of size `dim`, `x` in row `index`; the adjoint of [`Op::Gather`].
    Scatter {
        /// An index below `dim`.
        index: NodeId,
        /// The row.
        x: NodeId,
        /// Size of the new axis.
        dim: Dim,
    },
    /// Index of the first largest element of a vector.
    ArgMax(NodeId),

    /// The same value on more axes of the domain.
    Broadcast {
        /// Operand, which has none of these axes.
        x: NodeId,
        /// The axes.
        axes: Domain,
    },
    /// Reduces axes of the domain; over time, each example over its own length.
    AxisReduce {
        /// Which reduction.
        kind: Over,
        /// Operand, which has all of these axes.
        x: NodeId,
        /// The axes.
        axes: Domain,
    },
    /// `x[t + by]`; outside `1..=T`, the boundary, or zero where there is none. The only op whose operand may come later
    /// in the graph: every cycle passes through one.
    Shift {
        /// Time axis.
        axis: AxisId,
        /// How many steps: negative looks back, positive ahead.
        by: i32,
        /// Operand.
        x: NodeId,
        /// Value outside the axis; allowed when `by` is one step.
        boundary: Option<NodeId>,
    },
    /// `x[1]`, `x[T]`, `x[k]`; the boundary, or zero, for an example with no such step.
    At {
        /// Time axis, which the result does not vary over.
        axis: AxisId,
        /// Which step.
        position: Position,
        /// Operand.
        x: NodeId,
        /// Value for an example that has no such step.
        boundary: Option<NodeId>,
    },
    /// `x` at one step, zero at the others; the adjoint of [`Op::At`].
    Place {
        /// Time axis, which the result varies over.
        axis: AxisId,
        /// Which step.
        position: Position,
        /// Operand.
        x: NodeId,
    },
}

// One line a variant: the match does not compile without it, and the list that oracles are held against is made of the same
// lines.
macro_rules! names {
    ($($variant:pat => $name:literal,)*) => {
        impl Op {
            /// The names of all primitives.
            pub const NAMES: &[&str] = &[$($name),*];

            /// Its name, which all functions and reductions of a kind share.
            pub fn name(&self) -> &'static str {
                match self {
                    $($variant => $name,)*
                }
            }
        }
    };
}

names! {
    Self::Input { .. } => "input",
    Self::Param { .. } => "param",
    Self::Const(_) => "const",
    Self::Step(_) => "step",
    Self::Length(_) => "length",
    Self::Entries => "entries",
    Self::Unary(..) => "unary",
    Self::Binary(..) => "binary",
    Self::Compare(..) => "compare",
    Self::Select(..) => "select",
    Self::StopGradient(_) => "stop_gradient",
    Self::Mix(..) => "mix",
    Self::Uniform(_) => "random",
    Self::Token(_) => "token",
    Self::MatMul(..) => "matmul",
    Self::Outer(..) => "outer",
    Self::Transpose(_) => "transpose",
    Self::Expand { .. } => "expand",
    Self::Reduce { .. } => "reduce",
    Self::Softmax(_) => "softmax",
    Self::Concat { .. } => "concat",
    Self::Slice { .. } => "slice",
    Self::Pad { .. } => "pad",
    Self::Gather { .. } => "gather",
    Self::Scatter { .. } => "scatter",
    Self::ArgMax(_) => "argmax",
    Self::Broadcast { .. } => "broadcast",
    Self::AxisReduce { .. } => "axis_reduce",
    Self::Shift { .. } => "shift",
    Self::At { .. } => "at",
    Self::Place { .. } => "place",
}

impl Op {
    /// Calls `f` on every operand, in order.
    pub fn each_operand(&self, mut f: impl FnMut(NodeId)) {
        // The clone keeps one list of operands for reading and for mapping.
        let mut op = self.clone();
        op.map_operands(&mut |id| {
            f(id);
            id
        });
    }

    /// All operands, in order.
    pub fn operands(&self) -> Vec<NodeId> {
        let mut operands = Vec::new();
        self.each_operand(|id| operands.push(id));
        operands
    }

    /// The operands that must come earlier in the graph: all but what a shift shifts.
    pub fn earlier_operands(&self) -> Vec<NodeId> {
        match self {
            Self::Shift { boundary, .. } => boundary.iter().copied().collect(),
            op => op.operands(),
        }
    }

    /// Replaces every operand.
    pub fn map_operands(&mut self, f: &mut dyn FnMut(NodeId) -> NodeId) {
        match self {
            Self::Input { .. }
            | Self::Param { .. }
            | Self::Const(_)
            | Self::Step(_)
            | Self::Length(_)
            | Self::Entries => {}
            Self::Unary(_, x)
            | Self::StopGradient(x)
            | Self::Uniform(x)
            | Self::Token(x)
            | Self::Transpose(x)
            | Self::Softmax(x)
            | Self::ArgMax(x)
            | Self::Expand { x, .. }
            | Self::Reduce { x, .. }
            | Self::Slice { x, .. }
            | Self::Pad { x, .. }
            | Self::Broadcast { x, .. }
            | Self::AxisReduce { x, .. }
            | Self::Place { x, .. } => *x = f(*x),
            Self::Binary(_, a, b)
            | Self::Compare(_, a, b)
            | Self::Mix(a, b)
            | Self::MatMul(a, b)
            | Self::Outer(a, b) => {
                *a = f(*a);
                *b = f(*b);
            }
            Self::Select(condition, then, otherwise) => {
                *condition = f(*condition);
                *then = f(*then);
                *otherwise = f(*otherwise);
            }
            Self::Concat { parts, .. } => parts.iter_mut().for_each(|part| *part = f(*part)),
            Self::Gather { table, index } => {
                *table = f(*table);
                *index = f(*index);
            }
            Self::Scatter { index, x, .. } => {
                *index = f(*index);
                *x = f(*x);
            }
            Self::Shift { x, boundary, .. } | Self::At { x, boundary, .. } => {
                *x = f(*x);
                if let Some(boundary) = boundary {
                    *boundary = f(*boundary);
                }
            }
        }
    }

    /// Whether every element of the result depends on the same element of each operand alone.
    pub fn is_elementwise(&self) -> bool {
        matches!(
            self,
            Self::Unary(..)
                | Self::Binary(..)
                | Self::Compare(..)
                | Self::Select(..)
                | Self::StopGradient(_)
                | Self::Mix(..)
                | Self::Uniform(_)
                | Self::Token(_)
        )
    }
}
