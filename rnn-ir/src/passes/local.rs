//! Ops that look at one point of the domain alone.
//!
//! **Invariant:** for a local op `f`, `f(broadcast x) = broadcast f(x)`, and unrolling an axis makes one `f` per step.

use crate::op::Op;

/// Whether the value at a step, for an example, depends on the operands at that step and for that example alone.
/// Sources count as local: they have no operands.
pub fn is_local(op: &Op) -> bool {
    match op {
        Op::Input { .. }
        | Op::Param { .. }
        | Op::Const(_)
        | Op::Step(_)
        | Op::Length(_)
        | Op::Entries
        | Op::Unary(..)
        | Op::Binary(..)
        | Op::Compare(..)
        | Op::Select(..)
        | Op::StopGradient(_)
        | Op::Mix(..)
        | Op::Uniform(_)
        | Op::Token(_)
        | Op::MatMul(..)
        | Op::Outer(..)
        | Op::Transpose(_)
        | Op::Expand { .. }
        | Op::Reduce { .. }
        | Op::Softmax(_)
        | Op::Concat { .. }
        | Op::Slice { .. }
        | Op::Pad { .. }
        | Op::Gather { .. }
        | Op::Scatter { .. }
        | Op::ArgMax(_) => true,
        Op::Broadcast { .. }
        | Op::AxisReduce { .. }
        | Op::Shift { .. }
        | Op::At { .. }
        | Op::Place { .. } => false,
    }
}
