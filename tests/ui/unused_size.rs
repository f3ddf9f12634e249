//! Sizes that nothing has, and an input that nothing reads.

use rnn::prelude::*;

rnn! {
    /// What a gate is not for is left out, but callers give every cell of this kind three sizes.
    pub cell Plain<I, H, _G>(x: [I]) -> h: [H] {
        param W: [H, I] ~ glorot_uniform;
        h[t] = tanh(W @ x[t]);
    }

    pub cell Gated<I, H, G>(x: [I], mask: []) -> h: [H] {
        param W: [H, I] ~ glorot_uniform;
        h[t] = tanh(W @ x[t]);
    }

    model Tagger<I, H, V> {
        time  t in 1..=T;
        time  s in 1..=S;
        input x[t]: [I], mask[t]: [], steps[s]: [];
        target tag[t]: token<H>;
        layer plain = Plain<I, H, 2>;
        h[t] = plain(x[t]);
        output h;
    }
}

fn main() {
    println!("{:?}", Tagger { I: 3, H: 4, V: 2 });
}
