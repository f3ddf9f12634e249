//! Long short-term memory and what differs from it in a gate, a projection or a normalisation.

crate::rnn! {
    /// Long short-term memory with a forget gate (Hochreiter & Schmidhuber 1997; Gers, Schmidhuber & Cummins 2000, eq. 1 to 7).
    ///
    /// The forget gate starts open, with a bias of one (Jozefowicz, Zaremba & Sutskever 2015).
    pub cell Lstm<I, H>(x: [I]) -> h: [H] {
        param W_i, W_f, W_g, W_o: [H, I] ~ glorot_uniform;
        param U_i, U_f, U_g, U_o: [H, H] ~ orthogonal;
        param b_i, b_g, b_o: [H] = 0;
        param b_f: [H] = 1;

        i[t] = sigmoid(W_i @ x[t] + U_i @ h[t-1] + b_i);
        f[t] = sigmoid(W_f @ x[t] + U_f @ h[t-1] + b_f);
        g[t] = tanh(W_g @ x[t] + U_g @ h[t-1] + b_g);
        o[t] = sigmoid(W_o @ x[t] + U_o @ h[t-1] + b_o);

        c[t] = f[t] * c[t-1] + i[t] * g[t];
        h[t] = o[t] * tanh(c[t]);
    }

    /// LSTM whose gates see the cell (Gers & Schmidhuber 2000, "Recurrent nets that time and count"; as written by Graves
    /// 2013, eq. 7 to 11): input and forget gate the old one, the output gate the new one, each through a diagonal `p`.
    pub cell PeepholeLstm<I, H>(x: [I]) -> h: [H] {
        param W_i, W_f, W_g, W_o: [H, I] ~ glorot_uniform;
        param U_i, U_f, U_g, U_o: [H, H] ~ orthogonal;
        param p_i, p_f, p_o: [H] ~ normal(0.0, 0.1);
        param b_i, b_g, b_o: [H] = 0;
        param b_f: [H] = 1;

        i[t] = sigmoid(W_i @ x[t] + U_i @ h[t-1] + p_i * c[t-1] + b_i);
        f[t] = sigmoid(W_f @ x[t] + U_f @ h[t-1] + p_f * c[t-1] + b_f);
        g[t] = tanh(W_g @ x[t] + U_g @ h[t-1] + b_g);
        c[t] = f[t] * c[t-1] + i[t] * g[t];
        o[t] = sigmoid(W_o @ x[t] + U_o @ h[t-1] + p_o * c[t] + b_o);
        h[t] = o[t] * tanh(c[t]);
    }

    /// LSTM with coupled input and forget gate, `i[t] = 1 - f[t]` (Greff, Srivastava, Koutník, Steunebrink & Schmidhuber
    /// 2017, "LSTM: a search space odyssey", variant CIFG): what is written is what is forgotten.
    ///
    /// The paper's baseline has peepholes; this is the form without, next to [`Lstm`].
    pub cell CoupledLstm<I, H>(x: [I]) -> h: [H] {
        param W_f, W_g, W_o: [H, I] ~ glorot_uniform;
        param U_f, U_g, U_o: [H, H] ~ orthogonal;
        param b_g, b_o: [H] = 0;
        param b_f: [H] = 1;

        f[t] = sigmoid(W_f @ x[t] + U_f @ h[t-1] + b_f);
        g[t] = tanh(W_g @ x[t] + U_g @ h[t-1] + b_g);
        o[t] = sigmoid(W_o @ x[t] + U_o @ h[t-1] + b_o);
        c[t] = f[t] * c[t-1] + (1 - f[t]) * g[t];
        h[t] = o[t] * tanh(c[t]);
    }

    /// LSTM with a recurrent projection (Sak, Senior & Beaufays 2014, "LSTMP"): `H` cells, of whose output `P`
    /// combinations are fed back and handed on.
    ///
    /// The paper's gates have peepholes; PyTorch's `proj_size`, which this is equal to, has none.
    pub cell ProjectedLstm<I, H, P>(x: [I]) -> r: [P] {
        param W_i, W_f, W_g, W_o: [H, I] ~ glorot_uniform;
        param U_i, U_f, U_g, U_o: [H, P] ~ orthogonal;
        param W_r: [P, H] ~ glorot_uniform;
        param b_i, b_g, b_o: [H] = 0;
        param b_f: [H] = 1;

        i[t] = sigmoid(W_i @ x[t] + U_i @ r[t-1] + b_i);
        f[t] = sigmoid(W_f @ x[t] + U_f @ r[t-1] + b_f);
        g[t] = tanh(W_g @ x[t] + U_g @ r[t-1] + b_g);
        o[t] = sigmoid(W_o @ x[t] + U_o @ r[t-1] + b_o);
        c[t] = f[t] * c[t-1] + i[t] * g[t];
        m[t] = o[t] * tanh(c[t]);
        r[t] = W_r @ m[t];
    }

    /// LSTM with layer normalisation (Ba, Kiros & Hinton 2016, eq. 20 to 22).
    ///
    /// One normalisation over all four gates' contributions of the state, one over those of the input, one of the cell
    /// before it is read; each has a gain and a bias. Gates are stacked in the order f, i, o, g.
    pub cell LayerNormLstm<I, H>(x: [I]) -> h: [H] {
        param W_x: [4*H, I] ~ glorot_uniform;
        param W_h: [4*H, H] ~ orthogonal;
        param b: [4*H] = 0;
        param gain_h, gain_x: [4*H] = 1;
        param bias_h, bias_x: [4*H] = 0;
        param gain_c: [H] = 1;
        param bias_c: [H] = 0;

        a[t] = gain_h * layer_norm(W_h @ h[t-1]) + bias_h + gain_x * layer_norm(W_x @ x[t]) + bias_x + b;
        f[t] = sigmoid(slice(a[t], 0, H));
        i[t] = sigmoid(slice(a[t], H, H));
        o[t] = sigmoid(slice(a[t], 2*H, H));
        g[t] = tanh(slice(a[t], 3*H, H));
        c[t] = f[t] * c[t-1] + i[t] * g[t];
        h[t] = o[t] * tanh(gain_c * layer_norm(c[t]) + bias_c);
    }

    /// Batch-normalised LSTM (Cooijmans, Ballas, Laurent, Gulcehre & Courville 2017, eq. 6 to 8): what the gates are given by the
    /// state, what they are given by the input, and the cell before it is read are each brought to mean 0 and variance 1 over
    /// the batch, at each step by itself.
    ///
    /// Gains start at 0.1 (sec. 4), since the `tanh` of values of variance one passes little gradient. Inference reads the
    /// statistics of the first `S` steps, which training has kept, and those of the last of these at all later steps: `S` is the
    /// longest sequence of training, or where its statistics have settled. After each step of training the loss value's
    /// `apply_running` brings them on. Gates are stacked in the order f, i, o, g; as in the paper, the two inputs of the gates
    /// have no bias of their own beside `b`.
    pub cell BatchNormLstm<I, H, S>(x: [I]) -> h: [H] {
        param W_x: [4*H, I] ~ glorot_uniform;
        param W_h: [4*H, H] ~ orthogonal;
        param b: [4*H] = 0;
        param gain_h, gain_x: [4*H] = 0.1;
        param gain_c: [H] = 0.1;
        param bias_c: [H] = 0;
        running mean_h, mean_x: [S, 4*H] = 0;
        running variance_h, variance_x: [S, 4*H] = 1;
        running mean_c: [S, H] = 0;
        running variance_c: [S, H] = 1;

        a[t] = gain_h * batch_norm(W_h @ h[t-1], mean_h, variance_h) + gain_x * batch_norm(W_x @ x[t], mean_x, variance_x) + b;
        f[t] = sigmoid(slice(a[t], 0, H));
        i[t] = sigmoid(slice(a[t], H, H));
        o[t] = sigmoid(slice(a[t], 2*H, H));
        g[t] = tanh(slice(a[t], 3*H, H));
        c[t] = f[t] * c[t-1] + i[t] * g[t];
        h[t] = o[t] * tanh(gain_c * batch_norm(c[t], mean_c, variance_c) + bias_c);
    }

    /// Multiplicative LSTM (Krause, Lu, Murray & Renals 2016): the gates read, instead of the state, a product of
    /// a projection of the state with one of the input, so every input has recurrent weights of its own.
    ///
    /// Gates have biases here, which the paper leaves out of its equations.
    pub cell MultiplicativeLstm<I, H>(x: [I]) -> h: [H] {
        param W_m, W_i, W_f, W_g, W_o: [H, I] ~ glorot_uniform;
        param U_m, U_i, U_f, U_g, U_o: [H, H] ~ orthogonal;
        param b_i, b_g, b_o: [H] = 0;
        param b_f: [H] = 1;

        m[t] = (W_m @ x[t]) * (U_m @ h[t-1]);
        i[t] = sigmoid(W_i @ x[t] + U_i @ m[t] + b_i);
        f[t] = sigmoid(W_f @ x[t] + U_f @ m[t] + b_f);
        g[t] = tanh(W_g @ x[t] + U_g @ m[t] + b_g);
        o[t] = sigmoid(W_o @ x[t] + U_o @ m[t] + b_o);
        c[t] = f[t] * c[t-1] + i[t] * g[t];
        h[t] = o[t] * tanh(c[t]);
    }

    /// Mogrifier LSTM (Melis, Kočiský & Blunsom 2020, eq. 1 and 2): before the gates, input and state modulate each other in
    /// `2 K` rounds, `u[k] = 2 sigmoid(Q[k] v[k-1]) u[k-1]` and `v[k] = 2 sigmoid(R[k] u[k]) v[k-1]`.
    ///
    /// `K` is a number. The paper counts single rounds, `r = 2 K`, and shows odd ones too; `K = 0` would be [`Lstm`].
    pub cell MogrifierLstm<I, H, K>(x: [I]) -> h: [H] {
        index k in 1..=K;
        param Q[k]: [I, H] ~ glorot_uniform;
        param R[k]: [H, I] ~ glorot_uniform;
        layer lstm = GatesOf<I, H>;

        u[k, t] = 2 * sigmoid(Q[k] @ v[k-1, t]) * u[k-1, t];
        v[k, t] = 2 * sigmoid(R[k] @ u[k, t]) * v[k-1, t];
        u[0, t] = x[t];
        v[0, t] = h[t-1];
        h[t] = lstm(u[K, t], v[K, t]);
    }

    /// The gates of an LSTM over an input and a state that are given: `c` is carried, `h` is not fed back.
    pub cell GatesOf<I, H>(x: [I], v: [H]) -> h: [H] {
        param W_i, W_f, W_g, W_o: [H, I] ~ glorot_uniform;
        param U_i, U_f, U_g, U_o: [H, H] ~ orthogonal;
        param b_i, b_g, b_o: [H] = 0;
        param b_f: [H] = 1;

        i[t] = sigmoid(W_i @ x[t] + U_i @ v[t] + b_i);
        f[t] = sigmoid(W_f @ x[t] + U_f @ v[t] + b_f);
        g[t] = tanh(W_g @ x[t] + U_g @ v[t] + b_g);
        o[t] = sigmoid(W_o @ x[t] + U_o @ v[t] + b_o);
        c[t] = f[t] * c[t-1] + i[t] * g[t];
        h[t] = o[t] * tanh(c[t]);
    }
}
