//! A recurrence that looks back and ahead: there is no step to begin with.

use rnn::prelude::*;

rnn! {
    model Smooth<H> {
        time  t in 1..=T;
        input x[t]: [H];
        h[t] = 0.5 * x[t] + 0.25 * h[t-1] + 0.25 * h[t+1];
        output h;
    }
}

fn main() {
    let spec = Smooth { H: 4 };
    println!("{:?}", spec.compile(Options::default()).is_ok());
}
