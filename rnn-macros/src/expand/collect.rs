//! Cells from other expansions.
//!
//! **Invariant:** each round makes one path known, so rounds end with the paths.

use std::collections::BTreeMap;

use proc_macro2::{Punct, Spacing, TokenStream};
use quote::{ToTokens, quote};

use super::invocation::Invocation;
use crate::ast::{CellExpr, CellExprKind, Item, Path, Program, StatementKind};
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

/// Calls the macro of a cell, which expands the invocation again with the cell known.
pub(super) fn ask(invocation: &Invocation, path: &Path) -> TokenStream {
    let Invocation {
        facade,
        known,
        items,
    } = invocation;
    let known = known.iter().map(|entry| entry.tokens());
    quote! {
        #path ! { @collect (#facade) { #path } { #(#known)* } { #items } }
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
