//! Memories that are matrices and learn while they read, and the selective recurrences that came after linear attention.

use ndarray::s;
use rnn::cells::RgLru;
use rnn::prelude::*;

rnn! {
    /// Linear attention by the delta rule (Schlag, Irie & Schmidhuber 2021, eq. 24): what a key recalls is replaced, by a share.
    model DeltaRule<N> {
        time   t in 1..=T;
        input  k[t], v[t], q[t]: [N];
        input  b[t]: [];
        target d[t]: [N];
        param  gain: [N] = 1;
        S[t] = S[t-1] + b[t] * outer(v[t] - S[t-1] @ k[t], k[t]);
        o[t] = gain * (S[t] @ q[t]);
        output o;
        loss   mean[t](squared_error(o[t], d[t]));
    }

    /// The gated delta rule (Yang, Kautz & Hatamizadeh 2025, eq. 10): the memory decays as well, and keys have length one.
    model GatedDelta<I, K, V> {
        time   t in 1..=T;
        input  x[t]: [I];
        target d[t]: [V];
        param  W_q, W_k: [K, I] ~ glorot_uniform;
        param  W_v: [V, I] ~ glorot_uniform;
        param  w_a, w_b: [I] ~ normal(0.0, 0.5);
        u[t] = silu(W_k @ x[t]);
        k[t] = u[t] / sqrt(u[t] @ u[t] + 1e-2);
        a[t] = sigmoid(w_a @ x[t]);
        b[t] = sigmoid(w_b @ x[t]);
        S[t] = a[t] * (S[t-1] - b[t] * outer(S[t-1] @ k[t], k[t])) + b[t] * outer(W_v @ x[t], k[t]);
        o[t] = S[t] @ silu(W_q @ x[t]);
        output o;
        loss   mean[t](squared_error(o[t], d[t]));
    }

    /// A selective state space (Gu & Dao 2024, algorithm 2; discretised as there, eq. 4 and sec. 3.6): steps, input and output
    /// depend on what is read.
    model SelectiveStateSpace<D, N, R> {
        time   t in 1..=T;
        input  x[t]: [D];
        target d[t]: [D];
        param  A_log: [D, N] ~ uniform(0.0, 1.0);
        param  W_B, W_C: [N, D] ~ glorot_uniform;
        param  W_r: [R, D] ~ glorot_uniform;
        param  W_d: [D, R] ~ glorot_uniform;
        param  bias: [D] = -1;
        param  skip: [D] = 1;
        step[t] = softplus(W_d @ (W_r @ x[t]) + bias);
        h[t] = exp(diag(step[t]) @ -exp(A_log)) * h[t-1] + outer(step[t] * x[t], W_B @ x[t]);
        o[t] = h[t] @ (W_C @ x[t]) + skip * x[t];
        output o;
        loss   mean[t](squared_error(o[t], d[t]));
    }

    /// HGRN2 (Qin et al. 2024, eq. 5): gates that are bounded below decay the rows of a state, and what they let go is written.
    model Hgrn2<I, K, V> {
        time   t in 1..=T;
        input  x[t]: [I];
        target d[t]: [V];
        param  W_f, W_q: [K, I] ~ glorot_uniform;
        param  W_v: [V, I] ~ glorot_uniform;
        param  lower: [K] = -1;
        low  = sigmoid(lower);
        f[t] = low + (1 - low) * sigmoid(W_f @ x[t]);
        S[t] = diag(f[t]) @ S[t-1] + outer(1 - f[t], W_v @ x[t]);
        o[t] = sigmoid(W_q @ x[t]) @ S[t];
        output o;
        loss   mean[t](squared_error(o[t], d[t]));
    }

    /// The time mixing of RWKV-7 (Peng et al. 2025, eq. 4 to 17, one head, without its low-rank maps and norms): the transition of the state is a
    /// diagonal matrix less one of rank one.
    model Rwkv7<I, N> {
        time   t in 1..=T;
        input  x[t]: [I];
        target d[t]: [N];
        param  W_r, W_k, W_v, W_w, W_a: [N, I] ~ glorot_uniform;
        param  mu: [I] = 0.5;
        param  xi: [N] = 1;
        m[t] = x[t] + (x[t-1] - x[t]) * mu;
        w[t] = exp(-exp(-0.5) * sigmoid(W_w @ m[t]));
        a[t] = sigmoid(W_a @ m[t]);
        k[t] = W_k @ m[t];
        u[t] = k[t] * xi;
        n[t] = u[t] / sqrt(u[t] @ u[t] + 1e-2);
        S[t] = S[t-1] @ diag(w[t]) - outer(S[t-1] @ n[t], a[t] * n[t]) + outer(W_v @ m[t], k[t]);
        o[t] = S[t] @ (W_r @ m[t]);
        output o;
        loss   mean[t](squared_error(o[t], d[t]));
    }

    /// A linear memory that descends the error of its recall, with momentum and forgetting (Behrouz, Zhong & Mirrokni 2025, eq. 9 to 13);
    /// without both it is a layer of test-time training (Sun et al. 2024, eq. 4).
    model Titans<I, N> {
        time   t in 1..=T;
        input  x[t]: [I];
        target d[t]: [N];
        param  W_q, W_k, W_v: [N, I] ~ glorot_uniform;
        param  w_t, w_e, w_a: [I] ~ normal(0.0, 0.5);
        k[t] = W_k @ x[t];
        e[t] = M[t-1] @ k[t] - W_v @ x[t];
        S[t] = sigmoid(w_e @ x[t]) * S[t-1] - sigmoid(w_t @ x[t]) * outer(e[t], k[t]);
        M[t] = (1 - sigmoid(w_a @ x[t])) * M[t-1] + S[t];
        o[t] = M[t] @ (W_q @ x[t]);
        output o;
        loss   mean[t](squared_error(o[t], d[t]));
    }

    /// Gated linear attention in several heads (Yang et al. 2024, eq. 3 and sec. 4.4): a head is a member of a family.
    model GatedLinearAttention<I, K, V> {
        time   t in 1..=T;
        index  n in 1..=2;
        input  x[t]: [I];
        target d[t]: [I];
        param  W_q[n], W_k[n], W_g[n]: [K, I] ~ glorot_uniform;
        param  W_v[n]: [V, I] ~ glorot_uniform;
        param  W_r: [2*V, I] ~ glorot_uniform;
        param  W_o: [I, 2*V] ~ glorot_uniform;
        g[n, t] = pow(sigmoid(W_g[n] @ x[t]), 0.25);
        S[n, t] = diag(g[n, t]) @ S[n, t-1] + outer(W_k[n] @ x[t], W_v[n] @ x[t]);
        o[n, t] = layer_norm((W_q[n] @ x[t]) @ S[n, t]);
        y[t]    = W_o @ (silu(W_r @ x[t]) * concat[n](o[n, t]));
        output y;
        loss   mean[t](squared_error(y[t], d[t]));
    }

    /// The recurrent block of Griffin (De et al. 2024, fig. 2c): a gated branch beside a convolution of four taps and a linear
    /// recurrence, added to what is read.
    cell Griffin<D, R>(x: [D]) -> y: [D] {
        index k in 1..=4;
        param W_1, W_2: [R, D] ~ glorot_uniform;
        param K[k]: [R] ~ normal(0.0, 0.5);
        param W_o: [D, R] ~ glorot_uniform;
        layer lru = RgLru<R>;
        n[t] = rms_norm(x[t]);
        u[t] = W_1 @ n[t];
        c[t] = K[1] * u[t] + K[2] * u[t-1] + K[3] * u[t-2] + K[4] * u[t-3];
        y[t] = x[t] + W_o @ (gelu(W_2 @ n[t]) * lru(c[t]));
    }

    /// Two of these blocks.
    model Blocks<D, R> {
        time   t in 1..=T;
        input  x[t]: [D];
        target d[t]: [D];
        layer  net = stack(2, Griffin<D, R>);
        y[t] = net(x[t]);
        output y;
        loss   mean[t](squared_error(y[t], d[t]));
    }
}

