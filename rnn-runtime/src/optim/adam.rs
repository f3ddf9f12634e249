//! Adam and AdamW.
//!
//! ```text
//! m <- beta1 m + (1 - beta1) g
//! v <- beta2 v + (1 - beta2) g^2
//! u  = (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon)
//! p <- p - rate u
//! ```
//!
//! Kingma & Ba 2015, algorithm 1, with the bias corrections in `f64`. With [`WeightDecay::Decoupled`] it is AdamW
//! (Loshchilov & Hutter 2019, algorithm 2, schedule multiplier 1).
//!
//! **Invariant:** the state is the two moments and the step count; the corrections are computed from the count alone.

use super::group::{ParamGroup, WeightDecay};
use super::layout::Layout;
use super::state::OptimizerState;
use super::{Optimizer, check_setting};
use crate::error::OptimError;
use crate::tensors::{ParamSpec, Tensors};

/// Name of the algorithm in checkpoints.
const NAME: &str = "adam";

/// Settings of [`Adam`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamConfig {
    /// Share of the first moment that is kept, in `0..1`.
    pub beta1: f32,
    /// Share of the second moment that is kept, in `0..1`.
    pub beta2: f32,
    /// Added to the root of the second moment, above 0.
    pub epsilon: f32,
    /// Weight decay of tensors that no group selects.
    pub weight_decay: WeightDecay,
}

impl Default for AdamConfig {
    /// The paper's: 0.9, 0.999, 1e-8, no weight decay.
    fn default() -> Self {
        Self {
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: WeightDecay::None,
        }
    }
}

impl AdamConfig {
    /// AdamW: the defaults with decoupled weight decay `lambda`.
    pub fn decoupled(lambda: f32) -> Self {
        Self {
            weight_decay: WeightDecay::Decoupled(lambda),
            ..Self::default()
        }
    }
}

/// Adam, or AdamW with decoupled weight decay.
#[derive(Clone, Debug)]
pub struct Adam {
    config: AdamConfig,
    layout: Layout,
    steps: u64,
    first: Vec<f32>,
    second: Vec<f32>,
}

impl Adam {
    /// An optimiser for the tensors of `specs`.
    ///
    /// # Errors
    /// [`OptimError::Setting`] for a setting outside its range.
    pub fn new(specs: &[ParamSpec], config: AdamConfig) -> Result<Self, OptimError> {
        Self::with_groups(specs, config, &[])
    }

    /// As [`Adam::new`], with settings by name.
    ///
    /// # Errors
    /// As [`Adam::new`], and [`OptimError::EmptyGroup`] when a group selects no trained parameter.
    pub fn with_groups(
        specs: &[ParamSpec],
        config: AdamConfig,
        groups: &[ParamGroup],
    ) -> Result<Self, OptimError> {
        let AdamConfig {
            beta1,
            beta2,
            epsilon,
            weight_decay,
        } = config;
        check_setting(NAME, "beta1", "in 0..1", beta1, (0.0..1.0).contains(&beta1))?;
        check_setting(NAME, "beta2", "in 0..1", beta2, (0.0..1.0).contains(&beta2))?;
        check_setting(
            NAME,
            "epsilon",
            "above 0",
            epsilon,
            epsilon.is_finite() && epsilon > 0.0,
        )?;
        let layout = Layout::new(NAME, specs, weight_decay, groups)?;
        Ok(Self {
            config,
            steps: 0,
            first: layout.zero_slot(),
            second: layout.zero_slot(),
            layout,
        })
    }
}

impl Optimizer for Adam {
    fn step<P: Tensors>(
        &mut self,
        params: &mut P,
        grads: &P,
        learning_rate: f32,
    ) -> Result<(), OptimError> {
        let AdamConfig {
            beta1,
            beta2,
            epsilon,
            ..
        } = self.config;
        let t = self.steps.saturating_add(1);
        let first_correction = (1.0 / (1.0 - power(f64::from(beta1), t))) as f32;
        let second_correction = (1.0 / (1.0 - power(f64::from(beta2), t)).sqrt()) as f32;
        let slots = [self.first.as_mut_slice(), &mut self.second];
        self.layout
            .update(params, grads, learning_rate, slots, |g, [m, v]| {
                let m = beta1 * m + (1.0 - beta1) * g;
                let v = beta2 * v + (1.0 - beta2) * (g * g);
                (
                    m * first_correction / (v.sqrt() * second_correction + epsilon),
                    [m, v],
                )
            })?;
        self.steps = t;
        Ok(())
    }

    fn steps(&self) -> u64 {
        self.steps
    }

    fn export(&self) -> OptimizerState {
        self.layout.export(
            self.steps,
            &[
                ("first_moment", &self.first),
                ("second_moment", &self.second),
            ],
        )
    }

    fn import(&mut self, state: &OptimizerState) -> Result<(), OptimError> {
        let slots: &mut [(&str, &mut [f32])] = &mut [
            ("first_moment", &mut self.first),
            ("second_moment", &mut self.second),
        ];
        self.steps = self.layout.import(state, slots)?;
        Ok(())
    }

    fn settings(&self) -> Vec<(String, String)> {
        self.layout.settings(&self.config, self.config.weight_decay)
    }
}

