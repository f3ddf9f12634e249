//! Stochastic gradient descent, with momentum.
//!
//! ```text
//! v <- momentum v + g
//! u  = v                   (Polyak 1964)
//! u  = g + momentum v      (Nesterov 1983, in the form of Sutskever et al. 2013)
//! p <- p - rate u
//! ```
//!
//! **Invariant:** without momentum there is no state but the count of steps.

use super::group::{ParamGroup, WeightDecay};
use super::layout::Layout;
use super::state::OptimizerState;
use super::{Optimizer, check_setting};
use crate::error::OptimError;
use crate::tensors::{ParamSpec, Tensors};

/// Name of the algorithm in checkpoints.
const NAME: &str = "sgd";

/// Settings of [`Sgd`]; plain descent by default.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SgdConfig {
    /// Share of the last velocity that is kept, in `0..1`.
    pub momentum: f32,
    /// Whether to look ahead along the velocity; needs `momentum > 0`.
    pub nesterov: bool,
    /// Weight decay of tensors that no group selects.
    pub weight_decay: WeightDecay,
}

/// Stochastic gradient descent, with momentum.
#[derive(Clone, Debug)]
pub struct Sgd {
    config: SgdConfig,
    layout: Layout,
    steps: u64,
    velocity: Vec<f32>,
}

impl Sgd {
    /// An optimiser for the tensors of `specs`.
    ///
    /// # Errors
    /// [`OptimError::Setting`] when the momentum is outside `0..1`, or `nesterov` is set without momentum.
    pub fn new(specs: &[ParamSpec], config: SgdConfig) -> Result<Self, OptimError> {
        Self::with_groups(specs, config, &[])
    }

    /// As [`Sgd::new`], with settings by name.
    ///
    /// # Errors
    /// As [`Sgd::new`], and [`OptimError::EmptyGroup`] when a group selects no trained parameter.
    pub fn with_groups(
        specs: &[ParamSpec],
        config: SgdConfig,
        groups: &[ParamGroup],
    ) -> Result<Self, OptimError> {
        let SgdConfig {
            momentum,
            nesterov,
            weight_decay,
        } = config;
        check_setting(
            NAME,
            "momentum",
            "in 0..1",
            momentum,
            (0.0..1.0).contains(&momentum),
        )?;
        check_setting(
            NAME,
            "momentum",
            "above 0 with nesterov",
            momentum,
            !nesterov || momentum > 0.0,
        )?;
        let layout = Layout::new(NAME, specs, weight_decay, groups)?;
        let velocity = if momentum > 0.0 {
            layout.zero_slot()
        } else {
            Vec::new()
        };
        Ok(Self {
            config,
            layout,
            steps: 0,
            velocity,
        })
    }
}

impl Optimizer for Sgd {
    fn step<P: Tensors>(
        &mut self,
        params: &mut P,
        grads: &P,
        learning_rate: f32,
    ) -> Result<(), OptimError> {
        let SgdConfig {
            momentum, nesterov, ..
        } = self.config;
        if momentum == 0.0 {
            self.layout
                .update(params, grads, learning_rate, [], |g, []| (g, []))?;
        } else if nesterov {
            self.layout.update(
                params,
                grads,
                learning_rate,
                [&mut self.velocity],
                |g, [v]| {
                    let v = momentum * v + g;
                    (g + momentum * v, [v])
                },
            )?;
        } else {
            self.layout.update(
                params,
                grads,
                learning_rate,
                [&mut self.velocity],
                |g, [v]| {
                    let v = momentum * v + g;
                    (v, [v])
                },
            )?;
        }
        self.steps += 1;
        Ok(())
    }

    fn steps(&self) -> u64 {
        self.steps
    }

    fn export(&self) -> OptimizerState {
        let slot: (&str, &[f32]) = ("velocity", &self.velocity);
        let slots = [slot];
        self.layout.export(
            self.steps,
            if self.config.momentum > 0.0 {
                &slots
            } else {
                &[]
            },
        )
    }

