//! What a model trained by connectionist temporal classification says (Graves et al. 2006).
//!
//! At each step a label or a blank is said; a sequence of these means the labels that are left when repetitions are joined and
//! blanks are taken out.
//!
//! [`greedy`] takes the most likely of each step, which is the most likely alignment but not always the most likely sequence of
//! labels. [`beam`] adds up the alignments of each sequence, for those that a beam keeps.
//!
//! **Invariant:** ties go to the lower label, and to the sequence that comes first in the order of its labels.

use std::collections::BTreeMap;

use ndarray::ArrayView2;

use crate::error::CtcError;

/// A sequence of labels that a beam found.
#[derive(Clone, Debug, PartialEq)]
pub struct Labels {
    /// The labels, without blanks.
    pub labels: Vec<u32>,
    /// The logarithm of the probability of the alignments that were kept: that of the sequence if the beam is wide enough, else less.
    pub log_prob: f64,
}

/// The labels of the most likely alignment. `logits` are `[T, V]`, of one example's own steps.
///
/// # Errors
/// [`CtcError`] for a blank that is not in the vocabulary, and for logits that are NaN.
pub fn greedy(logits: ArrayView2<'_, f32>, blank: u32) -> Result<Vec<u32>, CtcError> {
    check(logits, blank)?;
    let mut labels = Vec::new();
    let mut before = blank;
    for logits in logits.outer_iter() {
        let mut best = (0, f32::NEG_INFINITY);
        for (token, logit) in (0..).zip(logits) {
            if *logit > best.1 {
                best = (token, *logit);
            }
        }
        if best.0 != before && best.0 != blank {
            labels.push(best.0);
        }
        before = best.0;
    }
    Ok(labels)
}

/// Steps that a sequence of labels needs: one each, and one for the blank between two that are equal.
pub fn steps_needed(labels: impl IntoIterator<Item = u32>) -> usize {
    let (mut needed, mut before) = (0, None);
    for label in labels {
        needed += 1 + usize::from(before == Some(label));
        before = Some(label);
    }
    needed
}

/// Checks a batch for `Ctc`, before a step: every example has the steps that its labels need, and no label is the blank. `labels` are
/// `[U, B]`, of which each example has as many as `counts` says; it has so many `steps`.
///
/// # Errors
/// [`CtcError::TooFewSteps`] for the first example whose labels no alignment means: its probability is 0, and its loss, infinite by
/// definition, about 1e30 in the equations. [`CtcError::BlankLabel`] for a blank among the labels, [`CtcError::Count`] for lengths that do not
/// fit.
pub fn check_labels(
    labels: ArrayView2<'_, u32>,
    counts: &[usize],
    steps: &[usize],
    blank: u32,
) -> Result<(), CtcError> {
    let (most, examples) = labels.dim();
    for (what, found) in [
        ("counts of labels", counts.len()),
        ("numbers of steps", steps.len()),
    ] {
        if found != examples {
            return Err(CtcError::Count {
                expected: format!("{what} for each of {examples} examples"),
                found,
            });
        }
    }
    for (example, (count, steps)) in counts.iter().zip(steps).enumerate() {
        if *count > most {
            return Err(CtcError::Count {
                expected: format!("at most {most} labels of example {example}"),
                found: *count,
            });
        }
        let own = || labels.column(example).into_iter().take(*count).copied();
        if let Some(at) = own().position(|label| label == blank) {
            return Err(CtcError::BlankLabel { example, at, blank });
        }
        let needed = steps_needed(own());
        if needed > *steps {
            return Err(CtcError::TooFewSteps {
                example,
                labels: *count,
                needed,
                steps: *steps,
            });
        }
    }
    Ok(())
}

/// How likely a sequence is, by whether its alignments end with a blank, as logarithms.
#[derive(Clone, Copy, Debug)]
struct Ends {
    blank: f64,
    label: f64,
}

impl Ends {
    const NONE: Self = Self {
        blank: f64::NEG_INFINITY,
        label: f64::NEG_INFINITY,
    };

    fn total(self) -> f64 {
        log_add(self.blank, self.label)
    }
}

