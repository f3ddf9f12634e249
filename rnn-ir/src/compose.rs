//! The functions of the language that are compositions of primitives.
//!
//! **Invariant:** each is a formula over [`Builder`] methods, so it needs no rule of its own anywhere else.

use crate::axis::{AxisId, Domain};
use crate::builder::{Builder, Built};
use crate::node::{NodeId, Shape};
use crate::op::{Binary, Compare, Over, Reduction, Unary};

impl Builder {
    fn number(&mut self, value: f64) -> NodeId {
        self.constant(value, Shape::scalar())
    }

    fn over_positive(&mut self, x: NodeId, then: NodeId, otherwise: NodeId) -> Built {
        let zero = self.number(0.0);
        let positive = self.compare(Compare::Gt, x, zero)?;
        self.select(positive, then, otherwise)
    }

    /// `x` for `x > 0`, else `slope * x` (Maas, Hannun & Ng 2013; 0.01 there).
    pub fn leaky_relu(&mut self, x: NodeId, slope: f64) -> Built {
        let slope = self.number(slope);
        let scaled = self.mul(slope, x)?;
        self.over_positive(x, x, scaled)
    }

    /// `x` for `x > 0`, else `alpha * (e^x - 1)` (Clevert, Unterthiner & Hochreiter 2016, eq. 15).
    pub fn elu(&mut self, x: NodeId, alpha: f64) -> Built {
        let (zero, one, alpha) = (self.number(0.0), self.number(1.0), self.number(alpha));
        // The smaller of x and 0, so that the branch not taken cannot overflow.
        let negative = self.binary(Binary::Min, x, zero)?;
        let exp = self.unary(Unary::Exp, negative)?;
        let less = self.sub(exp, one)?;
        let scaled = self.mul(alpha, less)?;
        self.over_positive(x, x, scaled)
    }

    /// `0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))` (Hendrycks & Gimpel 2016, sec. 2).
    pub fn gelu(&mut self, x: NodeId) -> Built {
        let cubic = self.number(0.044_715);
        let scale = self.number((2.0 / std::f64::consts::PI).sqrt());
        let (half, one) = (self.number(0.5), self.number(1.0));
        let square = self.mul(x, x)?;
        let cube = self.mul(square, x)?;
        let cube = self.mul(cubic, cube)?;
        let inner = self.add(x, cube)?;
        let inner = self.mul(scale, inner)?;
        let tanh = self.unary(Unary::Tanh, inner)?;
        let gate = self.add(one, tanh)?;
        let half = self.mul(half, x)?;
        self.mul(half, gate)
    }

    /// `x * sigmoid(x)` (Elfwing, Uchibe & Doya 2018, eq. 8).
    pub fn silu(&mut self, x: NodeId) -> Built {
        let gate = self.unary(Unary::Sigmoid, x)?;
        self.mul(x, gate)
    }

    /// `x / (1 + |x|)`
    pub fn softsign(&mut self, x: NodeId) -> Built {
        let one = self.number(1.0);
        let abs = self.unary(Unary::Abs, x)?;
        let below = self.add(one, abs)?;
        self.div(x, below)
    }

    /// `min(max(x, low), high)`
    pub fn clamp(&mut self, x: NodeId, low: NodeId, high: NodeId) -> Built {
        let above = self.binary(Binary::Max, x, low)?;
        self.binary(Binary::Min, above, high)
    }

    /// `a - b floor(a / b)`: the rest of a division, with the sign of `b`. Its derivative by `a` is one, by `b`
    /// `-floor(a / b)`.
    pub fn modulo(&mut self, a: NodeId, b: NodeId) -> Built {
        let quotient = self.div(a, b)?;
        let whole = self.unary(Unary::Floor, quotient)?;
        let product = self.mul(b, whole)?;
        self.sub(a, product)
    }

    /// `clamp(x / 6 + 1/2, 0, 1)`, as PyTorch and Keras 3 define it.
    pub fn hard_sigmoid(&mut self, x: NodeId) -> Built {
        let (six, half) = (self.number(6.0), self.number(0.5));
        let scaled = self.div(x, six)?;
        let line = self.add(scaled, half)?;
        let (low, high) = (self.number(0.0), self.number(1.0));
        self.clamp(line, low, high)
    }

    /// `clamp(x, -1, 1)`
    pub fn hard_tanh(&mut self, x: NodeId) -> Built {
        let (low, high) = (self.number(-1.0), self.number(1.0));
        self.clamp(x, low, high)
    }

    /// The mean over the last feature axis: its sum over its size.
    pub fn mean_last(&mut self, x: NodeId) -> Built {
        let sum = self.reduce_last(Reduction::Sum, x)?;
        let shape = self.shape(x).clone();
        let last = shape.rank() - 1;
        // The size is the sum of ones: known once the sizes are, and folded then.
        let ones = self.constant(1.0, Shape::vector(shape.0[last].clone()));
        let count = self.reduce_last(Reduction::Sum, ones)?;
        self.div(sum, count)
    }

