//! What can be said on the command line.

use std::path::PathBuf;

/// Teaches a neural Turing machine, and an LSTM beside it, to say a sequence of bytes again.
#[derive(clap::Parser, Debug)]
pub(crate) struct Arguments {
    /// Takes the bytes to copy from passages of this file; drawn evenly if not given.
    #[arg(long)]
    pub(crate) data: Option<PathBuf>,
    /// Bytes in the longest sequence of training.
    #[arg(long, default_value_t = 8)]
    pub(crate) longest: usize,
    /// Training steps, of a batch each.
    #[arg(long, default_value_t = 5000)]
    pub(crate) steps: u64,
    /// Sequences in a batch.
    #[arg(long, default_value_t = 16)]
    pub(crate) batch: usize,
    /// Units of the machine's controller.
    #[arg(long, default_value_t = 64)]
    pub(crate) hidden: usize,
    /// Rows of its memory.
    #[arg(long, default_value_t = 32)]
    pub(crate) rows: usize,
    /// Numbers in a row of its memory.
    #[arg(long, default_value_t = 12)]
    pub(crate) width: usize,
    /// Units of the LSTM beside it.
    #[arg(long, default_value_t = 128)]
    pub(crate) lstm: usize,
    /// Learning rate at the start; it falls to a twentieth by a cosine.
    #[arg(long, default_value_t = 3e-3)]
    pub(crate) rate: f32,
    /// Seed of parameters and sequences.
    #[arg(long, default_value_t = 42)]
    pub(crate) seed: u64,
    /// Draws losses of both models into this file, as SVG.
    #[arg(long)]
    pub(crate) plot: Option<PathBuf>,
    /// Writes the parameters of the machine into this file.
    #[arg(long)]
    pub(crate) save: Option<PathBuf>,
}
