//! Decoders that look at a whole sequence, `memory[j]`, in every step.
//!
//! The literature disagrees on which state asks: Bahdanau's decoder scores with the state before the step, `s[t-1]`, and feeds
//! what it found into the step; Luong's takes the step first and scores with the new state.

use super::{Gru, Lstm};

crate::rnn! {
    /// Decoder with additive attention (Bahdanau, Cho & Bengio 2015, eq. 4 to 6 and appendix A):
    /// `e[t, j] = v . tanh(W s[t-1] + U m[j])`, a softmax over `j`, and a GRU that reads `[y, context]`.
    ///
    /// `y` is the embedding of the symbol before; `memory` are the annotations of the encoder.
    pub cell BahdanauDecoder<E, M, H, A>(y: [E], memory[j]: [M]) -> s: [H] {
        param W_a: [A, H] ~ glorot_uniform;
        param U_a: [A, M] ~ glorot_uniform;
        param v_a: [A] ~ normal(0.0, 0.1);
        layer gru = Gru<E + M, H>;

        e[t, j] = v_a @ tanh(W_a @ s[t-1] + U_a @ memory[j]);
        a[t, j] = softmax[j](e[t, j]);
        c[t] = sum[j](a[t, j] * memory[j]);
        s[t] = gru([y[t], c[t]]);
    }

    /// Decoder with dot-product attention and input feeding (Luong, Pham & Manning 2015, eq. 5 and 7, score `dot` of eq. 8, and
    /// sec. 3.3): `e[t, j] = h[t] . m[j]`.
    ///
    /// The output is the attentional vector `s[t] = tanh(W_c [c[t], h[t]])`, which the next step reads beside `y`.
    pub cell LuongDotDecoder<E, H>(y: [E], memory[j]: [H]) -> s: [H] {
        param W_c: [H, 2*H] ~ glorot_uniform;
        layer lstm = Lstm<E + H, H>;

        h[t] = lstm([y[t], s[t-1]]);
        e[t, j] = h[t] @ memory[j];
        a[t, j] = softmax[j](e[t, j]);
        c[t] = sum[j](a[t, j] * memory[j]);
        s[t] = tanh(W_c @ [c[t], h[t]]);
    }

    /// [`LuongDotDecoder`] with a matrix between state and memory, score `general` of eq. 8: `e[t, j] = h[t] . W_a m[j]`, so
    /// the memory may have a size of its own.
    pub cell LuongGeneralDecoder<E, M, H>(y: [E], memory[j]: [M]) -> s: [H] {
        param W_a: [H, M] ~ glorot_uniform;
        param W_c: [H, M + H] ~ glorot_uniform;
        layer lstm = Lstm<E + H, H>;

        h[t] = lstm([y[t], s[t-1]]);
        e[t, j] = h[t] @ (W_a @ memory[j]);
        a[t, j] = softmax[j](e[t, j]);
        c[t] = sum[j](a[t, j] * memory[j]);
        s[t] = tanh(W_c @ [c[t], h[t]]);
    }

    /// [`LuongGeneralDecoder`] with scaled dot-product attention of one head (Vaswani et al. 2017, eq. 1): queries of the state,
    /// keys and values of the memory, and scores over `sqrt(K)`.
    pub cell ScaledDotDecoder<E, M, H, K>(y: [E], memory[j]: [M]) -> s: [H] {
        param W_q: [K, H] ~ glorot_uniform;
        param W_k: [K, M] ~ glorot_uniform;
        param W_v: [H, M] ~ glorot_uniform;
        param W_c: [H, 2*H] ~ glorot_uniform;
        layer lstm = Lstm<E + H, H>;

        h[t] = lstm([y[t], s[t-1]]);
        q[t] = W_q @ h[t];
        e[t, j] = q[t] @ (W_k @ memory[j]) / sqrt(K);
        a[t, j] = softmax[j](e[t, j]);
        c[t] = sum[j](a[t, j] * (W_v @ memory[j]));
        s[t] = tanh(W_c @ [c[t], h[t]]);
    }
}
