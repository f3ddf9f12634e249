//! What is called once per step allocates nothing.

use allocation_counter::measure;
use ndarray::{Array1, Array2, ArrayD, ArrayViewD, ArrayViewMutD};
use rnn_runtime::error::CheckpointError;
use rnn_runtime::optim::{Adam, AdamConfig, Optimizer, RmsProp, RmsPropConfig, Sgd, SgdConfig};
use rnn_runtime::{AdaptiveClip, ContinuousText, Init, ParamSpec, Sampler, Tensors, rng};
use rnn_runtime::{clip_global_norm, clip_values};

/// More tensors than are paired in one pass.
const CELLS: usize = 40;

const NAMES: [&str; 2] = ["W", "b"];

#[derive(Clone)]
struct Stack {
    cells: Vec<(Array2<f32>, Array1<f32>)>,
}

impl Stack {
    fn new(value: f32) -> Self {
        Self {
            cells: vec![
                (
                    Array2::from_elem((5, 7), value),
                    Array1::from_elem(5, value)
                );
                CELLS
            ],
        }
    }

    fn specs() -> Vec<ParamSpec> {
        let cell = [
            ParamSpec::trained(NAMES[0], [5, 7], Init::GlorotUniform),
            ParamSpec::fixed(NAMES[1], [5], Init::Zeros),
        ];
        cell.iter().cycle().take(2 * CELLS).cloned().collect()
    }
}

impl Tensors for Stack {
    fn visit<'a>(&'a self, visitor: &mut dyn FnMut(&str, ArrayViewD<'a, f32>)) {
        for (w, b) in &self.cells {
            visitor(NAMES[0], w.view().into_dyn());
            visitor(NAMES[1], b.view().into_dyn());
        }
    }

    fn visit_mut<'a>(&'a mut self, visitor: &mut dyn FnMut(&str, ArrayViewMutD<'a, f32>)) {
        for (w, b) in &mut self.cells {
            visitor(NAMES[0], w.view_mut().into_dyn());
            visitor(NAMES[1], b.view_mut().into_dyn());
        }
    }

    fn from_tensors(take: &mut dyn FnMut(&str) -> ArrayD<f32>) -> Self {
        let cell = |_| {
            let [w, b] = NAMES.map(&mut *take);
            let w = w.into_dimensionality().expect("a matrix");
            (w, b.into_dimensionality().expect("a vector"))
        };
        Self {
            cells: (0..CELLS).map(cell).collect(),
        }
    }
}

fn check_optimizer(mut optimizer: impl Optimizer) {
    let mut params = Stack::new(0.5);
    let grads = Stack::new(0.25);
    let info = measure(|| {
        for _ in 0..10 {
            optimizer
                .step(&mut params, &grads, 0.1)
                .expect("shapes fit");
        }
    });
    assert_eq!(info.count_total, 0);
    assert_ne!(params.cells[CELLS - 1].0[[4, 6]], 0.5);
    assert_eq!(params.cells[CELLS - 1].1[4], 0.5);
}

#[test]
fn optimiser_steps() {
    let specs = Stack::specs();
    let momentum = SgdConfig {
        momentum: 0.9,
        nesterov: true,
        ..SgdConfig::default()
    };
    check_optimizer(Sgd::new(&specs, SgdConfig::default()).expect("valid settings"));
    check_optimizer(Sgd::new(&specs, momentum).expect("valid settings"));
    check_optimizer(RmsProp::new(&specs, RmsPropConfig::default()).expect("valid settings"));
    check_optimizer(Adam::new(&specs, AdamConfig::decoupled(0.1)).expect("valid settings"));
}

#[derive(Clone)]
struct Matrix(Array2<f32>);

impl Tensors for Matrix {
    fn visit<'a>(&'a self, visitor: &mut dyn FnMut(&str, ArrayViewD<'a, f32>)) {
        visitor(NAMES[0], self.0.view().into_dyn());
    }

    fn visit_mut<'a>(&'a mut self, visitor: &mut dyn FnMut(&str, ArrayViewMutD<'a, f32>)) {
        visitor(NAMES[0], self.0.view_mut().into_dyn());
    }

