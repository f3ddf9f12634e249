//! Cells that are given too many inputs, or sizes, or inputs of another size.

use rnn::cells::{Elman, Gru, Lstm};
use rnn::prelude::*;

rnn! {
    model Tagger<I, H> {
        time  t in 1..=T;
        input x[t]: [I];
        layer a = Lstm<I, H>;
        layer b = Gru<I>;
        layer c = Elman<I, H>;
        u[t] = a(x[t], u[t-1]);
        v[t] = b(x[t]);
        w[t] = c([x[t], 1]);
        output u, v, w;
    }
}

fn main() {
    let spec = Tagger { I: 3, H: 4 };
    println!("{:?}", spec.compile(Options::default()).is_ok());
}
