//! Optimisers: rules that turn gradients into parameter updates.
//!
//! Every rule has the form `p <- keep p - rate u(g + l2 p, state)`: a direction `u` from the gradient and a few state
//! values per scalar, with weight decay in `keep` or `l2` (see [`WeightDecay`]). [`Sgd`], [`RmsProp`] and [`Adam`]
//! give the direction; the walk over the tensors, which skips those that are not trained and applies groups, is shared.
//!
//! Matrices that are declared `orthonormal` go along the orthonormal ones: `g` is what of the gradient lies along these, and the
//! step ends at the nearest of them, with every rule alike; one that is not finite after the step stays so. At a rate of 0, be it the
//! learning rate or the scale of a group, they stay as they are, to the bit and whatever they are.
//!
//! - Weight decay, which would only make them shorter, leaves them alone: that of the optimiser, and that of a [`ParamGroup`] that matches
//!   them, too, which is no error.
//! - The rest of the gradient, at right angles to the orthonormal matrices, is dropped in the step and not before. Norms that are logged
//!   and clipped ([`crate::clip`]) are of the whole gradient, so that a large rest, which moves nothing, makes the steps of all parameters
//!   shorter under a bound on the global norm.
//!
//! **Invariant:** a step allocates nothing (but for the products of orthonormal matrices in the first step of a thread), and two
//! optimisers with equal settings, equal exported state and equal inputs give equal bits.

mod adam;
mod any;
mod group;
mod layout;
mod orthonormal;
mod rmsprop;
mod sgd;
mod state;

pub use adam::{Adam, AdamConfig};
pub use any::{AnyOptimizer, OptimizerConfig};
pub use group::{ParamGroup, WeightDecay};
pub use rmsprop::{RmsProp, RmsPropConfig};
pub use sgd::{Sgd, SgdConfig};
pub use state::{OptimizerState, StateTensor};

use crate::error::OptimError;
use crate::tensors::Tensors;

/// A rule that turns gradients into parameter updates.
///
/// ```
/// use rnn_runtime::optim::{Adam, AdamConfig, Optimizer};
/// use rnn_runtime::tensors::{ParamSpec, Tensors};
///
/// fn train<P: Tensors>(params: &mut P, specs: &[ParamSpec], grads: &P) -> Result<(), rnn_runtime::error::OptimError> {
///     let mut adam = Adam::new(specs, AdamConfig::default())?;
///     adam.step(params, grads, 1e-3)
/// }
/// ```
pub trait Optimizer {
    /// Changes `params` in place by one step against `grads`; tensors that are not trained stay as they are.
    ///
    /// `learning_rate` is per step, so any schedule composes with any optimiser.
    ///
    /// # Errors
    /// [`OptimError::Params`] when `params` or `grads` differ in names or shapes from the tensors the optimiser was
    /// made for, [`OptimError::Setting`] when `learning_rate` is negative or not finite. Nothing is changed then.
    fn step<P: Tensors>(
        &mut self,
        params: &mut P,
        grads: &P,
        learning_rate: f32,
    ) -> Result<(), OptimError>;

    /// Steps taken so far.
    fn steps(&self) -> u64;

    /// A copy of the state, by slot and tensor name.
    fn export(&self) -> OptimizerState;

    /// Replaces the state by an exported one, after which steps continue bit for bit.
    ///
    /// # Errors
    /// [`OptimError::Algorithm`] or [`OptimError::State`], which lists every tensor that does not fit. The state is
    /// unchanged then.
    fn import(&mut self, state: &OptimizerState) -> Result<(), OptimError>;

    /// Its settings by name, as text: two optimisers of the same do the same steps from the same state. A run is not taken up with
    /// others by mistake, so an optimiser of one's own should say them, too.
    fn settings(&self) -> Vec<(String, String)> {
        Vec::new()
    }
}

/// Checks one setting of an optimiser.
fn check_setting(
    algorithm: &'static str,
    setting: &'static str,
    expected: &'static str,
    value: f32,
    holds: bool,
) -> Result<(), OptimError> {
    if holds {
        Ok(())
    } else {
        Err(OptimError::Setting {
            algorithm,
            setting,
            expected,
            found: f64::from(value),
        })
    }
}
