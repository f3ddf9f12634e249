//! What is not seen: filters, smoothers, segments and best paths.

use ndarray::{Array4, s};
use rnn::prelude::*;

rnn! {
    /// A filter of one measured value a step (Kalman 1960), trained by the likelihood of what is measured.
    model Kalman<N> {
        time  t in 1..=T;
        input z[t]: [];
        param F: [N, N] ~ orthogonal(0.9);
        param q: [N] = 0.1;
        param c: [N] ~ normal(0.0, 1.0);
        param r: [] = 0.5;
        fixed P_0: [N, N] ~ identity;
        P[0] = P_0;
        p[t] = F @ P[t-1] @ F.T + diag(square(q)) @ P_0;
        v[t] = c @ p[t] @ c + square(r);
        k[t] = p[t] @ c / v[t];
        e[t] = z[t] - c @ (F @ m[t-1]);
        m[t] = F @ m[t-1] + k[t] * e[t];
        P[t] = p[t] - outer(k[t], c) @ p[t];
        output m, P;
        loss  0.5 * sum[t](square(e[t]) / v[t] + ln(2 * 3.141592653589793 * v[t]));
    }

    /// Posteriors of a hidden Markov model, by a sum in each direction (Baum et al. 1970).
    model Posterior<V, K> {
        time  t in 1..=T;
        input x[t]: token<V>;
        param A: [K, K] ~ normal(0.0, 0.5);
        param B: [V, K] ~ normal(0.0, 0.5);
        x[T+1]   = 0;
        alpha[t] = B[x[t]] + where(t == 1, 0, logsumexp(alpha[t-1] + A.T));
        beta[t]  = where(t == T, 0, logsumexp(A + (beta[t+1] + B[x[t+1]])));
        p[t]     = softmax(alpha[t] + beta[t]);
        output p;
        loss  mean[t](sum(p[t] * ln(p[t]))) - logsumexp(alpha[T]);
    }

    /// Labels of segments of up to three steps (Sarawagi & Cohen 2004).
    model SemiMarkov<I, K> {
        time   t in 1..=T;
        index  d in 1..=3;
        input  x[t]: [I];
        target gold: [];
        param  W: [K, I] ~ glorot_uniform;
        param  A: [K, K] ~ normal(0.0, 0.5);
        param  b[d]: [K] ~ normal(0.0, 0.5);
        u[t]       = u[t-1] + W @ x[t];
        from[d, t] = where(t == d, 0, where(t < d, -30, logsumexp(alpha[t-d] + A.T)));
        alpha[t]   = logsumexp[d](from[d, t] + b[d] + u[t] - u[t-d]);
        total      = logsumexp(alpha[T]);
        output total;
        loss   total - gold;
    }

    /// The best path by pointers back (Viterbi 1967): of each state the one that it is best reached from, and a token back.
    model Pointers<I, K> {
        time  t in 1..=T;
        input x[t]: [I];
        param W: [K, I] ~ glorot_uniform;
        param A: [K, K] ~ normal(0.0, 0.7);
        u[t]    = W @ x[t];
        into[t] = where(t == 1, 0, best[t-1] + A);
        best[t] = max(into[t]) + u[t];
        back[t] = argmax(into[t]);
        path[t] = where(t == T, argmax(best[T]), back[t+1, path[t+1]]);
        score   = max(best[T]);
        output path, back, score;
        loss  score;
    }

    /// Of each row of a matrix the entry that was the largest when the row was last open, and since how many steps it is that one.
    model Held<N, D> {
        time   t in 1..=T;
        input  m[t]: [N, D];
        input  open[t]: [N];
        param  w: [N] ~ normal(0.0, 1.0);
        k[t] = where(open[t] > 0, argmax(m[t]), k[t-1]);
        k[0] = 1;
        since[t]: [N] = where(k[t] == k[t-1], since[t-1] + 1, 0);
        output k, since;
        loss  mean[t](sum(w * where(k[t] != 1, since[t], 2)));
    }
}

super::agree! {
    a_filter_carries_a_covariance: Kalman { N: 3 };
    a_posterior_has_sums_in_both_directions: Posterior { V: 4, K: 3 };
    segments_have_up_to_three_steps: SemiMarkov { I: 2, K: 3 };
    a_path_follows_pointers_back: Pointers { I: 2, K: 3 };
    tokens_of_rows_are_carried: Held { N: 3, D: 4 };
}

/// Every path of four steps is scored, and the best is the one that is given.
#[test]
fn pointers_back_lead_along_the_best_path() {
    let spec = Pointers { I: 2, K: 3 };
    let model = spec.compile(Options::default()).unwrap();
    let params = PointersParams::init(&spec, 11).unwrap();
    let x = Array3::from_shape_fn((4, 1, 2), |(t, _, i)| ((t * 5 + i * 3) % 7) as f32 - 3.0);
    let out = model
        .forward(&params, PointersInputs { x: x.view() })
        .unwrap();
    let unit =
        |t: usize, k: usize| params.W[[k, 0]] * x[[t, 0, 0]] + params.W[[k, 1]] * x[[t, 0, 1]];
    let step = |from: usize, to: usize| params.A[[to, from]];
    let score = |path: [usize; 4]| -> f32 {
        let units: f32 = (0..4).map(|t| unit(t, path[t])).sum();
        units + (1..4).map(|t| step(path[t - 1], path[t])).sum::<f32>()
    };
    let all = (0..81).map(|n| [n / 27, n / 9 % 3, n / 3 % 3, n % 3]);
    let best = all.max_by(|a, b| score(*a).total_cmp(&score(*b))).unwrap();
    let found: Vec<usize> = out.path.iter().map(|k| *k as usize).collect();
    assert_eq!(found, best);
    assert!((out.score[0] - score(best)).abs() < 1e-5);
}

/// The tokens of rows are those of a loop over rows, and a stream carries them.
#[test]
fn rows_hold_what_they_had_when_they_were_open() {
    let spec = Held { N: 2, D: 3 };
    let model = spec.compile(Options::default()).unwrap();
    let params = HeldParams::init(&spec, 3).unwrap();
    let value = |t: usize, n: usize, d: usize| ((t * 5 + n * 3 + d * 4) % 7) as f32;
    let gate = |t: usize, n: usize| f32::from(u8::from((t + n) % 3 == 1));
    let m = Array4::from_shape_fn((6, 1, 2, 3), |(t, _, n, d)| value(t, n, d));
    let open = Array3::from_shape_fn((6, 1, 2), |(t, _, n)| gate(t, n));
    let inputs = |range: std::ops::Range<usize>| HeldInputs {
        m: m.slice(s![range.clone(), .., .., ..]),
        open: open.slice(s![range, .., ..]),
    };
    let whole = model.forward(&params, inputs(0..6)).unwrap();
    let mut stream = model.stream(&params).unwrap();
    for t in 0..6 {
        let step = stream.step(inputs(t..t + 1)).unwrap();
        assert_eq!(step.k, whole.k.slice(s![t..=t, .., ..]));
        assert_eq!(step.since, whole.since.slice(s![t..=t, .., ..]));
    }
    for n in 0..2 {
        let mut held = 1;
        for t in 0..6 {
            if gate(t, n) > 0.0 {
                held = (0..3)
                    .rev()
                    .max_by(|a, b| value(t, n, *a).total_cmp(&value(t, n, *b)))
                    .unwrap();
            }
            assert_eq!(whole.k[[t, 0, n]] as usize, held, "row {n}, step {t}");
        }
    }
}
