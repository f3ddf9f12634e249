//! A model of every kind of recurrence, each three times: as it is, over a fixed number of steps, and with everything in it random
//! that can be.
//!
//! In all of them `x[t]` is what comes in, `h` the state, `U` a weight, `a` a candidate for the state and `n` the state that
//! follows. What is read of each of these is an argument, so that one text has every kind of random number.

use rnn::prelude::*;

/// Steps of the models whose axis is fixed.
pub(crate) const FIXED: usize = 5;

/// The three forms of a recurrence; `$reads` are those of its input, state, weight, candidate and next state.
macro_rules! forms {
    ($base:ident: $plain:ident, $fixed:ident, $drawn:ident) => {
        $base!($plain, T, {}, (x[t]) (h[t-1]) (U) (a[t]) (n[t]));
        $base!($fixed, 5, {}, (x[t]) (h[t-1]) (U) (a[t]) (n[t]));
        $base!(
            $drawn, T, { fixed p_x, p_h, p_u, p_a, p_z, s_x, s_u: [] = 0; },
            (noise(dropout(x[t], p_x), s_x))
            (dropout(h[t-1], p_h, per = sequence))
            (noise(dropout(U, p_u), s_u))
            (dropout(a[t], p_a))
            (zoneout(n[t], h[t-1], p_z))
        );
    };
}

macro_rules! dense {
    ($name:ident, $T:tt, { $($more:tt)* }, $x:tt $h:tt $U:tt $a:tt $n:tt) => {
        rnn! {
            pub(crate) model $name<I, H> {
                time   t in 1..=$T;
                input  x[t]: [I];
                target y[t]: [H];
                param  W_i, W_f, W_o, W_g: [H, I] ~ glorot_uniform;
                param  U_i, U_f, U_o, U: [H, H] ~ orthogonal;
                param  b_f, b_g: [H] = 1;
                $($more)*
                v[t] = $x;
                k[t] = $h;
                R    = $U;
                i[t] = sigmoid(W_i @ v[t] + U_i @ k[t]);
                f[t] = sigmoid(W_f @ v[t] + U_f @ k[t] + b_f);
                o[t] = sigmoid(W_o @ v[t] + U_o @ k[t]);
                a[t] = tanh(W_g @ v[t] + R @ k[t] + b_g);
                c[t] = f[t] * c[t-1] + i[t] * $a;
                n[t] = o[t] * tanh(c[t]);
                h[t] = $n;
                output h, c;
                loss   mean[t](squared_error(h[t], y[t]));
            }
        }
    };
}
forms!(dense: Dense, DenseFixed, DenseDrawn);

macro_rules! diagonal {
    ($name:ident, $T:tt, { $($more:tt)* }, $x:tt $h:tt $U:tt $a:tt $n:tt) => {
        rnn! {
            /// A gate that does not read the state: linear in it, unit by unit. The loss is of the last step.
            pub(crate) model $name<I, H> {
                time   t in 1..=$T;
                input  x[t]: [I];
                target y: [H];
                param  W, U: [H, I] ~ glorot_uniform;
                $($more)*
                v[t] = $x;
                f[t] = sigmoid($U @ v[t]);
                a[t] = W @ v[t];
                n[t] = f[t] * $h + (1 - f[t]) * $a;
                h[t] = $n;
                output h;
                loss   squared_error(h[$T], y);
            }
        }
    };
}
forms!(diagonal: Diagonal, DiagonalFixed, DiagonalDrawn);

macro_rules! matrix {
    ($name:ident, $T:tt, { $($more:tt)* }, $x:tt $h:tt $U:tt $a:tt $n:tt) => {
        rnn! {
            /// A memory of outer products, stabilised by the largest logarithm so far.
            pub(crate) model $name<I, H> {
                time   t in 1..=$T;
                input  x[t]: [I];
                target y[t]: [H];
                param  U, W_v, W_k: [H, I] ~ glorot_uniform;
                param  w_i, w_f: [I] ~ normal(0.0, 1.0);
                $($more)*
                v[t] = $x;
                q[t] = $U @ v[t];
                log_i[t] = w_i @ v[t];
                log_f[t] = -softplus(-(w_f @ v[t]));
                m[t] = max(log_f[t] + m[t-1], log_i[t]);
                i[t] = exp(log_i[t] - m[t]);
                f[t] = exp(log_f[t] + m[t-1] - m[t]);
                a[t] = outer(W_v @ v[t], W_k @ v[t]);
                n[t] = f[t] * $h + i[t] * $a;
                h[t] = $n;
                s[t] = f[t] * s[t-1] + i[t];
                r[t] = q[t] @ h[t] / s[t];
                output r, h;
                loss   mean[t](squared_error(r[t], y[t]));
            }
        }
    };
}
forms!(matrix: Matrix, MatrixFixed, MatrixDrawn);

