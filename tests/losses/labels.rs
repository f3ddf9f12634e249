//! Connectionist temporal classification.

use ndarray::{Ix1, Ix3, array, s};
use rnn::BatchSize;
use rnn::ir::interp::Tensor;
use rnn::losses::Ctc;
use rnn::prelude::*;

use crate::given::{
    CLASSES, TOLERANCE, assert_near, checked, counts, drawn_tokens, reals, tokens, values,
};

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
}

fn compiled(spec: Labels, options: Options) -> (Compiled<Labels>, LabelsParams) {
    let model = spec.compile(options.reduction(Reduction::Mean)).unwrap();
    (model, LabelsParams::init(&spec, 1).unwrap())
}

/// Logits of steps and the labels that they should mean, with how many there are of each.
struct Given {
    x: Array3<f32>,
    label: Array2<u32>,
    steps: Vec<usize>,
    counts: Vec<usize>,
}

impl Given {
    fn inputs(&self) -> Batch<'_, LabelsInputs<'_>, LabelsState> {
        LabelsInputs { x: self.x.view() }
            .lengths_of("t", &self.steps)
            .lengths_of("u", &self.counts)
    }

    fn targets(&self) -> LabelsTargets<'_> {
        LabelsTargets {
            label: self.label.view(),
        }
    }

    /// The loss, and its derivative by the scale of the logits.
    fn step(&self, model: &Compiled<Labels>, params: &LabelsParams) -> (f32, Array0<f32>) {
        let mut grads = params.zeros_like();
        let value = model.loss_and_grad(params, self.inputs(), self.targets(), &mut grads);
        (value.unwrap().loss, grads.scale)
    }
}

fn log_softmax(x: ArrayView1<'_, f32>) -> Array1<f64> {
    let wide = x.mapv(f64::from);
    let total = wide.mapv(f64::exp).sum().ln();
    wide - total
}

#[test]
fn ctc_adds_up_all_alignments_that_mean_the_labels() {
    let (model, params) = compiled(Labels { V: 3 }, Options::default());
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
    let given = Given {
        x: values((5, cases.len(), 3), 2),
        counts: rnn::ragged::lengths(&labels),
        label: rnn::ragged::pad(&labels),
        steps,
    };
    let x = &given.x;
    let found = (model.losses(&params, given.inputs(), given.targets())).unwrap();
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
    let back = |of: &[usize]| of.iter().rev().copied().collect();
    let turned = Given {
        x: x.slice(s![.., ..;-1, ..]).to_owned(),
        label: given.label.slice(s![.., ..;-1]).to_owned(),
        steps: back(&given.steps),
        counts: back(&given.counts),
    };
    let (loss, grad) = given.step(&model, &params);
    let (reversed, other) = turned.step(&model, &params);
    assert_near("loss", &[loss], &[reversed]);
    assert_near("gradient", &grad, &other);
}

#[test]
fn ctc_over_segments_of_steps_is_the_same() {
    let spec = Labels { V: 4 };
    let given = Given {
        x: values((96, 3, 4), 4),
        label: Array2::from_shape_fn((7, 3), |(u, b)| ((u * u + b) % 3) as u32 + 1),
        steps: vec![96, 40, 75],
        counts: vec![7, 3, 5],
    };
    let (model, params) = compiled(spec, Options::default());
    let size = BatchSize::new(3).steps("t", 96).lengths("t", &given.steps);
    let size = size.steps("u", 7).lengths("u", &given.counts);
    let whole = model.bytes(Program::Gradient, &size).unwrap().total;
    let (loss, grad) = given.step(&model, &params);
    let (limited, params) = compiled(spec, Options::default().memory_limit(whole * 7 / 10));
    let (limited, other) = given.step(&limited, &params);
    assert_near("loss", &[loss], &[limited]);
    assert_near("gradient", &grad, &other);
}

#[test]
fn labels_that_do_not_fit_are_told_by_their_loss() {
    let (model, params) = compiled(Labels { V: 3 }, Options::default());
    let given = Given {
        x: values((3, 3, 3), 1),
        label: array![[1, 1, 1], [1, 2, 1], [0, 1, 0], [0, 2, 0]],
        steps: vec![2, 3, 3],
        counts: vec![2, 4, 2],
    };
    let found = (model.losses(&params, given.inputs(), given.targets())).unwrap();
    assert!(found[0] > 1e29 && found[1] > 1e29, "{found:?}");
    assert!(found[2] < 20.0, "{found:?}");
}

#[test]
fn ctc_and_its_gradient_are_those_of_pytorch() {
    let (model, params) = compiled(Labels { V: 5 }, Options::default());
    let given = Given {
        x: reals("ctc.logits"),
        label: tokens("ctc.labels"),
        steps: counts("ctc.steps"),
        counts: counts("ctc.counts"),
    };
    let found = (model.losses(&params, given.inputs(), given.targets())).unwrap();
    assert_near("losses", &reals::<Ix1>("ctc.losses"), &found);
    let by = model.input_gradients(&params, given.inputs(), given.targets(), &["x"]);
    assert_near(
        "d logits",
        &reals::<Ix3>("ctc.grad.logits"),
        by.unwrap().get("x").unwrap(),
    );
}

#[test]
fn its_gradient_is_that_of_finite_differences() {
    checked(Labels { V: CLASSES }, 0, |env| {
        env.with_lengths("U", [2, 1, 2])
            .with_input("label", drawn_tokens(2, 1))
            .with_param("ctc.zero_infinity", Tensor::real([], [0.0]))
    });
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
