//! The text form of a graph, `.rir`: one node per line, operands by id, types explicit.
//!
//! ```text
//! model Vanilla<I, H>                         ; the name, and the size parameters
//! axis batch: 1..=B                           ; axes; the batch comes first
//! axis t: 1..=T
//! file0 = "src/cells.rs"                      ; source files beside that of the model
//! %0 = input x : [batch, t] [I] @ 3:9         ; domain, shape, kind unless real, source location
//! %1 = param W ~ normal(0, 0.1) : [] [H, I]
//! %2 = matmul %1, %0 : [batch, t] [H]
//! %3 = shift t-1 %5 : [batch, t] [H]
//! %4 = add %2, %3 : [batch, t] [H]
//! %5 "h" = tanh %4 : [batch, t] [H] @ 4:9 in file0    ; the equation's name
//! output h = %5
//! ```
//!
//! An input or a parameter is its own equation unless its line says otherwise; `_` says it has no name. Names that are
//! not words are quoted. A comment runs from `;` to the end of the line.
//!
//! **Invariant:** `parse(&print(g)) == Ok(g)` for every graph that [`crate::verify`] accepts whose dims have at most
//! [`MAX_TERMS`] terms.

mod cursor;
mod parse;
mod print;

pub use cursor::ParseError;
pub use parse::{MAX_FACTORS, MAX_TERMS, MAX_TEXT, parse};
pub(crate) use print::NumberText;
pub use print::{TypeText, print};

#[cfg(test)]
mod tests;

/// Whether a size or an axis may have this name: a letter or `_`, then letters, digits and `_`, and not `_` alone.
pub fn is_identifier(name: &str) -> bool {
    let mut letters = name.chars();
    name != "_"
        && letters
            .next()
            .is_some_and(|first| first.is_alphabetic() || first == '_')
        && letters.all(|letter| letter.is_alphanumeric() || letter == '_')
}

// Whether a name stands in the text without quotes: identifiers joined by dots.
fn is_word(name: &str) -> bool {
    name.split('.').all(is_identifier)
}
