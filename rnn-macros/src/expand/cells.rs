//! Cells across expansions: which are missing, how they are handed over, and the macro that each becomes.
//!
//! **Invariant:** a cell's macro carries every cell that it uses, so whoever gets it needs nothing else.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

use super::envelope::{Closure, Given};
use crate::ast::{Cell, CellExpr, CellExprKind, Item, ItemKind, Path, StatementKind, Visibility};
use crate::diagnostics::{Diagnostics, line_column};
use crate::elaborate::{Known, Library};

/// The paths of the cells that an item's layers name, in order.
fn used(item: &Item) -> Vec<&Path> {
    fn collect<'a>(cell: &'a CellExpr, out: &mut Vec<&'a Path>) {
        match &cell.kind {
            CellExprKind::Instance { path, .. } => out.push(path),
            CellExprKind::Combined { inner, .. } => collect(inner, out),
            CellExprKind::Error => {}
        }
    }
    let mut out = Vec::new();
    for statement in &item.body {
        if let StatementKind::Layer(layer) = &statement.kind {
            collect(&layer.cell, &mut out);
        }
    }
    out
}

fn local<'a>(items: &'a [Item], path: &Path) -> Option<&'a Item> {
    let text = path.to_string();
    items
        .iter()
        .find(|item| matches!(item.kind, ItemKind::Cell(_)) && item.name == text)
}

/// The first cell that is neither declared here nor handed over.
pub(crate) fn missing(items: &[Item], given: &[Given]) -> Option<Path> {
    let known = |path: &Path| {
        local(items, path).is_some() || given.iter().any(|given| given.path == path.to_string())
    };
    items
        .iter()
        .flat_map(used)
        .find(|path| !known(path))
        .cloned()
}

/// Cells that were handed over, parsed.
pub(crate) struct Outside {
    cells: Vec<Parsed>,
}

struct Parsed {
    path: String,
    item: Option<Item>,
    uses: Vec<Parsed>,
}

impl Outside {
    /// Parses what was handed over; it was checked where it was written.
    pub(crate) fn read(given: &[Given]) -> Self {
        Self {
            cells: given.iter().map(Parsed::read).collect(),
        }
    }

    /// Makes the cells known under the paths they were asked for with.
    pub(crate) fn add_to<'a>(&'a self, library: &mut Library<'a>) {
        add(&self.cells, Library::HERE, library);
    }
}

fn add<'a>(cells: &'a [Parsed], within: crate::elaborate::Origin, library: &mut Library<'a>) {
    for cell in cells {
        let Some(item) = &cell.item else { continue };
        let origin = library.namespace();
        add(&cell.uses, origin, library);
        library.add(
            within,
            cell.path.clone(),
            Known {
                item,
                origin,
                broken: item.broken,
            },
        );
    }
}

impl Parsed {
    fn read(given: &Given) -> Self {
        // Errors were reported by the expansion that declares the cell.
        let mut silent = Diagnostics::default();
        let program = crate::parse::parse(given.closure.item.clone(), &mut silent);
        Self {
            path: given.path.clone(),
            item: program.items.into_iter().next(),
            uses: given.closure.uses.iter().map(Self::read).collect(),
        }
    }
}

// The cell with those it uses; `within` stops a cell that uses itself.
fn closure(item: &Item, items: &[Item], given: &[Given], within: &mut Vec<Ident>) -> Closure {
    within.push(item.name.clone());
    let mut uses: Vec<Given> = Vec::new();
    for path in used(item) {
        let text = path.to_string();
        if uses.iter().any(|known| known.path == text) {
            continue;
        }
        if let Some(inner) = local(items, path) {
            if !within.contains(&inner.name) {
                uses.push(Given::new(path, closure(inner, items, given, within)));
            }
        } else if let Some(known) = given.iter().find(|known| known.path == text) {
            uses.push(known.clone());
        }
    }
    within.pop();
    Closure {
        item: item.tokens.clone(),
        uses,
    }
}

/// The macro of a cell: it hands the cell over to an expansion that asks for it.
pub(crate) fn define(item: &Item, cell: &Cell, items: &[Item], given: &[Given]) -> TokenStream {
    let closure = closure(item, items, given, &mut Vec::new()).tokens();
    let name = &item.name;
    // Cells of one name in two modules of a crate are different macros.
    let place = line_column(name.span()).map_or(0, |(line, _)| line);
    let hidden = format_ident!(
        "__rnn_cell_{}_{:08x}",
        name,
        fingerprint(&format!("{place} {}", item.tokens)),
        span = name.span()
    );
    let docs = documentation(item, cell);
    let rule = quote! {
        (($($rnn:tt)*) [$($given:tt)*] [$($path:tt)*] { $($items:tt)* }) => {
            $($rnn)*::__private::rnn_impl! {
                ($($rnn)*) @resume [$($given)* { [$($path)*] #closure }] { $($items)* }
            }
        };
    };
    let (export, visibility) = match &item.visibility {
        Visibility::Public(tokens) => (quote!(#[macro_export]), tokens.clone()),
        Visibility::Restricted(tokens) => (TokenStream::new(), tokens.clone()),
        Visibility::Private => (TokenStream::new(), TokenStream::new()),
    };
    quote! {
        #[doc(hidden)]
        #[allow(unused_macros)]
        #export
        macro_rules! #hidden { #rule }
        #(#docs)*
        #[allow(unused_imports)]
        #visibility use #hidden as #name;
    }
}

fn documentation(item: &Item, cell: &Cell) -> Vec<TokenStream> {
    let mut docs: Vec<TokenStream> = item
        .attributes
        .iter()
        .map(|attribute| attribute.tokens.clone())
        .collect();
    if !item.attributes.iter().any(crate::ast::Attribute::is_doc) {
        let outputs: Vec<String> = cell
            .outputs
            .iter()
            .map(|output| output.name.to_string())
            .collect();
        let text = format!(
            "The cell `{}`, with output `{}`.",
            item.name,
            outputs.join("`, `")
        );
        docs.push(quote!(#[doc = #text]));
    }
    docs
}

/// FNV-1a, 32 bits: the same on every machine, unlike the standard hasher.
fn fingerprint(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}
