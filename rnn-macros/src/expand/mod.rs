//! From the tokens of an invocation to Rust items.
//!
//! An expansion may need cells that other expansions declared. It cannot look into them; but every cell is also a macro of
//! its name, which hands its tokens to whoever asks ([`cells`]). So an expansion that misses a cell expands to a call of
//! that macro, which calls `rnn_impl!` again with the cell added, until none is missing ([`envelope`]). Then each model
//! becomes its structs ([`model`]), and each cell its macro.
//!
//! **Invariant:** what is expanded names nothing but `$crate` of the facade, `::core` and `::std`, so it works under a
//! renamed dependency and without a prelude.

mod cells;
mod envelope;
mod fields;
mod model;
mod tensors;

use proc_macro2::TokenStream;

use crate::ast::ItemKind;
use crate::diagnostics::Diagnostics;
use crate::elaborate::{Library, check_cell, elaborate_model};
use cells::Outside;
use envelope::Envelope;

/// Expands an invocation of `rnn_impl!`.
pub(crate) fn expand(input: TokenStream) -> TokenStream {
    let mut diagnostics = Diagnostics::default();
    let envelope = match Envelope::read(input) {
        Ok(envelope) => envelope,
        Err(error) => return error,
    };
    let program = crate::parse::parse(envelope.items.clone(), &mut diagnostics);
    if let Some(path) = cells::missing(&program.items, &envelope.given) {
        return envelope.ask_for(&path);
    }
    let outside = Outside::read(&envelope.given);
    let mut library = Library::new(&program.items);
    outside.add_to(&mut library);
    let mut broken = Vec::new();
    for item in &program.items {
        if matches!(item.kind, ItemKind::Cell(_)) && !check_cell(item, &library, &mut diagnostics) {
            broken.push(item.name.to_string());
        }
    }
    for name in broken {
        library.mark_broken(&name);
    }
    let mut out = TokenStream::new();
    for item in &program.items {
        out.extend(match &item.kind {
            ItemKind::Cell(cell) => cells::define(item, cell, &program.items, &envelope.given),
            ItemKind::Model(_) => {
                let elaborated = elaborate_model(item, &library, &mut diagnostics);
                model::define(&envelope.facade, item, &elaborated)
            }
        });
    }
    out.extend(diagnostics.to_compile_errors());
    out
}

#[cfg(test)]
mod tests;
