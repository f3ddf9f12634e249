//! Hand-written parameter structs for the tests of this crate.
//!
//! **Invariant:** [`Tiny`] has one tensor of each rank, a nested layer, and one tensor (`scale`) that is not trained.

use ndarray::{Array0, Array1, Array2, ArrayD, ArrayViewD, ArrayViewMutD};

use crate::init::Init;
use crate::tensors::{ParamSpec, Tensors};

/// A layer inside [`Tiny`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TinyCell {
    pub(crate) w: Array2<f32>,
    pub(crate) b: Array1<f32>,
}

/// Four tensors: `cell.W [2, 3]`, `cell.b [2]`, `readout [2]`, `scale []` (fixed).
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tiny {
    pub(crate) cell: TinyCell,
    pub(crate) readout: Array1<f32>,
    pub(crate) scale: Array0<f32>,
}

impl Tiny {
    /// Values 1, 2, 3, ... in declaration order.
    pub(crate) fn counting() -> Self {
        let mut tiny = Self {
            cell: TinyCell {
                w: Array2::zeros((2, 3)),
                b: Array1::zeros(2),
            },
            readout: Array1::zeros(2),
            scale: Array0::zeros(()),
        };
        let mut next = 0.0;
        tiny.visit_mut(&mut |_, mut view| {
            view.mapv_inplace(|_| {
                next += 1.0;
                next
            });
        });
        tiny
    }

    /// Values that look random but are fixed: `sin(phase + k)` for the k-th scalar.
    pub(crate) fn waving(phase: f32) -> Self {
        let mut tiny = Self::counting();
        tiny.visit_mut(&mut |_, mut view| view.mapv_inplace(|k| (phase + k).sin()));
        tiny
    }
}

impl Tensors for Tiny {
    fn visit<'a>(&'a self, visitor: &mut dyn FnMut(&str, ArrayViewD<'a, f32>)) {
        visitor("cell.W", self.cell.w.view().into_dyn());
        visitor("cell.b", self.cell.b.view().into_dyn());
        visitor("readout", self.readout.view().into_dyn());
        visitor("scale", self.scale.view().into_dyn());
    }

    fn visit_mut<'a>(&'a mut self, visitor: &mut dyn FnMut(&str, ArrayViewMutD<'a, f32>)) {
        visitor("cell.W", self.cell.w.view_mut().into_dyn());
        visitor("cell.b", self.cell.b.view_mut().into_dyn());
        visitor("readout", self.readout.view_mut().into_dyn());
        visitor("scale", self.scale.view_mut().into_dyn());
    }

    fn from_tensors(take: &mut dyn FnMut(&str) -> ArrayD<f32>) -> Self {
        Self {
            cell: TinyCell {
                w: take("cell.W").into_dimensionality().unwrap(),
                b: take("cell.b").into_dimensionality().unwrap(),
            },
            readout: take("readout").into_dimensionality().unwrap(),
            scale: take("scale").into_dimensionality().unwrap(),
        }
    }
}

/// What [`Tiny`] says about its tensors.
pub(crate) fn tiny_specs() -> Vec<ParamSpec> {
    vec![
        ParamSpec::trained("cell.W", [2, 3], Init::GlorotUniform),
        ParamSpec::trained("cell.b", [2], Init::Zeros),
        ParamSpec::trained(
            "readout",
            [2],
            Init::Normal {
                mean: 0.0,
                std: 0.1,
            },
        ),
        ParamSpec::fixed("scale", [], Init::Constant(1.0)),
    ]
}

/// Any number of vectors `v0 [1]`, `v1 [2]`, `v2 [3]`, `v3 [1]`, ...
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Many {
    pub(crate) vectors: Vec<(String, Array1<f32>)>,
}

impl Many {
    pub(crate) fn new(tensors: usize) -> Self {
        let vector = |k: usize| (format!("v{k}"), Array1::from_elem(1 + k % 3, k as f32));
        Self {
            vectors: (0..tensors).map(vector).collect(),
        }
    }

    pub(crate) fn specs(&self) -> Vec<ParamSpec> {
        let spec =
            |(name, shape): (String, Vec<usize>)| ParamSpec::trained(name, shape, Init::Zeros);
        self.shapes().into_iter().map(spec).collect()
    }
}

impl Tensors for Many {
    fn visit<'a>(&'a self, visitor: &mut dyn FnMut(&str, ArrayViewD<'a, f32>)) {
        for (name, vector) in &self.vectors {
            visitor(name, vector.view().into_dyn());
        }
    }

    fn visit_mut<'a>(&'a mut self, visitor: &mut dyn FnMut(&str, ArrayViewMutD<'a, f32>)) {
        for (name, vector) in &mut self.vectors {
            visitor(name, vector.view_mut().into_dyn());
        }
    }

    fn from_tensors(_: &mut dyn FnMut(&str) -> ArrayD<f32>) -> Self {
        panic!("how many tensors there are is not known")
    }
}
