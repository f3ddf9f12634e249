//! What can be said on the command line.

use std::path::PathBuf;

/// Tells classes of series of unequal length apart.
#[derive(clap::Parser, Debug)]
pub(crate) struct Arguments {
    /// A folder with one `*_TRAIN.ts` and one `*_TEST.ts`, the format of the UEA and UCR archives, or the first of them, beside which
    /// the other is; waveforms are made if not given.
    #[arg(long)]
    pub(crate) data: Option<PathBuf>,
    /// Size of the hidden state, in each direction.
    #[arg(long, default_value_t = 48)]
    pub(crate) hidden: usize,
    /// Passes over the training series.
    #[arg(long, default_value_t = 40)]
    pub(crate) epochs: u64,
    /// Series in a batch.
    #[arg(long, default_value_t = 16)]
    pub(crate) batch: usize,
    /// Learning rate at the start; it falls to a hundredth by a cosine.
    #[arg(long, default_value_t = 4e-3)]
    pub(crate) rate: f32,
    /// Decoupled weight decay.
    #[arg(long, default_value_t = 1e-2)]
    pub(crate) decay: f32,
    /// Standard deviation of what is added to training series, where each channel has 1.
    #[arg(long, default_value_t = 0.2)]
    pub(crate) noise: f32,
    /// Waveforms to train on, and half as many to test on, where no data is given.
    #[arg(long, default_value_t = 1200)]
    pub(crate) waveforms: usize,
    /// Seed of parameters, order, noise and waveforms.
    #[arg(long, default_value_t = 42)]
    pub(crate) seed: u64,
    /// Draws loss and accuracy over the epochs into this file, as SVG.
    #[arg(long)]
    pub(crate) plot: Option<PathBuf>,
    /// Writes the trained parameters into this file.
    #[arg(long)]
    pub(crate) save: Option<PathBuf>,
}
