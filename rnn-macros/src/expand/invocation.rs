//! The input of the procedural macro: where the facade is, the cells known so far, and the items.
//!
//! ```text
//! ($crate) @known { {path} {cell} {cells it uses} .. } items
//! ```
//!
//! **Invariant:** any token stream is read; what is malformed counts as items, for the parser to refuse.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::quote;

use crate::ast::{Item, ItemKind};
use crate::diagnostics::Diagnostics;
use crate::elaborate::{Known, Library, Origin};

/// Cells inside cells that are looked into.
const MAX_DEPTH: usize = 64;

/// The parts of the input.
pub(crate) struct Invocation {
    /// `$crate` of the facade.
    pub(super) facade: TokenStream,
    pub(super) known: Vec<Entry>,
    pub(super) items: TokenStream,
}

/// A cell from another expansion.
pub(crate) struct Entry {
    /// The path it is named with here.
    path: String,
    /// Nothing if its own expansion reported errors.
    item: Option<Item>,
    /// The cells it names.
    uses: Vec<Entry>,
    /// The three groups it was read from.
    tokens: TokenStream,
}

impl Invocation {
    pub(super) fn read(input: TokenStream) -> Self {
        let mut tokens: Vec<TokenTree> = input.into_iter().collect();
        let mut facade = quote!(::rnn);
        let mut known = Vec::new();
        if let Some(group) = tokens
            .first()
            .and_then(|token| group(token, Delimiter::Parenthesis))
        {
            facade = group.stream();
            tokens.remove(0);
        }
        if let [
            TokenTree::Punct(at),
            TokenTree::Ident(word),
            TokenTree::Group(group),
            ..,
        ] = tokens.as_slice()
            && at.as_char() == '@'
            && word == "known"
        {
            known = entries(group.stream(), 0);
            tokens.drain(..3);
        }
        Self {
            facade,
            known,
            items: tokens.into_iter().collect(),
        }
    }
}

/// `{path} {cell} {cells it uses}`, any number.
fn entries(tokens: TokenStream, depth: usize) -> Vec<Entry> {
    let groups: Vec<Group> = tokens
        .into_iter()
        .filter_map(|token| group(&token, Delimiter::Brace).cloned())
        .collect();
    let entry = |parts: &[Group]| {
        let [path, cell, uses] = parts else {
            return None;
        };
        let item = if depth < MAX_DEPTH {
            parse_cell(cell.stream())
        } else {
            None
        };
        Some(Entry {
            path: path_text(path.stream()),
            uses: if item.is_some() {
                entries(uses.stream(), depth + 1)
            } else {
                Vec::new()
            },
            item,
            tokens: quote!(#path #cell #uses),
        })
    };
    groups.chunks(3).filter_map(entry).collect()
}

/// The cell in these tokens; its errors were reported where it was written.
fn parse_cell(tokens: TokenStream) -> Option<Item> {
    let mut reported = Diagnostics::default();
    let mut items = crate::parse::parse(tokens, &mut reported).items;
    let item = items.pop()?;
    (items.is_empty() && reported.is_empty() && matches!(item.kind, ItemKind::Cell(_)))
        .then_some(item)
}

/// A path as [`crate::ast::Path`] prints it.
pub(super) fn path_text(tokens: TokenStream) -> String {
    tokens.into_iter().map(|token| token.to_string()).collect()
}

fn group(token: &TokenTree, delimiter: Delimiter) -> Option<&Group> {
    match token {
        TokenTree::Group(group) if group.delimiter() == delimiter => Some(group),
        _ => None,
    }
}

impl Entry {
    /// Makes the cell known under its path.
    pub(super) fn add_to<'a>(&'a self, library: &mut Library<'a>, within: Origin) {
        let Some(item) = &self.item else {
            return library.tolerate_path(within, self.path.clone());
        };
        let origin = library.namespace();
        for entry in &self.uses {
            entry.add_to(library, origin);
        }
        library.add(
            within,
            self.path.clone(),
            Known {
                item,
                origin,
                broken: false,
            },
        );
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// The groups it was read from.
    pub(super) fn tokens(&self) -> &TokenStream {
        &self.tokens
    }
}