/// The most likely sequences of labels, the best first, by prefix beam search (Graves 2012, sec. 7.5.3; Hannun et al. 2014): after
/// each step the `width` most likely beginnings are kept. `logits` are `[T, V]`, of one example's own steps.
///
/// # Errors
/// As [`greedy`], and for a beam of width 0.
pub fn beam(
    logits: ArrayView2<'_, f32>,
    blank: u32,
    width: usize,
) -> Result<Vec<Labels>, CtcError> {
    check(logits, blank)?;
    if width == 0 {
        return Err(CtcError::Width);
    }
    let start = Ends {
        blank: 0.0,
        ..Ends::NONE
    };
    let mut beam: Vec<(Vec<u32>, Ends)> = vec![(Vec::new(), start)];
    for logits in logits.outer_iter() {
        let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let scaled = |logit: &f32| (f64::from(*logit) - f64::from(most)).exp();
        let total = f64::from(most) + logits.iter().map(scaled).sum::<f64>().ln();
        let mut next: BTreeMap<Vec<u32>, Ends> = BTreeMap::new();
        for (prefix, ends) in &beam {
            for (token, logit) in (0..).zip(logits) {
                let log_prob = f64::from(*logit) - total;
                if token == blank {
                    let own = next.entry(prefix.clone()).or_insert(Ends::NONE);
                    own.blank = log_add(own.blank, ends.total() + log_prob);
                    continue;
                }
                let repeats = prefix.last() == Some(&token);
                if repeats {
                    let own = next.entry(prefix.clone()).or_insert(Ends::NONE);
                    own.label = log_add(own.label, ends.label + log_prob);
                }
                // The same label again is another one only after a blank.
                let before = if repeats { ends.blank } else { ends.total() };
                if before > f64::NEG_INFINITY {
                    let mut longer = prefix.clone();
                    longer.push(token);
                    let own = next.entry(longer).or_insert(Ends::NONE);
                    own.label = log_add(own.label, before + log_prob);
                }
            }
        }
        beam = next.into_iter().collect();
        // A stable sort keeps the order of labels among equals.
        beam.sort_by(|a, b| b.1.total().total_cmp(&a.1.total()));
        beam.truncate(width);
    }
    let labels = |(labels, ends): (Vec<u32>, Ends)| Labels {
        labels,
        log_prob: ends.total(),
    };
    Ok(beam.into_iter().map(labels).collect())
}

fn log_add(a: f64, b: f64) -> f64 {
    let most = a.max(b);
    if most == f64::NEG_INFINITY {
        return most;
    }
    most + ((a - most).exp() + (b - most).exp()).ln()
}

