//! Losses of `rnn::losses`, and training by rewards: against all alignments, all tag sequences and all outcomes where these can be
//! listed, against finite differences, and against PyTorch.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails where something is missing"
)]

use std::path::Path;

use ndarray::{ArrayD, Axis, IxDyn, s};
use rnn::BatchSize;
use rnn::ir::autodiff::Wrt;
use rnn::ir::autodiff::check::check_model;
use rnn::ir::bind::bind;
use rnn::ir::interp::{Env, Tensor};
use rnn::ir::text::parse;
use rnn::ir::verify::verify;
use rnn::losses::{Crf, Ctc, SmoothedCrossEntropy, WeightedCrossEntropy};
use rnn::prelude::*;
use rnn::reinforce::{Drawn, MovingAverage, self_critical};
use safetensors::{Dtype, SafeTensors};

/// Of numbers below a hundred that are sums of a few dozen terms in f32, 2^-24 each.
const TOLERANCE: f32 = 2e-5;

rnn! {
    /// Labels without a place, of logits that are given.
    model Labels<V> {
        time   t in 1..=T;
        time   u in 1..=U;
        input  x[t]: [V];
        target label[u]: token<V>;
        param  scale: [] = 1;
        layer  ctc = Ctc<V>;
        z[t]     = scale * x[t];
        total[t] = ctc(z[t], label);
        output z;
        loss   -total[T];
    }

    /// Tags together, of scores that are given.
    model Tags<K> {
        time   t in 1..=T;
        input  x[t]: [K];
        target tag[t]: token<K>;
        param  scale: [] = 1;
        layer  crf = Crf<K>;
        u[t]   = scale * x[t];
        nll[t] = crf(u[t], tag[t]);
        best[t] = crf.best[t];
        output best;
        loss   nll[T];
    }

    model Smoothed<V> {
        time   t in 1..=T;
        input  x[t]: [V];
        target k[t]: token<V>;
        param  scale: [] = 1;
        layer  ce = SmoothedCrossEntropy<V>;
        z[t] = scale * x[t];
        e[t] = ce(z[t], k[t]);
        output z;
        loss   mean[t](e[t]);
    }

    model Weighted<V> {
        time   t in 1..=T;
        input  x[t]: [V];
        target k[t]: token<V>;
        param  scale: [] = 1;
        layer  ce = WeightedCrossEntropy<V>;
        z[t]   = scale * x[t];
        e[t]   = ce(z[t], k[t]);
        output z;
        loss   sum[t](e[t]) / sum[t](ce.weight[t]);
    }

    /// What to say after each token, and first of all.
    model Policy<V> {
        time   t in 1..=T;
        target said[t]: token<V>;
        target advantage: [];
        param  table: [V, V] ~ normal(0.0, 0.5);
        last[t]   = feedback(said[t-1], argmax(logits[t-1]));
        said[0]   = 0;
        logits[t] = table[last[t]];
        output logits;
        loss   advantage * sum[t](cross_entropy(logits[t], said[t]));
    }
}

/// A fixture, every tensor as `f64`.
fn fixture(name: &str) -> ArrayD<f64> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pytorch/losses.safetensors");
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensor = file.tensor(name).unwrap();
    let data = tensor.data();
    let values: Vec<f64> = match tensor.dtype() {
        Dtype::F64 => data
            .chunks(8)
            .map(|own| f64::from_le_bytes(own.try_into().unwrap()))
            .collect(),
        Dtype::F32 => (data
            .chunks(4)
            .map(|own| f64::from(f32::from_le_bytes(own.try_into().unwrap()))))
        .collect(),
        Dtype::I32 => (data
            .chunks(4)
            .map(|own| f64::from(i32::from_le_bytes(own.try_into().unwrap()))))
        .collect(),
        other => panic!("{other:?}"),
    };
    ArrayD::from_shape_vec(IxDyn(tensor.shape()), values).unwrap()
}

fn reals<D: ndarray::Dimension>(name: &str) -> ndarray::Array<f32, D> {
    fixture(name)
        .mapv(|own| own as f32)
        .into_dimensionality()
        .unwrap()
}

fn tokens(name: &str) -> Array2<u32> {
    fixture(name)
        .mapv(|own| own as u32)
        .into_dimensionality()
        .unwrap()
}

