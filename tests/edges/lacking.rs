//! Models without parameters, without inputs, without steps, and outputs that are what was given.

use rnn::CallError;
use rnn::prelude::*;

rnn! {
    /// Nothing to train.
    pub model Untrained {
        time   t in 1..=T;
        input  x[t]: [];
        target y[t]: [];
        s[t] = 0.5 * s[t-1] + x[t];
        output s, x;
        loss   mean[t](square(s[t] - y[t]));
    }

    /// Nothing comes in, and the loss looks at no target.
    pub model Alone<H> {
        time  t in 1..=T;
        param U: [H, H] ~ orthogonal;
        param b: [H] = 1;
        h[t] = tanh(U @ h[t-1] + b);
        c = 2.5;
        output h, U, c;
        loss  mean[t](sum(square(h[t])));
    }

    /// What comes in goes out, in several ways.
    pub model Echo<I, V> {
        time   t in 1..=T;
        input  x[t]: [I];
        input  k[t]: token<V>;
        input  v: [I];
        param  w: [I] = 1;
        before[t] = x[t-1];
        last = x[T];
        lag[t] = k[t-1];
        output x, k, v, w, before, last, lag;
        loss   sum[t](w @ x[t]);
    }

    /// Everything in one number.
    pub model Wide<I, H> {
        time   t in 1..=T;
        input  x[t]: [I];
        target y[t]: [H];
        param  W: [H, I] ~ glorot_uniform;
        param  U: [H, H] ~ orthogonal;
        h[t] = tanh(W @ x[t] + U @ h[t-1]);
        output h;
        loss   mean[t](squared_error(h[t], y[t]));
    }
}

fn series(shape: (usize, usize, usize)) -> Array3<f32> {
    Array3::from_shape_fn(shape, |(t, b, i)| {
        ((t * 31 + b * 17 + i * 7) % 23) as f32 / 23.0 - 0.4
    })
}

#[test]
fn a_model_without_parameters_has_a_loss_and_no_gradient() {
    let spec = Untrained {};
    let model = spec.compile(Options::default()).unwrap();
    let params = UntrainedParams::init(&spec, 1).unwrap();
    let mut grads = UntrainedParams::zeros(&spec).unwrap();
    let (x, y) = (Array2::from_elem((3, 40), 1.0f32), Array2::zeros((3, 40)));
    let inputs = || UntrainedInputs { x: x.view() };
    let targets = || UntrainedTargets { y: y.view() };
    let value = model
        .loss_and_grad(&params, inputs(), targets(), &mut grads)
        .unwrap();
    let expected = (1.0f32 + 2.25 + 1.75 * 1.75) / 3.0;
    assert!((value.loss - expected).abs() < 1e-6, "{}", value.loss);
    assert_eq!(
        model.loss(&params, inputs(), targets()).unwrap(),
        value.loss
    );
    let found = model.forward(&params, inputs()).unwrap();
    assert_eq!(found.x, x);
    assert_eq!(found.s.column(7).to_vec(), [1.0, 1.5, 1.75]);
    let by = model
        .input_gradients(&params, inputs(), targets(), &["x", "y"])
        .unwrap();
    assert!(by.get("x").unwrap().iter().all(|own| *own > 0.0));
    let mut product = grads.clone();
    let loss = model
        .hvp(&params, inputs(), targets(), &grads, &mut product)
        .unwrap();
    assert_eq!(loss, value.loss);
    assert_eq!(
        model.freeze(&params).unwrap().forward(inputs()).unwrap().s,
        found.s
    );
}

#[test]
fn a_model_without_inputs_runs_as_long_as_it_is_told() {
    let spec = Alone { H: 3 };
    let model = spec.compile(Options::default()).unwrap();
    let params = AloneParams::init(&spec, 1).unwrap();
    let mut grads = AloneParams::zeros(&spec).unwrap();
    let batch = |lengths| AloneInputs::default().lengths(lengths);
    let found = model.forward(&params, batch(&[4, 4])).unwrap();
    assert_eq!(found.U, params.U);
    assert_eq!(found.c, ndarray::arr0(2.5));
    let value = model.loss_and_grad(&params, batch(&[4, 4]), AloneTargets::default(), &mut grads);
    let loss = value.unwrap().loss;
    let along = params.clone();
    let slope = model.loss_jvp(
        &params,
        batch(&[4, 4]),
        AloneTargets::default(),
        &rnn::Direction::params(&along),
    );
    let (same, slope) = slope.unwrap();
    let expected = (&grads.U * &along.U).sum() + (&grads.b * &along.b).sum();
    assert!(
        (same - loss).abs() < 1e-6 && (slope - expected).abs() < 1e-5,
        "{slope} {expected}"
    );
    // Lengths of their own: an example's part of the mean is that of its own steps.
    let ragged = model
        .loss(&params, batch(&[4, 2, 0]), AloneTargets::default())
        .unwrap();
    let alone = |steps: usize| {
        let lengths = [steps];
        let own = AloneInputs::default().lengths(&lengths);
        model.loss(&params, own, AloneTargets::default()).unwrap()
    };
    assert!((ragged - (alone(4) + alone(2) + alone(0)) / 3.0).abs() < 1e-6);
    let nothing = model.forward(&params, AloneInputs::default());
    let told = nothing.unwrap_err().to_string();
    assert!(told.contains("Alone"), "{told}");
}

