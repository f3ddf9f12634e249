//! Compiled code in training against the interpreter, and both against PyTorch.

use std::path::Path;

use ndarray::{Array3, ArrayD, ArrayViewD};
use rnn::ir::autodiff::{Wrt, differentiate};
use rnn::ir::bind::bind;
use rnn::ir::graph::ResultKind;
use rnn::ir::interp::{Env, Results, Tensor, evaluate};
use rnn::ir::random::mode::{Mode, in_mode};
use rnn::ir::text::parse;
use rnn::ir::verify::verify;
use rnn::prelude::*;
use rnn::{Model, Reduction};
use safetensors::{Dtype, SafeTensors};

rnn! {
    /// LSTM with statistics of its first `S` steps (Cooijmans et al. 2017, eq. 6 to 8).
    pub model BatchNormLstm<I, H, S> {
        time   t in 1..=T;
        input  x[t]: [I];
        target y[t]: [H];
        param W_x: [4*H, I] ~ glorot_uniform;
        param W_h: [4*H, H] ~ orthogonal;
        param b: [4*H] = 0;
        param gain_x, gain_h: [4*H] = 0.1;
        param gain_c: [H] = 0.1;
        param bias_c: [H] = 0;
        running mean_x, mean_h: [S, 4*H] = 0;
        running variance_x, variance_h: [S, 4*H] = 1;
        running mean_c: [S, H] = 0;
        running variance_c: [S, H] = 1;
        a[t] = gain_h * batch_norm(W_h @ h[t-1], mean_h, variance_h, epsilon = 0.001)
             + gain_x * batch_norm(W_x @ x[t], mean_x, variance_x, epsilon = 0.001) + b;
        f[t] = sigmoid(slice(a[t], 0, H));
        i[t] = sigmoid(slice(a[t], H, H));
        o[t] = sigmoid(slice(a[t], 2*H, H));
        g[t] = tanh(slice(a[t], 3*H, H));
        c[t] = f[t] * c[t-1] + i[t] * g[t];
        h[t] = o[t] * tanh(gain_c * batch_norm(c[t], mean_c, variance_c, epsilon = 0.001) + bias_c);
        output h;
        loss   mean[t](squared_error(h[t], y[t]));
    }

    /// `nn.BatchNorm1d` over all steps.
    pub model Plain1d<I> {
        time   t in 1..=T;
        input  x[t]: [I];
        target cot[t]: [I];
        param weight, bias: [I] = 0;
        running running_mean: [I] = 0;
        running running_var: [I] = 1;
        y[t] = weight * batch_norm(x[t], running_mean, running_var, per = sequence) + bias;
        output y;
        loss   sum[t](sum(cot[t] * y[t]));
    }
}

fn tensor(view: ArrayViewD<'_, f32>) -> Tensor {
    let data: Vec<f64> = view.iter().map(|x| f64::from(*x)).collect();
    Tensor::real(view.shape(), data)
}

/// The gradients of training, and what running parameters become, by definition.
fn interpreted<M: Model>(spec: M, wrt: &Wrt, params: &M::Params, env: Env) -> Results {
    let graph = verify(parse(M::IR).unwrap()).unwrap();
    let bound = bind(&graph, &spec.sizes()).unwrap();
    let training = verify(in_mode(&bound, Mode::Training).unwrap()).unwrap();
    let mut env = env;
    for (name, value) in params.to_map() {
        env = env.with_param(name, tensor(value.view()));
    }
    evaluate(&differentiate(&training, wrt).unwrap(), &env).unwrap()
}

fn close(name: &str, found: ArrayViewD<'_, f32>, expected: &[f64], tolerance: f64) {
    let largest = expected.iter().fold(1e-6, |most: f64, x| most.max(x.abs()));
    assert_eq!(found.len(), expected.len(), "{name}");
    for (found, expected) in found.iter().zip(expected) {
        let error = (f64::from(*found) - expected).abs() / largest;
        assert!(error < tolerance, "{name}: {found} {expected}");
    }
}

