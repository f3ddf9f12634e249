//! The LSTM with random numbers in training: what each way to drop something costs beside the step without it.
//!
//! Each cell is the one of [`rnn::cells`] but for what its comment says, with the probabilities of the papers.

use rnn::prelude::*;

use crate::case::{Case, Cell, Dropout, Pass};
use crate::layers::{Layer, layers};
use crate::models::{Sample, Values};
use crate::work::{Fallible, Ready, Work};

rnn! {
    /// Masks of a sequence for inputs and states (Gal & Ghahramani 2016).
    pub(crate) cell SequenceLstm<I, H>(x: [I]) -> h: [H] {
        param W_i, W_f, W_g, W_o: [H, I] ~ glorot_uniform;
        param U_i, U_f, U_g, U_o: [H, H] ~ orthogonal;
        param b_i, b_g, b_o: [H] = 0;
        param b_f: [H] = 1;

        v[t] = dropout(x[t], 0.25, per = sequence);
        k[t] = dropout(h[t-1], 0.25, per = sequence);
        i[t] = sigmoid(W_i @ v[t] + U_i @ k[t] + b_i);
        f[t] = sigmoid(W_f @ v[t] + U_f @ k[t] + b_f);
        g[t] = tanh(W_g @ v[t] + U_g @ k[t] + b_g);
        o[t] = sigmoid(W_o @ v[t] + U_o @ k[t] + b_o);
        c[t] = f[t] * c[t-1] + i[t] * g[t];
        h[t] = o[t] * tanh(c[t]);
    }

    /// A mask a step for inputs and states, for what it costs.
    #[expect(deprecated, reason = "what it costs is asked, and not what it learns")]
    pub(crate) cell StepLstm<I, H>(x: [I]) -> h: [H] {
        param W_i, W_f, W_g, W_o: [H, I] ~ glorot_uniform;
        param U_i, U_f, U_g, U_o: [H, H] ~ orthogonal;
        param b_i, b_g, b_o: [H] = 0;
        param b_f: [H] = 1;

        v[t] = dropout(x[t], 0.25);
        k[t] = dropout(h[t-1], 0.25);
        i[t] = sigmoid(W_i @ v[t] + U_i @ k[t] + b_i);
        f[t] = sigmoid(W_f @ v[t] + U_f @ k[t] + b_f);
        g[t] = tanh(W_g @ v[t] + U_g @ k[t] + b_g);
        o[t] = sigmoid(W_o @ v[t] + U_o @ k[t] + b_o);
        c[t] = f[t] * c[t-1] + i[t] * g[t];
        h[t] = o[t] * tanh(c[t]);
    }

    /// DropConnect of the recurrent weights (Wan et al. 2013; Merity, Keskar & Socher 2018).
    pub(crate) cell WeightsLstm<I, H>(x: [I]) -> h: [H] {
        param W_i, W_f, W_g, W_o: [H, I] ~ glorot_uniform;
        param U_i, U_f, U_g, U_o: [H, H] ~ orthogonal;
        param b_i, b_g, b_o: [H] = 0;
        param b_f: [H] = 1;

        R_i = dropout(U_i, 0.5);
        R_f = dropout(U_f, 0.5);
        R_g = dropout(U_g, 0.5);
        R_o = dropout(U_o, 0.5);
        i[t] = sigmoid(W_i @ x[t] + R_i @ h[t-1] + b_i);
        f[t] = sigmoid(W_f @ x[t] + R_f @ h[t-1] + b_f);
        g[t] = tanh(W_g @ x[t] + R_g @ h[t-1] + b_g);
        o[t] = sigmoid(W_o @ x[t] + R_o @ h[t-1] + b_o);
        c[t] = f[t] * c[t-1] + i[t] * g[t];
        h[t] = o[t] * tanh(c[t]);
    }

    /// Candidates (Semeniuta, Severyn & Barth 2016).
    pub(crate) cell CandidateLstm<I, H>(x: [I]) -> h: [H] {
        param W_i, W_f, W_g, W_o: [H, I] ~ glorot_uniform;
        param U_i, U_f, U_g, U_o: [H, H] ~ orthogonal;
        param b_i, b_g, b_o: [H] = 0;
        param b_f: [H] = 1;

        i[t] = sigmoid(W_i @ x[t] + U_i @ h[t-1] + b_i);
        f[t] = sigmoid(W_f @ x[t] + U_f @ h[t-1] + b_f);
        g[t] = tanh(W_g @ x[t] + U_g @ h[t-1] + b_g);
        o[t] = sigmoid(W_o @ x[t] + U_o @ h[t-1] + b_o);
        c[t] = f[t] * c[t-1] + i[t] * dropout(g[t], 0.25);
        h[t] = o[t] * tanh(c[t]);
    }

    /// Zoneout of the cell and of the state (Krueger et al. 2017).
    pub(crate) cell ZoneoutLstm<I, H>(x: [I]) -> h: [H] {
        param W_i, W_f, W_g, W_o: [H, I] ~ glorot_uniform;
        param U_i, U_f, U_g, U_o: [H, H] ~ orthogonal;
        param b_i, b_g, b_o: [H] = 0;
        param b_f: [H] = 1;

        i[t] = sigmoid(W_i @ x[t] + U_i @ h[t-1] + b_i);
        f[t] = sigmoid(W_f @ x[t] + U_f @ h[t-1] + b_f);
        g[t] = tanh(W_g @ x[t] + U_g @ h[t-1] + b_g);
        o[t] = sigmoid(W_o @ x[t] + U_o @ h[t-1] + b_o);
        n[t] = f[t] * c[t-1] + i[t] * g[t];
        c[t] = zoneout(n[t], c[t-1], 0.5);
        h[t] = zoneout(o[t] * tanh(n[t]), h[t-1], 0.05);
    }

    /// Noise of the inputs.
    pub(crate) cell NoiseLstm<I, H>(x: [I]) -> h: [H] {
        param W_i, W_f, W_g, W_o: [H, I] ~ glorot_uniform;
        param U_i, U_f, U_g, U_o: [H, H] ~ orthogonal;
        param b_i, b_g, b_o: [H] = 0;
        param b_f: [H] = 1;

        v[t] = noise(x[t], 0.1);
        i[t] = sigmoid(W_i @ v[t] + U_i @ h[t-1] + b_i);
        f[t] = sigmoid(W_f @ v[t] + U_f @ h[t-1] + b_f);
        g[t] = tanh(W_g @ v[t] + U_g @ h[t-1] + b_g);
        o[t] = sigmoid(W_o @ v[t] + U_o @ h[t-1] + b_o);
        c[t] = f[t] * c[t-1] + i[t] * g[t];
        h[t] = o[t] * tanh(c[t]);
    }
}

