//! What survives, what is refused, and that nothing is half done.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ndarray::{Array1, Array2};
use rand::Rng;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use tempfile::TempDir;

use super::*;
use crate::error::MalformedReason;
use crate::fixture::{Many, Tiny, tiny_specs};
use crate::optim::{Adam, AdamConfig, Optimizer, RmsProp, RmsPropConfig, Sgd, SgdConfig};
use crate::rng::stream;
use crate::text::{CharVocab, ContinuousText};

fn scratch() -> (TempDir, PathBuf) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("model.safetensors");
    (directory, path)
}

fn bits(params: &Tiny) -> Vec<u32> {
    params
        .to_map()
        .values()
        .flatten()
        .map(|value| value.to_bits())
        .collect()
}

/// A file with `header` as its JSON text and `data` zero bytes.
fn file_of(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.resize(bytes.len() + data, 0);
    bytes
}

/// The tensors of [`Tiny`] with one part of the header replaced.
fn tiny_header(from: &str, to: &str) -> String {
    let header = concat!(
        r#"{"__metadata__":{"a":"b"},"#,
        r#""cell.W":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"#,
        r#""cell.b":{"dtype":"F32","shape":[2],"data_offsets":[24,32]},"#,
        r#""readout":{"dtype":"F32","shape":[2],"data_offsets":[32,40]},"#,
        r#""scale":{"dtype":"F32","shape":[],"data_offsets":[40,44]}}"#,
    );
    assert!(header.contains(from), "{from}");
    header.replacen(from, to, 1)
}

/// Loads `bytes` into a fresh model, and checks that an error leaves it alone.
fn load_bytes(bytes: &[u8]) -> Result<Tiny, CheckpointError> {
    let (_directory, path) = scratch();
    fs::write(&path, bytes).unwrap();
    let mut params = Tiny::counting();
    let result = load(&path, &mut params);
    if result.is_err() {
        assert_eq!(params, Tiny::counting());
        let alone = load_params(&path, &mut params);
        assert!(alone.is_err() || matches!(result, Err(CheckpointError::State { .. })));
    }
    result.map(|_| params)
}

