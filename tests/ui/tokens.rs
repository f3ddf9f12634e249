//! Tokens are no numbers, and have rows in tables of their own size alone.

use rnn::prelude::*;

rnn! {
    model Words<V, W, H> {
        time  t in 1..=T;
        input k[t]: token<V>;
        param E: [W, H] ~ normal(0.0, 0.1);
        a[t] = E[k[t]];
        b[t] = 2 * k[t] + a[t];
        output a, b;
    }
}

fn main() {
    let _ = Words { V: 3, W: 4, H: 2 };
}