super::agree! {
    a_delta_rule_agrees: DeltaRule { N: 3 };
    a_gated_delta_rule_forgets_and_replaces: GatedDelta { I: 3, K: 4, V: 2 };
    a_state_space_is_selective: SelectiveStateSpace { D: 3, N: 4, R: 2 };
    a_matrix_state_decays_by_its_rows: Hgrn2 { I: 3, K: 4, V: 2 };
    a_state_has_a_transition_of_low_rank: Rwkv7 { I: 3, N: 4 };
    a_memory_descends_with_momentum: Titans { I: 3, N: 4 };
    heads_are_a_family: GatedLinearAttention { I: 3, K: 4, V: 3 };
    a_block_of_griffin_is_a_cell: Blocks { D: 3, R: 4 };
}

/// With orthonormal keys and whole steps, a key recalls what was last written under it, to the bit.
#[test]
fn a_delta_rule_replaces_what_a_key_recalls() {
    const N: usize = 4;
    let spec = DeltaRule { N };
    let model = spec.compile(Options::default()).unwrap();
    let params = DeltaRuleParams::init(&spec, 1).unwrap();
    // Keys 0, 1, 2, 3, 0, 1, 2, 3; what is asked for is what was written three steps before.
    let unit = |at: usize| move |i: usize| if i == at % N { 1.0 } else { 0.0 };
    let k = Array3::from_shape_fn((8, 1, N), |(t, _, i)| unit(t)(i));
    let q = Array3::from_shape_fn((8, 1, N), |(t, _, i)| unit(t + 1)(i));
    let v = Array3::from_shape_fn((8, 1, N), |(t, _, i)| (t * N + i) as f32);
    let b = Array2::ones((8, 1));
    let out = model.forward(
        &params,
        DeltaRuleInputs {
            k: k.view(),
            v: v.view(),
            q: q.view(),
            b: b.view(),
        },
    );
    let o = out.unwrap().o;
    for t in 3..8 {
        assert_eq!(o.slice(s![t, 0, ..]), v.slice(s![t - 3, 0, ..]), "{t}");
    }
}

/// Of the loop over the steps of a model, what is said about it.
fn verdicts<M: Model>(spec: M) -> Vec<String> {
    let text = rnn::compile(spec, Options::default()).unwrap().explain();
    let lines = text.lines().filter(|line| line.contains(" along t "));
    lines.map(|line| line.trim().to_owned()).collect()
}

#[test]
fn loops_over_matrices_are_told_to_be_linear() {
    let all = [
        verdicts(DeltaRule { N: 3 }),
        verdicts(GatedDelta { I: 3, K: 4, V: 2 }),
        verdicts(SelectiveStateSpace { D: 3, N: 4, R: 2 }),
        verdicts(Hgrn2 { I: 3, K: 4, V: 2 }),
        verdicts(Rwkv7 { I: 3, N: 4 }),
        verdicts(Titans { I: 3, N: 4 }),
    ];
    let expected = [
        "S along t forward: linear, block diagonal",
        "S along t forward: linear, block diagonal",
        "h along t forward: linear, diagonal, invertible",
        "S along t forward: linear, diagonal, invertible",
        "S along t forward: linear, block diagonal",
        "M, S along t forward: linear, block diagonal, invertible",
    ];
    assert_eq!(all.concat(), expected);
}
