//! Several axes at once: attention both ways, pointers, coverage, lattices, grids, memories that grow with the sequence, and sequences
//! of sequences.

use rnn::cells::{Gru, Lstm};
use rnn::prelude::*;

rnn! {
    /// Attention of each of two sequences to the other (Seo, Kembhavi, Farhadi & Hajishirzi 2017).
    model CoAttention<D, K> {
        time   i in 1..=I;
        time   j in 1..=J;
        input  q[i], m[j]: [D];
        target d[i]: [D];
        param  W_q, W_k: [K, D] ~ glorot_uniform;
        s[i, j] = (W_q @ q[i]) @ (W_k @ m[j]) / sqrt(K);
        a[i, j] = softmax[j](s[i, j]);
        b[i, j] = softmax[i](s[i, j]);
        c[i]    = sum[j](a[i, j] * m[j]);
        e[j]    = sum[i](b[i, j] * q[i]);
        w[i]    = softmax[i](max[j](s[i, j]));
        y[i]    = c[i] * sum[j](a[i, j] * e[j]) + sum[i](w[i] * q[i]);
        output y, a, b;
        loss   mean[i](squared_error(y[i], d[i]));
    }

    /// Pointers into what was read (Vinyals, Fortunato & Jaitly 2015): what is fed back is a place, counted from 1.
    model Pointer<I, H, A> {
        time   j in 1..=J;
        time   t in 1..=T;
        input  x[j]: [I];
        target at[t]: [];
        layer  enc = Lstm<I, H>;
        layer  dec = Lstm<I, H>;
        param  W_1, W_2: [A, H] ~ glorot_uniform;
        param  v: [A] ~ normal(0.0, 0.5);
        param  start: [I] ~ normal(0.0, 0.5);
        e[j]     = enc(x[j]);
        dec.h[0] = e[J];
        dec.c[0] = enc.c[J];
        last[t]  = feedback(at[t-1], own[t-1]);
        read[t]  = where(last[t] == 0, start, sum[j](where(j == last[t], x[j], 0)));
        h[t]     = dec(read[t]);
        u[t, j]  = v @ tanh(W_1 @ e[j] + W_2 @ h[t]);
        logp[t, j] = log_softmax[j](u[t, j]);
        best[t]  = max[j](u[t, j]);
        own[t]   = max[j](where(u[t, j] == best[t], j, 0));
        output own, logp;
        loss   -mean[t](sum[j](where(j == at[t], logp[t, j], 0)));
    }

    /// Attention that counts what it has read (Tu et al. 2016; See, Liu & Manning 2017).
    model Coverage<S, V, E, H, A> {
        time   t in 1..=T;
        time   j in 1..=J;
        input  src[j]: token<S>;
        target tgt[t]: token<V>;
        param  E_s: [S, E] ~ normal(0.0, 0.5);
        param  E_t: [V, E] ~ normal(0.0, 0.5);
        param  W_a: [A, H] ~ glorot_uniform;
        param  U_a: [A, 2*H] ~ glorot_uniform;
        param  w_c, v_a: [A] ~ normal(0.0, 0.5);
        param  W_y: [V, 3*H] ~ glorot_uniform;
        layer  enc = bi(Gru<E, H>);
        layer  dec = Gru<E + 2*H, H>;
        m[j]      = enc(E_s[src[j]]);
        e[t, j]   = v_a @ tanh(W_a @ dec.h[t-1] + U_a @ m[j] + w_c * read[t-1, j]);
        a[t, j]   = softmax[j](e[t, j]);
        read[t, j] = read[t-1, j] + a[t, j];
        c[t]      = sum[j](a[t, j] * m[j]);
        tgt[0]    = 1;
        y[t]      = feedback(tgt[t-1], argmax(logits[t-1]));
        s[t]      = dec([E_t[y[t]], c[t]]);
        logits[t] = W_y @ [s[t], c[t]];
        output logits, read;
        loss   mean[t](cross_entropy(logits[t], tgt[t]) + sum[j](min(a[t, j], read[t-1, j])));
    }

    /// A transducer (Graves 2012, eq. 16): all alignments of labels with steps, in the log semiring.
    model Transducer<I, V> {
        time   t in 1..=T;
        time   u in 1..=U;
        input  x[t]: [I];
        target y[u]: token<V>;
        param  W: [V, I] ~ glorot_uniform;
        param  E: [V, V] ~ normal(0.0, 0.5);
        param  w: [I] ~ normal(0.0, 0.5);
        param  b: [V] ~ normal(0.0, 0.3);
        y[0]        = 0;
        blank[t, u] = w @ x[t] + b[y[u]];
        label[t, u] = log_softmax(W @ x[t] + E[y[u-1]]);
        next[t, u]  = label[t, u, y[u]];
        alpha[t, u] = logsumexp([alpha[t-1, u] + blank[t, u], alpha[t, u-1] + next[t, u]]);
        alpha[0, u] = -1e4;
        waits[t]    = waits[t-1] + w @ x[t];
        alpha[t, 0] = waits[t];
        alpha[0, 0] = 0;
        loss   -alpha[T, U];
    }

    /// All four directions over a grid (Graves, Fernandez & Schmidhuber 2007), from edges that are given.
    model FourWays<I, H> {
        time   r in 1..=R;
        time   c in 1..=C;
        input  x[r, c]: [I];
        target d[r, c]: [H];
        param  W: [H, I] ~ glorot_uniform;
        param  U, V: [H, H] ~ orthogonal(0.7);
        p[r, c] = tanh(W @ x[r, c] + U @ p[r-1, c] + V @ p[r, c-1]);
        q[r, c] = tanh(W @ x[r, c] + U @ q[r+1, c] + V @ q[r, c-1]);
        s[r, c] = tanh(W @ x[r, c] + U @ s[r-1, c] + V @ s[r, c+1]);
        z[r, c] = tanh(W @ x[r, c] + U @ z[r+1, c] + V @ z[r, c+1]);
        p[0, c] = 0.1;
        z[r, C+1] = -0.2;
        y[r, c] = p[r, c] + q[r, c] + s[r, c] + z[r, c];
        output y;
        loss   mean[r](mean[c](squared_error(y[r, c], d[r, c])));
    }

    /// A stack whose strengths are of the steps that pushed (Grefenstette, Hermann, Suleyman & Blunsom 2015, eq. 1 to 3). The axis of
    /// the places is as long as that of the steps; what was pushed is read at a place by its number.
    model NeuralStack<I, M> {
        time   t in 1..=T;
        time   i in 1..=N;
        input  x[t]: [I];
        input  bias[i]: [];
        target y[t]: [M];
        param  W: [M, I] ~ glorot_uniform;
        param  w_d, w_u: [I] ~ normal(0.0, 1.0);
        v[t] = tanh(W @ x[t]);
        d[t] = sigmoid(w_d @ x[t]);
        u[t] = sigmoid(w_u @ x[t]);
        held[i]     = sum[t](where(t == i, v[t], 0)) + bias[i];
        above[t, i] = above[t, i+1] + s[t-1, i+1];
        s[t, i]     = where(i == t, d[t], max(0, s[t-1, i] - max(0, u[t] - above[t, i])));
        over[t, i]  = over[t, i+1] + s[t, i+1];
        r[t]        = sum[i](min(s[t, i], max(0, 1 - over[t, i])) * held[i]);
        output r, s;
        loss   mean[t](squared_error(r[t], y[t]));
    }

    /// Words within sentences (Sordoni et al. 2015): the state of the words starts from that of the sentences before. Sentences have
    /// lengths of their own, which an input says.
    model Hierarchy<V, E, H> {
        time   s in 1..=S;
        time   w in 1..=W;
        input  word[s, w]: token<V>;
        input  there[s, w]: [];
        target d[s]: [H];
        param  Em: [V, E] ~ normal(0.0, 0.5);
        param  A: [H, E] ~ glorot_uniform;
        param  B, C, D, F: [H, H] ~ orthogonal;
        n[s, w] = tanh(A @ Em[word[s, w]] + B @ h[s, w-1]);
        h[s, w] = where(there[s, w] > 0, n[s, w], h[s, w-1]);
        h[s, 0] = tanh(F @ g[s-1]);
        g[s]    = tanh(C @ g[s-1] + D @ h[s, W]);
        output g;
        loss   mean[s](squared_error(g[s], d[s]));
    }
}

