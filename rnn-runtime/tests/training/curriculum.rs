//! Runs along a curriculum, taken up in the middle of an epoch.

use ndarray::Array2;
use rnn_runtime::curriculum::{
    ByDifficulty, ByLength, Curriculum, LengthLimit, Pace, Sampler, SelfPaced, Threshold,
};
use rnn_runtime::train::{Checkpoints, End, Examples, Ordered, Run, SourceError, TrainingBatch};
use rnn_runtime::{Batch, Options};

use super::*;

const LENGTHS: [usize; 14] = [4, 9, 6, 12, 3, 8, 5, 11, 7, 10, 3, 12, 6, 4];

/// Sentences of several lengths, and the batch that they are laid out in.
#[derive(Clone, Debug)]
struct Sentences {
    now: Vec<Vec<u32>>,
    next: Vec<Vec<u32>>,
    batch: (Array2<u32>, Array2<u32>, Vec<usize>),
}

impl Sentences {
    fn new() -> Self {
        let of = |seed: u32| -> Vec<Vec<u32>> {
            let all = LENGTHS.iter().zip(1_u32..);
            all.map(|(steps, row)| {
                tokens((*steps, 1), 11, seed * row)
                    .into_raw_vec_and_offset()
                    .0
            })
            .collect()
        };
        Self {
            now: of(3),
            next: of(5),
            batch: Default::default(),
        }
    }
}

impl Examples<CharLm> for Sentences {
    fn len(&self) -> usize {
        LENGTHS.len()
    }

    fn batch(&mut self, rows: &[usize]) -> Result<TrainingBatch<'_, CharLm>, SourceError> {
        let lengths: Vec<usize> = rows.iter().map(|row| LENGTHS[*row]).collect();
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let laid_out = |all: &[Vec<u32>]| {
            Array2::from_shape_fn((longest, rows.len()), |(t, b)| {
                all[rows[b]].get(t).copied().unwrap_or(0)
            })
        };
        self.batch = (laid_out(&self.now), laid_out(&self.next), lengths);
        let (now, next, lengths) = &self.batch;
        let inputs = Batch::new(CharLmInputs { now: now.view() }).lengths(lengths);
        let targets = CharLmTargets { next: next.view() };
        Ok(TrainingBatch::new(inputs, targets, rows.len() as u64))
    }
}

fn self_paced() -> Sampler<SelfPaced> {
    let threshold = Threshold::Share(Pace::linear(0.4, 4).expect("valid"));
    let paced = SelfPaced::new(LENGTHS.len(), threshold).expect("valid");
    Sampler::new(paced, 3, 5).expect("valid")
}

fn growing() -> Sampler<ByLength> {
    let limit = LengthLimit::linear(4, 12, 3).expect("valid");
    let by_length = ByLength::new(&LENGTHS, limit).expect("valid");
    (Sampler::new(by_length, 3, 5).and_then(|sampler| sampler.by_length(&LENGTHS))).expect("valid")
}

fn easy_first() -> Sampler<ByDifficulty> {
    let scores = LENGTHS.map(|length| length as f64);
    let pace = Pace::linear(0.3, 3).expect("valid");
    let by_difficulty = ByDifficulty::new(&scores, pace).expect("valid");
    Sampler::new(by_difficulty, 3, 5).expect("valid").in_order()
}

fn ordered<C: Curriculum>(sampler: Sampler<C>) -> Ordered<Sentences, Sampler<C>> {
    Ordered::new::<CharLm>(Sentences::new(), sampler).expect("as many")
}

fn new() -> Trainer<CharLm> {
    let model = CharLm { V: 11, E: 3, H: 4 };
    let options = Options::default().threads(1);
    let settings = Settings::default().rate(rnn_runtime::train::Rate::constant(0.05));
    trainer_of(model, OptimizerConfig::default(), options, settings)
}

// Examples of each epoch that a run has seen.
fn seen(records: &Records) -> Vec<u64> {
    let epochs = records.steps.last().map_or(0, |step| step.epoch);
    let of = |epoch| records.steps.iter().filter(move |step| step.epoch == epoch);
    (1..=epochs)
        .map(|epoch| of(epoch).map(|step| step.seen).sum())
        .collect()
}

