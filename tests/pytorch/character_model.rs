//! A language model: embedding, LSTM, logits, cross-entropy.

use std::collections::BTreeMap;

use ndarray::{ArrayD, Axis, IxDyn};
use rnn::cells::Lstm;
use rnn::ir::autodiff::Wrt;
use rnn::ir::graph::ResultKind;
use rnn::ir::interp::{Env, Tensor};
use rnn::prelude::*;

use crate::case::{
    F32_TOLERANCE, F64_TOLERANCE, close, fill, gradients_agree, run, tensor, tokens, view, wide,
};
use crate::fixture::{Fixture, layer, whole};

rnn! {
    /// A character language model.
    model CharLm<V, E, H> {
        time   t in 1..=T;
        input  now[t]:  token<V>;
        target next[t]: token<V>;
        param embed: [V, E] ~ normal(0.0, 0.1);
        param W_y:   [V, H] ~ glorot_uniform;
        param b_y:   [V]    = 0;
        layer net = Lstm<E, H>;
        h[t]      = net(embed[now[t]]);
        logits[t] = W_y @ h[t] + b_y;
        h_n = h[T];
        c_n = net.c[T];
        output logits, h_n, c_n;
        loss   mean[t](cross_entropy(logits[t], next[t]));
    }
}

#[test]
fn a_character_model_agrees() {
    let fixture = Fixture::read("char_lm");
    let spec = CharLm { V: 10, E: 5, H: 6 };
    let mut reads = vec![
        ("embed".to_owned(), whole("embedding.weight")),
        ("W_y".to_owned(), whole("linear.weight")),
        ("b_y".to_owned(), whole("linear.bias")),
    ];
    reads.extend(layer("lstm", "net", "lstm.", "l0"));
    let lengths = fixture.lengths();
    let given = BTreeMap::from(
        [("now", "tokens"), ("next", "targets")]
            .map(|(name, from)| (name.to_owned(), tokens(fixture.get(from)))),
    );

    // The mean over all tokens: an example counts by its length.
    let total: usize = lengths.iter().sum();
    let weights = lengths.iter().map(|n| *n as f64 / total as f64);
    let weights = Tensor::real([lengths.len()], weights.collect::<Vec<_>>());
    let mut env = Env::new(lengths.len())
        .with_lengths("T", lengths.clone())
        .with_input("weight", weights);
    for (name, value) in &given {
        let data: Vec<u32> = value.iter().copied().collect();
        env = env.with_input(name, Tensor::index(value.shape(), data));
    }
    for (name, read) in &reads {
        env = env.with_param(name, tensor(&read(&fixture, "")));
    }
    let results = run(spec, &Wrt::params(), &env);
    let array = |kind: &ResultKind, name: &str| {
        let found = results.get(kind, name).unwrap();
        ArrayD::from_shape_vec(IxDyn(found.dims()), found.reals().to_vec()).unwrap()
    };
    let logits = array(&ResultKind::Output, "logits");
    let expected = fixture.get("logits");
    close("logits", &logits, expected, Some(&lengths), F64_TOLERANCE);
    let loss = array(&ResultKind::BatchLoss, "loss");
    close("loss", &loss, fixture.get("loss"), None, F64_TOLERANCE);
    for (name, read) in &reads {
        let found = array(&ResultKind::Gradient, name);
        close(name, &found, &read(&fixture, "grad."), None, F64_TOLERANCE);
    }

    let model = spec
        .compile(Options::default().reduction(Reduction::Tokens))
        .unwrap();
    let mut params = CharLmParams::zeros(&spec).unwrap();
    let mut grads = params.clone();
    fill(&fixture, &reads, &mut params);
    let inputs = || CharLmInputs {
        now: view(&given, "now"),
    };
    let targets = || CharLmTargets {
        next: view(&given, "next"),
    };
    let out = model.forward(&params, inputs().lengths(&lengths)).unwrap();
    for (name, found, expected) in [
        ("logits", out.logits.into_dyn(), expected.clone()),
        ("h_n", out.h_n.into_dyn(), fixture.joined("h_n")),
        ("c_n", out.c_n.into_dyn(), fixture.joined("c_n")),
    ] {
        close(name, &wide(&found), &expected, None, F32_TOLERANCE);
    }
    let losses = model
        .losses(&params, inputs().lengths(&lengths), targets())
        .unwrap();
    let losses = ArrayD::from_shape_vec(IxDyn(&[lengths.len()]), losses).unwrap();
    let mut means = fixture.get("nll").sum_axis(Axis(0));
    means
        .iter_mut()
        .zip(&lengths)
        .for_each(|(nll, n)| *nll /= *n as f64);
    close("losses", &wide(&losses), &means, None, F32_TOLERANCE);
    let value = model
        .loss_and_grad(&params, inputs().lengths(&lengths), targets(), &mut grads)
        .unwrap();
    let loss = ArrayD::from_elem(IxDyn(&[]), f64::from(value.loss));
    close("loss", &loss, fixture.get("loss"), None, F32_TOLERANCE);
    gradients_agree(&fixture, &reads, &grads);
    for unused in [7, 9] {
        assert!(grads.embed.row(unused).iter().all(|g| *g == 0.0));
    }
}
