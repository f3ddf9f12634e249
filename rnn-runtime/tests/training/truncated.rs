//! Truncated back-propagation: which steps are learnt from, and from which state.

use rnn_runtime::train::{Learnt, Settings};
use rnn_runtime::{Batch, Carry, Options};

use super::*;

/// The steps of the model's own calls: gradients of steps `learnt` from the state after `before`, for each chunk.
fn by_hand(tokens: &[u32], chunks: &[(std::ops::Range<usize>, usize)]) -> Vec<Vec<u32>> {
    let mut trainer = trainer_of(
        MODEL,
        OptimizerConfig::default(),
        Options::default(),
        Settings::default(),
    );
    let column = |rows: std::ops::Range<usize>| {
        ndarray::Array2::from_shape_fn((rows.len(), 1), |(t, _)| tokens[rows.start + t])
    };
    // The state at each step, from the parameters that there are when it is passed.
    let mut carry: Carry<CharLm> = Carry::new();
    let mut at = 0;
    let mut params = Vec::new();
    let pass =
        |carry: &mut Carry<CharLm>, trainer: &Trainer<CharLm>, rows: std::ops::Range<usize>| {
            let (now, next) = (column(rows.clone()), column(rows.start + 1..rows.end + 1));
            let inputs = CharLmInputs { now: now.view() };
            let targets = CharLmTargets { next: next.view() };
            carry
                .loss(trainer.model(), trainer.params(), inputs, targets)
                .expect("fits");
        };
    for (learnt, then) in chunks {
        if at < learnt.start {
            pass(&mut carry, &trainer, at..learnt.start);
            at = learnt.start;
        }
        let (now, next) = (
            column(learnt.clone()),
            column(learnt.start + 1..learnt.end + 1),
        );
        let inputs = CharLmInputs { now: now.view() };
        let targets = CharLmTargets { next: next.view() };
        let start = carry.clone();
        let batch = match start.state() {
            Some(state) => Batch::new(inputs).state(state),
            None => Batch::new(inputs),
        };
        // The state is carried with the parameters before the update.
        if at < *then {
            pass(&mut carry, &trainer, at..*then);
            at = *then;
        }
        assert!(matches!(trainer.step(batch, targets), Ok(Learnt::Updated)));
        params.push(bits(trainer.params()));
    }
    params
}

fn by_source(tokens: &[u32], steps: usize, reach: usize) -> Vec<Vec<u32>> {
    let text = ContinuousText::new(tokens.to_vec(), 1, steps)
        .and_then(|text| text.reaching(reach))
        .expect("long enough");
    let mut source = TextSource::new::<CharLm>(text, lay_out as LayOut);
    let mut trainer = trainer_of(
        MODEL,
        OptimizerConfig::default(),
        Options::default(),
        Settings::default(),
    );
    let mut params = Vec::new();
    while let Some(batch) = rnn_runtime::train::Source::<CharLm>::next(&mut source).expect("a text")
    {
        trainer.learn(batch).expect("fits");
        params.push(bits(trainer.params()));
    }
    params
}

#[test]
fn gradients_reach_back_as_far_as_they_are_asked_to() {
    // Ten transitions in chunks of four.
    let tokens = text(11, 1);
    assert_eq!(
        by_source(&tokens, 4, 4),
        by_hand(&tokens, &[(0..4, 4), (4..8, 8), (8..10, 10)])
    );
    assert_eq!(
        by_source(&tokens, 4, 3),
        by_hand(&tokens, &[(1..4, 4), (5..8, 8), (8..10, 10)])
    );
    assert_eq!(
        by_source(&tokens, 4, 6),
        by_hand(&tokens, &[(0..4, 2), (2..8, 6), (6..10, 10)])
    );
    assert_eq!(
        by_source(&tokens, 4, 9),
        by_hand(&tokens, &[(0..4, 0), (0..8, 3), (3..10, 10)])
    );
    assert_ne!(by_source(&tokens, 4, 3), by_source(&tokens, 4, 4));
}
