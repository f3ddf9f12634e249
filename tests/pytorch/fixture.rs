//! The files of PyTorch's numbers, and which of their tensors are a parameter here.

use std::collections::BTreeMap;
use std::path::Path;

use ndarray::{ArrayD, Axis, IxDyn, concatenate};
use safetensors::{Dtype, SafeTensors};

pub(crate) type Tensors64 = BTreeMap<String, ArrayD<f64>>;

/// A fixture: every tensor as `f64`, which holds `F32` and `I32` exactly.
pub(crate) struct Fixture(Tensors64);

impl Fixture {
    pub(crate) fn read(case: &str) -> Self {
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

    pub(crate) fn get(&self, name: &str) -> &ArrayD<f64> {
        self.0
            .get(name)
            .unwrap_or_else(|| panic!("the fixture has no `{name}`"))
    }

    pub(crate) fn lengths(&self) -> Vec<usize> {
        self.get("lengths").iter().map(|n| *n as usize).collect()
    }

    /// `[L*D, B, H]` as `[B, L*D*H]`.
    pub(crate) fn joined(&self, name: &str) -> ArrayD<f64> {
        let layers: Vec<_> = self.get(name).axis_iter(Axis(0)).collect();
        concatenate(Axis(1), &layers).unwrap()
    }
}

pub(crate) fn numbers<const N: usize>(data: &[u8], read: impl Fn([u8; N]) -> f64) -> Vec<f64> {
    let chunks = data.chunks_exact(N);
    chunks
        .map(|bytes| read(bytes.try_into().unwrap()))
        .collect()
}

/// Which tensors of the fixture a value of the model is: `prefix` is empty for values and `grad.` for their gradients.
pub(crate) type Read = Box<dyn Fn(&Fixture, &str) -> ArrayD<f64>>;

/// The rows of one gate.
pub(crate) fn rows(array: &ArrayD<f64>, gate: usize, gates: usize) -> ArrayD<f64> {
    let size = array.shape()[0] / gates;
    let rows = gate * size..(gate + 1) * size;
    array.slice_axis(Axis(0), rows.into()).to_owned()
}

/// The parameters of a layer, by the names of its cell.
pub(crate) fn layer(cell: &str, path: &str, prefix: &str, suffix: &str) -> Vec<(String, Read)> {
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

pub(crate) fn whole(name: &str) -> Read {
    let name = name.to_owned();
    Box::new(move |fixture, of| fixture.get(&format!("{of}{name}")).clone())
}

/// One layer's part of `h0` or `c0`: `[B, H]`.
pub(crate) fn start(name: &str, layer: usize) -> Read {
    let name = name.to_owned();
    Box::new(move |fixture, of| {
        let all = fixture.get(&format!("{of}{name}"));
        all.index_axis(Axis(0), layer).to_owned()
    })
}
