//! Initialisers that there are not, or that draw something else.

use rnn::prelude::*;

rnn! {
    model Drawn<I, H> {
        time  t in 1..=T;
        input x[t]: [I];
        param W: [H, I] ~ glorot;
        param U: [H, H] ~ normal(0.0);
        param b: [H]    ~ orthogonal;
        param c: [H];
        h[t] = tanh(W @ x[t] + U @ h[t-1] + b + c);
        output h;
    }
}

fn main() {
    let _ = Drawn { I: 3, H: 2 };
}
