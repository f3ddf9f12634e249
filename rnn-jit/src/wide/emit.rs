//! The function around a straight line: rows, vectors of a row, the masked tail.
//!
//! ```text
//! for each row
//!     two lines at once, where that pays, for pairs of whole vectors
//!     the line, for whole vectors
//!     the line once more under a mask, for what is left
//! ```
//!
//! | register | content |
//! |---|---|
//! | `rdi` | the table |
//! | `rsi` | rows left |
//! | `rdx` | bytes of whole vectors in a row |
//! | `rcx` | bytes before the vector |
//! | `rbx`, `r8..r15` | rows of the first streams; those of the others stay in the table |
//! | `rbp` | the stack pointer to go back to; saved vectors are below it |
//! | `k1` | lanes of the tail |
//!
//! **Invariant:** vectors of the tail are loaded and stored under `k1`, so that nothing outside a row is touched.

use super::encode::{
    Assembler, Code, If, Lanes, Memory, Operand, RAX, RBP, RBX, RCX, RDI, RSP, Reg,
};
use super::order::{interleave, order};
use super::pair::paired;
use super::program::{Access, Binary, Compare, Op, Program, Stream, Unary, Value};
use super::registers::{Allocation, Form, Inst, Source, allocate, allocate_beside};
use super::{Function, LANES};
use rnn_ir::id::Id;

/// Words of the table per stream: the address of its first row, and the bytes from a row to the next.
pub(crate) const WORDS_PER_STREAM: usize = 2;

/// Registers for rows of streams.
const POINTERS: [Reg; 9] = [
    RBX,
    Reg(8),
    Reg(9),
    Reg(10),
    Reg(11),
    Reg(12),
    Reg(13),
    Reg(14),
    Reg(15),
];
/// What the calling convention wants back.
const CALLEE_SAVED: [Reg; 6] = [RBP, RBX, Reg(12), Reg(13), Reg(14), Reg(15)];
/// Saved vectors stay inside one page, so that the stack grows by no more than the guard page sees.
const MOST_SLOTS: usize = 63;
/// Longer programs take too long to allocate.
const MOST_OPS: usize = 6000;

/// How far ahead operations may overtake others, and how many values may be alive for that: tried in turn.
const OVERLAPS: [(usize, usize); 3] = [(160, 24), (96, 20), (48, 16)];
/// Vectors that overlapping may save where one chain after the other saves none.
const SPARE_SLOTS: usize = 4;
/// One in so many instructions may be one more.
const MOST_MORE: usize = 25;

const TAIL: u8 = 1;
const MOVE_LOAD: Code = Code(1, 0, 0x10);
const MOVE_STORE: Code = Code(1, 0, 0x11);

/// Compiles a program for rows of `width` elements, or of any multiple of it if `runs`; `None` if it is too large.
pub(crate) fn compile(program: Program, width: usize, runs: bool) -> Option<Function> {
    if program.ops.len() > MOST_OPS {
        return None;
    }
    let allocation = schedule(&program, None);
    if allocation.slots > MOST_SLOTS {
        return None;
    }
    // Registers that hold constants do so for the whole call, in both loops: those of the pairs.
    let pairs = (runs || width >= 2 * LANES)
        .then(|| paired(&program, &allocation))
        .flatten();
    let (allocation, pairs) = match pairs {
        Some(pairs) => {
            let single = schedule(&program, Some(&pairs.pinned));
            match single.slots.max(pairs.slots) <= MOST_SLOTS {
                true => (single, Some(pairs)),
                false => (allocation, None),
            }
        }
        None => (allocation, None),
    };
    let emit = Emit {
        program: &program,
        allocation: &allocation,
        pairs: pairs.as_ref(),
        pointers: pointers(&program),
        whole: runs || width >= LANES,
        tail: !width.is_multiple_of(LANES),
        a: Assembler::default(),
    };
    let bytes = emit.function();
    Some(Function { bytes, program })
}

// Overlapping chains, as long as that costs few instructions more than one after the other. `pinned` may say which registers
// hold constants; else those that serve one chain after the other best do.
fn schedule(program: &Program, pinned: Option<&[(Value, u8)]>) -> Allocation {
    let items = order(program);
    let plain = match pinned {
        Some(pinned) => allocate_beside(program, &items, pinned),
        None => allocate(program, &items),
    };
    let most = plain.insts.len() + plain.insts.len() / MOST_MORE;
    for (window, registers) in OVERLAPS {
        let mixed = interleave(program, &items, window, registers);
        let overlapped = allocate_beside(program, &mixed, &plain.pinned);
        if overlapped.insts.len() <= most && overlapped.slots <= plain.slots.max(SPARE_SLOTS) {
            return overlapped;
        }
    }
    plain
}

