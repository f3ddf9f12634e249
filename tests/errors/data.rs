//! Data, texts and rewards that make no sense.

use std::fs;

use rnn::data::Scaler;
use rnn::error::{DataError, FileTextError, RewardError, TextError};
use rnn::metrics::Errors;
use rnn::reinforce::{MovingAverage, self_critical};
use rnn::text::{FileText, split_tail};
use rnn::{CharVocab, ContinuousText};

use crate::*;

#[test]
fn numbers_that_cannot_be_scaled_or_measured() {
    let mut series = Array2::<f32>::zeros((4, 2));
    series[[3, 1]] = f32::NAN;
    fails!(
        Scaler::standard(&[series.view()]),
        DataError::NotFinite { .. },
        "channel 1",
        "NaN at step 3 of series 0",
        "fill gaps or leave them out first"
    );
    let (two, three) = (Array2::<f32>::zeros((4, 2)), Array2::<f32>::zeros((4, 3)));
    fails!(
        Errors::default().add_array(two.view(), three.view()),
        DataError::Shapes { .. },
        "[4, 2]",
        "[4, 3]"
    );
}

#[test]
fn texts_that_cannot_be_cut_or_spelt() {
    fails!(
        CharVocab::from_text("ab").with_unknown('x'),
        TextError::UnknownNotInVocabulary { .. },
        "'x'",
        "one of its 2 characters"
    );
    for (batch, steps) in [(0, 4), (2, 0)] {
        fails!(
            ContinuousText::new(vec![0; 20], batch, steps),
            TextError::EmptyBatch { .. },
            "at least one stream and one step",
            &*format!("found {batch} streams of {steps} steps")
        );
    }
    fails!(
        split_tail(&[1, 2, 3], 1.5),
        TextError::Fraction { .. },
        "validation fraction in 0..1",
        "found 1.5"
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text");
    fs::write(&path, "abc").unwrap();
    fails!(
        FileText::bytes(&path, 4, 2),
        FileTextError::Text(TextError::TooShort { .. }),
        "3 tokens cannot fill 4 streams",
        "at least 5",
        "use fewer streams or more text"
    );
}

#[test]
fn rewards_of_other_examples() {
    fails!(
        self_critical(&[1.0, 2.0], &[1.0]),
        RewardError::Count { .. },
        "each of 2 examples, found 1"
    );
    fails!(
        MovingAverage::new(1.0),
        RewardError::Decay { .. },
        "decay in 0..1, found 1"
    );
}

#[cfg(not(feature = "png"))]
#[test]
fn a_png_without_its_painter() {
    // Another crate of the workspace may have brought the painter.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("curve.png");
    let panel = rnn::plot::Panel::new("loss", "step").curve("training", [1.0, 0.5]);
    match rnn::plot::curves(&path, &[panel]) {
        Ok(()) => assert!(fs::read(&path).unwrap().starts_with(b"\x89PNG")),
        error => fails!(error, PlotError::NoPng { .. }, "curve.png", "feature `png`"),
    }
}
