//! Lines, columns and files of spans.
//!
//! **Invariant:** lines and columns count from 1, and a file is named, as the compiler prints them.

use proc_macro2::Span;

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
