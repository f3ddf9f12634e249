//! What scheduled sampling takes is what was said beforehand.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a test that fails says where"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use ndarray::Array2;
use rnn::BatchSize;
use rnn::prelude::*;

rnn! {
    /// So little a step that the coins are a part of it that shows.
    model Sparse<V> {
        time   t in 1..=T;
        input  x[t]: [];
        target tgt[t]: token<V>;
        param  E: [V, V] ~ normal(0.0, 0.5);
        tgt[0]    = 1;
        logits[t] = x[t] * E[feedback(tgt[t-1], argmax(logits[t-1]))];
        output logits;
        loss mean[t](cross_entropy(logits[t], tgt[t]));
    }
}

/// Counts the bytes in use, and the most there were.
struct Counting;

static IN_USE: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every request goes to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = IN_USE.fetch_add(layout.size(), Ordering::SeqCst) + layout.size();
        MOST.fetch_max(now, Ordering::SeqCst);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Ordering::SeqCst);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Bookkeeping beside the bytes that are said: tables with an entry for each value of a program, weights of examples and
/// states.
const BOOKKEEPING: usize = 300_000;

// The most bytes in use while it runs, beyond those before.
fn most(run: impl FnOnce()) -> usize {
    let before = IN_USE.load(Ordering::SeqCst);
    MOST.store(before, Ordering::SeqCst);
    run();
    MOST.load(Ordering::SeqCst) - before
}

// Debug builds replay the plan of each new shape over a table with 8 bytes for each line of the arena.
fn beside(said: usize) -> usize {
    match cfg!(debug_assertions) {
        true => BOOKKEEPING + said / 8,
        false => BOOKKEEPING,
    }
}

#[track_caller]
fn check(what: &str, taken: usize, said: usize) {
    assert!(
        said <= taken && taken <= said + beside(said),
        "{what}: {said} bytes were said, {taken} taken"
    );
}

const V: usize = 7;
const STEPS: usize = 8000;

fn training() {
    let spec = Sparse { V };
    let params = SparseParams::init(&spec, 3).unwrap();
    let sampled = Feedback::sampled(0.5, 7, 1);
    for (examples, parts) in [(8, 1), (64, 4)] {
        let model = spec.compile(Options::default().threads(1)).unwrap();
        let size = BatchSize::new(examples).steps("t", STEPS);
        let plain = model.bytes(Program::Gradient, &size).unwrap();
        assert_eq!(plain.coins, 0);
        let size = size.feedback(sampled);
        let said = model.bytes(Program::Gradient, &size).unwrap();
        assert_eq!(said.coins, STEPS * examples);
        // A byte a step of each example of the part that runs beside 4 each of a real input and a target.
        let part = match parts {
            1 => 0,
            _ => STEPS * examples / parts * (1 + 4 + 4),
        };
        assert_eq!(said.copies, part, "{said:?}");
        let sum = said.workspace * said.workspaces + said.copies + said.gradients + said.coins;
        assert_eq!(said.total, sum);
        let x = Array2::<f32>::ones((STEPS, examples));
        let tgt = Array2::from_elem((STEPS, examples), 3);
        let mut grads = params.zeros_like();
        // What leads to the program is compiled now.
        let step = |model: &Compiled<Sparse>, grads: &mut SparseParams| {
            let inputs = SparseInputs { x: x.view() }.feedback(sampled);
            let targets = SparseTargets { tgt: tgt.view() };
            model.loss_and_grad(&params, inputs, targets, grads)
        };
        let taken = most(|| {
            step(&model, &mut grads).unwrap();
        });
        check(&format!("sampling, {examples} examples"), taken, said.total);

        // The coins are within a limit too.
        let limit = said.total / 2;
        let limited = spec
            .compile(Options::default().threads(1).memory_limit(limit))
            .unwrap();
        let within = limited.bytes(Program::Gradient, &size).unwrap();
        assert!(
            within.total <= limit && within.coins == said.coins,
            "{within:?}"
        );
        let taken = most(|| {
            step(&limited, &mut grads).unwrap();
        });
        check(
            &format!("sampling in half, {examples} examples"),
            taken,
            within.total,
        );
    }
}

// One test: the counters are for the whole process.
#[test]
fn what_is_said_beforehand_is_what_is_taken() {
    training();
}
