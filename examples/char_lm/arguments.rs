//! What can be said on the command line.

use std::path::PathBuf;

/// Trains a character language model and lets it write.
#[derive(clap::Parser, Debug)]
pub(crate) struct Arguments {
    /// Text to learn from, or a folder whose sources and documents are read; tales of a small grammar are told if not given.
    #[arg(long)]
    pub(crate) data: Option<PathBuf>,
    /// Size of the hidden state.
    #[arg(long, default_value_t = 192)]
    pub(crate) hidden: usize,
    /// Size of a character's embedding.
    #[arg(long, default_value_t = 32)]
    pub(crate) embed: usize,
    /// Passes over the text, those before a resume included; the parameters of the best one are kept at the end.
    #[arg(long, default_value_t = 8)]
    pub(crate) epochs: u64,
    /// Streams side by side.
    #[arg(long, default_value_t = 32)]
    pub(crate) batch: usize,
    /// Steps that a gradient reaches back.
    #[arg(long, default_value_t = 64)]
    pub(crate) steps: usize,
    /// Learning rate after the first hundred steps; it falls to a fiftieth by a cosine.
    #[arg(long, default_value_t = 5e-3)]
    pub(crate) rate: f32,
    /// Probability with which each number of a state is dropped before it says a character, in training; of embeddings a quarter
    /// of it.
    #[arg(long, default_value_t = 0.0)]
    pub(crate) dropout: f32,
    /// Probability with which each recurrent weight is dropped in a training step.
    #[arg(long, default_value_t = 0.0)]
    pub(crate) weight_dropout: f32,
    /// Seed of parameters, dropout, tales and passage.
    #[arg(long, default_value_t = 42)]
    pub(crate) seed: u64,
    /// Writes a checkpoint after each epoch, and when Ctrl-C ends the run.
    #[arg(long)]
    pub(crate) save: Option<PathBuf>,
    /// Goes on from a checkpoint, bit for bit as if it had not stopped.
    #[arg(long)]
    pub(crate) resume: Option<PathBuf>,
    /// Draws bits per character over the epochs into this file, as SVG.
    #[arg(long)]
    pub(crate) plot: Option<PathBuf>,
    /// Characters to write at the end.
    #[arg(long, default_value_t = 500)]
    pub(crate) length: usize,
    /// How freely to write: 0 always takes the likeliest character.
    #[arg(long, default_value_t = 0.7)]
    pub(crate) temperature: f32,
    /// What the passage starts with.
    #[arg(long, default_value = "Once upon a time ")]
    pub(crate) prompt: String,
}