fn reason(bytes: &[u8]) -> MalformedReason {
    match load_bytes(bytes) {
        Err(CheckpointError::Malformed { reason, .. }) => reason,
        other => panic!("expected a malformed file, found {other:?}"),
    }
}

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
fn a_file_cut_anywhere_is_truncated() {
    let (_directory, path) = scratch();
    save_params(&path, &Tiny::waving(0.0)).unwrap();
    let bytes = fs::read(&path).unwrap();
    for len in 0..bytes.len() {
        assert!(
            matches!(reason(&bytes[..len]), MalformedReason::Truncated { .. }),
            "cut to {len} bytes"
        );
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert!(matches!(
        reason(&longer),
        MalformedReason::TrailingData { .. }
    ));
}

#[test]
fn claimed_sizes_are_never_believed() {
    for claimed in [
        HEADER_LIMIT + 1,
        100_000_000,
        u64::MAX,
        u64::MAX - 7,
        i64::MAX as u64,
    ] {
        let mut bytes = claimed.to_le_bytes().to_vec();
        bytes.extend_from_slice(b"{}");
        assert_eq!(
            reason(&bytes),
            MalformedReason::HeaderTooLarge {
                limit: HEADER_LIMIT,
                found: claimed
            }
        );
    }
    let huge = "18446744073709551615";
    let big = "1152921504606846975";
    for (from, to) in [
        ("[2,3]", format!("[{huge},{huge}]")),
        ("[2,3]", format!("[{huge}]")),
        ("[2,3]", "[4611686018427387904,4]".to_owned()),
        ("[2,3]", format!("[0,{huge},{huge}]")),
        ("[2,3]", "[2,4]".to_owned()),
        ("[2,3]", "[]".to_owned()),
        ("F32", "F64".to_owned()),
    ] {
        let header = tiny_header(from, &to);
        assert!(
            matches!(reason(&file_of(&header, 44)), MalformedReason::Size { .. }),
            "{header}"
        );
    }
    let header = tiny_header("[40,44]", &format!("[40,{huge}]"));
    assert!(matches!(
        reason(&file_of(&header, 44)),
        MalformedReason::Size { .. }
    ));
    // A tensor that is sound in itself but far beyond the file.
    let header = format!(r#"{{"x":{{"dtype":"U8","shape":[{big}],"data_offsets":[0,{big}]}}}}"#);
    assert!(matches!(
        reason(&file_of(&header, 44)),
        MalformedReason::Truncated { .. }
    ));
    let header = r#"{"x":{"dtype":"U8","shape":[0,9223372036854775807],"data_offsets":[0,0]}}"#;
    assert!(matches!(
        load_bytes(&file_of(header, 0)),
        Err(CheckpointError::Mismatch { .. })
    ));
}

#[test]
fn tensors_may_not_overlap_or_leave_holes() {
    for (from, to) in [
        ("[24,32]", "[20,28]"),
        ("[24,32]", "[0,8]"),
        ("[24,32]", "[28,36]"),
        ("[0,24]", "[4,28]"),
        ("[32,40]", "[24,32]"),
        ("[40,44]", "[44,48]"),
    ] {
        let header = tiny_header(from, to);
        assert!(
            matches!(
                reason(&file_of(&header, 48)),
                MalformedReason::Offsets { .. }
            ),
            "{header}"
        );
    }
    let header = tiny_header("[24,32]", "[24,8]");
    assert!(matches!(
        reason(&file_of(&header, 44)),
        MalformedReason::Header(_) | MalformedReason::Offsets { .. }
    ));
}

#[test]
fn names_may_not_repeat() {
    for (from, to, name) in [
        (r#""cell.b""#, r#""cell.W""#, "cell.W"),
        (
            r#""cell.b":"#,
            r#""cell.W":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"cell.b":"#,
            "cell.W",
        ),
        (r#""cell.b""#, r#""cell\u002eW""#, "cell.W"),
        (r#"{"a":"b"}"#, r#"{"a":"b","a":"b"}"#, "a"),
        (
            r#""cell.b":"#,
            r#""__metadata__":{},"cell.b":"#,
            "__metadata__",
        ),
        (
            r#""cell.b":"#,
            r#""empty":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"empty":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"cell.b":"#,
            "empty",
        ),
    ] {
        let header = tiny_header(from, to);
        assert_eq!(
            reason(&file_of(&header, 44)),
            MalformedReason::DuplicateName(name.to_owned()),
            "{header}"
        );
    }
}

#[test]
fn headers_that_are_not_the_right_json_are_refused() {
    let deep = format!(r#"{{"x":{}"#, "[".repeat(100_000));
    let deep_object = r#"{"x":"#.repeat(100_000);
    for header in [
        "",
        "{",
        "[]",
        "null",
        "1",
        "{} x",
        "\u{0}",
        &deep,
        &deep_object,
        &tiny_header(r#""F32""#, r#""F33""#),
        &tiny_header(r#""F32""#, "32"),
        &tiny_header("[2,3]", "[2,-3]"),
        &tiny_header("[2,3]", "[2,3.5]"),
        &tiny_header("[2,3]", "[2,1e30]"),
        &tiny_header("[2,3]", "null"),
        &tiny_header("[2,3]", "[2,18446744073709551616]"),
        &tiny_header("[0,24]", "[0,24,48]"),
        &tiny_header("[0,24]", "[0]"),
        &tiny_header(r#""shape":[2,3],"#, ""),
        &tiny_header(r#""shape":[2,3],"#, r#""shape":[2,3],"shape":[2,3],"#),
        &tiny_header(r#"{"a":"b"}"#, r#"{"a":1}"#),
        &tiny_header(r#"{"a":"b"}"#, r#"{"a":{"b":"c"}}"#),
        &tiny_header(r#"{"a":"b"}"#, "[]"),
    ] {
        let shown: String = header.chars().take(80).collect();
        assert!(
            matches!(reason(&file_of(header, 44)), MalformedReason::Header(_)),
            "{shown}"
        );
    }
    let mut bytes = file_of(&tiny_header("cell.W", "cell.?"), 44);
    let at = bytes.iter().position(|&byte| byte == b'?').unwrap();
    bytes[at] = 0xff;
    assert!(matches!(reason(&bytes), MalformedReason::Header(_)));
}

#[test]
fn damage_to_any_byte_of_the_header_never_panics() {
    let (_directory, path) = scratch();
    let params = Tiny::waving(0.0);
    save_params(&path, &params).unwrap();
    let good = fs::read(&path).unwrap();
    let header = good.len() - 44;
    let (mut refused, mut accepted) = (0, 0);
    for at in 0..header {
        for byte in [
            0,
            b'"',
            b'{',
            b'}',
            b'[',
            b',',
            b'9',
            b'-',
            0xff,
            good[at] ^ 1,
        ] {
            if byte == good[at] {
                continue;
            }
            let mut bytes = good.clone();
            bytes[at] = byte;
            match load_bytes(&bytes) {
                Err(_) => refused += 1,
                // Only damage to the metadata or the padding is accepted, and the tensors are as they were.
                Ok(loaded) => {
                    assert_eq!(loaded, params);
                    accepted += 1;
                }
            }
        }
    }
    assert!(
        refused > 20 * accepted,
        "{refused} refused, {accepted} accepted"
    );
}

#[test]
fn a_million_names_are_refused_and_a_hundred_thousand_are_listed() {
    let header = |count: usize| {
        let entry =
            |k: usize| format!(r#""n{k}":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}"#);
        format!(
            "{{{}}}",
            (0..count).map(entry).collect::<Vec<_>>().join(",")
        )
    };
    assert!(matches!(
        reason(&file_of(&header(1_000_000), 0)),
        MalformedReason::HeaderTooLarge { .. }
    ));
    match load_bytes(&file_of(&header(100_000), 0)) {
        Err(CheckpointError::Mismatch { mismatch, .. }) => {
            assert_eq!(
                (mismatch.unexpected.len(), mismatch.missing.len()),
                (100_000, 4)
            );
        }
        other => panic!("{other:?}"),
    }
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

#[test]
fn damaged_states_are_refused_whole() {
    let with = |key: &str, value: &str| {
        let metadata = format!(r#"{{"{key}":"{value}"}}"#);
        load_bytes(&file_of(&tiny_header(r#"{"a":"b"}"#, &metadata), 44)).map(|_| ())
    };
    assert!(with("rnn.format", "1").is_ok());
    for (key, value) in [
        ("rnn.format", "2"),
        ("rnn.steps", "-1"),
        ("rnn.rng.sample", "0/0/0"),
    ] {
        assert!(
            matches!(with(key, value), Err(CheckpointError::State { .. })),
            "{key}"
        );
    }
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

#[test]
fn a_save_that_fails_leaves_the_old_file_and_no_other() {
    let (directory, path) = scratch();
    save_params(&path, &Tiny::waving(3.0)).unwrap();
    let before = fs::read(&path).unwrap();
    let result = file::replace(&path, |file| {
        file.write_all(&[1; 100_000])?;
        Err(std::io::ErrorKind::StorageFull.into())
    });
    assert!(matches!(
        result,
        Err(CheckpointError::Io {
            action: "write",
            ..
        })
    ));
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn files_of_dead_writers_are_removed_and_those_of_live_ones_kept() {
    let (directory, path) = scratch();
    let dead = directory.path().join(".model.safetensors.1-7.tmp");
    let live = directory.path().join(".model.safetensors.1-8.tmp");
    let other = directory.path().join(".other.safetensors.1-7.tmp");
    for path in [&dead, &live, &other] {
        fs::write(path, b"part").unwrap();
    }
    let held = fs::File::open(&live).unwrap();
    held.try_lock().unwrap();
    save_params(&path, &Tiny::counting()).unwrap();
    assert!(!dead.exists() && live.exists() && other.exists() && path.exists());
}

#[test]
fn concurrent_saves_leave_one_of_them() {
    let (directory, path) = scratch();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let path = &path;
            scope.spawn(move || {
                let mut params = Tiny::counting();
                params.fill(writer as f32);
                (0..25).for_each(|_| save_params(path, &params).unwrap());
            });
        }
    });
    let mut params = Tiny::counting();
    load_params(&path, &mut params).unwrap();
    assert!(bits(&params).windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

/// Where the child of the next test saves.
const KILLED_PATH: &str = "RNN_TEST_KILLED_PATH";

/// Times the child is killed.
const KILLS: usize = 200;

/// Large enough that a save takes longer than the parent's reaction.
fn large() -> Many {
    Many {
        vectors: (0..4)
            .map(|k| (format!("v{k}"), Array1::zeros(100_000)))
            .collect(),
    }
}

#[test]
#[ignore = "run by the test below, in a process that is killed"]
fn child_that_saves_for_ever() {
    let Some(path) = std::env::var_os(KILLED_PATH) else {
        return;
    };
    let mut params = large();
    for round in 1_u32.. {
        params.fill(round as f32);
        save_params(&path, &params).unwrap();
        println!("saved {round}");
    }
}

#[test]
fn a_process_killed_while_saving_leaves_the_old_or_the_new_state() {
    let (directory, path) = scratch();
    let mut interrupted = 0;
    for kill in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "checkpoint::tests::child_that_saves_for_ever",
                "--ignored",
                "--nocapture",
            ])
            .env(KILLED_PATH, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let saved =
            |line: &std::io::Result<String>| line.as_ref().is_ok_and(|line| line.contains("saved"));
        let at_least = lines.find(saved).unwrap().unwrap();
        let at_least: f32 = at_least.rsplit(' ').next().unwrap().parse().unwrap();
        // Another moment of the save each time.
        (0..kill % 40 * 5_000).for_each(|_| std::hint::spin_loop());
        child.kill().unwrap();
        child.wait().unwrap();
        interrupted += usize::from(fs::read_dir(directory.path()).unwrap().count() > 1);
        let mut params = large();
        load_params(&path, &mut params).unwrap();
        let round = params.vectors[0].1[0];
        assert!(round >= at_least);
        assert!(
            params
                .vectors
                .iter()
                .all(|(_, values)| values.iter().all(|&value| value == round))
        );
    }
    println!("{interrupted} of {KILLS} kills interrupted a save");
    assert!(interrupted > 0);
    save_params(&path, &large()).unwrap();
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}
