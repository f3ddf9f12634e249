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

rnn! {
    /// What attention found is an input of the next step, beside a state that comes in whole.
    #[deny(deprecated)]
    model FedBack<I, H> {
        time  t in 1..=T;
        time  j in 1..=J;
        input x[t]: [I], memory[j]: [H];
        param W: [H, I] ~ glorot_uniform;
        param U, V: [H, H] ~ orthogonal;
        h[t] = tanh(W @ x[t] + U @ h[t-1] + V @ dropout(context[t-1], 0.2));
        weight[t, j] = softmax[j](h[t] @ memory[j]);
        context[t] = sum[j](weight[t, j] * memory[j]);
        output h, context;
    }
}

fn main() {
    let _ = (Forgets { I: 3, H: 4 }, Allowed { I: 3 }, FedBack { I: 3, H: 4 });
}
