//! Chunks of streams: each transition once, in order, whatever the sizes.

use super::*;

/// First transition, transitions and advance of each chunk of a pass over one stream.
fn windows(tokens: u32, steps: usize, reach: usize) -> Vec<(u32, usize, usize, usize)> {
    let text = ContinuousText::new((0..tokens).collect(), 1, steps).unwrap();
    let mut text = text.reaching(reach).unwrap();
    let mut out = Vec::new();
    while let Some(chunk) = text.next_chunk() {
        let rows = chunk.inputs.nrows();
        assert_eq!(chunk.lengths, [rows]);
        out.push((chunk.inputs[[0, 0]], rows, chunk.lead_in, chunk.advance));
    }
    out
}

#[test]
fn a_longer_reach_overlaps_and_a_shorter_one_leads_in() {
    // Ten transitions in chunks of four: 0..4, 4..8, 8..10.
    assert_eq!(
        windows(11, 4, 4),
        [(0, 4, 0, 4), (4, 4, 0, 4), (8, 2, 0, 2)]
    );
    assert_eq!(
        windows(11, 4, 3),
        [(0, 4, 1, 4), (4, 4, 1, 4), (8, 2, 0, 2)]
    );
    assert_eq!(
        windows(11, 4, 6),
        [(0, 4, 0, 2), (2, 6, 0, 4), (6, 4, 0, 4)]
    );
    assert_eq!(
        windows(11, 4, 9),
        [(0, 4, 0, 0), (0, 8, 0, 3), (3, 7, 0, 4)]
    );
    let text = || ContinuousText::new((0..11).collect(), 1, 4).unwrap();
    assert!(text().reaching(0).is_err());
    assert!(text().reaching(usize::MAX).is_ok());
}

/// Transitions of one pass per stream, read back from the chunks.
fn streams(text: &mut ContinuousText) -> Vec<Vec<(u32, u32)>> {
    let mut streams = vec![Vec::new(); text.batch()];
    let mut chunks = 0;
    while let Some(chunk) = text.next_chunk() {
        assert_eq!(chunk.starts_pass, chunks == 0);
        assert_eq!(chunk.inputs.dim(), chunk.targets.dim());
        assert_eq!(
            chunk.inputs.nrows(),
            chunk.lengths.iter().copied().max().unwrap()
        );
        for (stream, transitions) in streams.iter_mut().enumerate() {
            for t in 0..chunk.inputs.nrows() {
                let pair = (chunk.inputs[[t, stream]], chunk.targets[[t, stream]]);
                if t < chunk.lengths[stream] {
                    transitions.push(pair);
                } else {
                    assert_eq!(pair, (0, 0));
                }
            }
        }
        chunks += 1;
    }
    assert_eq!(chunks, text.chunks());
    streams
}

#[test]
fn one_pass_has_every_transition_exactly_once_and_in_order() {
    for tokens in 2..40_u32 {
        for batch in 1..tokens.min(8) as usize {
            for steps in [1, 2, 3, 5, 7, 100, usize::MAX] {
                let numbered = (1..=tokens).collect();
                let mut text = ContinuousText::new(numbered, batch, steps).unwrap();
                for pass in 0..2 {
                    assert_eq!(text.passes(), pass);
                    let streams = streams(&mut text);
                    let expected: Vec<(u32, u32)> =
                        (1..tokens).map(|token| (token, token + 1)).collect();
                    assert_eq!(
                        streams.concat(),
                        expected,
                        "{tokens} tokens, {batch} streams, {steps} steps"
                    );
                    let lengths: Vec<usize> = streams.iter().map(Vec::len).collect();
                    assert!(lengths.iter().max().unwrap() - lengths.iter().min().unwrap() <= 1);
                }
            }
        }
    }
}

