//! The safetensors format: a JSON header, then the bytes of the tensors.
//!
//! ```text
//! 8 bytes   length n of the header, little endian
//! n bytes   {"__metadata__": {key: text}, name: {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ...}
//! rest      tensors, row-major, little endian, in the order of their offsets
//! ```
//!
//! The header is read here rather than by the `safetensors` crate because that keeps the last of two equal names and
//! writes metadata in the order of a hash map; the crate is the oracle in the tests.
//!
//! **Invariant:** after [`read_header`] names are distinct, and the tensors cover the rest of the file exactly, without
//! overlap or hole, each with the size that its shape and type need.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use ndarray::ArrayViewD;
use safetensors::tensor::{Dtype, TensorInfo};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use crate::error::{CheckpointError, MalformedReason};

/// Largest header read or written, in bytes: room for more than 100,000 tensors.
pub const HEADER_LIMIT: u64 = 16 << 20;

/// Key of the metadata in the header.
pub(super) const METADATA: &str = "__metadata__";

/// Scalars converted at a time.
const CHUNK: usize = 16 << 10;

/// Name, type and shape of a tensor in a file.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorSummary {
    /// Its key.
    pub name: String,
    /// Element type as in the header, such as `F32`.
    pub dtype: String,
    /// Sizes, row-major.
    pub shape: Vec<usize>,
}

/// One tensor of a file.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) dtype: Dtype,
    pub(super) shape: Vec<usize>,
    /// Offset of its first byte after the header.
    start: u64,
    end: u64,
}

impl Entry {
    pub(super) fn is_f32(&self) -> bool {
        self.dtype == Dtype::F32
    }

    pub(super) fn summary(&self) -> TensorSummary {
        let Self {
            name, dtype, shape, ..
        } = self;
        TensorSummary {
            name: name.clone(),
            dtype: dtype.to_string(),
            shape: shape.clone(),
        }
    }
}

/// A checked header.
#[derive(Clone, Debug)]
pub(super) struct Header {
    /// Tensors by offset.
    pub(super) entries: Vec<Entry>,
    pub(super) metadata: BTreeMap<String, String>,
    /// Position of the first byte after the header.
    data_start: u64,
}

impl Header {
    /// The position of the first byte of a tensor, and how many it has.
    pub(super) fn bytes_of(&self, entry: &Entry) -> (u64, u64) {
        (self.data_start + entry.start, entry.end - entry.start)
    }
}

/// Why a stream could not be read.
#[derive(Debug)]
pub(super) enum ReadError {
    Io(io::Error),
    Malformed(MalformedReason),
}

