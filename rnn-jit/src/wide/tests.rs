//! Wide code run natively, against the same program one element at a time, and against the kernels of the same functions.

mod scalar;

use self::scalar::{Lane, known};
use super::encode::{Assembler, Code, Lanes, Memory, Operand, Reg};
use super::*;
use crate::kernels::math::poly::TRIGONOMETRIC_LIMIT;
use crate::kernels::{Function as Math, Isa, map};
use cranelift_codegen::ir::Signature;
use cranelift_codegen::isa::CallConv;
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{Linkage, Module};
use rnn_ir::generate::Draw;
use rnn_ir::id::Id;

type Entry = unsafe extern "sysv64" fn(*mut u64, usize, usize);

/// A function in executable memory.
struct Native {
    module: Option<JITModule>,
    entry: Entry,
}

impl Native {
    fn new(function: &Function) -> Self {
        let names = cranelift_module::default_libcall_names();
        let mut module = JITModule::new(JITBuilder::new(names).expect("this machine"));
        let signature = Signature::new(CallConv::SystemV);
        let id = module
            .declare_function("wide", Linkage::Local, &signature)
            .expect("a new name");
        module
            .define_function_bytes(id, 64, &function.bytes, &[])
            .expect("memory");
        module.finalize_definitions().expect("memory");
        let address = module.get_finalized_function(id);
        // SAFETY: wide code has this signature.
        let entry = unsafe { std::mem::transmute::<*const u8, Entry>(address) };
        Self {
            module: Some(module),
            entry,
        }
    }
}

impl Drop for Native {
    fn drop(&mut self) {
        let module = self.module.take().expect("dropped once");
        // SAFETY: the entry is called through `self` alone.
        unsafe { module.free_memory() }
    }
}

/// Rows of one stream in memory, with elements around them that nobody may touch.
struct Rows {
    words: Vec<u32>,
    stride: usize,
}

const OUTSIDE: u32 = 0x7fc0_dead;
const MARGIN: usize = 20;

/// Runs a program on rows of inputs, `inputs(stream, row, column)`; answers each store's rows, after checking what lies
/// around them.
fn run(
    program: &Program,
    rows: usize,
    width: usize,
    padding: usize,
    inputs: &dyn Fn(Stream, usize, usize) -> u32,
) -> Vec<Vec<u32>> {
    let runs = padding == 0 && rows == 1;
    let function = compile(program.clone(), width, runs).expect("small");
    let native = Native::new(&function);
    let mut memories: Vec<Rows> = (program.streams.iter())
        .map(|(stream, access)| {
            let own = if *access == Access::Once { 1 } else { width };
            let stride = own + padding;
            let mut words = vec![OUTSIDE; 2 * MARGIN + rows * stride];
            if *access != Access::Store {
                for row in 0..rows {
                    for column in 0..own {
                        words[MARGIN + row * stride + column] = inputs(stream, row, column);
                    }
                }
            }
            Rows { words, stride }
        })
        .collect();
    let mut table: Vec<u64> = Vec::new();
    for memory in &mut memories {
        table.push(memory.words[MARGIN..].as_mut_ptr() as u64);
        table.push((memory.stride * 4) as u64);
    }
    // SAFETY: the table has a row of `width` words, or one, at each stride for every stream; the tests that call this have
    // made sure of AVX-512.
    unsafe { (native.entry)(table.as_mut_ptr(), rows, width) }
    (program.stores.iter())
        .map(|(stream, _)| {
            let memory = &memories[stream.index()];
            let mut out = Vec::new();
            for (at, word) in memory.words.iter().enumerate() {
                let inside = at
                    .checked_sub(MARGIN)
                    .is_some_and(|at| at < rows * memory.stride && at % memory.stride < width);
                if inside {
                    out.push(*word);
                } else {
                    assert_eq!(*word, OUTSIDE, "word {at} of {stream} is outside its rows");
                }
            }
            out
        })
        .collect()
}

