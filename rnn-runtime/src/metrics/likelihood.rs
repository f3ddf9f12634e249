//! What the probabilities that a model gives are worth.
//!
//! For probabilities `p_1 .. p_T` given to the tokens that came, the cross-entropy is `H = -(1/T) sum ln p_t` nats, and
//! the perplexity is its exponential. The four forms in the literature are one number:
//!
//! ```text
//! exp(H)  =  2^(H / ln 2)  =  2^(-(1/T) sum log2 p_t)  =  (prod 1/p_t)^(1/T)
//! ```
//!
//! **Invariant:** everything is in nats, save what says bits.

use std::f64::consts::LN_2;

use super::Mean;

/// Bits per symbol (per character, for a character model) of a cross-entropy in nats.
pub fn bits_per_symbol(nats: f64) -> f64 {
    nats / LN_2
}

/// Perplexity of a cross-entropy in nats: `exp(nats)`.
pub fn perplexity(nats: f64) -> f64 {
    nats.exp()
}

/// Cross-entropy in nats of the probabilities given to the tokens that came; `None` when there are none.
///
/// A token of probability 0 makes it infinite.
pub fn cross_entropy(probabilities: &[f64]) -> Option<f64> {
    let mut mean = Mean::default();
    probabilities.iter().for_each(|p| mean.add(-p.ln(), 1));
    mean.value()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A few roundings of values near 3, each within 2^-52 relative.
    const TOLERANCE: f64 = 1e-14;

    #[test]
    fn the_four_forms_of_perplexity_are_equal() {
        let probabilities = [0.5, 0.125, 0.9, 0.3, 0.05, 0.75, 1.0];
        let count = probabilities.len() as f64;
        let nats = cross_entropy(&probabilities).unwrap();
        let log2_mean = -probabilities.iter().map(|p| p.log2()).sum::<f64>() / count;
        let forms = [
            perplexity(nats),
            bits_per_symbol(nats).exp2(),
            log2_mean.exp2(),
            probabilities
                .iter()
                .map(|p| 1.0 / p)
                .product::<f64>()
                .powf(1.0 / count),
        ];
        for form in forms {
            assert!((form / forms[0] - 1.0).abs() <= TOLERANCE, "{forms:?}");
        }
    }

    #[test]
    fn a_uniform_model_has_the_perplexity_of_its_vocabulary() {
        let nats = cross_entropy(&[1.0 / 96.0; 10]).unwrap();
        assert!((perplexity(nats) / 96.0 - 1.0).abs() <= TOLERANCE);
        assert_eq!(bits_per_symbol(LN_2), 1.0);
        assert_eq!(cross_entropy(&[]), None);
        assert_eq!(cross_entropy(&[0.0]), Some(f64::INFINITY));
    }
}