macro_rules! log_semiring {
    ($name:ident, $T:tt, { $($more:tt)* }, $x:tt $h:tt $U:tt $a:tt $n:tt) => {
        rnn! {
            /// A hidden Markov model whose emissions are read off a vector.
            pub(crate) model $name<I, H> {
                time   t in 1..=$T;
                input  x[t]: [I];
                target y[t]: token<H>;
                param  W: [H, I] ~ glorot_uniform;
                param  U: [H, H] ~ normal(0.0, 1.0);
                param  start: [H] ~ normal(0.0, 1.0);
                $($more)*
                v[t] = $x;
                R    = log_softmax($U);
                a[t] = W @ v[t];
                n[t] = logsumexp($h + R.T) + $a;
                h[0] = log_softmax(start);
                h[t] = $n;
                output h;
                loss   mean[t](cross_entropy(h[t], y[t])) - 0.1 * logsumexp(h[$T]);
            }
        }
    };
}
forms!(log_semiring: LogSemiring, LogSemiringFixed, LogSemiringDrawn);

macro_rules! max_plus {
    ($name:ident, $T:tt, { $($more:tt)* }, $x:tt $h:tt $U:tt $a:tt $n:tt) => {
        rnn! {
            /// The best path so far to each state, the state before it, and a token that is carried.
            pub(crate) model $name<I, H> {
                time   t in 1..=$T;
                input  x[t]: [I];
                target y[t]: token<H>;
                param  W: [H, I] ~ glorot_uniform;
                param  U, E: [H, H] ~ normal(0.0, 1.0);
                $($more)*
                v[t] = $x;
                R    = $U;
                a[t] = W @ v[t] + 0.1 * E[best[t-1]];
                n[t] = max($h + R.T) + $a;
                h[t] = $n;
                best[t] = argmax(h[t]);
                best[0] = 0;
                output h, best;
                loss   max[t](max(h[t])) - sum[t](h[t, y[t]]);
            }
        }
    };
}
forms!(max_plus: MaxPlus, MaxPlusFixed, MaxPlusDrawn);

macro_rules! attention {
    ($name:ident, $T:tt, { $($more:tt)* }, $x:tt $h:tt $U:tt $a:tt $n:tt) => {
        rnn! {
            /// A decoder that looks at an encoder in both directions, by its state before the step.
            pub(crate) model $name<I, M, H> {
                time   j in 1..=J;
                time   t in 1..=$T;
                input  m[j]: [M];
                input  x[t]: [I];
                target y[t]: [H];
                param  W: [H, I] ~ glorot_uniform;
                param  U, W_0, W_a, W_e, W_b: [H, H] ~ orthogonal;
                param  W_m, W_n: [H, M] ~ glorot_uniform;
                param  w: [H] ~ normal(0.0, 1.0);
                $($more)*
                v[t] = $x;
                R    = $U;
                e[j] = tanh(W_m @ m[j] + W_e @ e[j-1]);
                b[j] = tanh(W_n @ m[j] + W_b @ b[j+1]);
                z[j] = e[j] + b[j];
                h[0] = tanh(W_0 @ b[1]);
                k[t] = $h;
                s[t, j] = w @ tanh(W_a @ k[t] + z[j]);
                p[t, j] = softmax[j](s[t, j]);
                c[t] = sum[j](p[t, j] * z[j]);
                a[t] = tanh(W @ v[t] + R @ k[t] + c[t]);
                n[t] = 0.5 * k[t] + $a;
                h[t] = $n;
                output h, p;
                loss   mean[t](squared_error(h[t], y[t]));
            }
        }
    };
}
forms!(attention: Attention, AttentionFixed, AttentionDrawn);

macro_rules! decoder {
    ($name:ident, $T:tt, { $($more:tt)* }, $x:tt $h:tt $U:tt $a:tt $n:tt) => {
        rnn! {
            /// Reads the token before: the target, or its own.
            pub(crate) model $name<I, H, V> {
                time   t in 1..=$T;
                input  x[t]: [I];
                target y[t]: token<V>;
                param  W: [H, I] ~ glorot_uniform;
                param  U: [H, H] ~ orthogonal;
                param  E: [V, H] ~ normal(0.0, 1.0);
                param  W_y: [V, H] ~ glorot_uniform;
                $($more)*
                y[0] = 0;
                last[t] = feedback(y[t-1], argmax(logits[t-1]));
                v[t] = $x;
                k[t] = $h;
                R    = $U;
                a[t] = tanh(W @ v[t] + R @ k[t] + E[last[t]]);
                n[t] = 0.3 * k[t] + $a;
                h[t] = $n;
                logits[t] = W_y @ h[t];
                output logits;
                loss   mean[t](cross_entropy(logits[t], y[t], smoothing = 0.1));
            }
        }
    };
}
forms!(decoder: Decoder, DecoderFixed, DecoderDrawn);

