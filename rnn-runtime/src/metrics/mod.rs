//! Measures of prediction.
//!
//! | of | measures |
//! |---|---|
//! | probabilities | [`cross_entropy`], [`perplexity`], [`bits_per_symbol`]; [`entropy`], [`conditional_entropy`], [`markov_entropy`] of what is predicted |
//! | classes | [`Accuracy`], [`Confusion`] with F1 of classes, macro and micro |
//! | spans | [`SpanScore`] |
//! | texts | [`Bleu`], [`rouge_n`], [`rouge_l`] |
//! | numbers | [`Errors`] (MSE, RMSE, MAE), [`Mase`] |
//!
//! [`Mean`] joins batches. [`Slices`] measures by length, by position, by the distance of a dependency or by anything else
//! that can be counted, and prints a table.
//!
//! **Invariant:** averages weigh every token equally, whatever the batches they came in.

mod accuracy;
mod bleu;
mod buckets;
mod confusion;
mod entropy;
mod likelihood;
mod mean;
mod regression;
mod rouge;
mod sliced;
mod slices;
mod spans;

pub use accuracy::Accuracy;
pub use bleu::{Bleu, Smoothing};
pub use buckets::Buckets;
pub use confusion::Confusion;
pub use entropy::{conditional_entropy, entropy, markov_entropy};
pub use likelihood::{bits_per_symbol, cross_entropy, perplexity};
pub use mean::Mean;
pub use regression::{Errors, Mase};
pub use rouge::{Overlap, rouge_l, rouge_n};
pub use sliced::{Sliced, SlicedRow};
pub use slices::{Measured, Slices, last_seen};
pub use spans::SpanScore;

/// Part of a whole; 0 where there is nothing.
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}

/// `2 p r / (p + r)`; 0 where both are.
fn harmonic(precision: f64, recall: f64) -> f64 {
    if precision + recall == 0.0 {
        0.0
    } else {
        2.0 * precision * recall / (precision + recall)
    }
}
