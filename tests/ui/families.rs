//! Members that a family does not have, and a family of time.

use rnn::prelude::*;

rnn! {
    model Deep<H> {
        index l in 1..=3;
        time  t in 1..=T;
        input x[t]: [H];
        param U[l]: [H, H] ~ orthogonal;
        h[l, t] = tanh(U[l] @ h[l, t-1] + h[l-1, t]);
        h[0, t] = x[t];
        a[t]    = U[t] @ h[3, t];
        b[t]    = concat[t](x[t]);
        output a, b;
    }
}

fn main() {
    let _ = Deep { H: 3 };
}
