//! Memories beside the state: fast weights, a stack, sums of exponentials, and a table that is written, linked and freed.

use rnn::prelude::*;

rnn! {
    /// Fast weights (Ba, Hinton, Mnih, Leibo & Ionescu 2016, eq. 1 and 4): two steps of an inner loop attend to recent states.
    model FastWeights<I, H> {
        time   t in 1..=T;
        index  s in 1..=2;
        input  x[t]: [I];
        target d[t]: [H];
        param  W: [H, H] ~ orthogonal;
        param  C: [H, I] ~ glorot_uniform;
        fixed  keep: [] = 0.9;
        fixed  rate: [] = 0.5;
        A[t]    = keep * A[t-1] + rate * outer(h[t], h[t]);
        z[t]    = W @ h[t-1] + C @ x[t];
        g[0, t] = tanh(z[t]);
        g[s, t] = tanh(layer_norm(z[t] + A[t-1] @ g[s-1, t]));
        h[t]    = g[2, t];
        output h;
        loss   mean[t](squared_error(h[t], d[t]));
    }

    /// A network with a continuous stack (Joulin & Mikolov 2015, eq. 4 to 6), which it reads at the top.
    model StackNetwork<I, H, N> {
        time   t in 1..=T;
        input  x[t]: [I];
        target d[t]: [H];
        param  U: [H, I] ~ glorot_uniform;
        param  R: [H, H] ~ orthogonal;
        param  P: [H, 2] ~ glorot_uniform;
        param  A, D: [H] ~ normal(0.0, 0.5);
        h[t] = sigmoid(U @ x[t] + R @ h[t-1] + P @ slice(s[t-1], 0, 2));
        push[t] = sigmoid(A @ h[t]);
        s[t]: [N] = push[t] * [sigmoid(D @ h[t]), slice(s[t-1], 0, N - 1)] + (1 - push[t]) * [slice(s[t-1], 1, N - 1), -1];
        s[0] = -1;
        output h, s;
        loss   mean[t](squared_error(h[t], d[t]));
    }

    /// A differentiable neural computer with one reading head (Graves et al. 2016, methods): memory is found by content, given
    /// out where it is free, and read in the order in which it was written.
    model Computer<I, H, N, W> {
        time   t in 1..=T;
        input  x[t]: [I];
        target d[t]: [H];
        param  W_x: [H, I] ~ glorot_uniform;
        param  W_r: [H, W] ~ glorot_uniform;
        param  U: [H, H] ~ orthogonal;
        param  W_k, W_q, W_e, W_v: [W, H] ~ glorot_uniform;
        param  w_b, w_c, w_f, w_a, w_g: [H] ~ normal(0.0, 0.5);
        param  W_m: [3, H] ~ glorot_uniform;
        fixed  rank: [N] ~ normal(0.0, 1.0);
        fixed  eye: [N, N] ~ identity;

        one: [N] = 1;
        h[t] = tanh(W_x @ x[t] + W_r @ r[t-1] + U @ h[t-1]);
        k[t] = W_k @ h[t];
        q[t] = W_q @ h[t];
        m[t] = softmax(W_m @ h[t]);

        // What is free: the first of the slots that are used least.
        u[t] = (u[t-1] + w[t-1] - u[t-1] * w[t-1]) * (1 - sigmoid(w_f @ h[t]) * o[t-1]);
        v[t] = 1e-2 + 0.98 * clamp(u[t], 0, 1) + 1e-3 * sigmoid(rank);
        before[t] = outer(one, v[t]) < outer(v[t], one);
        a[t] = (1 - v[t]) * exp(before[t] @ ln(v[t]));

        c[t] = softmax(softplus(w_b @ h[t]) * (M[t-1] @ k[t]) / (sqrt(sum(square(M[t-1])) + 1e-2) * sqrt(k[t] @ k[t] + 1e-2)));
        w[t] = sigmoid(w_g @ h[t]) * (sigmoid(w_a @ h[t]) * a[t] + (1 - sigmoid(w_a @ h[t])) * c[t]);
        M[t] = M[t-1] * (1 - outer(w[t], sigmoid(W_e @ h[t]))) + outer(w[t], W_v @ h[t]);

        // What was written after what.
        L[t] = (1 - eye) * ((1 - outer(w[t], one) - outer(one, w[t])) * L[t-1] + outer(w[t], p[t-1]));
        p[t] = (1 - sum(w[t])) * p[t-1] + w[t];
        f[t] = softmax(softplus(w_c @ h[t]) * (M[t] @ q[t]) / (sqrt(sum(square(M[t])) + 1e-2) * sqrt(q[t] @ q[t] + 1e-2)));
        o[t] = m[t][0] * (o[t-1] @ L[t]) + m[t][1] * f[t] + m[t][2] * (L[t] @ o[t-1]);
        r[t] = o[t] @ M[t];
        output h, r;
        loss   mean[t](squared_error(h[t], d[t]));
    }

    /// Mixing over time (Peng et al. 2023, eq. 11 to 16 and appendix D): sums of exponentials beside their largest exponents.
    model TimeMixing<D> {
        time   t in 1..=T;
        input  x[t]: [D];
        target d[t]: [D];
        param  mix_r, mix_k, mix_v: [D] = 0.5;
        param  W_r, W_k, W_v, W_o: [D, D] ~ glorot_uniform;
        param  decay, bonus: [D] ~ uniform(-1.0, 1.0);
        r[t] = W_r @ (mix_r * x[t] + (1 - mix_r) * x[t-1]);
        k[t] = W_k @ (mix_k * x[t] + (1 - mix_k) * x[t-1]);
        v[t] = W_v @ (mix_v * x[t] + (1 - mix_v) * x[t-1]);
        w    = exp(decay);

        p[t] = max(p[t-1] - w, k[t]);
        p[0] = -1e4;
        a[t] = exp(p[t-1] - w - p[t]) * a[t-1] + exp(k[t] - p[t]) * v[t];
        b[t] = exp(p[t-1] - w - p[t]) * b[t-1] + exp(k[t] - p[t]);

        q[t] = max(p[t-1], bonus + k[t]);
        n[t] = exp(p[t-1] - q[t]) * a[t-1] + exp(bonus + k[t] - q[t]) * v[t];
        e[t] = exp(p[t-1] - q[t]) * b[t-1] + exp(bonus + k[t] - q[t]);
        y[t] = W_o @ (sigmoid(r[t]) * n[t] / e[t]);
        output y;
        loss   mean[t](squared_error(y[t], d[t]));
    }
}

super::agree! {
    fast_weights_attend_to_recent_states: FastWeights { I: 2, H: 4 };
    a_stack_is_pushed_and_popped_in_part: StackNetwork { I: 2, H: 3, N: 4 };
    a_computer_allocates_links_and_reads: Computer { I: 2, H: 4, N: 3, W: 2 };
    time_is_mixed_by_exponentials: TimeMixing { D: 3 };
}