// The register of each stream; those of whole lines first.
fn pointers(program: &Program) -> Vec<Option<Reg>> {
    let mut order: Vec<Stream> = program.streams.ids().collect();
    order.sort_by_key(|stream| program.streams[*stream] == Access::Once);
    let mut out = vec![None; order.len()];
    for (stream, reg) in order.into_iter().zip(POINTERS) {
        out[stream.index()] = Some(reg);
    }
    out
}

struct Emit<'p> {
    program: &'p Program,
    allocation: &'p Allocation,
    /// Of two lines at once.
    pairs: Option<&'p Allocation>,
    pointers: Vec<Option<Reg>>,
    whole: bool,
    tail: bool,
    a: Assembler,
}

impl Emit<'_> {
    fn function(mut self) -> Vec<u8> {
        let [row, pairs, single, vectors] = [(); 4].map(|()| self.a.label());
        let [tail, next, done] = [(); 3].map(|()| self.a.label());
        let slots = (self.pairs.map_or(0, |pairs| pairs.slots)).max(self.allocation.slots);
        for reg in CALLEE_SAVED {
            self.a.push(reg);
        }
        // mov rbp, rsp; sub rsp, bytes; and rsp, -64
        self.a.bytes(&[0x48, 0x89, 0xE5]);
        if slots > 0 {
            let bytes = i32::try_from(slots * 64).expect("less than a page");
            self.a.bytes(&[0x48, 0x81, 0xEC]);
            self.a.bytes(&bytes.to_le_bytes());
            self.a.bytes(&[0x48, 0x83, 0xE4, 0xC0]);
        }
        if self.tail {
            // k1 = (1 << (width & 15)) - 1: mov ecx, edx; and ecx, 15; mov eax, 1; shl eax, cl; dec eax; kmovw k1, eax
            self.a.bytes(&[0x89, 0xD1, 0x83, 0xE1, 0x0F]);
            self.a.bytes(&[0xB8, 1, 0, 0, 0, 0xD3, 0xE0, 0xFF, 0xC8]);
            self.a.bytes(&[0xC5, 0xF8, 0x92, 0xC8]);
        }
        // and rdx, -16; shl rdx, 2; test rsi, rsi
        self.a
            .bytes(&[0x48, 0x83, 0xE2, 0xF0, 0x48, 0xC1, 0xE2, 0x02]);
        self.a.bytes(&[0x48, 0x85, 0xF6]);
        self.a.jump_if(If::Equal, done);
        for stream in self.program.streams.ids() {
            if let Some(reg) = self.pointers[stream.index()] {
                self.a.general(0x8B, reg, address_word(stream));
            }
        }
        self.pinned(false);

        self.a.bind(row);
        self.pinned(true);
        // xor ecx, ecx
        self.a.bytes(&[0x31, 0xC9]);
        if let Some(allocation) = self.pairs {
            self.a.bind(pairs);
            // lea rax, [rcx + 128]; cmp rdx, rax
            self.a
                .bytes(&[0x48, 0x8D, 0x81, 128, 0, 0, 0, 0x48, 0x39, 0xC2]);
            self.a.jump_if(If::Below, single);
            self.line(allocation, false);
            // add rcx, 128
            self.a.bytes(&[0x48, 0x81, 0xC1, 128, 0, 0, 0]);
            self.a.jump(pairs);
        }
        self.a.bind(single);
        if self.whole {
            // cmp rcx, rdx
            self.a.bytes(&[0x48, 0x39, 0xD1]);
            self.a.jump_if(If::AboveOrEqual, tail);
            self.a.bind(vectors);
            self.line(self.allocation, false);
            // add rcx, 64; cmp rcx, rdx
            self.a.bytes(&[0x48, 0x83, 0xC1, 0x40, 0x48, 0x39, 0xD1]);
            self.a.jump_if(If::Below, vectors);
        }
        self.a.bind(tail);
        if self.tail {
            // kortestw k1, k1
            self.a.bytes(&[0xC5, 0xF8, 0x98, 0xC9]);
            self.a.jump_if(If::Equal, next);
            self.line(self.allocation, true);
        }
        self.a.bind(next);
        // dec rsi
        self.a.bytes(&[0x48, 0xFF, 0xCE]);
        self.a.jump_if(If::Equal, done);
        for stream in self.program.streams.ids() {
            match self.pointers[stream.index()] {
                Some(reg) => self.a.general(0x03, reg, stride_word(stream)),
                None => {
                    self.a.general(0x8B, RAX, stride_word(stream));
                    self.a.general(0x01, RAX, address_word(stream));
                }
            }
        }
        self.a.jump(row);

        self.a.bind(done);
        // vzeroupper; mov rsp, rbp
        self.a.bytes(&[0xC5, 0xF8, 0x77, 0x48, 0x89, 0xEC]);
        for reg in CALLEE_SAVED.into_iter().rev() {
            self.a.pop(reg);
        }
        self.a.bytes(&[0xC3]);
        self.a.finish()
    }

    // Constants for the call, or values of the row, that stay in registers.
    fn pinned(&mut self, of_row: bool) {
        for (value, to) in self.allocation.pinned.clone() {
            let memory = match self.program.ops[value] {
                Op::Const(bits) if !of_row => Memory::Const(bits),
                Op::Once(stream) if of_row => Memory::At(self.pointer(stream), 0),
                _ => continue,
            };
            self.a.broadcast(to, memory);
        }
    }

    // The register that holds a stream's row, which may have to be loaded.
    fn pointer(&mut self, stream: Stream) -> Reg {
        self.pointers[stream.index()].unwrap_or_else(|| {
            self.a.general(0x8B, RAX, address_word(stream));
            RAX
        })
    }

    // The elements of a stream's row at the vector that runs, or at the next.
    fn lanes(&mut self, stream: Stream) -> Operand {
        let count = self.program.streams.len();
        let (stream, beyond) = match stream.index().checked_sub(count) {
            Some(first) => (Stream::from_index(first), 64),
            None => (stream, 0),
        };
        Operand::Lanes(Memory::Indexed(self.pointer(stream), RCX, beyond))
    }

    fn line(&mut self, allocation: &Allocation, tail: bool) {
        for inst in &allocation.insts {
            self.inst(*inst, tail);
        }
    }

    fn operand(&mut self, source: Source) -> Operand {
        match source {
            Source::Register(register) => Operand::Vector(register),
            Source::Const(bits) => Operand::Broadcast(Memory::Const(bits)),
            Source::Once(stream) => Operand::Broadcast(Memory::At(self.pointer(stream), 0)),
            Source::Saved(slot) => Operand::Lanes(saved(slot)),
        }
    }

    fn inst(&mut self, inst: Inst, tail: bool) {
        // `reg, vvvv, operand` on all lanes.
        let plain = |emit: &mut Self, code, reg, vvvv, source, immediate| {
            let operand = emit.operand(source);
            emit.a
                .vector(code, reg, vvvv, operand, Lanes::All, immediate);
        };
        match inst {
            Inst::Load { to, stream } => {
                let memory = self.lanes(stream);
                let lanes = if tail {
                    Lanes::Zeroing(TAIL)
                } else {
                    Lanes::All
                };
                self.a.vector(MOVE_LOAD, to, 0, memory, lanes, None);
            }
            Inst::Store { stream, from } => {
                let memory = self.lanes(stream);
                let lanes = if tail {
                    Lanes::Merging(TAIL)
                } else {
                    Lanes::All
                };
                self.a.vector(MOVE_STORE, from, 0, memory, lanes, None);
            }
            Inst::Move { to, from } => match self.operand(from) {
                Operand::Broadcast(memory) => self.a.broadcast(to, memory),
                operand => self.a.vector(MOVE_LOAD, to, 0, operand, Lanes::All, None),
            },
            Inst::Save { slot, from } => {
                let memory = Operand::Lanes(saved(slot));
                self.a.vector(MOVE_STORE, from, 0, memory, Lanes::All, None);
            }
            Inst::Unary { unary, to, source } => match unary {
                Unary::Sqrt => plain(self, Code(1, 0, 0x51), to, 0, source, None),
                // Rounds down to no fraction bits, without raising inexactness.
                Unary::Floor => plain(self, Code(3, 1, 0x08), to, 0, source, Some(0x09)),
                Unary::ToFloat => plain(self, Code(1, 0, 0x5B), to, 0, source, None),
                // The register field is part of the opcode.
                Unary::ShiftLeft(by) => plain(self, Code(1, 1, 0x72), 6, to, source, Some(by)),
                Unary::ShiftRight(by) => plain(self, Code(1, 1, 0x72), 4, to, source, Some(by)),
                Unary::ShiftDown(by) => plain(self, Code(1, 1, 0x72), 2, to, source, Some(by)),
            },
            Inst::Binary {
                binary,
                to,
                a,
                source,
            } => {
                let (code, immediate) = binary_code(binary);
                plain(self, code, to, a, source, immediate);
            }
            Inst::MulAdd {
                form,
                to,
                a,
                source,
            } => {
                let opcode = match form {
                    Form::F132 => 0x98,
                    Form::F213 => 0xA8,
                    Form::F231 => 0xB8,
                };
                plain(self, Code(2, 1, opcode), to, a, source, None);
            }
            Inst::Compare {
                compare,
                words,
                to,
                a,
                source,
            } => {
                let code = if words {
                    Code(3, 1, 0x1E)
                } else {
                    Code(1, 0, 0xC2)
                };
                plain(self, code, to, a, source, Some(predicate(compare, words)));
            }
            Inst::Sign { to, from } => {
                plain(self, Code(2, 2, 0x39), to, 0, Source::Register(from), None);
            }
            Inst::Spread { to, from } => {
                plain(self, Code(2, 2, 0x38), to, 0, Source::Register(from), None);
            }
            Inst::Select { to, mask, yes, no } => {
                let operand = self.operand(yes);
                let lanes = Lanes::Merging(mask);
                self.a
                    .vector(Code(2, 1, 0x65), to, no, operand, lanes, None);
            }
            Inst::SaveMask { slot, from } => self.a.mask_move(0x91, from, saved(slot)),
            Inst::RestoreMask { to, slot } => self.a.mask_move(0x90, to, saved(slot)),
        }
    }
}

