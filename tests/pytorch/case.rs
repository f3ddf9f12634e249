//! What a fixture says of a model, held against the interpreter and against compiled code.

use std::collections::BTreeMap;

use ndarray::{ArrayD, ArrayView, Dimension, IxDyn};
use rnn::ir::autodiff::{Wrt, differentiate};
use rnn::ir::bind::bind;
use rnn::ir::graph::ResultKind;
use rnn::ir::interp::{Env, Results, Tensor, evaluate};
use rnn::ir::text::parse;
use rnn::ir::verify::verify;
use rnn::prelude::*;

use crate::fixture::{Fixture, Read, Tensors64, layer, start, whole};

/// Both sides start from the same numbers and round in double precision: a value is a sum of less than a thousand terms,
/// each within `2^-53` of the largest, and so within `1.2e-13`; the rest covers `exp` and `tanh` of two libraries.
pub(crate) const F64_TOLERANCE: f64 = 1e-10;

/// Relative to the largest element: a gradient adds up at most `T B (2H + I) = 5 * 3 * 11` products, after 2 layers of 5
/// steps; 330 roundings of `2^-24` are `2e-5`.
pub(crate) const F32_TOLERANCE: f64 = 2e-5;

/// What a case is made of.
pub(crate) struct Case {
    pub(crate) fixture: Fixture,
    pub(crate) params: Vec<(String, Read)>,
    /// What the loss is differentiated by besides parameters, and what reads it from the fixture.
    pub(crate) inputs: Vec<(String, Read)>,
    pub(crate) targets: Tensors64,
    pub(crate) outputs: Vec<(&'static str, ArrayD<f64>)>,
}

impl Case {
    pub(crate) fn new(cell: &str, case: &str) -> Self {
        let fixture = Fixture::read(&format!("{cell}_{case}"));
        let mut inputs = vec![("x".to_owned(), whole("x"))];
        let mut params = Vec::new();
        let starts: &[&str] = match case {
            "bi2_ragged" => {
                for (path, suffix) in [
                    ("a.forward", "l0"),
                    ("a.backward", "l0_reverse"),
                    ("b.forward", "l1"),
                    ("b.backward", "l1_reverse"),
                ] {
                    params.extend(layer(cell, path, "", suffix));
                }
                &["f1", "b1", "f2", "b2"]
            }
            _ => {
                params.extend(layer(cell, "net", "", "l0"));
                &["0"]
            }
        };
        let states: &[&str] = match cell {
            "lstm" | "lstmp" => &["h", "c"],
            _ => &["h"],
        };
        let mut targets = Tensors64::from([("cot_y".to_owned(), fixture.get("cot.y").clone())]);
        let mut outputs = vec![("y", fixture.get("y").clone())];
        for state in states {
            for (at, name) in starts.iter().enumerate() {
                let read = start(&format!("{state}0"), at);
                inputs.push((format!("{state}{name}"), read));
            }
            let cotangent = fixture.joined(&format!("cot.{state}_n"));
            targets.insert(format!("cot_{state}"), cotangent);
            let name = if *state == "h" { "h_n" } else { "c_n" };
            outputs.push((name, fixture.joined(name)));
        }
        Self {
            fixture,
            params,
            inputs,
            targets,
            outputs,
        }
    }

    /// Inputs and targets by name, for compiled code.
    pub(crate) fn given(&self) -> BTreeMap<String, ArrayD<f32>> {
        let inputs = self.inputs.iter();
        let inputs = inputs.map(|(name, read)| (name.clone(), read(&self.fixture, "")));
        let targets = self.targets.clone().into_iter();
        let all = inputs.chain(targets);
        all.map(|(name, array)| (name, array.mapv(|x| x as f32)))
            .collect()
    }

    pub(crate) fn fill(&self, params: &mut impl Tensors) {
        fill(&self.fixture, &self.params, params);
    }

