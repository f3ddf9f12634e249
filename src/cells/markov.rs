//! Probabilistic recurrences, in the log semiring: products are sums, and sums are `logsumexp`.

crate::rnn! {
    /// The forward algorithm of a hidden Markov model with `S` states and `V` symbols (Rabiner 1989, eq. 19 to 21):
    /// `alpha[t][j] = ln p(y[1..=t], z[t] = j)`, so `logsumexp(alpha[T])` is the log-likelihood of a sequence.
    ///
    /// `pi`, `A` (from row to column) and `B` hold logits: the probabilities are their softmax, so gradients move them within
    /// the simplex.
    pub cell HmmForward<S, V>(y: token<V>) -> alpha: [S] {
        param pi: [S]    ~ normal(0.0, 1.0);
        param A:  [S, S] ~ normal(0.0, 1.0);
        param B:  [S, V] ~ normal(0.0, 1.0);

        log_A = log_softmax(A);
        log_B = log_softmax(B);
        emit = log_B.T;
        ahead[t] = logsumexp(alpha[t] + log_A.T);
        ahead[0] = log_softmax(pi);
        alpha[t] = ahead[t-1] + emit[y[t]];
    }
}