fn series(steps: usize, batch: usize, width: usize, salt: usize) -> Array3<f32> {
    Array3::from_shape_fn((steps, batch, width), |(t, b, i)| {
        ((t * 31 + b * 17 + i * 7 + salt) % 23) as f32 / 23.0 - 0.4
    })
}

#[test]
fn a_batch_normalised_lstm_trains_as_its_equations_say() {
    let spec = BatchNormLstm { I: 3, H: 4, S: 3 };
    let model = spec.compile(Options::default()).unwrap();
    let mut params = BatchNormLstmParams::init(&spec, 5).unwrap();
    for lengths in [vec![5, 3, 5, 2, 4], vec![4, 4, 1, 0, 2, 4], vec![2, 2]] {
        let (steps, batch) = (*lengths.iter().max().unwrap(), lengths.len());
        let (x, y) = (series(steps, batch, 3, 0), series(steps, batch, 4, 5));
        let env = Env::new(batch)
            .with_lengths("T", lengths.clone())
            .with_input("x", tensor(x.view().into_dyn()))
            .with_input("y", tensor(y.view().into_dyn()));
        let weights = Tensor::real([batch], vec![1.0 / batch as f64; batch]);
        let expected = interpreted(
            spec,
            &Wrt::params(),
            &params,
            env.with_input("weight", weights),
        );
        let mut grads = BatchNormLstmParams::zeros(&spec).unwrap();
        let inputs = BatchNormLstmInputs { x: x.view() }.lengths(&lengths);
        let targets = BatchNormLstmTargets { y: y.view() };
        let value = (model.loss_and_grad(&params, inputs, targets, &mut grads)).unwrap();
        let loss = expected.first(&ResultKind::BatchLoss).unwrap().reals()[0];
        assert!((f64::from(value.loss) - loss).abs() < 1e-5 * loss.abs());
        let mut after = params.clone();
        value.apply_running(&mut after).unwrap();
        let mut compared = 0;
        for (kind, name, found) in &expected.all {
            let of = match kind {
                ResultKind::Gradient => &grads,
                ResultKind::Running => &after,
                _ => continue,
            };
            // Two examples are brought to plus and minus one, whose derivative is small beside what it is a difference of.
            close(name, of.tensor(name).unwrap(), found.reals(), 2e-3);
            compared += 1;
        }
        assert_eq!(compared, 7 + 6);
        params = after;
    }
}

#[test]
fn a_stream_and_a_sequence_in_pieces_count_on() {
    let spec = BatchNormLstm { I: 3, H: 4, S: 3 };
    let model = spec.compile(Options::default()).unwrap();
    let mut params = BatchNormLstmParams::init(&spec, 5).unwrap();
    let (x, y) = (series(6, 5, 3, 0), series(6, 5, 4, 5));
    let mut grads = BatchNormLstmParams::zeros(&spec).unwrap();
    let inputs = || BatchNormLstmInputs { x: x.view() };
    let value = model.loss_and_grad(
        &params,
        inputs(),
        BatchNormLstmTargets { y: y.view() },
        &mut grads,
    );
    value.unwrap().apply_running(&mut params).unwrap();
    let whole = model.forward(&params, inputs()).unwrap().h;
    let piece = |from: usize, to: usize| BatchNormLstmInputs {
        x: x.slice(ndarray::s![from..to, .., ..]),
    };
    let first = model.forward_with_state(&params, piece(0, 2)).unwrap();
    let rest = (model.forward(&params, piece(2, 6).state(&first.state))).unwrap();
    assert_eq!(rest.h, whole.slice(ndarray::s![2.., .., ..]));
    let mut stream = model.stream(&params).unwrap();
    for t in 0..6 {
        let step = BatchNormLstmInputs {
            x: x.slice(ndarray::s![t..=t, ..1, ..]),
        };
        let h = &stream.step(step).unwrap().h;
        assert_eq!(
            h.slice(ndarray::s![0, 0, ..]),
            whole.slice(ndarray::s![t, 0, ..])
        );
    }
}

