//! The `rnn!` macro: recurrence equations to checked IR and typed structs.
//!
//! ```text
//! tokens --parse--> ast --elaborate--> rnn_ir::Graph --expand--> Rust items
//!            |              |
//!            +--------------+--> diagnostics --> compile_error!
//! ```
//!
//! **Invariant:** expansion is a function of the tokens alone; it reads no file, no environment and no clock.

#![forbid(unsafe_code)]

#[allow(dead_code, reason = "elaboration reads it")]
mod ast;
#[allow(dead_code, reason = "elaboration uses it")]
mod diagnostics;
#[allow(dead_code, reason = "expansion uses it")]
mod elaborate;
mod parse;

use diagnostics::Diagnostics;

/// Compiles cells and models written as recurrence equations.
#[proc_macro]
pub fn rnn(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let mut diagnostics = Diagnostics::default();
    parse::parse(input.into(), &mut diagnostics);
    diagnostics.to_compile_errors().into()
}
