//! An optimiser that is chosen at run time.
//!
//! **Invariant:** it does what the one chosen does, bit for bit.

use std::fmt;
use std::str::FromStr;

use super::{
    Adam, AdamConfig, Optimizer, OptimizerState, ParamGroup, RmsProp, RmsPropConfig, Sgd, SgdConfig,
};
use crate::error::{OptimError, StateTextError};
use crate::tensors::{ParamSpec, Tensors};

/// Settings of any optimiser.
///
/// Reads from the name in a checkpoint or on a command line, with default settings:
///
/// ```
/// use rnn_runtime::optim::{AdamConfig, OptimizerConfig};
///
/// assert_eq!("adam".parse(), Ok(OptimizerConfig::Adam(AdamConfig::default())));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum OptimizerConfig {
    /// Gradient descent, with or without momentum.
    Sgd(SgdConfig),
    /// RMSProp.
    RmsProp(RmsPropConfig),
    /// Adam and AdamW.
    Adam(AdamConfig),
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self::Adam(AdamConfig::default())
    }
}

impl OptimizerConfig {
    /// Its name, as in [`OptimizerState::algorithm`].
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sgd(_) => "sgd",
            Self::RmsProp(_) => "rmsprop",
            Self::Adam(_) => "adam",
        }
    }

    /// An optimiser with these settings for the tensors of `specs`, and with other ones by name.
    ///
    /// # Errors
    /// [`OptimError::Setting`] for a setting outside its range, [`OptimError::EmptyGroup`] when a group selects no trained
    /// parameter.
    pub fn build(
        self,
        specs: &[ParamSpec],
        groups: &[ParamGroup],
    ) -> Result<AnyOptimizer, OptimError> {
        Ok(match self {
            Self::Sgd(config) => AnyOptimizer::Sgd(Sgd::with_groups(specs, config, groups)?),
            Self::RmsProp(config) => {
                AnyOptimizer::RmsProp(RmsProp::with_groups(specs, config, groups)?)
            }
            Self::Adam(config) => AnyOptimizer::Adam(Adam::with_groups(specs, config, groups)?),
        })
    }
}

impl fmt::Display for OptimizerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for OptimizerConfig {
    type Err = StateTextError;

    fn from_str(name: &str) -> Result<Self, StateTextError> {
        match name {
            "sgd" => Ok(Self::Sgd(SgdConfig::default())),
            "rmsprop" => Ok(Self::RmsProp(RmsPropConfig::default())),
            "adam" => Ok(Self::Adam(AdamConfig::default())),
            found => Err(StateTextError::new(
                "name of an optimiser, `sgd`, `rmsprop` or `adam`",
                found,
            )),
        }
    }
}

/// One of the optimisers.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum AnyOptimizer {
    /// Gradient descent, with or without momentum.
    Sgd(Sgd),
    /// RMSProp.
    RmsProp(RmsProp),
    /// Adam and AdamW.
    Adam(Adam),
}

impl From<Sgd> for AnyOptimizer {
    fn from(own: Sgd) -> Self {
        Self::Sgd(own)
    }
}

impl From<RmsProp> for AnyOptimizer {
    fn from(own: RmsProp) -> Self {
        Self::RmsProp(own)
    }
}

impl From<Adam> for AnyOptimizer {
    fn from(own: Adam) -> Self {
        Self::Adam(own)
    }
}

impl Optimizer for AnyOptimizer {
    fn step<P: Tensors>(
        &mut self,
        params: &mut P,
        grads: &P,
        learning_rate: f32,
    ) -> Result<(), OptimError> {
        match self {
            Self::Sgd(own) => own.step(params, grads, learning_rate),
            Self::RmsProp(own) => own.step(params, grads, learning_rate),
            Self::Adam(own) => own.step(params, grads, learning_rate),
        }
    }

    fn steps(&self) -> u64 {
        match self {
            Self::Sgd(own) => own.steps(),
            Self::RmsProp(own) => own.steps(),
            Self::Adam(own) => own.steps(),
        }
    }

    fn export(&self) -> OptimizerState {
        match self {
            Self::Sgd(own) => own.export(),
            Self::RmsProp(own) => own.export(),
            Self::Adam(own) => own.export(),
        }
    }

    fn import(&mut self, state: &OptimizerState) -> Result<(), OptimError> {
        match self {
            Self::Sgd(own) => own.import(state),
            Self::RmsProp(own) => own.import(state),
            Self::Adam(own) => own.import(state),
        }
    }

    fn settings(&self) -> Vec<(String, String)> {
        match self {
            Self::Sgd(own) => own.settings(),
            Self::RmsProp(own) => own.settings(),
            Self::Adam(own) => own.settings(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Tiny, tiny_specs};

    #[test]
    fn each_does_what_the_one_chosen_does() {
        let specs = tiny_specs();
        let grads = Tiny::waving(0.5);
        for config in [
            OptimizerConfig::Sgd(SgdConfig {
                momentum: 0.9,
                ..SgdConfig::default()
            }),
            OptimizerConfig::RmsProp(RmsPropConfig::default()),
            OptimizerConfig::Adam(AdamConfig::decoupled(0.1)),
        ] {
            let mut any = config.build(&specs, &[]).unwrap();
            let mut params = Tiny::counting();
            any.step(&mut params, &grads, 0.1).unwrap();
            let mut expected = Tiny::counting();
            match config {
                OptimizerConfig::Sgd(config) => {
                    Sgd::new(&specs, config)
                        .unwrap()
                        .step(&mut expected, &grads, 0.1)
                }
                OptimizerConfig::RmsProp(config) => {
                    RmsProp::new(&specs, config)
                        .unwrap()
                        .step(&mut expected, &grads, 0.1)
                }
                OptimizerConfig::Adam(config) => {
                    Adam::new(&specs, config)
                        .unwrap()
                        .step(&mut expected, &grads, 0.1)
                }
            }
            .unwrap();
            assert_eq!(params, expected);
            assert_eq!((any.steps(), any.export().steps), (1, 1));
            // The name in a checkpoint leads to the same kind of optimiser.
            let named: OptimizerConfig = any.export().algorithm.parse().unwrap();
            assert_eq!(named.name(), config.name());
            let mut resumed = config.build(&specs, &[]).unwrap();
            resumed.import(&any.export()).unwrap();
            any.step(&mut params, &grads, 0.1).unwrap();
            resumed.step(&mut expected, &grads, 0.1).unwrap();
            assert_eq!(params, expected);
        }
        assert!("adamax".parse::<OptimizerConfig>().is_err());
    }
}
