//! Names for `perf`: `/tmp/perf-<pid>.map`, where it looks up addresses that no file of the process has.
//!
//! A line is `address size name`, hexadecimal, such as `7f2c10 2a0 rnn::CharLm::loss::cluster_12[i,f,g,o,c,h]`. Lines of code
//! that has been freed stay; `perf` takes the last one for an address.
//!
//! **Invariant:** the lines of a program are written as one piece, after its code is in place.

use super::report::Emitted;
use crate::error::JitError;
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};

/// The file that `perf` reads for this process.
pub fn perf_map_path() -> String {
    format!("/tmp/perf-{}.map", std::process::id())
}

/// Adds the functions of a program.
pub(super) fn write(model: &str, program: &str, functions: &[Emitted]) -> Result<(), JitError> {
    static WRITING: Mutex<()> = Mutex::new(());
    let mut lines = String::new();
    for Emitted {
        name,
        address,
        bytes,
        ..
    } in functions
    {
        // Writing to a string does not fail.
        let _ = writeln!(
            lines,
            "{address:x} {bytes:x} rnn::{model}::{program}::{name}"
        );
    }
    let path = perf_map_path();
    let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let file = OpenOptions::new().append(true).create(true).open(&path);
    file.and_then(|mut file| file.write_all(lines.as_bytes()))
        .map_err(|source| JitError::PerfMap { path, source })
}
