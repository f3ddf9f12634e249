//! NumPy arrays (`.npy`, format 1.0 to 3.0), through `ndarray-npy`.
//!
//! **Invariant:** before anything is allocated for the values, the header is at most 64 KiB and shallow, and the bytes after it are
//! exactly those its shape and type need.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::Path;

use ndarray::{ArrayD, ArrayView, ArrayViewD, Dimension, IxDyn};
use ndarray_npy::npy::header::Header;
use ndarray_npy::{ReadNpyExt, ReadableElement, WritableElement, WriteNpyExt};

use crate::error::FileError;

/// What comes before the length of a header: a magic string and the version.
pub(super) const PREFIX: usize = 8;
/// Longest header read; NumPy writes 64 to 128 bytes.
pub(super) const HEADER_LIMIT: usize = 1 << 16;
/// Deepest nesting of brackets in a header; an honest one has two levels.
const NESTING_LIMIT: usize = 8;

/// A type of numbers that arrays are read as: `f32`, `f64`, and `u32` for tokens.
pub trait Number: WritableElement + Copy + sealed::Number {}

impl Number for f32 {}
impl Number for f64 {}
impl Number for u32 {}

mod sealed {
    pub trait Number: Sized {
        const NAME: &'static str;
        fn of_real(value: f64) -> Option<Self>;
        fn of_whole(value: i128) -> Option<Self>;
    }

    impl Number for f32 {
        const NAME: &'static str = "a number in the range of f32";

        // A finite number does not become infinite.
        fn of_real(value: f64) -> Option<Self> {
            let rounded = value as Self;
            (rounded.is_infinite() == value.is_infinite()).then_some(rounded)
        }

        fn of_whole(value: i128) -> Option<Self> {
            Some(value as Self)
        }
    }

    impl Number for f64 {
        const NAME: &'static str = "a number";

        fn of_real(value: f64) -> Option<Self> {
            Some(value)
        }

        fn of_whole(value: i128) -> Option<Self> {
            Some(value as Self)
        }
    }

    impl Number for u32 {
        const NAME: &'static str = "a whole number from 0 to 4294967295";

        fn of_real(value: f64) -> Option<Self> {
            let whole = value.fract() == 0.0 && (0.0..=f64::from(Self::MAX)).contains(&value);
            whole.then_some(value as Self)
        }

        fn of_whole(value: i128) -> Option<Self> {
            value.try_into().ok()
        }
    }
}

/// Reads an array of any shape, whatever its type of numbers: `f4`, `f8`, `i1` to `i8`, `u1` to `u8` or `bool`, in either byte
/// order, rows or columns first. Values are rounded to `f32`, or checked to be tokens.
///
/// ```no_run
/// use ndarray::{Array2, ArrayD, Ix2};
/// use rnn_runtime::data::{read_npy, write_npy};
///
/// write_npy("x.npy", Array2::<f32>::zeros((3, 4)).view())?;
/// let x: ArrayD<f32> = read_npy("x.npy")?;
/// let tokens: ArrayD<u32> = read_npy("tokens.npy")?;
/// # Ok::<(), rnn_runtime::error::FileError>(())
/// ```
///
/// # Errors
/// [`FileError::Malformed`] for a damaged file, for one of another type of elements, and for the first value that is out of range;
/// [`FileError::Io`] when the system refuses.
pub fn read_npy<A: Number>(path: impl AsRef<Path>) -> Result<ArrayD<A>, FileError> {
    let path = path.as_ref();
    let bytes = fs::read(path).map_err(|error| FileError::io("read", path, error))?;
    decode(&bytes).map_err(|reason| FileError::malformed(path, reason))
}

/// Writes an array of any strides, replacing the file there.
///
/// # Errors
/// [`FileError::Io`] when the system refuses.
pub fn write_npy<A: Number, D: Dimension>(
    path: impl AsRef<Path>,
    values: ArrayView<'_, A, D>,
) -> Result<(), FileError> {
    let path = path.as_ref();
    let file = File::create(path).map_err(|error| FileError::io("create", path, error))?;
    encode(values.into_dyn(), BufWriter::new(file)).map_err(|reason| match reason {
        ndarray_npy::WriteNpyError::Io(error) => FileError::io("write", path, error),
        other => FileError::malformed(path, other.to_string()),
    })
}

