//! What textbooks and surveys name: mappings between sequences, orders in time, arrangements of layers, attention.

use ndarray::{ArrayView1, s};
use rnn::cells::{Elman, Gru};
use rnn::prelude::*;

rnn! {
    /// One to many: the state starts from a vector, each output is read from the state before and fed back.
    model OneToMany<V, H, O> {
        time   t in 1..=T;
        input  v: [V];
        input  gap[t]: [];
        target d[t]: [O];
        param  W_xh: [H, V] ~ glorot_uniform;
        param  W_hh: [H, H] ~ orthogonal;
        param  W_yh: [H, O] ~ glorot_uniform;
        param  W_hy: [O, H] ~ glorot_uniform;
        param  b_h: [H] = 0.1;
        h[0] = tanh(W_xh @ v + b_h);
        y[t] = tanh(W_hy @ h[t-1]) + gap[t];
        h[t] = tanh(W_hh @ h[t-1] + W_yh @ y[t] + b_h);
        output y;
        loss   mean[t](squared_error(y[t], d[t]));
    }

    /// An initial state that is learned.
    model LearnedStart<I, H> {
        time   t in 1..=T;
        input  x[t]: [I];
        target d[t]: [H];
        param  start: [H] ~ normal(0.0, 0.5);
        layer  net = Elman<I, H>;
        net.h[0] = start;
        h[t] = net(x[t]);
        output h;
        loss   mean[t](squared_error(h[t], d[t]));
    }

    /// Many to many of another length: an encoder's last state starts a decoder with weights of its own.
    model Encoded<I, O, H> {
        time   s in 1..=S;
        time   t in 1..=T;
        input  x[s]: [I];
        target d[t]: [O];
        layer  enc = Elman<I, H>;
        layer  dec = Elman<O, H>;
        param  W_y: [O, H] ~ glorot_uniform;
        e[s]     = enc(x[s]);
        dec.h[0] = e[S];
        y[t]     = W_y @ dec(feedback(d[t-1], y[t-1]));
        output y;
        loss   mean[t](squared_error(y[t], d[t]));
    }

    /// Many to one: one output of the last state.
    model LastState<I, H, C> {
        time   t in 1..=T;
        input  x[t]: [I];
        target class: token<C>;
        layer  net = Elman<I, H>;
        param  W_y: [C, H] ~ glorot_uniform;
        param  b_y: [C] = 0.1;
        h[t]   = net(x[t]);
        logits = W_y @ h[T] + b_y;
        output logits;
        loss   cross_entropy(logits, class);
    }

    /// A recurrent network behind a convolution over time.
    model Convolved<I, C, H> {
        time   t in 1..=T;
        input  x[t]: [I];
        target d[t]: [H];
        param  K_l, K_m, K_r: [C, I] ~ glorot_uniform;
        param  b: [C] = 0.1;
        layer  net = Gru<C, H>;
        z[t] = relu(K_l @ x[t-1] + K_m @ x[t] + K_r @ x[t+1] + b);
        h[t] = net(z[t]);
        output h;
        loss   mean[t](squared_error(h[t], d[t]));
    }

    /// The symbol after two others: a Markov model of order two.
    model Markov<V> {
        time   t in 1..=T;
        input  x[t]: token<V>;
        target next[t]: token<V>;
        param  first, second: [V, V] ~ normal(0.0, 0.5);
        logits[t] = first[x[t]] + second[x[t-1]];
        output logits;
        loss   mean[t](cross_entropy(logits[t], next[t]));
    }

    /// An autoregression of order three.
    model Autoregression<N> {
        time   t in 1..=T;
        input  x[t]: [N];
        target d[t]: [N];
        param  a_1, a_2, a_3: [N] ~ normal(0.0, 0.3);
        y[t] = a_1 * x[t] + a_2 * x[t-1] + a_3 * x[t-2];
        output y;
        loss   mean[t](squared_error(y[t], d[t]));
    }

    /// A state space whose matrices are given at every step, and a linear network with noise beside it.
    model Linear<I, N, O> {
        time   t in 1..=T;
        input  F[t]: [N, N];
        input  G[t]: [O, N];
        input  u[t]: [I];
        target d[t]: [O];
        param  W_x: [N, I] ~ glorot_uniform;
        param  W_h: [N, N] ~ orthogonal(0.7);
        param  V: [O, N] ~ glorot_uniform;
        x[t] = F[t] @ x[t-1] + W_x @ u[t];
        h[t] = W_h @ h[t-1] + noise(W_x @ u[t], 0.1);
        y[t] = G[t] @ x[t] + V @ h[t];
        output y;
        loss   mean[t](squared_error(y[t], d[t]));
    }

    /// A language model whose output weights are its embedding (Press & Wolf 2017).
    model Tied<V, H> {
        time   t in 1..=T;
        input  now[t]: token<V>;
        target next[t]: token<V>;
        param  E: [V, H] ~ normal(0.0, 0.5);
        layer  net = Elman<H, H>;
        logits[t] = E @ net(E[now[t]]);
        output logits;
        loss   mean[t](cross_entropy(logits[t], next[t]));
    }

    /// Layers of which each reads the one below, normalised, and is normalised.
    model NormalisedStack<I, H> {
        time   t in 1..=T;
        input  x[t]: [I];
        target d[t]: [H];
        layer  below = Elman<I, H>;
        layer  above = Elman<H, H>;
        a[t] = layer_norm(below(layer_norm(x[t])));
        b[t] = layer_norm(above(a[t]));
        output b;
        loss   mean[t](squared_error(b[t], d[t]));
    }

    /// Layers in both directions, each added to what it reads.
    model ResidualStack<H> {
        time   t in 1..=T;
        input  x[t]: [H];
        target d[t]: [2*H];
        layer  net = bi(stack(2, residual(Elman<H, H>)));
        y[t] = net(x[t]);
        output y;
        loss   mean[t](squared_error(y[t], d[t]));
    }

    /// A recurrent matrix that is orthogonal whatever its parameters are: a product of reflections (Mhammedi et al. 2017, eq. 3
    /// and 4), behind a state that is added to what is new (a skip through time).
    model Orthogonal<I, H> {
        index  k in 1..=3;
        time   t in 1..=T;
        input  x[t]: [I];
        target d[t]: [H];
        param  u[k]: [H] ~ normal(0.0, 1.0);
        param  W: [H, I] ~ glorot_uniform;
        param  b: [H] = 0.1;
        r[k, t] = r[k-1, t] - 2 * (u[k] @ r[k-1, t]) / (u[k] @ u[k]) * u[k];
        r[0, t] = h[t-1];
        h[t] = tanh(W @ x[t] + r[3, t] + b) + 0.3 * h[t-1];
        output h;
        loss   mean[t](squared_error(h[t], d[t]));
    }

    /// The same reflections alone.
    model Reflections<H> {
        index  k in 1..=3;
        time   t in 1..=T;
        input  start: [H];
        input  gap[t]: [];
        param  u[k]: [H] ~ normal(0.0, 1.0);
        r[k, t] = r[k-1, t] - 2 * (u[k] @ r[k-1, t]) / (u[k] @ u[k]) * u[k];
        r[0, t] = h[t-1];
        h[0] = start;
        h[t] = r[3, t] + gap[t];
        output h;
    }

    /// A decoder that reads its context beside its input; the energies are of the state before.
    model ContextBefore<E, M, H> {
        time   j in 1..=J;
        time   t in 1..=T;
        input  x[t]: [E];
        input  m[j]: [M];
        target d[t]: [H];
        param  W_a: [H, M] ~ glorot_uniform;
        param  W_hh: [H, H] ~ orthogonal;
        param  W_ch: [H, M] ~ glorot_uniform;
        param  W_xh: [H, E] ~ glorot_uniform;
        param  b: [H] = 0.1;
        a[t, j] = softmax[j](h[t-1] @ (W_a @ m[j]));
        c[t]    = sum[j](a[t, j] * m[j]);
        h[t]    = tanh(W_hh @ h[t-1] + W_ch @ c[t] + W_xh @ x[t] + b);
        output h, a;
        loss   mean[t](squared_error(h[t], d[t]));
    }

    /// The other order: energies of the new state, and a state that is aware of the context.
    model ContextAfter<E, M, H> {
        time   j in 1..=J;
        time   t in 1..=T;
        input  x[t]: [E];
        input  m[j]: [M];
        target d[t]: [H];
        param  W_a: [H, M] ~ glorot_uniform;
        param  W_c: [H, H + M] ~ glorot_uniform;
        layer  net = Elman<E, H>;
        h[t]    = net(x[t]);
        a[t, j] = softmax[j](h[t] @ (W_a @ m[j]));
        c[t]    = sum[j](a[t, j] * m[j]);
        s[t]    = tanh(W_c @ [h[t], c[t]]);
        output s;
        loss   mean[t](squared_error(s[t], d[t]));
    }

    /// A convolutional LSTM along one axis of places (Shi et al. 2015, eq. 3, without peepholes): gates read neighbours in place of
    /// the step before.
    model ConvLstm<I, H> {
        time   t in 1..=T;
        time   p in 1..=P;
        input  x[t, p]: [I];
        target d[t, p]: [H];
        param  X_l, X_m, X_r: [4*H, I] ~ glorot_uniform;
        param  K_l, K_m, K_r: [4*H, H] ~ glorot_uniform;
        param  bias: [4*H] = 0.1;
        z[t, p] = X_l @ x[t, p-1] + X_m @ x[t, p] + X_r @ x[t, p+1]
                + K_l @ h[t-1, p-1] + K_m @ h[t-1, p] + K_r @ h[t-1, p+1] + bias;
        i[t, p] = sigmoid(slice(z[t, p], 0, H));
        f[t, p] = sigmoid(slice(z[t, p], H, H));
        o[t, p] = sigmoid(slice(z[t, p], 2*H, H));
        g[t, p] = tanh(slice(z[t, p], 3*H, H));
        c[t, p] = f[t, p] * c[t-1, p] + i[t, p] * g[t, p];
        h[t, p] = o[t, p] * tanh(c[t, p]);
        output h;
        loss   mean[t](mean[p](squared_error(h[t, p], d[t, p])));
    }
}

