//! What can be said on the command line.

use std::path::PathBuf;

/// Learns how a pendulum moves, and then, within what it has learnt, to swing it up and hold it there.
#[derive(clap::Parser, Debug)]
pub(crate) struct Arguments {
    /// A log with the columns `time`, `torque`, `angle` and `velocity`, whose pendulum is identified and not controlled; the simulator
    /// if not given.
    #[arg(long)]
    pub(crate) data: Option<PathBuf>,
    /// Writes the episodes of the simulator into this file, as `--data` reads them.
    #[arg(long)]
    pub(crate) log: Option<PathBuf>,
    /// Episodes of random torques, of five seconds each.
    #[arg(long, default_value_t = 200)]
    pub(crate) episodes: usize,
    /// Units of the world: of its recurrent layer, and of the one above.
    #[arg(long, default_value_t = 32)]
    pub(crate) world: usize,
    /// Passes over the episodes.
    #[arg(long, default_value_t = 100)]
    pub(crate) epochs: u64,
    /// Learning rate of the world; it rises over 100 updates and falls to a hundredth by a cosine.
    #[arg(long, default_value_t = 5e-3)]
    pub(crate) rate: f32,
    /// Units of the controller: of its recurrent layer, and of the one above.
    #[arg(long, default_value_t = 24)]
    pub(crate) controller: usize,
    /// Updates of the controller.
    #[arg(long, default_value_t = 1000)]
    pub(crate) updates: u64,
    /// Learning rate of the controller; it falls to a hundredth by a cosine.
    #[arg(long, default_value_t = 5e-3)]
    pub(crate) control_rate: f32,
    /// Pendulums that an update imagines.
    #[arg(long, default_value_t = 128)]
    pub(crate) batch: usize,
    /// Periods of 0.05 s that an update imagines.
    #[arg(long, default_value_t = 100)]
    pub(crate) horizon: usize,
    /// What is left of a controller's gradient a period earlier. With 1 it is that of the cost, which grows from period to period where the
    /// pendulum is about to fall, and it does not learn to stand.
    #[arg(long, default_value_t = 0.9)]
    pub(crate) discount: f32,
    /// Standard deviation of what is added to what the controller reads in training: more than sensors err, since the world errs too.
    #[arg(long, default_value_t = 0.05)]
    pub(crate) noise: f32,
    /// What the square of the torque costs, of the limit, beside `1 - cos(angle)`.
    #[arg(long, default_value_t = 0.01)]
    pub(crate) effort: f32,
    /// What the square of the velocity costs, of twice its mean in the episodes.
    #[arg(long, default_value_t = 0.05)]
    pub(crate) speed: f32,
    /// Pendulums that controllers are judged by.
    #[arg(long, default_value_t = 200)]
    pub(crate) trials: usize,
    /// Seed of parameters, episodes and trials.
    #[arg(long, default_value_t = 42)]
    pub(crate) seed: u64,
    /// Draws errors of forecasts, the controller's learning, and its first trials into this file, as SVG.
    #[arg(long)]
    pub(crate) plot: Option<PathBuf>,
    /// Writes the parameters of the controller and of the world within it.
    #[arg(long)]
    pub(crate) save: Option<PathBuf>,
}
