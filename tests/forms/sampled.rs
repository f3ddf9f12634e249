//! Models of distributions, and layers that feed back into each other.

use rnn::cells::Lstm;
use rnn::prelude::*;

rnn! {
    /// A variational network (Chung et al. 2015, eq. 5 to 11): a latent value for each step, with a prior that the past gives.
    model VariationalStates<I, H, Z> {
        time   t in 1..=T;
        input  x[t]: [I];
        param  W_p, W_s: [Z, H] ~ glorot_uniform;
        param  V_m, V_s: [Z, I + H] ~ glorot_uniform;
        param  W_x: [I, Z + H] ~ glorot_uniform;
        param  W: [H, I + Z] ~ glorot_uniform;
        param  U: [H, H] ~ orthogonal;
        mean_p[t] = W_p @ h[t-1];
        std_p[t]  = 0.1 + softplus(W_s @ h[t-1]);
        mean_q[t] = V_m @ [x[t], h[t-1]];
        std_q[t]  = 0.1 + softplus(V_s @ [x[t], h[t-1]]);
        z[t]      = noise(mean_q[t], std_q[t]);
        y[t]      = W_x @ [z[t], h[t-1]];
        h[t]      = tanh(W @ [x[t], z[t]] + U @ h[t-1]);
        kl[t]     = sum(ln(std_p[t] / std_q[t]) + (square(std_q[t]) + square(mean_q[t] - mean_p[t])) / (2 * square(std_p[t])) - 0.5);
        output y, z;
        loss   sum[t](kl[t] + 0.5 * squared_error(y[t], x[t]));
    }

    /// Handwriting of a text (Graves 2013, eq. 17 to 25 and 46 to 57): a window slides along the characters, and the pen's next
    /// move is a mixture of correlated normal distributions.
    model Handwriting<V, H, K, M> {
        time   u in 1..=U;
        time   t in 1..=T;
        input  c[u]: token<V>;
        input  x[t]: [2];
        target dx[t], dy[t]: [];
        param  E: [V, V] ~ normal(0.0, 1.0);
        param  W_a, W_b, W_k: [K, H] ~ glorot_uniform;
        param  W_pi, W_mx, W_my, W_sx, W_sy, W_rho: [M, H] ~ glorot_uniform;
        layer  pen = Lstm<2 + V, H>;
        h[t]      = pen([x[t], w[t-1]]);
        k[t]      = k[t-1] + exp(W_k @ h[t]);
        phi[t, u] = sum(exp(W_a @ h[t]) * exp(-exp(W_b @ h[t]) * square(k[t] - u)));
        w[t]      = sum[u](phi[t, u] * E[c[u]]);

        rho[t] = 0.9 * tanh(W_rho @ h[t]);
        a[t]   = (dx[t] - W_mx @ h[t]) / exp(W_sx @ h[t]);
        b[t]   = (dy[t] - W_my @ h[t]) / exp(W_sy @ h[t]);
        far[t] = (square(a[t]) + square(b[t]) - 2 * rho[t] * a[t] * b[t]) / (2 * (1 - square(rho[t])));
        p[t]   = log_softmax(W_pi @ h[t]) - far[t] - (W_sx + W_sy) @ h[t] - 0.5 * ln(1 - square(rho[t])) - 1.837877;
        output phi, w;
        loss   -sum[t](logsumexp(p[t]));
    }

    /// Layers that feed back into each other (Chung, Gulcehre, Cho & Bengio 2015, eq. 5 and 6), each by a gate of its own.
    model GatedFeedback<I, H> {
        time   t in 1..=T;
        index  l in 1..=2;
        index  m in 1..=2;
        input  x[t]: [I];
        target d[t]: [H];
        param  P: [H, I] ~ glorot_uniform;
        param  W[l]: [H, H] ~ orthogonal;
        param  U[l, m]: [H, H] ~ orthogonal;
        param  w[l, m]: [H] ~ normal(0.0, 0.5);
        param  u[l, m]: [2*H] ~ normal(0.0, 0.5);
        all[t]     = concat[l](h[l, t]);
        h[0, t]    = P @ x[t];
        g[l, m, t] = sigmoid(w[l, m] @ h[l-1, t] + u[l, m] @ all[t-1]);
        h[l, t]    = tanh(W[l] @ h[l-1, t] + sum[m](g[l, m, t] * (U[l, m] @ h[m, t-1])));
        output h;
        loss   mean[t](squared_error(h[2, t], d[t]));
    }
}

super::agree! {
    each_step_has_a_latent_value: VariationalStates { I: 2, H: 3, Z: 2 };
    a_window_slides_along_a_text: Handwriting { V: 3, H: 3, K: 2, M: 2 };
    layers_feed_back_by_gates: GatedFeedback { I: 2, H: 3 };
}
