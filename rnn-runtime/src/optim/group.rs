//! Per-parameter settings: weight decay and learning-rate scale, selected by name.
//!
//! **Invariant:** a group that selects no trained parameter is an error, so a misspelt name never passes silently.

use crate::pattern;

/// How parameters are pulled towards zero.
///
/// The three rules differ once the rate or the gradient scale varies; the literature calls all of them weight decay.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum WeightDecay {
    /// Not at all.
    #[default]
    None,
    /// `g + lambda p`: the gradient of the penalty `lambda/2 sum p^2`, seen by the moments of the optimiser.
    Penalty(f32),
    /// `p (1 - rate lambda)`, beside the gradient (Loshchilov & Hutter 2019: AdamW).
    Decoupled(f32),
    /// `p (1 - lambda)`, whatever the rate: the form `W <- (1 - lambda) W - rate grad` given for recurrent weights.
    Direct(f32),
}

impl WeightDecay {
    /// `lambda`, zero for [`WeightDecay::None`].
    pub fn strength(self) -> f32 {
        match self {
            Self::None => 0.0,
            Self::Penalty(lambda) | Self::Decoupled(lambda) | Self::Direct(lambda) => lambda,
        }
    }

    /// Weight `l2` of `p` in the gradient and factor `keep` of `p` in the update, for a learning rate of `rate`.
    pub(super) fn terms(self, rate: f32) -> (f32, f32) {
        match self {
            Self::None => (0.0, 1.0),
            Self::Penalty(lambda) => (lambda, 1.0),
            Self::Decoupled(lambda) => (0.0, 1.0 - rate * lambda),
            Self::Direct(lambda) => (0.0, 1.0 - lambda),
        }
    }
}

/// Settings for the parameters whose name matches a pattern; the first group that matches wins.
///
/// ```
/// use rnn_runtime::optim::{ParamGroup, WeightDecay};
///
/// // No decay of biases, slow recurrent weights.
/// let groups = [
///     ParamGroup::new("*.b_*").weight_decay(WeightDecay::None),
///     ParamGroup::new("lstm.U_*").rate_scale(0.5),
/// ];
/// assert!(groups[1].matches("lstm.U_i"));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ParamGroup {
    pub(super) pattern: String,
    pub(super) rate_scale: f32,
    pub(super) weight_decay: Option<WeightDecay>,
}

impl ParamGroup {
    /// A group of the parameters whose whole name matches `pattern`, where `*` stands for any characters.
    pub fn new(pattern: impl Into<String>) -> Self {
        Self {
            pattern: pattern.into(),
            rate_scale: 1.0,
            weight_decay: None,
        }
    }

    /// Multiplies the learning rate; zero freezes the group, whose gradients are computed all the same. Where a group is frozen for a
    /// whole run, [`Options::fixed`](crate::Options::fixed) leaves that work out.
    #[must_use]
    pub fn rate_scale(mut self, scale: f32) -> Self {
        self.rate_scale = scale;
        self
    }

    /// Replaces the weight decay of the optimiser.
    #[must_use]
    pub fn weight_decay(mut self, decay: WeightDecay) -> Self {
        self.weight_decay = Some(decay);
        self
    }

    /// Whether `name` belongs to the group.
    pub fn matches(&self, name: &str) -> bool {
        pattern::matches(&self.pattern, name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decay_terms() {
        assert_eq!(WeightDecay::None.terms(0.5), (0.0, 1.0));
        assert_eq!(WeightDecay::Penalty(0.25).terms(0.5), (0.25, 1.0));
        assert_eq!(WeightDecay::Decoupled(0.25).terms(0.5), (0.0, 0.875));
        assert_eq!(WeightDecay::Direct(0.25).terms(0.5), (0.0, 0.75));
    }
}