const EDGES: [u32; 20] = [
    0x0000_0000,
    0x8000_0000,
    0x3f80_0000,
    0xbf80_0000,
    0x7f80_0000,
    0xff80_0000,
    0x7fc0_0000,
    0xffc0_0000,
    0x0000_0001,
    0x8000_0001,
    0x0080_0000,
    0x807f_ffff,
    0x7f7f_ffff,
    0xff7f_ffff,
    0x4b40_0000,
    0x42b0_0000,
    0xc2d0_0000,
    0x3eaa_aaab,
    0xffff_ffff,
    0x4000_0000,
];

fn word(draw: &mut Draw) -> u32 {
    if draw.once_in(3) {
        EDGES[draw.below(EDGES.len())]
    } else {
        (draw.between(-8.0, 8.0) as f32).to_bits()
    }
}

/// A program of many values that are used late, so that registers and masks run out.
fn random(draw: &mut Draw, ops: usize, loads: usize) -> Program {
    let mut program = Program::default();
    let mut vectors = Vec::new();
    let mut masks = Vec::new();
    for at in 0..loads {
        let access = if at % 4 == 3 {
            Access::Once
        } else {
            Access::Load
        };
        let stream = program.streams.push(access);
        vectors.push(program.push(match access {
            Access::Once => Op::Once(stream),
            _ => Op::Load(stream),
        }));
    }
    for _ in 0..6 {
        vectors.push(program.push(Op::Const(word(draw))));
    }
    let zero = program.number(0.0);
    masks.push(program.push(Op::Compare(Compare::Lt, vectors[0], zero)));
    for _ in 0..ops {
        let any = |draw: &mut Draw| vectors[draw.below(vectors.len())];
        let (a, b, c) = (any(draw), any(draw), any(draw));
        let mask = masks[draw.below(masks.len())];
        let binary = {
            use Binary::*;
            [
                Add, Sub, Mul, Div, Min, Max, Lower, Higher, Scale, And, Or, Xor, AddBits, SubBits,
                MulBits,
            ]
        };
        let compare = {
            use Compare::*;
            [Lt, Le, Gt, Ge, Eq, Ne, Unordered]
        };
        let op = match draw.below(12) {
            0 => {
                let unary = [
                    Unary::Sqrt,
                    Unary::Floor,
                    Unary::ShiftLeft(3),
                    Unary::ShiftRight(9),
                    Unary::ShiftDown(9),
                    Unary::ToFloat,
                ];
                Op::Unary(unary[draw.below(unary.len())], a)
            }
            1..=4 => Op::Binary(binary[draw.below(binary.len())], a, b),
            5..=7 => Op::MulAdd(a, b, c),
            8 => Op::Compare(compare[draw.below(7)], a, b),
            9 => match draw.below(3) {
                0 => Op::Sign(a),
                1 => Op::Spread(mask),
                _ => Op::CompareWords(compare[draw.below(6)], a, b),
            },
            _ => Op::Select(mask, a, b),
        };
        let value = program.push(op);
        if op.is_mask() {
            masks.push(value);
        } else {
            vectors.push(value);
        }
    }
    // Everything is used once more at the end, in an order of its own.
    let mut sum = vectors[0];
    for _ in 0..2 * vectors.len() {
        let other = vectors[draw.below(vectors.len())];
        let mask = masks[draw.below(masks.len())];
        sum = program.push(Op::Select(mask, other, sum));
    }
    let out = program.streams.push(Access::Store);
    program.store(out, sum);
    for value in vectors.iter().rev().step_by(3).chain(&masks[..1]) {
        let out = program.streams.push(Access::Store);
        program.store(out, *value);
    }
    program
}

fn wide_here() -> bool {
    Isa::Avx512.is_available()
}

