//! RMSProp (Tieleman & Hinton 2012, lecture 6.5).
//!
//! ```text
//! s <- decay s + (1 - decay) g^2
//! u  = g / (sqrt(s) + epsilon)
//! v <- momentum v + u        (only with momentum, then u = v)
//! p <- p - rate u
//! ```
//!
//! **Invariant:** `epsilon` is outside the square root and there is no bias correction, as in PyTorch.

use super::group::{ParamGroup, WeightDecay};
use super::layout::Layout;
use super::state::OptimizerState;
use super::{Optimizer, check_setting};
use crate::error::OptimError;
use crate::tensors::{ParamSpec, Tensors};

/// Name of the algorithm in checkpoints.
const NAME: &str = "rmsprop";

/// Settings of [`RmsProp`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RmsPropConfig {
    /// Share of the mean square that is kept, in `0..1`.
    pub decay: f32,
    /// Added to the root mean square, above 0.
    pub epsilon: f32,
    /// Share of the last velocity that is kept, in `0..1`.
    pub momentum: f32,
    /// Weight decay of tensors that no group selects.
    pub weight_decay: WeightDecay,
}

impl Default for RmsPropConfig {
    /// Decay 0.99, epsilon 1e-8, no momentum, no weight decay.
    fn default() -> Self {
        Self {
            decay: 0.99,
            epsilon: 1e-8,
            momentum: 0.0,
            weight_decay: WeightDecay::None,
        }
    }
}

/// Gradient descent scaled by the root mean square of past gradients.
#[derive(Clone, Debug)]
pub struct RmsProp {
    config: RmsPropConfig,
    layout: Layout,
    steps: u64,
    mean_square: Vec<f32>,
    velocity: Vec<f32>,
}

impl RmsProp {
    /// An optimiser for the tensors of `specs`.
    ///
    /// # Errors
    /// [`OptimError::Setting`] for a setting outside its range.
    pub fn new(specs: &[ParamSpec], config: RmsPropConfig) -> Result<Self, OptimError> {
        Self::with_groups(specs, config, &[])
    }

    /// As [`RmsProp::new`], with settings by name.
    ///
    /// # Errors
    /// As [`RmsProp::new`], and [`OptimError::EmptyGroup`] when a group selects no trained parameter.
    pub fn with_groups(
        specs: &[ParamSpec],
        config: RmsPropConfig,
        groups: &[ParamGroup],
    ) -> Result<Self, OptimError> {
        let RmsPropConfig {
            decay,
            epsilon,
            momentum,
            weight_decay,
        } = config;
        check_setting(NAME, "decay", "in 0..1", decay, (0.0..1.0).contains(&decay))?;
        check_setting(
            NAME,
            "momentum",
            "in 0..1",
            momentum,
            (0.0..1.0).contains(&momentum),
        )?;
        check_setting(
            NAME,
            "epsilon",
            "above 0",
            epsilon,
            epsilon.is_finite() && epsilon > 0.0,
        )?;
        let layout = Layout::new(NAME, specs, weight_decay, groups)?;
        let velocity = if momentum > 0.0 {
            layout.zero_slot()
        } else {
            Vec::new()
        };
        Ok(Self {
            config,
            steps: 0,
            mean_square: layout.zero_slot(),
            velocity,
            layout,
        })
    }
}

impl Optimizer for RmsProp {
    fn step<P: Tensors>(
        &mut self,
        params: &mut P,
        grads: &P,
        learning_rate: f32,
    ) -> Result<(), OptimError> {
        let RmsPropConfig {
            decay,
            epsilon,
            momentum,
            ..
        } = self.config;
        let scaled = |g: f32, s: f32| {
            let s = decay * s + (1.0 - decay) * g * g;
            (g / (s.sqrt() + epsilon), s)
        };
        if momentum == 0.0 {
            self.layout.update(
                params,
                grads,
                learning_rate,
                [&mut self.mean_square],
                |g, [s]| {
                    let (u, s) = scaled(g, s);
                    (u, [s])
                },
            )?;
        } else {
            let slots = [self.mean_square.as_mut_slice(), &mut self.velocity];
            self.layout
                .update(params, grads, learning_rate, slots, |g, [s, v]| {
                    let (u, s) = scaled(g, s);
                    let v = momentum * v + u;
                    (v, [s, v])
                })?;
        }
        self.steps += 1;
        Ok(())
    }

    fn steps(&self) -> u64 {
        self.steps
    }

    fn export(&self) -> OptimizerState {
        let slots: [(&str, &[f32]); 2] = [
            ("mean_square", &self.mean_square),
            ("velocity", &self.velocity),
        ];
        self.layout.export(
            self.steps,
            if self.config.momentum > 0.0 {
                &slots
            } else {
                &slots[..1]
            },
        )
    }

    fn import(&mut self, state: &OptimizerState) -> Result<(), OptimError> {
        let mut slots: Vec<(&str, &mut [f32])> = vec![("mean_square", &mut self.mean_square)];
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

    #[test]
    fn two_steps_by_hand() {
        // Decay 3/4, gradients 2 and 2: mean squares 1 and 7/4, epsilon far below one ulp.
        let config = RmsPropConfig {
            decay: 0.75,
            epsilon: 1e-12,
            ..RmsPropConfig::default()
        };
        let mut plain = RmsProp::new(&tiny_specs(), config).unwrap();
        let mut heavy = RmsProp::new(
            &tiny_specs(),
            RmsPropConfig {
                momentum: 0.5,
                ..config
            },
        )
        .unwrap();
        let mut params = [Tiny::counting(), Tiny::counting()];
        let mut grads = Tiny::counting();
        grads.fill(2.0);
        for _ in 0..2 {
            plain.step(&mut params[0], &grads, 0.25).unwrap();
            heavy.step(&mut params[1], &grads, 0.25).unwrap();
        }
        let second = 2.0 / 1.75_f32.sqrt();
        assert_eq!(params[0].cell.w[[0, 0]], 1.0 - 0.5 - 0.25 * second);
        assert_eq!(
            params[1].cell.w[[0, 0]],
            1.0 - 0.5 - 0.25 * (0.5 * 2.0 + second)
        );
        assert_eq!(params[0].scale[()], 11.0);
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        for config in [
            RmsPropConfig {
                decay: 1.0,
                ..RmsPropConfig::default()
            },
            RmsPropConfig {
                momentum: -0.1,
                ..RmsPropConfig::default()
            },
            RmsPropConfig {
                epsilon: 0.0,
                ..RmsPropConfig::default()
            },
        ] {
            assert!(matches!(
                RmsProp::new(&tiny_specs(), config),
                Err(OptimError::Setting { .. })
            ));
        }
    }
}
