//! Three equations that need each other at the same step.

use rnn::prelude::*;

rnn! {
    model Gated<H> {
        time  t in 1..=T;
        input x[t]: [H];
        param U: [H, H] ~ orthogonal;
        gate[t]  = sigmoid(U @ s[t]);
        value[t] = gate[t] * x[t];
        s[t] = s[t-1] + value[t];
        output s;
    }
}

fn main() {
    let spec = Gated { H: 4 };
    println!("{:?}", spec.compile(Options::default()).is_ok());
}