pub(super) fn encode<A: Number>(
    values: ArrayViewD<'_, A>,
    to: impl std::io::Write,
) -> Result<(), ndarray_npy::WriteNpyError> {
    values.write_npy(to)
}

/// The array in the bytes of a file.
pub(super) fn decode<A: Number>(bytes: &[u8]) -> Result<ArrayD<A>, String> {
    let text = header_text(bytes)?;
    let mut rest = bytes;
    let header = Header::from_reader(&mut rest).map_err(|error| error.to_string())?;
    let (kind, size) = kind_of(&header, text)?;
    let count = (header.shape.iter())
        .try_fold(size, |bytes: usize, dim| bytes.checked_mul(*dim))
        .filter(|_| fits(&header.shape));
    if count != Some(rest.len()) {
        let needed = count.map_or("more bytes than can be counted".to_owned(), |own| {
            format!("{own} bytes")
        });
        let found = rest.len();
        return Err(format!(
            "expected {needed} for the shape {:?}, found {found}",
            header.shape
        ));
    }
    match kind {
        "f4" => convert(bytes, |value: f32| A::of_real(f64::from(value)), f64::from),
        "f8" => convert(bytes, A::of_real, |value| value),
        "b1" => convert(
            bytes,
            |value: bool| A::of_whole(i128::from(value)),
            f64::from,
        ),
        "i1" => whole::<i8, A>(bytes),
        "i2" => whole::<i16, A>(bytes),
        "i4" => whole::<i32, A>(bytes),
        "i8" => whole::<i64, A>(bytes),
        "u1" => whole::<u8, A>(bytes),
        "u2" => whole::<u16, A>(bytes),
        "u4" => whole::<u32, A>(bytes),
        _ => whole::<u64, A>(bytes),
    }
}

// The type of the elements without its byte order, and how many bytes each has.
fn kind_of<'h>(header: &'h Header, text: &str) -> Result<(&'h str, usize), String> {
    let descriptor = header.type_descriptor.as_string().map(String::as_str);
    let Some((order, kind)) = descriptor.and_then(|own| own.split_at_checked(1)) else {
        return Err(format!(
            "expected an array of numbers, found {}",
            text.trim()
        ));
    };
    if !matches!(order, "<" | ">" | "|" | "=") {
        return Err(format!("expected a byte order, found `{order}`"));
    }
    let size = match kind {
        "b1" | "i1" | "u1" => 1,
        "i2" | "u2" => 2,
        "f4" | "i4" | "u4" => 4,
        "f8" | "i8" | "u8" => 8,
        _ => {
            return Err(format!(
                "expected an array of numbers, found the type `{order}{kind}`"
            ));
        }
    };
    Ok((kind, size))
}

/// What a file is whose first bytes these are: its header, where its values begin, and how many bytes each has.
pub(super) fn header_of(bytes: &[u8]) -> Result<(Header, usize, usize), String> {
    let text = header_text(bytes)?;
    let mut rest = bytes;
    let header = Header::from_reader(&mut rest).map_err(|error| error.to_string())?;
    let (_, size) = kind_of(&header, text)?;
    Ok((header, bytes.len() - rest.len(), size))
}

// Whether an array of this shape can be made at all: ndarray counts axes without elements too.
pub(super) fn fits(shape: &[usize]) -> bool {
    let elements = (shape.iter().filter(|dim| **dim > 0))
        .try_fold(8_usize, |bytes, dim| bytes.checked_mul(*dim));
    shape.len() <= 32 && elements.is_some_and(|bytes| isize::try_from(bytes).is_ok())
}

fn whole<N: ReadableElement + Copy + Into<i128>, A: Number>(
    bytes: &[u8],
) -> Result<ArrayD<A>, String> {
    convert(
        bytes,
        |value: N| A::of_whole(value.into()),
        |value| value.into() as f64,
    )
}

fn convert<N: ReadableElement + Copy, A: Number>(
    bytes: &[u8],
    to: impl Fn(N) -> Option<A>,
    say: impl Fn(N) -> f64,
) -> Result<ArrayD<A>, String> {
    let read = ArrayD::<N>::read_npy(bytes).map_err(|error| error.to_string())?;
    let shape = IxDyn(read.shape());
    let mut values = Vec::with_capacity(read.len());
    for (at, value) in read.iter().enumerate() {
        values.push(to(*value).ok_or_else(|| {
            format!(
                "expected {} at position {at}, found {}",
                A::NAME,
                say(*value)
            )
        })?);
    }
    ArrayD::from_shape_vec(shape, values)
        .map_err(|error| unreachable!("as many values as the array read has: {error}"))
}

