//! One expansion: input tokens to Rust items.
//!
//! The facade's `rnn!` forwards `($crate) items`. Cells that are not among the items are asked for one at a time: the
//! expansion becomes a call of the cell's own macro, which calls [`expand`] again with the cell added to what is known. In
//! the last of these expansions everything is known, and the items are checked and emitted.
//!
//! **Invariant:** all paths in the output start at the facade or at `::core` and `::std`; no name has to be in scope. With
//! errors the output still defines every type of the models, so that only what is wrong is reported.

mod cell;
mod collect;
mod fields;
mod invocation;
mod model;
mod structs;
#[cfg(test)]
mod tests;

use proc_macro2::TokenStream;

use crate::ast::ItemKind;
use crate::diagnostics::Diagnostics;
use crate::elaborate::{Library, check_cell, elaborate_model};
use invocation::Invocation;

/// Expands the input of the procedural macro.
pub(crate) fn expand(input: TokenStream) -> TokenStream {
    let mut diagnostics = Diagnostics::default();
    let invocation = Invocation::read(input);
    let program = crate::parse::parse(invocation.items.clone(), &mut diagnostics);
    let mut library = Library::new(&program.items);
    for entry in &invocation.known {
        entry.add_to(&mut library, Library::HERE);
    }
    if diagnostics.is_empty()
        && let Some(path) = collect::unknown_cell(&program, &library)
    {
        return collect::ask(&invocation, path);
    }
    // With a syntax error, cells that were not asked for are no errors.
    library.tolerate(collect::paths(&program));

    let mut output = TokenStream::new();
    for item in program
        .items
        .iter()
        .filter(|item| matches!(item.kind, ItemKind::Cell(_)))
    {
        if !check_cell(item, &library, &mut diagnostics) {
            library.mark_broken(&item.name.to_string());
        }
    }
    for item in &program.items {
        match item.kind {
            ItemKind::Cell(_) => output.extend(cell::emit(item, &library, &invocation)),
            ItemKind::Model(_) => {
                let elaborated = elaborate_model(item, &library, &mut diagnostics);
                output.extend(model::emit(item, &elaborated, &invocation.facade));
            }
        }
    }
    output.extend(diagnostics.to_compile_errors());
    output
}