macro_rules! series {
    ($name:ident, $T:tt, { $($more:tt)* }, $x:tt $h:tt $U:tt $a:tt $n:tt) => {
        rnn! {
            /// Reads the numbers before: the targets, or its own, through which gradients flow.
            pub(crate) model $name<I, H> {
                time   t in 1..=$T;
                input  x[t]: [I];
                target y[t]: [I];
                param  W, W_y: [H, I] ~ glorot_uniform;
                param  U: [H, H] ~ orthogonal;
                param  W_o: [I, H] ~ glorot_uniform;
                $($more)*
                last[t] = feedback(y[t-1], o[t-1]);
                v[t] = $x;
                k[t] = $h;
                R    = $U;
                a[t] = tanh(W @ v[t] + R @ k[t] + W_y @ last[t]);
                n[t] = 0.3 * h[t-2] + $a;
                h[t] = $n;
                o[t] = W_o @ h[t];
                output o;
                loss   sum[t](squared_error(o[t], y[t]));
            }
        }
    };
}
forms!(series: Series, SeriesFixed, SeriesDrawn);

rnn! {
    cell Gated<H>(x: [H]) -> h: [H] {
        param W, V: [H, H] ~ glorot_uniform;
        param U: [H, H] ~ orthogonal;
        z[t] = sigmoid(V @ x[t]);
        h[t] = z[t] * h[t-1] + (1 - z[t]) * tanh(W @ x[t] + U @ h[t-1]);
    }
}

macro_rules! deep {
    ($name:ident, $T:tt, { $($more:tt)* }, $x:tt $h:tt $U:tt $a:tt $n:tt) => {
        rnn! {
            /// Depth as an index, a stack with residuals, and norms between.
            pub(crate) model $name<I, H> {
                time   t in 1..=$T;
                index  l in 1..=2;
                input  x[t]: [I];
                target y[t]: [H];
                param  W: [H, I] ~ glorot_uniform;
                param  U, V[l], R[l]: [H, H] ~ orthogonal;
                param  gain: [H] = 1;
                layer  rest = stack(2, residual(Gated<H>));
                $($more)*
                v[t] = W @ $x;
                d[0, t] = v[t];
                d[l, t] = tanh(V[l] @ layer_norm(d[l-1, t]) + R[l] @ d[l, t-1]);
                a[t] = rms_norm(rest(gain * layer_norm(d[2, t])));
                n[t] = tanh($U @ $h + $a);
                h[t] = $n;
                output h, d;
                loss   mean[t](squared_error(h[t] + mean[l](d[l, t]), y[t]));
            }
        }
    };
}
forms!(deep: Deep, DeepFixed, DeepDrawn);

macro_rules! normalised {
    ($name:ident, $T:tt, { $($more:tt)* }, $x:tt $h:tt $U:tt $a:tt $n:tt) => {
        rnn! {
            /// Statistics of the batch: of all steps, and of each in the loop, the first three with rows of their own.
            pub(crate) model $name<I, H> {
                time   t in 1..=$T;
                input  x[t]: [I];
                target y[t]: [H];
                param  W: [H, I] ~ glorot_uniform;
                param  U: [H, H] ~ orthogonal;
                param  gain: [H] = 0.5;
                running mean_x: [H] = 0;
                running variance_x: [H] = 1;
                running mean_h: [3, H] = 0;
                running variance_h: [3, H] = 1;
                $($more)*
                v[t] = batch_norm(W @ $x, mean_x, variance_x, epsilon = 0.01, per = sequence);
                k[t] = $h;
                a[t] = tanh(v[t] + gain * batch_norm($U @ k[t], mean_h, variance_h, epsilon = 0.01));
                n[t] = 0.5 * k[t] + $a;
                h[t] = $n;
                output h;
                loss   mean[t](squared_error(h[t], y[t]));
            }
        }
    };
}
forms!(normalised: Normalised, NormalisedFixed, NormalisedDrawn);

