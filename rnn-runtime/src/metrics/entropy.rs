//! How uncertain what is predicted is by itself (Shannon 1948).
//!
//! ```text
//! H(X)     = -sum p(x) ln p(x)
//! H(Y | X) = -sum p(x, y) ln (p(x, y) / p(x))
//! ```
//!
//! No model has a cross-entropy below the entropy of its source given all that it reads, so these say what is left to be learnt.
//!
//! **Invariant:** everything is in nats; [`bits_per_symbol`](super::bits_per_symbol) converts. What has probability 0 adds nothing.

use std::collections::BTreeMap;

use ndarray::ArrayView2;

/// `H(X)` of weights, such as counts, that are made probabilities by dividing by their sum; `None` when their sum is not
/// positive and finite, or one of them is negative.
pub fn entropy(weights: &[f64]) -> Option<f64> {
    let total = total(weights.iter().copied())?;
    Some(weights.iter().map(|weight| surprise(weight / total)).sum())
}

/// `H(Y | X)` of joint weights `[X, Y]`, such as counts; `None` as for [`entropy`].
///
/// ```
/// use ndarray::array;
/// use rnn_runtime::metrics::{bits_per_symbol, conditional_entropy};
///
/// // Cover & Thomas 2006, example 2.2.1: 11/8 bits of the column given the row, 13/8 of the row given the column.
/// let joint = array![[4., 2., 1., 1.], [2., 4., 1., 1.], [2., 2., 2., 2.], [8., 0., 0., 0.]];
/// assert_eq!(conditional_entropy(joint.view()).map(bits_per_symbol), Some(11.0 / 8.0));
/// assert_eq!(conditional_entropy(joint.t()).map(bits_per_symbol), Some(13.0 / 8.0));
/// ```
pub fn conditional_entropy(joint: ArrayView2<'_, f64>) -> Option<f64> {
    let total = total(joint.iter().copied())?;
    let rows = joint.outer_iter().map(|row| {
        let weight = row.sum();
        let within: f64 = row
            .iter()
            .map(|own| surprise(own / weight.max(f64::MIN_POSITIVE)))
            .sum();
        weight / total * within
    });
    Some(rows.sum())
}

/// `H(X_t | X_{t-order}, .., X_{t-1})` of a sequence, by the frequencies in it: what an ideal Markov model of that order would
/// reach on it, having counted it.
///
/// It only falls with the order, to 0 once every context comes once, so it is an estimate of the source as long as contexts come
/// often. `None` when the sequence has no token with so many before it.
pub fn markov_entropy<T: Ord>(tokens: &[T], order: usize) -> Option<f64> {
    let mut contexts: BTreeMap<&[T], BTreeMap<&T, u64>> = BTreeMap::new();
    for window in tokens.windows(order.checked_add(1)?) {
        let (next, context) = window.split_last()?;
        *contexts
            .entry(context)
            .or_default()
            .entry(next)
            .or_default() += 1;
    }
    let total = tokens.len().checked_sub(order)? as f64;
    let within = contexts.values().map(|next| {
        let weights: Vec<f64> = next.values().map(|count| *count as f64).collect();
        let weight: f64 = weights.iter().sum();
        weight / total * entropy(&weights).unwrap_or_default()
    });
    (total > 0.0).then(|| within.sum())
}

fn total(weights: impl Iterator<Item = f64> + Clone) -> Option<f64> {
    let total: f64 = weights.clone().sum();
    let sound = total > 0.0 && total.is_finite() && weights.clone().all(|weight| weight >= 0.0);
    sound.then_some(total)
}

// `-p ln p`
fn surprise(p: f64) -> f64 {
    if p > 0.0 { -p * p.ln() } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::LN_2;

    use ndarray::Array2;

    use super::*;

    /// A few roundings of values near 1.
    const TOLERANCE: f64 = 1e-14;

    #[test]
    fn entropies_are_those_of_the_textbook() {
        // Cover & Thomas 2006, example 1.1.2: eight horses, 2 bits.
        let horses = [32.0, 16.0, 8.0, 4.0, 1.0, 1.0, 1.0, 1.0];
        assert!((entropy(&horses).unwrap() - 2.0 * LN_2).abs() < TOLERANCE);
        assert_eq!(entropy(&[3.0, 0.0]), Some(0.0));
        for bad in [&[][..], &[0.0], &[1.0, -0.5], &[f64::NAN], &[f64::INFINITY]] {
            assert_eq!(entropy(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn conditioning_on_what_is_independent_changes_nothing() {
        let (p, q) = ([0.2, 0.3, 0.5], [0.6, 0.4]);
        let joint = Array2::from_shape_fn((3, 2), |(x, y)| p[x] * q[y]);
        let given = conditional_entropy(joint.view()).unwrap();
        assert!((given - entropy(&q).unwrap()).abs() < TOLERANCE);
        // The chain rule H(X, Y) = H(X) + H(Y | X), with a row that never comes.
        let joint = ndarray::array![[0.1, 0.4], [0.0, 0.0], [0.35, 0.15]];
        let all: Vec<f64> = joint.iter().copied().collect();
        let first = entropy(&[0.5, 0.0, 0.5]).unwrap();
        let chain = first + conditional_entropy(joint.view()).unwrap();
        assert!((entropy(&all).unwrap() - chain).abs() < TOLERANCE);
    }

    #[test]
    fn a_sequence_is_as_certain_as_its_contexts() {
        let alternating = [0, 1, 0, 1, 0, 1, 0, 1];
        assert!((markov_entropy(&alternating, 0).unwrap() - LN_2).abs() < TOLERANCE);
        assert_eq!(markov_entropy(&alternating, 1), Some(0.0));
        // After `a`: b, b, c; after `b`: a, a; after `c`: nothing. 3/5 (ln 3 - 2/3 ln 2).
        let known = 0.6 * (3.0_f64.ln() - 2.0 / 3.0 * LN_2);
        assert!((markov_entropy(b"ababac", 1).unwrap() - known).abs() < TOLERANCE);
        assert_eq!(markov_entropy(b"ab", 2), None);
        assert_eq!(markov_entropy(b"ab", usize::MAX), None);
    }
}
