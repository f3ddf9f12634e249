//! Which examples a curriculum gives, and how often.

use super::*;
use crate::curriculum::{All, ByDifficulty, ByLength, LengthLimit, Pace, SelfPaced, Threshold};

const LENGTHS: [usize; 9] = [5, 2, 9, 9, 1, 7, 3, 5, 2];

fn epoch<C: Curriculum>(sampler: &mut Sampler<C>) -> Vec<Vec<usize>> {
    let mut batches = Vec::new();
    while let Some(rows) = sampler.next_batch() {
        batches.push(rows.to_vec());
    }
    batches
}

#[test]
fn an_epoch_has_every_example_once_and_another_order_than_the_last() {
    let mut sampler = Sampler::new(All(9), 4, 1).unwrap();
    assert_eq!((sampler.batches(), sampler.examples()), (3, 9));
    let (first, second) = (epoch(&mut sampler), epoch(&mut sampler));
    for batches in [&first, &second] {
        let mut all = batches.concat();
        all.sort_unstable();
        assert_eq!(all, (0..9).collect::<Vec<_>>());
    }
    assert_ne!(first, second);
    assert_eq!(epoch(&mut Sampler::new(All(9), 4, 1).unwrap()), first);
    assert_ne!(epoch(&mut Sampler::new(All(9), 4, 2).unwrap()), first);
    assert!(Sampler::new(All(9), 0, 1).is_err());
}

#[test]
fn examples_come_in_the_order_of_their_difficulty_where_asked() {
    let scores = [3.0, 1.0, 2.0];
    let curriculum = ByDifficulty::new(&scores, Pace::linear(0.5, 1).unwrap()).unwrap();
    let mut sampler = Sampler::new(curriculum, 2, 1).unwrap().in_order();
    assert_eq!(epoch(&mut sampler), [[1, 2]]);
    assert_eq!(epoch(&mut sampler), [vec![1, 2], vec![0]]);
}

#[test]
fn like_lengths_come_together() {
    let curriculum = ByLength::new(&LENGTHS, LengthLimit::steps(5, 4, 9).unwrap()).unwrap();
    let mut sampler = Sampler::new(curriculum, 2, 3)
        .unwrap()
        .by_length(&LENGTHS)
        .unwrap();
    for expected in [6, 9] {
        assert_eq!(sampler.examples(), expected);
        let mut ranges: Vec<(usize, usize)> = (epoch(&mut sampler).iter())
            .map(|rows| rows.iter().map(|row| LENGTHS[*row]))
            .map(|own| (own.clone().min().unwrap(), own.max().unwrap()))
            .collect();
        ranges.sort_unstable();
        assert!(ranges.windows(2).all(|pair| pair[0].1 <= pair[1].0));
    }
    let short = Sampler::new(All(9), 2, 3).unwrap().by_length(&LENGTHS[..8]);
    let error = short.err().map(|error| error.to_string());
    assert_eq!(
        error.as_deref(),
        Some("expected a length for each of 9 examples, found 8")
    );
}

#[test]
fn a_sampler_resumes_at_every_batch() {
    let make = || {
        let threshold = Threshold::Share(Pace::linear(0.4, 4).unwrap());
        Sampler::new(SelfPaced::new(9, threshold).unwrap(), 2, 5).unwrap()
    };
    // Losses that differ with the example and fall with the step.
    let train = |sampler: &mut Sampler<SelfPaced>, step: usize| {
        let rows = sampler.next_batch().map(<[usize]>::to_vec);
        if let Some(rows) = &rows {
            let losses: Vec<f32> = rows
                .iter()
                .map(|row| (row * 7 % 5) as f32 + 9.0 / (step + 1) as f32)
                .collect();
            sampler.observe(rows, &losses);
        }
        rows
    };
    let mut whole = make();
    let (mut cursors, mut expected) = (Vec::new(), Vec::new());
    for step in 0..30 {
        cursors.push(whole.cursor().to_string());
        expected.push(train(&mut whole, step));
    }
    assert!(expected.iter().filter(|rows| rows.is_none()).count() > 4);
    for (start, cursor) in cursors.iter().enumerate() {
        let mut resumed = make();
        resumed.resume(&cursor.parse().unwrap()).unwrap();
        let found: Vec<_> = (start..30).map(|step| train(&mut resumed, step)).collect();
        assert_eq!(found, expected[start..], "from step {start}");
    }
}

#[test]
fn a_cursor_of_another_sampler_is_refused() {
    let mut sampler = Sampler::new(All(9), 4, 1).unwrap();
    sampler.next_batch();
    let good = sampler.cursor();
    assert_eq!(good.to_string(), "1/4/0/1//");
    for bad in [
        "2/4/0/1//",
        "1/3/0/1//",
        "1/4/0/4//",
        "1/4/0/1/00/",
        "1/4/0/1//00",
    ] {
        assert!(sampler.resume(&bad.parse().unwrap()).is_err(), "{bad}");
        assert_eq!(sampler.cursor(), good);
    }
    for bad in ["", "1/4/0/1/", "x/4/0/1//", "1/4/0/1///"] {
        assert!(bad.parse::<SamplerCursor>().is_err(), "{bad}");
    }
}
