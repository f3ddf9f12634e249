//! What can be said on the command line.

use std::path::PathBuf;

/// Tells what a sentence thinks of something, and which words it is told by.
#[derive(clap::Parser, Debug)]
pub(crate) struct Arguments {
    /// Sentences to learn from: a label, a tab or a comma, and a text a line, the last tenth for the test; sentences of a grammar are
    /// made if not given.
    #[arg(long)]
    pub(crate) data: Option<PathBuf>,
    /// Sentences of the grammar to learn from.
    #[arg(long, default_value_t = 3000)]
    pub(crate) sentences: usize,
    /// Units of the network, in each direction.
    #[arg(long, default_value_t = 48)]
    pub(crate) hidden: usize,
    /// Size of the embeddings of words.
    #[arg(long, default_value_t = 32)]
    pub(crate) embed: usize,
    /// Probability with which each number of embeddings and states is dropped in training.
    #[arg(long, default_value_t = 0.3)]
    pub(crate) dropout: f32,
    /// Words that come less often are unknown.
    #[arg(long, default_value_t = 1)]
    pub(crate) least: usize,
    /// Passes over the sentences; the parameters of the one that is best on a tenth of the training sentences are tested.
    #[arg(long, default_value_t = 12)]
    pub(crate) epochs: u64,
    /// Sentences in a batch.
    #[arg(long, default_value_t = 32)]
    pub(crate) batch: usize,
    /// Learning rate at the start; it falls to a fiftieth by a cosine.
    #[arg(long, default_value_t = 4e-3)]
    pub(crate) rate: f32,
    /// Seed of parameters, order, dropout and sentences.
    #[arg(long, default_value_t = 42)]
    pub(crate) seed: u64,
    /// Test sentences that are shown with what is looked at.
    #[arg(long, default_value_t = 6)]
    pub(crate) shown: usize,
    /// Draws what is looked at in the sentences shown into this file, as SVG.
    #[arg(long)]
    pub(crate) picture: Option<PathBuf>,
    /// Draws loss and accuracy over the epochs into this file, as SVG.
    #[arg(long)]
    pub(crate) plot: Option<PathBuf>,
    /// Logs both runs into folders in this one, for `rnn report FOLDER/Attentive`, TensorBoard and spreadsheets.
    #[arg(long)]
    pub(crate) log: Option<PathBuf>,
    /// Writes the parameters of the best epoch into this file.
    #[arg(long)]
    pub(crate) save: Option<PathBuf>,
}
