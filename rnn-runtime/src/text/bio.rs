//! Labelled spans as tags: the BIO scheme.
//!
//! `B-person` begins a span, `I-person` is inside one, `O` is outside of all (Ramshaw & Marcus 1995; in the form in which every
//! span has a `B`, IOB2).
//!
//! | | |
//! |---|---|
//! | `O` | token 0 |
//! | `B` of label `l` | token `1 + 2 l` |
//! | `I` of label `l` | token `2 + 2 l` |
//!
//! **Invariant:** decoding encoded spans gives the spans back. Tags that no spans encode to, such as an `I` after an `O`, decode as
//! `conlleval` reads them: an `I` that does not continue a span of its label begins one.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::BioError;

/// A labelled run of steps, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// Its first step.
    pub start: usize,
    /// The step after its last.
    pub end: usize,
    /// Its label, by position in [`BioTags::labels`].
    pub label: usize,
}

/// The tags of a set of labels.
///
/// ```
/// use rnn_runtime::text::{BioTags, Span};
///
/// let tags = BioTags::new(["person", "place"]);
/// let spans = [Span { start: 1, end: 3, label: 0 }, Span { start: 3, end: 4, label: 1 }];
/// let encoded = tags.encode(&spans, 5)?;
/// let names: Vec<String> = encoded.iter().filter_map(|tag| tags.name(*tag)).collect();
/// assert_eq!(names, ["O", "B-person", "I-person", "B-place", "O"]);
/// assert_eq!(tags.decode(&encoded)?, spans);
/// # Ok::<(), rnn_runtime::error::BioError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BioTags {
    labels: Vec<String>,
    positions: BTreeMap<String, usize>,
}

impl BioTags {
    /// Tags of these labels, which are sorted; one given twice counts once.
    pub fn new<L: Into<String>>(labels: impl IntoIterator<Item = L>) -> Self {
        let labels: BTreeSet<String> = labels.into_iter().map(Into::into).collect();
        let labels: Vec<String> = labels.into_iter().collect();
        let positions = labels.iter().cloned().zip(0..).collect();
        Self { labels, positions }
    }

    /// Tags of the labels that the names of tags, such as `B-person`, speak of.
    ///
    /// # Errors
    /// [`BioError::Name`] for a name that is no tag.
    pub fn from_names<'n>(names: impl IntoIterator<Item = &'n str>) -> Result<Self, BioError> {
        let mut labels = BTreeSet::new();
        for name in names {
            if let Some((_, label)) = parts(name)? {
                labels.insert(label);
            }
        }
        Ok(Self::new(labels))
    }

    /// The labels, sorted.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// Number of tags: two a label, and `O`.
    pub fn len(&self) -> usize {
        1 + 2 * self.labels.len()
    }

    /// Whether there is no label; there still is `O`.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The tag of a name such as `B-person`.
    ///
    /// # Errors
    /// [`BioError::Name`] for a name that is no tag, [`BioError::Label`] for one of a label that is not known.
    pub fn tag(&self, name: &str) -> Result<u32, BioError> {
        let Some((inside, label)) = parts(name)? else {
            return Ok(0);
        };
        let Some(position) = self.positions.get(label) else {
            return Err(BioError::Label {
                label: label.to_owned(),
                labels: self.labels.clone(),
            });
        };
        Ok(tag_of(*position, inside))
    }

    /// The name of a tag, if there is such a tag.
    pub fn name(&self, tag: u32) -> Option<String> {
        let Some(index) = (tag as usize).checked_sub(1) else {
            return Some("O".to_owned());
        };
        let label = self.labels.get(index / 2)?;
        Some(format!(
            "{}-{label}",
            if index % 2 == 0 { 'B' } else { 'I' }
        ))
    }

    /// The tags of a sequence of `steps` steps with these spans, in any order.
    ///
    /// # Errors
    /// [`BioError::Span`] for a span that is empty, ends past the sequence, has no such label or meets another one.
    pub fn encode(&self, spans: &[Span], steps: usize) -> Result<Vec<u32>, BioError> {
        let mut tags = vec![0; steps];
        for span in spans {
            let bad = |problem| BioError::Span {
                span: *span,
                problem,
                steps,
                labels: self.labels.len(),
            };
            if span.start >= span.end {
                return Err(bad("is empty"));
            }
            if span.label >= self.labels.len() {
                return Err(bad("has a label that is not known"));
            }
            let own = tags.get_mut(span.start..span.end);
            let own = own.ok_or(bad("ends past the sequence"))?;
            if own.iter().any(|tag| *tag != 0) {
                return Err(bad("meets another span"));
            }
            own.fill(tag_of(span.label, true));
            own[0] = tag_of(span.label, false);
        }
        Ok(tags)
    }

    /// The spans of a sequence of tags, in their order.
    ///
    /// # Errors
    /// [`BioError::Tag`] names the first tag that there is not.
    pub fn decode(&self, tags: &[u32]) -> Result<Vec<Span>, BioError> {
        let mut spans: Vec<Span> = Vec::new();
        for (step, tag) in tags.iter().enumerate() {
            if *tag as usize >= self.len() {
                return Err(BioError::Tag {
                    tag: *tag,
                    step,
                    size: self.len(),
                });
            }
            let Some(index) = (*tag as usize).checked_sub(1) else {
                continue;
            };
            let (label, inside) = (index / 2, index % 2 == 1);
            match spans.last_mut() {
                Some(last) if inside && last.end == step && last.label == label => last.end += 1,
                _ => spans.push(Span {
                    start: step,
                    end: step + 1,
                    label,
                }),
            }
        }
        Ok(spans)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "labels are fewer than u32 values"
)]
fn tag_of(label: usize, inside: bool) -> u32 {
    (1 + 2 * label + usize::from(inside)) as u32
}

