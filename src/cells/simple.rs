//! Networks of one nonlinear layer that reads its own past.

crate::rnn! {
    /// Simple recurrent network (Elman 1990, "Finding structure in time"):
    /// `h[t] = tanh(W_xh x[t] + W_hh h[t-1] + b_h)`.
    pub cell Elman<I, H>(x: [I]) -> h: [H] {
        param W_xh: [H, I] ~ glorot_uniform;
        param W_hh: [H, H] ~ orthogonal;
        param b_h:  [H]    = 0;

        h[t] = tanh(W_xh @ x[t] + W_hh @ h[t-1] + b_h);
    }

    /// Network whose context is its output, not its hidden layer (Jordan 1986, "Serial order: a parallel distributed
    /// processing approach").
    ///
    /// The state units `s` remember outputs with the decay `mu`, as in Jordan's network. The form of textbooks,
    /// `h[t] = f(W_xh x[t] + W_sh y[t-1] + b_h)`, is `mu = 0`.
    pub cell Jordan<I, H, O>(x: [I]) -> y: [O] {
        param W_xh: [H, I] ~ glorot_uniform;
        param W_sh: [H, O] ~ glorot_uniform;
        param W_hy: [O, H] ~ glorot_uniform;
        param b_h:  [H]    = 0;
        param b_y:  [O]    = 0;
        fixed mu:   []     = 0.5;

        s[t] = mu * s[t-1] + y[t-1];
        h[t] = tanh(W_xh @ x[t] + W_sh @ s[t] + b_h);
        y[t] = sigmoid(W_hy @ h[t] + b_y);
    }

    /// Rectified network that starts as an integrator (Le, Jaitly & Hinton 2015, "A simple way to initialize recurrent
    /// networks of rectified linear units"): `W_hh` is the identity and biases are zero, so without input a state
    /// stays as it is.
    ///
    /// For a task of short range the paper scales the identity down: set `W_hh` to `0.01 I`.
    pub cell Irnn<I, H>(x: [I]) -> h: [H] {
        param W_xh: [H, I] ~ normal(0.0, 0.001);
        param W_hh: [H, H] ~ identity;
        param b_h:  [H]    = 0;

        h[t] = relu(W_xh @ x[t] + W_hh @ h[t-1] + b_h);
    }

    /// Independently recurrent network (Li, Li, Cook, Zhu & Gao 2018, eq. 2): a unit reads no other unit's past, so `u` is
    /// a vector and the Jacobian is diagonal.
    pub cell IndRnn<I, H>(x: [I]) -> h: [H] {
        param W: [H, I] ~ he_uniform;
        param u: [H]    ~ uniform(0.0, 1.0);
        param b: [H]    = 0;

        h[t] = relu(W @ x[t] + u * h[t-1] + b);
    }

    /// [`Elman`] with a skip connection in time: the state passes by the nonlinearity, scaled by a trained `alpha`, so
    /// `dh[t]/dh[t-1]` has `alpha I` in it (the residual connection of He, Zhang, Ren & Sun 2016, along time).
    pub cell SkipElman<I, H>(x: [I]) -> h: [H] {
        param W_xh:  [H, I] ~ glorot_uniform;
        param W_hh:  [H, H] ~ orthogonal;
        param b_h:   [H]    = 0;
        param alpha: []     = 0.5;

        h[t] = tanh(W_xh @ x[t] + W_hh @ h[t-1] + b_h) + alpha * h[t-1];
    }

    /// Structurally constrained recurrent network (Mikolov, Joulin, Chopra, Mathieu & Ranzato 2015, "Learning longer memory
    /// in recurrent neural networks"): beside the hidden layer a context layer `s` whose recurrent matrix is
    /// `alpha I`, a moving average that changes slowly.
    ///
    /// The output is `[h, s]`, of which the paper's readout is `U h + V s`. The context is linear; its decay is fixed,
    /// 0.95 as in the paper's experiments.
    pub cell Scrn<I, H, S>(x: [I]) -> y: [H + S] {
        param B: [S, I] ~ glorot_uniform;
        param P: [H, S] ~ glorot_uniform;
        param A: [H, I] ~ glorot_uniform;
        param R: [H, H] ~ orthogonal;
        fixed alpha: [] = 0.95;

        s[t] = (1 - alpha) * (B @ x[t]) + alpha * s[t-1];
        h[t] = sigmoid(P @ s[t] + A @ x[t] + R @ h[t-1]);
        y[t] = [h[t], s[t]];
    }
}
