//! The few instructions that wide code consists of, as bytes (Intel SDM, volume 2: EVEX 2.7, VEX 2.3, REX 2.2.1).
//!
//! **Invariant:** vector instructions are 512 bits wide and leave flags and general registers alone.

/// A general register by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reg(pub(super) u8);

pub(super) const RAX: Reg = Reg(0);
pub(super) const RCX: Reg = Reg(1);
pub(super) const RBX: Reg = Reg(3);
pub(super) const RSP: Reg = Reg(4);
pub(super) const RBP: Reg = Reg(5);
pub(super) const RDI: Reg = Reg(7);

/// Memory that an instruction touches.
#[derive(Clone, Copy, Debug)]
pub(super) enum Memory {
    /// `[base + displacement]`
    At(Reg, i32),
    /// `[base + index + displacement]`
    Indexed(Reg, Reg, i32),
    /// A word of the constants behind the code.
    Const(u32),
}

/// The last operand of a vector instruction.
#[derive(Clone, Copy, Debug)]
pub(super) enum Operand {
    Vector(u8),
    /// Sixteen lanes.
    Lanes(Memory),
    /// One word in every lane.
    Broadcast(Memory),
}

/// What distinguishes a vector instruction: opcode map, mandatory prefix (0, 1 = 66, 2 = F3), opcode.
#[derive(Clone, Copy, Debug)]
pub(super) struct Code(pub(super) u8, pub(super) u8, pub(super) u8);

/// Lanes that an instruction works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lanes {
    All,
    /// Those of a mask; the others become zero, or stay as they are in memory.
    Zeroing(u8),
    /// The mask is an operand: selects, stores.
    Merging(u8),
}

/// A place that jumps go to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Label(usize);

/// Conditions of a jump.
#[derive(Clone, Copy, Debug)]
pub(super) enum If {
    Below = 2,
    AboveOrEqual = 3,
    Equal = 4,
}

// The `mod` bits for a displacement: none, one byte that counts units, or four.
fn displacement_size(base: Reg, displacement: i32, unit: i32) -> u8 {
    let short = displacement % unit == 0 && i8::try_from(displacement / unit).is_ok();
    match displacement {
        // Without a displacement, `rbp` and `r13` would mean another form.
        0 if base.0 & 7 != RBP.0 => 0b00,
        _ if short => 0b01,
        _ => 0b10,
    }
}

/// Bytes under construction.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    code: Vec<u8>,
    constants: Vec<u32>,
    /// A displacement to write: where, the end of its instruction, which constant.
    references: Vec<(usize, usize, usize)>,
    labels: Vec<Option<usize>>,
    jumps: Vec<(usize, Label)>,
}

