//! What data are, in 64 bits: so that a run is not taken up with others.
//!
//! ```text
//! f <- (rotate(f, 5) ^ word) K
//! ```
//!
//! over the words of 32 bits, as rustc's `FxHash`. It finds data that were changed by mistake, not such as were made to look alike.

use ndarray::ArrayViewD;

use super::source::SourceError;
use crate::error::StateTextError;
use crate::model::InputView;

/// The odd number nearest to `2^64` divided by the golden ratio.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// What data are, in 64 bits; equal for equal data.
///
/// ```
/// use rnn_runtime::train::Fingerprint;
/// let of = |texts: &[Vec<u32>]| texts.iter().fold(Fingerprint::default(), |all, text| all.tokens(text));
/// assert_eq!(of(&[vec![1, 2], vec![3]]), of(&[vec![1, 2], vec![3]]));
/// assert_ne!(of(&[vec![1, 2], vec![3]]), of(&[vec![1], vec![2, 3]]));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint(u64);

/// Of no data.
impl Default for Fingerprint {
    fn default() -> Self {
        Self(FACTOR)
    }
}

impl Fingerprint {
    /// And of these tokens, and how many they are.
    #[must_use]
    pub fn tokens(self, tokens: &[u32]) -> Self {
        tokens
            .iter()
            .fold(self.count(tokens.len()), |all, own| all.word(*own))
    }

    /// And of the bits of these numbers, and how many they are.
    #[must_use]
    pub fn reals(self, reals: &[f32]) -> Self {
        let words = reals.iter().map(|own| own.to_bits());
        words.fold(self.count(reals.len()), Self::word)
    }

    /// And of these bytes, and how many they are.
    #[must_use]
    pub fn bytes(self, bytes: &[u8]) -> Self {
        let (words, rest) = bytes.as_chunks::<4>();
        let all = self.count(bytes.len());
        let all = (words.iter()).fold(all, |all, own| all.word(u32::from_le_bytes(*own)));
        rest.iter().fold(all, |all, own| all.word(u32::from(*own)))
    }

    // And of these numbers, which may be sizes.
    pub(super) fn sizes(self, sizes: &[usize]) -> Self {
        sizes
            .iter()
            .fold(self.count(sizes.len()), |all, own| all.count(*own))
    }

    pub(super) fn view(self, view: &InputView<'_>) -> Self {
        match view {
            InputView::Real(view) => self.array(view, |own| own.to_bits()),
            InputView::Index(view) => self.array(view, |own| *own),
        }
    }

    // In the order of the indices, whatever that in memory is.
    fn array<A>(self, view: &ArrayViewD<'_, A>, word: impl Fn(&A) -> u32) -> Self {
        let all = self.sizes(view.shape());
        match view.as_slice() {
            Some(own) => own.iter().fold(all, |all, own| all.word(word(own))),
            None => view.iter().fold(all, |all, own| all.word(word(own))),
        }
    }

    fn count(self, count: usize) -> Self {
        let count = count as u64;
        self.word(count as u32).word((count >> 32) as u32)
    }

    fn word(self, word: u32) -> Self {
        Self((self.0.rotate_left(5) ^ u64::from(word)).wrapping_mul(FACTOR))
    }
}

/// Parts of data by their names: `x=1f,class=2a`, in hexadecimal digits.
pub(super) fn text(parts: &[(String, Fingerprint)]) -> String {
    let one = |(name, own): (String, u64)| format!("{name}={own:x}");
    named(parts)
        .into_iter()
        .map(one)
        .collect::<Vec<_>>()
        .join(",")
}

// Names without what keeps them apart in a checkpoint, each once: parts of one name are numbered.
fn named(parts: &[(String, Fingerprint)]) -> Vec<(String, u64)> {
    let mut out: Vec<(String, u64)> = Vec::new();
    for (name, Fingerprint(own)) in parts {
        let clean = name.replace(['/', ',', '=', '\n'], "_");
        let mut name = clean.clone();
        let mut number = 2;
        while out.iter().any(|(known, _)| *known == name) {
            name = format!("{clean}#{number}");
            number += 1;
        }
        out.push((name, *own));
    }
    out
}

