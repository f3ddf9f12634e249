//! Cross-entropy with what is said about classes beforehand.

crate::rnn! {
    /// Cross-entropy with smoothed labels (Szegedy et al. 2016, sec. 7): the token with probability `1 - smoothing`, and any of all
    /// `V` with `smoothing`.
    ///
    /// `smoothing` is a setting, 0.1 if nothing is said. The numbers are those of `cross_entropy(.., label_smoothing)` of PyTorch.
    pub cell SmoothedCrossEntropy<V>(logits: [V], k: token<V>) -> nll: [] {
        fixed smoothing: [] = 0.1;
        nll[t] = (1 - smoothing) * cross_entropy(logits[t], k[t]) - smoothing * mean(log_softmax(logits[t]));
    }

    /// Cross-entropy of which each class has a weight, for classes that are rare: `nll = weights[k] * cross_entropy`, and
    /// `weight = weights[k]`.
    ///
    /// `weights` are a setting, 1 if nothing is said. The weighted mean, as PyTorch computes it, is
    /// `sum[t](nll[t]) / sum[t](ce.weight[t])` of `nll[t] = ce(logits[t], k[t])`.
    pub cell WeightedCrossEntropy<V>(logits: [V], k: token<V>) -> nll: [] {
        fixed weights: [V] = 1;
        weight[t] = weights[k[t]];
        nll[t]    = weight[t] * cross_entropy(logits[t], k[t]);
    }
}
