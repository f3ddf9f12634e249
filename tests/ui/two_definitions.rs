//! One name for a parameter and for an equation.

use rnn::prelude::*;

rnn! {
    model Tagger<I, H> {
        time  t in 1..=T;
        input x[t]: [I];
        param W: [H, I] ~ glorot_uniform;
        param b: [H]    = 0;
        a[t] = W @ x[t];
        b[t] = tanh(a[t]);
        output b;
    }
}

fn main() {
    let spec = Tagger { I: 3, H: 4 };
    println!("{:?}", TaggerParams::zeros(&spec).unwrap().b);
}
