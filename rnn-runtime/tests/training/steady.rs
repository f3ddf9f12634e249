//! What a step takes beside its gradient: nothing; and what many steps leave behind: nothing.

use allocation_counter::measure;
use rnn_runtime::Options;
use rnn_runtime::optim::OptimizerConfig;
use rnn_runtime::train::{Clip, Rate, Settings, Source};

use super::*;

const TINY: CharLm = CharLm { V: 11, E: 3, H: 4 };

/// Steps of the long test.
const MANY: u64 = 1_000_000;

/// Pages that the allocator may take and keep on the way, 1 MiB of them: a leak of 2 bytes a step is more.
const PAGES: usize = 256;

fn steady() -> (Trainer<CharLm>, TextSource<LayOut>) {
    let settings = Settings::default()
        .rate(Rate::constant(1e-3))
        .clip(Clip::Norm(1.0))
        .parameter_norms(true)
        .accumulate(2);
    let options = Options::default().threads(1);
    let trainer = trainer_of(TINY, OptimizerConfig::default(), options, settings);
    (trainer, source(text(201, 1), 4, 5))
}

fn steps(trainer: &mut Trainer<CharLm>, source: &mut TextSource<LayOut>, until: u64) {
    while trainer.steps() < until {
        if let Some(batch) = Source::<CharLm>::next(source).expect("a text") {
            trainer.learn(batch).expect("finite");
        }
    }
}

#[test]
fn a_trainer_allocates_nothing_beside_the_gradient_of_its_model() {
    let (mut trainer, mut source) = steady();
    steps(&mut trainer, &mut source, 20);
    let model = trainer.model().clone();
    let params = trainer.params().clone();
    let mut grads = params.zeros_like();
    let (now, next) = (tokens((5, 4), 11, 1), tokens((5, 4), 11, 2));
    let lengths = [5; 4];
    let inputs = || rnn_runtime::Batch::new(CharLmInputs { now: now.view() }).lengths(&lengths);
    let targets = || CharLmTargets { next: next.view() };
    let mut plain = || {
        let value = model.loss_and_grad(&params, inputs(), targets(), &mut grads);
        value.expect("fits");
    };
    plain();
    let plain = measure(plain);
    // Two batches make an update.
    let both = measure(|| {
        for _ in 0..2 {
            trainer.step(inputs(), targets()).expect("fits");
        }
    });
    assert_eq!(both.count_total, 2 * plain.count_total);
    assert_eq!(both.bytes_total, 2 * plain.bytes_total);
}

#[test]
fn many_steps_leave_nothing_behind() {
    let (mut trainer, mut source) = steady();
    steps(&mut trainer, &mut source, 20);
    let mut counts = Vec::new();
    for until in [1020, 2020] {
        let info = measure(|| steps(&mut trainer, &mut source, until));
        assert_eq!(info.bytes_current, 0, "{info:?}");
        counts.push((info.count_total, info.bytes_max));
    }
    assert_eq!(counts[0], counts[1]);
}

#[test]
#[cfg(target_os = "linux")]
#[ignore = "takes minutes: cargo test --release -p rnn-runtime --test training -- --ignored --nocapture a_million_steps"]
fn a_million_steps_take_no_more_memory_than_a_thousand() {
    let resident = || -> usize {
        let text = std::fs::read_to_string("/proc/self/statm").expect("is there");
        let pages = text.split(' ').nth(1).expect("the second number");
        pages.parse().expect("a number")
    };
    let (mut trainer, mut source) = steady();
    steps(&mut trainer, &mut source, 1000);
    let before = resident();
    steps(&mut trainer, &mut source, MANY);
    let after = resident();
    println!("{before} pages after 1000 steps, {after} after {MANY}");
    assert!(after <= before + PAGES, "{before} pages, then {after}");
}
