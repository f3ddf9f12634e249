//! What is dropped, and how often: forms that go by one name in the literature, each by itself.

use rnn::prelude::*;

rnn! {
    /// Inputs and outputs alone, anew at each step (Zaremba, Sutskever & Vinyals 2014).
    model InputsAndOutputs<I, H> {
        time   t in 1..=T;
        input  x[t]: [I];
        target d[t]: [H];
        param  W: [H, I] ~ glorot_uniform;
        param  U: [H, H] ~ orthogonal;
        h[t] = tanh(W @ dropout(x[t], 0.4) + U @ h[t-1]);
        y[t] = dropout(h[t], 0.4);
        output y;
        loss   mean[t](squared_error(y[t], d[t]));
    }

    /// Inputs and states anew at each step, of which the compiler warns.
    #[allow(deprecated, reason = "the form is meant")]
    model StatesAnew<I, H> {
        time   t in 1..=T;
        input  x[t]: [I];
        target d[t]: [H];
        param  W: [H, I] ~ glorot_uniform;
        param  U: [H, H] ~ orthogonal;
        h[t] = tanh(W @ dropout(x[t], 0.4) + U @ dropout(h[t-1], 0.4));
        output h;
        loss   mean[t](squared_error(h[t], d[t]));
    }

    /// Inputs and states by one mask a sequence (Gal & Ghahramani 2016, eq. 7).
    model Variational<I, H> {
        time   t in 1..=T;
        input  x[t]: [I];
        target d[t]: [H];
        param  W: [H, I] ~ glorot_uniform;
        param  U: [H, H] ~ orthogonal;
        h[t] = tanh(W @ dropout(x[t], 0.4, per = sequence) + U @ dropout(h[t-1], 0.4, per = sequence));
        output h;
        loss   mean[t](squared_error(h[t], d[t]));
    }

    /// Recurrent weights (Wan et al. 2013; Merity, Keskar & Socher 2018).
    model Weights<I, H> {
        time   t in 1..=T;
        input  x[t]: [I];
        target d[t]: [H];
        param  W: [H, I] ~ glorot_uniform;
        param  U: [H, H] ~ orthogonal;
        R    = dropout(U, 0.4);
        h[t] = tanh(W @ x[t] + R @ h[t-1]);
        output h;
        loss   mean[t](squared_error(h[t], d[t]));
    }

    /// Candidates of a cell, not what it keeps (Semeniuta, Severyn & Barth 2016, eq. 11).
    model Candidates<I, H> {
        time   t in 1..=T;
        input  x[t]: [I];
        target d[t]: [H];
        param  W, V: [H, I] ~ glorot_uniform;
        param  U, R: [H, H] ~ orthogonal;
        f[t] = sigmoid(V @ x[t] + R @ h[t-1]);
        g[t] = tanh(W @ x[t] + U @ h[t-1]);
        c[t] = f[t] * c[t-1] + (1 - f[t]) * dropout(g[t], 0.4);
        h[t] = tanh(c[t]);
        output h;
        loss   mean[t](squared_error(h[t], d[t]));
    }

    /// Steps of units (Krueger et al. 2017, eq. 4 and 5).
    model Steps<I, H> {
        time   t in 1..=T;
        input  x[t]: [I];
        target d[t]: [H];
        param  W: [H, I] ~ glorot_uniform;
        param  U: [H, H] ~ orthogonal;
        n[t] = tanh(W @ x[t] + U @ h[t-1]);
        h[t] = zoneout(n[t], h[t-1], 0.4);
        output h;
        loss   mean[t](squared_error(h[t], d[t]));
    }
}

super::agree! {
    inputs_and_outputs_are_dropped: InputsAndOutputs { I: 3, H: 4 };
    states_are_dropped_anew: StatesAnew { I: 3, H: 4 };
    one_mask_is_for_a_sequence: Variational { I: 3, H: 4 };
    weights_are_dropped: Weights { I: 3, H: 4 };
    candidates_are_dropped: Candidates { I: 3, H: 4 };
    units_keep_their_state: Steps { I: 3, H: 4 };
}