macro_rules! both {
    ($name:ident, $T:tt, { $($more:tt)* }, $x:tt $h:tt $U:tt $a:tt $n:tt) => {
        rnn! {
            /// Both directions, a window over the steps around, and a pool over all.
            pub(crate) model $name<I, H> {
                time   t in 1..=$T;
                input  x[t]: [I];
                target y[t]: [H], last: [H];
                param  W, V, K: [H, I] ~ glorot_uniform;
                param  U, R: [H, H] ~ orthogonal;
                param  w, end: [H] ~ normal(0.0, 1.0);
                layer  two = bi(Gated<H>);
                $($more)*
                v[t] = $x;
                b[t] = tanh(V @ v[t] + R @ b[t+1]);
                b[$T+1] = end;
                a[t] = tanh(W @ v[t] + $U @ $h + K @ x[t+1]);
                n[t] = $a + 0.1 * $h;
                h[t] = $n;
                s[t] = two(h[t] * b[t]);
                z[t] = two.forward.h[t] + two.backward.h[t];
                p[t] = softmax[t](w @ z[t]);
                c    = sum[t](p[t] * z[t]);
                output s, p, c;
                loss   mean[t](squared_error(z[t], y[t])) + squared_error(c + h[$T], last);
            }
        }
    };
}
forms!(both: Both, BothFixed, BothDrawn);

macro_rules! clocked {
    ($name:ident, $T:tt, { $($more:tt)* }, $x:tt $h:tt $U:tt $a:tt $n:tt) => {
        rnn! {
            /// A state that starts anew where an input says so, forgets by the time that has gone, and moves every other step.
            pub(crate) model $name<I, H> {
                time   t in 1..=$T;
                input  x[t]: [I];
                input  dt[t], reset[t]: [];
                target y[t]: [H];
                param  W: [H, I] ~ glorot_uniform;
                param  U: [H, H] ~ orthogonal;
                param  rate, start: [H] ~ normal(0.0, 1.0);
                $($more)*
                v[t] = $x;
                R    = $U;
                h[0] = start;
                k[t] = where(reset[t] > 0.5, start, $h) * exp(-softplus(rate) * abs(dt[t]));
                a[t] = tanh(W @ v[t] + R @ k[t]);
                age[t]: [] = where(reset[t] > 0.5, 0, age[t-1]) + 1;
                n[t] = where(mod(t, 2) == 0, k[t], $a + k[t] / age[t]);
                h[t] = $n;
                m[t] = m[t-1] + (h[t] - m[t-1]) / t;
                output h, m;
                loss   mean[t](squared_error(m[t], y[t]));
            }
        }
    };
}
forms!(clocked: Clocked, ClockedFixed, ClockedDrawn);

macro_rules! grid {
    ($name:ident, $T:tt, { $($more:tt)* }, $x:tt $h:tt $U:tt $a:tt $n:tt) => {
        rnn! {
            /// A table, whose cells see those above and to the left.
            pub(crate) model $name<I, H> {
                time   r in 1..=$T;
                time   t in 1..=J;
                input  x[t]: [I];
                input  z[r]: [I];
                target y[r]: [H];
                param  W, V: [H, I] ~ glorot_uniform;
                param  U, R: [H, H] ~ orthogonal;
                param  edge: [H] ~ normal(0.0, 1.0);
                $($more)*
                v[t] = $x;
                g[r, 0] = edge;
                g[r, t] = tanh(W @ v[t] + V @ z[r] + U @ g[r-1, t] + R @ g[r, t-1]);
                a[t] = g[1, t];
                n[t] = 0.5 * $h + $a;
                h[t] = $n;
                c[r] = g[r, J] + mean[t](g[r, t]);
                output c, h, g;
                loss   mean[r](squared_error(c[r], y[r])) + sum(h[J]) + sum(sum($U)) * 0.01;
            }
        }
    };
}
forms!(grid: Grid, GridFixed, GridDrawn);

macro_rules! scalars {
    ($name:ident, $T:tt, { $($more:tt)* }, $x:tt $h:tt $U:tt $a:tt $n:tt) => {
        rnn! {
            /// Numbers alone: no vector anywhere, an input that is an output, and a value that no example has a part in.
            pub(crate) model $name {
                time   t in 1..=$T;
                input  x[t]: [];
                target y[t]: [];
                param  U, w: [] = 0.7;
                $($more)*
                v[t] = $x;
                a[t] = tanh(v[t] + $U * $h);
                n[t] = $a + 0.5 * h[t-1];
                h[t] = $n;
                wave[t] = sin(w * t);
                far[t] = where(t == $T, h[t], 0.1 * ($T - t) * h[t]);
                output h, x, wave, far;
                loss   mean[t](square(far[t] + wave[t] - y[t]));
            }
        }
    };
}
forms!(scalars: Scalars, ScalarsFixed, ScalarsDrawn);