fn counts(name: &str) -> Vec<usize> {
    fixture(name).iter().map(|own| *own as usize).collect()
}

fn assert_near<'f>(
    what: &str,
    expected: impl IntoIterator<Item = &'f f32>,
    found: impl IntoIterator<Item = &'f f32>,
) {
    let (expected, found): (Vec<&f32>, Vec<&f32>) =
        (expected.into_iter().collect(), found.into_iter().collect());
    assert_eq!(expected.len(), found.len(), "{what}");
    for (at, (expected, found)) in expected.iter().zip(&found).enumerate() {
        let near = (*expected - *found).abs() <= TOLERANCE * expected.abs().max(1.0);
        assert!(near, "{what}[{at}]: expected {expected}, found {found}");
    }
}

/// Numbers of no pattern between -1.5 and 1.5.
fn values(shape: (usize, usize, usize), salt: usize) -> Array3<f32> {
    Array3::from_shape_fn(shape, |(t, b, i)| {
        ((t * 5 + b * 3 + i * 7 + t * t * i + salt) % 13) as f32 / 4.0 - 1.5
    })
}

fn log_softmax(x: ArrayView1<'_, f32>) -> Array1<f64> {
    let wide = x.mapv(f64::from);
    let total = wide.mapv(f64::exp).sum().ln();
    wide - total
}

#[test]
fn ctc_adds_up_all_alignments_that_mean_the_labels() {
    let spec = Labels { V: 3 };
    let model = spec.compile(Options::default()).unwrap();
    let params = LabelsParams::init(&spec, 1).unwrap();
    // Steps and labels of each example: of unequal length, repeated, none at all, no step to spare.
    let cases: [(usize, &[u32]); 8] = [
        (5, &[1, 2]),
        (5, &[1, 1]),
        (3, &[2, 2]),
        (1, &[1]),
        (4, &[]),
        (5, &[1, 2, 1, 2, 1]),
        (2, &[2]),
        (5, &[2, 1, 1]),
    ];
    let steps: Vec<usize> = cases.iter().map(|case| case.0).collect();
    let labels: Vec<&[u32]> = cases.iter().map(|case| case.1).collect();
    let counts = rnn::ragged::lengths(&labels);
    let label = rnn::ragged::pad(&labels);
    let x = values((5, cases.len(), 3), 2);
    let inputs = || {
        LabelsInputs { x: x.view() }
            .lengths_of("t", &steps)
            .lengths_of("u", &counts)
    };
    let targets = || LabelsTargets {
        label: label.view(),
    };
    let found = model.losses(&params, inputs(), targets()).unwrap();
    let mut expected = Vec::new();
    for (b, (steps, labels)) in cases.iter().enumerate() {
        let log_probs: Vec<Array1<f64>> = (0..*steps)
            .map(|t| log_softmax(x.slice(s![t, b, ..])))
            .collect();
        let mut total = 0.0;
        for code in 0..3_usize.pow(*steps as u32) {
            let alignment: Vec<usize> = (0..*steps)
                .map(|t| code / 3_usize.pow(t as u32) % 3)
                .collect();
            let mut meant = alignment.clone();
            meant.dedup();
            meant.retain(|token| *token != 0);
            if meant
                .iter()
                .map(|own| *own as u32)
                .eq(labels.iter().copied())
            {
                total += (alignment
                    .iter()
                    .zip(&log_probs)
                    .map(|(token, own)| own[*token])
                    .sum::<f64>())
                .exp();
            }
        }
        expected.push(-total.ln() as f32);
    }
    assert_near("losses", &expected, &found);
    // The decoder agrees on what a sequence is worth.
    for (b, (steps, labels)) in cases.iter().enumerate() {
        let own = x.slice(s![..*steps, b, ..]);
        let all = rnn::ctc::beam(own, 0, 10_000).unwrap();
        let same = all.iter().find(|own| own.labels == *labels).unwrap();
        assert!((same.log_prob as f32 + expected[b]).abs() < TOLERANCE * expected[b].max(1.0));
    }
    // Another order of rows changes nothing.
    let mut grads = LabelsParams::zeros(&spec).unwrap();
    let whole = model
        .loss_and_grad(&params, inputs(), targets(), &mut grads)
        .unwrap();
    let back = x.slice(s![.., ..;-1, ..]);
    let turned = label.slice(s![.., ..;-1]);
    let (steps, counts): (Vec<usize>, Vec<usize>) =
        (steps.iter().zip(&counts).rev().map(|(a, b)| (*a, *b))).unzip();
    let batch = LabelsInputs { x: back }
        .lengths_of("t", &steps)
        .lengths_of("u", &counts);
    let mut other = LabelsParams::zeros(&spec).unwrap();
    let reversed = model
        .loss_and_grad(&params, batch, LabelsTargets { label: turned }, &mut other)
        .unwrap();
    assert_near("loss", &[whole.loss], &[reversed.loss]);
    assert_near("gradient", &grads.scale, &other.scale);
}

