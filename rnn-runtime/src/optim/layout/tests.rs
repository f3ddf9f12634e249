//! Groups of parameters, and updates that do not depend on how memory is laid out.

use ndarray::{Array1, Axis, Slice};

use super::*;
use crate::fixture::{Many, Tiny, tiny_specs};
use crate::optim::{Optimizer, Sgd, SgdConfig};

#[test]
fn fixed_tensors_have_no_state() {
    let layout = Layout::new("sgd", &tiny_specs(), WeightDecay::None, &[]).unwrap();
    assert_eq!(layout.len, 10);
    let names: Vec<&str> = layout
        .trained()
        .map(|(spec, _)| spec.name.as_str())
        .collect();
    assert_eq!(names, ["cell.W", "cell.b", "readout"]);
}

#[test]
fn first_matching_group_wins() {
    let groups = [
        ParamGroup::new("cell.b").rate_scale(0.0),
        ParamGroup::new("cell.*")
            .rate_scale(2.0)
            .weight_decay(WeightDecay::Direct(0.5)),
    ];
    let mut sgd = Sgd::with_groups(&tiny_specs(), SgdConfig::default(), &groups).unwrap();
    let mut params = Tiny::counting();
    let mut grads = params.zeros_like();
    grads.fill(1.0);
    sgd.step(&mut params, &grads, 0.25).unwrap();
    assert_eq!(
        params.cell.w.as_slice().unwrap(),
        [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]
    );
    assert_eq!(params.cell.b.as_slice().unwrap(), [7.0, 8.0]);
    assert_eq!(params.readout.as_slice().unwrap(), [8.75, 9.75]);
    assert_eq!(params.scale[()], 11.0);
}

#[test]
fn a_group_that_selects_nothing_is_refused() {
    let groups = [ParamGroup::new("lstm.*")];
    let error = Layout::new("sgd", &tiny_specs(), WeightDecay::None, &groups).unwrap_err();
    assert_eq!(
        error.to_string(),
        "group `lstm.*` matches no trained parameter, the trained parameters are `cell.W`, `cell.b`, `readout`"
    );
    let fixed_only = [ParamGroup::new("scale")];
    assert!(Layout::new("sgd", &tiny_specs(), WeightDecay::None, &fixed_only).is_err());
}

#[test]
fn strides_of_the_caller_do_not_change_the_update() {
    let mut rows = Tiny::waving(0.5);
    let mut columns = rows.clone();
    columns.cell.w = rows
        .cell
        .w
        .t()
        .as_standard_layout()
        .into_owned()
        .reversed_axes();
    assert!(columns.cell.w.as_slice().is_none());
    let grads = Tiny::waving(1.5);
    let config = SgdConfig {
        momentum: 0.9,
        ..SgdConfig::default()
    };
    let mut left = Sgd::new(&tiny_specs(), config).unwrap();
    let mut right = left.clone();
    for _ in 0..3 {
        left.step(&mut rows, &grads, 0.1).unwrap();
        right.step(&mut columns, &grads, 0.1).unwrap();
    }
    assert_eq!(rows, columns);
    assert_eq!(left.export(), right.export());
}

#[test]
fn blocks_rests_and_strided_views_agree() {
    fn check<const N: usize>() {
        for len in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 5 * BLOCK + 7] {
            let wave = |phase: f32| move |k: usize| (phase + k as f32).sin();
            let grads = Array1::from_shape_fn(2 * len, wave(0.5));
            let grads = grads.slice_axis(Axis(0), Slice::new(0, None, 2));
            let element = |p: f32, g: f32, state: [f32; N]| {
                let state = state.map(|s| 0.9 * s + g);
                (p - 0.1 * state.iter().sum::<f32>() - g * g, state)
            };
            let run = |grads: ArrayViewD<'_, f32>| {
                let mut params = Array1::from_shape_fn(len, wave(0.0));
                let mut slots: [Vec<f32>; N] = std::array::from_fn(|_| vec![0.5; len]);
                let parts = slots.each_mut().map(Vec::as_mut_slice);
                update_tensor(params.view_mut().into_dyn(), grads, parts, element);
                (params, slots)
            };
            let dense = grads.to_owned();
            assert_eq!(
                run(grads.into_dyn()),
                run(dense.view().into_dyn()),
                "{N} slots, {len} scalars"
            );
        }
    }
    check::<0>();
    check::<1>();
    check::<2>();
}

#[test]
fn misfits_change_nothing() {
    let mut sgd = Sgd::new(&tiny_specs(), SgdConfig::default()).unwrap();
    let mut params = Tiny::counting();
    let mut grads = Tiny::counting();
    grads.readout = ndarray::Array1::zeros(5);
    let error = sgd.step(&mut params, &grads, 0.1).unwrap_err();
    assert_eq!(
        error.to_string(),
        "gradients do not fit the optimiser: shapes of `readout` differ: expected [2], found [5]"
    );
    let grads = Tiny::counting();
    for rate in [-1.0, f32::NAN, f32::INFINITY] {
        assert!(matches!(
            sgd.step(&mut params, &grads, rate),
            Err(OptimError::Setting { .. })
        ));
    }
    assert_eq!(params, Tiny::counting());
    assert_eq!(sgd.steps(), 0);
}

#[test]
fn models_of_many_tensors_are_updated_once_each() {
    let mut params = Many::new(100);
    let mut grads = params.zeros_like();
    grads.fill(1.0);
    let config = SgdConfig {
        momentum: 0.5,
        ..SgdConfig::default()
    };
    let mut sgd = Sgd::new(&params.specs(), config).unwrap();
    sgd.step(&mut params, &grads, 1.0).unwrap();
    let mut expected = Many::new(100);
    expected.add_scaled(-1.0, &grads).unwrap();
    assert_eq!(params, expected);
}
