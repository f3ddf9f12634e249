//! Registers for a straight line: the value whose next use is furthest away makes room (Belady 1966).
//!
//! Constants and values of a whole line need no register: instructions take them from memory, in every lane. The ones used
//! most are kept in registers that the program leaves free, for the whole call. What is loaded from a stream is loaded
//! again rather than saved.
//!
//! **Invariant:** an instruction's operands are read before its result is written; a register holds one value at a time.

use super::order::Item;
use super::program::{Binary, Compare, Op, Program, Stream, Unary, Value};
use rnn_ir::id::SideTable;

/// Registers `zmm0..31`.
const VECTORS: usize = 32;
/// Registers `k2..7`: `k0` selects nothing, `k1` holds the lanes of the tail.
const MASKS: std::ops::Range<u8> = 2..8;

/// A vector operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Register(u8),
    /// The bits in every lane, from the constants.
    Const(u32),
    /// The element of the line in every lane.
    Once(Stream),
    /// A saved vector.
    Saved(usize),
}

/// Which operand of `a * b + c` is overwritten, and where the others are: the digits of the three instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `to = to * source + a`
    F132,
    /// `to = a * to + source`
    F213,
    /// `to = a * source + to`
    F231,
}

/// An instruction with registers: `to` is written, `a` and the source are read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Inst {
    Load {
        to: u8,
        stream: Stream,
    },
    Store {
        stream: Stream,
        from: u8,
    },
    Move {
        to: u8,
        from: Source,
    },
    Save {
        slot: usize,
        from: u8,
    },
    Unary {
        unary: Unary,
        to: u8,
        source: Source,
    },
    Binary {
        binary: Binary,
        to: u8,
        a: u8,
        source: Source,
    },
    MulAdd {
        form: Form,
        to: u8,
        a: u8,
        source: Source,
    },
    Compare {
        compare: Compare,
        words: bool,
        to: u8,
        a: u8,
        source: Source,
    },
    Sign {
        to: u8,
        from: u8,
    },
    Spread {
        to: u8,
        from: u8,
    },
    Select {
        to: u8,
        mask: u8,
        yes: Source,
        no: u8,
    },
    SaveMask {
        slot: usize,
        from: u8,
    },
    RestoreMask {
        to: u8,
        slot: usize,
    },
}

/// A program with registers.
#[derive(Clone, Debug)]
pub(super) struct Allocation {
    pub(super) insts: Vec<Inst>,
    /// Values that stay in a register for the call, or for the row.
    pub(super) pinned: Vec<(Value, u8)>,
    /// Places for saved vectors and masks.
    pub(super) slots: usize,
}

/// Assigns registers, as many to constants as makes the fewest instructions.
pub(super) fn allocate(program: &Program, items: &[Item]) -> Allocation {
    let popular = by_use(program, items);
    [20, 12, 6, 0]
        .into_iter()
        .map(|keep| {
            let pinned = (popular.iter().take(keep).copied())
                .zip((0..VECTORS as u8).rev())
                .collect();
            Allocator::new(program, items, pinned).run(items)
        })
        .min_by_key(|allocation| allocation.insts.len())
        .expect("several attempts")
}

/// Assigns registers beside those that hold other values for the whole call.
pub(super) fn allocate_beside(
    program: &Program,
    items: &[Item],
    pinned: &[(Value, u8)],
) -> Allocation {
    Allocator::new(program, items, pinned.to_vec()).run(items)
}

// Constants and values of a line, the most used first.
fn by_use(program: &Program, items: &[Item]) -> Vec<Value> {
    let mut count = SideTable::filled(0usize, program.ops.len());
    each_use(program, items, |_, value| count[value] += 1);
    let mut out: Vec<Value> = (program.ops.iter())
        .filter(|(id, op)| op.is_broadcast() && count[*id] > 0)
        .map(|(id, _)| id)
        .collect();
    out.sort_by_key(|id| std::cmp::Reverse(count[*id]));
    out
}

