//! A remark that is expected is none, and where one is expected there has to be one.
#![deny(deprecated, unfulfilled_lint_expectations)]

use rnn::prelude::*;

rnn! {
    #[expect(deprecated)]
    model Expected<I> {
        time  t in 1..=T;
        input x[t]: [I];
        h[t] = tanh(x[t] + dropout(h[t-1], 0.2));
        output h;
    }

    #[expect(deprecated, reason = "it forgets, twice")]
    model Twice<I> {
        time  t in 1..=T;
        input x[t]: [I];
        h[t] = tanh(x[t] + dropout(h[t-1], 0.2));
        g[t] = tanh(h[t] + dropout(g[t-1], 0.2));
        output g;
    }

    #[expect(deprecated)]
    model Unmet<I> {
        time  t in 1..=T;
        input x[t]: [I];
        h[t] = tanh(x[t] + h[t-1]);
        output h;
    }
}

fn main() {
    let _ = (Expected { I: 3 }, Twice { I: 3 }, Unmet { I: 3 });
}
