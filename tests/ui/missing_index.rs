//! A sequence read without saying which step of it.

use rnn::prelude::*;

rnn! {
    model Tagger<I, H> {
        time  t in 1..=T;
        input x[t]: [I];
        param W: [H, I] ~ glorot_uniform;
        param U: [H, H] ~ orthogonal;
        h[t] = tanh(W @ x + U @ h[t-1]);
        last = h[t];
        output last;
    }
}

fn main() {
    let spec = Tagger { I: 3, H: 4 };
    let x = Array3::<f32>::zeros((5, 2, 3));
    let model = spec.compile(Options::default()).unwrap();
    let params = TaggerParams::init(&spec, 1).unwrap();
    println!("{:?}", model.forward(&params, TaggerInputs { x: x.view() }).unwrap().last);
}
