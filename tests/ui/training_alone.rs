//! Draws and statistics of training: a probability that is none, a setting that nothing brings on, statistics that are missing.

use rnn::prelude::*;

rnn! {
    model Noisy<I> {
        time    t in 1..=T;
        input   x[t]: [I];
        running m: [I] = 0;
        running lost: [I] = 1;
        a[t] = dropout(x[t], 1.5);
        b[t] = dropout(a[t], 0.5, per = batch);
        c[t] = batch_norm(b[t], m) * lost;
        d[t] = dropout(c[t], rate = 0.5);
        output d;
    }
}

fn main() {
    let _ = Noisy { I: 3 };
}
