//! Lines and columns of spans.
//!
//! **Invariant:** both count from 1, as the compiler prints them.

use proc_macro2::Span;

/// Line and column of the start of a span, where the compiler tells them.
pub(crate) fn line_column(span: Span) -> Option<(usize, usize)> {
    if proc_macro::is_available() {
        let start = span.unwrap().start();
        return Some((start.line(), start.column()));
    }
    outside_of_the_compiler(span)
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
