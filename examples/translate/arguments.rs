//! What can be said on the command line.

use std::path::PathBuf;

/// Translates dates as people write them to `2019-03-07`.
#[derive(clap::Parser, Debug)]
pub(crate) struct Arguments {
    /// Pairs to learn from: a text, a tab and its translation a line, the last tenth for the test; dates are made if not given.
    #[arg(long)]
    pub(crate) data: Option<PathBuf>,
    /// Units of the encoder, in each direction, and of the decoder.
    #[arg(long, default_value_t = 64)]
    pub(crate) hidden: usize,
    /// Size of the embeddings of characters.
    #[arg(long, default_value_t = 24)]
    pub(crate) embed: usize,
    /// Dates to learn from; a tenth as many others are the test.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) pairs: usize,
    /// Passes over the pairs.
    #[arg(long, default_value_t = 8)]
    pub(crate) epochs: u64,
    /// Pairs in a batch.
    #[arg(long, default_value_t = 32)]
    pub(crate) batch: usize,
    /// Learning rate at the start; it falls to a fiftieth by a cosine.
    #[arg(long, default_value_t = 4e-3)]
    pub(crate) rate: f32,
    /// Seed of parameters, order and dates.
    #[arg(long, default_value_t = 42)]
    pub(crate) seed: u64,
    /// Writes where the decoder looks in the first text of the test, as an SVG picture.
    #[arg(long)]
    pub(crate) picture: Option<PathBuf>,
    /// Draws the loss into this file, as SVG.
    #[arg(long)]
    pub(crate) plot: Option<PathBuf>,
    /// Writes the trained parameters into this file.
    #[arg(long)]
    pub(crate) save: Option<PathBuf>,
}