impl ReadError {
    /// The same with the file it happened in.
    pub(super) fn at(self, path: &Path) -> CheckpointError {
        let path = path.to_owned();
        match self {
            Self::Io(source) => CheckpointError::Io {
                action: "read",
                path,
                source,
            },
            Self::Malformed(reason) => CheckpointError::Malformed { path, reason },
        }
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<MalformedReason> for ReadError {
    fn from(reason: MalformedReason) -> Self {
        Self::Malformed(reason)
    }
}

/// The length and text of the header for `tensors`, which are stored in the order given.
pub(super) fn header_bytes(
    tensors: &[(String, ArrayViewD<'_, f32>)],
    metadata: &BTreeMap<String, String>,
) -> Result<Vec<u8>, ReadError> {
    let quote = |text: &str| serde_json::Value::from(text).to_string();
    let metadata: Vec<String> = metadata
        .iter()
        .map(|(key, value)| format!("{}:{}", quote(key), quote(value)))
        .collect();
    let mut text = format!("{{\"{METADATA}\":{{{}}}", metadata.join(","));
    let mut start = 0;
    for (name, view) in tensors {
        let end = start + view.len() * size_of::<f32>();
        let shape: Vec<String> = view.shape().iter().map(usize::to_string).collect();
        text += &format!(
            ",{}:{{\"dtype\":\"F32\",\"shape\":[{}],\"data_offsets\":[{start},{end}]}}",
            quote(name),
            shape.join(",")
        );
        start = end;
    }
    text.push('}');
    // Spaces align the tensors to eight bytes.
    let len = text.len().next_multiple_of(8);
    if len as u64 > HEADER_LIMIT {
        return Err(MalformedReason::HeaderTooLarge {
            limit: HEADER_LIMIT,
            found: len as u64,
        }
        .into());
    }
    let mut bytes = (len as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(text.as_bytes());
    bytes.resize(8 + len, b' ');
    Ok(bytes)
}

/// Writes the header and the tensors it describes.
pub(super) fn write(
    target: &mut impl Write,
    header: &[u8],
    tensors: &[(String, ArrayViewD<'_, f32>)],
) -> io::Result<()> {
    target.write_all(header)?;
    let mut bytes = Vec::with_capacity(CHUNK * size_of::<f32>());
    for (_, view) in tensors {
        for value in view {
            bytes.extend_from_slice(&value.to_le_bytes());
            if bytes.len() == bytes.capacity() {
                target.write_all(&bytes)?;
                bytes.clear();
            }
        }
    }
    target.write_all(&bytes)
}

/// Reads and checks the header of a stream of `len` bytes, from its start.
pub(super) fn read_header(source: &mut impl Read, len: u64) -> Result<Header, ReadError> {
    let truncated = |expected| MalformedReason::Truncated {
        expected,
        found: len,
    };
    if len < 8 {
        return Err(truncated(8).into());
    }
    let mut size = [0; 8];
    source.read_exact(&mut size)?;
    let size = u64::from_le_bytes(size);
    if size > HEADER_LIMIT {
        return Err(MalformedReason::HeaderTooLarge {
            limit: HEADER_LIMIT,
            found: size,
        }
        .into());
    }
    let data_start = 8 + size;
    if data_start > len {
        return Err(truncated(data_start).into());
    }
    let mut bytes = Vec::new();
    source.take(size).read_to_end(&mut bytes)?;
    let raw: RawHeader = serde_json::from_slice(&bytes)
        .map_err(|error| MalformedReason::Header(error.to_string()))?;
    if let Some(name) = raw.duplicate.or(raw.metadata.duplicate) {
        return Err(MalformedReason::DuplicateName(name).into());
    }
    let mut entries = raw.entries;
    entries.sort_by_key(|entry| (entry.start, entry.end));
    let mut end = 0;
    for entry in &entries {
        check_entry(entry, end)?;
        end = entry.end;
    }
    match data_start.checked_add(end) {
        Some(expected) if expected == len => Ok(Header {
            entries,
            metadata: raw.metadata.map,
            data_start,
        }),
        Some(expected) if expected < len => Err(MalformedReason::TrailingData {
            expected,
            found: len,
        }
        .into()),
        expected => Err(truncated(expected.unwrap_or(u64::MAX)).into()),
    }
}

fn check_entry(entry: &Entry, expected_start: u64) -> Result<(), MalformedReason> {
    let Entry {
        name,
        dtype,
        shape,
        start,
        end,
    } = entry;
    if *start != expected_start {
        return Err(MalformedReason::Offsets {
            name: name.clone(),
            expected: expected_start,
            found: *start,
        });
    }
    let Some(found) = end.checked_sub(*start) else {
        return Err(MalformedReason::Header(format!(
            "bytes of `{name}` end before they start"
        )));
    };
    let bits = shape
        .iter()
        .try_fold(dtype.bitsize() as u64, |bits, &axis| {
            bits.checked_mul(axis as u64)
        });
    let expected = bits.map(|bits| bits.div_ceil(8));
    // A zero axis hides an overflow of the others, which no array can hold.
    let non_zero = shape.iter().filter(|&&axis| axis > 0);
    let counted = non_zero
        .copied()
        .try_fold(1_usize, usize::checked_mul)
        .filter(|&count| count <= isize::MAX as usize);
    if expected != Some(found) || counted.is_none() {
        return Err(MalformedReason::Size {
            name: name.clone(),
            expected: expected.filter(|_| counted.is_some()),
            found,
        });
    }
    Ok(())
}

/// Reads the `F32` tensors of `plan`, in its order.
pub(super) fn read_all(
    source: &mut (impl Read + Seek),
    header: &Header,
    plan: &[&Entry],
) -> Result<Vec<Vec<f32>>, ReadError> {
    let mut bytes = vec![0; CHUNK * size_of::<f32>()];
    let mut all = Vec::with_capacity(plan.len());
    let mut position = header.data_start;
    source.seek(SeekFrom::Start(position))?;
    for entry in plan {
        if header.data_start + entry.start != position {
            source.seek(SeekFrom::Start(header.data_start + entry.start))?;
        }
        let mut values = Vec::with_capacity(((entry.end - entry.start) / 4) as usize);
        let mut left = (entry.end - entry.start) as usize;
        while left > 0 {
            let part = &mut bytes[..left.min(CHUNK * size_of::<f32>())];
            source.read_exact(part)?;
            let (scalars, _) = part.as_chunks::<4>();
            values.extend(scalars.iter().map(|scalar| f32::from_le_bytes(*scalar)));
            left -= part.len();
        }
        position = header.data_start + entry.end;
        all.push(values);
    }
    Ok(all)
}

/// The header as written, with the first name that appears twice.
#[derive(Default)]
struct RawHeader {
    entries: Vec<Entry>,
    metadata: TextMap,
    duplicate: Option<String>,
}

/// A map of text to text, with the first key that appears twice.
#[derive(Default)]
struct TextMap {
    map: BTreeMap<String, String>,
    duplicate: Option<String>,
}

impl<'de> Deserialize<'de> for RawHeader {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RawHeaderVisitor)
    }
}

impl<'de> Deserialize<'de> for TextMap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(TextMapVisitor)
    }
}

struct RawHeaderVisitor;

impl<'de> Visitor<'de> for RawHeaderVisitor {
    type Value = RawHeader;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawHeader, A::Error> {
        let mut raw = RawHeader::default();
        let mut names = BTreeSet::new();
        while let Some(name) = map.next_key::<String>()? {
            if !names.insert(name.clone()) && raw.duplicate.is_none() {
                raw.duplicate = Some(name.clone());
            }
            if name == METADATA {
                raw.metadata = map.next_value()?;
                continue;
            }
            let info: TensorInfo = map
                .next_value()
                .map_err(|error| A::Error::custom(format!("tensor `{name}`: {error}")))?;
            let (start, end) = info.data_offsets;
            let (dtype, shape) = (info.dtype, info.shape);
            raw.entries.push(Entry {
                name,
                dtype,
                shape,
                start: start as u64,
                end: end as u64,
            });
        }
        Ok(raw)
    }
}

struct TextMapVisitor;

impl<'de> Visitor<'de> for TextMapVisitor {
    type Value = TextMap;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of texts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<TextMap, A::Error> {
        let mut texts = TextMap::default();
        while let Some((key, value)) = map.next_entry::<String, String>()? {
            if texts.map.insert(key.clone(), value).is_some() && texts.duplicate.is_none() {
                texts.duplicate = Some(key);
            }
        }
        Ok(texts)
    }
}