#[test]
fn ctc_over_segments_of_steps_is_the_same() {
    let spec = Labels { V: 4 };
    let (steps, counts) = ([96, 40, 75], [7, 3, 5]);
    let x = values((96, 3, 4), 4);
    let label = Array2::from_shape_fn((7, 3), |(u, b)| ((u * u + b) % 3) as u32 + 1);
    let run = |options: Options| {
        let model = spec.compile(options).unwrap();
        let params = LabelsParams::init(&spec, 1).unwrap();
        let mut grads = LabelsParams::zeros(&spec).unwrap();
        let inputs = LabelsInputs { x: x.view() };
        let inputs = inputs.lengths_of("t", &steps).lengths_of("u", &counts);
        let targets = LabelsTargets {
            label: label.view(),
        };
        let value = model.loss_and_grad(&params, inputs, targets, &mut grads);
        (value.unwrap().loss, grads.scale)
    };
    let size = BatchSize::new(3).steps("t", 96).lengths("t", &steps);
    let size = size.steps("u", 7).lengths("u", &counts);
    let model = spec.compile(Options::default()).unwrap();
    let whole = model.bytes(Program::Gradient, &size).unwrap().total;
    let (loss, grad) = run(Options::default());
    let (limited, other) = run(Options::default().memory_limit(whole * 7 / 10));
    assert_near("loss", &[loss], &[limited]);
    assert_near("gradient", &grad, &other);
}

#[test]
fn labels_that_do_not_fit_are_told_by_their_loss() {
    let spec = Labels { V: 3 };
    let model = spec.compile(Options::default()).unwrap();
    let params = LabelsParams::init(&spec, 1).unwrap();
    let x = values((3, 3, 3), 1);
    let label = array![[1, 1, 1], [1, 2, 1], [0, 1, 0], [0, 2, 0]];
    let inputs = LabelsInputs { x: x.view() }
        .lengths_of("t", &[2, 3, 3])
        .lengths_of("u", &[2, 4, 2]);
    let found = model
        .losses(
            &params,
            inputs,
            LabelsTargets {
                label: label.view(),
            },
        )
        .unwrap();
    assert!(found[0] > 1e29 && found[1] > 1e29, "{found:?}");
    assert!(found[2] < 20.0, "{found:?}");
}

