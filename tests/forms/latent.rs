//! What is not seen: filters, smoothers, segments and best paths.

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

    /// The best path of three states by pointers back (Viterbi 1967): a family of pointers forward, a token back.
    model Pointers<I> {
        time  t in 1..=T;
        index k in 1..=3;
        input x[t]: [I];
        param W: [3, I] ~ glorot_uniform;
        param a[k]: [3] ~ normal(0.0, 0.7);
        u[t]       = W @ x[t];
        into[k, t] = where(t == 1, 0, best[t-1] + a[k]);
        best[t]    = concat[k](max(into[k, t]) + slice(u[t], k-1, 1));
        back[k, t] = argmax(into[k, t]);
        path[t]    = where(t == T, argmax(best[T]), where(path[t+1] == 0, back[1, t+1], where(path[t+1] == 1, back[2, t+1], back[3, t+1])));
        score      = max(best[T]);
        output path, score;
        loss  score;
    }
}

super::agree! {
    a_filter_carries_a_covariance: Kalman { N: 3 };
    a_posterior_has_sums_in_both_directions: Posterior { V: 4, K: 3 };
    segments_have_up_to_three_steps: SemiMarkov { I: 2, K: 3 };
    a_path_follows_pointers_back: Pointers { I: 2 };
}

/// Every path of four steps is scored, and the best is the one that is given.
#[test]
fn pointers_back_lead_along_the_best_path() {
    let spec = Pointers { I: 2 };
    let model = spec.compile(Options::default()).unwrap();
    let params = PointersParams::init(&spec, 11).unwrap();
    let x = Array3::from_shape_fn((4, 1, 2), |(t, _, i)| ((t * 5 + i * 3) % 7) as f32 - 3.0);
    let out = model
        .forward(&params, PointersInputs { x: x.view() })
        .unwrap();
    let unit =
        |t: usize, k: usize| params.W[[k, 0]] * x[[t, 0, 0]] + params.W[[k, 1]] * x[[t, 0, 1]];
    let step = |from: usize, to: usize| [&params.a_1, &params.a_2, &params.a_3][to][from];
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
