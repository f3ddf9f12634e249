//! What can be said on the command line.

use std::path::PathBuf;

/// Compares how long a vanilla network, an LSTM and a GRU remember, with and without clipping.
#[derive(clap::Parser, Debug)]
pub(crate) struct Arguments {
    /// Steps of the sequences of the adding problem; the last but one is also learnt without clipping, and
    /// by descent.
    #[arg(long, value_delimiter = ',', default_value = "20,40,80,160")]
    pub(crate) adding: Vec<usize>,
    /// Steps between the symbols and their copy; the last but one is also learnt without clipping, and by
    /// descent.
    #[arg(long, value_delimiter = ',', default_value = "5,15,30,60")]
    pub(crate) copying: Vec<usize>,
    /// Training steps, of a batch each; a run whose error is below a hundredth of the baseline has learnt enough.
    #[arg(long, default_value_t = 3000)]
    pub(crate) steps: u64,
    /// Sequences in a batch.
    #[arg(long, default_value_t = 32)]
    pub(crate) batch: usize,
    /// Units of a network.
    #[arg(long, default_value_t = 48)]
    pub(crate) hidden: usize,
    /// Learning rate of Adam.
    #[arg(long, default_value_t = 3e-3)]
    pub(crate) rate: f32,
    /// Learning rate of descent with momentum.
    #[arg(long, default_value_t = 0.05)]
    pub(crate) descent_rate: f32,
    /// The largest norm of a gradient, where there is one.
    #[arg(long, default_value_t = 1.0)]
    pub(crate) clip: f32,
    /// Runs side by side; as many as there are cores if not given. No figure but times depends on it.
    #[arg(long)]
    pub(crate) threads: Option<usize>,
    /// A text whose letters are copied and whose bytes are added, instead of drawn ones: its eight most frequent letters, and each
    /// byte over the largest.
    #[arg(long)]
    pub(crate) data: Option<PathBuf>,
    /// Seed of parameters and sequences.
    #[arg(long, default_value_t = 42)]
    pub(crate) seed: u64,
    /// Draws errors over training and accuracies over delays into this file, as SVG.
    #[arg(long)]
    pub(crate) plot: Option<PathBuf>,
    /// Writes the parameters of the networks that learnt by Adam with clipping: one file for each, `study-AddGru-40.safetensors` of
    /// `study.safetensors`.
    #[arg(long)]
    pub(crate) save: Option<PathBuf>,
}
