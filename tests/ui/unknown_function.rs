//! A function that does not exist, and a matrix that is called.

use rnn::prelude::*;

rnn! {
    model Tagger<I, H> {
        time  t in 1..=T;
        input x[t]: [I];
        param W: [H, I] ~ glorot_uniform;
        h[t] = sigmod(W(x[t]));
        output h;
    }
}

fn main() {
    let spec = Tagger { I: 3, H: 4 };
    println!("{:?}", TaggerParams::zeros(&spec).unwrap().W);
}