super::agree! {
    a_vector_becomes_a_sequence: OneToMany { V: 2, H: 4, O: 3 };
    an_initial_state_is_learned: LearnedStart { I: 2, H: 3 };
    a_sequence_becomes_one_of_another_length: Encoded { I: 2, O: 3, H: 4 };
    the_last_state_tells_the_class: LastState { I: 2, H: 4, C: 3 };
    a_convolution_comes_before_a_recurrence: Convolved { I: 2, C: 3, H: 3 };
    symbols_depend_on_two_others: Markov { V: 4 };
    values_depend_on_three_others: Autoregression { N: 2 };
    matrices_are_given_at_every_step: Linear { I: 2, N: 3, O: 2 };
    an_embedding_is_the_output_layer_too: Tied { V: 5, H: 3 };
    layers_are_normalised: NormalisedStack { I: 3, H: 4 };
    layers_are_added_to_what_they_read: ResidualStack { H: 3 };
    a_recurrent_matrix_is_a_product_of_reflections: Orthogonal { I: 2, H: 4 };
    a_context_is_of_the_state_before: ContextBefore { E: 2, M: 3, H: 4 };
    a_context_is_of_the_new_state: ContextAfter { E: 2, M: 3, H: 4 };
    a_network_convolves_over_places_and_recurs_over_time: ConvLstm { I: 2, H: 3 };
}

