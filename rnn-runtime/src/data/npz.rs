//! Several NumPy arrays in one file (`.npz`): a ZIP archive of `.npy` files, as `numpy.savez` and `numpy.savez_compressed` write
//! them.
//!
//! **Invariant:** unpacking stops at the limit that the caller gives, whatever sizes the archive says.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::Path;

use ndarray::{ArrayD, ArrayViewD};
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::npy::{Number, decode, encode};
use crate::error::FileError;

/// Extension of members, which names of arrays do not have.
const MEMBER: &str = ".npy";

/// Reads all arrays by name, as [`read_npy`](super::read_npy) reads one. Unpacked, they may have at most `limit` bytes together.
///
/// # Errors
/// [`FileError::TooLarge`] for more, [`FileError::Malformed`] for a damaged archive or array, which is named.
pub fn read_npz<A: Number>(
    path: impl AsRef<Path>,
    limit: u64,
) -> Result<BTreeMap<String, ArrayD<A>>, FileError> {
    let path = path.as_ref();
    let file = File::open(path).map_err(|error| FileError::io("read", path, error))?;
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|error| of(path, error))?;
    let mut arrays = BTreeMap::new();
    let mut left = limit;
    let mut bytes = Vec::new();
    for index in 0..archive.len() {
        let mut member = archive.by_index(index).map_err(|error| of(path, error))?;
        let member_name = member.name().to_owned();
        let Some(name) = member_name.strip_suffix(MEMBER) else {
            let reason =
                format!("`{member_name}` is no array, expected names that end in `{MEMBER}`");
            return Err(FileError::malformed(path, reason));
        };
        bytes.clear();
        // One byte more than is left tells that there are too many.
        let read = (&mut member)
            .take(left.saturating_add(1))
            .read_to_end(&mut bytes);
        let read =
            read.map_err(|error| FileError::malformed(path, format!("`{name}`: {error}")))?;
        let Some(rest) = left.checked_sub(read as u64) else {
            return Err(FileError::TooLarge {
                path: path.to_owned(),
                limit,
                found: limit.saturating_add(1).max(limit - left + member.size()),
            });
        };
        left = rest;
        let array = decode(&bytes);
        let array =
            array.map_err(|reason| FileError::malformed(path, format!("`{name}`: {reason}")))?;
        if arrays.insert(name.to_owned(), array).is_some() {
            return Err(FileError::malformed(
                path,
                format!("`{name}` is there twice"),
            ));
        }
    }
    Ok(arrays)
}

/// Writes arrays with their names, compressed, replacing the file there. Equal arrays give equal bytes.
///
/// # Errors
/// [`FileError::Io`] when the system refuses, [`FileError::Malformed`] for a name that is given twice.
pub fn write_npz<'a, A: Number + 'a>(
    path: impl AsRef<Path>,
    arrays: impl IntoIterator<Item = (&'a str, ArrayViewD<'a, A>)>,
) -> Result<(), FileError> {
    let path = path.as_ref();
    let file = File::create(path).map_err(|error| FileError::io("create", path, error))?;
    let mut archive = ZipWriter::new(file);
    // A fixed time, so that a file depends on its content alone.
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(zip::DateTime::default())
        .large_file(true);
    let mut bytes = Vec::new();
    for (name, array) in arrays {
        bytes.clear();
        encode(array, &mut bytes).map_err(|error| FileError::malformed(path, error.to_string()))?;
        let member = format!("{name}{MEMBER}");
        archive
            .start_file(member, options)
            .map_err(|error| of(path, error))?;
        archive
            .write_all(&bytes)
            .map_err(|error| FileError::io("write", path, error))?;
    }
    archive.finish().map_err(|error| of(path, error))?;
    Ok(())
}

fn of(path: &Path, error: ZipError) -> FileError {
    match error {
        ZipError::Io(error) => FileError::io("read or write", path, error),
        other => FileError::malformed(path, other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use ndarray::{Array1, Array2, arr0, array};

    use super::*;

    const LIMIT: u64 = 1 << 20;

    #[test]
    fn arrays_come_back_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npz");
        let (x, y) = (
            array![[1.0_f32, 2.0], [3.0, 4.0]].into_dyn(),
            arr0(5.0_f32).into_dyn(),
        );
        let save = || write_npz(&path, [("x", x.view()), ("a/y", y.view())]).unwrap();
        save();
        let found = read_npz::<f32>(&path, LIMIT).unwrap();
        assert_eq!(
            found,
            BTreeMap::from([("x".to_owned(), x.clone()), ("a/y".to_owned(), y.clone())])
        );
        let bytes = fs::read(&path).unwrap();
        save();
        assert_eq!(fs::read(&path).unwrap(), bytes);
        let twice = write_npz(&path, [("x", x.view()), ("x", x.view())]);
        assert!(matches!(twice, Err(FileError::Malformed { .. })));
    }

    #[test]
    fn what_unpacks_to_more_than_the_limit_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("zeros.npz");
        let zeros = Array1::<f32>::zeros(1 << 20).into_dyn();
        write_npz(&path, [("zeros", zeros.view())]).unwrap();
        assert!(fs::metadata(&path).unwrap().len() < 1 << 14);
        let error = read_npz::<f32>(&path, LIMIT).unwrap_err();
        assert!(
            matches!(error, FileError::TooLarge { limit: LIMIT, found, .. } if found > 4 << 20),
            "{error}"
        );
        assert!(read_npz::<f32>(&path, (4 << 20) + 128).is_ok());
    }

    #[test]
    fn damaged_archives_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npz");
        let x = Array2::<f32>::from_elem((20, 20), 0.5).into_dyn();
        write_npz(&path, [("x", x.view()), ("y", x.view())]).unwrap();
        let good = fs::read(&path).unwrap();
        for cut in (0..good.len()).step_by(7) {
            fs::write(&path, &good[..cut]).unwrap();
            assert!(read_npz::<f32>(&path, LIMIT).is_err(), "{cut}");
        }
        for at in 0..good.len() {
            let mut bytes = good.clone();
            bytes[at] ^= 0x55;
            fs::write(&path, &bytes).unwrap();
            // A byte that counts for nothing, such as of a time, changes nothing; no other goes unnoticed.
            if let Ok(found) = read_npz::<f32>(&path, LIMIT) {
                assert!(found.values().all(|own| *own == x), "byte {at}");
            }
        }
        let file = File::create(&path).unwrap();
        let mut archive = ZipWriter::new(file);
        archive
            .start_file("notes.txt", SimpleFileOptions::default())
            .unwrap();
        archive.finish().unwrap();
        let error = read_npz::<f32>(&path, LIMIT).unwrap_err().to_string();
        assert!(
            error.ends_with("`notes.txt` is no array, expected names that end in `.npy`"),
            "{error}"
        );
    }
}