#[test]
fn gradients_of_losses_are_those_of_finite_differences() {
    fn check<M: Model>(spec: M, env: &Env, elements: usize) {
        let graph = verify(parse(M::IR).unwrap()).unwrap();
        let bound = bind(&graph, &spec.sizes()).unwrap();
        let checked = check_model(&bound, env, &Wrt::params().and_input("x")).unwrap();
        assert_eq!(checked, elements, "{}", M::NAME);
    }
    let (steps, batch, size) = (4, 3, 3);
    let x = values((steps, batch, size), 5);
    let env = Env::new(batch)
        .with_lengths("T", [4, 2, 3])
        .with_input(
            "x",
            Tensor::real(
                x.shape(),
                x.iter()
                    .map(|own| f64::from(*own) + 0.01)
                    .collect::<Vec<_>>(),
            ),
        )
        .with_param("scale", Tensor::real([], [0.7]));
    let token = |rows: usize, least: u32| {
        let own: Vec<u32> = (0..rows * batch)
            .map(|at| (at * 5 % 7) as u32 % (3 - least) + least)
            .collect();
        Tensor::index([rows, batch], own)
    };
    let all = steps * batch * size + 1;
    let labels = env
        .clone()
        .with_lengths("U", [2, 1, 2])
        .with_input("label", token(2, 1))
        .with_param("ctc.zero_infinity", Tensor::real([], [0.0]));
    check(Labels { V: size }, &labels, all);
    let weights = Tensor::real([3], [0.5, 2.0, 1.2]);
    let smoothing = Tensor::real([], [0.2]);
    check(
        Smoothed { V: size },
        &env.clone()
            .with_input("k", token(steps, 0))
            .with_param("ce.smoothing", smoothing),
        all,
    );
    check(
        Weighted { V: size },
        &env.clone()
            .with_input("k", token(steps, 0))
            .with_param("ce.weights", weights),
        all,
    );
    let field = |count: usize| {
        (0..count)
            .map(|at| (at * 3 % 5) as f64 / 4.0 - 0.4)
            .collect::<Vec<_>>()
    };
    let tags = env
        .with_input("tag", token(steps, 0))
        .with_param("crf.A", Tensor::real([3, 3], field(9)))
        .with_param("crf.start", Tensor::real([3], field(3)))
        .with_param("crf.end", Tensor::real([3], field(3)));
    check(Tags { K: size }, &tags, all + 9 + 3 + 3);
}

#[test]
fn ctc_and_its_gradient_are_those_of_pytorch() {
    let spec = Labels { V: 5 };
    let model = spec
        .compile(Options::default().reduction(Reduction::Mean))
        .unwrap();
    let params = LabelsParams::init(&spec, 1).unwrap();
    let (x, label): (Array3<f32>, _) = (reals("ctc.logits"), tokens("ctc.labels"));
    let (steps, labels) = (counts("ctc.steps"), counts("ctc.counts"));
    let inputs = || {
        LabelsInputs { x: x.view() }
            .lengths_of("t", &steps)
            .lengths_of("u", &labels)
    };
    let targets = || LabelsTargets {
        label: label.view(),
    };
    let found = model.losses(&params, inputs(), targets()).unwrap();
    assert_near("losses", &reals::<ndarray::Ix1>("ctc.losses"), &found);
    let by = model
        .input_gradients(&params, inputs(), targets(), &["x"])
        .unwrap();
    assert_near(
        "d logits",
        &reals::<ndarray::Ix3>("ctc.grad.logits"),
        by.get("x").unwrap(),
    );
}

/// Labels that need more steps than there are: an infinite loss, or one that is left out as PyTorch's `zero_infinity` does.
#[test]
fn labels_without_an_alignment_are_found_or_left_out() {
    let spec = Labels { V: 4 };
    let model = spec.compile(Options::default()).unwrap();
    let mut params = LabelsParams::init(&spec, 1).unwrap();
    let x = Array3::from_shape_fn((4, 3, 4), |(t, b, v)| {
        ((t * 5 + b * 3 + v * 7) % 11) as f32 / 5.0
    });
    // The first fits; the second has a pair of equals too many, the third a label.
    let label = array![[1, 2, 1], [1, 2, 2], [0, 2, 3], [0, 0, 1], [0, 0, 2]];
    let (steps, labels) = ([4, 4, 4], [2, 3, 5]);
    let inputs = || {
        LabelsInputs { x: x.view() }
            .lengths_of("t", &steps)
            .lengths_of("u", &labels)
    };
    let targets = || LabelsTargets {
        label: label.view(),
    };
    let error = rnn::ctc::check_labels(label.view(), &labels, &steps, 0).unwrap_err();
    assert_eq!(
        error,
        rnn::error::CtcError::TooFewSteps {
            example: 1,
            labels: 3,
            needed: 5,
            steps: 4
        }
    );
    let infinite = model.losses(&params, inputs(), targets()).unwrap();
    assert!(infinite[1] > 1e29 && infinite[2] > 1e29, "{infinite:?}");

    params.ctc.zero_infinity.fill(1.0);
    let masked = model.losses(&params, inputs(), targets()).unwrap();
    assert_eq!(masked, [infinite[0], 0.0, 0.0]);
    let by = model
        .input_gradients(&params, inputs(), targets(), &["x"])
        .unwrap();
    let by = by.get("x").unwrap();
    let some = |example: usize| {
        by.index_axis(ndarray::Axis(1), example)
            .iter()
            .any(|d| *d != 0.0)
    };
    assert_eq!([0, 1, 2].map(some), [true, false, false]);
    assert!(by.iter().all(|d| d.is_finite()));
    // A step is made of the one that there is.
    let mut grads = LabelsParams::zeros(&spec).unwrap();
    let value = model
        .loss_and_grad(&params, inputs(), targets(), &mut grads)
        .unwrap();
    assert!((value.loss - infinite[0] / 3.0).abs() < TOLERANCE);
}

