//! A mistake in a cell that two layers use is reported once, where the cell is written.

use rnn::prelude::*;

rnn! {
    /// A leaky unit with its input weights the wrong way round.
    pub cell Leaky<I, H>(x: [I]) -> h: [H] {
        param W: [I, H] ~ glorot_uniform;
        param a: [H]    = 0;
        h[t] = sigmoid(a) * h[t-1] + W @ x[t];
    }
}

rnn! {
    model Two<I, H> {
        time  t in 1..=T;
        input x[t]: [I];
        layer first = Leaky<I, H>;
        layer second = Leaky<H, H>;
        u[t] = first(x[t]);
        v[t] = second(u[t]);
        output v;
    }
}

fn main() {
    let spec = Two { I: 3, H: 4 };
    println!("{:?}", spec.compile(Options::default()).is_ok());
}
