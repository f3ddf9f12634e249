//! A cell that does not exist, beside cells that do.

use rnn::prelude::*;

rnn! {
    cell Leaky<I>(x: [I]) -> h: [I] {
        h[t] = 0.9 * h[t-1] + 0.1 * x[t];
    }

    model Tagger<I> {
        time  t in 1..=T;
        input x[t]: [I];
        layer leaky = Leakly<I>;
        h[t] = leaky(x[t]);
        output h;
    }
}

fn main() {
    let spec = Tagger { I: 3 };
    println!("{:?}", spec.compile(Options::default()).is_ok());
}
