//! Units that change at certain times only.

crate::rnn! {
    /// Clockwork network (Koutník, Greff, Gomez & Schmidhuber 2014): `G` groups of `K` units, of which group `g` changes at
    /// every `2^(g-1)`-th step and reads the groups that are no faster than itself.
    ///
    /// `G` is a number. Steps count from zero, so that all groups change at the first. The output joins the groups, the
    /// fastest first.
    pub cell Clockwork<I, K, G>(x: [I]) -> h: [G*K] {
        index g in 1..=G;
        param W[g]: [K, I] ~ glorot_uniform;
        param U[g]: [K, (G - g + 1)*K] ~ orthogonal;
        param b[g]: [K] = 0;

        clock[t] = clock[t-1] + 1;
        clock[0] = -1;
        period[g] = 2 * period[g-1];
        period[0] = 0.5;
        slower[g, t] = slice(h[t-1], (g - 1)*K, (G - g + 1)*K);
        s[g, t] = where(mod(clock[t], period[g]) == 0, tanh(W[g] @ x[t] + U[g] @ slower[g, t] + b[g]), s[g, t-1]);
        h[t] = concat[g](s[g, t]);
    }

    /// Phased LSTM (Neil, Pfeiffer & Liu 2016, eq. 1 to 10): an LSTM with peepholes whose units are open for a share `r_on` of a
    /// period of their own, `tau = e^log_tau`, and nearly closed in the rest, where `alpha` leaks.
    ///
    /// `time_stamp` is the time of the step; steps need not be equally far apart. `shift` is the paper's `s / tau`, so that
    /// it can be drawn uniformly for periods of any length.
    pub cell PhasedLstm<I, H>(x: [I], time_stamp: []) -> h: [H] {
        param W_i, W_f, W_g, W_o: [H, I] ~ glorot_uniform;
        param U_i, U_f, U_g, U_o: [H, H] ~ orthogonal;
        param p_i, p_f, p_o: [H] ~ normal(0.0, 0.1);
        param b_i, b_g, b_o: [H] = 0;
        param b_f: [H] = 1;
        param log_tau: [H] ~ uniform(0.0, 3.0);
        param shift: [H] ~ uniform(0.0, 1.0);
        param r_on: [H] = 0.05;
        fixed alpha: [] = 0.001;

        phi[t] = mod(time_stamp[t] / exp(log_tau) - shift, 1);
        k[t] = where(phi[t] < 0.5 * r_on, 2 * phi[t] / r_on, where(phi[t] < r_on, 2 - 2 * phi[t] / r_on, alpha * phi[t]));

        i[t] = sigmoid(W_i @ x[t] + U_i @ h[t-1] + p_i * c[t-1] + b_i);
        f[t] = sigmoid(W_f @ x[t] + U_f @ h[t-1] + p_f * c[t-1] + b_f);
        g[t] = tanh(W_g @ x[t] + U_g @ h[t-1] + b_g);
        n[t] = f[t] * c[t-1] + i[t] * g[t];
        c[t] = k[t] * n[t] + (1 - k[t]) * c[t-1];
        o[t] = sigmoid(W_o @ x[t] + U_o @ h[t-1] + p_o * n[t] + b_o);
        h[t] = k[t] * (o[t] * tanh(n[t])) + (1 - k[t]) * h[t-1];
    }
}