/// The text of the header, which is short and has few brackets within brackets: its reader allocates what its length says, and
/// goes as deep as its brackets do.
fn header_text(bytes: &[u8]) -> Result<&str, String> {
    let short = || format!("expected a NumPy array, found {} bytes", bytes.len());
    if !bytes.starts_with(b"\x93NUMPY") {
        return Err("expected a NumPy array, which starts with `\\x93NUMPY`".to_owned());
    }
    let (Some(version), Some(after)) = (bytes.get(6), bytes.get(PREFIX..)) else {
        return Err(short());
    };
    let of = |digits: &[u8]| {
        digits
            .iter()
            .rev()
            .fold(0, |all, own| all << 8 | usize::from(*own))
    };
    let digits = if *version == 1 { 2 } else { 4 };
    let length = after.get(..digits).map(of).ok_or_else(short)?;
    if length > HEADER_LIMIT {
        return Err(format!(
            "expected a header of at most {HEADER_LIMIT} bytes, found {length}"
        ));
    }
    let text = after.get(digits..digits + length).ok_or_else(short)?;
    let text = std::str::from_utf8(text).map_err(|_| "the header is not UTF-8".to_owned())?;
    let mut depth = 0_usize;
    for character in text.chars() {
        match character {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > NESTING_LIMIT {
            return Err(format!(
                "expected at most {NESTING_LIMIT} brackets within brackets in the header"
            ));
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use ndarray::{Array0, Array2, Array3, array};
    use proptest::prelude::*;

    use super::*;

    fn bytes_of(descriptor: &str, shape: &str, order: &str, data: &[u8]) -> Vec<u8> {
        let mut header =
            format!("{{'descr': {descriptor}, 'fortran_order': {order}, 'shape': {shape}, }}")
                .into_bytes();
        header.resize((10 + header.len()).next_multiple_of(64) - 11, b' ');
        header.push(b'\n');
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header);
        bytes.extend(data);
        bytes
    }

    #[test]
    fn arrays_of_any_strides_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npy");
        let x = Array3::from_shape_fn((2, 3, 4), |(a, b, c)| (a * 100 + b * 10 + c) as f32 - 0.5);
        write_npy(&path, x.view()).unwrap();
        assert_eq!(read_npy::<f32>(&path).unwrap(), x.view().into_dyn());
        let turned = x.view().permuted_axes([2, 0, 1]);
        write_npy(&path, turned).unwrap();
        assert_eq!(
            read_npy::<f64>(&path).unwrap(),
            turned.mapv(f64::from).into_dyn()
        );
        let transposed = x.view().reversed_axes();
        write_npy(&path, transposed).unwrap();
        assert_eq!(read_npy::<f32>(&path).unwrap(), transposed.into_dyn());
        write_npy(&path, Array0::from_elem((), 7_u32).view()).unwrap();
        assert_eq!(
            read_npy::<u32>(&path).unwrap(),
            Array0::from_elem((), 7).into_dyn()
        );
        write_npy(&path, Array2::<f32>::zeros((0, 3)).view()).unwrap();
        assert_eq!(read_npy::<f32>(&path).unwrap().shape(), [0, 3]);
    }

    /// Bytes as `numpy.save` writes them for `numpy.array([[1, -2], [3, 4]], dtype)`.
    #[test]
    fn every_type_of_numbers_is_read() {
        let values = [1.0_f64, -2.0, 3.0, 4.0];
        let expected = array![[1.0_f32, -2.0], [3.0, 4.0]].into_dyn();
        let f4: Vec<u8> = values
            .iter()
            .flat_map(|v| (*v as f32).to_be_bytes())
            .collect();
        let f8: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let i2: Vec<u8> = values
            .iter()
            .flat_map(|v| (*v as i16).to_le_bytes())
            .collect();
        let i8: Vec<u8> = values
            .iter()
            .flat_map(|v| (*v as i64).to_be_bytes())
            .collect();
        let i1: Vec<u8> = values
            .iter()
            .flat_map(|v| (*v as i8).to_le_bytes())
            .collect();
        for (descriptor, data) in [
            ("'>f4'", f4),
            ("'<f8'", f8),
            ("'<i2'", i2),
            ("'>i8'", i8),
            ("'|i1'", i1.clone()),
        ] {
            let found = decode::<f32>(&bytes_of(descriptor, "(2, 2)", "False", &data)).unwrap();
            assert_eq!(found, expected, "{descriptor}");
        }
        let columns = decode::<f32>(&bytes_of("'|i1'", "(2, 2)", "True", &i1)).unwrap();
        assert_eq!(columns, array![[1.0, 3.0], [-2.0, 4.0]].into_dyn());
        let bits = decode::<u32>(&bytes_of("'|b1'", "(3,)", "False", &[1, 0, 1])).unwrap();
        assert_eq!(bits, array![1, 0, 1].into_dyn());
    }

    #[test]
    fn values_out_of_range_are_named() {
        let error = decode::<u32>(&bytes_of("'|i1'", "(2,)", "False", &[1, 254])).unwrap_err();
        assert_eq!(
            error,
            "expected a whole number from 0 to 4294967295 at position 1, found -2"
        );
        let half = 0.5_f64.to_le_bytes();
        assert!(decode::<u32>(&bytes_of("'<f8'", "(1,)", "False", &half)).is_err());
        let large = 1e300_f64.to_le_bytes();
        let error = decode::<f32>(&bytes_of("'<f8'", "()", "False", &large)).unwrap_err();
        assert!(
            error.starts_with("expected a number in the range of f32 at position 0"),
            "{error}"
        );
        let infinite = f64::INFINITY.to_le_bytes();
        assert!(
            decode::<f32>(&bytes_of("'<f8'", "()", "False", &infinite)).unwrap()[[]].is_infinite()
        );
    }

    #[test]
    fn damaged_files_are_errors_before_anything_is_allocated() {
        let huge = "(4611686018427387904, 8)";
        let empty = "(0, 9223372036854775807, 9223372036854775807)";
        let nested = "(".repeat(60_000);
        for (descriptor, shape, data, error) in [
            (
                "'<f4'",
                "(2, 2)",
                15,
                "expected 16 bytes for the shape [2, 2], found 15",
            ),
            ("'<f4'", "(2, 2)", 17, "expected 16 bytes"),
            (
                "'<f4'",
                "(1000000000000,)",
                8,
                "expected 4000000000000 bytes",
            ),
            ("'<f4'", huge, 8, "expected more bytes than can be counted"),
            ("'<f4'", empty, 0, "expected more bytes than can be counted"),
            (
                "'<U4'",
                "(1,)",
                16,
                "expected an array of numbers, found the type `<U4`",
            ),
            (
                "'|O'",
                "(1,)",
                8,
                "expected an array of numbers, found the type `|O`",
            ),
            ("'<c8'", "(1,)", 8, "expected an array of numbers"),
            ("[('a', '<f4')]", "(1,)", 4, "expected an array of numbers"),
            ("''", "(1,)", 4, ""),
            ("'é4'", "(1,)", 4, ""),
            ("'<f4'", "(-1,)", 4, ""),
            ("'<f4'", "7", 4, ""),
            ("'<f4'", &nested[..], 4, "expected at most 8 brackets"),
        ] {
            let found =
                decode::<f32>(&bytes_of(descriptor, shape, "False", &vec![0; data])).unwrap_err();
            assert!(
                found.starts_with(error),
                "{descriptor} {shape:.40}: {found}"
            );
        }
        let mut long = b"\x93NUMPY\x02\x00".to_vec();
        long.extend(u32::MAX.to_le_bytes());
        assert!(
            decode::<f32>(&long)
                .unwrap_err()
                .contains("expected a header of at most")
        );
        assert!(decode::<f32>(b"\x93NUMPY\x01").is_err());
        assert!(matches!(
            read_npy::<f32>("/nowhere/x.npy"),
            Err(FileError::Io { .. })
        ));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(at in 0..90_usize, byte in any::<u8>(), cut in 0..90_usize) {
            let mut bytes = bytes_of("'<f4'", "(2, 1)", "False", &[0; 8]);
            let place = at.min(bytes.len() - 1);
            bytes[place] = byte;
            let _ = decode::<f32>(&bytes);
            let _ = decode::<u32>(&bytes[..cut.min(bytes.len())]);
        }
    }
}