    fn import(&mut self, state: &OptimizerState) -> Result<(), OptimError> {
        let mut slots: Vec<(&str, &mut [f32])> = Vec::new();
        if self.config.momentum > 0.0 {
            slots.push(("velocity", &mut self.velocity));
        }
        self.steps = self.layout.import(state, &mut slots)?;
        Ok(())
    }

    fn settings(&self) -> Vec<(String, String)> {
        self.layout.settings(&self.config, self.config.weight_decay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Tiny, tiny_specs};

    fn sgd(momentum: f32, nesterov: bool) -> Sgd {
        Sgd::new(
            &tiny_specs(),
            SgdConfig {
                momentum,
                nesterov,
                ..SgdConfig::default()
            },
        )
        .unwrap()
    }

    /// Value of one scalar that starts at 1, after steps with gradients 1 and 2 at a rate of 1/4.
    fn two_steps(mut optimizer: Sgd) -> [f32; 2] {
        let mut params = Tiny::counting();
        let mut grads = params.zeros_like();
        [1.0, 2.0].map(|gradient| {
            grads.fill(gradient);
            optimizer.step(&mut params, &grads, 0.25).unwrap();
            params.cell.w[[0, 0]]
        })
    }

    #[test]
    fn two_steps_by_hand() {
        assert_eq!(two_steps(sgd(0.0, false)), [0.75, 0.25]);
        // Velocities 1 and 2.5.
        assert_eq!(two_steps(sgd(0.5, false)), [0.75, 0.125]);
        // Directions 1 + 0.5 and 2 + 1.25.
        assert_eq!(two_steps(sgd(0.5, true)), [0.625, -0.1875]);
    }

    #[test]
    fn weight_decay_by_hand() {
        let step = |weight_decay| {
            let config = SgdConfig {
                weight_decay,
                ..SgdConfig::default()
            };
            two_steps(Sgd::new(&tiny_specs(), config).unwrap())[0]
        };
        // p = 1, g = 1, rate 1/4, lambda 1/2.
        assert_eq!(step(WeightDecay::Penalty(0.5)), 1.0 - 0.25 * 1.5);
        assert_eq!(step(WeightDecay::Decoupled(0.5)), 1.0 - 0.125 - 0.25);
        assert_eq!(step(WeightDecay::Direct(0.5)), 0.5 - 0.25);
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        let message = |config| Sgd::new(&tiny_specs(), config).unwrap_err().to_string();
        assert_eq!(
            message(SgdConfig {
                momentum: 1.0,
                ..SgdConfig::default()
            }),
            "sgd: expected momentum in 0..1, found 1"
        );
        assert_eq!(
            message(SgdConfig {
                nesterov: true,
                ..SgdConfig::default()
            }),
            "sgd: expected momentum above 0 with nesterov, found 0"
        );
        assert!(
            message(SgdConfig {
                weight_decay: WeightDecay::Direct(-1.0),
                ..SgdConfig::default()
            })
            .contains("weight decay finite and not negative")
        );
    }

    #[test]
    fn state_of_another_configuration_is_refused_whole() {
        let plain = sgd(0.0, false);
        let mut heavy = sgd(0.5, false);
        let error = heavy.import(&plain.export()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the state does not fit the optimiser: missing `velocity/cell.W`, `velocity/cell.b`, `velocity/readout`"
        );
        let mut state = heavy.export();
        assert!(
            sgd(0.0, false)
                .import(&state)
                .unwrap_err()
                .to_string()
                .contains("unexpected `velocity/cell.W`")
        );
        state.tensors[1].values = ndarray::ArrayD::ones(vec![9]);
        state.tensors[0].values.fill(3.0);
        let before = heavy.export();
        assert!(matches!(heavy.import(&state), Err(OptimError::State(_))));
        assert_eq!(heavy.export(), before);
    }
}