fn check(logits: ArrayView2<'_, f32>, blank: u32) -> Result<(), CtcError> {
    let size = logits.ncols();
    if blank as usize >= size {
        return Err(CtcError::Blank { blank, size });
    }
    for (step, logits) in logits.outer_iter().enumerate() {
        // The largest decides what the others are compared with.
        let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        if logits.iter().any(|logit| logit.is_nan()) || !most.is_finite() {
            return Err(CtcError::NotFinite { step });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn labels_need_a_step_each_and_one_between_equals() {
        assert_eq!(steps_needed([]), 0);
        assert_eq!(steps_needed([1, 2, 2, 2, 1]), 7);
        let labels = array![[1, 2], [1, 3], [9, 2]];
        let check = |counts: &[usize], steps: &[usize]| {
            let checked = check_labels(labels.view(), counts, steps, 0);
            checked.map_err(|error| error.to_string())
        };
        assert_eq!(check(&[2, 3], &[3, 3]), Ok(()));
        let error = check(&[2, 3], &[2, 3]).unwrap_err();
        assert!(
            error.starts_with("the 2 labels of example 0 need 3 steps")
                && error.contains("found 2"),
            "{error}"
        );
        assert!(
            check(&[2, 4], &[9, 9])
                .unwrap_err()
                .contains("at most 3 labels of example 1")
        );
        assert!(check(&[2], &[9, 9]).unwrap_err().contains("2 examples"));
        let error = check_labels(labels.view(), &[2, 2], &[9, 9], 3).unwrap_err();
        assert_eq!(
            error,
            CtcError::BlankLabel {
                example: 1,
                at: 1,
                blank: 3
            }
        );
    }

    /// Sums of a few hundred probabilities in double precision.
    const TOLERANCE: f64 = 1e-10;

    // What an alignment means.
    fn meaning(alignment: &[u32], blank: u32) -> Vec<u32> {
        let mut joined = alignment.to_vec();
        joined.dedup();
        joined.retain(|token| *token != blank);
        joined
    }

    fn all(logits: &Array2<f32>, blank: u32) -> BTreeMap<Vec<u32>, f64> {
        let (steps, size) = logits.dim();
        let mut found = BTreeMap::new();
        for code in 0..size.pow(steps as u32) {
            let alignment: Vec<u32> = (0..steps)
                .map(|t| (code / size.pow(t as u32) % size) as u32)
                .collect();
            let log_prob: f64 = (alignment.iter().enumerate())
                .map(|(t, token)| {
                    let total: f64 = logits.row(t).iter().map(|own| f64::from(*own).exp()).sum();
                    f64::from(logits[[t, *token as usize]]) - total.ln()
                })
                .sum();
            *found.entry(meaning(&alignment, blank)).or_insert(0.0) += log_prob.exp();
        }
        found
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_wide_beam_adds_up_all_alignments(values in prop::collection::vec(-3.0_f32..3.0, 15), steps in 0..6_usize, blank in 0..3_u32) {
            let logits = Array2::from_shape_fn((steps, 3), |(t, v)| values[3 * t + v]);
            let expected = all(&logits, blank);
            let found = beam(logits.view(), blank, 1000).unwrap();
            prop_assert_eq!(found.len(), expected.len());
            prop_assert!(found.windows(2).all(|pair| pair[0].log_prob >= pair[1].log_prob));
            for Labels { labels, log_prob } in &found {
                prop_assert!((log_prob.exp() - expected[labels]).abs() < TOLERANCE, "{:?}", labels);
            }
            // A narrow one finds no more than there is.
            for Labels { labels, log_prob } in beam(logits.view(), blank, 2).unwrap() {
                prop_assert!(log_prob.exp() <= expected[&labels] + TOLERANCE);
            }
        }
    }

    #[test]
    fn greedy_joins_repetitions_and_takes_out_blanks() {
        let say = |tokens: &[usize]| {
            let logits = Array2::from_shape_fn((tokens.len(), 3), |(t, v)| {
                f32::from(u8::from(tokens[t] == v))
            });
            greedy(logits.view(), 0).unwrap()
        };
        assert_eq!(say(&[1, 1, 0, 1, 2, 2, 0]), [1, 1, 2]);
        assert!(say(&[0, 0]).is_empty());
        assert!(say(&[]).is_empty());
        // Equal logits: the lower token, here the blank.
        assert!(greedy(array![[1.0, 1.0]].view(), 0).unwrap().is_empty());
    }

    /// Graves 2012, fig. 7.1: the best alignment is blanks alone (0.6 * 0.6 = 0.36), and the best labelling is `a`
    /// (0.24 + 0.24 + 0.16 = 0.64).
    #[test]
    fn a_beam_finds_what_the_best_alignment_misses() {
        let logits = array![[0.6_f32.ln(), 0.4_f32.ln()], [0.6_f32.ln(), 0.4_f32.ln()]];
        assert!(greedy(logits.view(), 0).unwrap().is_empty());
        let found = beam(logits.view(), 0, 2).unwrap();
        assert_eq!(found[0].labels, [1]);
        assert!((found[0].log_prob.exp() - 0.64).abs() < 1e-6);
    }

    #[test]
    fn what_is_no_distribution_is_refused() {
        let logits = array![[0.0, 1.0], [f32::NAN, 1.0]];
        assert_eq!(
            greedy(logits.view(), 0),
            Err(CtcError::NotFinite { step: 1 })
        );
        let none = array![[f32::NEG_INFINITY; 2]];
        assert_eq!(
            beam(none.view(), 0, 1),
            Err(CtcError::NotFinite { step: 0 })
        );
        assert_eq!(
            greedy(logits.view(), 2),
            Err(CtcError::Blank { blank: 2, size: 2 })
        );
        let fine = array![[0.0, f32::NEG_INFINITY]];
        assert_eq!(beam(fine.view(), 0, 1).unwrap()[0].log_prob, 0.0);
        assert_eq!(beam(fine.view(), 0, 0), Err(CtcError::Width));
    }
}
