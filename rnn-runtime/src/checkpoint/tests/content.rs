//! Tensors, names and states come back bit for bit, and differences are listed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use ndarray::{Array1, Array2};
use rand::Rng;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

use super::*;
use crate::fixture::{Many, Tiny, tiny_specs};
use crate::optim::{Adam, AdamConfig, Optimizer, RmsProp, RmsPropConfig, Sgd, SgdConfig};
use crate::rng::stream;
use crate::text::{CharVocab, ContinuousText};

#[test]
fn every_bit_of_every_tensor_survives() {
    let (_directory, path) = scratch();
    let mut params = Tiny::waving(0.0);
    params.cell.w = Array2::from_shape_vec(
        (3, 2),
        vec![f32::NAN, -0.0, 1e-45, f32::INFINITY, f32::MIN, 0.1],
    )
    .unwrap()
    .reversed_axes();
    params.readout[1] = f32::from_bits(0x7fc0_1234);
    save_params(&path, &params).unwrap();
    let mut loaded = Tiny::counting();
    load_params(&path, &mut loaded).unwrap();
    assert_eq!(bits(&loaded), bits(&params));
}

#[test]
fn equal_content_gives_equal_bytes() {
    let (_directory, path) = scratch();
    let state = TrainingState {
        metadata: (0..50)
            .map(|k| (format!("key {k}"), "\"\\\n".to_owned()))
            .collect(),
        ..TrainingState::default()
    };
    let written: Vec<Vec<u8>> = (0..3)
        .map(|_| {
            save(&path, &Tiny::counting(), &state).unwrap();
            fs::read(&path).unwrap()
        })
        .collect();
    assert!(written.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(load(&path, &mut Tiny::counting()).unwrap(), state);
}

#[test]
fn other_tensors_of_a_run_survive_in_any_shape() {
    let (_directory, path) = scratch();
    let tensor = |slot: &str, name: &str, shape: &[usize]| StateTensor {
        slot: slot.to_owned(),
        name: name.to_owned(),
        values: ArrayD::from_elem(IxDyn(shape), 0.1),
    };
    let mut state = TrainingState {
        tensors: vec![
            tensor("best", "cell.W", &[2, 3]),
            tensor("carried", "cell/h", &[5, 1, 2]),
            tensor("carried", "none", &[0, 7]),
        ],
        ..TrainingState::default()
    };
    save(&path, &Tiny::waving(1.0), &state).unwrap();
    let mut params = Tiny::counting();
    assert_eq!(load(&path, &mut params).unwrap(), state);
    assert_eq!(params, Tiny::waving(1.0));
    load_params(&path, &mut Tiny::counting()).unwrap();
    state.tensors.push(tensor("a/b", "c", &[1]));
    let error = save(&path, &params, &state).unwrap_err();
    assert!(matches!(error, CheckpointError::Name { .. }), "{error}");
}

#[test]
fn the_reference_reader_opens_what_is_saved_here() {
    let (_directory, path) = scratch();
    let params = Tiny::waving(1.0);
    save_params(&path, &params).unwrap();
    let bytes = fs::read(&path).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(tensors.len(), 4);
    for (name, values) in params.to_map() {
        let found = tensors.tensor(&name).unwrap();
        assert_eq!((found.dtype(), found.shape()), (Dtype::F32, values.shape()));
        let expected: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        assert_eq!(found.data(), expected);
    }
    let header_len = u64::from_le_bytes(bytes[..8].try_into().unwrap());
    assert_eq!(header_len % 8, 0);
}

#[test]
fn files_of_the_reference_writer_load_in_any_order() {
    let (_directory, path) = scratch();
    let params = Tiny::waving(2.0);
    let data: Vec<(String, Vec<usize>, Vec<u8>)> = params
        .to_map()
        .into_iter()
        .rev()
        .map(|(name, values)| {
            (
                name,
                values.shape().to_vec(),
                values
                    .iter()
                    .flat_map(|value| value.to_le_bytes())
                    .collect(),
            )
        })
        .collect();
    let views = data.iter().map(|(name, shape, bytes)| {
        (
            name.as_str(),
            TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap(),
        )
    });
    fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
    let mut loaded = Tiny::counting();
    assert_eq!(load(&path, &mut loaded).unwrap(), TrainingState::default());
    assert_eq!(loaded, params);
}

#[test]
fn every_difference_is_listed_at_once() {
    let (_directory, path) = scratch();
    let mut header = tiny_header(r#""cell.W""#, r#""cell.U""#);
    header = header.replace(r#""cell.b":{"dtype":"F32""#, r#""cell.b":{"dtype":"I32""#);
    header = header.replace(
        r#""shape":[2],"data_offsets":[32,40]"#,
        r#""shape":[1,2],"data_offsets":[32,40]"#,
    );
    header = header.replace(r#""scale":{"#, r#""zeta":{"#);
    fs::write(&path, file_of(&header, 44)).unwrap();
    let mut params = Tiny::counting();
    let Err(CheckpointError::Mismatch { mismatch, .. }) = load_params(&path, &mut params) else {
        panic!("expected a mismatch");
    };
    assert_eq!(
        mismatch.to_string(),
        "missing `cell.W`, `scale`; unexpected `cell.U`, `zeta`; shape of `readout`: expected [2], found [1, 2]; \
         type of `cell.b`: expected F32, found I32"
    );
    assert_eq!(params, Tiny::counting());
}

#[test]
fn inspection_needs_no_model() {
    let (_directory, path) = scratch();
    let mut state = TrainingState::default();
    state.metadata.insert(
        "vocabulary".to_owned(),
        CharVocab::from_text("hello\n").to_string(),
    );
    save(&path, &Tiny::counting(), &state).unwrap();
    let summary = inspect(&path).unwrap();
    assert_eq!(
        summary.metadata["vocabulary"].parse(),
        Ok(CharVocab::from_text("\nhelo"))
    );
    assert_eq!(
        summary.tensors[0],
        TensorSummary {
            name: "cell.W".to_owned(),
            dtype: "F32".to_owned(),
            shape: vec![2, 3]
        }
    );
}

#[test]
fn paths_that_are_not_files_are_refused() {
    let (directory, path) = scratch();
    let mut params = Tiny::counting();
    assert!(matches!(
        load(&path, &mut params),
        Err(CheckpointError::Io { action: "open", .. })
    ));
    assert!(matches!(
        load(directory.path(), &mut params),
        Err(CheckpointError::NotAFile { .. })
    ));
    assert!(matches!(
        save_params(directory.path(), &params),
        Err(CheckpointError::NotAFile { .. })
    ));
    assert!(matches!(
        save_params("", &params),
        Err(CheckpointError::NotAFile { .. })
    ));
    assert!(matches!(
        save_params(directory.path().join("no/x"), &params),
        Err(CheckpointError::Io { .. })
    ));
    if cfg!(unix) {
        assert!(matches!(
            load(Path::new("/dev/zero"), &mut params),
            Err(CheckpointError::NotAFile { .. })
        ));
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn reserved_names_are_refused_before_anything_is_written() {
    let (directory, path) = scratch();
    let named = |name: &str| Many {
        vectors: vec![(name.to_owned(), Array1::zeros(1))],
    };
    for name in ["optimizer/x", "a/b", "__metadata__"] {
        assert!(
            matches!(
                save_params(&path, &named(name)),
                Err(CheckpointError::Name { .. })
            ),
            "{name}"
        );
    }
    let mut twice = named("a");
    twice.vectors.push(twice.vectors[0].clone());
    assert!(matches!(
        save_params(&path, &twice),
        Err(CheckpointError::Name { .. })
    ));
    let state = TrainingState {
        metadata: BTreeMap::from([("rnn.x".to_owned(), String::new())]),
        ..TrainingState::default()
    };
    assert!(matches!(
        save(&path, &Tiny::counting(), &state),
        Err(CheckpointError::Name { .. })
    ));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn odd_names_and_texts_survive() {
    let (_directory, path) = scratch();
    let names = [
        "",
        "a\"b",
        "back\\slash",
        "line\nbreak",
        "é.多",
        "\u{0}",
        "optimizer",
        "rnn.x",
    ];
    let vector =
        |(k, name): (usize, &&str)| ((*name).to_owned(), Array1::from_elem(k % 3, k as f32));
    let params = Many {
        vectors: names.iter().enumerate().map(vector).collect(),
    };
    let state = TrainingState {
        metadata: names[..7]
            .iter()
            .map(|name| ((*name).to_owned(), (*name).to_owned()))
            .collect(),
        ..TrainingState::default()
    };
    save(&path, &params, &state).unwrap();
    let mut loaded = params.zeros_like();
    assert_eq!(load(&path, &mut loaded).unwrap(), state);
    assert_eq!(loaded, params);
}

/// A run of every part that has state: data, sampler, optimiser.
struct Run<O> {
    params: Tiny,
    optimizer: O,
    text: ContinuousText,
    rng: rand_chacha::ChaCha8Rng,
}

impl<O: Optimizer> Run<O> {
    fn new(optimizer: O) -> Self {
        let text = ContinuousText::new((0..40).map(|k| k * 7 % 11).collect(), 3, 4).unwrap();
        Self {
            params: Tiny::waving(0.0),
            optimizer,
            text,
            rng: stream(5, "sample", ""),
        }
    }

    fn steps(&mut self, count: usize) {
        for _ in 0..count {
            let phase = self.text.next_chunk().map_or(0, |chunk| chunk.inputs.sum());
            let noise = self.rng.next_u32() as f32 / 4e9;
            let grads = Tiny::waving(phase as f32 + noise);
            self.optimizer.step(&mut self.params, &grads, 0.01).unwrap();
        }
    }

    fn save(&self, path: &Path) {
        let mut state = TrainingState {
            optimizer: Some(self.optimizer.export()),
            ..TrainingState::default()
        };
        state
            .rngs
            .insert("sample".to_owned(), RngState::of(&self.rng));
        state
            .metadata
            .insert("cursor".to_owned(), self.text.cursor().to_string());
        save(path, &self.params, &state).unwrap();
    }

    fn resume(&mut self, path: &Path) {
        let state = load(path, &mut self.params).unwrap();
        self.optimizer.import(&state.optimizer.unwrap()).unwrap();
        self.rng = state.rngs["sample"].restore();
        self.text
            .resume(&state.metadata["cursor"].parse().unwrap())
            .unwrap();
    }
}

#[test]
fn a_resumed_run_is_bit_exact() {
    fn check<O: Optimizer + Clone>(optimizer: O) {
        let (_directory, path) = scratch();
        for stop in [0, 1, 4, 7] {
            let mut whole = Run::new(optimizer.clone());
            whole.steps(stop);
            whole.save(&path);
            let mut resumed = Run::new(optimizer.clone());
            resumed.params.fill(9.0);
            resumed.resume(&path);
            whole.steps(13);
            resumed.steps(13);
            assert_eq!(bits(&whole.params), bits(&resumed.params));
            assert_eq!(whole.optimizer.export(), resumed.optimizer.export());
            let mut parameters_alone = Tiny::counting();
            load_params(&path, &mut parameters_alone).unwrap();
        }
    }
    let momentum = SgdConfig {
        momentum: 0.9,
        nesterov: true,
        ..SgdConfig::default()
    };
    check(Sgd::new(&tiny_specs(), SgdConfig::default()).unwrap());
    check(Sgd::new(&tiny_specs(), momentum).unwrap());
    check(Adam::new(&tiny_specs(), AdamConfig::decoupled(0.01)).unwrap());
    check(
        RmsProp::new(
            &tiny_specs(),
            RmsPropConfig {
                momentum: 0.5,
                ..RmsPropConfig::default()
            },
        )
        .unwrap(),
    );
}
