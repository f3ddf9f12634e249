//! What a cell expands to: a macro that hands its tokens, spans kept, to the expansion that uses it.
//!
//! ```text
//! macro_rules! __rnn_cell_Lstm_1f3a { (@collect ..) => { rnn_impl! { .. @known { .. {Lstm} {cell Lstm ..} {} } .. } } }
//! pub use __rnn_cell_Lstm_1f3a as Lstm;
//! ```
//!
//! **Invariant:** two cells of one name in one crate have macros of different names, as exported macros share one
//! namespace.

use std::hash::Hasher;

use proc_macro2::{Delimiter, Group, TokenStream};
use quote::{format_ident, quote, quote_spanned};

use super::collect::cells_of;
use super::invocation::Invocation;
use crate::ast::{Item, Visibility};
use crate::diagnostics::{file, line_column};
use crate::elaborate::Library;

/// The macro of a cell.
pub(super) fn emit(item: &Item, library: &Library<'_>, invocation: &Invocation) -> TokenStream {
    let name = &item.name;
    let hidden = format_ident!(
        "__rnn_cell_{name}_{:08x}",
        identity(item),
        span = name.span()
    );
    let (cell, uses) = payload(item, library, invocation);
    let docs = item
        .attributes
        .iter()
        .filter(|it| it.is_doc())
        .map(|it| &it.tokens);
    let equations = documentation(item);
    let (export, visibility) = match &item.visibility {
        Visibility::Public(tokens) => (Some(quote!(#[macro_export])), Some(tokens)),
        Visibility::Restricted(tokens) => (None, Some(tokens)),
        Visibility::Private => (None, None),
    };
    let facade = quote!($($facade)+);
    // Its place is the cell's name, where the compiler points when it proposes the cell for a misspelt one.
    let head = quote_spanned!(name.span()=> macro_rules!);
    let mut rules = Group::new(
        Delimiter::Brace,
        quote! {
            (@collect ($($facade:tt)+) {$($path:tt)*} {$($known:tt)*} {$($items:tt)*}) => {
                #facade::__private::rnn_impl! {
                    (#facade)
                    @known { $($known)* {$($path)*} {#cell} {#uses} }
                    $($items)*
                }
            };
        },
    );
    rules.set_span(name.span());
    quote! {
        #[doc(hidden)]
        #[allow(unused_macros, reason = "a cell that nothing uses is no mistake")]
        #[allow(non_local_definitions, reason = "a cell may be written inside a function")]
        #[allow(clippy::crate_in_macro_def, reason = "cells that it names come along, so no path is looked up elsewhere")]
        #export
        #head #hidden #rules
        #(#docs)*
        #[doc = #equations]
        #[doc(inline)]
        #[allow(unused_imports, reason = "a cell that nothing uses is no mistake")]
        #visibility use #hidden as #name;
    }
}

/// A cell as one that an invocation knows: `{path} {cell} {cells it uses}`.
pub(super) fn entry(item: &Item, library: &Library<'_>, invocation: &Invocation) -> TokenStream {
    let name = &item.name;
    let (cell, uses) = payload(item, library, invocation);
    quote!({#name} {#cell} {#uses})
}

/// The tokens of a cell and of those it uses; nothing for a broken one.
fn payload(
    item: &Item,
    library: &Library<'_>,
    invocation: &Invocation,
) -> (TokenStream, TokenStream) {
    let known = library.find(Library::HERE, &item.name.to_string());
    if known.is_none_or(|known| known.broken) {
        return (TokenStream::new(), TokenStream::new());
    }
    let mut uses = TokenStream::new();
    for path in cells_of(item) {
        let text = path.to_string();
        if let Some(entry) = invocation.known.iter().find(|entry| entry.path() == text) {
            uses.extend(entry.tokens().clone());
        } else if let Some(used) = library.find(Library::HERE, &text) {
            let (cell, inner) = payload(used.item, library, invocation);
            uses.extend(quote!({#path} {#cell} {#inner}));
        }
    }
    (item.tokens.clone(), uses)
}

/// The equations, as a block of text.
fn documentation(item: &Item) -> String {
    let mut text = format!("\n```text\n{}\n", item.signature());
    for statement in &item.body {
        text.push_str(&format!("    {}\n", statement.kind));
    }
    text.push_str("```");
    text
}

/// A number that differs between cells of one name (FNV-1a over the tokens and their place).
fn identity(item: &Item) -> u32 {
    let mut hasher = Fnv(0x811c_9dc5);
    hasher.write(item.tokens.to_string().as_bytes());
    let span = item.name.span();
    if let Some((line, column)) = line_column(span) {
        hasher.write_usize(line);
        hasher.write_usize(column);
    }
    if let Some(file) = file(span) {
        hasher.write(file.as_bytes());
    }
    hasher.0
}

/// Fowler, Noll and Vo's hash of 32 bits, the same on every machine.
struct Fnv(u32);

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        u64::from(self.0)
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        }
    }

    fn write_usize(&mut self, value: usize) {
        self.write(&u64::try_from(value).unwrap_or(u64::MAX).to_le_bytes());
    }
}
