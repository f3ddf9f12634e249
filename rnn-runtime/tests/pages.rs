//! No page of the process is writable and executable at once: not while models are compiled, not while they run, not after. In a
//! process of its own: what is mapped is of the whole process.
#![cfg(target_os = "linux")]

#[expect(dead_code, reason = "other tests use the rest")]
#[path = "compiled/models/mod.rs"]
mod models;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use models::*;
use rnn_runtime::{Generate, Inputs, Options, Tensors, compile, init_params};

/// A line of `/proc/self/maps`: `start-end rwxp offset device inode path`.
#[derive(Debug)]
struct Mapping {
    line: String,
    bytes: usize,
    rights: String,
    of_file: bool,
}

fn mappings() -> Vec<Mapping> {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("readable");
    let read = |line: &str| {
        let mut fields = line.split_ascii_whitespace();
        let range = fields.next().and_then(|range| range.split_once('-'));
        let address = |text| usize::from_str_radix(text, 16).expect("hexadecimal");
        let (start, end) = range.expect("a range");
        Mapping {
            line: line.to_owned(),
            bytes: address(end) - address(start),
            rights: fields.next().expect("rights").to_owned(),
            of_file: fields.nth(2).expect("an inode") != "0",
        }
    };
    maps.lines().map(read).collect()
}

// Bytes of code that was made here; none of them may be written to.
fn code() -> usize {
    let all = mappings();
    for own in &all {
        let both = own.rights.contains('w') && own.rights.contains('x');
        assert!(!both, "writable and executable: {}", own.line);
    }
    let made = all.iter().filter(|own| {
        let kernel = own.line.ends_with("[vdso]") || own.line.ends_with("[vsyscall]");
        own.rights.contains('x') && !own.of_file && !kernel
    });
    made.map(|own| own.bytes).sum()
}

// Models that are alive at once, each with programs that are compiled when they are called first.
fn models_in_use() {
    let options = || Options::default().reuse(false).threads(2);
    let model = compile(CHAR_LM, options()).expect("compiles");
    let params = init_params(&CHAR_LM, 3).expect("draws");
    let (now, next) = (tokens((4, 3), 11, 1), tokens((4, 3), 11, 2));
    let inputs = || CharLmInputs { now: now.view() };
    let mut grads = params.zeros_like();
    let before = code();
    assert!(before > 0, "code is somewhere");
    let others: Vec<_> = [7, 9, 12]
        .map(|units| {
            let spec = CharLm {
                H: units,
                ..CHAR_LM
            };
            (
                compile(spec, options()).expect("compiles"),
                init_params(&spec, 3).expect("draws"),
            )
        })
        .into();
    assert!(code() > before, "each model has code of its own");
    for (other, params) in &others {
        other.forward(params, inputs()).expect("runs");
        code();
    }
    let targets = CharLmTargets { next: next.view() };
    (model.loss_and_grad(&params, inputs().lengths(&[4, 2, 3]), targets, &mut grads))
        .expect("runs");
    code();
    let mut stream = model.stream_batch(&params, 3).expect("is causal");
    let one = tokens((1, 3), 11, 1);
    stream.step(CharLmInputs { now: one.view() }).expect("fits");
    code();
    let how = Generate::sampled().max_steps(4);
    model.generate(&params, inputs(), how).expect("says tokens");
    code();
    let spec = BIDIRECTIONAL;
    let model = compile(spec, options()).expect("compiles");
    let params = init_params(&spec, 3).expect("draws");
    let (x, y) = (reals((4, 3, 3), 1), tokens((4, 3), 6, 2));
    let (inputs, targets) = (
        BidirectionalInputs { x: x.view() },
        BidirectionalTargets { y: y.view() },
    );
    (model.input_gradients(&params, inputs, targets, &["x"])).expect("runs");
    code();
}

/// Ends the watch, also of a test that fails.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn no_page_is_writable_and_executable_at_once() {
    let before = code();
    let (done, looks) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        // Looks while code is being made, too.
        let watch = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                code();
                looks.fetch_add(1, Ordering::Relaxed);
            }
        });
        let end = Done(&done);
        for _ in 0..5 {
            models_in_use();
        }
        drop(end);
        watch.join().expect("no such page was seen");
    });
    let looks = looks.into_inner();
    assert!(
        looks > 20,
        "{looks} looks while models were compiled and run"
    );
    assert_eq!(code(), before, "code is unmapped with its models");
}
