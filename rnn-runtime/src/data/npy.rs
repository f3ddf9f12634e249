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
mod tests;
