//! What is no mistake and seldom meant: dropout that forgets a recurrent state.

use rnn::prelude::*;

rnn! {
    #[deny(deprecated)]
    model Forgets<I, H> {
        time  t in 1..=T;
        input x[t]: [I];
        param W: [H, I] ~ glorot_uniform;
        param U: [H, H] ~ orthogonal;
        h[t] = tanh(W @ dropout(x[t], 0.2) + U @ dropout(h[t-1], 0.2));
        output h;
    }

    #[allow(deprecated)]
    model Allowed<I> {
        time  t in 1..=T;
        input x[t]: [I];
        h[t] = tanh(x[t] + dropout(h[t-1], 0.2));
        output h;
    }
}

fn main() {
    let _ = (Forgets { I: 3, H: 4 }, Allowed { I: 3 });
}
