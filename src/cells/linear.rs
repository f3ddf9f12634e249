//! Recurrences that are linear in the state: what they multiply it with does not read the state, or reads it unit by unit.

crate::rnn! {
    /// Linear state space: `x[t] = A x[t-1] + B u[t]`, `y[t] = C x[t] + D u[t]` (Kalman 1960). The impulse response is
    /// `D`, `C B`, `C A B`, `C A^2 B`, ..
    pub cell LinearStateSpace<I, N, O>(u: [I]) -> y: [O] {
        param A: [N, N] ~ orthogonal(0.9);
        param B: [N, I] ~ glorot_uniform;
        param C: [O, N] ~ glorot_uniform;
        param D: [O, I] ~ glorot_uniform;

        x[t] = A @ x[t-1] + B @ u[t];
        y[t] = C @ x[t] + D @ u[t];
    }

    /// Simple recurrent unit (Lei, Zhang, Wang, Dai & Artzi 2018, eq. 1 to 4, the form with `v`): gates read the input, and of
    /// the state their own unit alone. The highway connection makes input and output of one size.
    pub cell Sru<H>(x: [H]) -> h: [H] {
        param W, W_f, W_r: [H, H] ~ glorot_uniform;
        param v_f, v_r: [H] ~ uniform(-1.0, 1.0);
        param b_f, b_r: [H] = 0;

        f[t] = sigmoid(W_f @ x[t] + v_f * c[t-1] + b_f);
        c[t] = f[t] * c[t-1] + (1 - f[t]) * (W @ x[t]);
        r[t] = sigmoid(W_r @ x[t] + v_r * c[t-1] + b_r);
        h[t] = r[t] * c[t] + (1 - r[t]) * x[t];
    }

    /// Quasi-recurrent network with forget pooling, "f-pooling" (Bradbury, Merity, Xiong & Socher 2017, eq. 2 and 3): gates are
    /// convolutions of width two over the input. `V` reads the step, `W` the one before.
    pub cell QrnnF<I, H>(x: [I]) -> h: [H] {
        param W_z, W_f: [H, I] ~ glorot_uniform;
        param V_z, V_f: [H, I] ~ glorot_uniform;

        z[t] = tanh(W_z @ x[t-1] + V_z @ x[t]);
        f[t] = sigmoid(W_f @ x[t-1] + V_f @ x[t]);
        h[t] = f[t] * h[t-1] + (1 - f[t]) * z[t];
    }

    /// Quasi-recurrent network with an output gate, "fo-pooling" (Bradbury, Merity, Xiong & Socher 2017, eq. 2 and 4).
    pub cell QrnnFo<I, H>(x: [I]) -> h: [H] {
        param W_z, W_f, W_o: [H, I] ~ glorot_uniform;
        param V_z, V_f, V_o: [H, I] ~ glorot_uniform;

        z[t] = tanh(W_z @ x[t-1] + V_z @ x[t]);
        f[t] = sigmoid(W_f @ x[t-1] + V_f @ x[t]);
        o[t] = sigmoid(W_o @ x[t-1] + V_o @ x[t]);
        c[t] = f[t] * c[t-1] + (1 - f[t]) * z[t];
        h[t] = o[t] * c[t];
    }

    /// Minimal GRU (Feng, Tung, Ahmed, Bengio & Hajimirsadeghi 2024, "Were RNNs all we needed?", sec. 3.1): no gate reads the
    /// state and the candidate is linear. `z` keeps the old state where it is zero.
    pub cell MinGru<I, H>(x: [I]) -> h: [H] {
        param W_z, W_h: [H, I] ~ glorot_uniform;
        param b_z, b_h: [H] = 0;

        z[t] = sigmoid(W_z @ x[t] + b_z);
        n[t] = W_h @ x[t] + b_h;
        h[t] = (1 - z[t]) * h[t-1] + z[t] * n[t];
    }

    /// Minimal LSTM (Feng, Tung, Ahmed, Bengio & Hajimirsadeghi 2024, sec. 3.2): no gate reads the state, and the gates are
    /// divided by their sum, so the scale of the state does not depend on time.
    pub cell MinLstm<I, H>(x: [I]) -> h: [H] {
        param W_f, W_i, W_h: [H, I] ~ glorot_uniform;
        param b_f, b_i, b_h: [H] = 0;

        f[t] = sigmoid(W_f @ x[t] + b_f);
        i[t] = sigmoid(W_i @ x[t] + b_i);
        n[t] = W_h @ x[t] + b_h;
        h[t] = f[t] / (f[t] + i[t]) * h[t-1] + i[t] / (f[t] + i[t]) * n[t];
    }

    /// Linear recurrent unit in real numbers (Orvieto, Smith, Gu, Fernando, Gulcehre, Pascanu & De 2023, sec. 3): a diagonal
    /// complex recurrence with eigenvalues `r e^(i theta)`, `r = e^(-e^nu) < 1`, and inputs scaled by `sqrt(1 - r^2)`.
    ///
    /// `x = p + i q` is the state, `y[t] = Re(C x[t]) + D u[t]`. The paper trains the logarithms of `theta` and of the scale as
    /// parameters of their own; here `theta` is trained itself, and the scale follows `r`.
    pub cell Lru<I, N, O>(u: [I]) -> y: [O] {
        param nu:    [N] ~ ring(0.5, 0.99);
        param theta: [N] ~ uniform(0.0, 6.283185307179586);
        param B_re, B_im: [N, I] ~ lecun_normal;
        param C_re, C_im: [O, N] ~ lecun_normal;
        param D: [O, I] ~ lecun_normal;

        r = exp(-exp(nu));
        p[t] = r * cos(theta) * p[t-1] - r * sin(theta) * q[t-1] + sqrt(1 - r * r) * (B_re @ u[t]);
        q[t] = r * sin(theta) * p[t-1] + r * cos(theta) * q[t-1] + sqrt(1 - r * r) * (B_im @ u[t]);
        y[t] = C_re @ p[t] - C_im @ q[t] + D @ u[t];
    }

    /// Real-gated linear recurrent unit (De et al. 2024, "Griffin", eq. 1 to 4): the decay `a = sigmoid(Lambda)` is raised to a
    /// gated power, `ln a[t] = 8 r[t] ln a`.
    ///
    /// Gates are full matrices, as in the paper's equations; its models use block-diagonal ones.
    pub cell RgLru<H>(x: [H]) -> h: [H] {
        param W_a, W_x: [H, H] ~ lecun_normal;
        param b_a, b_x: [H] = 0;
        param Lambda: [H] ~ sigmoid_root(0.9, 0.999, 8.0);

        r[t] = sigmoid(W_a @ x[t] + b_a);
        i[t] = sigmoid(W_x @ x[t] + b_x);
        log_a[t] = -8 * softplus(-Lambda) * r[t];
        h[t] = exp(log_a[t]) * h[t-1] + sqrt(1 - exp(2 * log_a[t])) * (i[t] * x[t]);
    }
}
