//! Agreement with PyTorch on its own cells: outputs, final states, losses and gradients.
//!
//! The fixtures and their equations are described in `tests/fixtures/pytorch/README.md`. Each is computed twice: by the
//! interpreter in `f64`, which can be held to the last digits and also differentiates by inputs and initial states, and
//! by compiled code in `f32`.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails where something is missing"
)]

use std::collections::BTreeMap;
use std::path::Path;

use ndarray::{ArrayD, ArrayView, Axis, Dimension, IxDyn, concatenate};
use rnn::cells::{Elman, GruResetAfter, Irnn, Lstm, ProjectedLstm};
use rnn::ir::autodiff::{Wrt, differentiate};
use rnn::ir::bind::bind;
use rnn::ir::graph::ResultKind;
use rnn::ir::interp::{Env, Results, Tensor, evaluate};
use rnn::ir::text::parse;
use rnn::ir::verify::verify;
use rnn::prelude::*;
use safetensors::{Dtype, SafeTensors};

/// Both sides start from the same numbers and round in double precision: a value is a sum of less than a thousand terms,
/// each within `2^-53` of the largest, and so within `1.2e-13`; the rest covers `exp` and `tanh` of two libraries.
const F64_TOLERANCE: f64 = 1e-10;

/// Relative to the largest element: a gradient adds up at most `T B (2H + I) = 5 * 3 * 11` products, after 2 layers of 5
/// steps; 330 roundings of `2^-24` are `2e-5`.
const F32_TOLERANCE: f64 = 2e-5;

