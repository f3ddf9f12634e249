//! What can be said on the command line.

use std::path::PathBuf;

/// Describes small pictures in words.
#[derive(clap::Parser, Debug)]
pub(crate) struct Arguments {
    /// Scenes to learn from: a sentence, a tab and as many numbers as in every other line, the last tenth for the test; shapes are
    /// drawn if not given.
    #[arg(long)]
    pub(crate) data: Option<PathBuf>,
    /// Units of each layer that looks at a picture.
    #[arg(long, default_value_t = 256)]
    pub(crate) seen: usize,
    /// Units of the network that speaks.
    #[arg(long, default_value_t = 128)]
    pub(crate) hidden: usize,
    /// Size of the embeddings of words.
    #[arg(long, default_value_t = 32)]
    pub(crate) embed: usize,
    /// Scenes to learn from that are drawn.
    #[arg(long, default_value_t = 40_000)]
    pub(crate) scenes: usize,
    /// Passes over the scenes.
    #[arg(long, default_value_t = 12)]
    pub(crate) epochs: u64,
    /// Scenes in a batch.
    #[arg(long, default_value_t = 64)]
    pub(crate) batch: usize,
    /// Learning rate at the start; it falls to a fiftieth by a cosine.
    #[arg(long, default_value_t = 2e-3)]
    pub(crate) rate: f32,
    /// Share of what is seen that is left out in training, each time anew.
    #[arg(long, default_value_t = 0.1)]
    pub(crate) forget: f32,
    /// Hypotheses of the beam.
    #[arg(long, default_value_t = 4)]
    pub(crate) beam: usize,
    /// Seed of parameters, order, scenes and what is left out.
    #[arg(long, default_value_t = 42)]
    pub(crate) seed: u64,
    /// Draws loss and exact matches over the epochs into this file, as SVG.
    #[arg(long)]
    pub(crate) plot: Option<PathBuf>,
    /// Writes the trained parameters into this file.
    #[arg(long)]
    pub(crate) save: Option<PathBuf>,
}