fn each_use(program: &Program, items: &[Item], mut f: impl FnMut(usize, Value)) {
    for (at, item) in items.iter().enumerate() {
        match item {
            Item::Compute(id) => program.ops[*id].operands().for_each(|value| f(at, value)),
            Item::Store(_, value) => f(at, *value),
        }
    }
}

struct Allocator<'p> {
    program: &'p Program,
    /// The positions that use a value, last first; those passed are gone.
    uses: SideTable<Value, Vec<usize>>,
    register: SideTable<Value, Option<u8>>,
    saved: SideTable<Value, Option<usize>>,
    pinned: Vec<(Value, u8)>,
    vectors: Vec<Option<Value>>,
    masks: Vec<Option<Value>>,
    /// Registers that the current instruction needs.
    locked: Vec<Value>,
    free_slots: Vec<usize>,
    slots: usize,
    insts: Vec<Inst>,
}

impl<'p> Allocator<'p> {
    fn new(program: &'p Program, items: &[Item], pinned: Vec<(Value, u8)>) -> Self {
        let count = program.ops.len();
        let mut uses = SideTable::filled(Vec::new(), count);
        each_use(program, items, |at, value| uses[value].push(at));
        for id in program.ops.ids() {
            uses[id].reverse();
        }
        let mut register = SideTable::filled(None, count);
        for (value, at) in &pinned {
            register[*value] = Some(*at);
        }
        Self {
            program,
            uses,
            register,
            saved: SideTable::filled(None, count),
            vectors: vec![None; VECTORS - pinned.len()],
            pinned,
            masks: vec![None; MASKS.len()],
            locked: Vec::new(),
            free_slots: Vec::new(),
            slots: 0,
            insts: Vec::new(),
        }
    }

    fn run(mut self, items: &[Item]) -> Allocation {
        for (at, item) in items.iter().enumerate() {
            let used: Vec<Value> = match item {
                Item::Compute(id) => self.program.ops[*id].operands().collect(),
                Item::Store(_, value) => vec![*value],
            };
            for value in &used {
                while self.uses[*value].last() == Some(&at) {
                    self.uses[*value].pop();
                }
            }
            self.locked.clone_from(&used);
            match item {
                Item::Compute(id) => self.compute(*id),
                Item::Store(stream, value) => {
                    let from = self.in_register(*value);
                    self.insts.push(Inst::Store {
                        stream: *stream,
                        from,
                    });
                }
            }
            self.locked.clear();
            for value in used {
                self.forget_dead(value);
            }
        }
        Allocation {
            insts: self.insts,
            pinned: self.pinned,
            slots: self.slots,
        }
    }

    fn is_pinned(&self, value: Value) -> bool {
        self.pinned.iter().any(|(pinned, _)| *pinned == value)
    }

    fn is_dead(&self, value: Value) -> bool {
        self.uses[value].is_empty()
    }

    // Frees what a value without further use holds.
    fn forget_dead(&mut self, value: Value) {
        if self.is_dead(value) && !self.is_pinned(value) {
            self.release(value);
            if let Some(slot) = self.saved[value].take() {
                self.free_slots.push(slot);
            }
        }
    }

    fn file(&mut self, value: Value) -> (&mut Vec<Option<Value>>, u8) {
        if self.program.ops[value].is_mask() {
            (&mut self.masks, MASKS.start)
        } else {
            (&mut self.vectors, 0)
        }
    }

    fn release(&mut self, value: Value) {
        if let Some(register) = self.register[value].take() {
            let (file, first) = self.file(value);
            file[usize::from(register - first)] = None;
        }
    }

