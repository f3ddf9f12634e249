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

use crate::ast::{Item, ItemKind, Path, Program};
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
        let path = path.clone();
        return ask(&path, &program, library, &invocation, diagnostics);
    }
    // With a syntax error, cells that were not asked for are no errors.
    library.tolerate(collect::paths(&program));

    let mut output = TokenStream::new();
    let cells = program
        .items
        .iter()
        .filter(|item| matches!(item.kind, ItemKind::Cell(_)));
    check_cells(cells, &mut library, &mut diagnostics);
    for item in &program.items {
        match item.kind {
            ItemKind::Cell(_) => output.extend(cell::emit(item, &library, &invocation)),
            ItemKind::Model(_) => {
                let elaborated = elaborate_model(item, &library, &mut diagnostics);
                let remarked = diagnostics.remarks_on(item);
                output.extend(model::emit(item, &elaborated, remarked, &invocation.facade));
            }
        }
    }
    output.extend(diagnostics.to_warnings());
    output.extend(diagnostics.to_compile_errors());
    output
}

/// Asks for a cell that is not known. The cells here that do not wait for it are emitted before, so that the compiler can
/// propose one of them if it does not find the name.
fn ask<'a>(
    path: &Path,
    program: &'a Program,
    mut library: Library<'a>,
    invocation: &Invocation,
    mut diagnostics: Diagnostics,
) -> TokenStream {
    let (ready, waiting) = collect::ready(program, &library);
    check_cells(ready.iter().copied(), &mut library, &mut diagnostics);
    let mut output = TokenStream::new();
    let mut known: TokenStream = invocation
        .known
        .iter()
        .map(|entry| entry.tokens().clone())
        .collect();
    for item in ready {
        output.extend(cell::emit(item, &library, invocation));
        known.extend(cell::entry(item, &library, invocation));
    }
    output.extend(collect::ask(&invocation.facade, path, &known, waiting));
    output.extend(diagnostics.to_warnings());
    output.extend(diagnostics.to_compile_errors());
    output
}

fn check_cells<'a>(
    cells: impl Iterator<Item = &'a Item>,
    library: &mut Library<'a>,
    diagnostics: &mut Diagnostics,
) {
    for item in cells {
        if !check_cell(item, library, diagnostics) {
            library.mark_broken(&item.name.to_string());
        }
    }
}