// A run that is interrupted after any of its steps is the run that was not; answers the examples of each epoch.
fn check<C: Curriculum>(make: impl Fn() -> Sampler<C>) -> Vec<u64> {
    const EPOCHS: u64 = 5;
    let directory = tempfile::tempdir().expect("a directory for the test");
    let whole_saves = Checkpoints::file(directory.path().join("whole"));
    let mut whole = new();
    let mut records = Records::default();
    let run = Run::epochs(EPOCHS)
        .observer(&mut records)
        .checkpoints(whole_saves.clone());
    whole.fit(&mut ordered(make()), None, run).expect("runs");
    let expected = std::fs::read(whole_saves.last()).expect("saved");
    for stop in 1..whole.steps() {
        let saves = Checkpoints::file(directory.path().join("parts"));
        let mut first = Records::stopping_after(stop);
        let interrupt = first.interrupt.clone();
        let run = Run::epochs(EPOCHS)
            .observer(&mut first)
            .checkpoints(saves.clone())
            .interrupt(interrupt);
        let outcome = new().fit(&mut ordered(make()), None, run).expect("runs");
        assert!(matches!(outcome.end, End::Interrupted), "{outcome:?}");

        let (mut resumed, mut source) = (new(), ordered(make()));
        resumed
            .resume(saves.last(), &mut source)
            .expect("saved by such a run");
        let mut rest = Records::default();
        let run = Run::epochs(EPOCHS)
            .observer(&mut rest)
            .checkpoints(saves.clone());
        resumed.fit(&mut source, None, run).expect("runs");
        let what = format!("stopped after {stop}");
        assert_eq!([first.steps, rest.steps].concat(), records.steps, "{what}");
        assert_eq!(bits(resumed.params()), bits(whole.params()), "{what}");
        let found = std::fs::read(saves.last()).expect("saved");
        assert!(found == expected, "{what}: the last checkpoints differ");
    }
    seen(&records)
}

#[test]
fn growing_lengths_resume_at_every_step() {
    // Of at most 4, 6, 9, and 12 steps.
    assert_eq!(check(growing), [4, 7, 10, 14, 14]);
}

#[test]
fn easy_examples_first_resume_at_every_step() {
    let seen = check(easy_first);
    assert_eq!(seen[0], 5);
    assert_eq!(seen[3..], [14, 14]);
    assert!(seen.is_sorted(), "{seen:?}");
}

#[test]
fn a_self_paced_run_resumes_at_every_step_with_the_losses_that_it_was_told() {
    let seen = check(self_paced);
    // All are tried once; then those of the least losses, ever more of them.
    assert_eq!((seen[0], seen[4]), (14, 14));
    assert!(seen[1] < 14 && seen[1..].is_sorted(), "{seen:?}");
}

#[test]
fn a_self_paced_curriculum_is_told_the_losses_before_the_update() {
    let mut source = ordered(self_paced());
    let mut trainer = new();
    let first = trainer.params().clone();
    let mut records = Records::stopping_after(1);
    let interrupt = records.interrupt.clone();
    let run = Run::epochs(1).observer(&mut records).interrupt(interrupt);
    trainer.fit(&mut source, None, run).expect("runs");
    let rows = self_paced().batches_of(0)[0].clone();
    let mut sentences = Sentences::new();
    let batch = sentences.batch(&rows).expect("there");
    let losses = trainer.model().losses(&first, batch.batch, batch.targets);
    let mut expected = self_paced();
    expected.observe(&rows, &losses.expect("fits"));
    // As text, in which losses that are not known yet are equal, too.
    let state = |sampler: &Sampler<SelfPaced>| sampler.curriculum().state();
    assert_eq!(state(source.order()), state(&expected));
}

#[test]
fn a_cursor_of_another_sampler_is_refused() {
    use rnn_runtime::train::Source;
    let mut source = ordered(self_paced());
    let cursor = Source::<CharLm>::cursor(&source);
    let refused = |source: &mut dyn Source<CharLm>, cursor: &str| {
        let before = source.cursor();
        let error = source.resume(cursor).expect_err("another");
        assert_eq!(source.cursor(), before);
        error.to_string()
    };
    let mut other = ordered(growing());
    assert!(refused(&mut other, &cursor).contains("without a state"));
    let three = cursor.replacen("5/3/", "6/3/", 1);
    assert!(refused(&mut source, &three).contains("expected 5 as seed of the sampler, found 6"));
    let four = cursor.replacen("5/3/", "5/4/", 1);
    assert!(refused(&mut source, &four).contains("number of examples of a batch"));
    let halves = &cursor[..cursor.len() - 1];
    assert!(refused(&mut source, halves).contains("hexadecimal digits"));
}
