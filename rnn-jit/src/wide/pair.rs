//! Two vectors at once, for lines that are long chains.
//!
//! An LSTM's gates and state are 80 operations and five divisions, which two ports issue in 52 cycles, but a chain of 190 cycles from
//! the first load to the last store; as far as a processor looks ahead, it finds the next vector's chain too late, and takes 77. A
//! program that holds the line twice, with the second's operations between the first's, takes 67: the two chains end together.
//!
//! **Invariant:** the second line has streams of its own, behind those of the first in the same order, which stand for the
//! same rows one vector on. Constants and values of a whole line are shared.

use super::order::{Item, cycles, interleave, order};
use super::program::{Op, Program, Stream, Value};
use super::registers::{Allocation, allocate};
use rnn_ir::id::{Id, SideTable};

/// How far ahead operations may overtake others, and how many values may be alive for that: tried in turn.
const OVERLAPS: [(usize, usize); 2] = [(240, 25), (160, 21)];
/// Operations below which a processor sees many vectors ahead by itself.
const LEAST_OPS: usize = 48;
/// One in so many instructions may be one more than in two lines one after the other.
const MOST_MORE: usize = 12;

/// Registers for two lines at once; `None` where one line, whose registers are given, keeps the ports busy.
pub(super) fn paired(program: &Program, single: &Allocation) -> Option<Allocation> {
    if program.ops.len() < LEAST_OPS || cycles(program) < program.ops.len() {
        return None;
    }
    let twice = doubled(program);
    let items = in_turn(order(&twice), program.stores.len());
    let most = 2 * single.insts.len() + 2 * single.insts.len() / MOST_MORE;
    (OVERLAPS.iter())
        .map(|(window, registers)| {
            allocate(&twice, &interleave(&twice, &items, *window, *registers))
        })
        .find(|allocation| allocation.insts.len() <= most)
}

// The program for a vector and the next one.
fn doubled(program: &Program) -> Program {
    let mut twice = program.clone();
    let count = program.streams.len();
    for (_, access) in program.streams.iter() {
        twice.streams.push(*access);
    }
    let behind = |stream: Stream| Stream::from_index(stream.index() + count);
    let mut second: SideTable<Value, Option<Value>> = SideTable::filled(None, program.ops.len());
    let at = |second: &SideTable<Value, Option<Value>>, value: Value| {
        second[value].expect("operands come before users")
    };
    for (id, op) in program.ops.iter() {
        let own = match *op {
            Op::Load(stream) => Op::Load(behind(stream)),
            op => op.with_operands(|value| at(&second, value)),
        };
        second[id] = Some(twice.push(own));
    }
    for (stream, value) in &program.stores {
        twice.stores.push((behind(*stream), at(&second, *value)));
    }
    twice
}

// The items of both lines in turn: each ends with a store, `stores` of them the first line.
fn in_turn(items: Vec<Item>, stores: usize) -> Vec<Item> {
    let mut left = stores;
    let first = items.iter().take_while(|item| {
        let before = left;
        left -= usize::from(left > 0 && matches!(item, Item::Store(..)));
        before > 0
    });
    let count = first.count();
    let (one, other) = items.split_at(count);
    let longer = one.len().max(other.len());
    (0..longer)
        .flat_map(|at| [one.get(at), other.get(at)])
        .flatten()
        .copied()
        .collect()
}
