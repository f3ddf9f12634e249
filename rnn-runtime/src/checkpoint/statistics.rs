//! What the numbers of a file are like, read once from its start to its end.
//!
//! **Invariant:** memory is that of the header and one buffer, whatever the file claims.

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use safetensors::tensor::Dtype;

use super::format::{Entry, Header, TensorSummary};
use super::open;
use crate::error::CheckpointError;

/// Bytes read at a time: a multiple of the size of every element.
const BUFFER: usize = 1 << 16;

/// What the elements of a tensor are like.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistics {
    /// Those that are finite.
    pub finite: u64,
    /// Those that are NaN or infinite.
    pub not_finite: u64,
    /// Those that are zero.
    pub zeros: u64,
    /// The smallest finite one; infinity of none.
    pub smallest: f64,
    /// The largest finite one; minus infinity of none.
    pub largest: f64,
    /// The mean of the finite ones; 0 of none.
    pub mean: f64,
    /// The square root of their mean squared distance from the mean; 0 of none.
    pub deviation: f64,
}

/// Name, type and shape of every tensor of a file, in its order, and what its elements are like, for real numbers of 16, 32 and 64
/// bits.
///
/// # Errors
/// [`CheckpointError::Io`] or [`CheckpointError::Malformed`].
pub fn statistics(
    path: impl AsRef<Path>,
) -> Result<Vec<(TensorSummary, Option<Statistics>)>, CheckpointError> {
    let path = path.as_ref();
    let (mut file, header) = open(path)?;
    let mut all = Vec::with_capacity(header.entries.len());
    for entry in &header.entries {
        let own = statistics_of(&mut file, &header, entry);
        let own = own.map_err(|source| CheckpointError::Io {
            action: "read",
            path: path.to_owned(),
            source,
        })?;
        all.push((entry.summary(), own));
    }
    Ok(all)
}

fn statistics_of(
    source: &mut (impl Read + Seek),
    header: &Header,
    entry: &Entry,
) -> std::io::Result<Option<Statistics>> {
    let (size, decode): (usize, fn(&[u8]) -> f64) = match entry.dtype {
        Dtype::F64 => (8, |bytes| f64::from_le_bytes(fixed(bytes))),
        Dtype::F32 => (4, |bytes| f64::from(f32::from_le_bytes(fixed(bytes)))),
        Dtype::BF16 => (2, |bytes| {
            let bits = u32::from(u16::from_le_bytes(fixed(bytes))) << 16;
            f64::from(f32::from_bits(bits))
        }),
        Dtype::F16 => (2, |bytes| half(u16::from_le_bytes(fixed(bytes)))),
        _ => return Ok(None),
    };
    let (start, mut left) = header.bytes_of(entry);
    source.seek(SeekFrom::Start(start))?;
    let mut buffer = vec![0; BUFFER];
    let mut all = Statistics {
        finite: 0,
        not_finite: 0,
        zeros: 0,
        smallest: f64::INFINITY,
        largest: f64::NEG_INFINITY,
        mean: 0.0,
        deviation: 0.0,
    };
    // Welford 1962: the squared distances from the mean so far.
    let mut squares = 0.0;
    while left > 0 {
        let length = usize::try_from(left).unwrap_or(BUFFER).min(BUFFER);
        let piece = &mut buffer[..length];
        source.read_exact(piece)?;
        for bytes in piece.chunks_exact(size) {
            let value = decode(bytes);
            if !value.is_finite() {
                all.not_finite += 1;
                continue;
            }
            all.finite += 1;
            all.zeros += u64::from(value == 0.0);
            all.smallest = all.smallest.min(value);
            all.largest = all.largest.max(value);
            let distance = value - all.mean;
            all.mean += distance / all.finite as f64;
            squares += distance * (value - all.mean);
        }
        left -= length as u64;
    }
    all.deviation = (squares / all.finite.max(1) as f64).sqrt();
    Ok(Some(all))
}

fn fixed<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(bytes);
    out
}

// IEEE 754 binary16: sign, 5 bits of exponent, 10 bits of fraction.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    sign * match exponent {
        0 => fraction * 2.0_f64.powi(-24),
        0x1f if fraction == 0.0 => f64::INFINITY,
        0x1f => f64::NAN,
        exponent => (1.0 + fraction / 1024.0) * 2.0_f64.powi(exponent - 15),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use safetensors::tensor::TensorView;

    use super::*;

    #[test]
    fn halves_are_those_of_the_standard() {
        for (bits, value) in [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0001, 2.0_f64.powi(-24)),
            (0x3555, 0.333_251_953_125),
        ] {
            assert_eq!(half(bits), value);
        }
        assert!(half(0x7c00).is_infinite() && half(0x7e00).is_nan());
    }

    #[test]
    fn numbers_of_every_real_type_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.safetensors");
        let reals: Vec<u8> = [1.0_f32, -3.0, 0.0, f32::NAN]
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        let large: Vec<u8> = (0..100_000)
            .flat_map(|at| f64::from(at % 2).to_le_bytes())
            .collect();
        let tensors: HashMap<&str, TensorView<'_>> = [
            (
                "a",
                TensorView::new(Dtype::F32, vec![2, 2], &reals).unwrap(),
            ),
            (
                "b",
                TensorView::new(Dtype::F64, vec![100_000], &large).unwrap(),
            ),
            (
                "c",
                TensorView::new(Dtype::BF16, vec![1], &[0x80, 0x3f]).unwrap(),
            ),
            (
                "d",
                TensorView::new(Dtype::I32, vec![1], &[1, 0, 0, 0]).unwrap(),
            ),
            ("e", TensorView::new(Dtype::F32, vec![0], &[]).unwrap()),
        ]
        .into();
        safetensors::serialize_to_file(tensors, None, &path).unwrap();
        let all = statistics(&path).unwrap();
        let of = |name: &str| {
            let found = all.iter().find(|(tensor, _)| tensor.name == name);
            found.and_then(|(_, own)| own.clone())
        };
        let a = of("a").unwrap();
        assert_eq!(
            (a.finite, a.not_finite, a.zeros, a.smallest, a.largest),
            (3, 1, 1, -3.0, 1.0)
        );
        assert!(
            (a.mean + 2.0 / 3.0).abs() < 1e-12
                && (a.deviation - (26.0_f64 / 9.0).sqrt()).abs() < 1e-12
        );
        let b = of("b").unwrap();
        assert!((b.mean - 0.5).abs() < 1e-9 && (b.deviation - 0.5).abs() < 1e-9);
        assert_eq!(of("c").unwrap().mean, 1.0);
        assert_eq!(of("d"), None);
        assert_eq!(of("e").unwrap().finite, 0);
    }
}