rnn! {
    /// `nn.RNN`.
    model RnnUni<I, H> {
        time   t in 1..=T;
        input  x[t]: [I];
        input  h0: [H];
        target cot_y[t]: [H];
        target cot_h: [H];
        layer net = Elman<I, H>;
        y[t] = net(x[t]);
        net.h[0] = h0;
        h_n = net.h[T];
        output y, h_n;
        loss sum[t](sum(cot_y[t] * y[t])) + sum(cot_h * h_n);
    }

    /// `nn.RNN` with `nonlinearity="relu"`.
    model ReluUni<I, H> {
        time   t in 1..=T;
        input  x[t]: [I];
        input  h0: [H];
        target cot_y[t]: [H];
        target cot_h: [H];
        layer net = Irnn<I, H>;
        y[t] = net(x[t]);
        net.h[0] = h0;
        h_n = net.h[T];
        output y, h_n;
        loss sum[t](sum(cot_y[t] * y[t])) + sum(cot_h * h_n);
    }

    /// `nn.LSTM` with `proj_size=2`.
    model ProjectedUni<I, H> {
        time   t in 1..=T;
        input  x[t]: [I];
        input  h0: [2];
        input  c0: [H];
        target cot_y[t]: [2];
        target cot_h: [2];
        target cot_c: [H];
        layer net = ProjectedLstm<I, H, 2>;
        y[t] = net(x[t]);
        net.r[0] = h0;
        net.c[0] = c0;
        h_n = net.r[T];
        c_n = net.c[T];
        output y, h_n, c_n;
        loss sum[t](sum(cot_y[t] * y[t])) + sum(cot_h * h_n) + sum(cot_c * c_n);
    }

    /// `nn.GRU`.
    model GruUni<I, H> {
        time   t in 1..=T;
        input  x[t]: [I];
        input  h0: [H];
        target cot_y[t]: [H];
        target cot_h: [H];
        layer net = GruResetAfter<I, H>;
        y[t] = net(x[t]);
        net.h[0] = h0;
        h_n = net.h[T];
        output y, h_n;
        loss sum[t](sum(cot_y[t] * y[t])) + sum(cot_h * h_n);
    }

    /// `nn.LSTM`.
    model LstmUni<I, H> {
        time   t in 1..=T;
        input  x[t]: [I];
        input  h0, c0: [H];
        target cot_y[t]: [H];
        target cot_h, cot_c: [H];
        layer net = Lstm<I, H>;
        y[t] = net(x[t]);
        net.h[0] = h0;
        net.c[0] = c0;
        h_n = net.h[T];
        c_n = net.c[T];
        output y, h_n, c_n;
        loss sum[t](sum(cot_y[t] * y[t])) + sum(cot_h * h_n) + sum(cot_c * c_n);
    }

    /// `nn.LSTM` that starts from a carried state.
    model LstmCarried<I, H> {
        time   t in 1..=T;
        input  x[t]: [I];
        target cot_y[t]: [H];
        target cot_h, cot_c: [H];
        layer net = Lstm<I, H>;
        y[t] = net(x[t]);
        h_n = net.h[T];
        c_n = net.c[T];
        output y, h_n, c_n;
        loss sum[t](sum(cot_y[t] * y[t])) + sum(cot_h * h_n) + sum(cot_c * c_n);
    }

    /// `nn.RNN` of two layers in both directions.
    model RnnBi<I, H> {
        time   t in 1..=T;
        input  x[t]: [I];
        input  hf1, hb1, hf2, hb2: [H];
        target cot_y[t]: [2*H];
        target cot_h: [4*H];
        layer a = bi(Elman<I, H>);
        layer b = bi(Elman<2*H, H>);
        m[t] = a(x[t]);
        y[t] = b(m[t]);
        a.forward.h[0] = hf1;
        a.backward.h[T+1] = hb1;
        b.forward.h[0] = hf2;
        b.backward.h[T+1] = hb2;
        h_n = [a.forward.h[T], a.backward.h[1], b.forward.h[T], b.backward.h[1]];
        output y, h_n;
        loss sum[t](sum(cot_y[t] * y[t])) + sum(cot_h * h_n);
    }

    /// `nn.GRU` of two layers in both directions.
    model GruBi<I, H> {
        time   t in 1..=T;
        input  x[t]: [I];
        input  hf1, hb1, hf2, hb2: [H];
        target cot_y[t]: [2*H];
        target cot_h: [4*H];
        layer a = bi(GruResetAfter<I, H>);
        layer b = bi(GruResetAfter<2*H, H>);
        m[t] = a(x[t]);
        y[t] = b(m[t]);
        a.forward.h[0] = hf1;
        a.backward.h[T+1] = hb1;
        b.forward.h[0] = hf2;
        b.backward.h[T+1] = hb2;
        h_n = [a.forward.h[T], a.backward.h[1], b.forward.h[T], b.backward.h[1]];
        output y, h_n;
        loss sum[t](sum(cot_y[t] * y[t])) + sum(cot_h * h_n);
    }

    /// `nn.LSTM` of two layers in both directions.
    model LstmBi<I, H> {
        time   t in 1..=T;
        input  x[t]: [I];
        input  hf1, hb1, hf2, hb2: [H];
        input  cf1, cb1, cf2, cb2: [H];
        target cot_y[t]: [2*H];
        target cot_h, cot_c: [4*H];
        layer a = bi(Lstm<I, H>);
        layer b = bi(Lstm<2*H, H>);
        m[t] = a(x[t]);
        y[t] = b(m[t]);
        a.forward.h[0] = hf1;
        a.forward.c[0] = cf1;
        a.backward.h[T+1] = hb1;
        a.backward.c[T+1] = cb1;
        b.forward.h[0] = hf2;
        b.forward.c[0] = cf2;
        b.backward.h[T+1] = hb2;
        b.backward.c[T+1] = cb2;
        h_n = [a.forward.h[T], a.backward.h[1], b.forward.h[T], b.backward.h[1]];
        c_n = [a.forward.c[T], a.backward.c[1], b.forward.c[T], b.backward.c[1]];
        output y, h_n, c_n;
        loss sum[t](sum(cot_y[t] * y[t])) + sum(cot_h * h_n) + sum(cot_c * c_n);
    }

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

type Tensors64 = BTreeMap<String, ArrayD<f64>>;

/// A fixture: every tensor as `f64`, which holds `F32` and `I32` exactly.
struct Fixture(Tensors64);

impl Fixture {
    fn read(case: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures/pytorch")
            .join(format!("{case}.safetensors"));
        let bytes = std::fs::read(path).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let tensors = file.tensors().into_iter().map(|(name, view)| {
            let data = view.data();
            let values: Vec<f64> = match view.dtype() {
                Dtype::F64 => numbers(data, f64::from_le_bytes),
                Dtype::F32 => numbers(data, |bytes| f64::from(f32::from_le_bytes(bytes))),
                Dtype::I32 => numbers(data, |bytes| f64::from(i32::from_le_bytes(bytes))),
                other => panic!("{case}, `{name}`: {other:?}"),
            };
            let array = ArrayD::from_shape_vec(IxDyn(view.shape()), values).unwrap();
            (name, array)
        });
        Self(tensors.collect())
    }

    fn get(&self, name: &str) -> &ArrayD<f64> {
        self.0
            .get(name)
            .unwrap_or_else(|| panic!("the fixture has no `{name}`"))
    }

    fn lengths(&self) -> Vec<usize> {
        self.get("lengths").iter().map(|n| *n as usize).collect()
    }

    /// `[L*D, B, H]` as `[B, L*D*H]`.
    fn joined(&self, name: &str) -> ArrayD<f64> {
        let layers: Vec<_> = self.get(name).axis_iter(Axis(0)).collect();
        concatenate(Axis(1), &layers).unwrap()
    }
}

fn numbers<const N: usize>(data: &[u8], read: impl Fn([u8; N]) -> f64) -> Vec<f64> {
    let chunks = data.chunks_exact(N);
    chunks
        .map(|bytes| read(bytes.try_into().unwrap()))
        .collect()
}

/// Which tensors of the fixture a value of the model is: `prefix` is empty for values and `grad.` for their gradients.
type Read = Box<dyn Fn(&Fixture, &str) -> ArrayD<f64>>;

/// The rows of one gate.
fn rows(array: &ArrayD<f64>, gate: usize, gates: usize) -> ArrayD<f64> {
    let size = array.shape()[0] / gates;
    let rows = gate * size..(gate + 1) * size;
    array.slice_axis(Axis(0), rows.into()).to_owned()
}

/// The parameters of a layer, by the names of its cell.
fn layer(cell: &str, path: &str, prefix: &str, suffix: &str) -> Vec<(String, Read)> {
    let gates: &[&str] = match cell {
        "rnn" | "relu" => &[""],
        "lstm" | "lstmp" => &["i", "f", "g", "o"],
        "gru" => &["r", "z", "n"],
        other => panic!("no cell `{other}`"),
    };
    let mut params = Vec::new();
    for (k, gate) in gates.iter().enumerate() {
        let all = gates.len();
        let named = |kind: &str| format!("{prefix}{kind}_{suffix}");
        let single = |kind: &str| -> Read {
            let name = named(kind);
            Box::new(move |fixture, of| rows(fixture.get(&format!("{of}{name}")), k, all))
        };
        // Two biases that only ever add up are one parameter here; each has the gradient of their sum.
        let summed = || -> Read {
            let (left, right) = (named("bias_ih"), named("bias_hh"));
            Box::new(move |fixture, of| {
                let [left, right] = [&left, &right].map(|name| fixture.get(&format!("{of}{name}")));
                let both = if of.is_empty() {
                    left + right
                } else {
                    left.clone()
                };
                rows(&both, k, all)
            })
        };
        let mut add = |name: String, read| params.push((format!("{path}.{name}"), read));
        match cell {
            "rnn" | "relu" => {
                add("W_xh".to_owned(), single("weight_ih"));
                add("W_hh".to_owned(), single("weight_hh"));
                add("b_h".to_owned(), summed());
            }
            _ => {
                add(format!("W_{gate}"), single("weight_ih"));
                add(format!("U_{gate}"), single("weight_hh"));
                match cell {
                    "gru" => {
                        add(format!("b_{gate}"), single("bias_ih"));
                        add(format!("c_{gate}"), single("bias_hh"));
                    }
                    _ => add(format!("b_{gate}"), summed()),
                }
            }
        }
    }
    if cell == "lstmp" {
        params.push((
            format!("{path}.W_r"),
            whole(&format!("{prefix}weight_hr_{suffix}")),
        ));
    }
    params
}

fn whole(name: &str) -> Read {
    let name = name.to_owned();
    Box::new(move |fixture, of| fixture.get(&format!("{of}{name}")).clone())
}

/// One layer's part of `h0` or `c0`: `[B, H]`.
fn start(name: &str, layer: usize) -> Read {
    let name = name.to_owned();
    Box::new(move |fixture, of| {
        let all = fixture.get(&format!("{of}{name}"));
        all.index_axis(Axis(0), layer).to_owned()
    })
}

/// What a case is made of.
struct Case {
    fixture: Fixture,
    params: Vec<(String, Read)>,
    /// What the loss is differentiated by besides parameters, and what reads it from the fixture.
    inputs: Vec<(String, Read)>,
    targets: Tensors64,
    outputs: Vec<(&'static str, ArrayD<f64>)>,
}

impl Case {
    fn new(cell: &str, case: &str) -> Self {
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
    fn given(&self) -> BTreeMap<String, ArrayD<f32>> {
        let inputs = self.inputs.iter();
        let inputs = inputs.map(|(name, read)| (name.clone(), read(&self.fixture, "")));
        let targets = self.targets.clone().into_iter();
        let all = inputs.chain(targets);
        all.map(|(name, array)| (name, array.mapv(|x| x as f32)))
            .collect()
    }

    fn fill(&self, params: &mut impl Tensors) {
        fill(&self.fixture, &self.params, params);
    }

    /// The interpreter in double precision, with gradients by parameters, inputs and initial states.
    fn interpreted<M: Model>(&self, spec: M) {
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

    fn outputs_agree(&self, found: &BTreeMap<&str, ArrayD<f32>>) {
        assert_eq!(found.len(), self.outputs.len());
        for (name, expected) in &self.outputs {
            // Padding included: it is zero on both sides.
            close(name, &wide(&found[name]), expected, None, F32_TOLERANCE);
        }
    }

    fn gradients_agree(&self, loss: f32, grads: &impl Tensors) {
        let expected = self.fixture.get("loss");
        let found = ArrayD::from_elem(IxDyn(&[]), f64::from(loss));
        close("loss", &found, expected, None, F32_TOLERANCE);
        gradients_agree(&self.fixture, &self.params, grads);
    }
}

fn fill(fixture: &Fixture, reads: &[(String, Read)], params: &mut impl Tensors) {
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

fn gradients_agree(fixture: &Fixture, reads: &[(String, Read)], grads: &impl Tensors) {
    for (name, read) in reads {
        let found = grads.tensor(name).unwrap().mapv(f64::from);
        close(name, &found, &read(fixture, "grad."), None, F32_TOLERANCE);
    }
}

fn run<M: Model>(spec: M, wrt: &Wrt, env: &Env) -> Results {
    let graph = verify(parse(M::IR).unwrap()).unwrap();
    let bound = bind(&graph, &spec.sizes()).unwrap();
    evaluate(&differentiate(&bound, wrt).unwrap(), env).unwrap()
}

fn tensor(array: &ArrayD<f64>) -> Tensor {
    Tensor::real(array.shape(), array.iter().copied().collect::<Vec<_>>())
}

fn tokens(array: &ArrayD<f64>) -> ArrayD<u32> {
    // -100 marks padding: as a token it is out of range, so that reading it would be an error.
    array.mapv(|token| u32::try_from(token as i64).unwrap_or(u32::MAX))
}

fn wide(array: &ArrayD<f32>) -> ArrayD<f64> {
    array.mapv(f64::from)
}

fn view<'a, A, D: Dimension>(
    given: &'a BTreeMap<String, ArrayD<A>>,
    name: &str,
) -> ArrayView<'a, A, D> {
    given[name].view().into_dimensionality().unwrap()
}

/// Compares relative to the largest magnitude expected; with lengths, only the steps of each example.
fn close(
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

macro_rules! agree {
    ($name:ident, $cell:literal, $case:literal, $model:ident, $params:ident,
     $inputs:ident { $($input:ident)* }, $targets:ident { $($target:ident)* }, { $($output:ident)* }) => {
        #[test]
        fn $name() {
            let case = Case::new($cell, $case);
            let spec = $model { I: 3, H: 4 };
            case.interpreted(spec);

            let model = spec.compile(Options::default().reduction(Reduction::Sum)).unwrap();
            let mut params = $params::zeros(&spec).unwrap();
            let mut grads = $params::zeros(&spec).unwrap();
            case.fill(&mut params);
            let (given, lengths) = (case.given(), case.fixture.lengths());
            let inputs = || $inputs { $($input: view(&given, stringify!($input))),* };
            let targets = || $targets { $($target: view(&given, stringify!($target))),* };
            let out = model.forward(&params, inputs().lengths(&lengths)).unwrap();
            let found = BTreeMap::from([$((stringify!($output), out.$output.into_dyn())),*]);
            case.outputs_agree(&found);
            let loss = model.loss(&params, inputs().lengths(&lengths), targets()).unwrap();
            let value = model
                .loss_and_grad(&params, inputs().lengths(&lengths), targets(), &mut grads)
                .unwrap();
            case.gradients_agree(loss, &grads);
            case.gradients_agree(value.loss, &grads);
        }
    };
}

agree!(rnn_agrees, "rnn", "uni1", RnnUni, RnnUniParams,
    RnnUniInputs { x h0 }, RnnUniTargets { cot_y cot_h }, { y h_n });
agree!(ragged_rnn_agrees, "rnn", "uni1_ragged", RnnUni, RnnUniParams,
    RnnUniInputs { x h0 }, RnnUniTargets { cot_y cot_h }, { y h_n });
agree!(gru_agrees, "gru", "uni1", GruUni, GruUniParams,
    GruUniInputs { x h0 }, GruUniTargets { cot_y cot_h }, { y h_n });
agree!(ragged_gru_agrees, "gru", "uni1_ragged", GruUni, GruUniParams,
    GruUniInputs { x h0 }, GruUniTargets { cot_y cot_h }, { y h_n });
agree!(lstm_agrees, "lstm", "uni1", LstmUni, LstmUniParams,
    LstmUniInputs { x h0 c0 }, LstmUniTargets { cot_y cot_h cot_c }, { y h_n c_n });
agree!(ragged_lstm_agrees, "lstm", "uni1_ragged", LstmUni, LstmUniParams,
    LstmUniInputs { x h0 c0 }, LstmUniTargets { cot_y cot_h cot_c }, { y h_n c_n });
agree!(ragged_rectified_rnn_agrees, "relu", "uni1_ragged", ReluUni, ReluUniParams,
    ReluUniInputs { x h0 }, ReluUniTargets { cot_y cot_h }, { y h_n });
agree!(ragged_projected_lstm_agrees, "lstmp", "uni1_ragged", ProjectedUni, ProjectedUniParams,
    ProjectedUniInputs { x h0 c0 }, ProjectedUniTargets { cot_y cot_h cot_c }, { y h_n c_n });
agree!(two_layers_of_rnn_in_both_directions_agree, "rnn", "bi2_ragged", RnnBi, RnnBiParams,
    RnnBiInputs { x hf1 hb1 hf2 hb2 }, RnnBiTargets { cot_y cot_h }, { y h_n });
agree!(two_layers_of_gru_in_both_directions_agree, "gru", "bi2_ragged", GruBi, GruBiParams,
    GruBiInputs { x hf1 hb1 hf2 hb2 }, GruBiTargets { cot_y cot_h }, { y h_n });
agree!(two_layers_of_lstm_in_both_directions_agree, "lstm", "bi2_ragged", LstmBi, LstmBiParams,
    LstmBiInputs { x hf1 hb1 hf2 hb2 cf1 cb1 cf2 cb2 },
    LstmBiTargets { cot_y cot_h cot_c }, { y h_n c_n });

#[test]
fn a_carried_state_is_an_initial_state() {
    let case = Case::new("lstm", "uni1_ragged");
    let spec = LstmCarried { I: 3, H: 4 };
    let model = spec
        .compile(Options::default().reduction(Reduction::Sum))
        .unwrap();
    let mut params = LstmCarriedParams::zeros(&spec).unwrap();
    let mut grads = params.clone();
    case.fill(&mut params);
    let (given, lengths) = (case.given(), case.fixture.lengths());
    let mut state = LstmCarriedState::zeros(&spec, 3);
    for name in ["h", "c"] {
        let start = &given[&format!("{name}0")];
        let place = state.tensor_mut(&format!("net.{name}"));
        place.unwrap().assign(start);
    }
    let inputs = || LstmCarriedInputs {
        x: view(&given, "x"),
    };
    let batch = || inputs().lengths(&lengths).state(&state);
    let targets = LstmCarriedTargets {
        cot_y: view(&given, "cot_y"),
        cot_h: view(&given, "cot_h"),
        cot_c: view(&given, "cot_c"),
    };

    let out = model.forward_with_state(&params, batch()).unwrap();
    let last = &out.state;
    assert_eq!(
        last.tensor("net.h").unwrap(),
        out.outputs.h_n.view().into_dyn()
    );
    assert_eq!(
        last.tensor("net.c").unwrap(),
        out.outputs.c_n.view().into_dyn()
    );
    case.outputs_agree(&BTreeMap::from([
        ("y", out.outputs.y.into_dyn()),
        ("h_n", out.outputs.h_n.into_dyn()),
        ("c_n", out.outputs.c_n.into_dyn()),
    ]));
    let value = model
        .loss_and_grad(&params, batch(), targets, &mut grads)
        .unwrap();
    case.gradients_agree(value.loss, &grads);
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
