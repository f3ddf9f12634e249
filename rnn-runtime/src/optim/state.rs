//! The state of an optimiser as named tensors, for checkpoints.
//!
//! **Invariant:** exporting and importing a state changes no bit of any later step.

use ndarray::ArrayD;

/// One state value per scalar of one tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct StateTensor {
    /// What the values are, such as `momentum`.
    pub slot: String,
    /// Name of the parameter they belong to.
    pub name: String,
    /// The values, in the shape of the parameter.
    pub values: ArrayD<f32>,
}

/// Everything an optimiser needs to continue exactly where it stopped, given equal settings.
#[derive(Clone, Debug, PartialEq)]
pub struct OptimizerState {
    /// Which optimiser it belongs to, such as `adam`.
    pub algorithm: String,
    /// Steps taken.
    pub steps: u64,
    /// State tensors, by slot, then in declaration order.
    pub tensors: Vec<StateTensor>,
}
