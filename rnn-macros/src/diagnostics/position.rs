//! Lines, columns and files of spans.
//!
//! **Invariant:** lines and columns count from 1, and a file is named, as the compiler prints them.

use proc_macro2::Span;
use std::path::Path;

/// Line and column of the start of a span, where the compiler tells them.
pub(crate) fn line_column(span: Span) -> Option<(usize, usize)> {
    if proc_macro::is_available() {
        let start = span.unwrap().start();
        return Some((start.line(), start.column()));
    }
    outside_of_the_compiler(span)
}

/// The file of a span, where the compiler tells it.
pub(crate) fn file(span: Span) -> Option<String> {
    proc_macro::is_available().then(|| span.unwrap().file())
}

/// A file as it is named within its crate, with the crate's folder where the compiler names it from the root of a disk, so that a
/// model is the same on every machine: `cells-1.2.0/src/gru.rs`.
pub(crate) fn within_its_crate(file: &str) -> String {
    if !Path::new(file).is_absolute() {
        return file.to_owned();
    }
    let parts: Vec<&str> = file.split(['/', '\\']).collect();
    let source = parts.iter().rposition(|part| *part == "src");
    // Of a crate without such a folder, the file and what it is in.
    let first = source.unwrap_or(parts.len() - 1).saturating_sub(1);
    parts[first..].join("/")
}

#[cfg(test)]
#[expect(clippy::unnecessary_wraps, reason = "outside of tests there is none")]
fn outside_of_the_compiler(span: Span) -> Option<(usize, usize)> {
    let start = span.start();
    Some((start.line, start.column + 1))
}

#[cfg(not(test))]
fn outside_of_the_compiler(_: Span) -> Option<(usize, usize)> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn a_file_is_named_from_the_folder_of_its_crate() {
        for (file, expected) in [
            ("src/cells/gru.rs", "src/cells/gru.rs"),
            ("tests/forms/main.rs", "tests/forms/main.rs"),
            (
                "/home/me/.cargo/registry/src/index-1/cells-1.2.0/src/gated/gru.rs",
                "cells-1.2.0/src/gated/gru.rs",
            ),
            ("/opt/cells/lib.rs", "cells/lib.rs"),
            ("/lib.rs", "/lib.rs"),
        ] {
            assert_eq!(within_its_crate(file), expected, "{file}");
        }
    }
}