/// Compares a program on rows with its evaluation; answers how many elements were known to the bit.
fn check(program: &Program, rows: usize, width: usize, padding: usize, seed: u64) -> usize {
    let input = |stream: Stream, row: usize, column: usize| {
        let at = (stream.index() * 31 + row) * 131 + column;
        word(&mut Draw::new(seed ^ at as u64))
    };
    let found = run(program, rows, width, padding, &input);
    let mut exact = 0;
    for row in 0..rows {
        for column in 0..width {
            let lanes = known(program, &|stream| {
                let once = program.streams[stream] == Access::Once;
                input(stream, row, if once { 0 } else { column })
            });
            for ((_, value), found) in program.stores.iter().zip(&found) {
                let found = found[row * width + column];
                let agrees = match lanes[value.index()] {
                    Lane::Bits(bits) => bits == found,
                    Lane::Nan => f32::from_bits(found).is_nan(),
                    Lane::Unknown => true,
                };
                exact += usize::from(matches!(lanes[value.index()], Lane::Bits(_)));
                assert!(
                    agrees,
                    "{value} of row {row}, column {column}, width {width}: expected {:x?}, found \
                     {found:#x} (seed {seed})\n{program}",
                    lanes[value.index()]
                );
            }
        }
    }
    exact
}

#[test]
fn random_programs_agree_with_their_scalar_evaluation() {
    if !wide_here() {
        return;
    }
    let (mut saved, mut exact) = (0, 0);
    let mut overlapped = 0;
    for seed in 0..80 {
        let mut draw = Draw::new(seed);
        let (ops, loads) = (10 + draw.below(150), 1 + draw.below(40));
        let program = random(&mut draw, ops, loads);
        let items = super::order::order(&program);
        let slots = super::registers::allocate(&program, &items).slots;
        saved += slots;
        let mixed = super::order::interleave(&program, &items, 64, 20);
        assert_eq!(mixed.len(), items.len());
        overlapped += usize::from(format!("{mixed:?}") != format!("{items:?}"));
        if slots * 64 >= 4096 {
            assert!(
                compile(program, 1, false).is_none(),
                "{slots} saved vectors"
            );
            continue;
        }
        let (rows, width, padding) = (draw.below(4), 1 + draw.below(70), draw.below(3));
        exact += check(&program, rows, width, padding, seed);
    }
    assert!(overlapped > 40, "too few orders changed: {overlapped}");
    assert!(exact > 10_000, "too little was known: {exact} elements");
    assert!(saved > 100, "registers ran out too seldom: {saved} saved");
}

/// As many chains as an LSTM has, one after the other.
fn long_chain(draw: &mut Draw) -> Program {
    let mut program = random(draw, 30, 6);
    let stores = std::mem::take(&mut program.stores);
    let mut value = stores[0].1;
    for function in [Math::Sigmoid, Math::Tanh, Math::Exp] {
        let x = program.vector(value);
        value = program.function(function, x);
    }
    for (stream, _) in stores {
        program.store(stream, value);
    }
    program
}

#[test]
fn two_vectors_at_once_are_those_of_the_line() {
    if !wide_here() {
        return;
    }
    let mut pairs = 0;
    for seed in 0..12 {
        let program = long_chain(&mut Draw::new(seed));
        let items = super::order::order(&program);
        let single = super::registers::allocate(&program, &items);
        pairs += usize::from(super::pair::paired(&program, &single).is_some());
        for width in [16, 31, 32, 33, 48, 64, 65, 100] {
            check(&program, 2, width, 1, seed);
            check(&program, 1, width, 0, seed);
        }
    }
    assert!(pairs > 4, "too few programs were paired: {pairs}");
}

#[test]
fn every_length_touches_its_own_elements_alone() {
    if !wide_here() {
        return;
    }
    let program = random(&mut Draw::new(99), 40, 12);
    for width in 1..=70 {
        check(&program, 1, width, 0, width as u64);
        check(&program, 3, width, 1, width as u64);
    }
    check(&program, 0, 17, 0, 1);
}