#[test]
fn reflections_keep_the_norm_of_a_state() {
    let spec = Reflections { H: 6 };
    let model = spec.compile(Options::default()).unwrap();
    let params = ReflectionsParams::init(&spec, 3).unwrap();
    let start = Array2::from_shape_fn((2, 6), |(b, i)| ((b * 5 + i * 3) % 7) as f32 - 2.0);
    let gap = Array2::zeros((500, 2));
    let inputs = ReflectionsInputs {
        start: start.view(),
        gap: gap.view(),
    };
    let h = model.forward(&params, inputs).unwrap().h;
    let norm = |x: ArrayView1<'_, f32>| x.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    for b in 0..2 {
        let (first, last) = (norm(start.row(b)), norm(h.slice(s![499, b, ..])));
        // Three reflections a step, each of a few roundings of 2^-24, which add up like a random walk.
        assert!((first - last).abs() < 1e-4 * first, "{first} {last}");
        assert_ne!(start.row(b), h.slice(s![499, b, ..]));
    }
}

#[test]
fn outputs_of_the_last_state_alone_are_computed_once() {
    let spec = LastState { I: 2, H: 4, C: 3 };
    let model = spec.compile(Options::default()).unwrap();
    let loops = model.schedule(Program::Forward).unwrap().to_string();
    let product = loops.lines().find(|line| line.contains("W_y")).unwrap();
    assert!(product.starts_with("product"), "{loops}");
}

rnn! {
    /// A simple recurrence under a layer.
    model Under<I, H> {
        time   t in 1..=T;
        input  x[t]: [I];
        param  W: [H, I] ~ glorot_uniform;
        param  U: [H, H] ~ orthogonal;
        layer  above = Gru<H, H>;
        h[t] = tanh(W @ x[t] + U @ h[t-1]);
        y[t] = above(h[t]);
        output y;
    }
}

/// The line of the equation of `Under`.
const LINE: u32 = line!() - 7;

#[test]
fn loops_are_told_with_the_lines_of_their_equations() {
    let spec = Under { I: 2, H: 3 };
    let text = spec.compile(Options::default()).unwrap().explain();
    let own = format!("dense: `U @ h[t-1]` in `h`, line {LINE}\n");
    assert!(text.contains(&own), "{own}{text}");
    let inside = text
        .lines()
        .find(|line| line.contains("in `above."))
        .unwrap();
    assert!(inside.contains(", line "), "{inside}");
    assert!(inside.ends_with(" of src/cells/gru.rs"), "{inside}");
}
