//! The cells of xLSTM, with exponential gates.
//!
//! `m` is the largest logarithm of a weight so far. All weights are divided by `e^m`, which no output can see, so no
//! exponential is above one.

crate::rnn! {
    /// Scalar LSTM with exponential input gate and memory mixing (Beck, Pöppel, Spanring, Auer, Prudnikova, Kopp, Klambauer,
    /// Brandstetter & Hochreiter 2024, "xLSTM", eq. 8 to 17), with one head.
    ///
    /// `n` is the sum of the weights, so `c / n` is a weighted mean of what was written. The forget gate is a sigmoid, one of the
    /// paper's two choices: `ln f = -softplus(-f~)`.
    pub cell Slstm<I, H>(x: [I]) -> h: [H] {
        param W_z, W_i, W_f, W_o: [H, I] ~ glorot_uniform;
        param R_z, R_i, R_f, R_o: [H, H] ~ orthogonal;
        param b_z, b_i, b_o: [H] = 0;
        param b_f: [H] = 1;

        z[t] = tanh(W_z @ x[t] + R_z @ h[t-1] + b_z);
        log_i[t] = W_i @ x[t] + R_i @ h[t-1] + b_i;
        log_f[t] = -softplus(-(W_f @ x[t] + R_f @ h[t-1] + b_f));
        o[t] = sigmoid(W_o @ x[t] + R_o @ h[t-1] + b_o);

        m[t] = max(log_f[t] + m[t-1], log_i[t]);
        i[t] = exp(log_i[t] - m[t]);
        f[t] = exp(log_f[t] + m[t-1] - m[t]);
        c[t] = f[t] * c[t-1] + i[t] * z[t];
        n[t] = f[t] * n[t-1] + i[t];
        h[t] = o[t] * (c[t] / n[t]);
    }

    /// Matrix LSTM (Beck et al. 2024, "xLSTM", eq. 19 to 27), with one head: an associative memory `C`, written with
    /// `outer(v, k)` and read with a query. No gate reads the state.
    ///
    /// The paper bounds `|n . q|` from below by one; in terms of the scaled `n` that is `e^-m`, as its published code has it.
    pub cell Mlstm<I, D>(x: [I]) -> h: [D] {
        param W_q, W_k, W_v, W_o: [D, I] ~ glorot_uniform;
        param b_q, b_k, b_v, b_o: [D] = 0;
        param w_i, w_f: [I] ~ normal(0.0, 0.1);
        param b_i: [] = 0;
        param b_f: [] = 3;

        q[t] = W_q @ x[t] + b_q;
        k[t] = (W_k @ x[t]) / sqrt(D) + b_k;
        v[t] = W_v @ x[t] + b_v;
        o[t] = sigmoid(W_o @ x[t] + b_o);
        log_i[t] = w_i @ x[t] + b_i;
        log_f[t] = -softplus(-(w_f @ x[t] + b_f));

        m[t] = max(log_f[t] + m[t-1], log_i[t]);
        i[t] = exp(log_i[t] - m[t]);
        f[t] = exp(log_f[t] + m[t-1] - m[t]);
        C[t] = f[t] * C[t-1] + i[t] * outer(v[t], k[t]);
        n[t] = f[t] * n[t-1] + i[t] * k[t];
        h[t] = o[t] * (C[t] @ q[t]) / max(abs(n[t] @ q[t]), exp(-m[t]));
    }
}