#[test]
fn outputs_may_be_what_was_given() {
    let spec = Echo { I: 3, V: 5 };
    let params = EchoParams::init(&spec, 1).unwrap();
    for threads in [1, 2] {
        let model = spec.compile(Options::default().threads(threads)).unwrap();
        for batch in [1, 17, 40] {
            let x = series((4, batch, 3));
            let k = Array2::from_shape_fn((4, batch), |(t, b)| ((t + b) % 5) as u32);
            let v = Array2::from_shape_fn((batch, 3), |(b, i)| (b * 3 + i) as f32);
            let inputs = || EchoInputs {
                x: x.view(),
                k: k.view(),
                v: v.view(),
            };
            let found = model.forward(&params, inputs()).unwrap();
            assert_eq!(
                (&found.x, &found.k, &found.v, &found.w),
                (&x, &k, &v, &params.w)
            );
            assert_eq!(
                found.before.slice(ndarray::s![1.., .., ..]),
                x.slice(ndarray::s![..3, .., ..])
            );
            assert_eq!(found.last, x.index_axis(ndarray::Axis(0), 3));
            assert_eq!(
                found.lag.slice(ndarray::s![1.., ..]),
                k.slice(ndarray::s![..3, ..])
            );
            // In an order of lengths that is not that of the call.
            let lengths: Vec<usize> = (0..batch).map(|row| (row * 3 + 1) % 5).collect();
            let found = model.forward(&params, inputs().lengths(&lengths)).unwrap();
            for (row, steps) in lengths.into_iter().enumerate() {
                let own = found.x.slice(ndarray::s![.., row, ..]);
                let given = x.slice(ndarray::s![.., row, ..]);
                assert_eq!(
                    own.slice(ndarray::s![..steps, ..]),
                    given.slice(ndarray::s![..steps, ..])
                );
                assert!(
                    own.slice(ndarray::s![steps.., ..])
                        .iter()
                        .all(|own| *own == 0.0)
                );
                assert_eq!(found.v.row(row), v.row(row));
            }
            let mut grads = params.zeros_like();
            let value = model.loss_and_grad(&params, inputs(), EchoTargets::default(), &mut grads);
            assert!((value.unwrap().loss - x.sum() / batch as f32).abs() < 1e-4);
        }
    }
}

#[test]
fn no_steps_and_no_examples() {
    let spec = Wide { I: 3, H: 2 };
    let model = spec.compile(Options::default()).unwrap();
    let params = WideParams::init(&spec, 1).unwrap();
    let mut grads = params.clone();
    let (x, y) = (series((0, 5, 3)), series((0, 5, 2)));
    let inputs = || WideInputs { x: x.view() };
    let value = model.loss_and_grad(&params, inputs(), WideTargets { y: y.view() }, &mut grads);
    assert_eq!(value.unwrap().loss, 0.0);
    assert_eq!(grads, params.zeros_like());
    assert_eq!(model.forward(&params, inputs()).unwrap().h.dim(), (0, 5, 2));
    let mut product = params.clone();
    model
        .hvp(
            &params,
            inputs(),
            WideTargets { y: y.view() },
            &params,
            &mut product,
        )
        .unwrap();
    assert_eq!(product, params.zeros_like());
    let limited = spec
        .compile(Options::default().memory_limit(1 << 20))
        .unwrap();
    let value = limited.loss_and_grad(&params, inputs(), WideTargets { y: y.view() }, &mut grads);
    assert_eq!(value.unwrap().loss, 0.0);
    let none = series((4, 0, 3));
    let refused = model.forward(&params, WideInputs { x: none.view() });
    assert!(matches!(refused, Err(CallError::EmptyBatch)));
}

#[test]
fn very_wide_layers_and_those_beside_multiples_of_sixteen() {
    for (inputs_wide, width) in [(1, 1030), (1030, 1), (15, 17), (33, 31), (16, 16), (1, 1)] {
        let spec = Wide {
            I: inputs_wide,
            H: width,
        };
        let params = WideParams::init(&spec, 1).unwrap();
        let (x, y) = (series((3, 2, inputs_wide)), series((3, 2, width)));
        let model = spec.compile(Options::default()).unwrap();
        let mut grads = params.zeros_like();
        let inputs = || WideInputs { x: x.view() };
        let targets = || WideTargets { y: y.view() };
        let value = model
            .loss_and_grad(&params, inputs(), targets(), &mut grads)
            .unwrap();
        // By hand.
        let mut h = Array2::<f32>::zeros((2, width));
        let mut loss = 0.0;
        for t in 0..3 {
            let at = ndarray::Axis(0);
            let a = x.index_axis(at, t).dot(&params.W.t()) + h.dot(&params.U.t());
            h = a.mapv(f32::tanh);
            loss += (&h - &y.index_axis(at, t))
                .mapv(|error| error * error)
                .sum()
                / 6.0;
        }
        assert!(
            (value.loss - loss).abs() < 1e-5 * loss.max(1.0),
            "{width}: {} {loss}",
            value.loss
        );
        let along = params.clone();
        let (_, slope) = model
            .loss_jvp(
                &params,
                inputs(),
                targets(),
                &rnn::Direction::params(&along),
            )
            .unwrap();
        let expected = (&grads.W * &along.W).sum() + (&grads.U * &along.U).sum();
        assert!(
            (slope - expected).abs() < 1e-4 * loss.max(1.0),
            "{width}: {slope} {expected}"
        );
    }
}
