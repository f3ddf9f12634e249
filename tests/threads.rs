//! A call on several threads gives the bits of one: a stack of layers in both directions, beside an encoder of another
//! input.

use ndarray::{Array2, Array3};
use rnn::cells::{Gru, Lstm};
use rnn::prelude::*;

rnn! {
    /// Two layers in both directions, joined with the last state of a second encoder.
    model Stack<I, J, H> {
        time   t in 1..=T;
        time   s in 1..=S;
        input  x[t]: [I];
        input  z[s]: [J];
        target y[t]: [2*H];
        layer a = bi(Lstm<I, H>);
        layer b = bi(Lstm<2*H, H>);
        layer other = Gru<J, 2*H>;
        e[s] = other(z[s]);
        h[t] = b(a(x[t])) + e[S];
        output h;
        loss   mean[t](squared_error(h[t], y[t]));
    }
}

#[rustfmt::skip]
const SPEC: Stack = Stack { I: 35, J: 61, H: 66 };

fn values(shape: (usize, usize, usize), seed: usize) -> Array3<f32> {
    Array3::from_shape_fn(shape, |(t, b, i)| {
        let value = (t * 31 + b * 17 + i * 7 + seed * 13) % 41;
        value as f32 / 20.0 - 1.0
    })
}

type Everything = (f32, StackParams, StackOutputs, Vec<Array2<f32>>);

fn everything(threads: usize, examples: usize, ragged: bool) -> Everything {
    let options = Options::default().threads(threads);
    let model = SPEC.compile(options).expect("compiles");
    let params = StackParams::init(&SPEC, 3).expect("draws");
    let (x, z) = (values((50, examples, 35), 1), values((45, examples, 61), 2));
    let y = values((50, examples, 132), 3);
    let lengths = |steps: usize| -> Vec<usize> {
        let row = |row: usize| steps - if ragged { row * 11 % steps } else { 0 };
        (0..examples).map(row).collect()
    };
    let (long, short) = (lengths(50), lengths(45));
    let batch = || {
        let inputs = StackInputs {
            x: x.view(),
            z: z.view(),
        };
        inputs.lengths_of("t", &long).lengths_of("s", &short)
    };
    let mut grads = params.zeros_like();
    let targets = StackTargets { y: y.view() };
    let value = model
        .loss_and_grad(&params, batch(), targets, &mut grads)
        .expect("runs");
    let outputs = model.forward(&params, batch()).expect("runs");
    let states = value.state.to_map().into_values();
    let states = states.map(|state| state.into_dimensionality().expect("a row an example"));
    (value.loss, grads, outputs, states.collect())
}

#[test]
fn a_stack_in_both_directions_gives_the_bits_of_one_thread() {
    for (examples, ragged) in [(1, false), (3, true), (37, true)] {
        let alone = everything(1, examples, ragged);
        for threads in [2, 3, 8] {
            let found = everything(threads, examples, ragged);
            assert!(found == alone, "{threads} threads, {examples} examples");
        }
    }
}
