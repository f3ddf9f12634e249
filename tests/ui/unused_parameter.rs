//! A bias that was declared and then forgotten.

use rnn::prelude::*;

rnn! {
    model Tagger<I, H> {
        time  t in 1..=T;
        input x[t]: [I];
        param W: [H, I] ~ glorot_uniform;
        param U: [H, H] ~ orthogonal;
        param b: [H]    = 0;
        h[t] = tanh(W @ x[t] + U @ h[t-1]);
        output h;
    }
}

fn main() {
    let spec = Tagger { I: 3, H: 4 };
    println!("{:?}", TaggerParams::zeros(&spec).unwrap().b);
}
