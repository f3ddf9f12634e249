//! Tells what is chosen, and how likely it was: for texts of a grammar that is known.
//!
//! Whoever knows the grammar still does not know what is chosen next. Where every choice is seen in the text, the logarithms of their
//! probabilities add up to that of the text, and
//!
//! ```text
//! -log2 P(text) / symbols
//! ```
//!
//! is what no reader stays below in the mean over many texts (Shannon 1948).
//!
//! **Invariant:** a grammar never chooses the same text in two ways.

use rand::{Rng, RngExt};

/// Tells what `choose` says, which is given the weights of what there is to choose from.
pub(crate) struct Teller<C> {
    choose: C,
    pub(crate) text: String,
    /// `-log2` of the probability of the text.
    pub(crate) bits: f64,
}

/// Chooses by chance, each in proportion to its weight.
pub(crate) fn by_chance(mut rng: impl Rng) -> impl FnMut(&[f64]) -> usize {
    move |weights: &[f64]| {
        let mut at = rng.random_range(0.0..weights.iter().sum());
        let passed = weights.iter().position(|weight| {
            at -= weight;
            at < 0.0
        });
        passed.unwrap_or(weights.len() - 1)
    }
}

impl<C: FnMut(&[f64]) -> usize> Teller<C> {
    pub(crate) fn new(choose: C) -> Self {
        Self {
            choose,
            text: String::new(),
            bits: 0.0,
        }
    }

    pub(crate) fn weighted(&mut self, weights: &[f64]) -> usize {
        let chosen = (self.choose)(weights);
        self.bits -= (weights[chosen] / weights.iter().sum::<f64>()).log2();
        chosen
    }

    pub(crate) fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.weighted(&vec![1.0; all.len()])]
    }

    pub(crate) fn number(&mut self, least: usize, most: usize) -> usize {
        let all: Vec<usize> = (least..=most).collect();
        self.one_of(&all)
    }

    pub(crate) fn happens(&mut self, probability: f64) -> bool {
        self.weighted(&[probability, 1.0 - probability]) == 0
    }

    pub(crate) fn say(&mut self, text: &str) {
        self.text += text;
    }
}

/// Everything that can be told: its text and its probability.
#[cfg(test)]
pub(crate) fn all(
    tell: impl Fn(&mut Teller<&mut dyn FnMut(&[f64]) -> usize>),
) -> Vec<(String, f64)> {
    let mut told = Vec::new();
    // At each turn what can still be chosen, the last of which is.
    let mut turns: Vec<Vec<usize>> = Vec::new();
    loop {
        let mut turn = 0;
        let mut choose = |weights: &[f64]| {
            if turn == turns.len() {
                turns.push((0..weights.len()).filter(|at| weights[*at] > 0.0).collect());
            }
            turn += 1;
            turns[turn - 1]
                .last()
                .copied()
                .expect("something can be chosen")
        };
        let mut teller = Teller::new(&mut choose as &mut dyn FnMut(&[f64]) -> usize);
        tell(&mut teller);
        told.push((teller.text, (-teller.bits).exp2()));
        while let Some(last) = turns.last_mut() {
            last.pop();
            if !last.is_empty() {
                break;
            }
            turns.pop();
        }
        if turns.is_empty() {
            return told;
        }
    }
}
