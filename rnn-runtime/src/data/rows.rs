//! Rows of a NumPy array that stays on the disk.
//!
//! **Invariant:** what is read at once is the header, or the rows that are asked for.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use ndarray::ArrayD;
use ndarray_npy::npy::header::{Header, Layout};

use super::npy::{HEADER_LIMIT, Number, PREFIX, decode, fits, header_of};
use crate::error::FileError;

/// Most rows that an error names.
const SAID: usize = 8;

/// A `.npy` of which rows, along its first axis, are read when they are asked for: examples of a file larger than memory.
///
/// ```no_run
/// # use ndarray::{Array2, ArrayD, ArrayView2, ArrayViewD, Axis, Ix2, Ix3};
/// # use rnn_runtime::data::{NpyRows, read_npy};
/// # use rnn_runtime::ragged::LengthBatches;
/// # use rnn_runtime::train::{AnyError, Gathered, Ordered, Shuffled};
/// # use rnn_runtime::{Batch, Model, Run, Trainer};
/// # fn example<M: Model>(
/// #     trainer: &mut Trainer<M>,
/// #     lay_out: impl for<'b> Fn(&'b ArrayD<f32>) -> (Batch<'b, M::Inputs<'b>, M::State>, M::Targets<'b>),
/// # ) -> Result<(), AnyError> {
/// let mut x = NpyRows::open("series.npy")?; // [examples, T, I]
/// let (count, steps) = (x.len(), x.shape()[1]);
/// // |x| (FollowInputs { x: BatchFirst(x.view()).into() }.into_batch(), ..)
/// let examples = Gathered::of::<M>(count, |rows| Ok(x.rows(rows)?), lay_out);
/// let order = Shuffled::new(LengthBatches::new(&vec![steps; count], 32)?, 42);
/// trainer.fit(&mut Ordered::new(examples, order)?, None, Run::epochs(10))?;
/// # Ok(())
/// # }
/// ```
///
/// Types of numbers are those of [`read_npy`](super::read_npy). A run goes on with a file that has changed, unless its fingerprint is told
/// by [`made_of`](crate::train::Gathered::made_of).
#[derive(Debug)]
pub struct NpyRows {
    path: PathBuf,
    file: File,
    header: Header,
    /// Where the values begin, in bytes.
    start: u64,
    /// Bytes of a row.
    row: usize,
}

