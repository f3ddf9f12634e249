//! Conditional random fields.

use rnn::ir::interp::Tensor;
use rnn::losses::Crf;
use rnn::prelude::*;

use crate::given::{CLASSES, TOLERANCE, assert_near, checked, drawn_classes, values};

rnn! {
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

#[test]
fn its_gradient_is_that_of_finite_differences() {
    let field = |dims: &[usize]| {
        let count = dims.iter().product();
        let own = (0..count).map(|at: usize| (at * 3 % 5) as f64 / 4.0 - 0.4);
        Tensor::real(dims, own.collect::<Vec<_>>())
    };
    checked(Tags { K: CLASSES }, 9 + 3 + 3, |env| {
        env.with_input("tag", drawn_classes())
            .with_param("crf.A", field(&[3, 3]))
            .with_param("crf.start", field(&[3]))
            .with_param("crf.end", field(&[3]))
    });
}
