//! The order in which a program's operations run.
//!
//! Depth first by what is stored, the operand that takes more registers first, keeps few values alive, but makes one long
//! chain after another: a processor looks a few hundred instructions ahead, which is two functions. [`interleave`] mixes
//! neighbouring chains as long as registers last.
//!
//! **Invariant:** every value that a store depends on appears once, after its operands; constants and values of a whole line
//! do not appear, they are taken from memory or a register where they are used.

use super::program::{Binary, Op, Program, Stream, Unary, Value};
use rnn_ir::id::SideTable;

/// A place in the order.
#[derive(Clone, Copy, Debug)]
pub(super) enum Item {
    Compute(Value),
    Store(Stream, Value),
}

/// Orders what the stores of a program need, depth first.
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

/// Instructions that may begin in a cycle.
const WIDTH: usize = 2;

// Cycles until a result is there.
fn latency(op: Op) -> usize {
    match op {
        Op::Load(_) => 7,
        Op::Binary(Binary::Div, ..) | Op::Unary(Unary::Sqrt, _) => 24,
        Op::Binary(
            Binary::And | Binary::Or | Binary::Xor | Binary::AddBits | Binary::SubBits,
            ..,
        ) => 1,
        Op::Binary(Binary::MulBits, ..) => 10,
        Op::Unary(Unary::Floor, _) => 8,
        Op::Unary(..) | Op::Select(..) => 2,
        _ => 4,
    }
}

/// Cycles from the first operation of a program to the end of the last, if nothing else waits.
pub(super) fn cycles(program: &Program) -> usize {
    let mut finish = SideTable::filled(0, program.ops.len());
    let mut last = 0;
    for (id, op) in program.ops.iter() {
        let own = if op.is_broadcast() { 0 } else { latency(*op) };
        let start = op.operands().map(|operand| finish[operand]).max();
        finish[id] = start.unwrap_or(0) + own;
        last = last.max(finish[id]);
    }
    last
}

/// An order in which chains overlap: of the operations at most `window` places ahead, the one that most others wait for,
/// while fewer than `registers` values are alive.
pub(super) fn interleave(
    program: &Program,
    items: &[Item],
    window: usize,
    registers: usize,
) -> Vec<Item> {
    let mut at = SideTable::filled(None, program.ops.len());
    for (index, item) in items.iter().enumerate() {
        if let Item::Compute(id) = item {
            at[*id] = Some(index);
        }
    }
    let reads: Vec<Vec<usize>> = (items.iter())
        .map(|item| match item {
            Item::Compute(id) => {
                let operands = program.ops[*id].operands();
                operands.filter_map(|operand| at[operand]).collect()
            }
            Item::Store(_, value) => at[*value].into_iter().collect(),
        })
        .collect();
    let cycles = |item: &Item| match item {
        Item::Compute(id) => latency(program.ops[*id]),
        Item::Store(..) => 0,
    };
    // Cycles from the begin of an operation to the end of all that wait for it, and how many read its value.
    let mut height = vec![0; items.len()];
    let mut readers = vec![0usize; items.len()];
    for (index, item) in items.iter().enumerate().rev() {
        height[index] += cycles(item);
        for read in &reads[index] {
            height[*read] = height[*read].max(height[index]);
            readers[*read] += 1;
        }
    }
    let mut finish: Vec<Option<usize>> = vec![None; items.len()];
    let (mut first, mut issued, mut alive) = (0, 0, 0);
    let mut out = Vec::with_capacity(items.len());
    while out.len() < items.len() {
        while finish[first].is_some() {
            first += 1;
        }
        let now = issued / WIDTH;
        let end = items.len().min(first + window.max(1));
        let ready = |index: usize| {
            let mut operands = reads[index].iter().map(|read| finish[*read]);
            operands.try_fold(0, |latest: usize, finish| Some(latest.max(finish?)))
        };
        let mut best: Option<((bool, usize, usize), usize)> = None;
        for index in first..end {
            if finish[index].is_some() {
                continue;
            }
            let Some(start) = ready(index) else { continue };
            let store = matches!(items[index], Item::Store(..));
            // A store frees a register; with none left, the depth first order goes on.
            if store || alive >= registers {
                best = Some(((false, 0, 0), index));
                break;
            }
            let waits = start.saturating_sub(now);
            let key = (waits > 0, waits, usize::MAX - height[index]);
            if best.is_none_or(|(known, _)| key < known) {
                best = Some((key, index));
            }
        }
        let (_, index) = best.expect("the first operation that has not begun has its operands");
        let start = ready(index).expect("it is ready").max(now);
        finish[index] = Some(start + cycles(&items[index]));
        if let Item::Compute(_) = items[index] {
            issued = issued.max(start * WIDTH) + 1;
            alive += 1;
        }
        for read in &reads[index] {
            readers[*read] -= 1;
            alive -= usize::from(readers[*read] == 0);
        }
        out.push(items[index]);
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
