//! Files that are replaced in one step.
//!
//! A save writes `.<name>.<process>-<count>.tmp` beside the target, syncs it, renames it over the target, and syncs the
//! directory. The temporary file is locked while its writer lives, so the next save can tell those of dead writers and
//! removes them.
//!
//! **Invariant:** only the target and files called `.<name>.<digits>-<digits>.tmp` beside it are ever touched.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::CheckpointError;

/// Temporary names tried before giving up; a name is lost only to a save that cleans up at that very moment.
const ATTEMPTS: usize = 16;

static COUNT: AtomicU64 = AtomicU64::new(0);

/// Opens a regular file and gives its length; never blocks on a pipe or a device.
pub(super) fn open(path: &Path) -> Result<(File, u64), CheckpointError> {
    let failed = |source| CheckpointError::Io {
        action: "open",
        path: path.to_owned(),
        source,
    };
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(CheckpointError::NotAFile {
            path: path.to_owned(),
        });
    }
    let file = File::open(path).map_err(failed)?;
    let len = file.metadata().map_err(failed)?.len();
    Ok((file, len))
}

/// Replaces the file at `path` by what `write` writes.
pub(super) fn replace(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>,
) -> Result<(), CheckpointError> {
    let failed = |action| {
        move |source| CheckpointError::Io {
            action,
            path: path.to_owned(),
            source,
        }
    };
    let is_other = fs::metadata(path).is_ok_and(|metadata| !metadata.is_file());
    let Some(name) = path.file_name().filter(|_| !is_other) else {
        return Err(CheckpointError::NotAFile {
            path: path.to_owned(),
        });
    };
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    remove_abandoned(directory, name);
    let (file, temporary) =
        create_temporary(directory, name).map_err(failed("create a temporary file beside"))?;
    let cleanup = Cleanup { path: &temporary };
    let mut writer = BufWriter::new(&file);
    write(&mut writer)
        .and_then(|()| writer.flush())
        .map_err(failed("write"))?;
    file.sync_all().map_err(failed("sync"))?;
    fs::rename(&temporary, path).map_err(failed("replace"))?;
    std::mem::forget(cleanup);
    sync_directory(directory).map_err(failed("sync the directory of"))
}

/// Removes a temporary file that was not renamed.
struct Cleanup<'a> {
    path: &'a Path,
}

impl Drop for Cleanup<'_> {
    fn drop(&mut self) {
        // The error that led here is the one to report.
        let _ = fs::remove_file(self.path);
    }
}

/// A new, locked temporary file beside `name`.
fn create_temporary(directory: &Path, name: &OsStr) -> io::Result<(File, PathBuf)> {
    let mut last = None;
    for _ in 0..ATTEMPTS {
        let mut temporary = OsString::from(".");
        temporary.push(name);
        temporary.push(format!(
            ".{}-{}.tmp",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        ));
        let path = directory.join(temporary);
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            // A file system without locks still writes; only the removal of abandoned files is lost.
            Ok(file) => match file.try_lock() {
                Err(fs::TryLockError::WouldBlock) => continue,
                Ok(()) if !path.exists() => continue,
                _ => return Ok((file, path)),
            },
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => last = Some(error),
            Err(error) => return Err(error),
        }
    }
    Err(last.unwrap_or_else(|| io::Error::other("temporary files vanish as soon as they are made")))
}

/// Removes temporary files whose writers died. Failing to is no error.
fn remove_abandoned(directory: &Path, name: &OsStr) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for entry in entries.flatten() {
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if !is_file || !is_temporary(&entry.file_name(), name) {
            continue;
        }
        if let Ok(file) = File::open(entry.path())
            && file.try_lock().is_ok()
        {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Whether `candidate` is `.<name>.<digits>-<digits>.tmp`.
fn is_temporary(candidate: &OsStr, name: &OsStr) -> bool {
    let all_digits = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let middle = candidate
        .as_encoded_bytes()
        .strip_prefix(b".")
        .and_then(|rest| rest.strip_prefix(name.as_encoded_bytes()))
        .and_then(|rest| rest.strip_prefix(b"."))
        .and_then(|rest| rest.strip_suffix(b".tmp"));
    middle.is_some_and(|middle| {
        let mut parts = middle.splitn(2, |&byte| byte == b'-');
        parts.next().is_some_and(all_digits) && parts.next().is_some_and(all_digits)
    })
}

#[cfg(unix)]
fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Directories cannot be opened here; the rename is left to the file system's own journal.
#[cfg(not(unix))]
fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_module_are_temporary() {
        let is = |candidate: &str| is_temporary(OsStr::new(candidate), OsStr::new("m.st"));
        assert!(is(".m.st.12-0.tmp"));
        for other in [
            "m.st",
            ".m.st.tmp",
            ".m.st.12.tmp",
            ".m.st.a-0.tmp",
            ".m.st.-.tmp",
            ".n.st.1-1.tmp",
            "m.st.1-1.tmp",
        ] {
            assert!(!is(other), "{other}");
        }
    }
}
