//! Long short-term memory.

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
}
