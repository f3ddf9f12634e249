//! Losses that are no number per example: a vector, and one for each step.

use rnn::prelude::*;

rnn! {
    model Vector<I> {
        time   t in 1..=T;
        input  x[t]: [I];
        target y[t]: [I];
        param W: [I, I] ~ orthogonal;
        z[t] = W @ x[t];
        output z;
        loss mean[t](square(z[t] - y[t]));
    }

    model EachStep<I> {
        time   t in 1..=T;
        input  x[t]: [I];
        target y[t]: [I];
        param W: [I, I] ~ orthogonal;
        z[t] = W @ x[t];
        output z;
        loss squared_error(z[t], y[t]);
    }
}

fn main() {
    let (x, y) = (Array3::<f32>::zeros((5, 2, 3)), Array3::<f32>::zeros((5, 2, 3)));
    let spec = Vector { I: 3 };
    let mut grads = VectorParams::zeros(&spec).unwrap();
    let params = VectorParams::init(&spec, 1).unwrap();
    let model = spec.compile(Options::default()).unwrap();
    let (inputs, targets) = (VectorInputs { x: x.view() }, VectorTargets { y: y.view() });
    println!("{}", model.loss_and_grad(&params, inputs, targets, &mut grads).unwrap().loss);
    println!("{:?}", EachStepParams::zeros(&EachStep { I: 3 }).unwrap().W);
}
