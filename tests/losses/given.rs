//! Values that losses are given, fixtures of PyTorch, and what all of them are held against.

use std::path::Path;

use ndarray::{ArrayD, IxDyn};
use rnn::ir::autodiff::Wrt;
use rnn::ir::autodiff::check::check_model;
use rnn::ir::bind::bind;
use rnn::ir::interp::{Env, Tensor};
use rnn::ir::text::parse;
use rnn::ir::verify::verify;
use rnn::prelude::*;
use safetensors::{Dtype, SafeTensors};

/// Of numbers below a hundred that are sums of a few dozen terms in f32, 2^-24 each.
pub(crate) const TOLERANCE: f32 = 2e-5;

/// A fixture, every tensor as `f64`.
pub(crate) fn fixture(name: &str) -> ArrayD<f64> {
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

pub(crate) fn reals<D: ndarray::Dimension>(name: &str) -> ndarray::Array<f32, D> {
    fixture(name)
        .mapv(|own| own as f32)
        .into_dimensionality()
        .unwrap()
}

pub(crate) fn tokens(name: &str) -> Array2<u32> {
    fixture(name)
        .mapv(|own| own as u32)
        .into_dimensionality()
        .unwrap()
}

pub(crate) fn counts(name: &str) -> Vec<usize> {
    fixture(name).iter().map(|own| *own as usize).collect()
}

pub(crate) fn assert_near<'f>(
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
pub(crate) fn values(shape: (usize, usize, usize), salt: usize) -> Array3<f32> {
    Array3::from_shape_fn(shape, |(t, b, i)| {
        ((t * 5 + b * 3 + i * 7 + t * t * i + salt) % 13) as f32 / 4.0 - 1.5
    })
}

/// Steps and examples of [`checked`], and classes, tags or labels and the blank.
const STEPS: usize = 4;
const BATCH: usize = 3;
pub(crate) const CLASSES: usize = 3;

/// Tokens from `least` on for so many steps of the examples of [`checked`].
pub(crate) fn drawn_tokens(steps: usize, least: u32) -> Tensor {
    let own: Vec<u32> = (0..steps * BATCH)
        .map(|at| (at * 5 % 7) as u32 % (3 - least) + least)
        .collect();
    Tensor::index([steps, BATCH], own)
}

/// As [`drawn_tokens`], from 0, for all steps.
pub(crate) fn drawn_classes() -> Tensor {
    drawn_tokens(STEPS, 0)
}

/// Holds the gradient of a loss by `x`, `scale` and so many other parameters against finite differences; `given` adds what else the
/// model has.
pub(crate) fn checked<M: Model>(spec: M, others: usize, given: impl FnOnce(Env) -> Env) {
    let x = values((STEPS, BATCH, CLASSES), 5);
    // Away from ties, where a maximum has no derivative.
    let x: Vec<f64> = x.iter().map(|own| f64::from(*own) + 0.01).collect();
    let env = Env::new(BATCH)
        .with_lengths("T", [4, 2, 3])
        .with_input("x", Tensor::real([STEPS, BATCH, CLASSES], x))
        .with_param("scale", Tensor::real([], [0.7]));
    let graph = verify(parse(M::IR).unwrap()).unwrap();
    let bound = bind(&graph, &spec.sizes()).unwrap();
    let found = check_model(&bound, &given(env), &Wrt::params().and_input("x")).unwrap();
    assert_eq!(found, STEPS * BATCH * CLASSES + 1 + others, "{}", M::NAME);
}
