//! What survives a save and a load ([`content`]), what is refused ([`damage`]), and that nothing is half done
//! ([`interruption`]).

mod content;
mod damage;
mod interruption;

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use crate::error::MalformedReason;
use crate::fixture::Tiny;

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