    fn from_tensors(take: &mut dyn FnMut(&str) -> ArrayD<f32>) -> Self {
        Self(take(NAMES[0]).into_dimensionality().expect("a matrix"))
    }
}

/// Products take memory once a thread.
#[test]
fn steps_of_orthonormal_matrices() {
    for shape in [[5, 7], [96, 96], [300, 40]] {
        let specs = [ParamSpec::orthonormal(NAMES[0], shape)];
        let mut adam = Adam::new(&specs, AdamConfig::default()).expect("valid settings");
        let mut params = Matrix(Array2::eye(shape[0].max(shape[1])));
        params.0 = params
            .0
            .slice(ndarray::s![..shape[0], ..shape[1]])
            .to_owned();
        let grads = Matrix(Array2::from_shape_fn(shape, |(i, j)| {
            ((i * 7 + j * 3) as f32).sin()
        }));
        let mut step = || adam.step(&mut params, &grads, 0.01).expect("shapes fit");
        step();
        let info = measure(|| (0..10).for_each(|_| step()));
        assert_eq!(info.count_total, 0, "{shape:?}");
    }
}

#[test]
fn clipping() {
    let specs = Stack::specs();
    let mut grads = Stack::new(3.0);
    let mut adaptive = AdaptiveClip::new(1.0, 0.9).expect("valid settings");
    let info = measure(|| {
        clip_global_norm(&mut grads, &specs, 1.0).expect("finite");
        clip_values(&mut grads, &specs, 1e-3).expect("finite");
        adaptive.clip(&mut grads, &specs).expect("finite");
    });
    assert_eq!(info.count_total, 0);
}

#[test]
fn sampling() {
    let mut rng = rng::stream(1, "sample", "");
    let logits: Vec<f32> = (0..500).map(|k| (k as f32).sin()).collect();
    for (temperature, top_k) in [(0.0, None), (0.7, None), (1.0, Some(40))] {
        let mut sampler = Sampler::new(logits.len(), temperature, top_k).expect("valid settings");
        let info = measure(|| {
            for _ in 0..50 {
                sampler.draw(&logits, &mut rng).expect("finite");
            }
        });
        assert_eq!(info.count_total, 0);
    }
}

#[test]
fn chunks_of_text() {
    let mut text = ContinuousText::new((0..1000).collect(), 7, 16).expect("long enough");
    let mut steps = 0;
    let info = measure(|| {
        for _ in 0..30 {
            steps += text.next_chunk().map_or(0, |chunk| chunk.inputs.nrows());
        }
    });
    assert_eq!(info.count_total, 0);
    assert!(steps > 0);
}

/// A file that claims, and sparsely has, far more than fits in memory.
#[test]
fn hostile_checkpoints() {
    const CLAIMED: u64 = 64 << 30;
    const ALLOWED: u64 = 1 << 20;
    let directory = tempfile::tempdir().expect("a directory for the test");
    let path = directory.path().join("hostile.safetensors");
    let scalars = CLAIMED / 4;
    for (metadata, name) in [
        ("{}", "v"),
        ("{}", "W"),
        (r#"{"rnn.optimizer":"adam"}"#, "optimizer/m/W"),
    ] {
        let header = format!(
            r#"{{"__metadata__":{metadata},"{name}":{{"dtype":"F32","shape":[{scalars}],"data_offsets":[0,{CLAIMED}]}}}}"#
        );
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(header.as_bytes());
        std::fs::write(&path, &bytes).expect("room for a header");
        let file = std::fs::OpenOptions::new()
            .write(true)
            .open(&path)
            .expect("the file just written");
        file.set_len(bytes.len() as u64 + CLAIMED)
            .expect("a file system with sparse files");
        let mut params = Stack::new(0.5);
        let info = measure(|| {
            let error = rnn_runtime::load(&path, &mut params).expect_err("shapes differ");
            assert!(matches!(error, CheckpointError::Mismatch { .. }), "{error}");
        });
        assert!(
            info.bytes_max < ALLOWED,
            "{} bytes for `{name}`",
            info.bytes_max
        );
    }
}
