//! A name that nothing defines, one letter from one that is.

use rnn::prelude::*;

rnn! {
    model Tagger<I, H> {
        time  t in 1..=T;
        input x[t]: [I];
        param W_xh: [H, I] ~ glorot_uniform;
        param U_hh: [H, H] ~ orthogonal;
        h[t] = tanh(W_hx @ x[t] + U_hh @ h[t-1]);
        output h;
    }
}

fn main() {
    let spec = Tagger { I: 3, H: 4 };
    let params = TaggerParams::init(&spec, 1).unwrap();
    println!("{:?} {:?}", spec.compile(Options::default()).is_ok(), params.U_hh);
}