/// `base^exponent` by squaring, the same bits on every platform.
fn power(mut base: f64, mut exponent: u64) -> f64 {
    let mut result = 1.0;
    while exponent > 0 {
        if exponent & 1 == 1 {
            result *= base;
        }
        base *= base;
        exponent >>= 1;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Tiny, tiny_specs};

    /// Rounding of the dozen `f32` operations of one update of about 0.1, each within half an ulp: 12 * 2^-25.
    const STEP_TOLERANCE: f64 = 4e-7;

    /// The paper's algorithm for one scalar, in f64 and without any rearrangement.
    struct Reference {
        p: f64,
        m: f64,
        v: f64,
        t: i32,
    }

    impl Reference {
        fn step(&mut self, g: f64, rate: f64, config: AdamConfig) {
            let (beta1, beta2) = (f64::from(config.beta1), f64::from(config.beta2));
            let g = match config.weight_decay {
                WeightDecay::Penalty(lambda) => g + f64::from(lambda) * self.p,
                _ => g,
            };
            self.t += 1;
            self.m = beta1 * self.m + (1.0 - beta1) * g;
            self.v = beta2 * self.v + (1.0 - beta2) * g * g;
            let m_hat = self.m / (1.0 - beta1.powi(self.t));
            let v_hat = self.v / (1.0 - beta2.powi(self.t));
            let decay = match config.weight_decay {
                WeightDecay::Decoupled(lambda) => f64::from(lambda) * self.p,
                _ => 0.0,
            };
            self.p -= rate * (m_hat / (v_hat.sqrt() + f64::from(config.epsilon)) + decay);
        }
    }

    #[test]
    fn first_step_has_the_length_of_the_rate() {
        // At t = 1 the corrections cancel the averages: u = g / (|g| + epsilon).
        let mut adam = Adam::new(&tiny_specs(), AdamConfig::default()).unwrap();
        let mut params = Tiny::counting();
        let mut grads = params.zeros_like();
        grads.cell.b[0] = 1e-3;
        grads.cell.b[1] = -50.0;
        adam.step(&mut params, &grads, 0.1).unwrap();
        assert!((f64::from(params.cell.b[0]) - (7.0 - 0.1)).abs() < 4e-6);
        assert!((f64::from(params.cell.b[1]) - (8.0 + 0.1)).abs() < 4e-6);
        assert_eq!(params.readout, Tiny::counting().readout);
        assert_eq!(adam.steps(), 1);
    }

    #[test]
    fn follows_the_papers_algorithm() {
        for weight_decay in [
            WeightDecay::None,
            WeightDecay::Penalty(0.1),
            WeightDecay::Decoupled(0.1),
        ] {
            let config = AdamConfig {
                weight_decay,
                ..AdamConfig::default()
            };
            let mut adam = Adam::new(&tiny_specs(), config).unwrap();
            let mut params = Tiny::waving(0.0);
            let mut reference = Reference {
                p: f64::from(params.readout[1]),
                m: 0.0,
                v: 0.0,
                t: 0,
            };
            for t in 0..50 {
                let grads = Tiny::waving(t as f32);
                adam.step(&mut params, &grads, 0.1).unwrap();
                reference.step(f64::from(grads.readout[1]), f64::from(0.1_f32), config);
                let error = (f64::from(params.readout[1]) - reference.p).abs();
                assert!(
                    error <= STEP_TOLERANCE * f64::from(t + 1),
                    "{weight_decay:?}, step {t}: {error:e}"
                );
            }
        }
    }

    #[test]
    fn fixed_tensors_stay() {
        let mut adam = Adam::new(&tiny_specs(), AdamConfig::decoupled(0.5)).unwrap();
        let mut params = Tiny::counting();
        let grads = Tiny::counting();
        adam.step(&mut params, &grads, 0.1).unwrap();
        assert_eq!(params.scale[()], 11.0);
        assert!(
            adam.export()
                .tensors
                .iter()
                .all(|tensor| tensor.name != "scale")
        );
    }

    #[test]
    fn resuming_from_an_exported_state_is_bit_exact() {
        let config = AdamConfig::decoupled(0.01);
        let mut whole = Adam::new(&tiny_specs(), config).unwrap();
        let mut params = Tiny::waving(0.0);
        for t in 0..7 {
            whole
                .step(&mut params, &Tiny::waving(t as f32), 0.1)
                .unwrap();
        }
        let mut resumed = Adam::new(&tiny_specs(), config).unwrap();
        resumed.import(&whole.export()).unwrap();
        let mut params_resumed = params.clone();
        for t in 7..20 {
            let grads = Tiny::waving(t as f32);
            whole.step(&mut params, &grads, 0.1).unwrap();
            resumed.step(&mut params_resumed, &grads, 0.1).unwrap();
        }
        assert_eq!(params, params_resumed);
        assert_eq!(whole.export(), resumed.export());
    }

    #[test]
    fn settings_and_foreign_states_are_refused() {
        for config in [
            AdamConfig {
                beta1: 1.0,
                ..AdamConfig::default()
            },
            AdamConfig {
                beta2: -0.5,
                ..AdamConfig::default()
            },
            AdamConfig {
                epsilon: f32::NAN,
                ..AdamConfig::default()
            },
        ] {
            assert!(matches!(
                Adam::new(&tiny_specs(), config),
                Err(OptimError::Setting { .. })
            ));
        }
        let mut adam = Adam::new(&tiny_specs(), AdamConfig::default()).unwrap();
        let mut state = adam.export();
        state.algorithm = "sgd".to_owned();
        assert_eq!(
            adam.import(&state).unwrap_err().to_string(),
            "expected the state of `adam`, found that of `sgd`; resume with the optimiser that was saved"
        );
    }

    #[test]
    fn powers_by_squaring() {
        assert_eq!(power(0.5, 0), 1.0);
        assert_eq!(power(0.5, 10), 1.0 / 1024.0);
        assert_eq!(power(0.999, u64::MAX), 0.0);
    }
}
