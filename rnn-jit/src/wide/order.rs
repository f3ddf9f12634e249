//! The order in which a program's operations run: depth first by what is stored, the operand that takes more registers first.
//!
//! **Invariant:** every value that a store depends on appears once, after its operands; constants and values of a whole line
//! do not appear, they are taken from memory or a register where they are used.

use super::program::{Program, Stream, Value};
use rnn_ir::id::SideTable;

/// A place in the order.
#[derive(Clone, Copy, Debug)]
pub(super) enum Item {
    Compute(Value),
    Store(Stream, Value),
}

/// Orders what the stores of a program need.
pub(super) fn order(program: &Program) -> Vec<Item> {
    let need = registers_needed(program);
    let mut done = SideTable::filled(false, program.ops.len());
    let mut out = Vec::new();
    for (stream, value) in &program.stores {
        // A value is visited twice: before its operands, and after them.
        let mut stack = vec![(*value, false)];
        while let Some((id, after)) = stack.pop() {
            let op = program.ops[id];
            if done[id] || op.is_broadcast() {
                continue;
            }
            if after {
                done[id] = true;
                out.push(Item::Compute(id));
                continue;
            }
            stack.push((id, true));
            let mut operands: Vec<Value> = op.operands().collect();
            operands.sort_by_key(|operand| need[*operand]);
            stack.extend(operands.into_iter().map(|operand| (operand, false)));
        }
        out.push(Item::Store(*stream, *value));
    }
    out
}

// Sethi and Ullman 1970: the registers that a value takes when the operand that takes most is computed first; exact for
// trees, a guide for graphs.
fn registers_needed(program: &Program) -> SideTable<Value, usize> {
    let mut need = SideTable::filled(0, program.ops.len());
    for (id, op) in program.ops.iter() {
        let mut operands: Vec<usize> = op.operands().map(|operand| need[operand]).collect();
        operands.sort_unstable_by(|a, b| b.cmp(a));
        let most = operands
            .iter()
            .enumerate()
            .map(|(at, need)| need + at)
            .max();
        need[id] = match most {
            Some(most) => most.max(1),
            None => usize::from(!op.is_broadcast()),
        };
    }
    need
}
