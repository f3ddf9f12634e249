//! Tokens to syntax tree.
//!
//! A precedence-climbing parser over token trees. `@` is no Rust operator, so Rust's own expression grammar is of no use.
//! Token groups are already matched, which makes recovery simple: an error inside a group ends there, an error between
//! groups ends at the next `;`, and parsing goes on behind it with an error node in the tree.
//!
//! **Invariant:** for any token stream the parser returns, every error lies inside the input, and recursion is bounded by
//! [`MAX_NESTING`] groups.

mod cursor;
mod declaration;
mod expression;
mod item;
mod name;
mod parser;
mod size;
mod statement;
#[cfg(test)]
pub(crate) mod tests;

use proc_macro2::TokenStream;

use crate::ast::Program;
use crate::diagnostics::Diagnostics;
pub(crate) use name::is_name;
use parser::Parser;

/// Groups inside groups the parser enters; one more is an error.
pub(crate) const MAX_NESTING: usize = 64;

/// Parses the contents of `rnn! { .. }`, reporting every error.
pub(crate) fn parse(tokens: TokenStream, diagnostics: &mut Diagnostics) -> Program {
    Parser::new(tokens, diagnostics).program()
}