    /// `x - logsumexp(x)` over the last feature axis.
    pub fn log_softmax(&mut self, x: NodeId) -> Built {
        let total = self.reduce_last(Reduction::LogSumExp, x)?;
        let shape = self.shape(x).clone();
        let last = shape.rank() - 1;
        let total = self.expand(total, last, shape.0[last].clone())?;
        self.sub(x, total)
    }

    /// `logsumexp(logits) - logits[target]`, in nats.
    pub fn cross_entropy(&mut self, logits: NodeId, target: NodeId) -> Built {
        let picked = self.gather(logits, target)?;
        let total = self.reduce_last(Reduction::LogSumExp, logits)?;
        self.sub(total, picked)
    }

    /// The cross-entropy with labels that are the target with probability `1 - smoothing` and any token with `smoothing`
    /// (Szegedy et al. 2016, sec. 7): `logsumexp(logits) - (1 - smoothing) logits[target] - smoothing mean(logits)`, in nats.
    pub fn smoothed_cross_entropy(
        &mut self,
        logits: NodeId,
        target: NodeId,
        smoothing: f64,
    ) -> Built {
        if smoothing == 0.0 {
            return self.cross_entropy(logits, target);
        }
        let picked = self.gather(logits, target)?;
        let mean = self.mean_last(logits)?;
        let [own, others] =
            [1.0 - smoothing, smoothing].map(|share| self.constant(share, Shape::scalar()));
        let (own, others) = (self.mul(own, picked)?, self.mul(others, mean)?);
        let expected = self.add(own, others)?;
        let total = self.reduce_last(Reduction::LogSumExp, logits)?;
        self.sub(total, expected)
    }

    /// `(y - target)^2`, summed over all features.
    pub fn squared_error(&mut self, y: NodeId, target: NodeId) -> Built {
        let error = self.sub(y, target)?;
        let square = self.mul(error, error)?;
        self.sum_features(square)
    }

    /// `softplus(z) - target * z`: the cross-entropy of `sigmoid(z)` with a target between 0 and 1, summed over all
    /// features. `z` is a logit.
    pub fn binary_cross_entropy(&mut self, logit: NodeId, target: NodeId) -> Built {
        let softplus = self.unary(Unary::Softplus, logit)?;
        let agreed = self.mul(target, logit)?;
        let loss = self.sub(softplus, agreed)?;
        self.sum_features(loss)
    }

    /// The sum over all feature axes.
    pub fn sum_features(&mut self, x: NodeId) -> Built {
        let mut x = x;
        while !self.shape(x).is_scalar() {
            x = self.reduce_last(Reduction::Sum, x)?;
        }
        Ok(x)
    }

    /// `sum[axis](x)`
    pub fn sum_over(&mut self, x: NodeId, axis: AxisId) -> Built {
        self.axis_reduce(Over::Sum, x, Domain::of(axis))
    }

    /// `max[axis](x)`
    pub fn max_over(&mut self, x: NodeId, axis: AxisId) -> Built {
        self.axis_reduce(Over::Max, x, Domain::of(axis))
    }

    /// `mean[axis](x)`: the sum over the example's own length; zero for an empty sequence.
    pub fn mean_over(&mut self, x: NodeId, axis: AxisId) -> Built {
        let sum = self.sum_over(x, axis)?;
        let (length, one) = (self.length(axis)?, self.number(1.0));
        let count = self.binary(Binary::Max, length, one)?;
        self.div(sum, count)
    }

    // e^(x - m) with m the largest; m needs no derivative, since neither result changes with it.
    fn shifted_exp_over(
        &mut self,
        x: NodeId,
        axis: AxisId,
    ) -> Result<(NodeId, NodeId), crate::typing::TypeError> {
        let largest = self.max_over(x, axis)?;
        let largest = self.stop_gradient(largest)?;
        let shifted = self.sub(x, largest)?;
        Ok((self.unary(Unary::Exp, shifted)?, largest))
    }

    /// `logsumexp[axis](x)`
    pub fn logsumexp_over(&mut self, x: NodeId, axis: AxisId) -> Built {
        let (exp, largest) = self.shifted_exp_over(x, axis)?;
        let sum = self.sum_over(exp, axis)?;
        let ln = self.unary(Unary::Ln, sum)?;
        self.add(ln, largest)
    }

    /// `softmax[axis](x)`
    pub fn softmax_over(&mut self, x: NodeId, axis: AxisId) -> Built {
        let (exp, _) = self.shifted_exp_over(x, axis)?;
        let sum = self.sum_over(exp, axis)?;
        self.div(exp, sum)
    }

    /// `log_softmax[axis](x)`
    pub fn log_softmax_over(&mut self, x: NodeId, axis: AxisId) -> Built {
        let total = self.logsumexp_over(x, axis)?;
        self.sub(x, total)
    }
}