impl Assembler {
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.code.extend_from_slice(bytes);
    }

    /// `code reg, vvvv, operand`, and an immediate byte.
    pub(super) fn vector(
        &mut self,
        Code(map, prefix, opcode): Code,
        reg: u8,
        vvvv: u8,
        operand: Operand,
        lanes: Lanes,
        immediate: Option<u8>,
    ) {
        // Bits of registers beyond the lowest three are inverted.
        let (b, x) = match operand {
            Operand::Vector(number) => (number >> 3 & 1, number >> 4 & 1),
            Operand::Lanes(memory) | Operand::Broadcast(memory) => match memory {
                Memory::At(base, _) => (base.0 >> 3 & 1, 0),
                Memory::Indexed(base, index, _) => (base.0 >> 3 & 1, index.0 >> 3 & 1),
                Memory::Const(_) => (0, 0),
            },
        };
        let inverted = [reg >> 3 & 1, x, b, reg >> 4 & 1];
        let mut first = map;
        for (at, bit) in inverted.into_iter().enumerate() {
            first |= (1 - bit) << (7 - at);
        }
        let second = (!vvvv & 15) << 3 | 1 << 2 | prefix;
        let (mask, zeroing) = match lanes {
            Lanes::All => (0, 0),
            Lanes::Zeroing(mask) => (mask, 1),
            Lanes::Merging(mask) => (mask, 0),
        };
        let broadcast = u8::from(matches!(operand, Operand::Broadcast(_)));
        let third = zeroing << 7 | 0b10 << 5 | broadcast << 4 | (1 - (vvvv >> 4 & 1)) << 3 | mask;
        self.bytes(&[0x62, first, second, third, opcode]);
        let reference = match operand {
            Operand::Vector(number) => {
                self.code.push(0b11 << 6 | (reg & 7) << 3 | (number & 7));
                None
            }
            // A displacement of one byte counts vectors, or words of a broadcast.
            Operand::Lanes(memory) => self.memory(reg, memory, 64),
            Operand::Broadcast(memory) => self.memory(reg, memory, 4),
        };
        self.code.extend(immediate);
        self.refer(reference);
    }

    /// Loads one word into every lane.
    pub(super) fn broadcast(&mut self, to: u8, memory: Memory) {
        // The memory operand is the word itself: no broadcast bit, displacements count words.
        let base = |reg: Reg| reg.0 >> 3 & 1;
        let b = match memory {
            Memory::At(reg, _) => base(reg),
            Memory::Indexed(..) => unreachable!("a broadcast has no index"),
            Memory::Const(_) => 0,
        };
        let mut first = 2;
        for (at, bit) in [to >> 3 & 1, 0, b, to >> 4 & 1].into_iter().enumerate() {
            first |= (1 - bit) << (7 - at);
        }
        self.bytes(&[0x62, first, 15 << 3 | 1 << 2 | 1, 0b10 << 5 | 1 << 3, 0x18]);
        let reference = self.memory(to, memory, 4);
        self.refer(reference);
    }

    /// `kmovw`, between a mask and memory: `0x90` loads, `0x91` stores.
    pub(super) fn mask_move(&mut self, opcode: u8, mask: u8, memory: Memory) {
        self.bytes(&[0xC5, 0xF8, opcode]);
        self.memory(mask, memory, 1);
    }

    /// An instruction on a general register of 64 bits and memory or another register's number in `reg`.
    pub(super) fn general(&mut self, opcode: u8, reg: Reg, memory: Memory) {
        let Memory::At(base, _) = memory else {
            unreachable!("pointers are kept in the table")
        };
        self.bytes(&[0x48 | (reg.0 >> 3 & 1) << 2 | (base.0 >> 3 & 1), opcode]);
        self.memory(reg.0, memory, 1);
    }

    pub(super) fn push(&mut self, reg: Reg) {
        self.bytes(&[0x40 | (reg.0 >> 3 & 1), 0x50 | (reg.0 & 7)]);
    }

    pub(super) fn pop(&mut self, reg: Reg) {
        self.bytes(&[0x40 | (reg.0 >> 3 & 1), 0x58 | (reg.0 & 7)]);
    }

    // ModRM, SIB and displacement; answers where a constant's displacement has to be written.
    fn memory(&mut self, reg: u8, memory: Memory, unit: i32) -> Option<(usize, usize)> {
        let reg = (reg & 7) << 3;
        match memory {
            Memory::At(base, displacement) => {
                let low = base.0 & 7;
                let size = displacement_size(base, displacement, unit);
                self.code.push(size << 6 | reg | low);
                if low == RSP.0 {
                    self.code.push(0x24);
                }
                self.displacement(size, displacement, unit);
                None
            }
            Memory::Indexed(base, index, displacement) => {
                let size = displacement_size(base, displacement, unit);
                self.code.push(size << 6 | reg | 0b100);
                self.code.push((index.0 & 7) << 3 | (base.0 & 7));
                self.displacement(size, displacement, unit);
                None
            }
            Memory::Const(bits) => {
                let at = self.constant(bits);
                self.code.push(reg | 0b101);
                self.bytes(&[0; 4]);
                Some((self.code.len() - 4, at))
            }
        }
    }

    fn displacement(&mut self, size: u8, displacement: i32, unit: i32) {
        match size {
            0b00 => {}
            0b01 => self.code.push((displacement / unit) as i8 as u8),
            _ => self.bytes(&displacement.to_le_bytes()),
        }
    }

    fn refer(&mut self, reference: Option<(usize, usize)>) {
        if let Some((at, constant)) = reference {
            self.references.push((at, self.code.len(), constant));
        }
    }

    fn constant(&mut self, bits: u32) -> usize {
        match self.constants.iter().position(|known| *known == bits) {
            Some(at) => at,
            None => {
                self.constants.push(bits);
                self.constants.len() - 1
            }
        }
    }

    pub(super) fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    pub(super) fn bind(&mut self, label: Label) {
        self.labels[label.0] = Some(self.code.len());
    }

    pub(super) fn jump_if(&mut self, condition: If, label: Label) {
        self.bytes(&[0x0F, 0x80 | condition as u8, 0, 0, 0, 0]);
        self.jumps.push((self.code.len(), label));
    }

    pub(super) fn jump(&mut self, label: Label) {
        self.bytes(&[0xE9, 0, 0, 0, 0]);
        self.jumps.push((self.code.len(), label));
    }

    /// The bytes, with the constants behind them.
    pub(super) fn finish(mut self) -> Vec<u8> {
        fn distance(from: usize, to: usize) -> [u8; 4] {
            let distance = to as i64 - from as i64;
            let distance = i32::try_from(distance).expect("code is far below two gibibytes");
            distance.to_le_bytes()
        }
        for (end, label) in &self.jumps {
            let to = self.labels[label.0].expect("every label is bound");
            self.code[end - 4..*end].copy_from_slice(&distance(*end, to));
        }
        // Constants in a cache line of their own.
        let pool = self.code.len().next_multiple_of(64);
        for (at, end, constant) in &self.references {
            self.code[*at..at + 4].copy_from_slice(&distance(*end, pool + constant * 4));
        }
        if !self.constants.is_empty() {
            self.code.resize(pool, 0xCC);
        }
        for bits in &self.constants {
            self.code.extend_from_slice(&bits.to_le_bytes());
        }
        self.code
    }
}