/// No labels are given, so none are counted.
#[test]
fn inference_asks_for_no_lengths_of_labels() {
    let spec = Labels { V: 4 };
    let model = spec.compile(Options::default()).unwrap();
    let params = LabelsParams::init(&spec, 1).unwrap();
    let x = Array3::<f32>::ones((6, 2, 4));
    let plain = model.forward(&params, LabelsInputs { x: x.view() });
    assert_eq!(plain.unwrap().z.dim(), (6, 2, 4));
    let ragged = LabelsInputs { x: x.view() }.lengths_of("t", &[6, 3]);
    let ragged = model.forward(&params, ragged).unwrap().z;
    assert_eq!(ragged[[3, 1, 0]], 0.0);
    // The loss has to know.
    let label = array![[1, 2]];
    let loss = model.loss(
        &params,
        LabelsInputs { x: x.view() },
        LabelsTargets {
            label: label.view(),
        },
    );
    assert!(loss.is_ok(), "the targets say: {loss:?}");
}

#[test]
fn smoothing_and_weights_are_those_of_pytorch() {
    let (x, k): (Array3<f32>, _) = (reals("classes.logits"), tokens("classes.targets"));
    let weights: Array1<f32> = reals("classes.weights");

    let spec = Smoothed { V: 5 };
    let model = spec.compile(Options::default()).unwrap();
    let params = SmoothedParams::init(&spec, 1).unwrap();
    let (inputs, targets) = (
        SmoothedInputs { x: x.view() },
        SmoothedTargets { k: k.view() },
    );
    let by = model
        .input_gradients(&params, inputs, targets, &["x"])
        .unwrap();
    assert_near(
        "smoothed",
        &reals::<ndarray::Ix0>("smoothed.loss"),
        &[by.loss],
    );
    assert_near(
        "d smoothed",
        reals::<ndarray::Ix3>("smoothed.grad.logits").iter(),
        by.get("x").unwrap(),
    );

    let spec = Weighted { V: 5 };
    let model = spec.compile(Options::default()).unwrap();
    let mut params = WeightedParams::init(&spec, 1).unwrap();
    params.ce.weights.assign(&weights);
    let (inputs, targets) = (
        WeightedInputs { x: x.view() },
        WeightedTargets { k: k.view() },
    );
    let by = model
        .input_gradients(&params, inputs, targets, &["x"])
        .unwrap();
    assert_near(
        "weighted",
        &reals::<ndarray::Ix0>("weighted.loss"),
        &[by.loss],
    );
    assert_near(
        "d weighted",
        reals::<ndarray::Ix3>("weighted.grad.logits").iter(),
        by.get("x").unwrap(),
    );
}