#[test]
fn a_run_of_any_length_is_served_by_code_for_its_rows() {
    if !wide_here() {
        return;
    }
    let mut program = Program::default();
    let [x, y] = [Access::Load, Access::Store].map(|access| program.streams.push(access));
    let value = program.push(Op::Load(x));
    let square = program.binary(Binary::Mul, value, value);
    program.store(y, square);
    for rows in 0..20 {
        let input = |_: Stream, _: usize, column: usize| (column as f32).to_bits();
        let found = run(&program, 1, 5 * rows, 0, &input);
        let expected: Vec<u32> = (0..5 * rows)
            .map(|at| ((at * at) as f32).to_bits())
            .collect();
        assert_eq!(found, [expected]);
    }
}

#[test]
fn functions_are_bit_equal_to_their_kernels() {
    if !wide_here() {
        return;
    }
    let mut inputs: Vec<f32> = EDGES.iter().map(|bits| f32::from_bits(*bits)).collect();
    // Every sign and exponent, with several mantissas.
    for high in 0..512u32 {
        for low in [0, 1, 0x2a_5a5a, 0x40_0000, 0x7f_ffff] {
            inputs.push(f32::from_bits(high << 23 | low));
        }
    }
    for function in Math::ALL {
        let mut program = Program::default();
        let [x, y] = [Access::Load, Access::Store].map(|access| program.streams.push(access));
        let value = program.push(Op::Load(x));
        let result = program.function(function, value);
        program.store(y, result);
        let input = |_: Stream, _: usize, column: usize| inputs[column].to_bits();
        let found = run(&program, 1, inputs.len(), 0, &input);
        let mut expected = vec![0.0; inputs.len()];
        map(Isa::Avx512, function, &inputs, &mut expected);
        let angle = matches!(function, Math::Sin | Math::Cos);
        for ((x, expected), found) in inputs.iter().zip(&expected).zip(&found[0]) {
            if angle && x.abs() > TRIGONOMETRIC_LIMIT {
                continue;
            }
            assert_eq!(
                expected.to_bits(),
                *found,
                "{function:?}({x:e}) = {expected:e}, found {:e}",
                f32::from_bits(*found)
            );
        }
    }
}

#[test]
fn extremes_keep_nan_and_order_zeros() {
    if !wide_here() {
        return;
    }
    let numbers = [
        0.0,
        -0.0,
        1.0,
        -2.5,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
        f32::MAX,
    ];
    for constant in [None, Some(0.0), Some(-0.0), Some(1.5), Some(f32::NAN)] {
        let mut program = Program::default();
        let [x, y, low, high] = [Access::Load, Access::Load, Access::Store, Access::Store]
            .map(|access| program.streams.push(access));
        let a = program.push(Op::Load(x));
        let b = match constant {
            Some(number) => program.number(number),
            None => program.push(Op::Load(y)),
        };
        for (stream, value) in [(low, program.minimum(b, a)), (high, program.maximum(a, b))] {
            program.store(stream, value);
        }
        let pair = |column: usize| {
            let (a, b) = (numbers[column / 8], numbers[column % 8]);
            (a, constant.unwrap_or(b))
        };
        let input = |stream: Stream, _: usize, column: usize| {
            let (a, b) = pair(column);
            if stream == x {
                a.to_bits()
            } else {
                b.to_bits()
            }
        };
        let found = run(&program, 1, 64, 0, &input);
        for column in 0..64 {
            let (a, b) = pair(column);
            let [low, high] = [&found[0], &found[1]].map(|row| f32::from_bits(row[column]));
            let order = |x: f32, y: f32| (x, x.is_sign_positive()) < (y, y.is_sign_positive());
            let (least, most) = if order(a, b) { (a, b) } else { (b, a) };
            if a.is_nan() || b.is_nan() {
                assert!(
                    low.is_nan() && high.is_nan(),
                    "of {a} and {b}: {low}, {high}"
                );
            } else {
                assert_eq!(low.to_bits(), least.to_bits(), "min({a}, {b}) = {low}");
                assert_eq!(high.to_bits(), most.to_bits(), "max({a}, {b}) = {high}");
            }
        }
    }
}

