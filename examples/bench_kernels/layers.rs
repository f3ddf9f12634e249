//! The cells that are measured, and a layer of each: all outputs, and a loss whose gradient by `h[t]` is the given `dy[t]`.
//!
//! The LSTM and the two GRUs are those of [`rnn::cells`]. The others have no kernel anywhere: they stand for a cell that a
//! user has just thought of. [`OwnLstm`] is the LSTM written once more, which must be as fast as the zoo's.

use rnn::cells::{Gru, GruResetAfter, Lstm};
use rnn::prelude::*;

use crate::models::{Sample, Values};

rnn! {
    /// The equations of [`Lstm`], as a user writes them.
    pub(crate) cell OwnLstm<I, H>(x: [I]) -> h: [H] {
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

    /// LSTM with layer normalisation of both products and of the cell (Ba, Kiros & Hinton 2016, eq. 20 to 22); each
    /// normalisation is over the four gates together.
    pub(crate) cell NormLstm<I, H>(x: [I]) -> h: [H] {
        param W: [4*H, I] ~ glorot_uniform;
        param U: [4*H, H] ~ glorot_uniform;
        param g1, g2: [4*H] = 1;
        param b: [4*H] = 0;
        param g3: [H] = 1;
        param b3: [H] = 0;

        z[t] = layer_norm(W @ x[t]) * g1 + layer_norm(U @ h[t-1]) * g2 + b;
        i[t] = sigmoid(slice(z[t], 0, H));
        f[t] = sigmoid(slice(z[t], H, H));
        g[t] = tanh(slice(z[t], 2*H, H));
        o[t] = sigmoid(slice(z[t], 3*H, H));
        c[t] = f[t] * c[t-1] + i[t] * g[t];
        h[t] = o[t] * tanh(layer_norm(c[t]) * g3 + b3);
    }

    /// LSTM with peepholes (Gers & Schmidhuber 2000) and a coupled input gate, `i = 1 - f` (Greff et al. 2017).
    pub(crate) cell PeepholeCifg<I, H>(x: [I]) -> h: [H] {
        param W_f, W_g, W_o: [H, I] ~ glorot_uniform;
        param U_f, U_g, U_o: [H, H] ~ orthogonal;
        param b_f, b_g, b_o: [H] = 0;
        param p_f, p_o: [H] ~ uniform(-0.1, 0.1);

        f[t] = sigmoid(W_f @ x[t] + U_f @ h[t-1] + b_f + p_f * c[t-1]);
        g[t] = tanh(W_g @ x[t] + U_g @ h[t-1] + b_g);
        c[t] = f[t] * c[t-1] + (1 - f[t]) * g[t];
        o[t] = sigmoid(W_o @ x[t] + U_o @ h[t-1] + b_o + p_o * c[t]);
        h[t] = o[t] * tanh(c[t]);
    }

    /// GRU with a scaled shortcut from the state before.
    pub(crate) cell ResidualGru<I, H>(x: [I]) -> h: [H] {
        param W_r, W_z, W_n: [H, I] ~ glorot_uniform;
        param U_r, U_z, U_n: [H, H] ~ orthogonal;
        param b_r, b_z, b_n: [H] = 0;
        param c_r, c_z, c_n: [H] = 0;
        param alpha: [1] = 0.3;

        r[t] = sigmoid(W_r @ x[t] + b_r + U_r @ h[t-1] + c_r);
        z[t] = sigmoid(W_z @ x[t] + b_z + U_z @ h[t-1] + c_z);
        n[t] = tanh(W_n @ x[t] + b_n + r[t] * (U_n @ h[t-1] + c_n));
        h[t] = (1 - z[t]) * n[t] + z[t] * h[t-1] + sum(alpha) * h[t-1];
    }

    /// Minimal GRU: gates from the input alone (Feng et al. 2024).
    pub(crate) cell MinGru<I, H>(x: [I]) -> h: [H] {
        param W_z, W_v: [H, I] ~ glorot_uniform;
        param b_z, b_v: [H] = 0;

        z[t] = sigmoid(W_z @ x[t] + b_z);
        v[t] = W_v @ x[t] + b_v;
        h[t] = h[t-1] + z[t] * (v[t] - h[t-1]);
    }

    /// Independently recurrent network (Li et al. 2018, eq. 2), with a hyperbolic tangent.
    pub(crate) cell IndRnn<I, H>(x: [I]) -> h: [H] {
        param W: [H, I] ~ glorot_uniform;
        param u: [H] ~ uniform(-0.5, 0.5);
        param b: [H] = 0;

        h[t] = tanh(W @ x[t] + b + u * h[t-1]);
    }
}

/// What the names of the parameters of a layer start with.
pub(crate) const PREFIX: &str = "net.";

/// A model that is one layer of a cell.
pub(crate) trait Layer: Sample {
    fn sized(inputs: usize, hidden: usize) -> Self;
}

macro_rules! layers {
    ($($model:ident $inputs:ident $targets:ident = ($($layer:tt)*) ($($outputs:tt)*);)*) => {$(
        rnn! {
            /// One layer.
            pub(crate) model $model<I, H> {
                time   t in 1..=T;
                input  x[t]: [I];
                target dy[t]: [$($outputs)*];
                layer net = $($layer)*;
                h[t] = net(x[t]);
                output h;
                loss sum[t](sum(dy[t] * h[t]));
            }
        }

        sample!($model $inputs { x: real } $targets { dy: real });

        impl Layer for $model {
            fn sized(inputs: usize, hidden: usize) -> Self {
                Self { I: inputs, H: hidden }
            }
        }
    )*};
}

pub(crate) use layers;

layers! {
    LstmLayer LstmLayerInputs LstmLayerTargets = (Lstm<I, H>) (H);
    BiLstmLayer BiLstmLayerInputs BiLstmLayerTargets = (bi(Lstm<I, H>)) (2*H);
    OwnLstmLayer OwnLstmLayerInputs OwnLstmLayerTargets = (OwnLstm<I, H>) (H);
    GruLayer GruLayerInputs GruLayerTargets = (GruResetAfter<I, H>) (H);
    GruBeforeLayer GruBeforeLayerInputs GruBeforeLayerTargets = (Gru<I, H>) (H);
    NormLstmLayer NormLstmLayerInputs NormLstmLayerTargets = (NormLstm<I, H>) (H);
    PeepholeLayer PeepholeLayerInputs PeepholeLayerTargets = (PeepholeCifg<I, H>) (H);
    ResidualGruLayer ResidualGruLayerInputs ResidualGruLayerTargets = (ResidualGru<I, H>) (H);
    MinGruLayer MinGruLayerInputs MinGruLayerTargets = (MinGru<I, H>) (H);
    IndRnnLayer IndRnnLayerInputs IndRnnLayerTargets = (IndRnn<I, H>) (H);
}
