//! What is fed back without a start token, and as logits.

use rnn::prelude::*;

rnn! {
    model Decode<V, H> {
        time   t in 1..=T;
        target tgt[t]: token<V>;
        target other[t]: token<V>;
        param  E: [V, H] ~ normal(0.0, 0.1);
        param  W: [V, H] ~ glorot_uniform;
        last[t]   = feedback(tgt[t-1], argmax(logits[t-1]));
        also[t]   = feedback(other[t-1], logits[t-1]);
        other[0]  = 1;
        logits[t] = W @ (E[last[t]] + E[also[t]]);
        output logits;
        loss   mean[t](cross_entropy(logits[t], tgt[t]));
    }
}

fn main() {
    let _ = Decode { V: 3, H: 2 };
}
