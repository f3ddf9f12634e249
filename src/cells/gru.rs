//! Gated recurrent units, in the two forms that bear the name.

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
}

crate::rnn! {
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
}
