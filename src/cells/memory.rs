//! Networks that address a memory.

use super::Lstm;

crate::rnn! {
    /// A head of a neural Turing machine (Graves, Wayne & Danihelka 2014, eq. 5 to 9): from what the controller says, `h`, and
    /// the memory, `M`, weights over the `N` rows. Shifts are by at most one row; rows are in a circle.
    ///
    /// The paper leaves open how the weights begin; they are trained here, as the logits `w_start`.
    pub cell NtmHead<H, N, D>(h: [H], M: [N, D]) -> w: [N] {
        param W_k: [D, H] ~ glorot_uniform;
        param W_s: [3, H] ~ glorot_uniform;
        param w_beta, w_g, w_gamma: [H] ~ normal(0.0, 0.1);
        param b_k: [D] = 0;
        param b_s: [3] = 0;
        param b_beta, b_g, b_gamma: [] = 0;
        param w_start: [N] ~ normal(0.0, 0.1);

        k[t] = tanh(W_k @ h[t] + b_k);
        beta[t] = softplus(w_beta @ h[t] + b_beta);
        g[t] = sigmoid(w_g @ h[t] + b_g);
        s[t] = softmax(W_s @ h[t] + b_s);
        gamma[t] = 1 + softplus(w_gamma @ h[t] + b_gamma);

        // Content: the cosine of the key with every row (eq. 5 and 6), then how much of the weights before stays (eq. 7).
        lengths[t] = sqrt(sum(square(M[t])) + 0.000001) * sqrt(sum(square(k[t])) + 0.000001);
        content[t] = softmax(beta[t] * (M[t] @ k[t]) / lengths[t]);
        v[t] = g[t] * content[t] + (1 - g[t]) * w[t-1];
        w[0] = softmax(w_start);

        // Shift by -1, 0 and 1 rows (eq. 8), and sharpen: `u^gamma / sum(u^gamma)` (eq. 9).
        back[t] = sum(slice(s[t], 0, 1)) * [slice(v[t], 1, N - 1), slice(v[t], 0, 1)];
        stay[t] = sum(slice(s[t], 1, 1)) * v[t];
        forth[t] = sum(slice(s[t], 2, 1)) * [slice(v[t], N - 1, 1), slice(v[t], 0, N - 1)];
        u[t] = back[t] + stay[t] + forth[t];
        w[t] = softmax(gamma[t] * ln(u[t] + 0.000000000001));
    }

    /// Neural Turing machine with one head that writes and one that reads, and an LSTM for a controller (Graves, Wayne & Danihelka
    /// 2014, eq. 2 to 9): `N` rows of `D` numbers.
    ///
    /// In a step the memory is written and then read. Its content at the start is trained.
    pub cell Ntm<I, H, N, D>(x: [I]) -> y: [H + D] {
        layer controller = Lstm<I + D, H>;
        layer write = NtmHead<H, N, D>;
        layer read = NtmHead<H, N, D>;
        param W_e, W_a: [D, H] ~ glorot_uniform;
        param b_e, b_a: [D] = 0;
        param M_start: [N, D] ~ normal(0.0, 0.1);
        param r_start: [D] = 0;

        h[t] = controller([x[t], r[t-1]]);
        e[t] = sigmoid(W_e @ h[t] + b_e);
        a[t] = tanh(W_a @ h[t] + b_a);
        w_write[t] = write(h[t], M[t-1]);
        M[t] = M[t-1] * (1 - outer(w_write[t], e[t])) + outer(w_write[t], a[t]);
        M[0] = M_start;
        w_read[t] = read(h[t], M[t]);
        r[t] = w_read[t] @ M[t];
        r[0] = r_start;
        y[t] = [h[t], r[t]];
    }
}
