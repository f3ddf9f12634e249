//! Gated recurrent units, in the two forms that bear the name, and units with fewer gates.

crate::rnn! {
    /// Gated recurrent unit with the reset gate before the product (Cho et al. 2014, eq. 5 to 8).
    ///
    /// `z` keeps the old state where it is zero: `h[t] = (1 - z[t]) h[t-1] + z[t] n[t]`.
    pub cell Gru<I, H>(x: [I]) -> h: [H] {
        param W_z, W_r, W_n: [H, I] ~ glorot_uniform;
        param U_z, U_r, U_n: [H, H] ~ orthogonal;
        param b_z, b_r, b_n: [H] = 0;

        z[t] = sigmoid(W_z @ x[t] + U_z @ h[t-1] + b_z);
        r[t] = sigmoid(W_r @ x[t] + U_r @ h[t-1] + b_r);
        n[t] = tanh(W_n @ x[t] + U_n @ (r[t] * h[t-1]) + b_n);
        h[t] = (1 - z[t]) * h[t-1] + z[t] * n[t];
    }

    /// Gated recurrent unit with the reset gate after the product, as PyTorch, cuDNN and Keras 3 compute it.
    ///
    /// `z` keeps the old state where it is one, and the product has a bias of its own, `c_n`, inside the reset.
    pub cell GruResetAfter<I, H>(x: [I]) -> h: [H] {
        param W_r, W_z, W_n: [H, I] ~ glorot_uniform;
        param U_r, U_z, U_n: [H, H] ~ orthogonal;
        param b_r, b_z, b_n: [H] = 0;
        param c_r, c_z, c_n: [H] = 0;

        r[t] = sigmoid(W_r @ x[t] + b_r + U_r @ h[t-1] + c_r);
        z[t] = sigmoid(W_z @ x[t] + b_z + U_z @ h[t-1] + c_z);
        n[t] = tanh(W_n @ x[t] + b_n + r[t] * (U_n @ h[t-1] + c_n));
        h[t] = (1 - z[t]) * n[t] + z[t] * h[t-1];
    }

    /// Gated recurrent unit with layer normalisation (Ba, Kiros & Hinton 2016, eq. 23 to 25): the reset gate is applied
    /// after the product, to its normalised value. Gates are stacked in the order z, r; there is no bias but those of the
    /// normalisations.
    pub cell LayerNormGru<I, H>(x: [I]) -> h: [H] {
        param W_x: [2*H, I] ~ glorot_uniform;
        param W_h: [2*H, H] ~ orthogonal;
        param W: [H, I] ~ glorot_uniform;
        param U: [H, H] ~ orthogonal;
        param gain_h, gain_x: [2*H] = 1;
        param bias_h, bias_x: [2*H] = 0;
        param gain_W, gain_U: [H] = 1;
        param bias_W, bias_U: [H] = 0;

        a[t] = gain_h * layer_norm(W_h @ h[t-1]) + bias_h + gain_x * layer_norm(W_x @ x[t]) + bias_x;
        z[t] = sigmoid(slice(a[t], 0, H));
        r[t] = sigmoid(slice(a[t], H, H));
        n[t] = tanh(gain_W * layer_norm(W @ x[t]) + bias_W + r[t] * (gain_U * layer_norm(U @ h[t-1]) + bias_U));
        h[t] = (1 - z[t]) * h[t-1] + z[t] * n[t];
    }

    /// Minimal gated unit (Zhou, Wu, Zhang & Zhou 2016, "Minimal gated unit for recurrent neural networks"): one gate `f`
    /// is both gates of [`Gru`].
    pub cell Mgu<I, H>(x: [I]) -> h: [H] {
        param W_f, W_h: [H, I] ~ glorot_uniform;
        param U_f, U_h: [H, H] ~ orthogonal;
        param b_f, b_h: [H] = 0;

        f[t] = sigmoid(W_f @ x[t] + U_f @ h[t-1] + b_f);
        n[t] = tanh(W_h @ x[t] + U_h @ (f[t] * h[t-1]) + b_h);
        h[t] = (1 - f[t]) * h[t-1] + f[t] * n[t];
    }

    /// Update gate network (Collins, Sohl-Dickstein & Sussillo 2017, "Capacity and trainability in recurrent neural
    /// networks"): [`Gru`] without a reset gate. `g` keeps the old state where it is one.
    pub cell Ugrnn<I, H>(x: [I]) -> h: [H] {
        param W_c, W_g: [H, I] ~ glorot_uniform;
        param U_c, U_g: [H, H] ~ orthogonal;
        param b_c, b_g: [H] = 0;

        c[t] = tanh(W_c @ x[t] + U_c @ h[t-1] + b_c);
        g[t] = sigmoid(W_g @ x[t] + U_g @ h[t-1] + b_g);
        h[t] = g[t] * h[t-1] + (1 - g[t]) * c[t];
    }

    /// Light gated recurrent unit (Ravanelli, Brakel, Omologo & Bengio 2018): no reset gate, and a rectifier for the
    /// candidate. `z` keeps the old state where it is one.
    ///
    /// The paper normalises `W x[t]` over the batch, which keeps the rectifier bounded; at inference that is a scale and a
    /// bias, which are in `W` and `b` here.
    pub cell LiGru<I, H>(x: [I]) -> h: [H] {
        param W_z, W_h: [H, I] ~ glorot_uniform;
        param U_z, U_h: [H, H] ~ orthogonal;
        param b_z, b_h: [H] = 0;

        z[t] = sigmoid(W_z @ x[t] + U_z @ h[t-1] + b_z);
        n[t] = relu(W_h @ x[t] + U_h @ h[t-1] + b_h);
        h[t] = z[t] * h[t-1] + (1 - z[t]) * n[t];
    }

    /// Recurrent highway network of depth `L` with coupled gates (Zilly, Srivastava, Koutník & Schmidhuber 2017, eq. 6 to 9,
    /// with `c = 1 - t` as in the paper's experiments): `L` highway layers within a step, the first of which reads the input.
    ///
    /// `L` is a number. The transform gates start closed, with a bias of -2.
    pub cell Rhn<I, H, L>(x: [I]) -> y: [H] {
        index l in 1..=L;
        param W_h, W_t: [H, I] ~ glorot_uniform;
        param R_h[l], R_t[l]: [H, H] ~ orthogonal;
        param b_h[l]: [H] = 0;
        param b_t[l]: [H] = -2;

        h[l, t] = tanh(where(l == 1, W_h @ x[t], 0) + R_h[l] @ s[l-1, t] + b_h[l]);
        g[l, t] = sigmoid(where(l == 1, W_t @ x[t], 0) + R_t[l] @ s[l-1, t] + b_t[l]);
        s[l, t] = h[l, t] * g[l, t] + s[l-1, t] * (1 - g[l, t]);
        s[0, t] = s[L, t-1];
        y[t] = s[L, t];
    }
}
