//! Values outside an axis that are inside it, that nothing reads, or that are of another shape.

use rnn::prelude::*;

rnn! {
    model Started<I, H> {
        time  t in 1..=T;
        input x[t]: [I];
        param W: [H, I] ~ glorot_uniform;
        h[t] = tanh(W @ x[t]) + 0.5 * h[t-1];
        h[1] = 0;
        g[t] = x[t] + g[t-1];
        g[0] = W @ x[1];
        output h, g;
    }

    model Unread<I> {
        time  t in 1..=T;
        input x[t]: [I];
        f[t] = x[t];
        f[0] = 1;
        output f;
    }
}

fn main() {
    let _ = (Started { I: 3, H: 2 }, Unread { I: 3 });
}