/// That data are those of a checkpoint, which holds `saved`.
///
/// # Errors
/// [`SourceError::Changed`] names the first part that differs.
pub(super) fn compare(here: &[(String, Fingerprint)], saved: &str) -> Result<(), SourceError> {
    if text(here) == saved {
        return Ok(());
    }
    let bad = || {
        StateTextError::new(
            "list of fingerprints `name=hexadecimal`, apart by `,`",
            saved,
        )
    };
    let parts = saved.split(',').filter(|part| !part.is_empty());
    let saved: Vec<(&str, u64)> = parts
        .map(|part| {
            let (name, own) = part.split_once('=').ok_or_else(bad)?;
            Ok((name, u64::from_str_radix(own, 16).map_err(|_| bad())?))
        })
        .collect::<Result<_, StateTextError>>()?;
    let here = named(here);
    let names = (here.iter().map(|(name, _)| name.as_str())).chain(saved.iter().map(|own| own.0));
    for name in names {
        let expected = here.iter().find(|own| own.0 == name).map(|own| own.1);
        let found = saved.iter().find(|own| own.0 == name).map(|own| own.1);
        if expected != found {
            let said = |own: Option<u64>| own.map_or("none".to_owned(), |own| format!("{own:x}"));
            return Err(SourceError::Changed {
                name: name.to_owned(),
                expected: said(expected),
                found: said(found),
            });
        }
    }
    // The same parts in another order.
    Ok(())
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, Axis};

    use super::*;

    #[test]
    fn every_bit_and_place_counts() {
        let values: Vec<f32> = (0..40).map(|at| at as f32 * 0.5 - 7.0).collect();
        let own = Fingerprint::default().reals(&values);
        for at in 0..values.len() {
            for bit in 0..32 {
                let mut other = values.clone();
                other[at] = f32::from_bits(other[at].to_bits() ^ (1 << bit));
                assert_ne!(Fingerprint::default().reals(&other), own, "{at} {bit}");
            }
        }
        let mut turned = values.clone();
        turned.swap(3, 9);
        assert_ne!(Fingerprint::default().reals(&turned), own);
        let bytes = Fingerprint::default().bytes(b"one two");
        assert_ne!(Fingerprint::default().bytes(b"one twp"), bytes);
        assert_ne!(Fingerprint::default().bytes(b"one two\0"), bytes);
    }

    #[test]
    fn an_array_is_what_it_holds_at_its_indices() {
        let array = Array2::from_shape_fn((3, 4), |(i, j)| (10 * i + j) as f32);
        let of = |array: &Array2<f32>| {
            Fingerprint::default().view(&InputView::Real(array.view().into_dyn()))
        };
        let mut columns = Array2::zeros((4, 3)).reversed_axes();
        columns.assign(&array);
        assert_eq!(of(&columns), of(&array));
        assert_ne!(of(&array.t().to_owned()), of(&array));
        let mut turned = array.clone();
        turned.invert_axis(Axis(1));
        assert_ne!(of(&turned), of(&array));
    }

    #[test]
    fn what_differs_is_named() {
        let of = |values: &[f32]| Fingerprint::default().reals(values);
        let here = [("x".to_owned(), of(&[1.0])), ("y".to_owned(), of(&[2.0]))];
        let there = [("x".to_owned(), of(&[1.0])), ("y".to_owned(), of(&[2.5]))];
        compare(&here, &text(&here)).unwrap();
        let message = |saved: &str| compare(&here, saved).unwrap_err().to_string();
        assert!(message(&text(&there)).contains("`y` has changed"));
        assert!(message(&text(&here[..1])).contains("`y` has changed"));
        assert!(message("").contains("`x` has changed"));
        assert!(message("x").contains("expected a list of fingerprints"));
        assert!(message("x=no").contains("expected a list of fingerprints"));
        // Parts of one name are told apart, and none breaks the list.
        let twice = |y: f32| [("a/b".to_owned(), of(&[1.0])), ("a,b".to_owned(), of(&[y]))];
        compare(&twice(2.0), &text(&twice(2.0))).unwrap();
        let error = compare(&twice(2.0), &text(&twice(3.0))).unwrap_err();
        assert!(error.to_string().contains("`a_b#2` has changed"), "{error}");
        let more = format!("{},z=1", text(&here));
        assert!(message(&more).contains("`z` has changed: expected fingerprint none, found 1"));
    }
}
