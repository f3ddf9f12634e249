//! What can be said on the command line.

use std::path::PathBuf;

/// Forecasts a season of a series from its own past.
#[derive(clap::Parser, Debug)]
pub(crate) struct Arguments {
    /// A table with a column of values in the order of time, such as `date,value`; the airline passengers if not given.
    #[arg(long)]
    pub(crate) data: Option<PathBuf>,
    /// The column of the table.
    #[arg(long, default_value = "value")]
    pub(crate) column: String,
    /// Steps of a season, which are forecast.
    #[arg(long, default_value_t = 12)]
    pub(crate) period: usize,
    /// Networks whose forecasts are averaged.
    #[arg(long, default_value_t = 8)]
    pub(crate) networks: u64,
    /// Size of the hidden state.
    #[arg(long, default_value_t = 8)]
    pub(crate) hidden: usize,
    /// Passes over the training windows, at the most; validation says after how many forecasts are the best.
    #[arg(long, default_value_t = 160)]
    pub(crate) epochs: u64,
    /// Windows in a batch.
    #[arg(long, default_value_t = 16)]
    pub(crate) batch: usize,
    /// Learning rate.
    #[arg(long, default_value_t = 3e-3)]
    pub(crate) rate: f32,
    /// Decoupled weight decay.
    #[arg(long, default_value_t = 1.0)]
    pub(crate) decay: f32,
    /// The share of what the network looks back on that is dropped in training.
    #[arg(long, default_value_t = 0.2)]
    pub(crate) dropout: f32,
    /// Seed of the first network; the others have those that follow.
    #[arg(long, default_value_t = 42)]
    pub(crate) seed: u64,
    /// Draws the last forecasts and the errors over the horizon into this file, as SVG.
    #[arg(long)]
    pub(crate) plot: Option<PathBuf>,
    /// Writes the parameters of the networks, with `-1`, `-2`, .. before the ending of the name.
    #[arg(long)]
    pub(crate) save: Option<PathBuf>,
}
