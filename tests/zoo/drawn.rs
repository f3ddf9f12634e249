//! Values of inputs and parameters for checks: of no pattern, none of them zero, the same in every run.

use super::models::{Sample, Values};
use ndarray::{ArrayD, IxDyn};
use rnn::ir::axis::{AxisId, Extent};
use rnn::ir::bind::bind;
use rnn::ir::graph::{Graph, Verified};
use rnn::ir::interp::{Env, Tensor};
use rnn::ir::node::DType;
use rnn::ir::op::{ParamKind, Role};
use rnn::ir::random::mode::{Mode, in_mode};
use rnn::ir::text::parse;
use rnn::ir::verify::verify;
use rnn::{Tensors, init_params};

/// Numbers of no pattern between -1 and 1.
pub(crate) struct Noise(u32);

impl Noise {
    pub(crate) fn new(seed: u32) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as f32 / (1 << 23) as f32 - 1.0
    }
}

/// The equations of a model with its sizes.
pub(crate) fn bound<M: Sample>(spec: &M) -> Verified {
    let graph = verify(parse(M::IR).expect("the macro's text")).expect("verified by the macro");
    bind(&graph, &spec.sizes()).expect("sizes are positive")
}

/// The equations that training or inference computes.
pub(crate) fn of_mode<M: Sample>(spec: &M, mode: Mode) -> Verified {
    let graph = in_mode(&bound(spec), mode).expect("a verified graph");
    verify(graph).expect("what it was, with less in it")
}

/// The time axes of variable length: each with the name of its length.
pub(crate) fn time_axes(graph: &Graph) -> Vec<(AxisId, String, String)> {
    let axes = graph.axes.iter().filter(|(id, _)| id.is_time());
    let axes = axes.filter_map(|(id, axis)| match &axis.extent {
        Extent::Length(length) => Some((id, axis.name.clone(), length.clone())),
        Extent::Fixed(_) => None,
    });
    axes.collect()
}

/// Inputs and targets for so many steps of every axis.
pub(crate) fn values<M: Sample>(spec: &M, steps: usize, batch: usize, seed: u32) -> Values {
    let graph = bound(spec);
    let mut noise = Noise::new(seed);
    let mut values = Values::default();
    for (id, name, role) in graph.inputs() {
        if !matches!(role, Role::Input | Role::Target) {
            continue;
        }
        let ty = &graph.nodes[id].ty;
        let mut dims: Vec<usize> = ty.domain.time_axes().map(|_| steps).collect();
        dims.push(batch);
        let size = |dim: &rnn::ir::dim::Dim| dim.as_constant().expect("bound") as usize;
        dims.extend(ty.shape.0.iter().map(size));
        let shape = IxDyn(&dims);
        if ty.dtype == DType::Index {
            let sizes = spec.sizes();
            let vocabulary = sizes.iter().find(|(name, _)| *name == "V");
            let below = vocabulary.expect("tokens are below V").1 as f32;
            let token = || ((noise.next() + 1.0) * 0.5 * below) as u32;
            let array = ArrayD::from_shape_simple_fn(shape, token);
            values.tokens.insert(name.to_owned(), array);
            continue;
        }
        let array = ArrayD::from_shape_fn(shape, |index| match name {
            // Times between steps are positive, time stamps increase.
            "dt" => 1.1 + noise.next(),
            "at" => index[0] as f32 + 0.4 * noise.next(),
            _ => noise.next(),
        });
        values.reals.insert(name.to_owned(), array);
    }
    values
}

/// Parameters as they are drawn, moved so that no bias is zero and no statistic what it starts from; what is fixed stays.
pub(crate) fn params<M: Sample>(spec: &M, seed: u32) -> M::Params {
    let mut params = init_params(spec, u64::from(seed)).expect("draws");
    let specs = rnn::param_specs(spec).expect("valid");
    let mut noise = Noise::new(seed);
    params.visit_mut(&mut |name, mut view| {
        let spec = specs.iter().find(|spec| spec.name == name);
        match spec.map(|spec| spec.kind) {
            // Variances start from one, and stay above zero.
            Some(ParamKind::Trained | ParamKind::Orthonormal | ParamKind::Running) => {
                view.mapv_inplace(|value| value + 0.3 * noise.next());
            }
            Some(ParamKind::Fixed) | None => {}
        }
    });
    params
}

/// The same for the interpreter.
pub(crate) fn surroundings<M: Sample>(
    spec: &M,
    params: &M::Params,
    values: &Values,
    lengths: &[usize],
) -> Env {
    let mut env = Env::new(lengths.len());
    for (_, _, length) in time_axes(&bound(spec)) {
        env = env.with_lengths(length, lengths);
    }
    let wide = |array: ndarray::ArrayViewD<'_, f32>| {
        let data: Vec<f64> = array.iter().map(|value| f64::from(*value)).collect();
        Tensor::real(array.shape(), data)
    };
    for (name, array) in &values.reals {
        env = env.with_input(name, wide(array.view()));
    }
    for (name, array) in &values.tokens {
        let data: Vec<u32> = array.iter().copied().collect();
        env = env.with_input(name, Tensor::index(array.shape(), data));
    }
    params.visit(&mut |name, view| {
        env.params.insert(name.to_owned(), wide(view));
    });
    env
}
