//! A layer that is applied twice, one that never is, and one that is read as a value.

use rnn::cells::Gru;
use rnn::prelude::*;

rnn! {
    model Stacked<H> {
        time  t in 1..=T;
        input x[t]: [H];
        layer a = Gru<H, H>;
        layer b = Gru<H, H>;
        layer c = bi(Gru<H, H>);
        u[t] = a(x[t]) + a(x[t]);
        v[t] = c(u[t]) + c.h[t];
        output u, v, c;
    }
}

fn main() {
    let _ = Stacked { H: 3 };
}
