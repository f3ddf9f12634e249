//! Tests of the parser: trees of right sources, errors of wrong ones, and any tokens at all.

pub(crate) mod errors;
mod random;
mod reference;
mod trees;

use std::str::FromStr;

use proc_macro2::TokenStream;

use super::parse;
use crate::ast::Program;
use crate::diagnostics::Diagnostics;

/// Parses source text, which must at least be Rust tokens.
fn parse_text(source: &str) -> (Program, Diagnostics) {
    let tokens = TokenStream::from_str(source).expect("source is Rust tokens");
    let mut diagnostics = Diagnostics::default();
    let program = parse(tokens, &mut diagnostics);
    assert!(
        diagnostics.inside(source),
        "an error lies outside the input:\n{source}"
    );
    (program, diagnostics)
}