    // A register for a value of its kind, which another may have to leave.
    fn take(&mut self, value: Value) -> u8 {
        let (file, _) = self.file(value);
        let at = match file.iter().position(Option::is_none) {
            Some(free) => free,
            None => {
                let held: Vec<Value> = file.iter().flatten().copied().collect();
                let leaves = held
                    .into_iter()
                    .filter(|held| !self.locked.contains(held))
                    .max_by_key(|held| self.uses[*held].last().copied().unwrap_or(usize::MAX))
                    .expect("an instruction reads fewer values than there are registers");
                let register = self.register[leaves].expect("it is held");
                self.save(leaves);
                self.release(leaves);
                usize::from(register - self.file(value).1)
            }
        };
        let (file, first) = self.file(value);
        file[at] = Some(value);
        let register = first + u8::try_from(at).expect("32 registers");
        self.register[value] = Some(register);
        register
    }

    // Makes sure that a value can be had again without its register.
    fn save(&mut self, value: Value) {
        let op = self.program.ops[value];
        let again = op.is_broadcast() || matches!(op, Op::Load(_));
        if again || self.is_dead(value) || self.saved[value].is_some() {
            return;
        }
        let slot = self.free_slots.pop().unwrap_or_else(|| {
            self.slots += 1;
            self.slots - 1
        });
        let from = self.register[value].expect("it is held");
        self.saved[value] = Some(slot);
        self.insts.push(if op.is_mask() {
            Inst::SaveMask { slot, from }
        } else {
            Inst::Save { slot, from }
        });
    }

    // Brings a value that has no register into the one given.
    fn fetch(&mut self, value: Value, to: u8) {
        let op = self.program.ops[value];
        let inst = match (op, self.saved[value]) {
            (Op::Load(stream), _) => Inst::Load { to, stream },
            (Op::Const(bits), _) => Inst::Move {
                to,
                from: Source::Const(bits),
            },
            (Op::Once(stream), _) => Inst::Move {
                to,
                from: Source::Once(stream),
            },
            (_, Some(slot)) if op.is_mask() => Inst::RestoreMask { to, slot },
            (_, Some(slot)) => Inst::Move {
                to,
                from: Source::Saved(slot),
            },
            (_, None) => unreachable!("a value is computed before it is used"),
        };
        self.insts.push(inst);
    }

    fn in_register(&mut self, value: Value) -> u8 {
        if let Some(register) = self.register[value] {
            return register;
        }
        let register = self.take(value);
        self.fetch(value, register);
        register
    }

    // A value where it is, if an instruction can take it from there.
    fn in_memory(&self, value: Value) -> Option<Source> {
        if self.register[value].is_some() {
            return None;
        }
        match (self.program.ops[value], self.saved[value]) {
            (Op::Const(bits), _) => Some(Source::Const(bits)),
            (Op::Once(stream), _) => Some(Source::Once(stream)),
            (Op::Load(_), _) => None,
            (_, Some(slot)) if self.is_dead(value) => Some(Source::Saved(slot)),
            _ => None,
        }
    }

    fn source(&mut self, value: Value) -> Source {
        match self.in_memory(value) {
            Some(source) => source,
            None => Source::Register(self.in_register(value)),
        }
    }

    // A register for a result; those of operands used for the last time are free for it.
    fn result(&mut self, id: Value) -> u8 {
        let operands: Vec<Value> = self.program.ops[id].operands().collect();
        for value in operands {
            self.forget_dead_register(value);
        }
        self.take(id)
    }

    // As `forget_dead`, but a place that the instruction reads from is kept until after it.
    fn forget_dead_register(&mut self, value: Value) {
        if self.is_dead(value) && !self.is_pinned(value) {
            self.release(value);
        }
    }

