//! The simple recurrent network.

crate::rnn! {
    /// Simple recurrent network (Elman 1990, "Finding structure in time"):
    /// `h[t] = tanh(W_xh x[t] + W_hh h[t-1] + b_h)`.
    pub cell Elman<I, H>(x: [I]) -> h: [H] {
        param W_xh: [H, I] ~ glorot_uniform;
        param W_hh: [H, H] ~ orthogonal;
        param b_h:  [H]    = 0;

        h[t] = tanh(W_xh @ x[t] + W_hh @ h[t-1] + b_h);
    }
}
