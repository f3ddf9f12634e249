//! What can be said on the command line.

use std::path::PathBuf;

/// Trains a word-level language model whose embeddings are tied, and one whose are not, beside n-gram models.
#[derive(clap::Parser, Debug)]
pub(crate) struct Arguments {
    /// Text to learn from, or a folder whose documents and comments are read; a chronicle of a made-up country if not given.
    #[arg(long)]
    pub(crate) data: Option<PathBuf>,
    /// Words of a file that come less often are unknown.
    #[arg(long, default_value_t = 3)]
    pub(crate) least: usize,
    /// Size of the hidden state.
    #[arg(long, default_value_t = 192)]
    pub(crate) hidden: usize,
    /// Size of a word's embedding.
    #[arg(long, default_value_t = 128)]
    pub(crate) embed: usize,
    /// Probability with which each number that is read, said or asked for is dropped in training.
    #[arg(long, default_value_t = 0.15)]
    pub(crate) dropout: f32,
    /// Passes over the text; the parameters of the one that is best on the development part are tested.
    #[arg(long, default_value_t = 18)]
    pub(crate) epochs: u64,
    /// Streams side by side; two threads share them from 32 on.
    #[arg(long, default_value_t = 32)]
    pub(crate) batch: usize,
    /// Steps that a gradient reaches back.
    #[arg(long, default_value_t = 32)]
    pub(crate) steps: usize,
    /// Learning rate at the start; it falls to a hundredth by a cosine.
    #[arg(long, default_value_t = 6e-3)]
    pub(crate) rate: f32,
    /// Seed of parameters, dropout, the chronicle, the order of a folder's paragraphs, and what is written.
    #[arg(long, default_value_t = 42)]
    pub(crate) seed: u64,
    /// What sentences start with.
    #[arg(long, default_value = "in")]
    pub(crate) prompt: String,
    /// How freely to write: 0 always takes the likeliest word.
    #[arg(long, default_value_t = 0.7)]
    pub(crate) temperature: f32,
    /// Draws perplexities over the epochs into this file, as SVG.
    #[arg(long)]
    pub(crate) plot: Option<PathBuf>,
    /// Writes the tied model of the best epoch into this file.
    #[arg(long)]
    pub(crate) save: Option<PathBuf>,
}
