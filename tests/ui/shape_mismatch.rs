//! Sizes that do not meet: in a product, in a sum, and between a loss and its target.

use rnn::prelude::*;

rnn! {
    model Tagger<I, H, O> {
        time   t in 1..=T;
        input  x[t]: [I];
        target y[t]: [O];
        param W: [H, I] ~ glorot_uniform;
        param U: [H, H] ~ orthogonal;
        param V: [H, O] ~ glorot_uniform;
        param b: [O]    = 0;
        h[t] = tanh(W @ x[t] + U @ h[t-1] + b);
        g[t] = U @ x[t];
        z[t] = V @ h[t];
        output g, z;
        loss mean[t](squared_error(h[t], y[t]));
    }
}

fn main() {
    let spec = Tagger { I: 3, H: 4, O: 2 };
    println!("{:?}", TaggerParams::zeros(&spec).unwrap().b);
}