super::agree! {
    two_sequences_attend_to_each_other: CoAttention { D: 2, K: 3 };
    a_decoder_points_into_what_it_read: Pointer { I: 2, H: 3, A: 2 };
    attention_counts_what_it_has_read: Coverage { S: 4, V: 4, E: 2, H: 2, A: 2 };
    a_transducer_sums_over_its_lattice: Transducer { I: 2, V: 3 };
    a_grid_is_read_in_four_directions: FourWays { I: 2, H: 3 };
    a_stack_has_a_place_for_each_step: NeuralStack { I: 2, M: 3 };
    words_are_read_within_sentences: Hierarchy { V: 4, E: 2, H: 3 };
}

/// Two steps and one label: the label is said at the first step or at the second.
#[test]
fn a_transducer_is_the_sum_over_its_paths() {
    let spec = Transducer { I: 1, V: 2 };
    let model = spec.compile(Options::default()).unwrap();
    let mut params = TransducerParams::init(&spec, 3).unwrap();
    params.b.fill(0.25);
    params.w.fill(-0.5);
    let x = Array3::from_shape_vec((2, 1, 1), vec![0.4, -1.2]).unwrap();
    let y = Array2::from_elem((1, 1), 1u32);
    let targets = TransducerTargets { y: y.view() };
    let loss = model.loss(&params, TransducerInputs { x: x.view() }, targets);
    let label = |t: usize| {
        let score = |k: usize| params.W[[k, 0]] * x[[t, 0, 0]] + params.E[[0, k]];
        score(1) - (score(0).exp() + score(1).exp()).ln()
    };
    let (before, behind) = (
        |t: usize| -0.5 * x[[t, 0, 0]],
        |t: usize| -0.5 * x[[t, 0, 0]] + 0.25,
    );
    // `alpha[t, u]`: a label is said along a step, after waiting it or not; a blank after the label goes on.
    let first = before(0) + label(0) + behind(1);
    let second = before(0) + before(1) + label(1);
    let expected = -(first.exp() + second.exp()).ln();
    assert!((loss.unwrap() - expected).abs() < 1e-5, "{expected}");
}