impl NpyRows {
    /// Opens an array with at least one axis, and reads its header.
    ///
    /// # Errors
    /// [`FileError::Malformed`] for a file that is no such array, or has other bytes than its shape needs, and for one whose columns come
    /// first; [`FileError::Io`] when the system refuses.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, FileError> {
        let path = path.as_ref();
        let mut file = File::open(path).map_err(|error| FileError::io("open", path, error))?;
        let io = |error| FileError::io("read", path, error);
        let bytes = file.metadata().map_err(io)?.len();
        let mut first = Vec::new();
        let longest = (PREFIX + 4 + HEADER_LIMIT) as u64;
        file.by_ref()
            .take(longest)
            .read_to_end(&mut first)
            .map_err(io)?;
        let wrong = |reason: String| FileError::malformed(path, reason);
        let (header, start, size) = header_of(&first).map_err(wrong)?;
        let shape = &header.shape;
        let Some((count, rest)) = shape.split_first() else {
            return Err(wrong(
                "expected an array with rows, found a number".to_owned(),
            ));
        };
        if header.layout.is_fortran() {
            return Err(wrong(
                "expected an array whose rows come first, found `fortran_order`; save `numpy.ascontiguousarray` of it".to_owned(),
            ));
        }
        let row = (rest.iter())
            .try_fold(size, |bytes: usize, dim| bytes.checked_mul(*dim))
            .filter(|_| fits(shape));
        let needed = row.and_then(|row| row.checked_mul(*count)?.checked_add(start));
        match (row, needed) {
            (Some(row), Some(needed)) if needed as u64 == bytes => Ok(Self {
                path: path.to_owned(),
                start: start as u64,
                file,
                header,
                row,
            }),
            (_, needed) => {
                let needed = needed.map_or("more bytes than can be counted".to_owned(), |own| {
                    format!("{own} bytes")
                });
                Err(wrong(format!(
                    "expected {needed} for the shape {shape:?}, found {bytes}"
                )))
            }
        }
    }

    /// Rows.
    pub fn len(&self) -> usize {
        self.header.shape.first().copied().unwrap_or(0)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The shape of the array, rows first.
    pub fn shape(&self) -> &[usize] {
        &self.header.shape
    }

    /// Reads some rows, in this order: `[rows, ..]`.
    ///
    /// # Errors
    /// [`FileError::Malformed`] for a row that there is not, and for the first value that is out of the range of `A`; [`FileError::Io`] when
    /// the system refuses, or the file has become shorter.
    pub fn rows<A: Number>(&mut self, rows: &[usize]) -> Result<ArrayD<A>, FileError> {
        let (path, count) = (&self.path, self.len());
        if let Some(row) = rows.iter().find(|row| **row >= count) {
            let reason = format!("expected one of {count} rows, counted from 0, found {row}");
            return Err(FileError::malformed(path, reason));
        }
        let mut shape = self.header.shape.clone();
        shape[0] = rows.len();
        let header = Header {
            type_descriptor: self.header.type_descriptor.clone(),
            layout: Layout::Standard,
            shape,
        };
        let wrong = |reason: String| FileError::malformed(path, reason);
        // An array of its own, of these rows.
        let mut bytes = header
            .to_bytes()
            .map_err(|error| wrong(error.to_string()))?;
        for row in rows {
            let io = |error| FileError::io("read", path, error);
            // Less than the length of the file.
            let at = self.start + (*row as u64) * (self.row as u64);
            self.file.seek(SeekFrom::Start(at)).map_err(io)?;
            let begin = bytes.len();
            bytes.resize(begin + self.row, 0);
            self.file.read_exact(&mut bytes[begin..]).map_err(io)?;
        }
        decode(&bytes).map_err(|reason| {
            let (first, more) = (
                &rows[..rows.len().min(SAID)],
                rows.len().saturating_sub(SAID),
            );
            let more = match more {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            FileError::malformed(path, format!("in rows {first:?}{more}: {reason}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array0, Array2, Array3, Axis, ShapeBuilder};

    use super::*;
    use crate::data::write_npy;

    #[test]
    fn rows_are_those_of_the_whole_array_in_any_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npy");
        let x = Array3::from_shape_fn((5, 3, 2), |(a, b, c)| (a * 100 + b * 10 + c) as f64);
        write_npy(&path, x.view()).unwrap();
        let mut file = NpyRows::open(&path).unwrap();
        assert_eq!((file.len(), file.shape()), (5, &[5, 3, 2][..]));
        for rows in [&[4, 0, 4][..], &[], &[0, 1, 2, 3, 4], &[3]] {
            let expected = x
                .select(Axis(0), rows)
                .mapv(|value| value as f32)
                .into_dyn();
            assert_eq!(file.rows::<f32>(rows).unwrap(), expected);
        }
        assert_eq!(file.rows::<u32>(&[1]).unwrap()[[0, 2, 1]], 121);
    }

    #[test]
    fn what_cannot_be_read_row_by_row_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npy");
        let told = |path: &Path| NpyRows::open(path).unwrap_err().to_string();
        assert!(told(&path).contains("cannot open"));
        write_npy(&path, Array0::from_elem((), 7_u32).view()).unwrap();
        assert!(told(&path).contains("expected an array with rows"));
        write_npy(&path, Array2::<f32>::zeros((3, 2).f()).view()).unwrap();
        assert!(told(&path).contains("numpy.ascontiguousarray"));
        let mut x = Array2::<f64>::zeros((3, 2));
        x[[2, 0]] = 0.5;
        write_npy(&path, x.view()).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            assert!(NpyRows::open(&path).is_err(), "{length}");
        }
        std::fs::write(&path, &whole).unwrap();
        let mut file = NpyRows::open(&path).unwrap();
        let told = |result: Result<ArrayD<u32>, FileError>| result.unwrap_err().to_string();
        assert!(
            told(file.rows(&[0, 3])).contains("expected one of 3 rows, counted from 0, found 3")
        );
        let many = told(file.rows(&[2; 11]));
        assert!(
            many.contains("2, 2, 2, 2, 2, 2, 2, 2] and 3 more:"),
            "{many}"
        );
        let fraction = told(file.rows(&[0, 2]));
        assert!(
            fraction.contains("x.npy: in rows [0, 2]: expected a whole number"),
            "{fraction}"
        );
        // The file shrinks under the reader.
        std::fs::write(&path, &whole[..whole.len() - 9]).unwrap();
        assert!(told(file.rows(&[2])).contains("cannot read"));
    }
}
