//! What a step takes: nothing.

use allocation_counter::measure;
use rnn_runtime::optim::{OptimizerConfig, RmsPropConfig, SgdConfig};
use rnn_runtime::train::{Clip, Rate, Run, Settings, Source};
use rnn_runtime::{AdaptiveClip, Options};

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
fn a_step_allocates_nothing() {
    let every = [
        Clip::None,
        Clip::Norm(1.0),
        Clip::Value(0.1),
        Clip::Adaptive(AdaptiveClip::new(1.0, 0.9).expect("valid settings")),
    ];
    let optimizers = [
        OptimizerConfig::default(),
        OptimizerConfig::Sgd(SgdConfig::default()),
        OptimizerConfig::RmsProp(RmsPropConfig::default()),
    ];
    let (now, next) = (tokens((5, 40), 11, 1), tokens((5, 40), 11, 2));
    let lengths: Vec<usize> = (0..40).map(|example| 5 - example % 3).collect();
    for (clip, optimizer) in every
        .into_iter()
        .flat_map(|clip| optimizers.map(|optimizer| (clip, optimizer)))
    {
        let settings = Settings::default()
            .clip(clip)
            .parameter_norms(true)
            .accumulate(2);
        let options = Options::default().threads(1);
        let mut trainer = trainer_of(TINY, optimizer, options, settings);
        let mut step = || {
            let inputs = rnn_runtime::Batch::new(CharLmInputs { now: now.view() });
            let targets = CharLmTargets { next: next.view() };
            trainer
                .step(inputs.lengths(&lengths), targets)
                .expect("fits");
        };
        (0..4).for_each(|_| step());
        let info = measure(|| (0..10).for_each(|_| step()));
        assert_eq!(info.count_total, 0, "{clip:?}: {info:?}");
    }
}

#[test]
fn many_steps_of_a_text_allocate_nothing() {
    let (mut trainer, mut source) = steady();
    // Two passes, so that the chunks at the end have been there.
    let pass = Source::<CharLm>::batches(&source).expect("known");
    steps(&mut trainer, &mut source, pass);
    let info = measure(|| steps(&mut trainer, &mut source, 2000));
    assert_eq!(info.count_total, 0, "{info:?}");
}

/// Steps that reach back further than the next chunk continues: they run through others first.
#[test]
fn steps_that_reach_back_allocate_nothing() {
    let (mut trainer, _) = steady();
    let reaching = ContinuousText::new(text(401, 1), 4, 5)
        .and_then(|text| text.reaching(10))
        .expect("long enough");
    let mut source = TextSource::new::<CharLm>(reaching, lay_out as LayOut);
    let pass = Source::<CharLm>::batches(&source).expect("known");
    steps(&mut trainer, &mut source, pass);
    let info = measure(|| steps(&mut trainer, &mut source, 3 * pass));
    assert_eq!(info.count_total, 0, "{info:?}");
}

/// What a run takes does not depend on how many steps its epochs have.
#[test]
fn a_run_allocates_by_epoch_and_not_by_step() {
    let taken = |tokens: usize| {
        let (mut trainer, _) = steady();
        let mut source = source(text(tokens, 1), 4, 5);
        let mut held_back = source.clone();
        let mut fit = |epochs: u64| {
            let outcome = trainer.fit(&mut source, Some(&mut held_back), Run::epochs(epochs));
            outcome.expect("finite");
        };
        fit(2);
        measure(|| fit(4)).count_total
    };
    assert_eq!(taken(201), taken(2001));
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
