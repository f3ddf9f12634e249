//! Discretised differential equations.

crate::rnn! {
    /// Antisymmetric network (Chang, Chen, Haber & Chi 2019, "AntisymmetricRNN", sec. 3): a step of Euler's method whose
    /// Jacobian `W - W.T - gamma I` has eigenvalues near the imaginary axis, so states neither vanish nor explode.
    ///
    /// `W` is stored whole; only its antisymmetric part, `H (H - 1) / 2` numbers, matters.
    pub cell Antisymmetric<I, H>(x: [I]) -> h: [H] {
        param W: [H, H] ~ normal(0.0, 0.1);
        param V: [H, I] ~ glorot_uniform;
        param b: [H]    = 0;
        fixed epsilon: [] = 0.1;
        fixed gamma:   [] = 0.01;

        h[t] = h[t-1] + epsilon * tanh((W - W.T) @ h[t-1] - gamma * h[t-1] + V @ x[t] + b);
    }

    /// [`Antisymmetric`] with a gate on the step, which shares its recurrent matrix (Chang et al. 2019, sec. 3).
    pub cell GatedAntisymmetric<I, H>(x: [I]) -> h: [H] {
        param W: [H, H] ~ normal(0.0, 0.1);
        param V_h, V_z: [H, I] ~ glorot_uniform;
        param b_h, b_z: [H] = 0;
        fixed epsilon: [] = 0.1;
        fixed gamma:   [] = 0.01;

        a[t] = (W - W.T) @ h[t-1] - gamma * h[t-1];
        z[t] = sigmoid(a[t] + V_z @ x[t] + b_z);
        h[t] = h[t-1] + epsilon * z[t] * tanh(a[t] + V_h @ x[t] + b_h);
    }

    /// Coupled oscillatory network (Rusch & Mishra 2021, "Coupled oscillatory recurrent neural network", eq. 3 with the damping of
    /// the step before): positions `y` and velocities `z` of oscillators with frequency `gamma` and damping `epsilon`.
    ///
    /// `dt`, `gamma` and `epsilon` are the paper's for sequential MNIST.
    pub cell CoRnn<I, H>(u: [I]) -> y: [H] {
        param W, W_z: [H, H] ~ lecun_uniform;
        param V: [H, I] ~ lecun_uniform;
        param b: [H]    = 0;
        fixed dt:      [] = 0.042;
        fixed gamma:   [] = 2.7;
        fixed epsilon: [] = 4.7;

        z[t] = z[t-1] + dt * (tanh(W @ y[t-1] + W_z @ z[t-1] + V @ u[t] + b) - gamma * y[t-1] - epsilon * z[t-1]);
        y[t] = y[t-1] + dt * z[t];
    }

    /// A layer of the undamped, independent oscillators of UnICORNN (Rusch & Mishra 2021, "UnICORNN: a recurrent model for
    /// learning very long time dependencies", eq. 4), discretised symplectically: a step can be run back, so the states of a long
    /// sequence need not be stored. Each oscillator reads its own past alone, with a time step of its own, `dt sigmoid(c)`.
    ///
    /// `dt` and `alpha` are within the paper's ranges; its models stack several layers.
    pub cell Unicornn<I, H>(u: [I]) -> y: [H] {
        param w: [H] ~ uniform(0.0, 1.0);
        param V: [H, I] ~ he_uniform;
        param b: [H] = 0;
        param c: [H] ~ uniform(-0.1, 0.1);
        fixed dt:    [] = 0.1;
        fixed alpha: [] = 1;

        z[t] = z[t-1] - dt * sigmoid(c) * (tanh(w * y[t-1] + V @ u[t] + b) + alpha * y[t-1]);
        y[t] = y[t-1] + dt * sigmoid(c) * z[t];
    }

    /// Long expressive memory (Rusch, Mishra, Erichson & Mahoney 2022, eq. 3): a system of two states, each with gated time
    /// steps of its own. `y` reads the new `z`.
    pub cell Lem<I, H>(u: [I]) -> y: [H] {
        param W_1, W_2, W_z, W_y: [H, H] ~ lecun_uniform;
        param V_1, V_2, V_z, V_y: [H, I] ~ lecun_uniform;
        param b_1, b_2, b_z, b_y: [H] = 0;
        fixed dt: [] = 1;

        dt_z[t] = dt * sigmoid(W_1 @ y[t-1] + V_1 @ u[t] + b_1);
        dt_y[t] = dt * sigmoid(W_2 @ y[t-1] + V_2 @ u[t] + b_2);
        z[t] = (1 - dt_z[t]) * z[t-1] + dt_z[t] * tanh(W_z @ y[t-1] + V_z @ u[t] + b_z);
        y[t] = (1 - dt_y[t]) * y[t-1] + dt_y[t] * tanh(W_y @ z[t] + V_y @ u[t] + b_y);
    }

    /// Closed-form continuous-time network (Hasani, Lechner, Amini, Liebenwein, Ray, Tschaikowski, Teschl & Rus 2022): between
    /// two networks `g` and `k`, a gate closes with the time `dt` since the step before. Steps need not be equally far apart.
    ///
    /// The three heads share a backbone of `K` units, with LeCun's `1.7159 tanh(2 x / 3)`.
    pub cell Cfc<I, K, H>(x: [I], dt: []) -> h: [H] {
        param W_x: [K, I] ~ glorot_uniform;
        param W_h: [K, H] ~ glorot_uniform;
        param b: [K] = 0;
        param W_f, W_g, W_k: [H, K] ~ glorot_uniform;
        param b_f, b_g, b_k: [H] = 0;

        z[t] = 1.7159 * tanh(2 / 3 * (W_x @ x[t] + W_h @ h[t-1] + b));
        f[t] = W_f @ z[t] + b_f;
        g[t] = tanh(W_g @ z[t] + b_g);
        k[t] = tanh(W_k @ z[t] + b_k);
        gate[t] = sigmoid(-f[t] * dt[t]);
        h[t] = gate[t] * g[t] + (1 - gate[t]) * k[t];
    }

    /// Leaky echo state network (Jaeger, Lukoševičius, Popovici & Siewert 2007; Lukoševičius 2012, eq. 2 and 3): a fixed
    /// reservoir, of which only what reads it is trained. With `alpha = 1` it is [`Elman`](super::Elman).
    pub cell LeakyEsn<I, H>(u: [I]) -> x: [H] {
        fixed W_in:  [H, I] ~ uniform(-1.0, 1.0);
        fixed W:     [H, H] ~ spectral_radius(0.9);
        fixed b:     [H]    ~ uniform(-0.5, 0.5);
        fixed alpha: []     = 0.3;

        x[t] = (1 - alpha) * x[t-1] + alpha * tanh(W_in @ u[t] + W @ x[t-1] + b);
    }
}
