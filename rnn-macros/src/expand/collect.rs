//! Cells from other expansions.
//!
//! **Invariant:** each round makes one path known, so rounds end with the paths.

use std::collections::BTreeMap;

use proc_macro2::{Punct, Spacing, TokenStream};
use quote::{ToTokens, quote};

use crate::ast::{CellExpr, CellExprKind, Item, ItemKind, Path, Program, StatementKind};
use crate::elaborate::Library;

/// The first path to a cell that is not known.
pub(super) fn unknown_cell<'a>(program: &'a Program, library: &Library<'_>) -> Option<&'a Path> {
    let named = program.items.iter().flat_map(cells_of);
    named
        .into_iter()
        .find(|path| !library.knows(Library::HERE, &path.to_string()))
}

/// All paths to cells, as text.
pub(super) fn paths(program: &Program) -> Vec<String> {
    program
        .items
        .iter()
        .flat_map(cells_of)
        .map(ToString::to_string)
        .collect()
}

/// The paths that the layers of an item name, in order, each once.
pub(super) fn cells_of(item: &Item) -> Vec<&Path> {
    let mut seen = BTreeMap::new();
    let mut found = Vec::new();
    for statement in &item.body {
        if let StatementKind::Layer(layer) = &statement.kind
            && let Some(path) = cell_of(&layer.cell)
            && seen.insert(path.to_string(), ()).is_none()
        {
            found.push(path);
        }
    }
    found
}

fn cell_of(mut cell: &CellExpr) -> Option<&Path> {
    loop {
        match &cell.kind {
            CellExprKind::Instance { path, .. } => return Some(path),
            CellExprKind::Combined { inner, .. } => cell = inner,
            CellExprKind::Error => return None,
        }
    }
}

/// The cells that need nothing unknown, and the items that do.
pub(super) fn ready<'a>(
    program: &'a Program,
    library: &Library<'_>,
) -> (Vec<&'a Item>, Vec<&'a Item>) {
    let is_cell = |item: &&Item| matches!(item.kind, ItemKind::Cell(_));
    let (mut ready, mut waiting): (Vec<&Item>, Vec<&Item>) =
        program.items.iter().partition(is_cell);
    // A cell waits if it names one that is not known, or one that waits.
    loop {
        let waits = |item: &&Item| {
            cells_of(item).into_iter().any(|path| {
                let text = path.to_string();
                let named = |other: &&Item| other.name == text.as_str();
                !library.knows(Library::HERE, &text) || waiting.iter().any(named)
            })
        };
        let (more, rest): (Vec<&Item>, Vec<&Item>) = ready.iter().copied().partition(waits);
        if more.is_empty() {
            return (rest, waiting);
        }
        // In the order they were written.
        waiting.extend(more);
        waiting.sort_by_key(|item| {
            program
                .items
                .iter()
                .position(|other| std::ptr::eq(other, *item))
        });
        ready = rest;
    }
}

/// Calls the macro of a cell, which expands the items again with the cell known.
pub(super) fn ask(
    facade: &TokenStream,
    path: &Path,
    known: &TokenStream,
    items: Vec<&Item>,
) -> TokenStream {
    let items = items.into_iter().map(|item| &item.tokens);
    quote! {
        #path ! { @collect (#facade) { #path } { #known } { #(#items)* } }
    }
}

impl ToTokens for Path {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let separator = |span, tokens: &mut TokenStream| {
            for spacing in [Spacing::Joint, Spacing::Alone] {
                let mut colon = Punct::new(':', spacing);
                colon.set_span(span);
                colon.to_tokens(tokens);
            }
        };
        if let Some(span) = self.leading {
            separator(span, tokens);
        }
        for (at, segment) in self.segments.iter().enumerate() {
            if at > 0 {
                separator(segment.span(), tokens);
            }
            segment.to_tokens(tokens);
        }
    }
}