    /// The interpreter in double precision, with gradients by parameters, inputs and initial states.
    pub(crate) fn interpreted<M: Model>(&self, spec: M) {
        let mut env = Env::new(self.fixture.lengths().len())
            .with_lengths("T", self.fixture.lengths())
            .with_input(
                "weight",
                tensor(&ArrayD::ones(IxDyn(&[self.fixture.lengths().len()]))),
            );
        for (name, read) in &self.inputs {
            env = env.with_input(name, tensor(&read(&self.fixture, "")));
        }
        for (name, value) in &self.targets {
            env = env.with_input(name, tensor(value));
        }
        for (name, read) in &self.params {
            env = env.with_param(name, tensor(&read(&self.fixture, "")));
        }
        let wrt = self.inputs.iter();
        let wrt = wrt.fold(Wrt::params(), |wrt, (name, _)| wrt.and_input(name));
        let results = run(spec, &wrt, &env);
        let lengths = self.fixture.lengths();
        let check = |kind: &ResultKind, name: &str, expected: &ArrayD<f64>| {
            let found = results.get(kind, name);
            let found = found.unwrap_or_else(|| panic!("no result `{name}`"));
            let found = ArrayD::from_shape_vec(IxDyn(found.dims()), found.reals().to_vec());
            let over_time = name == "x" || name == "y";
            let lengths = over_time.then_some(lengths.as_slice());
            close(name, &found.unwrap(), expected, lengths, F64_TOLERANCE);
        };
        for (name, expected) in &self.outputs {
            check(&ResultKind::Output, name, expected);
        }
        check(&ResultKind::BatchLoss, "loss", self.fixture.get("loss"));
        for (name, read) in self.params.iter().chain(&self.inputs) {
            check(&ResultKind::Gradient, name, &read(&self.fixture, "grad."));
        }
    }

    pub(crate) fn outputs_agree(&self, found: &BTreeMap<&str, ArrayD<f32>>) {
        assert_eq!(found.len(), self.outputs.len());
        for (name, expected) in &self.outputs {
            // Padding included: it is zero on both sides.
            close(name, &wide(&found[name]), expected, None, F32_TOLERANCE);
        }
    }

    pub(crate) fn gradients_agree(&self, loss: f32, grads: &impl Tensors) {
        let expected = self.fixture.get("loss");
        let found = ArrayD::from_elem(IxDyn(&[]), f64::from(loss));
        close("loss", &found, expected, None, F32_TOLERANCE);
        gradients_agree(&self.fixture, &self.params, grads);
    }
}

pub(crate) fn fill(fixture: &Fixture, reads: &[(String, Read)], params: &mut impl Tensors) {
    assert_eq!(params.names().len(), reads.len());
    for (name, read) in reads {
        let value = read(fixture, "").mapv(|x| x as f32);
        let mut place = params
            .tensor_mut(name)
            .unwrap_or_else(|| panic!("no `{name}`"));
        assert_eq!(place.shape(), value.shape(), "{name}");
        place.assign(&value);
    }
}

pub(crate) fn gradients_agree(fixture: &Fixture, reads: &[(String, Read)], grads: &impl Tensors) {
    for (name, read) in reads {
        let found = grads.tensor(name).unwrap().mapv(f64::from);
        close(name, &found, &read(fixture, "grad."), None, F32_TOLERANCE);
    }
}

pub(crate) fn run<M: Model>(spec: M, wrt: &Wrt, env: &Env) -> Results {
    let graph = verify(parse(M::IR).unwrap()).unwrap();
    let bound = bind(&graph, &spec.sizes()).unwrap();
    evaluate(&differentiate(&bound, wrt).unwrap(), env).unwrap()
}

pub(crate) fn tensor(array: &ArrayD<f64>) -> Tensor {
    Tensor::real(array.shape(), array.iter().copied().collect::<Vec<_>>())
}

pub(crate) fn tokens(array: &ArrayD<f64>) -> ArrayD<u32> {
    // -100 marks padding: as a token it is out of range, so that reading it would be an error.
    array.mapv(|token| u32::try_from(token as i64).unwrap_or(u32::MAX))
}

pub(crate) fn wide(array: &ArrayD<f32>) -> ArrayD<f64> {
    array.mapv(f64::from)
}

pub(crate) fn view<'a, A, D: Dimension>(
    given: &'a BTreeMap<String, ArrayD<A>>,
    name: &str,
) -> ArrayView<'a, A, D> {
    given[name].view().into_dimensionality().unwrap()
}

/// Compares relative to the largest magnitude expected; with lengths, only the steps of each example.
pub(crate) fn close(
    name: &str,
    found: &ArrayD<f64>,
    expected: &ArrayD<f64>,
    lengths: Option<&[usize]>,
    tolerance: f64,
) {
    assert_eq!(found.shape(), expected.shape(), "shape of `{name}`");
    let largest = expected.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
    assert!(largest > 0.0, "`{name}` is zero everywhere");
    for ((at, found), expected) in found.indexed_iter().zip(expected) {
        if lengths.is_some_and(|lengths| at[0] >= lengths[at[1]]) {
            continue;
        }
        let error = (found - expected).abs() / largest;
        assert!(
            error <= tolerance,
            "`{name}` at {at:?}: expected {expected}, found {found}, {error:.1e} of the largest"
        );
    }
}