fn saved(slot: usize) -> Memory {
    Memory::At(RSP, i32::try_from(slot * 64).expect("less than a page"))
}

fn table_word(word: usize) -> Memory {
    Memory::At(RDI, i32::try_from(word * 8).expect("a table is small"))
}

fn address_word(stream: Stream) -> Memory {
    table_word(stream.index() * WORDS_PER_STREAM)
}

fn stride_word(stream: Stream) -> Memory {
    table_word(stream.index() * WORDS_PER_STREAM + 1)
}

fn binary_code(binary: Binary) -> (Code, Option<u8>) {
    let code = match binary {
        Binary::Add => Code(1, 0, 0x58),
        Binary::Sub => Code(1, 0, 0x5C),
        Binary::Mul => Code(1, 0, 0x59),
        Binary::Div => Code(1, 0, 0x5E),
        Binary::Min => Code(1, 0, 0x5D),
        Binary::Max => Code(1, 0, 0x5F),
        // Smaller or larger of both, with its own sign.
        Binary::Lower => return (Code(3, 1, 0x50), Some(0b0100)),
        Binary::Higher => return (Code(3, 1, 0x50), Some(0b0101)),
        Binary::Scale => Code(2, 1, 0x2C),
        Binary::And => Code(1, 0, 0x54),
        Binary::Or => Code(1, 0, 0x56),
        Binary::Xor => Code(1, 0, 0x57),
        Binary::AddBits => Code(1, 1, 0xFE),
        Binary::SubBits => Code(1, 1, 0xFA),
        Binary::MulBits => Code(2, 1, 0x40),
    };
    (code, None)
}

// Quiet predicates of `vcmpps`, and those of `vpcmpud`.
fn predicate(compare: Compare, words: bool) -> u8 {
    match (compare, words) {
        (Compare::Lt, false) => 0x11,
        (Compare::Le, false) => 0x12,
        (Compare::Gt, false) => 0x1E,
        (Compare::Ge, false) => 0x1D,
        (Compare::Eq, _) => 0,
        (Compare::Ne, _) => 4,
        (Compare::Unordered, _) => 3,
        (Compare::Lt, true) => 1,
        (Compare::Le, true) => 2,
        (Compare::Ge, true) => 5,
        (Compare::Gt, true) => 6,
    }
}