#[test]
fn a_field_adds_up_all_sequences_of_tags_and_finds_the_best() {
    let spec = Tags { K: 3 };
    let model = spec.compile(Options::default()).unwrap();
    let mut params = TagsParams::init(&spec, 1).unwrap();
    let draw = |salt: usize| move |at: usize| ((at * 7 + salt) % 11) as f32 / 4.0 - 1.2;
    params.crf.A = Array2::from_shape_fn((3, 3), |(a, b)| draw(1)(3 * a + b));
    params.crf.start = Array1::from_shape_fn(3, draw(2));
    params.crf.end = Array1::from_shape_fn(3, draw(5));
    let lengths = [4, 1, 3, 2];
    let x = values((4, lengths.len(), 3), 3);
    let tag = Array2::from_shape_fn((4, lengths.len()), |(t, b)| ((3 * t + 2 * b) % 3) as u32);
    let inputs = || TagsInputs { x: x.view() }.lengths(&lengths);
    let out = model.forward(&params, inputs()).unwrap();
    let losses = model
        .losses(&params, inputs(), TagsTargets { tag: tag.view() })
        .unwrap();
    for (b, length) in lengths.into_iter().enumerate() {
        let score = |tags: &[usize]| {
            let moves: f32 = tags
                .windows(2)
                .map(|pair| params.crf.A[[pair[0], pair[1]]])
                .sum();
            let own: f32 = tags
                .iter()
                .enumerate()
                .map(|(t, tag)| x[[t, b, *tag]])
                .sum();
            params.crf.start[tags[0]] + params.crf.end[tags[length - 1]] + moves + own
        };
        let all = (0..3_usize.pow(length as u32)).map(|code| {
            (0..length)
                .map(|t| code / 3_usize.pow(t as u32) % 3)
                .collect::<Vec<_>>()
        });
        let scores: Vec<f32> = all.map(|tags| score(&tags)).collect();
        let best = scores.iter().copied().fold(f32::MIN, f32::max);
        let said: Vec<usize> = (0..length).map(|t| out.best[[t, b]] as usize).collect();
        assert!((score(&said) - best).abs() < TOLERANCE * 10.0, "{said:?}");
        let total = scores.iter().map(|own| own.exp()).sum::<f32>().ln();
        let right: Vec<usize> = (0..length).map(|t| tag[[t, b]] as usize).collect();
        assert_near("loss", &[total - score(&right)], &[losses[b]]);
    }
}

const POLICY: Policy = Policy { V: 3 };
/// Tokens said in each sequence of the policy.
const SAID: usize = 2;

/// A reward that likes 2 after 1.
fn reward(tokens: &[u32]) -> f32 {
    let liked = tokens.windows(2).filter(|pair| *pair == [1, 2]).count() as f32;
    3.0 * liked + tokens.iter().filter(|token| **token == 2).count() as f32 - 0.5
}

fn policy_gradient(
    model: &Compiled<Policy>,
    params: &PolicyParams,
    tokens: &Array2<u32>,
    lengths: &[usize],
    advantage: &Array1<f32>,
) -> Array2<f32> {
    let mut grads = PolicyParams::zeros(&POLICY).unwrap();
    let targets = PolicyTargets {
        said: tokens.view(),
        advantage: advantage.view(),
    };
    let batch = PolicyInputs::default().lengths(lengths);
    model
        .loss_and_grad(params, batch, targets, &mut grads)
        .unwrap();
    grads.table
}