// Whether a name is of an `I`, and its label; `None` for `O`.
fn parts(name: &str) -> Result<Option<(bool, &str)>, BioError> {
    match name.split_once('-') {
        None if name == "O" => Ok(None),
        Some(("B", label)) if !label.is_empty() => Ok(Some((false, label))),
        Some(("I", label)) if !label.is_empty() => Ok(Some((true, label))),
        _ => Err(BioError::Name {
            found: name.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn span(start: usize, end: usize, label: usize) -> Span {
        Span { start, end, label }
    }

    proptest! {
        #[test]
        fn spans_come_back_from_their_tags(lengths in prop::collection::vec((0..3_usize, 1..4_usize, 0..3_usize), 0..12)) {
            let tags = BioTags::new(["a", "b", "c"]);
            let (mut spans, mut at) = (Vec::new(), 0);
            for (gap, length, label) in lengths {
                spans.push(span(at + gap, at + gap + length, label));
                at += gap + length;
            }
            let encoded = tags.encode(&spans, at + 1).unwrap();
            prop_assert_eq!(tags.decode(&encoded).unwrap(), spans);
        }

        #[test]
        fn any_tags_decode_and_encoding_what_they_say_keeps_it(found in prop::collection::vec(0..7_u32, 0..20)) {
            let tags = BioTags::new(["a", "b", "c"]);
            let spans = tags.decode(&found).unwrap();
            let again = tags.encode(&spans, found.len()).unwrap();
            prop_assert_eq!(tags.decode(&again).unwrap(), spans);
            let outside = |own: &[u32]| own.iter().map(|tag| *tag == 0).collect::<Vec<_>>();
            prop_assert_eq!(outside(&again), outside(&found));
        }
    }

    #[test]
    fn an_inside_without_a_beginning_begins_a_span() {
        let tags = BioTags::new(["a", "b"]);
        let of = |names: &[&str]| {
            let own: Vec<u32> = names.iter().map(|name| tags.tag(name).unwrap()).collect();
            tags.decode(&own).unwrap()
        };
        assert_eq!(of(&["O", "I-a", "I-a"]), [span(1, 3, 0)]);
        assert_eq!(
            of(&["B-a", "I-b", "I-a"]),
            [span(0, 1, 0), span(1, 2, 1), span(2, 3, 0)]
        );
        assert_eq!(
            of(&["B-a", "B-a", "I-a", "O", "I-a"]),
            [span(0, 1, 0), span(1, 3, 0), span(4, 5, 0)]
        );
    }

    #[test]
    fn names_and_tags_are_one_to_one() {
        let tags = BioTags::from_names(["I-place", "O", "B-creative-work", "B-place"]).unwrap();
        assert_eq!(tags.labels(), ["creative-work", "place"]);
        for tag in 0..5 {
            assert_eq!(tags.tag(&tags.name(tag).unwrap()), Ok(tag));
        }
        assert_eq!((tags.len(), tags.name(5)), (5, None));
        assert_eq!(
            tags.tag("B-person").unwrap_err().to_string(),
            "label `person` is not known, expected one of `creative-work`, `place`"
        );
        for bad in ["", "B", "B-", "X-place", "o"] {
            assert!(matches!(tags.tag(bad), Err(BioError::Name { .. })), "{bad}");
        }
    }

    #[test]
    fn spans_that_do_not_fit_are_refused() {
        let tags = BioTags::new(["a"]);
        let refused = |spans: &[Span]| tags.encode(spans, 4).unwrap_err().to_string();
        assert!(refused(&[span(2, 2, 0)]).contains("is empty"));
        assert!(refused(&[span(2, 5, 0)]).contains("ends past the sequence"));
        assert!(refused(&[span(0, 1, 1)]).contains("has a label that is not known"));
        assert_eq!(
            refused(&[span(1, 3, 0), span(2, 4, 0)]),
            "the span 2..4 of label 0 meets another span; expected spans apart, within 4 steps and with labels below 1"
        );
        assert_eq!(
            tags.decode(&[0, 3]),
            Err(BioError::Tag {
                tag: 3,
                step: 1,
                size: 3
            })
        );
    }
}
