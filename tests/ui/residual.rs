//! A layer that does not have the size of what it is added to.

use rnn::cells::{Elman, Lstm};
use rnn::prelude::*;

rnn! {
    model Tagger<I, H> {
        time  t in 1..=T;
        input x[t]: [I];
        layer first = Lstm<I, H>;
        layer deep  = stack(3, residual(Elman<I, H>));
        layer both  = residual(bi(Elman<H, H>));
        layer flat  = stack(2, residual(Elman<H, 2*H>));
        layer chain = residual(stack(2, Elman<I, H>));
        h[t] = first(x[t]);
        a[t] = deep(x[t]);
        b[t] = both(h[t]);
        c[t] = flat(h[t]);
        d[t] = chain(x[t]);
        output a, b, c, d;
    }
}

fn main() {
    println!("{:?}", Tagger { I: 3, H: 4 });
}
