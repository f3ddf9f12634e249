//! The `rnn!` macro: recurrence equations to checked IR and typed structs.
//!
//! ```text
//! tokens --parse--> ast --elaborate--> rnn_ir::Graph --expand--> Rust items
//!            |              |
//!            +--------------+--> diagnostics --> compile_error!
//! ```
//!
//! **Invariant:** expansion is a function of the tokens and their places alone; it reads no file, no environment and no
//! clock.

#![forbid(unsafe_code)]

mod ast;
mod diagnostics;
mod elaborate;
mod expand;
mod parse;
#[cfg(test)]
mod reference;

/// Compiles cells and models written as recurrence equations. The `rnn` crate's `rnn!` forwards to it.
#[proc_macro]
pub fn rnn_impl(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    expand::expand(input.into()).into()
}
