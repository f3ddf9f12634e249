//! Layers through the safe interface: `cargo bench --bench layers`. `examples/bench_kernels` measures any size.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ndarray::Array3;
use rnn::cells::{GruResetAfter, Lstm};
use rnn::prelude::*;

rnn! {
    /// One LSTM; its loss has the given gradient by each output.
    model LstmLayer<I, H> {
        time   t in 1..=T;
        input  x[t]: [I];
        target dy[t]: [H];
        layer net = Lstm<I, H>;
        h[t] = net(x[t]);
        output h;
        loss sum[t](sum(dy[t] * h[t]));
    }

    /// One GRU, likewise.
    model GruLayer<I, H> {
        time   t in 1..=T;
        input  x[t]: [I];
        target dy[t]: [H];
        layer net = GruResetAfter<I, H>;
        h[t] = net(x[t]);
        output h;
        loss sum[t](sum(dy[t] * h[t]));
    }
}

const H: usize = 128;
const T: usize = 100;
const B: usize = 32;

fn values(shape: (usize, usize, usize)) -> Array3<f32> {
    Array3::from_shape_fn(shape, |(t, b, i)| {
        ((7 * t + 5 * b + 3 * i) % 17) as f32 / 16.0 - 0.5
    })
}

macro_rules! layer {
    ($function:ident, $name:literal, $model:ident, $params:ident, $inputs:ident, $targets:ident) => {
        fn $function(c: &mut Criterion) {
            let spec = $model { I: H, H };
            let model = spec.compile(Options::default()).expect("compiles");
            let params = $params::init(&spec, 1).expect("draws");
            let mut grads = $params::zeros(&spec).expect("fits");
            let (one, x, dy) = (values((1, 1, H)), values((T, B, H)), values((T, B, H)));
            let mut group = c.benchmark_group($name);

            let mut stream = model.stream(&params).expect("is causal");
            group.bench_function("stream", |bench| {
                bench.iter(|| {
                    stream
                        .step($inputs { x: one.view() })
                        .map(|_| ())
                        .expect("fits")
                });
            });
            group
                .throughput(Throughput::Elements((T * B) as u64))
                .sample_size(20);
            let frozen = model.freeze(&params).expect("fits");
            group.bench_function("forward", |bench| {
                bench.iter(|| frozen.forward($inputs { x: x.view() }).expect("fits"));
            });
            group.bench_function("train", |bench| {
                bench.iter(|| {
                    let (inputs, targets) = ($inputs { x: x.view() }, $targets { dy: dy.view() });
                    let value = model.loss_and_grad(&params, inputs, targets, &mut grads);
                    value.expect("finite").loss
                });
            });
            group.finish();
        }
    };
}

layer!(
    lstm,
    "lstm_h128",
    LstmLayer,
    LstmLayerParams,
    LstmLayerInputs,
    LstmLayerTargets
);
layer!(
    gru,
    "gru_h128",
    GruLayer,
    GruLayerParams,
    GruLayerInputs,
    GruLayerTargets
);

criterion_group!(benches, lstm, gru);
criterion_main!(benches);
