//! Error reports: where, what, and how to mend it.
//!
//! Every stage reports into one [`Diagnostics`] and goes on, so that one expansion shows several errors.
//!
//! **Invariant:** a report is never lost: a function that fails returns [`Reported`], which only [`Diagnostics::report`]
//! makes.

mod compile_error;
#[cfg(test)]
mod coverage;
mod extent;
mod nearest;
mod position;
#[cfg(test)]
pub(crate) mod underline;
mod warning;

pub(crate) use extent::Extent;
pub(crate) use nearest::{counted, nearest};
pub(crate) use position::{file, line_column, within_its_crate};

use std::collections::BTreeSet;

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

use crate::ast::{Attribute, Item};

/// Reports after this many are counted, not shown.
const SHOWN: usize = 50;

/// Proof that an error was reported, carried instead of a value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reported(());

/// One error: lower case, no full stop, both parties named, the fix as help.
#[derive(Clone, Debug)]
pub(crate) struct Diagnostic {
    message: String,
    extent: Extent,
    labels: Vec<(Extent, String)>,
    helps: Vec<String>,
}

/// What is no error, of an item that may allow it.
#[derive(Clone, Debug)]
struct Remark {
    diagnostic: Diagnostic,
    /// The name of the item.
    item: String,
    levels: TokenStream,
}

/// The errors of one expansion, in the order they were found, each once: a cell that is used twice is wrong once.
#[derive(Debug, Default)]
pub(crate) struct Diagnostics {
    shown: Vec<Diagnostic>,
    remarks: Vec<Remark>,
    seen: BTreeSet<(String, String)>,
    omitted: usize,
}

impl Diagnostic {
    /// An error at `extent`.
    #[cfg_attr(test, track_caller)]
    pub(crate) fn new(extent: impl Into<Extent>, message: impl Into<String>) -> Self {
        #[cfg(test)]
        coverage::record(std::panic::Location::caller());
        Self {
            message: message.into(),
            extent: extent.into(),
            labels: Vec::new(),
            helps: Vec::new(),
        }
    }

    /// Adds another place that is part of the error: "first definition".
    pub(crate) fn label(mut self, extent: impl Into<Extent>, text: impl Into<String>) -> Self {
        self.labels.push((extent.into(), text.into()));
        self
    }

    /// Adds a way out: "write `sum[j](..)`".
    pub(crate) fn help(mut self, text: impl Into<String>) -> Self {
        self.helps.push(text.into());
        self
    }

    /// Adds a way out if there is one.
    pub(crate) fn help_if(self, text: Option<String>) -> Self {
        match text {
            Some(text) => self.help(text),
            None => self,
        }
    }
}

impl Diagnostics {
    /// Takes an error in.
    pub(crate) fn report(&mut self, diagnostic: Diagnostic) -> Reported {
        let place = format!("{:?}", diagnostic.extent.start);
        if !self.seen.insert((place, diagnostic.message.clone())) {
            return Reported(());
        }
        if self.shown.len() < SHOWN {
            self.shown.push(diagnostic);
        } else {
            self.omitted += 1;
        }
        Reported(())
    }

    /// Takes a remark in, about an item, whose attributes say whether it is a warning.
    pub(crate) fn remark(&mut self, diagnostic: Diagnostic, item: &Item) {
        let place = format!("{:?}", diagnostic.extent.start);
        if self.seen.insert((place, diagnostic.message.clone())) {
            let levels = item.attributes.iter().map(|attribute| {
                let name = attribute.name.to_string();
                match name.as_str() {
                    "allow" | "warn" | "deny" => attribute.tokens.clone(),
                    "expect" => expected(attribute, true),
                    _ => TokenStream::new(),
                }
            });
            self.remarks.push(Remark {
                diagnostic,
                item: item.name.to_string(),
                levels: levels.collect(),
            });
        }
    }

    /// Whether there is a remark about an item.
    pub(crate) fn remarks_on(&self, item: &Item) -> bool {
        self.remarks.iter().any(|remark| item.name == remark.item)
    }

    /// Takes all errors of another collection in.
    pub(crate) fn append(&mut self, other: Self) {
        for diagnostic in other.shown {
            self.report(diagnostic);
        }
        self.remarks.extend(other.remarks);
        self.omitted += other.omitted;
    }

    /// Whether nothing was reported.
    pub(crate) fn is_empty(&self) -> bool {
        self.shown.is_empty()
    }

    /// How many errors were reported so far.
    pub(crate) fn count(&self) -> usize {
        self.shown.len() + self.omitted
    }
}

/// What `#[expect(..)]` expects of remarks, or of everything else; no tokens where that is nothing. Unlike other levels it warns where a
/// lint is not met, so every lint of it has to be where it can be met.
pub(crate) fn expected(attribute: &Attribute, of_remarks: bool) -> TokenStream {
    let mut any = false;
    let tokens = in_groups(attribute.tokens.clone(), &mut |lints| {
        let lints: Vec<TokenTree> = lints.into_iter().collect();
        let is_comma =
            |tree: &TokenTree| matches!(tree, TokenTree::Punct(punct) if punct.as_char() == ',');
        let mut kept = TokenStream::new();
        for lint in lints.split_inclusive(is_comma) {
            let name = lint.first().map(ToString::to_string).unwrap_or_default();
            let is_path = lint.get(1).is_some_and(|tree| !is_comma(tree));
            if name == "reason" && is_path {
                kept.extend(lint.iter().cloned());
            } else if (name == "deprecated" && !is_path) == of_remarks {
                any = true;
                kept.extend(lint.iter().cloned());
            }
        }
        kept
    });
    if any { tokens } else { TokenStream::new() }
}

/// An attribute with other tokens in its parentheses.
fn in_groups(
    tokens: TokenStream,
    change: &mut dyn FnMut(TokenStream) -> TokenStream,
) -> TokenStream {
    let trees = tokens.into_iter().map(|tree| match tree {
        TokenTree::Group(group) => {
            let inside = match group.delimiter() {
                Delimiter::Parenthesis => change(group.stream()),
                _ => in_groups(group.stream(), change),
            };
            let mut changed = Group::new(group.delimiter(), inside);
            changed.set_span(group.span());
            TokenTree::Group(changed)
        }
        other => other,
    });
    trees.collect()
}