    fn compute(&mut self, id: Value) {
        let inst = match self.program.ops[id] {
            Op::Const(_) | Op::Once(_) => unreachable!("taken where it is used"),
            Op::Load(stream) => Inst::Load {
                to: self.result(id),
                stream,
            },
            Op::Unary(unary, x) => {
                let source = self.source(x);
                let to = self.result(id);
                Inst::Unary { unary, to, source }
            }
            Op::Binary(binary, a, b) => {
                let swap =
                    binary.commutes() && self.in_memory(a).is_some() && self.in_memory(b).is_none();
                let (a, b) = if swap { (b, a) } else { (a, b) };
                let a = self.in_register(a);
                let source = self.source(b);
                let to = self.result(id);
                Inst::Binary {
                    binary,
                    to,
                    a,
                    source,
                }
            }
            Op::MulAdd(a, b, c) => return self.mul_add(id, [a, b, c]),
            Op::Compare(compare, a, b) | Op::CompareWords(compare, a, b) => {
                let words = matches!(self.program.ops[id], Op::CompareWords(..));
                let a = self.in_register(a);
                let source = self.source(b);
                let to = self.result(id);
                Inst::Compare {
                    compare,
                    words,
                    to,
                    a,
                    source,
                }
            }
            Op::Sign(x) => {
                let from = self.in_register(x);
                let to = self.result(id);
                Inst::Sign { to, from }
            }
            Op::Spread(mask) => {
                let from = self.in_register(mask);
                let to = self.result(id);
                Inst::Spread { to, from }
            }
            Op::Select(mask, yes, no) => {
                let mask = self.in_register(mask);
                let no = self.in_register(no);
                let yes = self.source(yes);
                let to = self.result(id);
                Inst::Select { to, mask, yes, no }
            }
        };
        self.insts.push(inst);
    }

    // `a * b + c` overwrites one of its operands: one that is not used again, or else a copy.
    fn mul_add(&mut self, id: Value, [a, b, c]: [Value; 3]) {
        // At most one operand from memory, in one place.
        let memory = [c, b, a].into_iter().find(|value| {
            let places = [a, b, c].iter().filter(|other| *other == value).count();
            places == 1 && self.in_memory(*value).is_some()
        });
        let inside = |value: Value| memory != Some(value);
        let dying = [c, a, b].into_iter().find(|value| {
            inside(*value)
                && self.is_dead(*value)
                && self.register[*value].is_some()
                && !self.is_pinned(*value)
        });
        let over = match dying {
            Some(value) => value,
            // Better one that has to be brought into a register anyway.
            None => [a, b, c]
                .into_iter()
                .filter(|value| inside(*value))
                .min_by_key(|value| self.register[*value].is_some())
                .expect("at most one operand is in memory"),
        };
        // The places of the operands before the result takes one of them.
        let place = |allocator: &mut Self, value: Value| match memory {
            Some(memory) if memory == value => None,
            _ if value == over && dying.is_none() => None,
            _ => Some(allocator.in_register(value)),
        };
        let places = [a, b, c].map(|value| place(self, value));
        let memory_source = memory.map(|value| self.source(value));
        let over_before = self.register[over];
        let to = match dying {
            Some(value) => {
                let register = self.register[value].expect("a dying operand is in a register");
                self.release(value);
                self.hold(id, register);
                register
            }
            None => {
                let to = self.take(id);
                match over_before {
                    Some(from) => self.insts.push(Inst::Move {
                        to,
                        from: Source::Register(from),
                    }),
                    None => self.fetch(over, to),
                }
                to
            }
        };
        let at = |index: usize, value: Value| match (places[index], memory_source) {
            (Some(register), _) => Source::Register(register),
            (None, Some(source)) if memory == Some(value) => source,
            // A second place of the operand that is overwritten.
            _ => Source::Register(to),
        };
        let register = |source: Source| match source {
            Source::Register(register) => register,
            _ => unreachable!("one operand at most is in memory"),
        };
        let (form, a, source) = if over == c {
            let (x, y) = (at(0, a), at(1, b));
            match x {
                Source::Register(x) => (Form::F231, x, y),
                _ => (Form::F231, register(y), x),
            }
        } else {
            let other = if over == a { at(1, b) } else { at(0, a) };
            match (other, at(2, c)) {
                (Source::Register(other), c) => (Form::F213, other, c),
                (other, c) => (Form::F132, register(c), other),
            }
        };
        self.insts.push(Inst::MulAdd {
            form,
            to,
            a,
            source,
        });
    }

    fn hold(&mut self, value: Value, register: u8) {
        let (file, first) = self.file(value);
        file[usize::from(register - first)] = Some(value);
        self.register[value] = Some(register);
    }
}