#[test]
fn instructions_decode_to_what_was_meant() {
    let Ok(machine) = cranelift_codegen::isa::lookup_by_name("x86_64-unknown-linux-gnu") else {
        return;
    };
    let flags = cranelift_codegen::settings::Flags::new(cranelift_codegen::settings::builder());
    let machine = machine.finish(flags).expect("x86-64");
    let capstone = machine.to_capstone().expect("a disassembler");
    let mut a = Assembler::default();
    let mut expected = Vec::new();
    let add = Code(1, 0, 0x58);
    for (reg, vvvv, rm) in [(0, 0, 0), (31, 8, 16), (9, 31, 15), (17, 3, 24)] {
        a.vector(add, reg, vvvv, Operand::Vector(rm), Lanes::All, None);
        expected.push(format!("vaddps %zmm{rm}, %zmm{vvvv}, %zmm{reg}"));
    }
    for (memory, text) in [
        (Memory::At(Reg(4), 128), "0x80(%rsp)"),
        (Memory::At(Reg(4), 0), "(%rsp)"),
        (Memory::At(Reg(12), 64 * 200), "0x3200(%r12)"),
        (Memory::At(Reg(13), 0), "(%r13)"),
        (Memory::Indexed(Reg(13), Reg(1), 0), "(%r13, %rcx)"),
        (Memory::Indexed(Reg(13), Reg(1), 64), "0x40(%r13, %rcx)"),
        (Memory::Indexed(Reg(10), Reg(1), 64), "0x40(%r10, %rcx)"),
        (
            Memory::Indexed(Reg(9), Reg(1), 64 * 200),
            "0x3200(%r9, %rcx)",
        ),
        (Memory::Indexed(Reg(3), Reg(1), 0), "(%rbx, %rcx)"),
        (Memory::Indexed(Reg(8), Reg(1), 0), "(%r8, %rcx)"),
    ] {
        a.vector(add, 30, 1, Operand::Lanes(memory), Lanes::All, None);
        expected.push(format!("vaddps {text}, %zmm1, %zmm30"));
        let masked = Lanes::Zeroing(1);
        let load = Code(1, 0, 0x10);
        a.vector(load, 20, 0, Operand::Lanes(memory), masked, None);
        expected.push(format!("vmovups {text}, %zmm20 {{%k1}} {{z}}"));
    }
    let operand = Operand::Broadcast(Memory::At(Reg(10), 4));
    a.vector(Code(1, 0, 0xC2), 5, 29, operand, Lanes::All, Some(0x11));
    expected.push("vcmplt_oqps 4(%r10){1to16}, %zmm29, %k5".to_owned());
    a.broadcast(28, Memory::At(Reg(11), 0));
    expected.push("vbroadcastss (%r11), %zmm28".to_owned());
    a.vector(
        Code(2, 1, 0x65),
        7,
        8,
        Operand::Vector(25),
        Lanes::Merging(6),
        None,
    );
    expected.push("vblendmps %zmm25, %zmm8, %zmm7 {%k6}".to_owned());
    a.vector(
        Code(1, 1, 0x72),
        6,
        21,
        Operand::Vector(22),
        Lanes::All,
        Some(23),
    );
    expected.push("vpslld $0x17, %zmm22, %zmm21".to_owned());
    a.vector(
        Code(3, 1, 0x50),
        1,
        2,
        Operand::Vector(3),
        Lanes::All,
        Some(4),
    );
    expected.push("vrangeps $4, %zmm3, %zmm2, %zmm1".to_owned());
    a.general(0x8B, Reg(15), Memory::At(Reg(7), 16));
    expected.push("movq 0x10(%rdi), %r15".to_owned());
    a.general(0x01, Reg(0), Memory::At(Reg(7), 1024));
    expected.push("addq %rax, 0x400(%rdi)".to_owned());
    let bytes = a.finish();
    let found = capstone.disasm_all(&bytes, 0).expect("decodes");
    let found: Vec<String> = (found.iter())
        .map(|inst| {
            let (name, operands) = (inst.mnemonic(), inst.op_str());
            format!("{} {}", name.unwrap_or("?"), operands.unwrap_or(""))
        })
        .collect();
    assert_eq!(found, expected);
}
