//! An output that has seen the answer, through two other equations.

use rnn::prelude::*;

rnn! {
    model Cheat<I, H> {
        time   t in 1..=T;
        input  x[t]: [I];
        target y[t]: [H];
        param W: [H, I] ~ glorot_uniform;
        error[t] = y[t] - W @ x[t];
        h[t] = tanh(0.5 * h[t-1] + error[t]);
        output h;
        loss mean[t](sum(square(error[t])));
    }
}

fn main() {
    let spec = Cheat { I: 3, H: 4 };
    let x = Array3::<f32>::zeros((5, 2, 3));
    let params = CheatParams::init(&spec, 1).unwrap();
    let out = spec.compile(Options::default()).unwrap().forward(&params, CheatInputs { x: x.view() }).unwrap();
    println!("{:?}", out.h);
}
