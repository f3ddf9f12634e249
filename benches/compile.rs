//! From equations and sizes to machine code: `cargo bench --bench compile`.

use criterion::{Criterion, criterion_group, criterion_main};
use rnn::cells::Lstm;
use rnn::prelude::*;

rnn! {
    /// Character language model.
    model CharLm<V, E, H> {
        time   t in 1..=T;
        input  now[t]:  token<V>;
        target next[t]: token<V>;
        param embed: [V, E] ~ normal(0.0, 0.1);
        param W_y:   [V, H] ~ glorot_uniform;
        param b_y:   [V]    = 0;
        layer lstm = Lstm<E, H>;
        h[t]      = lstm(embed[now[t]]);
        logits[t] = W_y @ h[t] + b_y;
        output logits;
        loss   mean[t](cross_entropy(logits[t], next[t]));
    }
}

/// Outputs, loss and gradient; the number of steps and the size of a batch are not known yet.
fn language_model(c: &mut Criterion) {
    let spec = CharLm {
        V: 96,
        E: 32,
        H: 256,
    };
    c.bench_function("compile_language_model", |bench| {
        bench.iter(|| {
            spec.compile(Options::default().reuse(false))
                .expect("compiles")
        });
    });
}

criterion_group!(benches, language_model);
criterion_main!(benches);
