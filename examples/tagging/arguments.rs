//! What can be said on the command line.

use std::path::PathBuf;

/// Finds labelled spans in sentences, with and without a conditional random field.
#[derive(clap::Parser, Debug)]
pub(crate) struct Arguments {
    /// A folder of CoNLL files, one of them with `train`, one with `dev` and one with `test` in its name; sentences of a small
    /// grammar are made if not given.
    #[arg(long)]
    pub(crate) data: Option<PathBuf>,
    /// Size of the hidden state, in each direction.
    #[arg(long, default_value_t = 32)]
    pub(crate) hidden: usize,
    /// Size of the embeddings of words, prefixes, suffixes and shapes, and of what their spelling says.
    #[arg(long, default_value_t = 32)]
    pub(crate) embed: usize,
    /// Size of the embeddings of letters.
    #[arg(long, default_value_t = 12)]
    pub(crate) letter: usize,
    /// Probability with which each number that the LSTM reads or says is dropped in training.
    #[arg(long, default_value_t = 0.3)]
    pub(crate) dropout: f32,
    /// Passes over the training sentences; the parameters of the best one on the development sentences are tested.
    #[arg(long, default_value_t = 20)]
    pub(crate) epochs: u64,
    /// Sentences in a batch.
    #[arg(long, default_value_t = 16)]
    pub(crate) batch: usize,
    /// Learning rate at the start; it falls to a twentieth by a cosine.
    #[arg(long, default_value_t = 4e-3)]
    pub(crate) rate: f32,
    /// How readily words of training are read as unknown, each time anew: one that comes `n` times in this share of `n` and this.
    #[arg(long, default_value_t = 1.0)]
    pub(crate) forget: f64,
    /// Sentences of the grammar to train on, half as many to test on, and a quarter for development.
    #[arg(long, default_value_t = 300)]
    pub(crate) sentences: usize,
    /// Seed of parameters, order, forgotten words and sentences.
    #[arg(long, default_value_t = 42)]
    pub(crate) seed: u64,
    /// Draws span F1 over the epochs into this file, as SVG.
    #[arg(long)]
    pub(crate) plot: Option<PathBuf>,
    /// Writes the parameters of the best epoch with the field into this file.
    #[arg(long)]
    pub(crate) save: Option<PathBuf>,
}
