//! Every error that the runtime has is provoked by a test, and its message names both parties and what to do.
//!
//! `named` reads the sources, and fails for a variant that no test names or quotes.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails where something is missing"
)]

mod calls;
mod data;
mod generation;
mod given;
mod models;
mod named;
mod training;

use ndarray::ArrayView2;
use rnn::prelude::*;

/// Fails unless the result is an error of this pattern, whose message has all of these parts.
macro_rules! fails {
    ($result:expr, $pattern:pat, $($part:expr),+ $(,)?) => {
        match $result {
            Ok(_) => panic!("expected {}", stringify!($pattern)),
            Err(error) => {
                let told = error.to_string();
                assert!(matches!(error, $pattern), "expected {}, found {told}", stringify!($pattern));
                for part in [$($part),+] {
                    assert!(told.contains(part), "{part:?} is not in {told:?}");
                }
            }
        }
    };
}
pub(crate) use fails;

rnn! {
    /// Follows a signal.
    pub model Follow<I, H> {
        time   t in 1..=T;
        input  x[t]: [I];
        target y[t]: [I];
        param W: [H, I] ~ glorot_uniform;
        param U: [H, H] ~ orthogonal;
        param V: [I, H] ~ glorot_uniform;
        h[t] = tanh(W @ x[t] + U @ h[t-1]);
        o[t] = V @ h[t];
        output o;
        loss mean[t](squared_error(o[t], y[t]));
    }

    /// Says the next token.
    pub model Say<V, H> {
        time   t in 1..=T;
        input  now[t]: token<V>;
        target next[t]: token<V>;
        param E: [H, V] ~ normal(0.0, 1.0);
        param U: [H, H] ~ orthogonal;
        h[t] = tanh(E.T[now[t]] + U @ h[t-1]);
        logits[t] = h[t] @ E;
        output logits;
        loss mean[t](cross_entropy(logits[t], next[t]));
    }

    /// Says tokens that it reads itself.
    pub model Recite<V, H> {
        time   t in 1..=T;
        input  about: [H];
        target next[t]: token<V>;
        param E: [V, H] ~ normal(0.0, 1.0);
        param U: [H, H] ~ orthogonal;
        h[0] = about;
        next[0] = 0;
        y[t] = feedback(next[t-1], argmax(logits[t-1]));
        h[t] = tanh(E[y[t]] + U @ h[t-1]);
        logits[t] = E @ h[t];
        output logits;
        loss mean[t](cross_entropy(logits[t], next[t]));
    }

    /// Runs by itself.
    pub model Count<H> {
        time t in 1..=T;
        param U: [H, H] ~ orthogonal;
        param b: [H] = 1;
        h[t] = tanh(U @ h[t-1] + b);
        output h;
    }

    /// Runs from a vector on.
    pub model Unfold<H> {
        time t in 1..=T;
        input c: [H];
        param U: [H, H] ~ orthogonal;
        h[0] = c;
        h[t] = tanh(U @ h[t-1]);
        output h;
    }

    /// Five steps, always.
    pub model Five<H> {
        time t in 1..=5;
        input x[t]: [H];
        param U: [H, H] ~ orthogonal;
        h[t] = tanh(x[t] + U @ h[t-1]);
        output h;
    }

    /// A series that reads itself.
    pub model Series<H> {
        time t in 1..=T;
        input x[t]: [2];
        target y[t]: [2];
        param V: [H, 2] ~ glorot_uniform;
        param R: [2, H] ~ glorot_uniform;
        y[0] = 0.5;
        p[t] = feedback(y[t-1], o[t-1]);
        h[t] = tanh(V @ (p[t] + x[t]));
        o[t] = R @ h[t];
        output o;
        loss mean[t](squared_error(o[t], y[t]));
    }

    /// Reads a signal beside the tokens.
    pub model Beside<V> {
        time  t in 1..=T;
        input now[t]: token<V>;
        input x[t]: [V];
        param E: [V, V] ~ normal(0.0, 1.0);
        h[t] = tanh(E[now[t]] + x[t] + h[t-1]);
        output h;
    }
}

pub(crate) const FOLLOW: Follow = Follow { I: 2, H: 3 };
pub(crate) const SAY: Say = Say { V: 5, H: 3 };
pub(crate) const RECITE: Recite = Recite { V: 5, H: 3 };

pub(crate) fn tokens(steps: usize, examples: usize) -> Array2<u32> {
    Array2::from_shape_fn((steps, examples), |(t, b)| ((t + 3 * b) % 5) as u32)
}

pub(crate) fn say() -> (Compiled<Say>, SayParams) {
    let model = SAY.compile(Options::default()).unwrap();
    (model, SayParams::init(&SAY, 1).unwrap())
}

pub(crate) fn follow() -> (Compiled<Follow>, FollowParams) {
    let model = FOLLOW.compile(Options::default()).unwrap();
    (model, FollowParams::init(&FOLLOW, 1).unwrap())
}

pub(crate) fn lay_out<'a>(
    now: ArrayView2<'a, u32>,
    next: ArrayView2<'a, u32>,
) -> (SayInputs<'a>, SayTargets<'a>) {
    (SayInputs { now }, SayTargets { next })
}