#[test]
fn the_mean_of_the_estimate_is_the_gradient_of_the_expected_reward() {
    let model = POLICY
        .compile(Options::default().reduction(Reduction::Mean))
        .unwrap();
    let params = PolicyParams::init(&POLICY, 3).unwrap();
    // All that can be said, with its probability: the loss is the negative of what rises.
    let count = 3_usize.pow(SAID as u32);
    let all = Array2::from_shape_fn((SAID, count), |(t, b)| {
        (b / 3_usize.pow(t as u32) % 3) as u32
    });
    let lengths = vec![SAID; count];
    let once = Array1::ones(count);
    let targets = PolicyTargets {
        said: all.view(),
        advantage: once.view(),
    };
    let nll = model
        .losses(&params, PolicyInputs::default().lengths(&lengths), targets)
        .unwrap();
    let p: Array1<f32> = nll.iter().map(|own| (-own).exp()).collect();
    assert!((p.sum() - 1.0).abs() < TOLERANCE);
    let rewards: Array1<f32> = all
        .axis_iter(Axis(1))
        .map(|own| reward(&own.to_vec()))
        .collect();
    let weighed = |rewards: &Array1<f32>| {
        policy_gradient(
            &model,
            &params,
            &all,
            &lengths,
            &(rewards * &p * count as f32),
        )
    };
    let exact = weighed(&rewards);
    // It is the slope of the expected reward.
    let expected = |params: &PolicyParams| {
        let targets = PolicyTargets {
            said: all.view(),
            advantage: once.view(),
        };
        let nll = model
            .losses(params, PolicyInputs::default().lengths(&lengths), targets)
            .unwrap();
        nll.iter()
            .zip(&rewards)
            .map(|(own, reward)| f64::from((-own).exp() * reward))
            .sum::<f64>()
    };
    for (place, slope) in exact.indexed_iter() {
        let moved = |by: f32| {
            let mut params = params.clone();
            params.table[place] += by;
            expected(&params)
        };
        let difference = (moved(0.05) - moved(-0.05)) / 0.1;
        // The third derivative times 0.05^2 / 6, of rewards below five.
        assert!(
            (difference + f64::from(*slope)).abs() < 4e-3,
            "{place:?}: {difference} {slope}"
        );
    }
    // A baseline changes nothing in the mean.
    let shifted = weighed(&(&rewards - 1.7));
    assert_near("with a baseline", &exact, &shifted);

    // Draws, with a baseline: the mean of batches is within four standard errors of it, and varies less than without.
    let (batches, batch) = (60, 64);
    let mut spread = [0.0_f64; 2];
    for (at, baseline) in [0.0, p.dot(&rewards)].into_iter().enumerate() {
        let (mut sum, mut squares) = (Array2::<f64>::zeros((3, 3)), Array2::<f64>::zeros((3, 3)));
        for seed in 0..batches {
            let lengths = vec![SAID; batch];
            let settings = Generate::sampled().max_steps(SAID).seed(seed);
            let drawn = model
                .generate(&params, PolicyInputs::default().lengths(&lengths), settings)
                .unwrap();
            let advantages = (0..batch)
                .map(|example| reward(&drawn.best(example).tokens) - baseline)
                .collect();
            let drawn = Drawn::new(&drawn, advantages).unwrap();
            let own = policy_gradient(
                &model,
                &params,
                &drawn.tokens,
                &drawn.lengths,
                &drawn.advantages,
            );
            sum += &own.mapv(f64::from);
            squares += &own.mapv(|own| f64::from(own).powi(2));
        }
        let mean = &sum / batches as f64;
        let variance = &squares / batches as f64 - &mean * &mean;
        for ((place, mean), exact) in mean.indexed_iter().zip(&exact) {
            let error = (variance[place] / batches as f64).sqrt();
            assert!(
                (mean - f64::from(*exact)).abs() <= 4.0 * error + 1e-9,
                "{place:?}: {mean}, expected {exact}, {error}"
            );
        }
        spread[at] = variance.sum();
    }
    assert!(spread[1] < spread[0], "{spread:?}");
}

#[test]
fn a_policy_learns_from_rewards_alone() {
    for critical in [false, true] {
        let model = POLICY
            .compile(Options::default().reduction(Reduction::Mean))
            .unwrap();
        let mut params = PolicyParams::init(&POLICY, 1).unwrap();
        let mut grads = PolicyParams::zeros(&POLICY).unwrap();
        let mut baseline = MovingAverage::new(0.9).unwrap();
        let (steps, batch) = (6, 32);
        let lengths = vec![steps; batch];
        let say = |params: &PolicyParams, settings: Generate| {
            let inputs = PolicyInputs::default().lengths(&lengths);
            let said = model
                .generate(params, inputs, settings.max_steps(steps))
                .unwrap();
            let rewards: Vec<f32> = (0..batch)
                .map(|example| reward(&said.best(example).tokens))
                .collect();
            (said, rewards)
        };
        let mean = |rewards: &[f32]| rewards.iter().sum::<f32>() / batch as f32;
        let before = mean(&say(&params, Generate::sampled()).1);
        for step in 0..150 {
            let (said, rewards) = say(&params, Generate::sampled().seed(step));
            let advantages = if critical {
                self_critical(&rewards, &say(&params, Generate::greedy()).1).unwrap()
            } else {
                baseline.advantages(&rewards).unwrap()
            };
            let drawn = Drawn::new(&said, advantages).unwrap();
            let targets = PolicyTargets {
                said: drawn.tokens.view(),
                advantage: drawn.advantages.view(),
            };
            let inputs = PolicyInputs::default().lengths(&drawn.lengths);
            model
                .loss_and_grad(&params, inputs, targets, &mut grads)
                .unwrap();
            params.table.scaled_add(-0.3, &grads.table);
        }
        // 1 2 1 2 1 2 has three pairs and three twos, 11.5; saying 2 alone has 5.5, chance 3.0.
        let after = mean(&say(&params, Generate::sampled()).1);
        assert!(before < 5.0 && after > 10.0, "from {before} to {after}");
    }
}