fn fixture() -> impl Fn(&str) -> ArrayD<f64> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pytorch/batch_norm.safetensors");
    let bytes = std::fs::read(path).unwrap();
    move |name| {
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let view = file.tensor(name).unwrap();
        let words = view.data();
        let values: Vec<f64> = match view.dtype() {
            Dtype::F64 => (words.chunks_exact(8))
                .map(|word| f64::from_le_bytes(word.try_into().unwrap()))
                .collect(),
            Dtype::F32 => (words.chunks_exact(4))
                .map(|word| f64::from(f32::from_le_bytes(word.try_into().unwrap())))
                .collect(),
            other => panic!("{name}: {other:?}"),
        };
        ArrayD::from_shape_vec(view.shape(), values).unwrap()
    }
}

#[test]
fn one_statistic_of_all_steps_is_that_of_pytorch() {
    let read = fixture();
    let narrow = |name: &str| read(name).mapv(|x| x as f32);
    let reals = |name: &str| read(name).iter().copied().collect::<Vec<_>>();
    let lengths = [4, 1, 5];
    let spec = Plain1d { I: 3 };
    let mut params = Plain1dParams::init(&spec, 0).unwrap();
    params.weight.assign(&narrow("weight"));
    params.bias.assign(&narrow("bias"));
    let array = |name: &str| -> Array3<f32> { narrow(name).into_dimensionality().unwrap() };
    let (x, cot) = (array("x"), array("cot.y"));

    let env = Env::new(3)
        .with_lengths("T", lengths.to_vec())
        .with_input("x", tensor(x.view().into_dyn()))
        .with_input("cot", tensor(cot.view().into_dyn()))
        .with_input("weight2", Tensor::real([3], vec![1.0; 3]));
    let found = interpreted(spec, &Wrt::params().and_input("x"), &params, env);
    let agrees = |kind: ResultKind, name: &str, expected: &str| {
        let pairs = found.get(&kind, name).unwrap().reals().to_vec();
        for (found, expected) in pairs.into_iter().zip(reals(expected)) {
            assert!(
                (found - expected).abs() < 1e-10,
                "{name}: {found} {expected}"
            );
        }
    };
    agrees(ResultKind::Output, "y", "y");
    agrees(ResultKind::BatchLoss, "loss", "loss");
    for name in ["weight", "bias", "x"] {
        agrees(ResultKind::Gradient, name, &format!("grad.{name}"));
    }
    for name in ["running_mean", "running_var"] {
        agrees(ResultKind::Running, name, name);
    }

    let model = spec
        .compile(Options::default().reduction(Reduction::Sum))
        .unwrap();
    let mut grads = Plain1dParams::zeros(&spec).unwrap();
    let inputs = || Plain1dInputs { x: x.view() }.lengths(&lengths);
    let targets = Plain1dTargets { cot: cot.view() };
    let value = (model.loss_and_grad(&params, inputs(), targets, &mut grads)).unwrap();
    assert!((f64::from(value.loss) - reals("loss")[0]).abs() < 1e-5);
    close(
        "weight",
        grads.weight.view().into_dyn(),
        &reals("grad.weight"),
        2e-5,
    );
    close(
        "bias",
        grads.bias.view().into_dyn(),
        &reals("grad.bias"),
        2e-5,
    );
    value.apply_running(&mut params).unwrap();
    for name in ["running_mean", "running_var"] {
        close(name, params.tensor(name).unwrap(), &reals(name), 2e-6);
    }
    let y = model.forward(&params, inputs()).unwrap().y;
    close("y", y.view().into_dyn(), &reals("y_eval"), 2e-5);
}
