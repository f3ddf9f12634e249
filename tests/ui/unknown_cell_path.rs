//! A cell that another module does not have.

use rnn::prelude::*;

rnn! {
    model Tagger<I, H> {
        time  t in 1..=T;
        input x[t]: [I];
        layer lstm = rnn::cells::Lsmt<I, H>;
        h[t] = lstm(x[t]);
        output h;
    }
}

fn main() {
    let spec = Tagger { I: 3, H: 4 };
    let x = Array3::<f32>::zeros((5, 2, 3));
    let params = TaggerParams::init(&spec, 1).unwrap();
    let out = spec.compile(Options::default()).unwrap().forward(&params, TaggerInputs { x: x.view() }).unwrap();
    println!("{:?}", out.h);
}
