//! Several errors of syntax in one expansion: each statement is read, whatever is wrong with those before it.

use rnn::prelude::*;

rnn! {
    model Tagger<I, H> {
        time  t in 1..T;
        input x[t]: [I];
        param W: [H, I] orthogonal;
        param U: [H, H] ~ orthogonal;
        param b: [H]    = 0;
        a[t] = W @ x[t] + ;
        g[t] = sigmoid(a[t])
        h[t] = g[t] * tanh(U @ h[t-1] + b).abs();
        y[t] = h[t]^2;
        output h, y;
    }
}

fn main() {
    let spec = Tagger { I: 3, H: 4 };
    println!("{:?}", TaggerParams::zeros(&spec).unwrap().U);
}