#[test]
fn a_chunk_is_time_major_and_shifted_by_one() {
    let mut text = ContinuousText::new((10..20).collect(), 2, 3).unwrap();
    let chunk = text.next_chunk().unwrap();
    assert_eq!(chunk.inputs, ndarray::arr2(&[[10, 15], [11, 16], [12, 17]]));
    assert_eq!(
        chunk.targets,
        ndarray::arr2(&[[11, 16], [12, 17], [13, 18]])
    );
    let chunk = text.next_chunk().unwrap();
    assert_eq!(chunk.inputs, ndarray::arr2(&[[13, 18], [14, 0]]));
    assert_eq!(chunk.targets, ndarray::arr2(&[[14, 19], [15, 0]]));
    assert_eq!(chunk.lengths, [2, 1]);
    assert!(!chunk.starts_pass);
    assert!(text.next_chunk().is_none());
    assert!(text.next_chunk().unwrap().starts_pass);
}

#[test]
fn a_cursor_resumes_at_every_place() {
    let tokens: Vec<u32> = (0..50).map(|k| k * k % 17).collect();
    let mut whole = ContinuousText::new(tokens.clone(), 3, 4).unwrap();
    for _ in 0..15 {
        let cursor: TextCursor = whole.cursor().to_string().parse().unwrap();
        let mut resumed = ContinuousText::new(tokens.clone(), 3, 4).unwrap();
        resumed.resume(&cursor).unwrap();
        assert_eq!(resumed.passes(), whole.passes());
        match (whole.next_chunk(), resumed.next_chunk()) {
            (Some(left), Some(right)) => {
                assert_eq!((left.inputs, left.targets), (right.inputs, right.targets));
                assert_eq!(
                    (left.lengths, left.starts_pass),
                    (right.lengths, right.starts_pass)
                );
            }
            (None, None) => {}
            (left, right) => panic!("{left:?} against {right:?}"),
        }
    }
}

#[test]
fn foreign_cursors_are_refused() {
    let mut text = ContinuousText::new((0..50).collect(), 3, 4).unwrap();
    let other = |tokens: u32, batch, steps| {
        ContinuousText::new((0..tokens).collect(), batch, steps).unwrap()
    };
    for (foreign, what) in [
        (other(49, 3, 4), "text"),
        (other(50, 2, 4), "number of streams"),
        (other(50, 3, 5), "number of steps"),
    ] {
        let error = text.resume(&foreign.cursor()).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with(&format!("the cursor belongs to another {what}")),
            "{error}"
        );
    }
    let beyond = TextCursor {
        chunk: 99,
        ..text.cursor()
    };
    assert!(text.resume(&beyond).is_err());
    for bad in ["", "0/0/0/0", "0/0/0/0/g", "0/0/0/0/0/0", "-1/0/0/0/0"] {
        assert!(bad.parse::<TextCursor>().is_err(), "{bad}");
    }
}

#[test]
fn sizes_that_cannot_work_are_refused() {
    assert_eq!(
        ContinuousText::new(vec![1, 2, 3], 3, 1)
            .unwrap_err()
            .to_string(),
        "3 tokens cannot fill 3 streams, expected at least 4 tokens; use fewer streams or more text"
    );
    assert!(ContinuousText::new(vec![], 1, 1).is_err());
    assert!(ContinuousText::new(vec![1, 2], 0, 1).is_err());
    assert!(ContinuousText::new(vec![1, 2], 1, 0).is_err());
    assert!(ContinuousText::new(vec![1, 2], usize::MAX, 1).is_err());
}

#[test]
fn validation_is_the_end_of_the_text() {
    let tokens: Vec<u32> = (0..10).collect();
    assert_eq!(split_tail(&tokens, 0.25), Ok((&tokens[..8], &tokens[8..])));
    assert_eq!(split_tail(&tokens, 0.0), Ok((&tokens[..], &tokens[10..])));
    assert!(split_tail(&tokens, 1.0).is_err());
    assert!(split_tail(&tokens, f64::NAN).is_err());
}
