//! Time that is not counted in steps: gaps, decays, delays, and steps that a network takes for itself.

use rnn::prelude::*;

rnn! {
    /// GRU-D (Che, Purushotham, Cho, Sontag & Liu 2018, eq. 5 and 10 to 17): what is missing decays to its mean, and the state
    /// with it. `seen` is 1 where a value was seen, `at` the time.
    model Missing<I, H> {
        time   t in 1..=T;
        input  x[t], seen[t]: [I];
        input  at[t]: [];
        target d[t]: [H];
        param  w_x, b_x: [I] ~ uniform(0.1, 0.9);
        param  W_h: [H, I] ~ glorot_uniform;
        param  b_h: [H] = 0.1;
        fixed  mean_x: [I] = 0.3;
        param  W_z, W_r, W_n, V_z, V_r, V_n: [H, I] ~ glorot_uniform;
        param  U_z, U_r, U_n: [H, H] ~ orthogonal;

        gap[t]  = where(t == 1, 0, at[t] - at[t-1] + where(seen[t-1] > 0, 0, gap[t-1]));
        last[t] = where(seen[t] > 0, x[t], last[t-1]);
        g_x[t]  = exp(-relu(w_x * gap[t] + b_x));
        g_h[t]  = exp(-relu(W_h @ gap[t] + b_h));
        v[t]    = where(seen[t] > 0, x[t], g_x[t] * last[t-1] + (1 - g_x[t]) * mean_x);
        k[t]    = g_h[t] * h[t-1];
        z[t]    = sigmoid(W_z @ v[t] + U_z @ k[t] + V_z @ seen[t]);
        r[t]    = sigmoid(W_r @ v[t] + U_r @ k[t] + V_r @ seen[t]);
        n[t]    = tanh(W_n @ v[t] + U_n @ (r[t] * k[t]) + V_n @ seen[t]);
        h[t]    = (1 - z[t]) * k[t] + z[t] * n[t];
        output h;
        loss   mean[t](squared_error(h[t], d[t]));
    }

    /// A neural Hawkes process (Mei & Eisner 2017, eq. 4 to 8): cells decay between events, whose intensities are integrated at
    /// the middle of each interval.
    model Hawkes<K, H> {
        time   t in 1..=T;
        input  k[t]: token<K>;
        input  dt[t]: [];
        param  E: [K, H] ~ normal(0.0, 0.7);
        param  U_i, U_f, U_g, U_o, U_a, U_b, U_d: [H, H] ~ glorot_uniform;
        param  W: [K, H] ~ glorot_uniform;

        x[t] = E[k[t]];
        i[t] = sigmoid(x[t] + U_i @ s[t]);
        f[t] = sigmoid(x[t] + U_f @ s[t]);
        g[t] = tanh(x[t] + U_g @ s[t]);
        o[t] = sigmoid(x[t] + U_o @ s[t]);
        n[t] = f[t] * c[t] + i[t] * g[t];
        b[t] = sigmoid(x[t] + U_b @ s[t]) * b[t-1] + sigmoid(x[t] + U_a @ s[t]) * g[t];
        rate[t] = softplus(x[t] + U_d @ s[t]);

        // What the cells and the state are just before the event, and in the middle of the interval.
        w[t] = softplus(dt[t]);
        c[t] = b[t-1] + (n[t-1] - b[t-1]) * exp(-rate[t-1] * w[t]);
        s[t] = o[t-1] * tanh(c[t]);
        m[t] = o[t-1] * tanh(b[t-1] + (n[t-1] - b[t-1]) * exp(-rate[t-1] * w[t] / 2));
        intensity[t] = softplus(W @ s[t]);
        output intensity;
        loss   sum[t](w[t] * sum(softplus(W @ m[t])) - ln(intensity[t, k[t]]));
    }

    /// Adaptive computation time (Graves 2016, eq. 3 to 13), of three steps at most.
    model Ponder<I, H> {
        time   t in 1..=T;
        index  n in 1..=3;
        input  x[t]: [I];
        target d[t]: [H];
        param  W: [H, I] ~ glorot_uniform;
        param  U: [H, H] ~ orthogonal;
        param  w, first: [H] ~ normal(0.0, 0.5);
        s[n, t] = tanh(W @ x[t] + U @ s[n-1, t] + where(n == 1, first, 0));
        s[0, t] = h[t-1];
        p[n, t] = sigmoid(w @ s[n, t] + 0.7);
        c[n, t] = c[n-1, t] + p[n, t];
        stops[n, t] = where(n == 3, 1, c[n, t] >= 0.99);
        a[n, t] = where(c[n-1, t] >= 0.99, 0, where(stops[n, t] > 0, 1 - c[n-1, t], p[n, t]));
        h[t]    = sum[n](a[n, t] * s[n, t]);
        output h, a;
        loss   mean[t](squared_error(h[t], d[t]) + 0.1 * sum[n](n * a[n, t]));
    }

    /// A Legendre memory unit of order four (Voelker, Kajic & Eliasmith 2019, eq. 2 to 7) by Euler's rule: a delay of `theta`.
    model Legendre<I, H> {
        time   t in 1..=T;
        index  i in 1..=4;
        index  j in 1..=4;
        input  x[t]: [I];
        target d[t]: [H];
        param  e_x: [I] ~ lecun_uniform;
        param  e_h: [H] ~ lecun_uniform;
        param  e_m: [4] = 0.1;
        param  W_x: [H, I] ~ glorot_uniform;
        param  W_h: [H, H] ~ orthogonal;
        param  W_m: [H, 4] ~ glorot_uniform;
        fixed  theta: [] = 20;
        u[t]    = e_x @ x[t] + e_h @ h[t-1] + e_m @ m[t-1];
        b[i, t] = sum[j](where(i < j, -1, where(mod(i - j, 2) == 0, -1, 1)) * a[j, t-1]);
        a[i, t]: [] = a[i, t-1] + (2*i - 1) / theta * (b[i, t] + where(mod(i, 2) == 1, 1, -1) * u[t]);
        m[t]    = concat[i](a[i, t]);
        h[t]    = tanh(W_x @ x[t] + W_h @ h[t-1] + W_m @ m[t]);
        output h, m;
        loss   mean[t](squared_error(h[t], d[t]));
    }
}

super::agree! {
    what_is_missing_decays_to_its_mean: Missing { I: 2, H: 3 };
    cells_decay_between_events: Hawkes { K: 3, H: 2 };
    a_network_ponders: Ponder { I: 2, H: 3 };
    a_delay_is_a_polynomial: Legendre { I: 2, H: 3 };
}