layers! {
    SequenceLayer SequenceLayerInputs SequenceLayerTargets = (SequenceLstm<I, H>) (H);
    StepLayer StepLayerInputs StepLayerTargets = (StepLstm<I, H>) (H);
    WeightsLayer WeightsLayerInputs WeightsLayerTargets = (WeightsLstm<I, H>) (H);
    CandidateLayer CandidateLayerInputs CandidateLayerTargets = (CandidateLstm<I, H>) (H);
    ZoneoutLayer ZoneoutLayerInputs ZoneoutLayerTargets = (ZoneoutLstm<I, H>) (H);
    NoiseLayer NoiseLayerInputs NoiseLayerTargets = (NoiseLstm<I, H>) (H);
}

/// An LSTM that drops something, made ready; `None` for a case that drops nothing.
pub(crate) fn prepare(case: &Case, profile: bool) -> Fallible<Option<Box<dyn Work>>> {
    fn boxed<M: Layer>(case: &Case, profile: bool) -> Fallible<Option<Box<dyn Work>>> {
        let spec = M::sized(case.inputs, case.hidden);
        Ok(Some(Box::new(Ready::new(spec, case, profile)?)))
    }
    if case.dropout == Dropout::None {
        return Ok(None);
    }
    if (case.cell, case.pass) != (Cell::Lstm, Pass::Train) {
        return Err(format!("expected pass train of cell lstm to drop, found {case}").into());
    }
    match case.dropout {
        Dropout::None => Ok(None),
        Dropout::Sequence => boxed::<SequenceLayer>(case, profile),
        Dropout::Step => boxed::<StepLayer>(case, profile),
        Dropout::Weights => boxed::<WeightsLayer>(case, profile),
        Dropout::Candidate => boxed::<CandidateLayer>(case, profile),
        Dropout::Zoneout => boxed::<ZoneoutLayer>(case, profile),
        Dropout::Noise => boxed::<NoiseLayer>(case, profile),
    }
}
